"""Every condition that a series can be in has its outcome, with every kind, and none stops the others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops import KINDS, forecaster
from mlops.errors import BadInput
from mlops.forecasting.condition import conditions
from mlops.forecasting.intervals import limits
from mlops.panels.from_frame import Panels

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


LOCAL = ("naive", "average", "smoothing", "prophet", "hybrid")
"""Kinds that learn nothing from other series, but for the widths of intervals and the effects of named days."""
STEPS = 180
SMALL = {"lightgbm": {"trees": 40, "origins": 3}, "auto": {"settings": {"lightgbm": {"trees": 40, "origins": 3}}}}
SMALL |= {"lean": {"settings": {"lightgbm": {"trees": 40, "origins": 3}}}}
ODD = {
    "1e-13": lambda regular, _: regular * 1e-15,
    "1e17": lambda regular, _: regular * 1e15,
    "constant": lambda regular, _: np.full_like(regular, 7.0),
    "a constant of 1e17": lambda regular, _: np.full_like(regular, 1e17),
    "a constant below zero": lambda regular, _: np.full_like(regular, -3.0),
    "zeros": lambda regular, _: np.zeros_like(regular),
    "subnormal": lambda regular, _: np.full_like(regular, 5e-324),
    "below zero": lambda regular, _: regular - 500,
    "around zero": lambda regular, _: regular - 100,
    "counts": lambda regular, random: random.poisson(0.3, len(regular)).astype(float),
    "one spike": lambda regular, _: np.where(np.arange(len(regular)) == 100, 1e6, regular),
    "one point": lambda regular, _: np.where(np.arange(len(regular)) == 50, regular, np.nan),
    "one point at the end": lambda regular, _: np.where(np.arange(len(regular)) == len(regular) - 1, regular, np.nan),
    "a gap": lambda regular, _: np.where(
        (np.arange(len(regular)) < 20) | (np.arange(len(regular)) > 155), regular, np.nan
    ),
    "ended in zeros": lambda regular, _: np.where(np.arange(len(regular)) < 130, regular, 0.0),
    "began in zeros": lambda regular, _: np.where(np.arange(len(regular)) < 150, 0.0, regular),
}


def odd(names: list[str], seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    week = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.6])[np.arange(STEPS) % 7]
    return {name: ODD[name](100 * week * random.normal(1, 0.05, STEPS), random) for name in names}


def long(chosen: dict[str, np.ndarray]) -> pd.DataFrame:
    ds = pd.date_range("2023-01-02", periods=STEPS)
    return pd.concat([pd.DataFrame({"series_id": name, "ds": ds, "y": y}) for name, y in chosen.items()])


def fitted(kind: str, chosen: dict[str, np.ndarray]) -> pd.DataFrame:
    made = forecaster(kind)(freq="D", horizon=7, **SMALL.get(kind, {})).fit(long(chosen))
    return made.predict(7).set_index("series_id")


panels = given(
    names=st.lists(st.sampled_from(sorted(ODD)), min_size=2, max_size=7, unique=True), seed=st.integers(0, 1000)
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(3), deadline=None)
@example(names=sorted(ODD), seed=0)
@panels
def test_among_odd_series_each_stays_within_the_limits_of_its_own_history(kind: str, names: list[str], seed: int):
    chosen = odd(names, seed)
    regular = odd(["1e17"], seed + 1)["1e17"] / 1e15
    forecasts = fitted(kind, chosen | {"regular": regular})
    assert forecasts.loc["regular", "y_hat"].mean() == pytest.approx(100, rel=0.25)
    for name, y in chosen.items():
        found = forecasts.loc[[name], ["lo_95", "lo_80", "y_hat", "hi_80", "hi_95"]].to_numpy()
        lowest, highest = (float(bound[0, 0]) for bound in limits(Panels.of(long({name: y}), "D").one))
        assert np.isfinite(found).all()
        assert (np.diff(found, axis=1) >= 0).all()
        if forecaster(kind).extrapolates:
            lowest, highest = np.minimum(lowest, found[:, 2]), np.maximum(highest, found[:, 2])
        tiny = 1e-12 * np.nanmax(np.abs(y)) + 1e-300  # what is smaller are no normal numbers
        assert (found >= np.asarray(lowest)[..., None] - tiny).all()
        assert (found <= np.asarray(highest)[..., None] + tiny).all()


@pytest.mark.parametrize("kind", LOCAL)
@settings(max_examples=examples(3), deadline=None)
@example(names=sorted(ODD), seed=0)
@panels
def test_a_kind_that_learns_from_each_series_alone_forecasts_it_as_if_it_were_alone(
    kind: str, names: list[str], seed: int
):
    chosen = odd(names, seed)
    clock = {"clock": np.arange(STEPS) % 7 + 1.0}  # some series end early: all panels have the same days
    forecasts = fitted(kind, chosen | clock)["y_hat"]
    for name, y in chosen.items():
        alone = fitted(kind, {name: y} | clock).loc[name, "y_hat"].to_numpy()
        np.testing.assert_allclose(forecasts[name].to_numpy(), alone, rtol=1e-6, atol=1e-9 * np.nanmax(np.abs(y)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["constant", "zeros", "a constant below zero", "below zero"])
def test_an_odd_series_alone_is_forecast(kind: str, name: str):
    (y,) = odd([name], 5).values()
    forecasts = fitted(kind, {name: y})
    assert forecasts["y_hat"].between(y.min() - 1e-9, y.max() + 1e-9).all()


def test_what_is_too_little_for_the_trees_is_refused_in_a_sentence():
    with pytest.raises(BadInput, match="no series has a value after the beginning of its history"):
        fitted("lightgbm", {"a gap": np.where(np.arange(STEPS) % 179 < 10, 1.0, np.nan)})


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
