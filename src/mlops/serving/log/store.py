"""Requests into Postgres: a batch is one transaction, and each request is stored once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mlops.db import Database
from mlops.serving.log.forecasts import AnsweredForecasts
from mlops.serving.log.kept import COLUMNS, KeptRequest

__all__ = ["moment_of", "store_requests"]

REQUESTS = "analytics.scoring_requests"


def store_requests(
    database: Database,
    rows: Sequence[KeptRequest],
    *,
    forecasts: AnsweredForecasts | None = None,
    worker: str = "",
    handled: int | None = None,
) -> int:
    """Store requests, each once; how many are new. With `forecasts` also those that were answered, in the same act.

    `handled` is how many records the worker has handled when these are committed; None when they are not its own.
    """
    answered = [] if forecasts is None else forecasts.among(rows)
    days = sorted({moment_of(row.requested_us).date() for row in rows})
    with database.transaction() as transaction:
        transaction.run("limit_scoring_transaction")
        transaction.value("ensure_months", table=REQUESTS, months=days)
        transaction.run("create_staged_requests")
        transaction.copy_records("staged_requests", COLUMNS, (row.values for row in rows))
        new: int = transaction.value("store_requests", worker=worker or None, handled=handled)
        if forecasts is not None and answered:
            forecasts.store(transaction, answered)
    if forecasts is not None:
        forecasts.remember(answered)
    return new


def moment_of(microseconds: int) -> datetime:
    """A time that is given in microseconds of the Unix epoch."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
