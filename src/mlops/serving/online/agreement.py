"""When processes that serve the same alias change its version: all at one time, once each has the new one ready.

A client that is answered by several of them never sees the new version and then the old one. The table is in Postgres,
which a version can't be loaded without, so that agreeing can't fail where loading does not; and by its clock.
"""

import os
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from mlops.db import Database, Transaction
from mlops.tracking.aliases import PointedVersion

__all__ = ["ASK_SECONDS", "BEAT_SECONDS", "AgreedChange", "Agreement", "Held"]

BEAT_SECONDS = 0.5
PATIENCE_SECONDS = 2.0
"""For how long others wait for a process that is seen no more: four beats. Chosen, not measured."""
ASK_SECONDS = 0.05
"""How often a process asks whether all have the version that it has ready."""
NOTICE_SECONDS = 0.2
"""How long before a change it is agreed: four questions. A process that stands still for longer changes late."""
SLOW_AFTER_SECONDS, SLOW_NOTICE_SECONDS = 2.0, 0.75
"""Who has waited for so long asks as often as it asks the registry, and is told that much earlier."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process has for an alias: the version that answers, and the one that is ready to take its place."""

    alias: str
    version_id: int | None
    next_id: int | None


@dataclass(frozen=True, slots=True)
class AgreedChange:
    """A next version and in how many seconds it takes over (None: not agreed, it waits for another process)."""

    alias: str
    next_id: int
    seconds: float | None
    waits_for: UUID | None
    host: str | None
    pid: int | None


class Agreement:
    """The part of one process in it; not for several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.worker_id = uuid4()
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._beaten = time.monotonic()
        self._absent, self._back = 0.0, float("-inf")

    def beat(self) -> bool:
        """Say that this process lives; whether that was known, else it has to `settle`."""
        with self._database.transaction() as transaction:
            known = self._beat(transaction)
        self._was_heard()
        return known

    def settle(self, held: Sequence[Held]) -> list[AgreedChange]:
        """Say what this process has, agree on what can be agreed, and return what is to be done of it."""
        with self._database.transaction() as transaction:
            transaction.lock("live models")
            self._beat(transaction)
            models = {"models": [asdict(one) for one in held]}
            transaction.run("report_live_models", worker_id=self.worker_id, document=models)
            times = {
                "notice": timedelta(seconds=NOTICE_SECONDS),
                "slow_after": timedelta(seconds=SLOW_AFTER_SECONDS),
                "slow_notice": timedelta(seconds=SLOW_NOTICE_SECONDS),
            }
            mine = {"worker_id": self.worker_id, "patience": self._patience()}
            transaction.run("agree_on_live_models", **mine, **times)
            changes = transaction.rows("live_model_changes", of=AgreedChange, **mine)
            self._forget(transaction, (change for change in changes if change.waits_for is not None))
        self._was_heard()
        return changes

    def fallback(self, meant: PointedVersion) -> PointedVersion | None:
        """What else may answer for an alias whose version can't be loaded, or that others do not answer with yet."""
        with self._database.transaction() as transaction:
            return transaction.one(
                "version_to_fall_back_to",
                of=PointedVersion,
                worker_id=self.worker_id,
                patience=self._patience(),
                name=meant.name,
                alias=meant.alias,
                version=meant.version,
                created_at=meant.created_at,
            )

    def leave(self) -> None:
        """Nobody waits for this process any more."""
        with self._database.transaction() as transaction:
            transaction.lock("live models")
            transaction.run("forget_live_workers", worker_ids=[self.worker_id])

    def _beat(self, transaction: Transaction) -> bool:
        return bool(transaction.value("beat_live_worker", worker_id=self.worker_id, host=self._host, pid=self._pid))

    def _was_heard(self) -> None:
        """Remember when, and for how long it was not before: so were the others, perhaps."""
        now = time.monotonic()
        if now - self._beaten > PATIENCE_SECONDS:
            self._absent, self._back = now - self._beaten, now
        self._beaten = now

    def _patience(self) -> timedelta:
        """How long ago others may have been seen: after a time without the database they need theirs to come back."""
        now = time.monotonic()
        absent = now - self._beaten
        if absent <= PATIENCE_SECONDS and now - self._back < PATIENCE_SECONDS:
            absent = now - self._back + self._absent
        elif absent <= PATIENCE_SECONDS:
            absent = 0.0
        return timedelta(seconds=PATIENCE_SECONDS + absent)

    def _forget(self, transaction: Transaction, blocking: Iterable[AgreedChange]) -> None:
        """Remove processes of this machine that were killed, so that nobody waits for them."""
        dead = [change.waits_for for change in blocking if change.host == self._host and not _lives(change.pid)]
        if dead:
            transaction.run("forget_live_workers", worker_ids=dead)


def _lives(pid: int | None) -> bool:
    try:
        os.kill(pid or os.getpid(), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True
