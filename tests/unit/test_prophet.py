"""Prophet for many series at once is Prophet: the same models, a posterior as high as Stan's, the same forecasts."""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from prophet.make_holidays import make_holidays_df
from prophet.serialize import model_to_json

import prophet
from mlops import load
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput, HistoryTooShort, ModelNotFound, UnknownName
from mlops.forecasting.prophet import solver as map_solver
from mlops.forecasting.prophet.design import holiday_columns
from mlops.forecasting.prophet.model import Prophet
from mlops.forecasting.prophet.solver import FIRST, Prior, maximise
from mlops.panels.calendar import Calendar
from mlops.panels.from_frame import Panels

EVENTS = [
    {"name": "Storm", "first": "2019-03-03", "last": "2019-03-09"},
    {"name": "Fair", "first": "2019-06-03", "last": "2019-06-05", "announced": "2019-05-01"},
    {"name": "Fair", "first": "2020-04-03", "last": "2020-04-05", "announced": "2019-05-01"},
]
MONTHLY = {"name": "monthly", "period": 30.5, "fourier_order": 3}
QUARTERLY = {"name": "quarterly", "period": 91.3, "fourier_order": 2, "mode": "multiplicative", "prior_scale": 0.5}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "holidays and events": {"country": "US", "events": EVENTS},
    "regressors": {"covariates": ["price", "promo"]},
    "multiplicative": {"country": "US", "seasonality_mode": "multiplicative", "covariates": ["price"]},
    "mixed": {"country": "US", "holidays_mode": "multiplicative", "seasonalities": [MONTHLY, QUARTERLY]},
    "flat": {"growth": "flat", "yearly_seasonality": False, "weekly_seasonality": 2},
    "flat, multiplicative": {"growth": "flat", "seasonality_mode": "multiplicative", "events": EVENTS},
    "weeks": {"freq": "W-MON", "country": "US", "events": EVENTS},
    "months, multiplicative": {"freq": "MS", "country": "US", "seasonality_mode": "multiplicative"},
    "hours": {"freq": "h", "country": "US"},
}
STEPS = {"D": 800, "W-MON": 170, "MS": 84, "h": 500}
HORIZON = 14


@pytest.fixture(scope="module", params=SETTINGS)
def fitted(request: pytest.FixtureRequest) -> Prophet:
    settings = {"freq": "D", "horizon": HORIZON} | SETTINGS[request.param]
    return Prophet(**settings).fit(_frame(settings["freq"]))


def test_the_posterior_is_as_high_as_stans_and_the_model_the_same(fitted: Prophet):
    for series_id, ours in fitted.models.items():
        stan, data = _by_stan(fitted, series_id)
        mine, theirs = _negative_log_posterior(data, ours.params), _negative_log_posterior(data, stan.params)
        assert mine - theirs < 1e-3 * max(1, abs(theirs))
        for name in ("history", "changepoints", "history_dates", "train_component_cols", "train_holiday_names"):
            assert _same(getattr(ours, name), getattr(stan, name)), name
        for name in ("start", "t_scale", "y_scale", "seasonalities", "extra_regressors", "component_modes"):
            assert getattr(ours, name) == getattr(stan, name), name
        assert {name: array.shape for name, array in ours.params.items()}.items() <= _shapes(stan).items()


def test_all_forecasts_at_once_are_those_of_the_genuine_models(fitted: Prophet):
    future = _future(fitted)
    forecasts = fitted.explain(HORIZON, future=future)
    assert set(fitted.solver.values()) == {"map"}
    for series_id, model in fitted.models.items():
        model.uncertainty_samples = 0
        expected = model.predict(fitted.frame_ahead(series_id, HORIZON, future=future))
        found = forecasts[forecasts["series_id"] == series_id].reset_index(drop=True)
        assert_allclose(found["y_hat"] - found["limit"], expected["yhat"], rtol=1e-6)
        for part in set(found.columns[4:]) - {"limit"}:
            column = part.removeprefix("holiday: ")
            want = expected.get(column, pd.Series(np.zeros(HORIZON)))
            times = expected["trend"] if column in model.component_modes["multiplicative"] else 1.0
            assert_allclose(found[part], want * times, atol=1e-9 * model.y_scale, rtol=1e-6, err_msg=part)


