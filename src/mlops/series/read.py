"""What is stored: the series, one series, and observations as they were known at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from mlops.db import Database, Transaction
from mlops.db.archive.read import extents, newest_archived, read_archived
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.model_uri import model_of
from mlops.domain.series import LEVELS
from mlops.errors import NothingToDo, UnknownName
from mlops.panels.timestamps import granularity_of
from mlops.series.filters import check_filters, selected_series
from mlops.series.names import find, series_names
from mlops.series.quality import STALE

__all__ = [
    "LatestObservation",
    "ShownSeries",
    "check_labels",
    "ended",
    "history",
    "latest_observations",
    "list_series",
    "newest_end",
    "nothing_current",
    "observed",
    "show_series",
]

LATEST = 10


@dataclass(frozen=True, slots=True)
class LatestObservation:
    """One of the newest observations of a series."""

    observed_at: datetime
    value: float
    quality_score: float | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class ShownSeries:
    """A series with its unit, how much there is of it, how often it was corrected, and the newest of it."""

    series_id: int
    name: str
    metric_type: str
    unit: str
    granularity: str
    level: str
    time_zone: str
    tenant_id: int
    customer_id: str | None
    route_id: str | None
    vehicle_id: str | None
    driver_id: str | None
    site_id: str | None
    labels: dict[str, str]
    created_at: datetime
    observations: int
    first: datetime | None
    last: datetime | None
    quality: float | None
    corrections: int
    latest: Sequence[LatestObservation] = ()
    """Newest first."""


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest observation of the series of a granularity."""

    granularity: str
    newest: datetime


@dataclass(frozen=True, slots=True)
class _Trained:
    """What the newest version of a model was trained on."""

    metric_type: str
    granularity: str


def list_series(database: Database, metric_type: str | None = None, level: str | None = None) -> pd.DataFrame:
    """One row per series: its name, what it measures and where, `observations`, `first`, `last`, the mean `quality`.

    `level` says whose figures it has (`domain.series.LEVELS`); given one, only its series are listed. The last are
    totals: sums that are forecast, without observations of their own (`total`).
    Archived months count as those in the database do. Times are naive UTC. UnknownName for a metric type that nobody
    declared; refused when an archive is missing or was altered.
    """
    _check_level(level)
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type)
        found = transaction.frame("series_list", metric_type=metric_type, level=level)
        archived = extents(transaction).reindex(found["series_id"])
    scored = found.pop("scored")
    if not archived["observations"].any():
        return found
    archived = archived.set_axis(found.index).astype({"first": found["first"].dtype, "last": found["last"].dtype})
    both = scored + archived["scored"].fillna(0)
    quality = found["quality"].fillna(0) * scored + archived["quality"].fillna(0)
    return found.assign(
        observations=found["observations"] + archived["observations"].fillna(0).astype("int64"),
        first=archived["first"].fillna(found["first"]),
        last=found["last"].fillna(archived["last"]),
        quality=(quality / both).where(both > 0),
    )


def show_series(database: Database, series: int | str) -> ShownSeries:
    """One series, by name or id.

    Archived months count as those in the database do; Refused when one of those is missing or was altered. Raises
    UnknownName with the nearest, and BadInput for a name that several have.
    """
    known = series_names(database)
    series_id = find(str(series), known)
    with database.transaction() as transaction:
        read_archived(transaction, [series_id])
        shown = transaction.one("series_show", of=ShownSeries, series_id=series_id)
        if shown is None:  # it was deleted meanwhile
            raise UnknownName("series", series, set(known.values()) - {known[series_id]}, stored=True)
        latest = transaction.rows("newest_of_series", of=LatestObservation, series_id=series_id, most=LATEST)
        return replace(shown, latest=latest)


def check_labels(database: Database, metric_type: str, granularity: str, labels: Mapping[str, object]) -> None:
    """UnknownName for a label, or a value of it, that no series of the metric type and granularity has."""
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type, granularity=granularity, labels=labels)


def ended(database: Database, metric_type: str | None = None, granularity: str | None = None) -> datetime | None:
    """When the newest observation's period ended (UTC, aware), of a metric type and granularity or of all series.

    None without observations, and now at most: of a plan for the future nothing has ended. UnknownName for a metric
    type or granularity that nobody declared.
    """
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type, granularity=granularity)
        newest = transaction.rows("newest_by_granularity", of=_Newest, metric_type=metric_type, granularity=granularity)
        if not newest:
            newest = _archived_end(transaction, metric_type, granularity)
    if not newest:
        return None
    ends = [
        GRANULARITIES[row.granularity].over(
            np.array([row.newest.astimezone(UTC).replace(tzinfo=None)], "datetime64[us]")
        )
        for row in newest
    ]
    last = pd.Timestamp(np.concatenate(ends).max())
    return min(last.to_pydatetime().replace(tzinfo=UTC), datetime.now(UTC))


