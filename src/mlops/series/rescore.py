"""Quality and anomalies of what came in by SQL: scored afterwards, from the marks that the staging table leaves."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np

from mlops.db import Database, Transaction
from mlops.db.binary import Arrays
from mlops.db.retry import retrying
from mlops.domain.metric_types import MetricType
from mlops.series.scoring import LOOK_BACK, Thresholds, assess
from mlops.series.store import read_around, store_scores

__all__ = ["rescore"]

SERIES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Marked:
    """A series whose observations are to be scored from `since` on."""

    series_id: int
    metric_type: str
    granularity: str
    time_zone: str
    since: datetime


def rescore(database: Database) -> int:
    """Score the marked series from their marks on; how many observations got another score. Two at once are safe."""
    changed = 0
    while (scored := retrying(partial(_some, database))) is not None:
        changed += scored
    return changed


def _some(database: Database) -> int | None:
    """Of some marked series, how many observations got another score; None when no series is marked any more."""
    with database.transaction() as transaction:
        marked = transaction.rows("take_unscored", of=_Marked, most=SERIES_AT_ONCE)
        return _rescore(transaction, marked) if marked else None


def _rescore(transaction: Transaction, marked: list[_Marked]) -> int:
    metrics = {metric.name: metric for metric in transaction.rows("metric_types", of=MetricType)}
    since = np.array([series.since.replace(tzinfo=None) for series in marked], dtype="datetime64[us]")
    ids = np.array([series.series_id for series in marked], dtype=np.int64)
    spans: Arrays = {
        "series_id": ids,
        "first_at": since,
        "last_at": np.full(len(ids), np.datetime64("9999-12-31", "us")),
        "look_back": np.array([LOOK_BACK[series.granularity] for series in marked], dtype=np.int32),
    }
    stored = read_around(transaction, spans)
    order = np.lexsort((stored["observed_at"], stored["series_id"]))
    stored = {name: column[order] for name, column in stored.items()}
    place = np.searchsorted(ids, stored["series_id"])
    mine = stored["observed_at"] >= since[place]
    judged = [marked[number] for number in np.unique(place)]
    thresholds = Thresholds.of(
        [metrics[series.metric_type] for series in judged],
        [series.granularity for series in judged],
        [series.time_zone for series in judged],
    )
    known = np.where(mine, np.nan, stored["quality_score"])
    assessed = assess(stored["series_id"], stored["observed_at"], stored["value"], thresholds, known_quality=known)
    scores: Arrays = {
        "series_id": stored["series_id"][mine],
        "observed_at": stored["observed_at"][mine],
        "quality_score": assessed.quality[mine],
        "is_anomaly": assessed.is_anomaly[mine],
        "anomaly_score": assessed.anomaly_score[mine],
    }
    return store_scores(transaction, scores)