def test_saving_keeps_the_genuine_models(fitted: Prophet, tmp_path: Path):
    fitted.save(tmp_path)
    again = load(tmp_path)
    assert isinstance(again, Prophet)
    assert again.solver == fitted.solver
    assert json.loads(model_to_json(again.model("gaps"))) == json.loads(model_to_json(fitted.model("gaps")))


def test_parameters_survive_json(fitted: Prophet):
    assert Prophet(**json.loads(json.dumps(fitted.params))).params == fitted.params


def test_forecasts_are_close_to_stans():
    fitted = Prophet(freq="D", country="US", horizon=28).fit(_frame("D"))
    found = fitted.predict(28)
    apart = []
    for series_id in fitted.known:
        expected = _by_stan(fitted, series_id)[0].predict(fitted.frame_ahead(series_id, 28))["yhat"]
        apart.append(np.median(np.abs(found.loc[found["series_id"] == series_id, "y_hat"].to_numpy() / expected - 1)))
    assert np.median(apart) < 0.005


@pytest.mark.parametrize("mode", ["additive", "multiplicative"])
def test_cash_machines_are_fitted_as_well_as_by_stan(mode: str):
    path = Path(os.environ.get("MLOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = path / "nn5_atm" / "nn5_daily.csv.gz"
    if not path.exists():
        pytest.skip(f"the NN5 data are not at {path}; set MLOPS_SHARED_DATA")
    wide = pd.read_csv(path, parse_dates=["date"], index_col="date").iloc[:, :4]
    frame = wide.where(wide > 0).rename_axis("ds").reset_index().melt("ds", var_name="series_id", value_name="y")
    fitted = Prophet(freq="D", country="GB", seasonality_mode=mode).fit(frame)
    found, apart = fitted.predict(28), []
    for series_id, ours in fitted.models.items():
        stan, data = _by_stan(fitted, series_id)
        theirs = _negative_log_posterior(data, stan.params)
        assert _negative_log_posterior(data, ours.params) - theirs < 1e-4 * abs(theirs)
        expected = stan.predict(fitted.frame_ahead(series_id, 28))["yhat"]
        apart.append(np.median(np.abs(found.loc[found["series_id"] == series_id, "y_hat"].to_numpy() / expected - 1)))
    assert np.median(apart) < 0.005


def test_a_genuine_model_samples_its_uncertainty_and_names_each_holiday():
    fitted = Prophet(freq="D", country="US", horizon=28).fit(_frame("D"))
    forecast = fitted.model("full").predict(fitted.frame_ahead("full", 28))
    assert (forecast["yhat_lower"] < forecast["yhat"]).all()
    assert (forecast["yhat"] < forecast["yhat_upper"]).all()
    assert {"trend", "weekly", "yearly", "holidays", "Christmas Day", "New Year's Day"} < set(forecast.columns)


def test_a_genuine_model_is_saved_by_mlflow(tmp_path: Path):
    import mlflow.prophet

    fitted = Prophet(freq="D", country="US", horizon=28).fit(_frame("D"))
    model, ahead = fitted.model("late"), fitted.frame_ahead("late", 28)
    model.uncertainty_samples = 0
    mlflow.prophet.save_model(model, str(tmp_path / "late"))
    assert_frame_equal(mlflow.prophet.load_model(str(tmp_path / "late")).predict(ahead), model.predict(ahead))


def test_logistic_growth_goes_to_stan_and_says_so(caplog: pytest.LogCaptureFixture):
    frame = _frame("D", steps=120)
    cap = {"full": 300.0, "gaps": 250, "late": 200.0}
    with caplog.at_level(logging.INFO, logger="mlops.forecasting.prophet.model"):
        fitted = Prophet(freq="D", growth="logistic", cap=cap, floor=5, n_changepoints=6).fit(frame)
    assert "by Stan, one by one, because of growth = 'logistic'" in caplog.text
    assert set(fitted.solver.values()) == {"stan"}
    found = fitted.predict(28)
    for series_id, model in fitted.models.items():
        expected = model.predict(fitted.frame_ahead(series_id, 28))
        assert_allclose(found.loc[found["series_id"] == series_id, "y_hat"], expected["yhat"], rtol=1e-6)
        assert (expected["cap"] == cap[series_id]).all()


def test_samples_of_the_posterior_come_from_stan_and_are_kept(tmp_path: Path):
    frame = _frame("D", steps=60)
    fitted = Prophet(freq="D", mcmc_samples=40, n_changepoints=2).fit(frame[frame["series_id"] == "full"])
    fitted.save(tmp_path)
    model = load(tmp_path).model("full")  # type: ignore[attr-defined]
    assert fitted.solver == {"full": "stan"}
    assert model.params["k"].shape == (80,)
    assert_allclose(fitted.predict(28)["y_hat"], model.predict(fitted.frame_ahead("full", 28))["yhat"], rtol=1e-6)


def test_what_does_not_converge_goes_to_stan_and_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(map_solver, "MOST", 1)
    frame = _frame("D", steps=120)
    fitted = Prophet(freq="D", horizon=28)
    fitted.fit_panel(Panels.of(frame, "D").one, range(100, 101))
    assert "did not converge for full, gaps, late; Stan fits them" in caplog.text
    assert set(fitted.solver.values()) == {"stan"}
    expected = fitted.model("full").predict(fitted.frame_ahead("full", 28))["yhat"]
    assert_allclose(fitted.predict(28)["y_hat"][:28], expected, rtol=1e-6)


def test_series_without_a_pattern_are_forecast_too():
    ds = pd.date_range("2023-01-02", periods=150)
    random = np.random.default_rng(5)
    series = {
        "constant": np.full(150, 7.0),
        "zero": np.zeros(150),
        "intermittent": random.poisson(0.2, 150).astype(float),
        "exact": 10.0 + ds.dayofweek,
        "negative": random.normal(-50, 1, 150),
        "short": np.r_[np.full(140, np.nan), np.arange(10.0)],
        "jump": np.where(np.arange(150) < 75, 1.0, 1e6),
    }
    frame = pd.concat([pd.DataFrame({"series_id": name, "ds": ds, "y": y}) for name, y in series.items()])
    fitted = Prophet(freq="D").fit(frame)
    found = fitted.predict(14).pivot(index="ds", columns="series_id", values="y_hat")
    assert fitted.solver == dict.fromkeys(sorted(series), "map") | {"short": "mean"}
    assert_allclose(found["constant"], 7.0)
    assert_allclose(found["zero"], 0.0)
    assert_allclose(found["short"], 4.5)
    assert_allclose(found["exact"], 10.0 + found.index.dayofweek, rtol=1e-3)
    assert found["negative"].between(-55, -45).all()
    assert np.isfinite(found.to_numpy()).all()
    constant = fitted.model("constant").predict(fitted.frame_ahead("constant", 14))
    assert_allclose(constant["yhat"], 7.0)


def test_a_series_with_a_mean_has_no_genuine_model():
    frame = _frame("D", steps=60)
    short = frame[frame["series_id"] == "full"].tail(5).assign(series_id="short")
    fitted = Prophet(freq="D").fit(pd.concat([frame, short]))
    assert "short" not in set(fitted.models)
    assert len(fitted.models) == 3
    with pytest.raises(HistoryTooShort, match="'short' has 5 observations; 14 are needed"):
        fitted.model("short")
    with pytest.raises(UnknownName, match="did you mean 'gaps'"):
        fitted.model("gap")


def test_a_series_that_stan_refuses_gets_its_mean_and_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(map_solver, "MOST", 1)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("Error during optimization!\ndetails")

    monkeypatch.setattr("prophet.Prophet.fit", refuse)
    frame = _frame("D", steps=120)
    fitted = Prophet(freq="D").fit(frame)
    assert "Stan could not fit series gaps (Error during optimization!); it gets its mean" in caplog.text
    mean = frame.groupby("series_id")["y"].mean()
    assert_allclose(fitted.predict(7).groupby("series_id")["y_hat"].first(), mean)
    with pytest.raises(ModelNotFound, match="Stan could not fit series 'gaps'"):
        fitted.model("gaps")


def test_an_exact_fit_by_too_many_terms_is_named(caplog: pytest.LogCaptureFixture):
    frame = _frame("MS", steps=40)
    fitted = Prophet(freq="MS", seasonalities=[MONTHLY, QUARTERLY], seasonality_prior_scale=1000.0, horizon=3)
    fitted.fit(frame[frame["series_id"] == "gaps"])
    assert "gaps: as many terms as observations" in caplog.text


def test_a_calibration_forecast_is_of_a_model_that_was_fitted_at_most_four_origins_before():
    panel = Panels.of(_frame("D"), "D").one
    fitted = Prophet(freq="D", country="US").fit_panel(panel)
    steps = panel.index.get_indexer(fitted._out_of_sample.origins) + 1
    alone = Prophet(freq="D", country="US")
    alone._fit(panel.until(steps[4]))
    for place in (4, 7):
        expected = alone.point(panel.until(steps[place]), 28)
        assert_allclose(fitted._out_of_sample.y_hat[place], expected, rtol=2e-3)


def test_an_event_is_known_from_the_day_of_its_announcement():
    frame = _frame("D")
    cutoff = frame["ds"].max()
    tour = [{"name": "Tour", "first": day, "last": day} for day in ("2019-02-02", "2019-06-15", "2019-09-09")]
    ahead = str((cutoff + pd.Timedelta(days=3)).date())
    late = {"name": "Tour", "first": ahead, "last": ahead, "announced": str((cutoff + pd.Timedelta(days=1)).date())}
    y = frame["y"] + 500 * frame["ds"].isin(pd.to_datetime([one["first"] for one in tour]))
    known, unknown, never = (
        Prophet(freq="D", events=[*tour, *more]).fit(frame.assign(y=y)).predict(7)["y_hat"][:7]
        for more in ([late | {"announced": "2019-01-01"}], [late], [])
    )
    assert_allclose(unknown, never)
    assert known[2] > never[2] + 100
    later = Prophet(freq="D", events=[*tour, late]).fit(frame.assign(y=y))
    day = pd.DataFrame({"series_id": "full", "ds": cutoff + pd.Timedelta(days=1), "y": [100.0]})
    history = pd.concat([frame.assign(y=y), day])
    assert later.predict(7, history=history)["y_hat"][1] > never[2] + 100


def test_an_event_that_is_told_of_afterwards_does_not_change_a_fit_before():
    frame = _frame("D", steps=200)
    strike = {"name": "Strike", "first": "2018-06-20", "last": "2018-06-29"}
    after = str((frame["ds"].max() + pd.Timedelta(days=1)).date())
    told, untold, without = (
        Prophet(freq="D", events=events).fit(frame).explain(7)
        for events in ([strike], [strike | {"announced": after}], [])
    )
    assert_frame_equal(untold, without)
    assert "holiday: Strike" in told
    assert not np.allclose(told["y_hat"], without["y_hat"])


def test_a_step_without_its_covariate_is_not_learned_from():
    frame = _frame("D", steps=200)
    holes = frame["ds"].isin(pd.date_range("2018-02-01", periods=20))
    without = Prophet(freq="D", covariates=["price"]).fit(frame[~holes])
    with_holes = Prophet(freq="D", covariates=["price"]).fit(frame.assign(price=frame["price"].mask(holes)))
    assert_frame_equal(*(one.model("full").history for one in (without, with_holes)))


def test_a_covariate_that_is_not_known_ahead_is_asked_for():
    fitted = Prophet(freq="D", covariates=["price"]).fit(_frame("D", steps=120))
    with pytest.raises(BadInput, match="covariate 'price' is not known"):
        fitted.predict(7)


@pytest.mark.parametrize("country", ["US", "GB", "NZ", "DE", "BR", "CN"])
def test_holidays_have_prophets_names_and_days(country: str):
    index = pd.date_range("2019-01-01", "2022-12-31")
    theirs = make_holidays_df([2019, 2020, 2021, 2022], country)
    ours = holiday_columns(Calendar(country), index, GRANULARITIES["daily"])
    expected = {(str(day.date()), name) for day, name in theirs.itertuples(index=False)}
    assert {(str(day.date()), name) for name, flags in ours.items() for day in index[flags > 0]} == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"growth": "cubic"}, "growth = 'cubic' is unknown; expected one of linear, flat, logistic"),
        ({"growth": "logistic"}, "needs a cap"),
        ({"cap": 10.0}, "belong together"),
        ({"floor": 1.0}, "means nothing without growth"),
        ({"seasonality_mode": "both"}, "seasonality_mode = 'both' is unknown"),
        ({"holidays_mode": "both"}, "holidays_mode = 'both' is unknown"),
        ({"changepoint_range": 1.5}, "share of the history"),
        ({"n_changepoints": -1}, "n_changepoints = -1 is refused"),
        ({"mcmc_samples": 1.5}, "mcmc_samples = 1.5 is refused"),
        ({"changepoint_prior_scale": 0}, "not a number above 0"),
        ({"weekly_seasonality": "often"}, "weekly_seasonality = 'often' is refused"),
        ({"seasonalities": [{"name": "m", "period": 30.5}]}, "has no fourier_order"),
        ({"seasonalities": [MONTHLY | {"period": -1}]}, "period of seasonality 'monthly'"),
        ({"seasonalities": [MONTHLY | {"fourier_order": 0}]}, "from 1 up"),
        ({"seasonalities": [MONTHLY | {"name": "trend"}]}, "can't be called 'trend'"),
        ({"seasonalities": [MONTHLY, MONTHLY]}, "can't be called 'monthly'"),
        ({"covariates": ["weekly"]}, "can't be called 'weekly'"),
        ({"covariates": ["Fair"], "events": EVENTS}, "can't be called 'Fair'"),
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_refused(settings: dict[str, Any], words: str):
    with pytest.raises(BadInput, match=words):
        Prophet(**settings)


