"""What every model kind promises, by enumeration: a new kind is tested the day it is added."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mlops import KINDS, forecaster, load
from mlops.domain.forecasts import wape
from mlops.errors import BadHorizon, BadInput, HistoryTooShort, NothingToDo, UnknownName
from mlops.evaluation.backtest import accuracy_of, backtest, origins
from mlops.forecasting.base import Forecaster
from mlops.forecasting.kind import COMPONENTS

COLUMNS = ["series_id", "ds", "cutoff", "y_hat", "lo_80", "hi_80", "lo_95", "hi_95", "closed"]
PARAMS = {"lightgbm": {"trees": 60}, "auto": {"settings": {"lightgbm": {"trees": 60}}}}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(kind: str, weekly_pattern: pd.DataFrame) -> Forecaster:
    return forecaster(kind)(**PARAMS.get(kind, {})).fit(_before(weekly_pattern, 700))


def test_a_forecast_has_one_row_per_series_and_step(fitted: Forecaster):
    forecast = fitted.predict(14)
    assert list(forecast.columns) == COLUMNS
    assert len(forecast) == 4 * 14
    assert (forecast["ds"] > forecast["cutoff"]).all()
    assert forecast["ds"].max() - forecast["cutoff"].max() == pd.Timedelta(days=14)


def test_bounds_are_ordered_and_never_negative_for_counts(fitted: Forecaster):
    forecast = fitted.predict(28)
    bounds = forecast[["lo_95", "lo_80", "y_hat", "hi_80", "hi_95"]].to_numpy()
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert (bounds >= 0).all()


def test_other_levels_can_be_asked_for(fitted: Forecaster):
    forecast = fitted.predict(7, levels=(50, 99))
    assert {"lo_50", "hi_50", "lo_99", "hi_99"} < set(forecast.columns)
    assert (forecast["hi_99"] - forecast["lo_99"] > forecast["hi_50"] - forecast["lo_50"]).all()


def test_a_forecast_is_close_to_what_happens(fitted: Forecaster, weekly_pattern: pd.DataFrame):
    judged = fitted.predict(28).merge(weekly_pattern, on=["series_id", "ds"])
    assert len(judged) > 100
    assert wape(judged["y"], judged["y_hat"]) < 0.16
    inside = (judged["y"] >= judged["lo_95"]) & (judged["y"] <= judged["hi_95"])
    assert inside.mean() > 0.85


def test_the_parts_of_a_forecast_sum_to_it(fitted: Forecaster):
    forecast, explained = fitted.predict(14), fitted.explain(14)
    parts = explained.drop(columns=["series_id", "ds", "cutoff", "y_hat"])
    np.testing.assert_allclose(parts.sum(axis=1), forecast["y_hat"], rtol=1e-5)
    np.testing.assert_allclose(explained["y_hat"], forecast["y_hat"], rtol=1e-5)


def test_a_decomposition_has_the_components_and_sums_to_the_forecast(fitted: Forecaster):
    forecast, decomposed = fitted.predict(14), fitted.decompose(14)
    assert list(decomposed.columns) == ["series_id", "ds", "cutoff", "y_hat", *COMPONENTS]
    np.testing.assert_allclose(decomposed[list(COMPONENTS)].sum(axis=1), forecast["y_hat"], rtol=1e-5)
    assert decomposed["trend"].mean() > 0.5 * forecast["y_hat"].mean()


def test_saving_and_loading_changes_nothing(fitted: Forecaster, tmp_path: Path):
    fitted.save(tmp_path)
    assert_frame_equal(load(tmp_path).predict(28), fitted.predict(28))
    assert json.loads((tmp_path / "forecaster.json").read_text())["kind"] == fitted.kind


def test_fitting_twice_gives_the_same_numbers(kind: str, fitted: Forecaster, weekly_pattern: pd.DataFrame):
    again = forecaster(kind)(**fitted.params).fit(_before(weekly_pattern, 700))
    assert_frame_equal(again.predict(7), fitted.predict(7))


def test_newer_history_moves_the_cutoff_without_a_fit(fitted: Forecaster, weekly_pattern: pd.DataFrame):
    later = fitted.predict(7, history=_before(weekly_pattern, 714))
    assert (later["cutoff"] == fitted.predict(1)["cutoff"][0] + pd.Timedelta(days=14)).all()


def test_the_future_does_not_leak_into_a_backtest(kind: str, weekly_pattern: pd.DataFrame):
    cutoffs = [pd.Timestamp("2023-10-01"), pd.Timestamp("2023-10-08")]
    params = {"country": "NZ", **PARAMS.get(kind, {})}
    shuffled = _shuffled_after(weekly_pattern, cutoffs[-1])
    honest = backtest(kind, params, weekly_pattern, cutoffs, 14, refit_every=2)
    again = backtest(kind, params, shuffled, cutoffs, 14, refit_every=2)
    assert not honest["y"].equals(again["y"])
    assert_frame_equal(honest.drop(columns="y"), again.drop(columns="y"))


@pytest.mark.parametrize("horizon", [0, -1, 29, 7.0, "7", True], ids=repr)
def test_a_horizon_that_is_not_a_whole_number_in_range_is_refused(horizon: object):
    frame = pd.DataFrame({"series_id": "a", "ds": pd.date_range("2024-01-01", periods=60), "y": np.arange(60.0)})
    naive = forecaster("naive")().fit(frame)
    with pytest.raises(BadHorizon, match="whole number from 1 to 28"):
        naive.predict(horizon)


def test_an_unknown_kind_is_refused_with_the_choices():
    with pytest.raises(UnknownName, match="did you mean 'prophet'"):
        forecaster("profet")


def test_an_unknown_country_is_refused(weekly_pattern: pd.DataFrame):
    with pytest.raises(UnknownName, match="country 'XX'"):
        forecaster("lightgbm")(country="XX", trees=2).fit(weekly_pattern)


def test_an_unknown_feature_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'lag_1'"):
        forecaster("lightgbm")(features=["lag_11"])


@pytest.mark.parametrize(
    ("frame", "error", "words"),
    [
        (pd.DataFrame({"series_id": [], "ds": []}), BadInput, "no column y"),
        (pd.DataFrame({"series_id": ["a"], "ds": ["2024-01-01"], "y": [None]}), NothingToDo, "every y is missing"),
        (pd.DataFrame({"series_id": ["a", "a"], "ds": ["2024-01-01"] * 2, "y": [1.0, 2.0]}), BadInput, "two rows"),
        (
            pd.DataFrame({"series_id": ["a"], "ds": ["2024-01-01"], "y": [1.0]}),
            BadInput,
            r"say what they are \(freq=, --granularity\)",
        ),
    ],
    ids=["no column", "no value", "twice", "one time"],
)
def test_a_bad_frame_is_refused(frame: pd.DataFrame, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        forecaster("naive")().fit(frame)


def test_a_history_that_is_too_short_is_refused(kind: str):
    frame = pd.DataFrame({"series_id": "a", "ds": pd.date_range("2024-01-01", periods=15), "y": 1.0})
    with pytest.raises(HistoryTooShort, match="15 observations"):
        forecaster(kind)().fit(frame)


@pytest.mark.parametrize(("freq", "horizon"), [("D", 7), ("W-MON", 4), ("MS", 3), ("h", 24), ("B", 5)])
def test_hourly_daily_weekly_and_monthly_series_are_forecast_by_the_same_code(freq: str, horizon: int):
    ds = pd.date_range("2020-01-06", periods=120 if freq != "h" else 24 * 40, freq=freq)
    y = 100 + 10 * np.sin(np.arange(len(ds)) / 3)
    frame = pd.DataFrame({"series_id": "a", "ds": ds, "y": y})
    forecast = forecaster("lightgbm")(horizon=horizon, trees=20).fit(frame).predict(horizon)
    expected = pd.date_range(ds[-1], periods=horizon + 1, freq=freq)[1:]
    assert list(forecast["ds"]) == list(expected)
    assert forecast["y_hat"].between(80, 120).all()


def test_a_series_that_was_not_in_the_training_is_forecast_where_the_kind_can(weekly_pattern: pd.DataFrame):
    model = forecaster("lightgbm")(trees=20).fit(weekly_pattern[weekly_pattern["series_id"] != "s3"])
    assert set(model.predict(7, history=weekly_pattern)["series_id"]) == {"s0", "s1", "s2", "s3"}
    prophet = forecaster("prophet")().fit(weekly_pattern[weekly_pattern["series_id"] == "s0"])
    with pytest.raises(UnknownName, match="unknown series 's1'"):
        prophet.predict(7, history=weekly_pattern[weekly_pattern["series_id"].isin(["s0", "s1"])])


def test_importance_sums_to_one(weekly_pattern: pd.DataFrame):
    model = forecaster("lightgbm")(trees=20).fit(weekly_pattern)
    assert set(model.importance()) == set(model.features)
    assert sum(model.importance().values()) == pytest.approx(1)


def test_backtest_scores_are_those_of_the_forecasts(weekly_pattern: pd.DataFrame):
    cutoffs = origins(weekly_pattern, 3, every=7, horizon=14)
    tested = backtest("naive", {}, weekly_pattern, cutoffs, 14)
    assert tuple(sorted(tested["cutoff"].unique())) == cutoffs
    assert tested["step"].max() == 14
    found = accuracy_of(tested)
    seen = tested.dropna(subset="y")
    assert found["wape"] == pytest.approx((seen["y"] - seen["y_hat"]).abs().sum() / seen["y"].sum())
    assert found["accuracy"] == pytest.approx(1 - found["wape"])


def _before(frame: pd.DataFrame, days: int) -> pd.DataFrame:
    return frame[frame["ds"] < frame["ds"].min() + pd.Timedelta(days=days)]


def _shuffled_after(frame: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    later = frame["ds"] > cutoff
    values = frame["y"].to_numpy().copy()
    values[later] = np.random.default_rng(1).permutation(values[later]) * 3
    return frame.assign(y=values)
