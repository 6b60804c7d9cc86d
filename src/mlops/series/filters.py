"""What a reader may filter by: a name that nobody declared, or that no series has, is refused with the nearest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops.db import Transaction
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import UnknownName

__all__ = ["SelectedSeries", "check_filters", "check_places", "selected_series"]


@dataclass(frozen=True, slots=True)
class SelectedSeries:
    """A series of a selection: its clock, its places and its labels."""

    series_id: int
    granularity: str
    time_zone: str
    customer_id: str | None
    route_id: str | None
    vehicle_id: str | None
    driver_id: str | None
    site_id: str | None
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class LabelValues:
    """A label of series, and the values that it has."""

    key: str
    values: list[str]


def selected_series(
    transaction: Transaction,
    *,
    series_ids: Sequence[int] | None = None,
    metric_type: str | None = None,
    granularity: str | None = None,
    labels: Mapping[str, object] | None = None,
    level: str | None = None,
) -> list[SelectedSeries]:
    """The series by all of these filters, by their ids; totals are left out. None and no labels filter by nothing."""
    return transaction.rows(
        "selected_series",
        of=SelectedSeries,
        series_ids=None if series_ids is None else list(series_ids),
        metric_type=metric_type,
        granularity=granularity,
        labels=dict(labels) if labels else None,
        level=level,
    )


def check_filters(
    transaction: Transaction,
    *,
    metric_type: str | None = None,
    granularity: str | None = None,
    labels: Mapping[str, object] | None = None,
    series_ids: Sequence[int] | None = None,
    tenant_id: int | None = None,
) -> None:
    """UnknownName for the first filter by which nothing can be found; None and no labels filter by nothing."""
    if metric_type is not None:
        known = transaction.values("metric_types")
        if metric_type not in known:
            raise UnknownName("metric type", metric_type, known)
    if granularity is not None and granularity not in GRANULARITIES:
        raise UnknownName("granularity", granularity, GRANULARITIES)
    if labels:
        _check_labels(transaction, metric_type, granularity, labels)
    if series_ids is not None and len(series_ids):
        wanted = [int(series_id) for series_id in series_ids]
        there = {series.series_id for series in selected_series(transaction, series_ids=wanted)}
        if unknown := [series_id for series_id in wanted if series_id not in there]:
            every = [str(series.series_id) for series in selected_series(transaction)]
            raise UnknownName("series", unknown[0], every, stored=True)
    if tenant_id is not None:
        tenants = transaction.values("tenants_with_series")
        if tenant_id not in tenants:
            raise UnknownName("tenant", tenant_id, map(str, tenants), stored=True)


def check_places(transaction: Transaction, dimension: str, ids: Sequence[str] | None) -> None:
    """UnknownName for a customer, route, vehicle, driver or site (the dimension) that no series has."""
    if not ids:
        return
    unknown = transaction.value("places_without_series", dimension=dimension, ids=list(map(str, ids)))
    if unknown is not None:
        there = transaction.values("places_with_series", dimension=dimension)
        raise UnknownName(dimension, unknown, there, stored=True)


def _check_labels(
    transaction: Transaction, metric_type: str | None, granularity: str | None, labels: Mapping[str, object]
) -> None:
    rows = transaction.rows("label_values", of=LabelValues, metric_type=metric_type, granularity=granularity)
    known = {row.key: row.values for row in rows}
    whose = " ".join(name for name in (granularity, metric_type) if name)
    for key, value in labels.items():
        if key not in known:
            raise UnknownName(f"label of {whose}" if whose else "label", key, known, stored=True)
        if str(value) not in known[key]:
            raise UnknownName(f"value of the label {key!r}", value, known[key], stored=True)
