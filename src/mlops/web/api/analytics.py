"""What customers, routes and other places do, over HTTP: sums by day, week and month, patterns and trends."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from mlops.analytics.customers import behaviour, customer_months
from mlops.analytics.operations import Dimension, Grain, aggregate, entity_months, route_performance
from mlops.analytics.rows import AggregateRow, BehaviourRow, DecomposedDay, MonthRow, PatternRow, RouteRow
from mlops.analytics.seasons import decompose, patterns
from mlops.series.names import find, series_names
from mlops.web.api.answers import page, pages_of, records
from mlops.web.api.asked import CursorText, Day, Form, Id, Limit, Name, Series, begun
from mlops.web.api.routes import router
from mlops.web.parts import Parts

__all__ = ["analytics"]

PAGING = ("cursor", "limit", "format")
"""Parameters that may differ from page to page."""
T = TypeVar("T")
Ids = Annotated[list[Name] | None, Query(description="Of the places; may be repeated. All when left out.")]
Named = Annotated[list[Name], Query(description="Of the places; may be repeated.", min_length=1)]


def analytics(parts: Parts) -> APIRouter:
    """`/aggregates`, `/months`, `/customers`, `/routes`, `/seasonal-patterns` and `/series/{series}/decomposition`."""
    routes, database = router(parts, "analytics"), parts.database

    @routes.get("/aggregates", responses=pages_of(AggregateRow))
    def aggregates(
        request: Request,
        by: Dimension,
        metric_type: Name,
        start: Day,
        end: Day,
        grain: Grain = "day",
        ids: Ids = None,
        tenant_id: Id | None = None,
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """A metric type added up by place and by day, week or month, from `start` until before `end`.

        Nothing counts twice: on each day an entity's own series where it has one, else the sum of its parts.
        """

        def rows(_: datetime) -> list[AggregateRow]:
            frame = aggregate(
                database,
                by=by,
                grain=grain,
                metric_type=metric_type,
                start=start,
                end=end,
                ids=ids,
                tenant_id=tenant_id,
            )
            return records(frame, AggregateRow)

        return part_of(request, rows, AggregateRow, cursor, limit, form)

    @routes.get("/months", responses=pages_of(MonthRow))
    def months(
        request: Request,
        by: Dimension,
        ids: Named,
        start: Day,
        end: Day,
        metric_type: Name | None = None,
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """Monthly figures of customers, routes, vehicles, drivers or sites, with what did not come."""

        def rows(_: datetime) -> list[MonthRow]:
            if by == "customer":
                frame = customer_months(database, ids, start=start, end=end, metric_type=metric_type)
                return records(frame.rename(columns={"customer_id": "entity_id"}), MonthRow)
            return records(entity_months(database, by, ids, start=start, end=end, metric_type=metric_type), MonthRow)  # type: ignore[arg-type]  # it refuses what has no months

        return part_of(request, rows, MonthRow, cursor, limit, form)

    @routes.get("/customers", responses=pages_of(BehaviourRow))
    def customers(
        request: Request,
        ids: Ids = None,
        metric_type: Name | None = None,
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """How much customers gave in their newest year and where they are going, as of the last refresh."""

        def rows(_: datetime) -> list[BehaviourRow]:
            return records(behaviour(database, customer_ids=ids, metric_type=metric_type), BehaviourRow)

        return part_of(request, rows, BehaviourRow, cursor, limit, form)

    @routes.get("/routes", responses=pages_of(RouteRow))
    def performance(
        request: Request, ids: Ids = None, cursor: CursorText = "", limit: Limit = 1000, form: Form = None
    ) -> Response:
        """Totals and rates of routes in their newest twelve months, as of the last refresh."""
        return part_of(
            request, lambda _: records(route_performance(database, ids), RouteRow), RouteRow, cursor, limit, form
        )

    @routes.get("/seasonal-patterns", responses=pages_of(PatternRow))
    def seasonal(
        request: Request, series: Series = None, cursor: CursorText = "", limit: Limit = 1000, form: Form = None
    ) -> Response:
        """How the weekdays and months of series differ from their mean day, as of the last refresh."""

        def rows(_: datetime) -> list[PatternRow]:
            known = series_names(database)
            return records(
                patterns(database, [find(name, known) for name in series] if series else list(known)), PatternRow
            )

        return part_of(request, rows, PatternRow, cursor, limit, form)

    @routes.get("/series/{series}/decomposition", responses=pages_of(DecomposedDay))
    def decomposition(
        request: Request,
        series: Name,
        start: Day,
        end: Day,
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """The days of a series taken apart into trend, weekday and the rest, from `start` until before `end`."""

        def rows(_: datetime) -> list[DecomposedDay]:
            return records(decompose(database, [find(series, series_names(database))], start, end), DecomposedDay)

        return part_of(request, rows, DecomposedDay, cursor, limit, form)

    return routes


def part_of(
    request: Request,
    rows: Callable[[datetime], Sequence[T]],
    of: type[T],
    cursor: str,
    limit: int,
    form: str | None,
    *,
    as_of: datetime | None = None,
) -> Response:
    """A page of rows that are asked for together, as of a time: what comes after so many of them."""
    asked = {name: request.query_params.getlist(name) for name in request.query_params if name not in PAGING}
    begin = begun(cursor, as_of or datetime.now(UTC), (int,), {"path": request.url.path} | asked)
    first = begin.after[0] if begin.after else 0
    everything = rows(begin.as_of)
    following = begin.following((first + limit,) if first + limit < len(everything) else None)
    return page(request, everything[first : first + limit], of, as_of=begin.as_of, form=form, following=following)
