"""Series and their observations over HTTP."""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mlops.analytics.observations import Anomaly, ListedSeries, Observation, anomalies, observations, series_page
from mlops.series.read import ShownSeries, show_series
from mlops.web.api.answers import answer, document_of, page, pages_of, records
from mlops.web.api.asked import AsOf, CursorText, Form, Limit, Name, Series, Time, begun, moment
from mlops.web.api.routes import router
from mlops.web.parts import Parts

__all__ = ["series"]


def series(parts: Parts) -> APIRouter:
    """`/series`, one of them, its observations, and anomalies."""
    routes, database = router(parts, "series"), parts.database

    @routes.get("/series", responses=pages_of(ListedSeries))
    def list_series(
        request: Request,
        metric_type: Name | None = None,
        granularity: Name | None = None,
        level: Name | None = None,
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """Series with what they measure, where, and the newest observation of each."""
        filters = {"metric_type": metric_type, "granularity": granularity, "level": level}
        begin = begun(cursor, datetime.now(UTC), (int,), filters)
        rows = series_page(database, **filters, after=begin.after[0] if begin.after else 0, most=limit)
        following = begin.following((rows[-1].series_id,) if len(rows) == limit else None)
        return page(request, rows, ListedSeries, as_of=begin.as_of, form=form, following=following)

    @routes.get("/series/{series}", responses=document_of(ShownSeries))
    def show(request: Request, series: Name) -> Response:
        """One series, by name or id: how much there is of it, how often it was corrected, its newest observations."""
        return answer(request, show_series(database, series))

    @routes.get("/series/{series}/observations", responses=pages_of(Observation))
    def history(
        request: Request,
        series: Name,
        start: Time = None,
        end: Time = None,
        as_of: AsOf = "now",
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """The observations of a series as they were known at a time, oldest first, with their quality."""
        begin = begun(cursor, moment(database, as_of), (str,), {"series": series, "start": start, "end": end})
        since = begin.after[0] if begin.after else start
        last = None if end is None else moment(database, end, "end", ahead=True)
        first = None if since is None else moment(database, since, "start", ahead=True)
        frame = observations(database, series, as_of=begin.as_of, start=first, end=last, most=limit)
        rows = records(frame, Observation)
        following = rows[-1].ds + timedelta(microseconds=1) if len(rows) == limit else None
        text = begin.following(None if following is None else (following.isoformat(),))
        return page(request, rows, Observation, as_of=begin.as_of, form=form, following=text)

    @routes.get("/anomalies", responses=pages_of(Anomaly))
    def list_anomalies(
        request: Request,
        series: Series = None,
        metric_type: Name | None = None,
        start: Time = None,
        end: Time = None,
        as_of: AsOf = "now",
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """Observations that are far from what was expected, the newest first."""
        asked = {"series": series, "metric_type": metric_type, "start": start, "end": end}
        begin = begun(cursor, moment(database, as_of), (str, int), asked)
        rows = anomalies(
            database,
            series=series or (),
            metric_type=metric_type,
            as_of=begin.as_of,
            start=None if start is None else moment(database, start, "start", ahead=True),
            end=None if end is None else moment(database, end, "end", ahead=True),
            before=(moment(database, begin.after[0], "cursor"), begin.after[1]) if begin.after else None,
            most=limit,
        )
        last = (rows[-1].observed_at.isoformat(), rows[-1].series_id) if len(rows) == limit else None
        return page(request, rows, Anomaly, as_of=begin.as_of, form=form, following=begin.following(last))

    return routes
