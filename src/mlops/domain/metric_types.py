"""What can be measured: one line each; a row in `analytics.metric_types` adds one without a release."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["METRIC_TYPES", "MetricType"]


@dataclass(frozen=True, slots=True)
class MetricType:
    """A kind of measurement: its unit, how it adds up over time, and the values that are possible."""

    name: str
    unit: str
    aggregate: Literal["sum", "mean", "max", "last"]
    min_value: float | None = None
    max_value: float | None = None


METRIC_TYPES = {
    metric.name: metric
    for metric in (
        MetricType("waste_volume", "m3", "sum", 0),
        MetricType("collection_weight", "kg", "sum", 0),
        MetricType("collection_count", "count", "sum", 0),
        MetricType("missed_collections", "count", "sum", 0),
        MetricType("container_fill_level", "percent", "last", 0, 100),
        MetricType("contamination_rate", "percent", "mean", 0, 100),
        MetricType("route_duration", "minutes", "sum", 0),
        MetricType("route_distance", "km", "sum", 0),
        MetricType("route_efficiency", "percent", "mean", 0),
        MetricType("fuel_consumption", "litres", "sum", 0),
        MetricType("vehicle_utilization", "percent", "mean", 0, 100),
        MetricType("driver_efficiency", "percent", "mean", 0),
        MetricType("service_delay", "minutes", "mean"),
        MetricType("customer_activity", "count", "sum", 0),
        MetricType("customer_satisfaction", "score", "mean", 0, 10),
        MetricType("revenue", "money", "sum"),
    )
}
