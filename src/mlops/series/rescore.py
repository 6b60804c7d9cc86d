"""Quality and anomalies of what came in by SQL: scored afterwards, from the marks that the staging table leaves."""

from functools import partial
from typing import Any

import numpy as np

from mlops.db import Database, Transaction
from mlops.db.binary import Arrays
from mlops.db.retry import retrying
from mlops.domain.metric_types import MetricType
from mlops.series.scoring import LOOK_BACK, Thresholds, assess
from mlops.series.store import read_around, store_scores

__all__ = ["rescore"]

SERIES_AT_ONCE = 500


def rescore(database: Database) -> int:
    """Score the marked series from their marks on; how many observations got another score. Two at once are safe."""
    changed = 0
    while (scored := retrying(partial(_some, database))) is not None:
        changed += scored
    return changed


def _some(database: Database) -> int | None:
    """Of some marked series, how many observations got another score; None when no series is marked any more."""
    with database.transaction() as transaction:
        marked = transaction.rows("take_unscored", most=SERIES_AT_ONCE)
        return _rescore(transaction, marked) if marked else None


def _rescore(transaction: Transaction, marked: list[dict[str, Any]]) -> int:
    metrics = {row["name"]: MetricType(**row) for row in transaction.rows("metric_types")}
    since = np.array([row["since"].replace(tzinfo=None) for row in marked], dtype="datetime64[us]")
    ids = np.array([row["series_id"] for row in marked], dtype=np.int64)
    spans: Arrays = {
        "series_id": ids,
        "first_at": since,
        "last_at": np.full(len(ids), np.datetime64("9999-12-31", "us")),
        "look_back": np.array([LOOK_BACK[row["granularity"]] for row in marked], dtype=np.int32),
    }
    stored = read_around(transaction, spans)
    order = np.lexsort((stored["observed_at"], stored["series_id"]))
    stored = {name: column[order] for name, column in stored.items()}
    place = np.searchsorted(ids, stored["series_id"])
    mine = stored["observed_at"] >= since[place]
    there = np.unique(place)
    thresholds = Thresholds.of(
        [metrics[marked[one]["metric_type"]] for one in there],
        [marked[one]["granularity"] for one in there],
        [marked[one]["time_zone"] for one in there],
    )
    known = np.where(mine, np.nan, stored["quality_score"])
    found = assess(stored["series_id"], stored["observed_at"], stored["value"], thresholds, known_quality=known)
    scores: Arrays = {
        "series_id": stored["series_id"][mine],
        "observed_at": stored["observed_at"][mine],
        "quality_score": found.quality[mine],
        "is_anomaly": found.is_anomaly[mine],
        "anomaly_score": found.anomaly_score[mine],
    }
    return store_scores(transaction, scores)
