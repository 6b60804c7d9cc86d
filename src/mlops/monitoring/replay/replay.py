"""The alarms that a monitor would have had: fitted on the first part of a history, asked week by week about the rest.

Nothing is fitted on the weeks that are replayed, and each check sees the rows up to its own end only. Pure.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import pandas as pd
from scipy import stats

from mlops.arrays import Floats
from mlops.domain.findings import FEWEST_DAYS, Finding, Findings
from mlops.errors import Refused
from mlops.monitoring.decide.recommend import asks_for_proof, recommend
from mlops.monitoring.detect.monitor import Monitor, fit_monitor
from mlops.monitoring.detect.spec import MonitorSpec
from mlops.policy import Terms

__all__ = [
    "Case",
    "Episode",
    "MonitorWatch",
    "Progress",
    "Rate",
    "ReplayedWeek",
    "Watch",
    "drifted",
    "episodes",
    "refuse_short",
    "replayed",
    "split",
]

Progress = Callable[[int, int], None]
"""Hears how many of how many are done."""
WEEK = pd.Timedelta(weeks=1)
DAYS_OF_YEAR = 365.25
URGENCY = ("investigate_data", "prove", "watch", "none")
CALM_WEEKS = 2
"""Alarms with so many calm weeks between them, or fewer, are one episode."""


class Watch(Protocol):
    """A fitted monitor; a copy of it goes its own way from there.

    One that `begins_anew` now and then has a `steady` twin, which never does: what two of its copies find can be
    compared whenever they were made.
    """

    @property
    def begins_anew(self) -> bool:
        """Whether it forgets what it has seen, now and then."""

    def steady(self) -> "Watch":
        """As it was fitted, never to begin anew."""

    def check(self, seen: pd.DataFrame, window: pd.DataFrame, end: pd.Timestamp) -> Findings:
        """What the rows of the week before `end` show; `seen` are the live rows of this week and earlier ones."""


@dataclass(frozen=True)
class Case:
    """A history in two parts, and how a monitor is fitted on the first of them for a budget of alarms a year.

    `live` is sorted by `spec.time` (naive UTC); the weeks that are replayed begin at `start`. With a `size`, target and
    prediction are parts of this column, and the columns `outcome` and `y_hat` are the numbers themselves.
    """

    title: str
    source: str
    spec: MonitorSpec
    history: pd.DataFrame
    live: pd.DataFrame
    start: pd.Timestamp
    weeks: int
    fit: Callable[["Case", float], Watch]
    size: str | None = None
    looks_back: int = 9
    """Weeks of rows that a check may look back on."""

    @property
    def years(self) -> float:
        """How long is replayed."""
        return self.weeks * 7 / DAYS_OF_YEAR

    def end(self, week: int) -> pd.Timestamp:
        """The first time after a week, when its check is made; weeks are counted from 0."""
        return self.start + (week + 1) * WEEK

    def week_of(self, time: pd.Timestamp) -> int:
        """The week in which a time lies."""
        return int((time - self.start) // WEEK)

    def between(self, first: pd.Timestamp, end: pd.Timestamp, rows: pd.DataFrame | None = None) -> pd.DataFrame:
        """The live rows, or others that are sorted as they are, from a time to before another."""
        rows = self.live if rows is None else rows
        start, stop = rows[self.spec.time].searchsorted(pd.DatetimeIndex([first, end]))
        return rows.iloc[start:stop]

    def settled(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows whose target was changed, with the outcome that belongs to it."""
        if self.size is None:
            return rows
        outcome = rows[self.spec.target] * rows[self.size]
        return rows.assign(outcome=outcome, y=outcome)

    def outcomes(self, rows: pd.DataFrame) -> tuple[Floats, Floats]:
        """The outcomes of rows and their forecasts, in the unit that money is paid for."""
        names = (self.spec.target, self.spec.prediction) if self.size is None else ("outcome", "y_hat")
        y, y_hat = (pd.to_numeric(rows[name], errors="coerce").to_numpy(float) for name in names)
        return y, y_hat


@dataclass(frozen=True, slots=True)
class ReplayedWeek:
    """One replayed week: when it was checked, what drifted, what the rules say without a proof."""

    end: pd.Timestamp
    findings: Findings
    action: str
    needs_person: bool

    @property
    def alarmed(self) -> bool:
        """Whether anything drifted."""
        return bool(drifted(self.findings))


