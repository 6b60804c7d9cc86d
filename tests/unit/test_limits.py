"""Limits from a short backtest that went through a Christmas: they are those of the weeks that are judged by them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops.domain.findings import Findings
from mlops.monitoring import MonitorSpec, fit_monitor
from mlops.monitoring.detect.calendar_fit import ordinary
from mlops.monitoring.detect.calibrate import _bent
from mlops.monitoring.detect.intervals import coverage_drop

SPEC = MonitorSpec("ds", "series", (), (), "y", "y_hat", "holiday")
CHRISTMAS, HOLIDAYS = pd.date_range("2019-12-24", periods=8), pd.DatetimeIndex(["2019-12-25", "2019-12-26"])


def rows(start: str, days: int, times: float = 1.0, *, seed: int = 0) -> pd.DataFrame:
    """Six series whose errors, `times` as large, are five times as large at Christmas; intervals hold 80 % of them."""
    random = np.random.default_rng([seed, days])
    ds = np.repeat(pd.date_range(start, periods=days), 6)
    error = times * random.normal(0, 1, len(ds)) * np.where(np.isin(ds, CHRISTMAS), 5.0, 1.0)
    frame = pd.DataFrame({"ds": ds, "series": np.tile(np.arange(6), days), "y": 100 + error, "y_hat": 100.0})
    return frame.assign(outcome=frame["y"], lo_80=100 - 1.28, hi_80=100 + 1.28, holiday=np.isin(ds, HOLIDAYS))


BACKTEST = rows("2019-08-14", 140)
"""Twenty weeks to the end of the year."""


def named(found: Findings, name: str) -> bool:
    return {one.name: one.drifted for one in found.details}[name]


def test_an_ordinary_week_is_held_against_ordinary_weeks():
    week = rows("2020-03-16", 7, times=3.5)
    assert coverage_drop(BACKTEST, week, 0.1).drifted
    assert named(fit_monitor(BACKTEST, SPEC).check(week), "performance.collapse")
    found = fit_monitor(BACKTEST, SPEC).check(week).details
    assert any("worst week without a holiday" in one.detail for one in found)


def test_a_week_with_a_holiday_is_held_against_the_whole_backtest():
    week = rows("2020-04-10", 7, times=3.5).assign(holiday=True)
    assert not coverage_drop(BACKTEST, week, 0.1).drifted
    assert not named(fit_monitor(BACKTEST, SPEC).check(week), "performance.collapse")


def test_a_quiet_week_after_a_christmas_is_quiet():
    checks = [coverage_drop(BACKTEST, rows("2020-03-16", 7, seed=seed), 0.1).drifted for seed in range(100)]
    assert not any(checks)


def test_larger_errors_that_last_drift_although_the_backtest_had_a_bad_week():
    watching = fit_monitor(BACKTEST, replace(SPEC, alarms_per_year=0.6))
    found = [watching.check(rows(f"2020-01-{day:02}", 7, times=3.5, seed=day)) for day in (1, 8, 15)]
    assert named(found[-1], "performance")


def test_where_few_weeks_have_no_holiday_all_are_the_baseline():
    days = pd.date_range("2020-01-01", periods=140)
    assert ordinary(days, np.zeros(140, bool)).all()
    twelve_of_twenty = np.isin(np.arange(140) // 7, np.arange(12))
    assert ordinary(days, twelve_of_twenty).sum() == 8 * 7
    assert ordinary(days, np.isin(np.arange(140) // 7, np.arange(13))).all()


@pytest.mark.parametrize("days", [4, 7, 14, 28])
@pytest.mark.parametrize("chance", [1e-3, 1e-4, 1e-5])
def test_the_limit_of_errors_that_lean_is_near_their_quantile(days: int, chance: float):
    """The mean of so many exponential errors is gamma distributed, so that its quantile is known."""
    exact = (stats.gamma.isf(chance, days) - days) / np.sqrt(days)
    limits = np.array([stats.norm.isf(chance)])
    found = _bent(limits, np.array([2 / np.sqrt(days)]), np.array([6 / days]))
    assert found[0] == pytest.approx(exact, rel=0.12)
