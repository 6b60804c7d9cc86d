"""Batches of arrived rows into Postgres: exactly once, corrections kept as revisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd

from mlops.arrays import Bools, Ints, Times
from mlops.db import Database, Transaction
from mlops.db.binary import Arrays, elements
from mlops.db.retry import retrying
from mlops.domain.metric_types import MetricType
from mlops.errors import BadInput
from mlops.series.diff import AROUND, ChangeSet, SeriesFacts, diff
from mlops.series.parsing.external_sort import Rows
from mlops.series.parsing.steps import FileClock, has_anchor
from mlops.series.scoring import LOOK_BACK, Thresholds
from mlops.times import NOT_A_ZONE, UTC, local_times

__all__ = ["KnownAt", "KnownSeries", "Months", "clocks_of", "know", "prepare", "read_around", "store", "store_scores"]

KnownAt = Literal["auto", "now", "observed"]
"""When new observations became known: when their period ended ("observed"), now, or ("auto") the former for the first
file of a series and the latter for what follows."""
METRICS = "analytics.time_series_metrics"
REVISIONS = "analytics.time_series_revisions"


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """The series of a file: `series_id` and whether it is `new`, by the key of its rows; the facts by series_id.

    Of the series that are `replayed` (one entry for each of the facts) new rows became known when their period ended.
    """

    series_id: Ints
    new: Bools
    facts: SeriesFacts
    replayed: Bools

    def by_now(self) -> "KnownSeries":
        """The same after somebody else may have written to the new ones, too."""
        return replace(self, new=np.zeros_like(self.new))


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is stored of a series, as `array_send` gives it; None where no row has any."""

    series_id: int
    observed_at: bytes
    value: bytes
    value_lower: bytes | None
    value_upper: bytes | None
    quality_score: bytes


@dataclass(frozen=True, slots=True)
class _Identified:
    """The series of a key of a file, with its clock."""

    key: int
    series_id: int
    time_zone: str
    anchor: int | None


@dataclass(frozen=True, slots=True)
class _StoredClock:
    """The clock of a stored series; `off` is the first stored time that the zone of the file does not fit."""

    key: int
    time_zone: str
    anchor: int | None
    off: datetime | None


@dataclass(frozen=True, slots=True)
class _Merged:
    """What a merge did."""

    inserted: int
    corrected: int


class Months:
    """Where new rows go: partitions, made when missing; or with `alone` tables of their own, attached at the end.

    A month that has a partition when it is first written to stays with it.
    """

    def __init__(self, database: Database, *, alone: bool = False) -> None:
        self._database, self._alone = database, alone
        self._tables: dict[np.datetime64, str] = {}

    def write(self, transaction: Transaction, rows: Arrays) -> int:
        """Copy rows straight to where they go, which fails on the first one that is there; how many."""
        months = rows["observed_at"].astype("datetime64[M]")
        self._make(transaction, np.unique(months))
        alone = {month: table for month, table in self._tables.items() if table != METRICS}
        if alone:
            order = np.argsort(months.astype(np.int16), kind="stable")  # 16 bits are sorted by radix
            rows, months = {name: column[order] for name, column in rows.items()}, months[order]
            for month, table in sorted(alone.items()):
                begin, end = np.searchsorted(months, [month, month + 1])
                if begin < end:
                    part = {name: column[begin:end] for name, column in rows.items()}
                    transaction.copy_arrays(table, part, freeze=True)
            others = ~np.isin(months, list(alone))
            rows = {name: column[others] for name, column in rows.items()}
        if len(rows["observed_at"]):
            transaction.copy_arrays(METRICS, rows)
        return len(months)

    def _make(self, transaction: Transaction, months: Times) -> None:
        # asked anew for each batch: retention may have taken a month since the last one
        missing = [month for month in months if self._tables.get(month, METRICS) == METRICS]
        if not missing:
            return
        if not self._alone:
            ensure_months(self._database, METRICS, months)
            return
        dates = [month.astype("datetime64[D]").item() for month in missing]
        there = set(transaction.values("months_with_partitions", months=dates))
        for month, date in zip(missing, dates, strict=True):
            self._tables[month] = METRICS if date in there else transaction.value("create_detached_month", month=date)

    def attach(self, transaction: Transaction) -> int:
        """Make the tables that were loaded alone partitions, with their indexes; how many."""
        alone = [(month, table) for month, table in sorted(self._tables.items()) if table != METRICS]
        for month, table in alone:
            transaction.run("attach_month", table=table, month=month.astype("datetime64[D]").item())
        return len(alone)


