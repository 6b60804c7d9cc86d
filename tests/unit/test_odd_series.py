"""Every condition that a series can be in has its outcome, with every kind, and none stops the others."""

import numpy as np
import pandas as pd
import pytest

from mlops.forecasting import KINDS, forecaster
from mlops.forecasting.condition import conditions

DAYS, HORIZON = 420, 14
DS = pd.date_range("2023-01-02", periods=DAYS)
PARAMS = {"lightgbm": {"trees": 40}, "auto": {"settings": {"lightgbm": {"trees": 40}}}}
WEEK = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.6])[DS.dayofweek]


def series() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    regular = 100 * WEEK * random.normal(1, 0.05, DAYS)
    late, ended, short = (regular.copy() for _ in range(3))
    late[:-90], ended[-200:], short[:-6] = np.nan, np.nan, np.nan
    some = random.poisson(0.4, DAYS) * random.integers(1, 9, DAYS)
    return {
        "regular": regular,
        "late": late,
        "ended": ended,
        "short": short,
        "constant": np.full(DAYS, 7.0),
        "intermittent": some.astype(float),
        "zero": np.zeros(DAYS),
        "no data": np.full(DAYS, np.nan),
        "negative": regular - 100,
        "huge": regular * 1e9,
        "tiny": regular * 1e-9,
    }


def frame(*names: str) -> pd.DataFrame:
    chosen = {name: y for name, y in series().items() if not names or name in names}
    return pd.concat([pd.DataFrame({"series_id": name, "ds": DS, "y": y}) for name, y in chosen.items()])


@pytest.fixture(scope="module", params=KINDS)
def forecasts(request: pytest.FixtureRequest) -> pd.DataFrame:
    made = forecaster(request.param)(horizon=HORIZON, **PARAMS.get(request.param, {})).fit(frame())
    return made.predict(HORIZON).set_index("series_id")


def test_every_series_that_has_data_gets_finite_ordered_forecasts(forecasts: pd.DataFrame):
    assert set(forecasts.index) == set(series()) - {"no data"}
    bounds = forecasts[["lo_95", "lo_80", "y_hat", "hi_80", "hi_95"]].to_numpy()
    assert np.isfinite(bounds).all()
    assert (np.diff(bounds, axis=1) >= 0).all()


def test_a_constant_is_forecast_as_it_is(forecasts: pd.DataFrame):
    np.testing.assert_allclose(forecasts.loc["constant", "y_hat"], 7, rtol=0.02)
    assert (forecasts.loc["constant", "hi_80"] - forecasts.loc["constant", "lo_80"] < 2).all()


def test_zeros_are_forecast_as_zeros(forecasts: pd.DataFrame):
    assert (forecasts.loc["zero", "y_hat"] < 1e-6).all()


@pytest.mark.parametrize("name", ["regular", "late", "ended", "short"])
def test_a_weekly_pattern_of_any_length_is_forecast_at_its_level(forecasts: pd.DataFrame, name: str):
    assert forecasts.loc[name, "y_hat"].mean() == pytest.approx(100, rel=0.3)


def test_an_intermittent_series_stays_within_what_it_was(forecasts: pd.DataFrame):
    assert forecasts.loc["intermittent", "y_hat"].between(0, 8).all()
    assert (forecasts.loc["intermittent", "hi_95"] > 1).all()


def test_the_size_of_the_numbers_does_not_matter(forecasts: pd.DataFrame):
    for name, factor in (("huge", 1e9), ("tiny", 1e-9)):
        np.testing.assert_allclose(forecasts.loc[name, "y_hat"] / factor, forecasts.loc["regular", "y_hat"], rtol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_below_zero_is_forecast_below_zero(kind: str):
    made = forecaster(kind)(horizon=HORIZON, **PARAMS.get(kind, {})).fit(frame("negative", "regular"))
    forecasts = made.predict(HORIZON).set_index("series_id")
    assert (forecasts.loc["negative", "y_hat"] < 0).any()
    assert forecasts.loc["negative", "y_hat"].mean() == pytest.approx(0, abs=25)
    assert (forecasts.loc["regular", "lo_95"] >= 0).all()


def test_conditions_are_told_in_one_word():
    told = conditions(frame()).set_index("series_id")["condition"].to_dict()
    assert told == {
        "regular": "regular",
        "late": "late",
        "ended": "ended",
        "short": "short",
        "constant": "constant",
        "intermittent": "intermittent",
        "zero": "constant",
        "no data": "no data",
        "negative": "regular",
        "huge": "regular",
        "tiny": "regular",
    }
