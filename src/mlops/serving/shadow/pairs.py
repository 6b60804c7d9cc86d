"""What a champion and a challenger said about the same thing, by week and day, once it is known what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from mlops.arrays import Floats
from mlops.db import Database
from mlops.domain.granularity import GRANULARITIES, Granularity, named
from mlops.times import aware_utc, naive_utc

__all__ = ["Challenger", "PairedDay", "PairedWeeks", "challengers", "paired", "weeks_of"]

YEAR, YEARS = timedelta(weeks=52), timedelta(weeks=520)
"""How far back pairs are looked for: as long as the interval was tried out; of steps longer than a day ten years."""
KNOWN = 0.5
"""The share of a week's pairs whose outcome is known from which the week counts; chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Challenger:
    """A version that answers beside the champion of its model, by an alias."""

    champion_id: int
    challenger_id: int
    name: str
    champion: int
    challenger: int
    alias: str
    granularity: str


@dataclass(frozen=True, slots=True)
class PairedDay:
    """The errors of both on one day, summed over series: of `due` pairs those whose outcome is known, of which `size`.

    `week` is when its week begins and `day` counts from there: weeks begin with the day of the first pair, so that the
    first is whole. Of steps longer than a day it is the step itself, and 0. `series` are those of all days together.
    Sums are None where no outcome is known.
    """

    week: datetime
    day: int
    champion_error: float | None
    challenger_error: float | None
    size: float | None
    pairs: int
    due: int
    series: int


@dataclass(frozen=True, slots=True)
class PairedWeeks:
    """The weeks that count, oldest first.

    `gains` (weeks, days) are how much less the challenger erred on each day, in parts of the week's mean outcomes of a
    day, so that the mean of a week's days is by how much its WAPE is lower; NaN where a day has no pair. `begins` and
    `ends` are aware.
    """

    gains: Floats
    begins: tuple[datetime, ...]
    ends: tuple[datetime, ...]
    wape_champion: float
    wape_challenger: float
    pairs: int
    series: int


def challengers(database: Database, aliases: Sequence[str], name: str | None = None) -> list[Challenger]:
    """The versions that answer beside a champion now; without a name of all models."""
    with database.transaction() as transaction:
        return transaction.rows("live_challengers", of=Challenger, aliases=list(aliases), name=name)


def paired(database: Database, compared: Challenger, as_of: datetime) -> PairedWeeks | None:
    """What both forecast for the year before `as_of` (aware), with what was known then; None when no week counts."""
    granularity = named(compared.granularity) or GRANULARITIES["daily"]
    today = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with database.transaction() as transaction:
        days = transaction.rows(
            "paired_days",
            of=PairedDay,
            champion_id=compared.champion_id,
            challenger_id=compared.challenger_id,
            stepwise=granularity.counted,
            start=today - timedelta(days=today.weekday()) - (YEARS if granularity.counted else YEAR),
            as_of=as_of,
        )
    return weeks_of(days, granularity, as_of)


def weeks_of(days: Sequence[PairedDay], granularity: Granularity, as_of: datetime) -> PairedWeeks | None:
    """Days as weeks: those that are over, and most of whose outcomes are known; None when there is none. Pure."""
    weeks: dict[datetime, list[PairedDay]] = {}
    for day in days:
        weeks.setdefault(day.week, []).append(day)
    ends = {week: _end(week, granularity) for week in weeks}
    counted = {
        week: [day for day in of_week if day.pairs]
        for week, of_week in weeks.items()
        if ends[week] <= as_of
        and sum(day.pairs for day in of_week) >= KNOWN * sum(day.due for day in of_week)
        and sum(day.size or 0 for day in of_week) > 0  # where nothing happened, there is no WAPE
    }
    if not counted:
        return None
    gains = np.full((len(counted), 1 if granularity.counted else 7), np.nan)
    champion = challenger = size = 0.0
    for row, of_week in enumerate(counted.values()):
        usual = sum(day.size or 0 for day in of_week) / len(of_week)
        for day in of_week:
            theirs, ours = day.champion_error or 0, day.challenger_error or 0
            gains[row, day.day] = (theirs - ours) / usual
            champion, challenger, size = champion + theirs, challenger + ours, size + (day.size or 0)
    return PairedWeeks(
        gains=gains,
        begins=tuple(counted),
        ends=tuple(ends[week] for week in counted),
        wape_champion=champion / size,
        wape_challenger=challenger / size,
        pairs=sum(day.pairs for of_week in counted.values() for day in of_week),
        series=days[0].series,
    )


def _end(week: datetime, granularity: Granularity) -> datetime:
    if not granularity.counted:
        return week + timedelta(weeks=1)
    return aware_utc(granularity.over(np.array([naive_utc(week)], dtype="datetime64[us]"))[0])