def clocks_of(transaction: Transaction, series: pd.DataFrame) -> list[FileClock] | None:
    """By what the steps of each series of a file begin, by what is stored of it and by the zone that the file names.

    None where no row can differ from that: dates of days or months, and no zone.
    """
    zones = sorted(set(series["time_zone"].dropna()) - {UTC})
    if not zones and not any(has_anchor(name) for name in set(series["granularity"])):
        return None
    for zone in transaction.values("unknown_time_zones", names=zones):
        raise BadInput(f"{zone!r} {NOT_A_ZONE} (the server does not know it)")
    _want(transaction, series.assign(anchor=None))
    stored = {clock.key: clock for clock in transaction.rows("wanted_series_clocks", of=_StoredClock)}
    of_file = zip(series["granularity"], series["time_zone"], strict=True)
    return [_clock(name, zone, stored.get(key)) for key, (name, zone) in enumerate(of_file)]


def know(
    transaction: Transaction,
    series: pd.DataFrame,
    metrics: Mapping[str, MetricType],
    clocks: Sequence[FileClock] | None = None,
    *,
    sha256: str,
    known_at: KnownAt = "auto",
) -> KnownSeries:
    """The series of a file (one row per identity); those that are not there yet are made, with these clocks.

    A series without observations takes the file of that digest as its first one. It stays that until it is whole or
    another one comes first, so that an interrupted file that is sent again is stored as if nothing had happened.
    """
    if clocks is not None:
        zones = [zone if clock.why is None else None for zone, clock in zip(series["time_zone"], clocks, strict=True)]
        anchors = [
            clock.anchor if clock.why is None and has_anchor(clock.granularity.name) else None for clock in clocks
        ]
        series = series.assign(time_zone=np.array(zones, object), anchor=np.array(anchors, object))
    _want(transaction, series)
    wanted = transaction.rows("wanted_series_found", of=_Identified)
    before = {row.key for row in wanted}
    transaction.run("add_wanted_series")
    if clocks is not None and wanted:
        transaction.run("set_series_clocks")
    wanted = transaction.rows("wanted_series_found", of=_Identified)
    if clocks is not None and any(_otherwise(clock, row) for clock, row in zip(clocks, wanted, strict=True)):
        raise BadInput("another file told a series another clock meanwhile; nothing was stored, send it again")
    ids = np.array([row.series_id for row in wanted], dtype=np.int64)
    distinct, first = np.unique(ids, return_index=True)
    own = series.iloc[first]
    granularity = own["granularity"].to_numpy(dtype=object)
    stored = [wanted[place].time_zone for place in first.tolist()]
    thresholds = Thresholds.of([metrics[name] for name in own["metric_type"]], granularity.tolist(), stored)
    new = ~np.isin(np.arange(len(ids)), list(before))
    replayed = np.full(len(distinct), known_at == "observed")
    if known_at == "auto":
        transaction.run("first_ingest_claim", series_ids=distinct.tolist(), sha256=sha256)
        replayed = np.isin(distinct, transaction.values("first_ingests", sha256=sha256))
    return KnownSeries(ids, new, SeriesFacts(distinct, granularity, thresholds), replayed)


def _want(transaction: Transaction, series: pd.DataFrame) -> None:
    transaction.run("create_wanted_series")
    transaction.copy("wanted_series", series.assign(key=np.arange(len(series))))
    transaction.run("prefer_hash_joins")


def _clock(granularity: str, zone: str | None, stored: _StoredClock | None) -> FileClock:
    """The clock of a series, if anything is stored of it, and the zone that a file names."""
    if stored is None:
        return FileClock.of(granularity, zone, None)
    if zone is None or zone == stored.time_zone:
        return FileClock.of(granularity, stored.time_zone, stored.anchor)
    clock = FileClock.of(granularity, zone, stored.anchor)
    if stored.time_zone != UTC:
        clock.why = (
            f"the series is of {stored.time_zone}, and the file says {zone}; leave the zone out, or correct the one"
            " of the series in analytics.series"
        )
    elif stored.off is not None:
        off = np.array([stored.off.replace(tzinfo=None)], dtype="datetime64[us]")
        clock.why = (
            f"the stored values of the series are not of {zone}: that of {off[0].astype('datetime64[m]')} UTC would be"
            f" at {str(local_times(off, zone)[0])[11:16]}; leave the zone out, or send them anew as another series"
        )
    return clock


def _otherwise(clock: FileClock, stored: _Identified) -> bool:
    """Whether a series has another clock by now than the one by which its rows were judged."""
    known = clock.why is None and clock.anchor is not None and has_anchor(clock.granularity.name)
    return known and (clock.zone, clock.anchor) != (stored.time_zone, stored.anchor)


def prepare(database: Database, rows: Rows, known: KnownSeries) -> ChangeSet:
    """What a batch (whole series, sorted by series and time) would change, by what is stored now."""
    ids = known.series_id[rows["key"]]
    mine = np.isin(known.facts.series_id, ids)
    facts = known.facts.part(mine)
    with database.transaction() as transaction:
        now = np.datetime64(transaction.value("now").replace(tzinfo=None), "us")
        around = _around(transaction, rows, known, facts)
    return diff(rows, ids, facts, around, now, replayed=known.replayed[mine])