def newest_end(database: Database, metric_type: str = "", granularity: str = "", *, model: str = "") -> datetime:
    """What "last" means as a time: when the newest observation's period `ended` (UTC, aware).

    Of a metric type and granularity (its name or pandas' alias), where they are named; of those that a `model` (its
    name or URI) was trained on; else of all series. NothingToDo where there is none says what would do.
    """
    step = granularity_of(granularity).name if granularity else None
    wanted = (metric_type or None, step)
    if model:
        with database.transaction() as transaction:
            asked = model_of(model)
            trained = transaction.one("model_selection", of=_Trained, name=model if asked is None else asked.name)
        wanted = wanted if trained is None else (trained.metric_type, trained.granularity)
    end = ended(database, *wanted)
    if end is not None:
        return end
    what = f"{wanted[1]} observation" if wanted[1] else "observation"
    what += f" of {wanted[0]!r}" if wanted[0] else ""
    with database.transaction() as transaction:
        others = transaction.rows("newest_by_granularity", of=_Newest, metric_type=wanted[0], granularity=None)
    if others and not model:
        steps = " or ".join(f"--granularity {name}" for name in sorted(row.granularity for row in others))
        raise NothingToDo(f"there is no {what}, so none is the last; others are there: {steps}")
    raise NothingToDo(f"there is no {what} yet, so none is the last; bring data in with `mlops series ingest FILE`")


def _archived_end(transaction: Transaction, metric_type: str | None, granularity: str | None) -> list[_Newest]:
    """The newest observation of each granularity, where all of them are in archives."""
    ids: dict[str, list[int]] = {}
    for one in selected_series(transaction, metric_type=metric_type, granularity=granularity):
        ids.setdefault(one.granularity, []).append(one.series_id)
    newest = {name: newest_archived(transaction, series) for name, series in ids.items()}
    return [_Newest(name, time) for name, time in newest.items() if time is not None]


def latest_observations(database: Database, series_ids: Sequence[int]) -> pd.DataFrame:
    """`series_id, ds, y, quality_score, is_anomaly, recorded_at` of the newest observation of each series.

    Times are naive UTC. A series without observations has no row; UnknownName for an id that no series has.
    """
    with database.transaction() as transaction:
        check_filters(transaction, series_ids=series_ids)
        return transaction.frame("latest_values", series_ids=list(series_ids))


def history(
    database: Database,
    *,
    series_ids: Sequence[int] | None = None,
    metric_type: str | None = None,
    granularity: str | None = None,
    labels: Mapping[str, object] | None = None,
    level: str | None = None,
    as_of: datetime | None = None,
    start: datetime | None = None,
) -> pd.DataFrame:
    """`series_id, ds, y, quality_score` as it was known at `as_of` (now if None), oldest first.

    Of steps within a day there is a column `time_zone`, too, where a series lives by another clock than UTC.

    A corrected value is the one that stood then. A score that may rest on anything recorded later is missing. Months
    that are archived and dropped are read from their files; Refused when one of those is missing or was altered.
    `level` says whose figures are meant (`domain.series.LEVELS`).
    UnknownName for a metric type, granularity, label, level or series that is not there, with the nearest that is.
    """
    _check_level(level)
    with database.transaction() as transaction:
        check_filters(
            transaction, metric_type=metric_type, granularity=granularity, labels=labels, series_ids=series_ids
        )
    return observed(
        database,
        series_ids=series_ids,
        metric_type=metric_type,
        granularity=granularity,
        labels=labels,
        level=level,
        as_of=as_of,
        start=start,
    )


def observed(
    database: Database,
    *,
    series_ids: Sequence[int] | None = None,
    metric_type: str | None = None,
    granularity: str | None = None,
    labels: Mapping[str, object] | None = None,
    level: str | None = None,
    as_of: datetime | None = None,
    start: datetime | None = None,
) -> pd.DataFrame:
    """`history` of what somebody chose before: what has been deleted since has no rows, and is not refused."""
    as_of = as_of or datetime.now(UTC)
    with database.transaction() as transaction:
        chosen = selected_series(
            transaction,
            series_ids=series_ids,
            metric_type=metric_type,
            granularity=granularity,
            labels=labels,
            level=level,
        )
        ids = [series.series_id for series in chosen]
        read_archived(transaction, ids, start=start, as_of=as_of)
        found = transaction.frame("history", series_ids=ids, as_of=as_of, start=start)
    local = {series.series_id: series.time_zone for series in chosen if not GRANULARITIES[series.granularity].dated}
    return found if set(local.values()) <= {"UTC"} else found.assign(time_zone=found["series_id"].map(local))


def _check_level(level: str | None) -> None:
    if level is not None and level not in LEVELS:
        raise UnknownName("level", level, LEVELS)


def nothing_current(
    database: Database, metric_type: str, granularity: str, as_of: datetime, message: str
) -> NothingToDo:
    """What to say when nothing can be used as of then: also when the data ended long before, or became known after."""
    end = ended(database, metric_type, granularity)
    if end is None:
        return NothingToDo(message)
    if end < as_of - STALE:
        return NothingToDo(f"{message}; the newest of the data ended on {end:%Y-%m-%d}", retry_with=("--as-of", "last"))
    if observed(database, metric_type=metric_type, granularity=granularity, as_of=as_of).empty:
        message += (
            "; if the data are a history that was brought in later, let it count as known since its periods ended:"
            f" mlops series redate --metric-type {metric_type}"
        )
    return NothingToDo(message)
