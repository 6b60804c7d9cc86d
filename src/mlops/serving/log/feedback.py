"""What came of answers: outcomes of scored rows, and what people say of them; both may be sent again and again.

Nothing is rewritten: an outcome that is recorded later corrects the one before, and feedback is added to.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from mlops.db import Database
from mlops.db.retry import retrying
from mlops.errors import BadInput
from mlops.tables import read_table

__all__ = [
    "Feedback",
    "NotRecorded",
    "Recorded",
    "ScoringOutcome",
    "read_feedback",
    "read_outcomes",
    "record_feedback",
    "record_outcomes",
]

T = TypeVar("T")
OUTCOMES = "analytics.scoring_outcomes"
OUTCOME_COLUMNS = {
    "place": "int4",
    "request_id": "text",
    "prediction_id": "int8",
    "caller": "text",
    "row_number": "int4",
    "value": "float8",
    "recorded_at": "timestamptz",
}
FEEDBACK_COLUMNS = {
    "place": "int4",
    "feedback_key": "text",
    "request_id": "text",
    "prediction_id": "int8",
    "caller": "text",
    "row_number": "int4",
    "by_whom": "text",
    "given_at": "timestamptz",
    "score": "float8",
    "comment": "text",
    "details": "jsonb",
}


@dataclass(frozen=True, slots=True)
class ScoringOutcome:
    """What really happened, of a scored row (`row_number` from 1) of a request, or of a stored forecast.

    `recorded_at` is when it became known (aware); `caller` says whose request, None where its id says enough.
    """

    value: float
    recorded_at: datetime
    request_id: str | None = None
    prediction_id: int | None = None
    row_number: int = 1
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody says of an answer (of one row of it, or without `row_number` of all), or of a stored forecast.

    At least one of `score`, `comment` and `details` (anything that JSON can say) is given; `given_at` is aware.
    """

    by_whom: str
    request_id: str | None = None
    prediction_id: int | None = None
    row_number: int | None = None
    caller: str | None = None
    score: float | None = None
    comment: str | None = None
    details: Any = None
    given_at: datetime | None = None

    @property
    def key(self) -> str:
        """SHA-256 of all of it."""
        said = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """One that was not taken: its place among those that were given, from 0, and why."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many are new, how many were there already, and which were not taken."""

    new: int
    known: int
    refused: tuple[NotRecorded, ...]


def record_outcomes(database: Database, outcomes: Sequence[ScoringOutcome]) -> Recorded:
    """Store outcomes of scored rows, and write those of stored forecasts onto them, as `match` does.

    Of a forecast the one recorded last stands; where its series has an observation, that will.
    """
    rows = [
        (
            place,
            outcome.request_id,
            outcome.prediction_id,
            outcome.caller,
            outcome.row_number,
            float(outcome.value),
            _microseconds(outcome.recorded_at),
        )
        for place, outcome in enumerate(outcomes)
    ]

    def work() -> Recorded:
        with database.transaction() as transaction:
            transaction.run("create_staged_scoring_outcomes")
            transaction.copy_records("staged_scoring_outcomes", OUTCOME_COLUMNS, rows)
            refused = transaction.rows("refused_scoring_outcomes", of=NotRecorded)
            transaction.value("ensure_months", table=OUTCOMES, months=transaction.values("months_of_scoring_outcomes"))
            new = transaction.run("store_scoring_outcomes") + transaction.run("store_forecast_outcomes")
        return Recorded(new, len(rows) - new - len(refused), tuple(refused))

    return retrying(work) if rows else Recorded(0, 0, ())


def record_feedback(database: Database, feedback: Sequence[Feedback]) -> Recorded:
    """Store feedback; what was said before in the same words, by the same person of the same answer, is known."""
    rows = [
        (
            place,
            said.key,
            said.request_id,
            said.prediction_id,
            said.caller,
            said.row_number,
            said.by_whom,
            None if said.given_at is None else _microseconds(said.given_at),
            None if said.score is None else float(said.score),
            said.comment,
            None if said.details is None else json.dumps(said.details).encode(),
        )
        for place, said in enumerate(feedback)
    ]

    def work() -> Recorded:
        with database.transaction() as transaction:
            transaction.run("create_staged_scoring_feedback")
            transaction.copy_records("staged_scoring_feedback", FEEDBACK_COLUMNS, rows)
            refused = transaction.rows("refused_scoring_feedback", of=NotRecorded)
            new = transaction.run("store_scoring_feedback")
        return Recorded(new, len(rows) - new - len(refused), tuple(refused))

    return retrying(work) if rows else Recorded(0, 0, ())


def read_outcomes(path: Path) -> list[ScoringOutcome]:
    """Outcomes of a file (CSV, Parquet, Arrow, JSON): `value, recorded_at` and `request_id` or `prediction_id`."""

    def outcome(row: dict[str, Any]) -> ScoringOutcome:
        return ScoringOutcome(
            value=float(row["value"]),
            recorded_at=_moment(row["recorded_at"]),
            request_id=_text(row.get("request_id")),
            prediction_id=_whole(row.get("prediction_id")),
            row_number=_whole(row.get("row_number")) or 1,
            caller=_text(row.get("caller")),
        )

    return _read(path, outcome, "value, recorded_at, and request_id or prediction_id")


def read_feedback(path: Path) -> list[Feedback]:
    """Feedback of a file: `by_whom`, `request_id` or `prediction_id`, and any of `score, comment, details`."""

    def said(row: dict[str, Any]) -> Feedback:
        score: Any = row.get("score")
        details: Any = row.get("details")
        return Feedback(
            by_whom=str(row["by_whom"]),
            request_id=_text(row.get("request_id")),
            prediction_id=_whole(row.get("prediction_id")),
            row_number=_whole(row.get("row_number")),
            caller=_text(row.get("caller")),
            score=None if _missing(score) else float(score),
            comment=_text(row.get("comment")),
            details=None if _missing(details) else json.loads(details) if isinstance(details, str) else details,
            given_at=None if _missing(row.get("given_at")) else _moment(row["given_at"]),
        )

    return _read(path, said, "by_whom, request_id or prediction_id, and score, comment or details")


def _read(path: Path, make: Callable[[dict[str, Any]], T], expected: str) -> list[T]:
    rows = _json_rows(path) if path.suffix == ".json" else read_table(path, expected).to_dict("records")
    made = []
    for number, row in enumerate(rows, 1):
        try:
            made.append(make({str(name): value for name, value in row.items()}))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"row {number}: {f'has no {error}' if isinstance(error, KeyError) else error}; expected {expected}"
            raise BadInput(what, where=str(path)) from error
    return made


def _json_rows(path: Path) -> list[Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"can't be read: {error}", where=str(path)) from error
    return document if isinstance(document, list) else [document]


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)


def _text(value: Any) -> str | None:
    return None if _missing(value) else str(value)


def _whole(value: Any) -> int | None:
    return None if _missing(value) else int(value)


def _moment(value: Any) -> datetime:
    """A time of a file; without an offset it is UTC."""
    if _missing(value) or pd.isna(value):
        raise ValueError("a time is missing")
    stamp = pd.Timestamp(value)
    return (stamp.tz_localize(UTC) if stamp.tzinfo is None else stamp.tz_convert(UTC)).to_pydatetime()


def _microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise BadInput(f"{moment} has no time zone")
    return round(moment.timestamp() * 1e6)
