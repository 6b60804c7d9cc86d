"""Totals of series: which there are of a selection, whose they are, and which series each sums."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mlops.db import Database, Transaction
from mlops.domain.totals import LEVELS, OF, TOTALS, WEEK
from mlops.errors import NothingToDo, Refused, UnknownName

__all__ = ["Total", "Totals", "check_totals", "totals_of"]


@dataclass(frozen=True, slots=True)
class _Measured:
    """A series and whose figures it has."""

    series_id: int
    level: str
    tenant_id: int
    customer_id: str | None
    driver_id: str | None
    vehicle_id: str | None
    route_id: str | None
    site_id: str | None

    def entity(self, level: str) -> str | None:
        """Whose total at a level the series is part of; the company has no name."""
        name: str | None = "" if level == "company" else getattr(self, OF[level])
        return name


@dataclass(frozen=True, slots=True)
class _Summand(_Measured):
    """A series that may be summed, and what a total of it has in common with it."""

    metric_type: str
    granularity: str
    time_zone: str
    aggregate: str


@dataclass(frozen=True, slots=True)
class _TotalSeries:
    """The series of a total."""

    key: int
    series_id: int


@dataclass(frozen=True)
class Total:
    """The total of one route, vehicle, driver, site or company: whose it is, and the series that it sums.

    `own` is the series that measures the same by itself, whose observations are then its outcomes; None where there is
    no such series.
    """

    level: str
    tenant_id: int
    place: Mapping[str, str | None]
    time_zone: str
    parts: tuple[int, ...]
    own: int | None


@dataclass(frozen=True)
class Totals:
    """The totals of a forecast: keys are places in `each`, as negative numbers, so that none is a series."""

    each: tuple[Total, ...]
    weeks: bool
    metric_type: str
    granularity: str
    labels: Mapping[str, str]

    @property
    def members(self) -> pd.DataFrame:
        """`series_id, total`: which series each total sums."""
        rows = [(part, -1 - key) for key, total in enumerate(self.each) for part in total.parts]
        return pd.DataFrame(rows, columns=["series_id", "total"], dtype="int64")

    def ids(self, transaction: Transaction) -> dict[int, int]:
        """By key, the series of each total: its own, or one that is marked as a total and made where there is none."""
        wanted = [(-1 - key, total) for key, total in enumerate(self.each) if total.own is None]
        rows = transaction.rows(
            "add_total_series",
            of=_TotalSeries,
            metric_type=self.metric_type,
            granularity=self.granularity,
            keys=[key for key, _ in wanted],
            tenants=[total.tenant_id for _, total in wanted],
            zones=[total.time_zone for _, total in wanted],
            drivers=[total.place["driver_id"] for _, total in wanted],
            vehicles=[total.place["vehicle_id"] for _, total in wanted],
            routes=[total.place["route_id"] for _, total in wanted],
            sites=[total.place["site_id"] for _, total in wanted],
            labels=[json.dumps({**self.labels, "total": f"{total.level} total"}) for _, total in wanted],
        )
        own = {-1 - key: total.own for key, total in enumerate(self.each) if total.own is not None}
        return own | {row.key: row.series_id for row in rows}


def check_totals(asked: Iterable[str]) -> tuple[str, ...]:
    """What is asked for, each once; UnknownName for what is no total."""
    names = tuple(dict.fromkeys(name.strip() for name in asked if name.strip()))
    for name in names:
        if name not in TOTALS:
            raise UnknownName("total", name, TOTALS)
    return names


def totals_of(database: Database, series: Sequence[int], levels: Sequence[str], labels: Mapping[str, str]) -> Totals:
    """The totals of some series at some `levels` (of `domain.totals.OF`), `labels` being those that chose the series.

    Where series of several levels are in one total (customers' and their routes'), the finest are summed and the others
    not, for these measure the same again. No total is made of an entity whose own series is among the series.

    Refused for a metric type whose values don't add up; NothingToDo where no series names a place of a level.
    """
    with database.transaction() as transaction:
        rows = transaction.rows("series_places", of=_Summand, series_ids=list(series))
        first = rows[0]
        measured = transaction.rows(
            "series_of_whole_places",
            of=_Measured,
            metric_type=first.metric_type,
            granularity=first.granularity,
        )
    if first.aggregate != "sum":
        raise Refused(
            f"values of {first.metric_type} don't add up (its aggregate is {first.aggregate}), so it has no"
            " totals; leave --totals and [data] totals out"
        )
    weeks = WEEK in levels
    if weeks and first.granularity != "daily":
        raise Refused(f"weekly totals are of daily series, and these are {first.granularity}; leave `week` out")
    totals = [total for level in levels if level != WEEK for total in _at(level, rows, measured if not labels else [])]
    for level in levels:
        if level in OF and all(row.entity(level) is None for row in rows):
            raise NothingToDo(
                f"there is no total of a {level}: no series that is forecast names its {level} ({OF[level]}); leave"
                f" `{level}` out"
            )
    return Totals(tuple(totals), weeks, first.metric_type, first.granularity, dict(labels))


def _at(level: str, rows: Sequence[_Summand], measured: Sequence[_Measured]) -> list[Total]:
    groups: dict[tuple[int, str], list[_Summand]] = {}
    taken = set()
    for row in rows:
        if (entity := row.entity(level)) is None or LEVELS.index(row.level) > LEVELS.index(level):
            continue
        key = (row.tenant_id, entity)
        groups.setdefault(key, []).append(row)
        if row.level == level:
            taken.add(key)
    own: dict[tuple[int, str], list[int]] = {}
    for whole in measured:
        if whole.level == level:
            own.setdefault((whole.tenant_id, str(whole.entity(level))), []).append(whole.series_id)
    return [
        _total(level, key, members, own.get(key, [])) for key, members in sorted(groups.items()) if key not in taken
    ]


def _total(level: str, key: tuple[int, str], members: Sequence[_Summand], own: Sequence[int]) -> Total:
    finest = min(LEVELS.index(row.level) for row in members)
    parts = [row for row in members if LEVELS.index(row.level) == finest]
    sites = {row.site_id for row in parts}
    place: dict[str, str | None] = dict.fromkeys(OF.values())
    if level in OF:
        place[OF[level]] = key[1]
    if level != "company" and len(sites) == 1:
        place["site_id"] = sites.pop()
    zones = [row.time_zone for row in parts]
    zone = max(sorted(set(zones)), key=zones.count)
    return Total(level, key[0], place, zone, tuple(row.series_id for row in parts), own[0] if len(own) == 1 else None)
