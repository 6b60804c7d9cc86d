"""Recommendations as they are stored, and what people decide about them. Times are aware."""

import getpass
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from mlops.db import Database
from mlops.errors import NothingToDo
from mlops.monitoring.review.advice import without_placeholders

__all__ = ["Decision", "decide", "grouped", "recommendation", "recommendations", "to_act_on"]

Decision = Literal["accept", "dismiss", "snooze"]
Row = Mapping[str, Any]
BENEFITS = ("expected_benefit", "realised_benefit")


def recommendations(database: Database, *, everything: bool = False) -> list[dict[str, Any]]:
    """The recommendations that wait for somebody, newest first; with `everything` those that ask for nothing, too."""
    with database.transaction() as transaction:
        rows = transaction.rows("recommendations", everything=everything)
    return [_without_placeholders(row) for row in rows]


def to_act_on(database: Database) -> list[dict[str, Any]]:
    """The recommendations that are open or accepted: `recommendation_id, action, as_of` …"""
    with database.transaction() as transaction:
        return transaction.rows("recommendations_to_act_on")


def recommendation(database: Database, number: int) -> dict[str, Any]:
    """One recommendation with its `findings` and `decisions`; NothingToDo names the open ones where it is not there."""
    with database.transaction() as transaction:
        row = transaction.one("recommendation", recommendation_id=number)
        if row is None:
            numbers = (str(row["recommendation_id"]) for row in transaction.rows("recommendations_to_act_on"))
            raise NothingToDo(f"there is no recommendation {number}; open ones: {', '.join(numbers) or 'none'}")
        findings = transaction.rows("findings_of_recommendation", recommendation_id=number)
        decisions = transaction.rows("recommendation_decisions", recommendation_id=number)
    shown = {name: value for name, value in _without_placeholders(row).items() if not name.endswith("lineage")}
    return shown | {"findings": findings, "decisions": decisions}


def decide(
    database: Database,
    number: int,
    decision: Decision,
    reason: str,
    *,
    by: str | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
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


def grouped(rows: Sequence[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """Rows, newest first, each with the unbroken run of older ones of its model that ask for nothing more than it does.

    What asks for nobody (watch, none) is shown once, however many weeks it continues; what asks is shown each time.
    """
    names: dict[str, tuple[Row, list[Row]]] = {}
    groups: list[tuple[Row, list[Row]]] = []
    for row in rows:
        newer = names.get(row["name"])
        if newer is not None and row["action"] in ("watch", "none") and newer[0]["action"] == row["action"]:
            newer[1].append(row)
            continue
        names[row["name"]] = (row, [])
        groups.append(names[row["name"]])
    yield from groups


def _without_placeholders(row: Row) -> dict[str, Any]:
    """A recommendation as people and programs are shown it: without money that placeholder prices have made."""
    benefits = {name: row[name] and without_placeholders(row[name], priced=True) for name in BENEFITS}
    priced = bool(benefits["expected_benefit"] and benefits["expected_benefit"]["currency"])
    return dict(row) | benefits | {"cost": row["cost"] if priced else None}