@dataclass(frozen=True, slots=True)
class Episode:
    """Alarmed weeks with at most two calm ones between them: `begins` and `ends` are the first and last such check.

    `drifted` names what did, the clearest first; `sentence` is what the first check says. `action` is the most urgent
    of its weeks: "investigate_data", "prove" (a refit is tried, a person asked when it pays off) or "watch".
    """

    begins: pd.Timestamp
    ends: pd.Timestamp
    weeks: int
    drifted: tuple[str, ...]
    sentence: str
    action: str
    needs_person: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """Episodes, and their number per year with its exact 95 % interval (Garwood, 1936)."""

    count: int
    per_year: float
    low: float
    high: float

    @classmethod
    def of(cls, count: int, years: float) -> Self:
        low = float(stats.chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
        return cls(count, count / years, low / years, float(stats.chi2.ppf(0.975, 2 * count + 2)) / 2 / years)


class MonitorWatch:
    """A monitor alone, without what a champion has besides: intervals and a naive."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    @classmethod
    def fit(cls, case: Case, alarms_per_year: float) -> Self:
        """The monitor of the history of a case."""
        return cls(fit_monitor(case.history, replace(case.spec, alarms_per_year=alarms_per_year)))

    @property
    def begins_anew(self) -> bool:
        """Never."""
        return False

    def steady(self) -> "MonitorWatch":
        """Itself."""
        return self

    def __copy__(self) -> "MonitorWatch":
        return MonitorWatch(copy(self._monitor))

    def check(self, seen: pd.DataFrame, window: pd.DataFrame, end: pd.Timestamp) -> Findings:  # noqa: ARG002
        """What the monitor says."""
        return self._monitor.check(window)


def split(rows: pd.DataFrame, time: str, weeks: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.Timestamp]:
    """The rows before the newest `weeks`, those of them, and where they begin; raises Refused if too few are before."""
    rows = rows.sort_values(time, kind="stable", ignore_index=True)
    end = rows[time].iloc[-1].normalize() + pd.Timedelta(days=1)
    start = end - weeks * WEEK
    before = rows[time] < start
    days = (start - rows[time].iloc[0].normalize()).days
    refuse_short(days + weeks * 7, weeks)
    return rows[before].reset_index(drop=True), rows[~before].reset_index(drop=True), start


def refuse_short(days: float, weeks: int) -> None:
    """Raise Refused where so many days of forecasts are too few to fit on some and to replay so many weeks."""
    most = int((days - FEWEST_DAYS) // 7)
    if most < weeks:
        less = f"replay fewer weeks, --weeks {most} at most" if most > 0 else "wait for more of them"
        raise Refused(
            f"there are forecasts of {days:.0f} days; to replay {weeks} weeks takes {weeks * 7} days"
            f" and {FEWEST_DAYS} before them to fit on: {less}"
        )


def replayed(case: Case, watch: Watch, terms: Terms) -> Iterator[ReplayedWeek]:
    """Every week of a case, oldest first, checked as `mlops monitor run` would have."""
    findings: list[Findings] = []
    for week in range(case.weeks):
        seen = case.between(case.start, case.end(week))
        window = case.between(case.end(week) - WEEK, case.end(week))
        findings.append(watch.check(seen, window, case.end(week)))
        proof = asks_for_proof(findings, terms)
        action = recommend(findings[-terms.of :], terms).action
        broken = action == "investigate_data"
        yield ReplayedWeek(case.end(week), findings[-1], "prove" if proof and not broken else action, broken or proof)


def episodes(weeks: Sequence[ReplayedWeek]) -> tuple[Episode, ...]:
    """The alarms of weeks in order, as a person would count them."""
    groups: list[list[ReplayedWeek]] = []
    calm = CALM_WEEKS + 1
    for week in weeks:
        if week.alarmed and calm > CALM_WEEKS:
            groups.append([])
        if week.alarmed:
            groups[-1].append(week)
        calm = 0 if week.alarmed else calm + 1
    return tuple(map(_episode, groups))


def drifted(findings: Findings) -> frozenset[str]:
    """What drifted, by kind and subject."""
    return frozenset(finding.name for finding in findings.details if finding.drifted)


def _clearness(finding: Finding) -> float:
    return float(np.nan_to_num(finding.clearness, nan=0.0))


def _episode(weeks: Sequence[ReplayedWeek]) -> Episode:
    clearest: dict[str, float] = {}
    for finding in (finding for week in weeks for finding in week.findings.details if finding.drifted):
        clearest[finding.name] = max(clearest.get(finding.name, 0.0), _clearness(finding))
    first = max((finding for finding in weeks[0].findings.details if finding.drifted), key=_clearness)
    return Episode(
        begins=weeks[0].end,
        ends=weeks[-1].end,
        weeks=len(weeks),
        drifted=tuple(sorted(clearest, key=lambda name: -clearest[name])),
        sentence=first.detail or first.name,
        action=min((week.action for week in weeks), key=URGENCY.index),
        needs_person=any(week.needs_person for week in weeks),
    )
