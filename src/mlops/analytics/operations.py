"""Observations added up by customer, route, vehicle, driver, site, area or company, out of the daily summary."""

from collections.abc import Sequence
from datetime import date
from typing import Literal, get_args

import pandas as pd

from mlops.db import Database
from mlops.errors import BadInput, UnknownName
from mlops.series.filters import check_filters, check_places

__all__ = ["Dimension", "Grain", "Point", "aggregate", "entity_months", "route_performance"]

Dimension = Literal["customer", "route", "vehicle", "driver", "site", "area", "company"]
Grain = Literal["day", "week", "month"]
Point = tuple[float, float]
"""x (longitude) and y (latitude)."""


def aggregate(
    database: Database,
    *,
    by: Dimension,
    grain: Grain,
    metric_type: str,
    start: date,
    end: date,
    ids: Sequence[str] | None = None,
    area: Sequence[Point] | None = None,
    tenant_id: int | None = None,
) -> pd.DataFrame:
    """`tenant_id, entity_id, ds, y` and counts, from `start` until before `end` (UTC days); weeks begin on Monday.

    The metric type's own aggregate decides how values add up, along time and over series: sums add; a mean is over all
    observations; a maximum is the largest; `last` takes each series' last value of the period and averages over series.
    Nothing counts twice: on each day an entity's own series where it has one, else the sum of its parts. A week or
    month without any observation is a row, with 0 `observed_days` of so many `expected_days`; its `y` is 0 where the
    metric type adds up and absence means zero, else missing.
    `area` keeps the series whose service area overlaps the polygon, or contains the one point that is given; the area
    of a series is its own, else that of its route. `by="area"` adds all of them up as one, `by="company"` all of a
    tenant.
    UnknownName for a dimension, grain, metric type, tenant or id that is not there.
    """
    _check(by, grain, ids, area)
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type, tenant_id=tenant_id)
        check_places(transaction, by, ids)
        return transaction.frame(
            "aggregate_values",
            by=by,
            grain=grain,
            metric_type=metric_type,
            start=start,
            end=end,
            ids=None if ids is None else list(ids),
            area=None if area is None else _polygon(area),
            tenant_id=tenant_id,
        )


def entity_months(
    database: Database,
    dimension: Literal["route", "vehicle", "driver", "site"],
    ids: Sequence[str],
    *,
    start: date,
    end: date,
    metric_type: str | None = None,
) -> pd.DataFrame:
    """Months of some routes, vehicles, drivers or sites: `entity_id, metric_type, ds, y`, days, extremes and `change`.

    A month without any observation is a row, with 0 `days` of so many `expected_days`. `change` is a day against one of
    the month before, 0.1 is 10 % more: over all `calendar_days` where the metric type adds up and absence means zero.
    """
    _choice("dimension", dimension, ("route", "vehicle", "driver", "site"))
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type)
        check_places(transaction, dimension, ids)
        return transaction.frame(
            "operations_by_month",
            dimension=dimension,
            ids=list(ids),
            start=start.replace(day=1),
            end=end,
            metric_type=metric_type,
        )


def route_performance(database: Database, route_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """One row per route: totals and rates of the newest twelve months, as of the last refresh of the views."""
    with database.transaction() as transaction:
        check_places(transaction, "route", route_ids)
        return transaction.frame("route_performance", route_ids=None if route_ids is None else list(route_ids))


def _check(by: str, grain: str, ids: Sequence[str] | None, area: Sequence[Point] | None) -> None:
    _choice("dimension", by, get_args(Dimension))
    _choice("grain", grain, get_args(Grain))
    if by == "area" and area is None:
        raise BadInput("by='area' has no area; give a polygon [(x, y), (x, y), (x, y), …] or one point [(x, y)]")
    if by in ("area", "company") and ids is not None:
        raise BadInput(f"by={by!r} takes no ids; choose by='route' with ids (and area, to see the routes of one)")


def _choice(what: str, name: str, choices: Sequence[str]) -> None:
    if name not in choices:
        raise UnknownName(what, name, choices)


def _polygon(points: Sequence[Point]) -> str:
    if len(points) in (0, 2):
        raise BadInput(f"an area of {len(points)} points is none; give one point, or a polygon of three or more")
    return "(" + ",".join(f"({float(x)!r},{float(y)!r})" for x, y in points) + ")"
