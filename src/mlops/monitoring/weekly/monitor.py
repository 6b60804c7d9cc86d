"""The weeks of a model's life, judged one after the other by monitors that were fitted on its backtest. Pure.

The yearly budget of false alarms is divided here, and nowhere else: the parts add up to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.domain.findings import Finding, Findings
from mlops.domain.granularity import Granularity
from mlops.errors import HistoryTooShort
from mlops.monitoring.detect.intervals import coverage_drop
from mlops.monitoring.detect.loss_estimate import LossEstimate, fit_loss_estimate
from mlops.monitoring.detect.monitor import MonitorSpec, fit_monitor
from mlops.monitoring.detect.performance_drift import against_naive, without_hard_weeks
from mlops.monitoring.detect.prediction_drift import PredictionWatch
from mlops.monitoring.detect.slices import Slice, SliceWatch
from mlops.monitoring.detect.systemic_break import systemic_break
from mlops.policy import Policy
from mlops.times import naive_utc

__all__ = ["JudgedWeek", "WeeklyMonitor", "ended_steps", "first_week", "weekly"]

WEEK = timedelta(days=7)
EPOCH = 13
"""Weeks: a life is judged anew from the last multiple of them but one, so that old weeks cost nothing."""
OF_ALL = {"monitor": 0.74, "naive": 0.1, "coverage": 0.1, "prediction": 0.06}
"""How the false alarms are divided that the slices leave."""


@dataclass(frozen=True)
class JudgedWeek:
    """What was found in one week of seven days before `end` (UTC, naive), and its rows."""

    end: pd.Timestamp
    findings: Findings
    rows: pd.DataFrame


def weekly(
    baseline: pd.DataFrame, live: pd.DataFrame, policy: Policy, as_of: datetime, slices: Sequence[Slice] = ()
) -> Iterator[tuple[Findings, pd.DataFrame]]:
    """The findings of the weeks since a model began to be used, oldest first, each with its rows."""
    start = first_week(live["ds"].min(), as_of)
    for week in WeeklyMonitor(baseline, policy, slices).until(live[live["ds"] >= start], start, as_of):
        yield week.findings, week.rows


def ended_steps(rows: pd.DataFrame, granularity: Granularity) -> pd.DataFrame:
    """Rows with `ds` on the last day of their step: a step of several days is judged in the week in which it ends."""
    if not granularity.counted:
        return rows
    ends = granularity.moved(rows["ds"].to_numpy(), 1) - np.timedelta64(1, "D")
    return rows.assign(ds=ends.astype("datetime64[ns]"))


def first_week(begin: pd.Timestamp, as_of: datetime) -> pd.Timestamp:
    """Where the weeks that end at `as_of` begin to be judged, for a model that is used since `begin` (UTC, naive)."""
    end = naive_utc(as_of)
    count = max(1, -(-(end - begin) // WEEK))
    return end - min(count, EPOCH + count % EPOCH) * WEEK


class WeeklyMonitor:
    """One version's monitors, and the weeks that they have seen.

    Raises HistoryTooShort when the backtest is too short for a monitor. `baseline` and what is judged have
    `series_id, ds, cutoff, horizon, y, y_hat, lo_80, hi_80, naive, holiday`, the policy's features, and over the usual
    size of their series `target, prediction`; `outcome` is y.
    """

    def __init__(
        self, baseline: pd.DataFrame, policy: Policy, slices: Sequence[Slice] = (), backtest: pd.DataFrame | None = None
    ) -> None:
        """`backtest` has forecasts from further ahead, too, from which the expected loss is learned."""
        self._baseline, self._policy, self._slices = baseline, policy, slices
        self.estimate, self._expected = _estimate(baseline, baseline if backtest is None else backtest)
        self._weeks: list[JudgedWeek] = []
        self._seen = 0
        self._begin()

    def until(
        self, live: pd.DataFrame, start: pd.Timestamp, as_of: datetime, newest: int | None = None
    ) -> Sequence[JudgedWeek]:
        """The weeks from `start` to `as_of`, oldest first; `live` has nothing of before and after.

        A week is not judged again, unless rows of its time have changed or the weeks begin elsewhere. Of weeks before
        the `newest` (None: all are new) only what monitors need to remember is judged: the rest costs as much.
        """
        ends = list(pd.date_range(start, naive_utc(as_of), freq="7D")[1:])
        if not self._goes_on(live, ends):
            self._begin()
        wanted = set(ends if newest is None else ends[-newest:])
        for end in ends[len(self._weeks) :]:
            self._weeks.append(self._judged(live[live["ds"] < end], end, whole=end in wanted))
        self._seen = _digest(live, ends[-1])
        return self._weeks

    def _begin(self) -> None:
        total = self._policy.drift.alarms_per_year
        sliced = total * self._policy.slices.budget if self._slices else 0.0
        self._budget = {name: (total - sliced) * part for name, part in OF_ALL.items()}
        self._monitor = fit_monitor(self._baseline, _spec(self._policy, self._budget["monitor"]))
        self._slice_watch = SliceWatch(self._baseline, self._slices, sliced) if self._slices else None
        self._prediction = PredictionWatch(self._baseline, self.estimate, self._expected, self._budget["prediction"])
        self._weeks = []

    def _goes_on(self, live: pd.DataFrame, ends: Sequence[pd.Timestamp]) -> bool:
        if not self._weeks:
            return True
        known = [week.end for week in self._weeks]
        return known == ends[: len(known)] and self._seen == _digest(live, known[-1])

    def _judged(self, past: pd.DataFrame, end: pd.Timestamp, *, whole: bool) -> JudgedWeek:
        window = past[past["ds"] >= end - WEEK]
        remembering = (*self._monitored(window), *self._prediction.check(window), *self._sliced(window))
        if not whole:
            return JudgedWeek(end, Findings.of(remembering), window)
        findings = (
            *self._without_hard_weeks(remembering, past),
            against_naive(past, self._budget["naive"]),
            coverage_drop(self._baseline, window, self._budget["coverage"]),
            systemic_break(self._baseline, window),
        )
        return JudgedWeek(end, Findings.of(findings), window)

    def _without_hard_weeks(self, found: Sequence[Finding], past: pd.DataFrame) -> Iterator[Finding]:
        """Whether the week was hard for the naive, too, is asked of the series of each slice."""
        yield from without_hard_weeks(tuple(finding for finding in found if not finding.slice), self._baseline, past)
        for part in self._slices:
            mine = tuple(finding for finding in found if finding.slice == part.name)
            if not any(finding.drifted for finding in mine):
                yield from mine
                continue
            baseline, rows = (frame[frame["series_id"].isin(part.series)] for frame in (self._baseline, past))
            yield from without_hard_weeks(mine, baseline, rows)

    def _monitored(self, window: pd.DataFrame) -> tuple[Finding, ...]:
        """Of a week without forecasts nothing: that none came is not for these monitors to say."""
        return self._monitor.check(window).details if len(window) else ()

    def _sliced(self, window: pd.DataFrame) -> tuple[Finding, ...]:
        return self._slice_watch.check(window) if self._slice_watch is not None else ()


def _spec(policy: Policy, alarms_per_year: float) -> MonitorSpec:
    return MonitorSpec(
        time="ds",
        entity="series_id",
        numeric=policy.drift.features,
        categorical=(),
        target="target",
        prediction="prediction",
        holiday="holiday",
        alarms_per_year=alarms_per_year,
    )


def _estimate(
    baseline: pd.DataFrame, backtest: pd.DataFrame
) -> tuple[LossEstimate | None, npt.NDArray[np.float64] | None]:
    """The expected loss and what it says of the baseline's rows; none where the backtest is too short or bare."""
    if "horizon" not in backtest or backtest["lo_80"].isna().all():
        return None, None
    try:
        estimate, expected = fit_loss_estimate(backtest)
    except HistoryTooShort:
        return None, None
    by_row = backtest.assign(expected=expected).set_index(["series_id", "ds", "cutoff"])["expected"]
    keys = pd.MultiIndex.from_frame(baseline[["series_id", "ds", "cutoff"]])
    return estimate, by_row.reindex(keys).to_numpy(float)


def _digest(live: pd.DataFrame, end: pd.Timestamp) -> int:
    """What is known of the time before `end`, as a number that changes with it."""
    known = live.loc[live["ds"] < end, ["series_id", "ds", "cutoff", "y_hat", "y"]]
    return int(pd.util.hash_pandas_object(known, index=False).sum())
