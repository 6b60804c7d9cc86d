"""What is stored: the series, one series, and observations as they were known at a time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from mlops.db import Database
from mlops.db.archived import read_archived
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import UnknownName

__all__ = ["history", "latest", "list_series", "show_series"]

LATEST = 10


def list_series(database: Database, metric_type: str | None = None) -> pd.DataFrame:
    """One row per series: what it measures and where, `observations`, `first`, `last` and the mean `quality`."""
    with database.transaction() as transaction:
        return transaction.frame("series_list", metric_type=metric_type)


def show_series(database: Database, series_id: int) -> dict[str, Any]:
    """One series with its counts, its number of `corrections` and its `latest` observations, newest first."""
    with database.transaction() as transaction:
        found = transaction.one("series_show", series_id=series_id)
        if found is None:
            raise UnknownName(
                "series",
                series_id,
                _ids(transaction.rows("series_ids", metric_type=None, series_ids=None)),
                stored=True,
            )
        return found | {"latest": transaction.rows("series_latest", series_id=series_id, most=LATEST)}


def latest(database: Database, series_ids: Sequence[int]) -> pd.DataFrame:
    """`series_id, ds, y, quality_score, is_anomaly, recorded_at` of the newest observation of each series.

    Times are naive UTC. A series without observations, or that nobody knows, has no row.
    """
    with database.transaction() as transaction:
        return transaction.frame("latest", series_ids=list(series_ids))


def history(
    database: Database,
    *,
    series_ids: Sequence[int] | None = None,
    metric_type: str | None = None,
    granularity: str | None = None,
    labels: dict[str, Any] | None = None,
    as_of: datetime | None = None,
    start: datetime | None = None,
) -> pd.DataFrame:
    """`series_id, ds, y, quality_score` as it was known at `as_of` (now if None), oldest first.

    Of steps within a day there is a column `time_zone`, too, where a series lives by another clock than UTC.

    A corrected value is the one that stood then. A score that may rest on anything recorded later is missing. Months
    that are archived and dropped are read from their files; Refused when one of those is missing or was altered.
    """
    as_of = as_of or datetime.now(UTC)
    with database.transaction() as transaction:
        chosen = transaction.rows(
            "series_chosen",
            series_ids=None if series_ids is None else list(series_ids),
            metric_type=metric_type,
            granularity=granularity,
            labels=labels or None,
        )
        ids = [row["series_id"] for row in chosen]
        read_archived(transaction, ids, start=start, as_of=as_of)
        found = transaction.frame("history", series_ids=ids, as_of=as_of, start=start)
    local = {row["series_id"]: row["time_zone"] for row in chosen if not GRANULARITIES[row["granularity"]].dated}
    return found if set(local.values()) <= {"UTC"} else found.assign(time_zone=found["series_id"].map(local))


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    return [str(row["series_id"]) for row in rows]
