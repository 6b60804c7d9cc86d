"""Doing again what the server asks to be done again."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

__all__ = ["retrying"]

T = TypeVar("T")
AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.LockNotAvailable)


def retrying(work: Callable[[], T], *, times: int = 5, wait_seconds: float = 0.1) -> T:
    """What `work`, one whole transaction, returns; it is done again after a deadlock or a serialization failure."""
    for attempt in range(times - 1):
        try:
            return work()
        except (DBAPIError, *AGAIN) as error:
            if not isinstance(getattr(error, "orig", error), AGAIN):
                raise
            time.sleep(wait_seconds * 2**attempt)
    return work()
