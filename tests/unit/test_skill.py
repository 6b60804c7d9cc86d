"""A week that is hard for everybody is not the model's fault; a week in which it alone is bad is."""

import math
from datetime import UTC

import numpy as np
import pandas as pd
import pytest
from tests.unit.test_slices import BACKTEST, MONDAY, SERIES, judged, quiet

from mlops.domain.findings import Finding
from mlops.monitoring.detect.performance_drift import against_backtest, without_hard_weeks
from mlops.monitoring.detect.slices import Slice
from mlops.monitoring.weekly.monitor import weekly
from mlops.policy import Policy, read_policy
from mlops.project import policy_file

USE = MONDAY + pd.Timedelta(weeks=BACKTEST)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(policy_file())


def storm(seed: int, weeks: int, ours: float, naives: float) -> pd.DataFrame:
    """Weeks of use, in the last of which our errors and those of the naive are so many times as large."""
    live = quiet(seed, weeks, USE)
    hard = live["ds"] >= live["ds"].max() - pd.Timedelta(days=6)
    y = live["y_hat"] + (live["y"] - live["y_hat"]) * np.where(hard, ours, 1)
    naive = y - (live["y"] - live["naive"]) * np.where(hard, naives, 1)
    return judged(live.assign(y=y, naive=naive))


def newest(live: pd.DataFrame, policy: Policy, seed: int, slices: tuple[Slice, ...] = ()) -> dict[str, Finding]:
    as_of = live["ds"].max().to_pydatetime().replace(tzinfo=UTC) + pd.Timedelta(days=1)
    (*_, (found, _)) = weekly(quiet(seed, BACKTEST), live, policy, as_of, slices)
    return {one.name: one for one in found.details}


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_that_is_as_hard_for_the_naive_does_not_alarm_performance(policy: Policy, seed: int):
    found = newest(storm(seed, 6, ours=4, naives=4), policy, seed)
    assert not found["performance"].drifted
    assert not found["performance.collapse"].drifted
    assert not found["performance.naive"].drifted
    assert found["performance.collapse"].statistic > found["performance.collapse"].threshold, "although it was hard"
    assert "as hard for the seasonal naive, whose loss is" in found["performance.collapse"].detail


def test_a_storm_in_one_slice_does_not_alarm_the_performance_of_the_slice(policy: Policy):
    south = Slice("area=south", frozenset(range(4)))
    live = storm(0, 6, ours=6, naives=6)
    calm = storm(0, 6, ours=1, naives=1)
    mixed = pd.concat([live[live["series_id"].isin(south.series)], calm[~calm["series_id"].isin(south.series)]])
    excused = newest(mixed, policy, 0, (south,))["performance[area=south]"]
    assert "as hard for the seasonal naive" in excused.detail
    assert not excused.drifted
    alone = mixed.assign(naive=np.where(mixed["series_id"].isin(south.series), mixed["y"] - 23, mixed["naive"]))
    assert newest(alone, policy, 0, (south,))["performance[area=south]"].drifted


@pytest.mark.parametrize("seed", range(3))
def test_a_week_that_is_hard_for_the_model_alone_alarms_performance(policy: Policy, seed: int):
    found = newest(storm(seed, 6, ours=4, naives=1), policy, seed)
    assert found["performance.collapse"].drifted


def test_without_the_naive_of_the_backtest_nothing_is_excused(policy: Policy):
    live = storm(0, 6, ours=4, naives=4)
    as_of = live["ds"].max().to_pydatetime().replace(tzinfo=UTC) + pd.Timedelta(days=1)
    (*_, (found, _)) = weekly(quiet(0, BACKTEST).drop(columns="naive"), live, policy, as_of)
    assert {one.name: one.drifted for one in found.details}["performance.collapse"]


def test_what_is_no_finding_about_the_loss_is_not_touched():
    found = newest(storm(1, 6, ours=1, naives=1), read_policy(policy_file()), 1)
    details = tuple(found.values())
    assert without_hard_weeks(details, quiet(1, BACKTEST), storm(1, 6, 1, 1)) is details


def test_the_loss_of_four_weeks_is_held_against_the_same_calendar_with_an_interval():
    baseline = quiet(2, BACKTEST)
    weekend = baseline["ds"].dt.dayofweek >= 5
    hard = judged(baseline.assign(y=baseline["y_hat"] + (baseline["y"] - baseline["y_hat"]) * np.where(weekend, 5, 1)))
    same = against_backtest(hard, hard[hard["ds"].dt.dayofweek >= 5].assign(ds=lambda rows: rows["ds"]), 0.9)
    assert same is None, "eight days of weekends are too few"
    calm = against_backtest(hard, hard, 0.9)
    assert calm is not None
    assert calm.low < 1 < calm.high
    doubled = judged(hard.assign(y=hard["y_hat"] + (hard["y"] - hard["y_hat"]) * 2))
    worse = against_backtest(hard, doubled, 0.9)
    assert worse is not None
    assert worse.low > 1.3
    assert worse.value == pytest.approx(2, rel=0.3)


def test_a_holiday_is_held_against_holidays():
    baseline = quiet(3, BACKTEST)
    holiday = baseline["ds"].dt.day.isin((1, 15))
    hard = judged(
        baseline.assign(holiday=holiday, y=baseline["y_hat"] + (baseline["y"] - baseline["y_hat"]) * (1 + 9 * holiday))
    )
    week = hard[hard["ds"].between("2023-04-10", "2023-05-07")]
    told = against_backtest(hard, week, 0.9)
    forgotten = against_backtest(hard.assign(holiday=False), week.assign(holiday=False), 0.9)
    assert told is not None
    assert forgotten is not None
    assert told.high - told.low < forgotten.high - forgotten.low
    assert math.isclose(told.value, 1, rel_tol=0.25)
    assert (week["ds"] == "2023-04-15").sum() == SERIES, "a holiday is among them"
