"""What can be measured: one line each; a row in `analytics.metric_types` adds one without a release."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

__all__ = ["METRIC_TYPES", "Absence", "Aggregate", "MetricType", "Season", "declare_command"]

Aggregate = Literal["sum", "mean", "max", "last"]
Absence = Literal["nothing", "zero"]
Season = Literal["day", "week", "month", "year"]


@dataclass(frozen=True, slots=True)
class MetricType:
    """A kind of measurement: its unit, how it adds up over time, the values that are possible, and what is unusual.

    Equal values from the `flat_after`-th in a row on are a flat line; `jump_limit` and `anomaly_limit` are robust
    standard deviations; what comes later than `late_after` its period's end is stale. `absence` is what a step without
    service means: zero of what is counted or weighed, or nothing where there was nothing to measure.
    """

    name: str
    unit: str
    aggregate: Aggregate
    min_value: float | None = None
    max_value: float | None = None
    seasons: Sequence[Season] = ("week", "year")
    flat_after: int = 3
    jump_limit: float = 8
    late_after: timedelta = timedelta(days=7)
    anomaly_limit: float = 5.5
    absence: Absence = "nothing"


DAY: tuple[Season, ...] = ("day", "week")
DAY_YEAR: tuple[Season, ...] = ("day", "week", "year")
MONTH: tuple[Season, ...] = ("week", "month", "year")
WEEK: tuple[Season, ...] = ("week",)
LATER = timedelta(days=30)

METRIC_TYPES = {
    metric.name: metric
    for metric in (
        MetricType("waste_volume", "m3", "sum", 0, absence="zero"),
        MetricType("collection_weight", "kg", "sum", 0, absence="zero"),
        MetricType("collection_count", "count", "sum", 0, absence="zero"),
        MetricType("missed_collections", "count", "sum", 0, flat_after=7, jump_limit=12, absence="zero"),
        MetricType("container_fill_level", "percent", "last", 0, 100, seasons=DAY, flat_after=7, jump_limit=12),
        MetricType("contamination_rate", "percent", "mean", 0, 100),
        MetricType("route_duration", "minutes", "sum", 0, seasons=DAY_YEAR),
        MetricType("route_distance", "km", "sum", 0),
        MetricType("route_efficiency", "percent", "mean", 0),
        MetricType("fuel_consumption", "litres", "sum", 0, seasons=MONTH, absence="zero"),
        MetricType("vehicle_utilization", "percent", "mean", 0, 100, seasons=WEEK),
        MetricType("driver_efficiency", "percent", "mean", 0, seasons=WEEK),
        MetricType("service_delay", "minutes", "mean", seasons=DAY),
        MetricType("customer_activity", "count", "sum", 0, seasons=DAY_YEAR, absence="zero"),
        MetricType("customer_satisfaction", "score", "mean", 0, 10, flat_after=7, late_after=LATER),
        MetricType("revenue", "money", "sum", seasons=MONTH, late_after=LATER, absence="zero"),
    )
}


LONGEST_NAME = 63
"""That of a name in PostgreSQL."""


def declare_command(name: str) -> str:
    """The command that declares a metric type; NAME stands in it for what is too long to be a name."""
    return f"mlops series metric add {shlex.quote(name) if len(name) <= LONGEST_NAME else 'NAME'} --unit UNIT"
