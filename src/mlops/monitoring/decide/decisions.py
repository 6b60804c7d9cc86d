"""Recommendations as they are stored, and what people decide about them. Times are aware."""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Literal, TypeVar

from mlops.db import Database
from mlops.domain.findings import Action, RecordedFinding, ShownBenefit
from mlops.domain.recommendations import OpenRecommendation, RecommendationState, StoredRecommendation
from mlops.errors import NothingToDo
from mlops.monitoring.decide.costs import without_placeholders

__all__ = [
    "Decision",
    "ListedRecommendation",
    "RecordedDecision",
    "ShownRecommendation",
    "recommendation",
    "recommendations",
    "record_decision",
    "to_act_on",
    "without_repeats",
]

Decision = Literal["accept", "dismiss", "snooze"]


@dataclass(frozen=True, slots=True)
class ListedRecommendation:
    """A recommendation in a list, with its newest decision (None: nobody has decided).

    Its benefits have no money that placeholder prices have made.
    """

    recommendation_id: int
    name: str
    version: int
    as_of: datetime
    action: Action
    status: str
    reasons: list[str]
    expected_benefit: ShownBenefit | None
    cost: float | None
    horizon_weeks: int | None
    onset_at: datetime | None
    expires_at: datetime | None
    verdict: str | None
    realised_benefit: ShownBenefit | None
    realised_at: datetime | None
    decision: str | None
    decided_by: str | None
    reason: str | None
    until: datetime | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """What somebody decided about a recommendation; a snoozed one may be made again from `until` on."""

    decision: Decision
    decided_by: str
    reason: str
    until: datetime | None
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecommendation(RecommendationState):
    """A recommendation with the findings that it rests on, the clearest first, and its decisions, oldest first."""

    findings: list[RecordedFinding]
    decisions: list[RecordedDecision]


def recommendations(database: Database, *, everything: bool = False) -> list[ListedRecommendation]:
    """The recommendations that wait for somebody, newest first; with `everything` those that ask for nothing, too."""
    with database.transaction() as transaction:
        rows = transaction.rows("recommendations", of=ListedRecommendation, everything=everything)
    return [_priced(row) for row in rows]


def to_act_on(database: Database) -> list[OpenRecommendation]:
    """The recommendations that are open or accepted, and ask for something."""
    with database.transaction() as transaction:
        return transaction.rows("recommendations_to_act_on", of=OpenRecommendation)


def recommendation(database: Database, number: int) -> ShownRecommendation:
    """One recommendation with its findings and decisions; NothingToDo names the open ones where it is not there."""
    with database.transaction() as transaction:
        row = transaction.one("recommendation", of=StoredRecommendation, recommendation_id=number)
        if row is None:
            waiting = transaction.rows("recommendations_to_act_on", of=OpenRecommendation)
            numbers = ", ".join(str(other.recommendation_id) for other in waiting) or "none"
            raise NothingToDo(f"there is no recommendation {number}; open ones: {numbers}")
        findings = transaction.rows("findings_of_recommendation", of=RecordedFinding, recommendation_id=number)
        decisions = transaction.rows("recommendation_decisions", of=RecordedDecision, recommendation_id=number)
    known = {field.name: getattr(row, field.name) for field in fields(RecommendationState)}
    return _priced(ShownRecommendation(**known, findings=findings, decisions=decisions))


def record_decision(
    database: Database,
    number: int,
    decision: Decision,
    reason: str,
    *,
    by: str | None = None,
    until: datetime | None = None,
) -> ShownRecommendation:
    """Record what somebody (the user of this process without `by`) decides; the recommendation as it is then.

    A snoozed one may be made again from `until` on.
    """
    recommendation(database, number)
    with database.transaction() as transaction:
        transaction.run(
            "add_recommendation_decision",
            recommendation_id=number,
            decision=decision,
            decided_by=getpass.getuser() if by is None else by,
            reason=reason,
            until=until,
        )
    return recommendation(database, number)


def without_repeats(
    rows: Sequence[ListedRecommendation],
) -> list[tuple[ListedRecommendation, list[ListedRecommendation]]]:
    """Rows, newest first, each with the unbroken run of older ones of its model that ask for nothing more than it does.

    What asks for nobody (watch, none) is shown once, however many weeks it continues; what asks is shown each time.
    """
    newest: dict[str, tuple[ListedRecommendation, list[ListedRecommendation]]] = {}
    groups: list[tuple[ListedRecommendation, list[ListedRecommendation]]] = []
    for row in rows:
        newer = newest.get(row.name)
        if newer is not None and row.action in ("watch", "none") and newer[0].action == row.action:
            newer[1].append(row)
            continue
        newest[row.name] = (row, [])
        groups.append(newest[row.name])
    return groups


R = TypeVar("R", ListedRecommendation, ShownRecommendation)


def _priced(row: R) -> R:
    """A recommendation as people and programs are shown it: without money that placeholder prices have made."""
    expected, realised = (
        None if benefit is None else without_placeholders(benefit, priced=True)
        for benefit in (row.expected_benefit, row.realised_benefit)
    )
    cost = row.cost if expected is not None and expected["currency"] else None
    return replace(row, expected_benefit=expected, realised_benefit=realised, cost=cost)
