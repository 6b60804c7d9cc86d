"""What a reader may filter by: a name that nobody declared, or that no series has, is refused with the nearest."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops.db import Transaction
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import UnknownName

__all__ = ["check_filters", "check_places"]


def check_filters(
    transaction: Transaction,
    *,
    metric_type: str | None = None,
    granularity: str | None = None,
    labels: Mapping[str, Any] | None = None,
    series_ids: Sequence[int] | None = None,
    tenant_id: int | None = None,
) -> None:
    """UnknownName for the first filter by which nothing can be found; None and no labels filter by nothing."""
    if metric_type is not None:
        known = [row["name"] for row in transaction.rows("metric_types")]
        if metric_type not in known:
            raise UnknownName("metric type", metric_type, known)
    if granularity is not None and granularity not in GRANULARITIES:
        raise UnknownName("granularity", granularity, GRANULARITIES)
    if labels:
        _check_labels(transaction, metric_type, granularity, labels)
    if series_ids is not None and len(series_ids):
        _check_series(transaction, series_ids)
    if tenant_id is not None:
        tenants = [row["tenant_id"] for row in transaction.rows("tenants_with_series")]
        if tenant_id not in tenants:
            raise UnknownName("tenant", tenant_id, map(str, tenants), stored=True)


def check_places(transaction: Transaction, dimension: str, ids: Sequence[str] | None) -> None:
    """UnknownName for a customer, route, vehicle, driver or site (the dimension) that no series has."""
    if not ids:
        return
    unknown = transaction.rows("places_without_series", dimension=dimension, ids=list(map(str, ids)))
    if unknown:
        there = transaction.rows("places_with_series", dimension=dimension)
        raise UnknownName(dimension, unknown[0]["id"], [row["id"] for row in there], stored=True)


def _check_labels(
    transaction: Transaction, metric_type: str | None, granularity: str | None, labels: Mapping[str, Any]
) -> None:
    rows = transaction.rows("label_values", metric_type=metric_type, granularity=granularity)
    known = {row["key"]: row["values"] for row in rows}
    whose = " ".join(one for one in (granularity, metric_type) if one)
    for key, value in labels.items():
        if key not in known:
            raise UnknownName(f"label of {whose}" if whose else "label", key, known, stored=True)
        if str(value) not in known[key]:
            raise UnknownName(f"value of the label {key!r}", value, known[key], stored=True)


def _check_series(transaction: Transaction, series_ids: Sequence[int]) -> None:
    wanted = [int(one) for one in series_ids]
    found = {row["series_id"] for row in transaction.rows("series_ids", metric_type=None, series_ids=wanted)}
    unknown = [one for one in wanted if one not in found]
    if unknown:
        there = transaction.rows("series_ids", metric_type=None, series_ids=None)
        raise UnknownName("series", unknown[0], [str(row["series_id"]) for row in there], stored=True)
