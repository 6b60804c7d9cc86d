"""Requests into Postgres: a batch is one transaction, and each request is stored once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mlops.db import Database
from mlops.serving.log.kept import COLUMNS, KeptRequest

__all__ = ["moment_of", "store_requests"]

REQUESTS = "analytics.scoring_requests"


def store_requests(
    database: Database, rows: Sequence[KeptRequest], *, worker: str = "", handled: int | None = None
) -> int:
    """Store requests, each once; how many are new.

    `handled` is how many records the worker has handled when these are committed; None when they are not its own.
    """
    first, last = min(row.requested_us for row in rows), max(row.requested_us for row in rows)
    with database.transaction() as transaction:
        transaction.run("limit_scoring_transaction")
        transaction.value("ensure_partitions", table=REQUESTS, first=moment_of(first), last=moment_of(last))
        transaction.run("create_staged_requests")
        transaction.copy_records("staged_requests", COLUMNS, (row.values for row in rows))
        new: int = transaction.value("store_requests", worker=worker or None, handled=handled)
    return new


def moment_of(microseconds: int) -> datetime:
    """A time that is given in microseconds of the Unix epoch."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
