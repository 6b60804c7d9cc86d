"""What a model computes when it is asked over HTTP: forecasts as of now, why they are so, and what would be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mlops.domain.forecasts import LEVELS
from mlops.domain.model_uri import FORMS, version_of
from mlops.errors import Misused, quoted
from mlops.panels.calendar import Event
from mlops.serving.explain import explain, suppose
from mlops.serving.predict import predict
from mlops.web.api.answers import JSON, Documented, answer, document_of, objects, records
from mlops.web.api.asked import TIME, Name, Text, moment
from mlops.web.api.routes import OF_BODIES, router
from mlops.web.api.schema import Schema
from mlops.web.parts import Parts

__all__ = ["computed"]

MODEL = "NAME@ALIAS or NAME/VERSION, also with models:/ before it"
Steps = Annotated[int | None, Field(default=None, ge=1, le=100_000, description="The model's own when left out.")]
Time = Annotated[Text, Field(default="now", json_schema_extra={"anyOf": [*TIME["anyOf"], {"enum": ["now", "last"]}]})]
Levels = Annotated[list[Annotated[int, Field(ge=1, le=99)]], Field(default=list(LEVELS), max_length=20)]
Called = Annotated[list[Name], Field(default=[], max_length=50_000, description="By name or id; all when left out.")]


class ModelAsked(BaseModel):
    """What all of them are asked with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[Name, Field(description=MODEL)]
    horizon: Steps
    as_of: Time

    @property
    def uri(self) -> str:
        """The registry URI of the model; Misused for a text that is none."""
        uri = self.model if self.model.startswith("models:/") else f"models:/{self.model}"
        if version_of(uri) is None:
            raise Misused(f"{quoted(self.model)} is no version of a model; expected {FORMS}")
        return uri


class ForecastAsked(ModelAsked):
    """Forecasts as of a time; with `store` they are stored as those of `mlops predict` are."""

    series: Called
    levels: Levels
    decompose: bool = False
    store: bool = True


class ExplanationAsked(ModelAsked):
    """Why the forecasts of a series (or of all together) are as they are, on a day or over the horizon."""

    series: Name | None = None
    day: Annotated[date | None, Field(default=None, strict=False)]


class EventAsked(BaseModel):
    """A named stretch of days, both included; nobody knew of it before `announced`; `series` are ids, none are all."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    first: date
    last: date | None = None
    announced: date | None = None
    series: Annotated[list[Name], Field(default=[], max_length=10_000)]


class WhatIfAsked(ModelAsked):
    """Forecasts under other events: all events of the days ahead, which take the place of the model's own."""

    events: Annotated[list[EventAsked], Field(max_length=1000)]
    series: Called


@dataclass(frozen=True, slots=True)
class ExplainedPart:
    """A part of a forecast, in its unit, and its share of it."""

    part: str
    component: str
    contribution: float
    share: float | None


@dataclass(frozen=True, slots=True)
class Explained:
    """What the sum of some forecasts is made of; the contributions sum to `forecast`, the largest first."""

    model: str
    version: int
    cutoff: datetime
    first: datetime
    last: datetime
    series: tuple[str, ...]
    forecast: float
    contributions: list[ExplainedPart]


@dataclass(frozen=True, slots=True)
class SupposedTotal:
    """The sums of a series' forecasts under the model's own events and under others."""

    series_id: int
    name: str
    y_hat: float
    y_hat_what_if: float
    difference: float


@dataclass(frozen=True, slots=True)
class Supposed:
    """Sums per series; `notes` say which events had no effect, and why."""

    model: str
    version: int
    cutoff: datetime
    totals: list[SupposedTotal]
    notes: tuple[str, ...]


STEP: Schema = {
    "type": "object",
    "description": "A step of a series; `lo_80`, `hi_80` … for each level, and its components where asked for.",
    "properties": {
        "series_id": {"type": "integer"},
        "name": {"type": "string"},
        "ds": {"type": "string", "format": "date-time"},
        "cutoff": {"type": "string", "format": "date-time"},
        "y_hat": {"type": "number"},
    },
    "required": ["series_id", "name", "ds", "cutoff", "y_hat"],
    "additionalProperties": {"type": ["number", "null"]},
}
ISSUED: Schema = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "integer"},
        "as_of": {"type": "string", "format": "date-time"},
        "request_id": {"type": "string"},
        "stored": {"type": "integer", "description": "Rows that are new; what was stored before stands."},
        "closed": {"type": "integer", "description": "Steps in which a series is never served: not shown, not stored."},
        "refused": {"type": "object", "additionalProperties": {"type": "string"}},
        "rows": {"type": "array", "items": STEP},
    },
    "required": ["model", "version", "as_of", "request_id", "stored", "closed", "refused", "rows"],
}


def computed(parts: Parts) -> APIRouter:
    """`POST /forecasts`, `/explanations` and `/what-if`."""
    both, database, store = APIRouter(), parts.database, parts.store
    scoring, explaining = router(parts, "forecasts", "score"), router(parts, "explanations", "explain")
    issued: Documented = {200: {"description": "The forecasts.", "content": {JSON: {"schema": ISSUED}}}}

    @scoring.post("/forecasts", responses=issued | OF_BODIES)
    def now(request: Request, asked: ForecastAsked) -> Response:
        """Forecast some series of a model from what was recorded by a time; nothing is read of the others.

        Stored as by `mlops predict`: the first forecast of a step from a cutoff stands.
        """
        as_of = moment(database, asked.as_of)
        done = predict(
            database,
            store,
            asked.uri,
            horizon=asked.horizon,
            as_of=as_of,
            decompose=asked.decompose,
            series=asked.series,
            levels=asked.levels,
            keep=asked.store,
        )
        document: Mapping[str, Any] = {
            "model": done.version.name,
            "version": done.version.version,
            "as_of": as_of,
            "request_id": done.request_id,
            "stored": done.stored,
            "closed": done.closed,
            "refused": {str(series): reason for series, reason in done.refused.items()},
            "rows": objects(done.frame),
        }
        return answer(request, document)

    @explaining.post("/explanations", responses=document_of(Explained) | OF_BODIES)
    def why(request: Request, asked: ExplanationAsked) -> Response:
        """What a forecast is made of: trend, seasons, holidays, events, features; they sum to it."""
        as_of = moment(database, asked.as_of)
        done = explain(
            database, store, asked.uri, series=asked.series, day=asked.day, horizon=asked.horizon, as_of=as_of
        )
        version, rows = done.version, records(done.contributions, ExplainedPart)
        times = done.cutoff, done.first, done.last
        return answer(request, Explained(version.name, version.version, *times, done.series, done.forecast, rows))

    @explaining.post("/what-if", responses=document_of(Supposed) | OF_BODIES)
    def what_if(request: Request, asked: WhatIfAsked) -> Response:
        """The forecasts of a model beside those under other events; nothing is stored."""
        events = [Event.of(event.model_dump(exclude_defaults=True)) for event in asked.events]
        as_of = moment(database, asked.as_of)
        done = suppose(database, store, asked.uri, events, horizon=asked.horizon, as_of=as_of, series=asked.series)
        rows = records(done.totals, SupposedTotal)
        return answer(request, Supposed(done.version.name, done.version.version, done.cutoff, rows, done.notes))

    both.include_router(scoring)
    both.include_router(explaining)
    return both
