"""Series and what is stored of them, page by page: what a reader over a network asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from mlops.db import Database
from mlops.domain.series import LEVELS
from mlops.errors import UnknownName
from mlops.series.filters import check_filters
from mlops.series.names import find, series_names
from mlops.series.read import observed

__all__ = ["Anomaly", "ListedSeries", "Observation", "anomalies", "observations", "series_page"]

EVER = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ListedSeries:
    """A series: what it measures, where, and its newest observation (None: it has none, as a total)."""

    series_id: int
    name: str
    metric_type: str
    unit: str
    granularity: str
    level: str
    time_zone: str
    total: bool
    tenant_id: int
    customer_id: str | None
    route_id: str | None
    vehicle_id: str | None
    driver_id: str | None
    site_id: str | None
    labels: dict[str, str]
    newest_at: datetime | None
    newest: float | None


@dataclass(frozen=True, slots=True)
class Observation:
    """A value of a series as it was known at a time, with its quality (0 to 1; None: not judged by then)."""

    series_id: int
    ds: datetime
    y: float
    quality_score: float | None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An observation beyond the limit of its metric type; the score is in robust standard deviations."""

    series_id: int
    series: str
    metric_type: str
    unit: str
    observed_at: datetime
    value: float
    anomaly_score: float | None
    quality_score: float | None
    recorded_at: datetime


def series_page(
    database: Database,
    *,
    metric_type: str | None = None,
    granularity: str | None = None,
    level: str | None = None,
    after: int = 0,
    most: int,
) -> list[ListedSeries]:
    """At most so many series, in order of their ids from `after` on; UnknownName for a filter that nobody declared."""
    if level is not None and level not in LEVELS:
        raise UnknownName("level", level, LEVELS)
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type, granularity=granularity)
        filters = {"metric_type": metric_type, "granularity": granularity, "level": level}
        return transaction.rows("series_page", of=ListedSeries, after=after, most=most, **filters)


def observations(
    database: Database,
    series: str,
    *,
    as_of: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    most: int,
) -> pd.DataFrame:
    """At most so many observations `series_id, ds, y, quality_score` of a series, by name or id, oldest first.

    As they were known at `as_of`, from `start` until before `end`; archived months count. Times are naive UTC. Raises
    UnknownName, and Refused when an archive is missing or was altered.
    """
    series_id = find(series, series_names(database))
    frame = observed(database, series_ids=[series_id], as_of=as_of, start=start)
    if end is not None:
        frame = frame[frame["ds"] < pd.Timestamp(end).tz_convert("UTC").tz_localize(None)]
    return frame.head(most)[["series_id", "ds", "y", "quality_score"]]


def anomalies(
    database: Database,
    *,
    series: Sequence[str] = (),
    metric_type: str | None = None,
    as_of: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    before: tuple[datetime, int] | None = None,
    most: int,
) -> list[Anomaly]:
    """At most so many anomalies of some series by name or id (none: of all), the newest first.

    As recorded by `as_of`, from `start` until before `end`, and older than the row `before` (observed_at, series_id).
    """
    known = series_names(database) if series else {}
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type)
        return transaction.rows(
            "anomalies_page",
            of=Anomaly,
            series_ids=[find(called, known) for called in series] or None,
            metric_type=metric_type,
            as_of=as_of,
            start=start or EVER[0],
            end_at=end or EVER[1],
            before=before and before[0],
            before_series=before and before[1],
            most=most,
        )
