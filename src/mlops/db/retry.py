"""Doing again what the server asks to be done again."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

__all__ = ["again_when_lost", "retrying"]

T = TypeVar("T")
AGAIN: tuple[type[Exception], ...] = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)


def retrying(work: Callable[[], T], *, times: int = 5, wait_seconds: float = 0.1, duplicates: bool = False) -> T:
    """What `work`, one whole transaction, returns; it is done again after a deadlock or a serialization failure.

    With `duplicates` also after a unique violation: for work that looks first and inserts only what is not there.
    """
    again = (*AGAIN, psycopg.errors.UniqueViolation) if duplicates else AGAIN
    for attempt in range(times - 1):
        try:
            return work()
        except (DBAPIError, psycopg.Error) as error:
            if not isinstance(getattr(error, "orig", error), again):
                raise
            time.sleep(min(wait_seconds * 2**attempt, 5 * wait_seconds))
    return work()


def again_when_lost(work: Callable[[], T]) -> T:
    """As `retrying`, and once more on a new connection when the server ended the first one.

    For work that may be done twice: the connection may have been lost after the commit and before the word of it.
    """
    try:
        return retrying(work)
    except (DBAPIError, psycopg.Error) as error:
        if isinstance(error, DBAPIError):
            lost = error.connection_invalidated
        else:
            ended = isinstance(error, psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown)
            lost = ended or (isinstance(error, psycopg.OperationalError) and error.sqlstate is None)
        if not lost:
            raise
    return retrying(work)
