"""Rows of the frames that this package gives, by their fields: what readers over a network are promised."""

from dataclasses import dataclass
from datetime import date, datetime

__all__ = ["AggregateRow", "BehaviourRow", "DecomposedDay", "MonthRow", "PatternRow", "RouteRow"]


@dataclass(frozen=True, slots=True)
class AggregateRow:
    """A day, week or month of a customer, route, vehicle, driver, site, area or company (`operations.aggregate`)."""

    tenant_id: int
    entity_id: str | None
    ds: datetime
    y: float | None
    series: int
    observations: int
    days: int
    smallest: float | None
    largest: float | None
    quality: float | None
    anomalies: int
    observed_days: int | None
    expected_days: int | None


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A month of a place and metric type; `change` is a day against one of the month before, 0.1 is 10 % more."""

    tenant_id: int
    entity_id: str
    metric_type: str
    unit: str
    ds: datetime
    y: float | None
    series: int
    days: int
    observations: int
    day_mean: float | None
    day_min: float | None
    day_max: float | None
    change: float | None
    quality: float | None
    anomalies: int
    calendar_days: int | None
    expected_days: int | None


@dataclass(frozen=True, slots=True)
class BehaviourRow:
    """A customer and metric type: how much in its newest year, and where it is going (`customers.behaviour`)."""

    tenant_id: int
    customer_id: str
    name: str | None
    segment: str | None
    metric_type: str
    unit: str
    first_month: date
    last_month: date
    last_day: date | None
    months: int
    days: int
    observations: int
    last_value: float | None
    year_total: float | None
    year_day_mean: float | None
    year_day_min: float | None
    year_day_max: float | None
    quarter_change: float | None
    year_change: float | None
    quality: float | None
    anomalies: int
    quarter_days: int | None
    quarter_expected_days: int | None
    year_days: int | None
    year_expected_days: int | None


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route: totals and rates of its newest twelve months (`operations.route_performance`)."""

    tenant_id: int
    route_id: str
    name: str | None
    depot: str | None
    first_month: date
    last_month: date
    last_day: date | None
    weight_kg: float | None
    volume_m3: float | None
    collections: float | None
    missed: float | None
    distance_km: float | None
    duration_minutes: float | None
    fuel_litres: float | None
    delay_minutes: float | None
    efficiency_percent: float | None
    contamination_percent: float | None
    kg_per_km: float | None
    kg_per_hour: float | None
    litres_per_100_km: float | None
    missed_share: float | None
    anomalies: int
    litres_per_ton: float | None


@dataclass(frozen=True, slots=True)
class PatternRow:
    """A weekday (1 is Monday) or month of a series: `index` is its mean day against that of the series."""

    series_id: int
    tenant_id: int
    metric_type: str
    season: str
    position: int
    days: int
    mean: float | None
    deviation: float | None
    index: float | None
    difference: float | None
    first_day: date
    last_day: date
    strength: float | None
    found: bool | None


@dataclass(frozen=True, slots=True)
class DecomposedDay:
    """A day of a series: `y` is the sum of trend, weekday and residual; none of them where the trend is missing."""

    series_id: int
    ds: datetime
    y: float
    trend: float | None
    weekday: float | None
    residual: float | None
