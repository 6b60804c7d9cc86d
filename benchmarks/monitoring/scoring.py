"""From what detectors said to figures with intervals: false alarms, power, delay and names."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

__all__ = ["Interval", "Power", "Quiet", "delay", "episodes", "power", "quiet"]

Record = Mapping[str, Any]
CALM_WEEKS = 2
"""Alarms with so many calm weeks between them, or fewer, are one episode."""
SORTS = ("features", "concept", "performance", "data")
WATCHED_DAYS = 56


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """False alarms a model-year in lives in which nothing changed; `by_sort`: episodes of each sort alone.

    A detector that never falls silent has one episode a year; `complaints` counts those of each column by itself.
    """

    years: float
    episodes: Interval
    alarmed_weeks: float
    complaints: float
    by_sort: Mapping[str, float]
    seconds_per_year: float


@dataclass(frozen=True, slots=True)
class Power:
    """How a change was found: shares within 28 and 56 days, days until, and which names were given.

    `beyond_twin`: found by an alarm that the same life without the change did not have in that week; None without
    such lives. `right`: of the runs with any alarm, those that named a column that changed; NaN if none did change.
    `wrong`: of all names of columns given after the onset, those of columns that did not change; `misled`: the runs
    with such a name.
    """

    runs: int
    within_28: Interval
    within_56: Interval
    beyond_twin: float | None
    median_days: Interval
    right: float
    wrong: float
    misled: float
    material: float


def quiet(records: Sequence[Record]) -> Quiet:
    """The figures of quiet lives."""
    weeks = sum(len(record["weeks"]) for record in records)
    years = weeks / 52
    counts = {sort: sum(episodes(week_alarms(record, sort)) for record in records) for sort in SORTS}
    total = sum(episodes(week_alarms(record)) for record in records)
    alarmed = sum(sum(week_alarms(record)) for record in records)
    seconds = np.mean([record["fit_seconds"] + 52 * record["check_seconds"] for record in records])
    rates = {sort: count / years for sort, count in counts.items()}
    complaints = sum(map(_complaints, records)) / years
    return Quiet(years, poisson(total, years), alarmed / years, complaints, rates, float(seconds))


def week_alarms(record: Record, *sorts: str) -> list[bool]:
    """Whether each week complains, of these sorts only if any are given."""
    return [any(week[sort] for sort in sorts or SORTS) for week in record["weeks"]]


def _complaints(record: Record) -> int:
    """Episodes of each column, of the concept and of the loss, summed."""
    weeks = [
        {(sort, name) for sort in SORTS for name in (("",) if week[sort] is True else week[sort] or ())}
        for week in record["weeks"]
    ]
    return sum(episodes(one in week for week in weeks) for one in set().union(*weeks))


def episodes(alarmed: Iterable[bool]) -> int:
    """Runs of alarms; up to two calm weeks do not end one."""
    count, calm = 0, CALM_WEEKS + 1
    for now in alarmed:
        count += now and calm > CALM_WEEKS
        calm = 0 if now else calm + 1
    return count


def poisson(count: int, exposure: float) -> Interval:
    """A rate with its exact interval (Garwood, 1936)."""
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return Interval(count / exposure, float(low) / exposure, float(stats.chi2.ppf(0.975, 2 * count + 2)) / 2 / exposure)


def share(count: int, of: int) -> Interval:
    """A share with its exact interval (Clopper and Pearson, 1934)."""
    low = stats.beta.ppf(0.025, count, of - count + 1) if count else 0.0
    high = stats.beta.ppf(0.975, count + 1, of - count) if count < of else 1.0
    return Interval(count / of, float(low), float(high))


def power(records: Sequence[Record], twins: Mapping[int, Record]) -> Power:
    """The figures of one scenario; `twins` are the quiet records of the same detector by seed."""
    delays = np.array([delay(record) for record in records])
    paired = [(record, twins[record["seed"]]) for record in records if record["seed"] in twins]
    beyond = [delay(record, twin) <= WATCHED_DAYS for record, twin in paired]
    counts = [_names(record) for record in records]
    wrong, names = map(sum, zip(*counts, strict=True))
    return Power(
        runs=len(records),
        within_28=share(int((delays <= 28).sum()), len(delays)),
        within_56=share(int((delays <= WATCHED_DAYS).sum()), len(delays)),
        beyond_twin=float(np.mean(beyond)) if beyond else None,
        median_days=median(delays),
        right=_right(records),
        wrong=wrong / names if names else math.nan,
        misled=float(np.mean([false > 0 for false, _ in counts])),
        material=float(np.mean([record["truth"]["performance"] for record in records])),
    )


def delay(record: Record, twin: Record | None = None) -> float:
    """Days from the onset to the first check that says what is true; infinite if none does in 56 days.

    With a twin, complaints that the quiet life has in the same week don't count.
    """
    truth = record["truth"]
    for place, week in enumerate(record["weeks"]):
        after = week["end"] - truth["onset"]
        said = true_complaints(week, truth)
        if twin is not None:
            said -= true_complaints(twin["weeks"][place], truth)
        if 0 < after <= WATCHED_DAYS and said:
            return float(after)
    return math.inf


def true_complaints(week: Mapping[str, Any], truth: Mapping[str, Any]) -> set[str]:
    """What a week rightly complains of: a changed column, whole rows, the concept, the loss."""
    columns = {*truth["features"], *truth["faulty"]}
    found = columns & {*week["features"], *week["data"]}
    if "rows" in truth["faulty"] and week["data"]:
        found |= {"rows"}
    if week["concept"] and (truth["concept"] or truth["performance"]):
        found |= {"the concept"}
    if week["performance"] and (truth["concept"] or truth["performance"]):
        found |= {"the loss"}
    return found


def median(delays: "np.ndarray[Any, np.dtype[np.float64]]") -> Interval:
    """The median with the interval of its order statistics (infinite where too few are found)."""
    ordered, count = np.sort(delays), len(delays)
    low, high = stats.binom.ppf([0.025, 0.975], count, 0.5).astype(int)
    middle = ordered[(count - 1) // 2] if count % 2 else _between(ordered[count // 2 - 1], ordered[count // 2])
    return Interval(float(middle), float(ordered[max(low - 1, 0)]), float(ordered[min(high, count - 1)]))


def _between(left: float, right: float) -> float:
    return right if math.isinf(right) else (left + right) / 2


def _after(record: Record) -> list[Mapping[str, Any]]:
    onset = record["truth"]["onset"]
    return [week for week in record["weeks"] if 0 < week["end"] - onset <= WATCHED_DAYS]


def _right(records: Sequence[Record]) -> float:
    named = []
    for record in records:
        truth, weeks = record["truth"], _after(record)
        columns = {*truth["features"], *truth["faulty"], *truth["concept_features"]} - {"rows"}
        said = {name for week in weeks for sort in ("features", "data", "concept") for name in week[sort]}
        if columns and any(any(week[sort] for sort in SORTS) for week in weeks):
            named.append(bool(columns & said))
    return float(np.mean(named)) if named else math.nan


def _names(record: Record) -> tuple[int, int]:
    """How many of the features named after the onset did not change, and how many were named."""
    truth = record["truth"]
    changed = {*truth["features"], *truth["faulty"]}
    said = [name for week in _after(record) for name in {*week["features"], *week["data"]}]
    return sum(name not in changed and "rows" not in changed for name in said), len(said)