def store(
    transaction: Transaction, database: Database, changes: ChangeSet, months: Months, *, contested: bool = False
) -> tuple[int, int]:
    """How many rows were new and how many corrected what was stored.

    New rows are copied straight to their months; raises psycopg's UniqueViolation when somebody else stored one of them
    meanwhile. With `contested` (for another attempt, after it was prepared again) they are merged like those that
    correct something, which is slower.
    """
    ids = np.unique(np.r_[changes.new["series_id"], changes.changed["series_id"]]).tolist()
    tenants = transaction.value("hold_series", series_ids=ids)
    if gone := [series_id for series_id, tenant in zip(ids, tenants, strict=True) if tenant is None]:
        raise BadInput(
            f"somebody deleted series {', '.join(map(str, gone[:3]))}{', …' if len(gone) > 3 else ''} while this file"
            " was stored; send the file again: it stores what is not there"
        )
    inserted = corrected = 0
    if len(changes.new["series_id"]) and not contested:
        straight = {name: column for name, column in changes.new.items() if name != "quality_stated"}
        straight["tenant_id"] = np.array(tenants, dtype=np.int32)[np.searchsorted(ids, straight["series_id"])]
        inserted = months.write(transaction, straight)
        series_id, at = straight["series_id"], straight["observed_at"]
        begins = np.flatnonzero(np.r_[True, np.diff(series_id) != 0])
        first_at, last_at = ([f"{time}Z" for time in at[places]] for places in (begins, [*begins[1:] - 1, -1]))
        transaction.run("mark_spans_dirty", series_ids=series_id[begins].tolist(), first_at=first_at, last_at=last_at)
    to_merge = [part for part in (changes.changed, changes.new if contested else {}) if len(part.get("series_id", ()))]
    if to_merge:
        if contested:
            ensure_months(database, METRICS, changes.new["observed_at"])
        ensure_months(database, REVISIONS, changes.changed["observed_at"])
        transaction.run("prepare_arriving")
        for part in to_merge:
            transaction.copy_arrays("pg_temp.arriving", part)
        merged = transaction.one("merge_arriving", of=_Merged)
        assert merged is not None
        inserted, corrected = inserted + merged.inserted, merged.corrected
    if len(changes.rescored["series_id"]):
        store_scores(transaction, changes.rescored)
    return inserted, corrected


def store_scores(transaction: Transaction, scores: Arrays) -> int:
    """Give observations other scores (`series_id, observed_at`, quality and anomaly of each); how many changed."""
    transaction.run("scores_table")
    transaction.copy_arrays("scores", scores)
    transaction.run("scores_by_key", joined="off")
    transaction.run("rescore_lock")
    rescored: int = transaction.value("rescore")
    transaction.run("scores_by_key", joined="on")
    return rescored


def ensure_months(database: Database, table: str, times: Times) -> None:
    """Make the partitions of these times in a transaction of their own: their lock makes other makers wait."""
    months = [month.item() for month in np.unique(times.astype("datetime64[M]")).astype("datetime64[D]")]

    def make() -> None:
        with database.transaction() as transaction:
            transaction.value("ensure_months", table=table, months=months)

    if months:
        retrying(make)


def _around(transaction: Transaction, rows: Rows, known: KnownSeries, facts: SeriesFacts) -> Arrays:
    """What is stored of the series that are not new, in the span of their rows and as far back as scores look."""
    begins = np.flatnonzero(np.r_[True, np.diff(rows["key"]) != 0])
    keys = rows["key"][begins]
    old = ~known.new[keys]
    if not old.any():
        return {name: np.empty(0, dtype=dtype) for name, dtype in AROUND.items()}
    ends = np.r_[begins[1:], len(rows)] - 1
    ids = known.series_id[keys[old]]
    granularity = facts.granularity[np.searchsorted(facts.series_id, ids)]
    spans: Arrays = {
        "series_id": ids,
        "first_at": rows["at"][begins[old]],
        "last_at": rows["at"][ends[old]],
        "look_back": np.array([LOOK_BACK[name] for name in granularity], dtype=np.int32),
    }
    return read_around(transaction, spans)


def read_around(transaction: Transaction, spans: Arrays) -> Arrays:
    """What is stored of each series from `first_at` to `last_at`, and `look_back` observations before and after."""
    transaction.run("ingest_around_tables")
    transaction.run("quality_plan")
    transaction.copy_arrays("spans", spans)
    stored = transaction.rows("ingest_around", of=_Stored)
    lengths = [len(elements(row.value, "float64")) for row in stored]
    columns: Arrays = {"series_id": np.repeat(np.array([row.series_id for row in stored], dtype=np.int64), lengths)}
    for name, dtype in AROUND.items():
        if name != "series_id":
            sent = [getattr(row, name) for row in stored]
            parts = [
                np.full(length, np.nan, dtype) if data is None else elements(data, dtype)
                for data, length in zip(sent, lengths, strict=True)
            ]
            columns[name] = np.concatenate([*parts, np.empty(0, dtype)])
    return columns
