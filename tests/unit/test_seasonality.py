"""Which seasons are found, and which are not there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlops.domain.granularity import GRANULARITIES
from mlops.series.seasonality import Histories, candidates, seasonal_profile

MONDAY = int(np.datetime64("2023-01-02", "D").astype(int))
DAYS = np.arange(800)


def daily(values: np.ndarray, start: int = MONDAY) -> Histories:
    return Histories(np.atleast_2d(np.asarray(values, dtype=float)), start, GRANULARITIES["daily"])


def noise(sigma: float, size: int) -> np.ndarray:
    return np.random.default_rng(5).normal(0, sigma, size)


def believed(panel: Histories) -> list[list[str]]:
    return [[name for name, season in found.seasons.items() if season.found] for found in seasonal_profile(panel)]


def test_a_weekly_season_peaks_on_its_weekday():
    [found] = seasonal_profile(daily(100 + 50 * (DAYS % 7 == 4) + noise(5, 800)))
    week = found.seasons["week"]
    assert (week.found, week.peak) == (True, 4)
    assert week.strength > 0.9
    assert week.index[4] == pytest.approx(150 / 107.14, abs=0.02)


def test_the_strength_is_the_share_of_variance_that_the_season_has():
    season = 50 * (DAYS % 7 == 4)
    for share in (0.2, 0.5, 0.8):
        sigma = season.std() * np.sqrt((1 - share) / share)
        [found] = seasonal_profile(daily(100 + season + 0.1 * DAYS + noise(sigma, 800)))
        assert found.seasons["week"].strength == pytest.approx(share, abs=0.07)


def test_noise_has_no_strength_however_short_it_is():
    for days, most in ((35, 0.1), (70, 0.05), (800, 0.01)):
        many = np.random.default_rng(7).normal(0, 1, (200, days))
        strengths = [found.seasons["week"].strength for found in seasonal_profile(daily(100 + many))]
        assert np.mean(strengths) < most, f"{days} days"
        assert np.mean([found.seasons["week"].found for found in seasonal_profile(daily(100 + many))]) < 0.05


def test_a_value_a_week_has_no_strength_though_it_comes_on_another_day_once():
    y = np.full((400, 7 * 39), np.nan)  # of some the rounding of a mean looked like a season
    y[:, 1::7] = 350 + noise(70, 400 * 39).reshape(400, 39)
    for tuesday, late in ((99, 101), (225, 226)):
        y[:, tuesday], y[:, late] = np.nan, 480
    weeks = [found.seasons["week"] for found in seasonal_profile(daily(y))]
    assert {(week.found, week.strength) for week in weeks} == {(False, 0)}


def test_a_year_peaks_in_its_month_under_a_weekly_season():
    months = (MONDAY + DAYS).astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12
    y = 100 + 40 * (DAYS % 7 == 2) + 30 * (months == 6) + noise(5, 800)
    [found] = seasonal_profile(daily(y))
    assert [name for name, season in found.seasons.items() if season.found] == ["week", "year"]
    assert found.seasons["year"].peak == 6


@pytest.mark.parametrize(
    ("granularity", "season", "length", "peak"),
    [
        ("hourly", "day", 24, 17),
        ("hourly", "week", 168, 100),
        ("weekly", "year", 52.1786, 0),
        ("monthly", "year", 12, 3),
    ],
)
def test_each_granularity_has_its_seasons(granularity: str, season: str, length: float, peak: int):
    periods = np.arange(int(8 * length))
    start = {"hourly": MONDAY * 24, "weekly": 2713, "monthly": 600}[granularity]
    phase = (periods - (peak if granularity != "weekly" else 2)) / length * 2 * np.pi
    [found] = seasonal_profile(
        Histories(100 + 30 * np.cos(phase)[None] + noise(0.01, len(periods)), start, GRANULARITIES[granularity])
    )
    assert found.seasons[season].found
    assert found.seasons[season].peak == peak


@pytest.mark.parametrize("memory", [0, 0.9, 1], ids=["white noise", "noise with memory", "random walk"])
def test_noise_has_no_week_and_seldom_a_year(memory: float):
    values = np.random.default_rng(5).normal(size=(200, 800))
    for day in range(1, 800):
        values[:, day] += memory * values[:, day - 1]
    names = [name for series in believed(daily(values)) for name in series]
    assert "week" not in names
    assert len(names) <= 12


def test_a_season_is_looked_for_only_where_the_history_holds_enough_of_it():
    assert set(seasonal_profile(daily(np.random.default_rng(5).normal(size=400)))[0].seasons) == {"week", "month"}
    assert seasonal_profile(daily([3.0]))[0].seasons == {}


def test_series_are_profiled_by_themselves():
    y = np.random.default_rng(5).normal(100, 10, (3, 800)) + 20 * (DAYS % 7 == 1)
    y[1, :300], y[2, 500:], y[0, ::9] = np.nan, np.nan, np.nan
    together = seasonal_profile(daily(y))
    assert together[0] == seasonal_profile(daily(y[:1]))[0]
    assert together[1] == seasonal_profile(daily(y[1:2, 300:], MONDAY + 300))[0]


def test_gaps_zeros_and_trend_are_told():
    y = 1000.0 + DAYS
    y[10:15], y[100], y[0:400:50] = np.nan, np.nan, 0
    [found] = seasonal_profile(daily(y), seasons=())
    assert (found.observations, found.missing, found.longest_gap) == (795, 5, 5)
    assert found.zero_share == pytest.approx(8 / 795, rel=1e-5)
    assert found.seasons == {}
    [line] = seasonal_profile(daily(DAYS * 2.0), seasons=())
    assert line.trend_per_year == pytest.approx(2 * 365.25)


@pytest.mark.parametrize(
    ("y", "pattern"),
    [
        (np.random.default_rng(5).normal(100, 10, 400), "smooth"),
        (np.random.default_rng(5).lognormal(0, 1.5, 400), "erratic"),
        (np.where(DAYS[:400] % 5 == 0, 10, 0), "intermittent"),
        (np.where(DAYS[:400] % 5 == 0, np.random.default_rng(5).lognormal(0, 1.5, 400), 0), "lumpy"),
        (np.zeros(400), "zero"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_demand_is_named_by_how_often_and_how_evenly_it_comes(y: np.ndarray, pattern: str):
    assert seasonal_profile(daily(y))[0].pattern == pattern


def test_a_constant_has_no_season():
    assert believed(daily(np.full((2, 800), 7.0))) == [[], []]


def test_every_granularity_has_candidates():
    found = {name: candidates(one) for name, one in GRANULARITIES.items()}
    assert {name: tuple(seasons) for name, seasons in found.items()} == {
        **dict.fromkeys(("15min", "30min", "hourly"), ("day", "week", "year")),
        **dict.fromkeys(("daily", "business_daily"), ("week", "month", "year")),
        **dict.fromkeys(("weekly", "monthly", "quarterly"), ("year",)),
        "yearly": (),
    }
    assert found["hourly"] == {"day": 24, "week": 168, "year": 8766}
    assert found["daily"] == {"week": 7, "month": 30.4375, "year": 365.25}
    assert found["business_daily"]["week"] == 5
    assert found["monthly"] == {"year": 12}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_a_day_peaks_at_its_local_hour_all_year(zone: str):
    local = pd.date_range("2023-01-01", "2024-12-31", freq="h", tz=zone)
    at = local.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[us]")
    step = GRANULARITIES["hourly"].anchored(at[0])
    start = int(step.number(at[:1])[0])
    y = 100 + 50.0 * (local.hour == 8) + 30.0 * ((local.weekday == 4) & (local.hour == 17)) + noise(1, len(local))
    panel = Histories(np.asarray(y)[None], start, step, zone)
    [found] = seasonal_profile(panel)
    assert (found.missing, found.longest_gap) == (0, 0)
    assert (found.seasons["day"].found, found.seasons["day"].peak) == (True, 8)
    assert found.seasons["week"].found
    assert found.seasons["week"].index[4 * 24 + 17] == pytest.approx(1.27, abs=0.02)
    if zone != "Asia/Kolkata":  # by a clock of its own the peak is two half ones
        [by_utc] = seasonal_profile(Histories(panel.values, start, step))
        assert by_utc.seasons["day"].strength < 0.7 * found.seasons["day"].strength


def test_weeks_of_a_series_that_begin_on_a_sunday_lie_in_their_own_months():
    step = replace(GRANULARITIES["weekly"], anchor=6 * 86_400)
    sundays = pd.date_range("2019-01-06", periods=300, freq="W-SUN")
    y = 100 + 50.0 * (sundays.month == 6) + noise(1, 300)
    start = int(step.number(sundays.to_numpy("datetime64[us]")[:1])[0])
    [found] = seasonal_profile(Histories(np.asarray(y)[None], start, step))
    index = found.seasons["year"].index
    assert (found.seasons["year"].peak, index[4], index[6]) == (5, pytest.approx(index[0], abs=0.01), index[6])
    assert index[6] == pytest.approx(index[0], abs=0.01)