def test_an_unknown_key_of_a_seasonality_is_refused_with_the_choices():
    with pytest.raises(UnknownName, match="did you mean 'fourier_order'"):
        Prophet(seasonalities=[{"name": "m", "period": 30.5, "fourier_orders": 3}])


def test_a_cap_must_be_said_of_every_series():
    with pytest.raises(BadInput, match="cap says nothing of series 'gaps'"):
        Prophet(freq="D", growth="logistic", cap={"full": 100.0}).fit(_frame("D", steps=120))


def test_an_infinite_value_is_refused():
    frame = _frame("D", steps=120)
    frame.loc[5, "y"] = np.inf
    with pytest.raises(BadInput, match="'full' has an infinite y"):
        Prophet(freq="D").fit(frame)


@pytest.mark.parametrize("text", ["false", "4"])
def test_a_seasonality_can_be_set_by_text(text: str):
    frame = _frame("D", steps=120)
    by_text, by_value = (Prophet(freq="D", weekly_seasonality=value) for value in (text, json.loads(text)))
    assert_frame_equal(by_text.fit(frame).predict(7), by_value.fit(frame).predict(7))
    assert ("weekly" in by_text.model("full").seasonalities) == (text == "4")


@pytest.mark.parametrize("multiplicative", [0, 4])
def test_no_direction_leads_higher_from_the_maximum(multiplicative: int):
    random = np.random.default_rng(11)
    t, x = np.linspace(0, 1, 150), random.normal(size=(150, 8))
    hinges = np.maximum(t[:, None] - np.linspace(0.1, 0.8, 6), 0)
    trend = 0.5 + 0.3 * t + 0.8 * hinges[:, 2]
    y = trend * (1 + 0.1 * x[:, 7] * bool(multiplicative)) + 0.05 * x[:, 0] + random.normal(0, 0.05, 150)
    prior = Prior(6, 0.05, np.r_[5.0, 5.0, np.full(8, 10.0)], 2, multiplicative)
    design = np.column_stack([hinges, t, np.ones(150), x])
    found = maximise([y], [design], prior, FIRST)
    assert found.converged.all()

    def value(point: np.ndarray) -> float:
        theta, sigma = point[:-1], float(np.exp(point[-1]))
        line, last = design[:, :8] @ theta[:8], 16 - multiplicative
        factor, added = 1 + design[:, last:] @ theta[last:], design[:, 8:last] @ theta[8:last]
        density = -0.5 * np.square((y - line * factor - added) / sigma).sum() - 150 * np.log(sigma) - 2 * sigma**2
        return float(np.abs(theta[:6]).sum() / 0.05 + np.square(theta[6:] / prior.scales).sum() / 2 - density)

    best = np.append(found.theta[0], np.log(found.sigma[0]))
    assert value(best) == pytest.approx(found.objective[0], rel=1e-12)
    for direction in np.vstack([np.eye(17), random.normal(size=(100, 17))]):
        for step in (1e-3, -1e-3, 1e-2, -1e-2):
            assert value(best + step * direction) > value(best) - 1e-6
    assert (found.theta[0, :6] == 0).any(), "the L1 penalty leaves changes out"


