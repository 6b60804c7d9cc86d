"""Intervals: they cover what they say, follow step, place and size, and widen when forecasts begin to fail."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops import forecaster
from mlops.domain.forecasts import coverage
from mlops.domain.granularity import GRANULARITIES
from mlops.forecasting.intervals import Intervals
from mlops.forecasting.out_of_sample import OutOfSample, calibration_backtest, calibration_origins
from mlops.panels.panel import Panel

STEPS, HORIZON = 400, 14
RANDOM = np.random.default_rng(11)


def panel(y: np.ndarray) -> Panel:
    index = pd.date_range("2023-01-02", periods=y.shape[1])
    return Panel(pd.Index([f"s{n}" for n in range(len(y))]), index, y, GRANULARITIES["daily"])


def out_of_sample(of: Panel, guess: np.ndarray | float) -> OutOfSample:
    """What somebody who always guesses the same (series × 1) would have forecast."""
    return calibration_backtest(
        of, calibration_origins(of), HORIZON, lambda past, steps: np.full((len(past.ids), steps), guess)
    )


def noise(series: int = 40, sigma: float | np.ndarray = 10.0, steps: int = STEPS) -> np.ndarray:
    return 100 + RANDOM.normal(0, 1, (series, steps)) * sigma


def widths(of: Panel, guess: float = 100.0, level: int = 80) -> np.ndarray:
    y_hat = np.full((len(of.ids), HORIZON), guess)
    found = Intervals.of(out_of_sample(of, guess), of, never_negative=of.never_negative).bounds(of, y_hat, [level])
    return np.asarray(found[f"hi_{level}"] - found[f"lo_{level}"])


@pytest.mark.parametrize("level", [50, 80, 95])
def test_intervals_cover_what_they_say(level: int):
    whole = panel(noise(steps=STEPS + HORIZON))
    past = whole.until(STEPS)
    y_hat = np.full((40, HORIZON), 100.0)
    found = Intervals.of(out_of_sample(past, 100.0), past, never_negative=past.never_negative).bounds(
        past, y_hat, [level]
    )
    inside = coverage(whole.y[:, STEPS:].ravel(), found[f"lo_{level}"].ravel(), found[f"hi_{level}"].ravel())
    assert inside == pytest.approx(level / 100, abs=0.04)


def test_each_series_has_its_own_width():
    wide = widths(panel(noise(sigma=np.repeat([[2.0], [20.0]], 20, axis=0)))).mean(axis=1)
    assert 4 < wide[20:].mean() / wide[:20].mean() < 11  # ten times the noise, shrunk towards all


def test_a_noisy_weekday_is_wider():
    weekday = np.where(np.arange(STEPS) % 7 == 2, 30.0, 5.0)
    of = panel(noise(sigma=weekday))
    wide, places = widths(of).mean(axis=0), of.places(of.future(HORIZON))
    assert wide[places == 2].mean() > 3 * wide[places != 2].mean()


def test_the_far_future_is_never_narrower():
    walk = panel(100 + np.cumsum(RANDOM.normal(0, 1, (30, STEPS)), axis=1))
    last = calibration_backtest(
        walk, calibration_origins(walk), HORIZON, lambda past, steps: np.repeat(past.y[:, -1:], steps, axis=1)
    )
    y_hat = np.repeat(walk.y[:, -1:], HORIZON, axis=1)
    found = Intervals.of(last, walk, never_negative=walk.never_negative).bounds(walk, y_hat, [80])
    wide = (found["hi_80"] - found["lo_80"]).mean(axis=0)
    assert wide[-7:].mean() > 1.5 * wide[:7].mean()


def test_errors_that_grow_with_the_forecast_are_learned():
    size = np.repeat([[50.0], [50.0]], 20, axis=0) * np.where(np.arange(STEPS) // 7 % 2, 3.0, 1.0)
    of = panel(size * RANDOM.lognormal(0, 0.1, (40, STEPS)))

    def knows(past: Panel, steps: int) -> np.ndarray:
        ahead = np.arange(len(past.index), len(past.index) + steps)
        return np.repeat(np.where(ahead // 7 % 2, 150.0, 50.0)[None], len(past.ids), axis=0)

    found = Intervals.of(
        calibration_backtest(of, calibration_origins(of), HORIZON, knows), of, never_negative=of.never_negative
    )
    assert found.power == pytest.approx(1, abs=0.2)


def test_a_lopsided_error_makes_a_lopsided_interval():
    of = panel(100 + RANDOM.exponential(20, (40, STEPS)))
    y_hat = np.full((40, HORIZON), 110.0)
    found = Intervals.of(out_of_sample(of, 110.0), of, never_negative=of.never_negative).bounds(of, y_hat, [80])
    assert (found["hi_80"] - y_hat).mean() > 2 * (y_hat - found["lo_80"]).mean()


@pytest.mark.parametrize("case", ["usual", "short", "still", "a growing one", "below zero"])
def test_no_bound_lies_beyond_what_the_history_of_its_series_supports(case: str):
    y = noise(steps=STEPS)
    lowest, highest = y[0].min(), y[0].max()
    move = highest - lowest
    if case == "short":
        y[0, :-5] = np.nan
        move = highest = np.nanmax(y[0])
        lowest = np.nanmin(y[0])
    elif case == "still":
        y[0], lowest, highest, move = 100.0, 100.0, 100.0, 10.0
    elif case == "a growing one":
        y[0] = np.arange(STEPS) + 1.0
        lowest, highest, move = 1, STEPS, STEPS - 1
    elif case == "below zero":
        y[0] -= 500
        lowest, highest = lowest - 500, highest - 500
    of = panel(y)
    y_hat = np.repeat(np.nanmean(y, axis=1, keepdims=True), HORIZON, axis=1)
    found = Intervals.of(out_of_sample(of, 100.0), of, never_negative=of.never_negative)
    shocked = replace(found, shock=np.full(len(y), 1000.0))  # errors, step, size and shock can multiply to anything
    bounds = shocked.bounds(of, y_hat, [95])
    assert bounds["hi_95"][0] == pytest.approx(np.full(HORIZON, highest + move))
    least = lowest - move if case == "below zero" else max(lowest - move, 0)
    assert bounds["lo_95"][0] == pytest.approx(np.full(HORIZON, least), abs=1e-9)


def test_a_forecast_beyond_its_limits_is_its_own_bound():
    of = panel(noise())
    found = Intervals.of(out_of_sample(of, 100.0), of, never_negative=of.never_negative)
    assert (found.bounds(of, np.full((40, HORIZON), 5000.0), [95])["hi_95"] == 5000).all()


def test_a_shock_widens_every_series_within_two_weeks():
    quiet = noise()
    shocked = quiet.copy()
    shocked[:, -10:] -= 70
    assert (widths(panel(shocked)) > 2 * widths(panel(quiet)).mean()).all()


@settings(max_examples=examples(25), deadline=None)
@given(
    levels=st.lists(st.integers(1, 99), min_size=2, max_size=4, unique=True),
    seed=st.integers(0, 1000),
    gaps=st.floats(0, 0.6),
    factor=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_bounds_are_nested_around_the_forecast_and_scale_with_the_data(
    levels: list[int], seed: int, gaps: float, factor: float
):
    random = np.random.default_rng(seed)
    y = np.where(random.uniform(size=(5, 120)) < gaps, np.nan, random.gamma(2, 10, (5, 120)))
    y[:, 0] = 1.0
    y_hat = np.full((5, HORIZON), 20.0)

    def bounds(scale: float) -> dict[str, np.ndarray]:
        of = panel(y * scale)
        found = Intervals.of(out_of_sample(of, 20.0 * scale), of, never_negative=of.never_negative)
        return found.bounds(of, y_hat * scale, levels)

    found, scaled = bounds(1.0), bounds(factor)
    low = np.stack([found[f"lo_{level}"] for level in sorted(levels)])
    high = np.stack([found[f"hi_{level}"] for level in sorted(levels)])
    assert (np.diff(low, axis=0) <= 1e-9).all()
    assert (np.diff(high, axis=0) >= -1e-9).all()
    assert (low <= y_hat).all()
    assert (high >= y_hat).all()
    for name, bound in found.items():
        np.testing.assert_allclose(scaled[name], bound * factor, rtol=1e-4, atol=1e-4 * factor)


def test_without_any_outcome_the_intervals_are_those_of_the_level():
    y = np.full((2, 60), np.nan)
    y[:, :3] = 5.0
    assert (widths(panel(y), guess=5.0) > 0).all()


# out-of-sample forecasts


def test_out_of_sample_forecasts_know_only_what_their_origins_had_seen():
    of = panel(noise(3))
    seen: list[int] = []
    calibration_backtest(
        of, calibration_origins(of), HORIZON, lambda past, steps: seen.append(past.y.shape[1]) or np.zeros((3, steps))
    )
    assert seen == [origin + 1 for origin in calibration_origins(of)]
    assert seen[-1] == STEPS - 7


def test_out_of_sample_forecasts_take_the_outcomes_that_are_known_by_now():
    of = panel(noise(3))
    early = out_of_sample(of.until(STEPS - 14), 100.0)
    late = early.with_outcomes(of)
    assert np.isnan(early.y).sum() > np.isnan(late.y).sum()
    np.testing.assert_array_equal(late.y_hat, early.y_hat)


def test_newer_history_that_went_wrong_widens_the_intervals_without_a_new_training():
    whole = noise(5)
    whole[:, -14:] *= 0.2
    frame = panel(whole).frame()
    fitted = forecaster("average")(horizon=HORIZON).fit(frame[frame["ds"] < frame["ds"].max() - pd.Timedelta(days=13)])
    before, after = fitted.predict(7), fitted.predict(7, history=frame)
    assert (after["hi_80"] - after["lo_80"]).mean() > 2 * (before["hi_80"] - before["lo_80"]).mean()
