"""Outcomes: what really happened, written onto the predictions that were waiting for it."""

from dataclasses import dataclass
from datetime import datetime

from mlops.db import Database
from mlops.db.retry import retrying

__all__ = ["Matched", "match"]


@dataclass(frozen=True, slots=True)
class Matched:
    """How many predictions got an outcome (or a corrected one), and how many still wait.

    `overdue` are those that have waited for more than four weeks: perhaps nothing will ever come to judge them by.
    `totals` counts forecasts of totals that got an outcome; the others count forecasts of series alone.
    """

    matched: int
    waiting: int
    overdue: int
    totals: int = 0


@dataclass(frozen=True, slots=True)
class WaitingPredictions:
    """How many predictions wait for an outcome, and how many of them for more than four weeks."""

    waiting: int
    overdue: int


def match(database: Database, as_of: datetime) -> Matched:
    """Write the outcomes that were known at `as_of`; a late or corrected one is written when it comes.

    An observation of quality 0 (a dead sensor) is no outcome. Of a total it is the sum of those of its parts, when all
    of them are known; where a step without a value means zero, a part without one is zero once a later value of its
    series is known, or after four weeks. Repeating it changes nothing.
    """
    return retrying(lambda: _match(database, as_of))


def _match(database: Database, as_of: datetime) -> Matched:
    with database.transaction() as transaction:
        transaction.lock("outcomes")  # one after the other: nobody waits for a row in the middle of the statement
        transaction.run("create_matched_predictions")
        matched: int = transaction.value("match_outcomes", as_of=as_of)
        totals: int = transaction.value("match_totals", as_of=as_of) + transaction.value("match_weeks", as_of=as_of)
        still = transaction.one("count_waiting_predictions", of=WaitingPredictions, as_of=as_of)
    assert still is not None
    return Matched(matched, still.waiting, still.overdue, totals)
