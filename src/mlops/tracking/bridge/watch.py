"""When to sync: at once after a hint, soon after a failure, and at the latest every so many seconds.

A hint only makes a sync happen sooner. What it does is decided by the registry alone, so a hint that is lost, doubled
or forged changes nothing but the time.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from mlops.config import Settings
from mlops.tracking.store import tracking_uri

__all__ = ["Hints", "Turn", "give_up_soon", "pause", "registry_address", "turns"]

SETTLE_SECONDS = 0.1
"""A promotion makes several events; a sync that waits for the burst to pass sees all of them."""
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""After one failure, two, …; chosen, not measured."""

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """One sync: what set it off, its result (None when it failed), why it failed, how long it took."""

    because: frozenset[str]
    result: T | None
    problem: Exception | None
    seconds: float


class Hints:
    """Where any thread, and any signal handler, says that the registry may have changed."""

    def __init__(self) -> None:
        self._given: SimpleQueue[str | None] = SimpleQueue()  # a signal handler may put into it

    def give(self, source: str) -> None:
        """Make the next sync happen now; `source` names who says so."""
        self._given.put(source)

    def stop(self) -> None:
        """End the loop when it waits next."""
        self._given.put(None)

    def wait(self, seconds: float, settle_seconds: float = SETTLE_SECONDS) -> frozenset[str] | None:
        """Who gave a hint within `seconds`, with those of the burst that follows; empty when nobody, None to stop."""
        try:
            given = {self._given.get(timeout=seconds)}
        except Empty:
            return frozenset()
        if None not in given:
            time.sleep(settle_seconds)
        while not self._given.empty():
            given.add(self._given.get())
        return None if None in given else frozenset(source for source in given if source is not None)


def turns(sync: Callable[[], T], hints: Hints, *, every_seconds: float) -> Iterator[Turn[T]]:
    """Sync now and then again and again, until the hints are stopped; one turn for each sync.

    A sync that fails, for whatever reason, is a turn with a problem; the next ones come after growing pauses.
    """
    because: frozenset[str] | None = frozenset({"start"})
    failures = 0
    while because is not None:
        began = time.monotonic()
        try:
            turn = Turn(because, sync(), None, time.monotonic() - began)
        except Exception as error:
            log.debug("a sync failed", exc_info=True)
            turn = Turn(because, None, error, time.monotonic() - began)
        failures = failures + 1 if turn.problem else 0
        yield turn
        settle = PAUSES_SECONDS[0] if failures else SETTLE_SECONDS  # hints don't make attempts more frequent
        because = hints.wait(pause(failures, every_seconds), settle)


def pause(failures: int, every_seconds: float) -> float:
    """How many seconds to wait for a hint after so many failures in a row."""
    if failures == 0:
        return every_seconds
    return min(every_seconds, PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS)) - 1])


def give_up_soon() -> None:
    """Let MLflow's client ask an unreachable server twice, not for minutes: the loop itself tries again."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")


def registry_address(settings: Settings, database_url: str) -> tuple[str, bool]:
    """Where the registry's own tables are looked for, and whether that is schema `mlflow` of our database by settings.

    They are in the store's database, else in that schema: right for an MLflow server that keeps its registry there; of
    any other nothing can be known from here.
    """
    uri = tracking_uri(settings, database_url)
    ours = tracking_uri(settings.model_copy(update={"mlflow_tracking_uri": None}), database_url)
    return (uri if uri.startswith("postgres") else ours), uri == ours
