"""How much of the yearly budget for false alarms is spent. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mlops.monitoring.review.decisions import Alarm, Budget

__all__ = ["budget", "year_of"]


def year_of(as_of: datetime) -> datetime:
    """When the calendar year of a time began."""
    return datetime(as_of.year, 1, 1, tzinfo=UTC)


def budget(rows: Sequence[Mapping[str, Any]], as_of: datetime, *, models: int, per_model: float) -> Budget:
    """What the alarms of `review_alarms` have spent of what `models` models may have in a year.

    An alarm is spent when somebody dismissed it, or when it is over and nobody did anything: it called for nothing. It
    is justified when a version was promoted or rolled back because of it, or when somebody accepted it. One that is
    neither yet is open.
    """
    alarms = tuple(_alarm(row) for row in rows)
    verdicts = [one.verdict for one in alarms]
    return Budget(
        since=year_of(as_of),
        per_model=per_model,
        allowed=models * per_model,
        spent=sum(one.false for one in alarms),
        dismissed=verdicts.count("dismissed"),
        without_consequence=verdicts.count("nothing"),
        justified=verdicts.count("acted") + verdicts.count("accepted"),
        open=verdicts.count("open"),
        alarms=alarms,
    )


def _alarm(row: Mapping[str, Any]) -> Alarm:
    names = ("model", "began", "last", "checks", "called")
    return Alarm(**{name: row[name] for name in names}, verdict=_verdict(row))


def _verdict(row: Mapping[str, Any]) -> str:
    """A promotion says more than a dismissal before it, and that more than an acceptance that came to nothing."""
    for verdict, holds in (
        ("acted", row["promoted"]),
        ("dismissed", row["dismissed"]),
        ("accepted", row["accepted"]),
        ("nothing", row["over"]),
    ):
        if holds:
            return verdict
    return "open"
