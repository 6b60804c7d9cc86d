"""What really happened, and what people say of an answer, told over HTTP; the same may be sent again and again."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mlops.access import Caller
from mlops.serving.log.feedback import Feedback, Recorded, ScoringOutcome, record_feedback, record_outcomes
from mlops.web.access import caller_with
from mlops.web.api.answers import answer, document_of
from mlops.web.api.asked import LARGEST_ID, Name, Text, Time, moment
from mlops.web.api.routes import OF_BODIES, REFUSALS, Route
from mlops.web.parts import Parts

__all__ = ["said"]

MOST = 10_000
"""Outcomes, or pieces of feedback, of one request."""
Row = Annotated[int, Field(ge=1, le=2**31 - 1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Prediction = Annotated[int | None, Field(default=None, ge=1, le=LARGEST_ID, description="Of a stored forecast.")]
Named = Annotated[Name | None, Field(default=None, max_length=200, description="X-Request-Id of the answer.")]


class OutcomeGiven(BaseModel):
    """What really happened, of a scored row (from 1) of a request, or of a stored forecast."""

    model_config = ConfigDict(extra="forbid")

    value: Number
    request_id: Named
    prediction_id: Prediction
    row_number: Row = 1
    caller: Name | None = None
    recorded_at: Text = "now"


class FeedbackGiven(BaseModel):
    """What somebody says of an answer: a score, a comment or details; of one row of it, or of all."""

    model_config = ConfigDict(extra="forbid")

    by_whom: Annotated[Name | None, Field(default=None, description="The name of the key when left out.")]
    request_id: Named
    prediction_id: Prediction
    row_number: Row | None = None
    caller: Name | None = None
    score: Number | None = None
    comment: Annotated[str | None, Field(default=None, max_length=10_000, pattern=r"^[^\x00]*$")]
    details: Any = None
    given_at: Time = None


class OutcomesGiven(BaseModel):
    """Some of them."""

    model_config = ConfigDict(extra="forbid")

    outcomes: Annotated[list[OutcomeGiven], Field(max_length=MOST)]


class AllFeedbackGiven(BaseModel):
    """Some of it."""

    model_config = ConfigDict(extra="forbid")

    feedback: Annotated[list[FeedbackGiven], Field(max_length=MOST)]


def said(parts: Parts) -> APIRouter:
    """`POST /outcomes` and `POST /feedback`."""
    routes, database = APIRouter(route_class=Route, tags=["outcomes and feedback"], responses=REFUSALS), parts.database
    documented = document_of(Recorded) | OF_BODIES

    @routes.post("/outcomes", responses=documented, dependencies=[caller_with(parts.door, "outcomes")])
    def outcomes(request: Request, given: OutcomesGiven) -> Response:
        """Say what really happened; models are measured by it. Of one forecast the outcome recorded last stands."""
        taken = [
            ScoringOutcome(
                value=one.value,
                recorded_at=moment(database, one.recorded_at, "recorded_at"),
                request_id=one.request_id,
                prediction_id=one.prediction_id,
                row_number=one.row_number,
                caller=one.caller,
            )
            for one in given.outcomes
        ]
        return answer(request, record_outcomes(database, taken))

    @routes.post("/feedback", responses=documented)
    def feedback(
        request: Request, given: AllFeedbackGiven, caller: Annotated[Caller, caller_with(parts.door, "feedback")]
    ) -> Response:
        """Say how good an answer was; nothing that was said before is rewritten."""
        taken = [
            Feedback(
                by_whom=one.by_whom or caller.label,
                request_id=one.request_id,
                prediction_id=one.prediction_id,
                row_number=one.row_number,
                caller=one.caller,
                score=one.score,
                comment=one.comment,
                details=one.details,
                given_at=None if one.given_at is None else moment(database, one.given_at, "given_at"),
            )
            for one in given.feedback
        ]
        return answer(request, record_feedback(database, taken))

    return routes