def _frame(freq: str, steps: int | None = None) -> pd.DataFrame:
    """Three series with a trend that bends, cycles, noise and covariates: one whole, one with gaps, one late."""
    random = np.random.default_rng(3)
    steps = steps or STEPS[freq]
    ds = pd.date_range("2018-01-01", periods=steps, freq=freq)
    place = np.arange(steps)
    of_week = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])[ds.dayofweek] if freq in ("D", "h") else 1.0
    of_day = 1 + 0.3 * np.sin(2 * np.pi * ds.hour / 24)
    of_year = 1 + 0.2 * np.sin(2 * np.pi * ds.dayofyear / 365.25)
    parts = []
    for name, kept in (("full", place >= 0), ("gaps", random.random(steps) < 0.85), ("late", place >= steps // 2)):
        price, promo = random.normal(10, 2, steps), (random.random(steps) < 0.1).astype(float)
        level = np.where(place > 0.6 * steps, 140, 100) + 20 * place / steps
        y = level * of_week * of_day * of_year * random.normal(1, 0.07, steps) - 2 * (price - 10) + 10 * promo
        frame = pd.DataFrame({"series_id": name, "ds": ds, "y": y, "price": price, "promo": promo})
        parts.append(frame[kept])
    return pd.concat(parts, ignore_index=True)


def _future(fitted: Prophet) -> pd.DataFrame | None:
    if not fitted.covariates:
        return None
    steps = fitted._history.future(HORIZON)
    rows = [pd.DataFrame({"series_id": name, "ds": steps, "price": 11.0, "promo": 1.0}) for name in fitted.known]
    return pd.concat(rows)[["series_id", "ds", *fitted.covariates]]


class _Listening:
    """Prophet's own backend, which also keeps what Prophet hands to Stan."""

    def __init__(self, backend: Any) -> None:
        self.backend, self.data, self.stan_fit = backend, {}, None

    def fit(self, init: Mapping[str, Any], data: Mapping[str, Any], **more: Any) -> Any:
        self.data = data
        return self.backend.fit(init, data, **more)


def _by_stan(fitted: Prophet, series_id: object) -> tuple[prophet.Prophet, Mapping[str, Any]]:
    """The same model of the same history, fitted by Stan; and what Stan was given."""
    plan = fitted._template(fitted._history)
    history = plan.frame(fitted._history, fitted._row(series_id))
    model = plan.model(history)
    model.stan_backend = listening = _Listening(model.stan_backend)
    model.fit(history)
    return model, listening.data


def _negative_log_posterior(data: Mapping[str, Any], params: Mapping[str, Any]) -> float:
    """Of prophet.stan, without constants."""
    k, m, sigma = (params[name][0, 0] for name in ("k", "m", "sigma_obs"))
    delta, beta, t = params["delta"][0], params["beta"][0], np.asarray(data["t"])
    flat = data["trend_indicator"] == 2
    trend = m + (0 * t if flat else k * t + np.maximum(t[:, None] - data["t_change"], 0) @ delta)
    x = data["X"].to_numpy(dtype=float)
    mean = trend * (1 + x @ (beta * np.asarray(data["s_m"]))) + x @ (beta * np.asarray(data["s_a"]))
    errors = np.square(np.asarray(data["y"]) - mean).sum()
    priors = (k**2 + m**2) / 50 + np.abs(delta).sum() / data["tau"] + np.square(beta / data["sigmas"]).sum() / 2
    return float(len(t) * np.log(sigma) + errors / (2 * sigma**2) + 2 * sigma**2 + priors)


def _same(ours: Any, stans: Any) -> bool:
    return ours is stans is None or bool(ours.equals(stans))


def _shapes(model: prophet.Prophet) -> dict[str, tuple[int, ...]]:
    return {name: np.asarray(values).shape for name, values in model.params.items()}


def test_a_genuine_model_knows_the_holidays_of_a_part_of_a_country():
    frame = _frame("D", steps=800)
    fitted = Prophet(freq="D", country="US-CA", horizon=28).fit(frame)
    assert "holiday: Cesar Chavez Day" in fitted.explain(1).columns
    model = fitted.model("full")
    expected = model.predict(fitted.frame_ahead("full", 28))["yhat"].to_numpy()
    ours = fitted.predict(28)
    assert_allclose(ours.loc[ours["series_id"] == "full", "y_hat"], np.maximum(expected, 0), rtol=1e-6)
