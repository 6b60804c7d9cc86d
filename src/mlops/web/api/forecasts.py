"""Forecasts over HTTP: those that are stored, without computing anything."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from mlops.serving.online.stored import StoredStep, stored_forecasts
from mlops.web.api.answers import page, pages_of
from mlops.web.api.asked import AsOf, CursorText, Form, Limit, Name, Series, Time, begun, moment
from mlops.web.api.routes import router
from mlops.web.parts import Parts

__all__ = ["forecasts"]

Model = Annotated[Name | None, Query(description="NAME, NAME@ALIAS or NAME/VERSION; all models when left out.")]
Steps = Annotated[int | None, Query(ge=1, le=100_000, description="Only so many steps; all when left out.")]
Cutoff = Annotated[Time, Query(description="What was forecast from this day, or time; the newest when left out.")]


def forecasts(parts: Parts) -> APIRouter:
    """`/forecasts`."""
    routes, database = router(parts, "forecasts"), parts.database

    @routes.get("/forecasts", responses=pages_of(StoredStep))
    def stored(
        request: Request,
        model: Model = None,
        series: Series = None,
        horizon: Steps = None,
        cutoff: Cutoff = None,
        as_of: AsOf = "now",
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """The newest stored forecast of each series by each model, step by step; `issued_at` says how old it is."""
        asked = {"model": model, "series": series, "horizon": horizon, "cutoff": cutoff}
        begin = begun(cursor, moment(database, as_of), (int, str, str), asked)
        after = None
        if begin.after is not None:
            after = (begin.after[0], begin.after[1], moment(database, begin.after[2], "cursor", ahead=True))
        rows = stored_forecasts(
            database,
            model=model,
            series=series or (),
            as_of=begin.as_of,
            horizon=horizon,
            cutoff=None if cutoff is None else _cutoffs(cutoff, moment(database, cutoff, "cutoff", ahead=True)),
            after=after,
            most=limit,
        )
        last = rows[-1] if len(rows) == limit else None
        key = None if last is None else (last.series_id, last.model, last.target_at.isoformat())
        following = begin.following(key)
        return page(request, rows, StoredStep, as_of=begin.as_of, form=form, following=following)

    return routes


def _cutoffs(text: str, first: datetime) -> tuple[datetime, datetime]:
    """From when until before when; a day means every cutoff on it."""
    whole_day = len(text) == len("2020-03-23")
    return first, first + (timedelta(days=1) if whole_day else timedelta(microseconds=1))
