"""The keys in force, held in memory: whether a request may pass costs microseconds and asks no database.

All of them are held, so that keys that nobody made cause no queries either. They are read again every two seconds in a
thread of its own: a revoked key is refused, and a new one admitted, after REFRESH_SECONDS at the latest (plus the time
of a query). While the database is away they stay as they were last read, because nobody can revoke one then either;
a key that expires does so by this machine's clock.
"""

import hmac
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from mlops.access.keys import KEY, digest_of
from mlops.access.rate import RateLimit, SharedBuckets
from mlops.access.roles import SCOPES, Scope, scopes_of
from mlops.db import Database

__all__ = ["LOCAL", "REFRESH_SECONDS", "Caller", "KeyRing", "Rejection"]

REFRESH_SECONDS = 2.0
"""After which keys are read again: how long a revoked one may still be admitted. Chosen, not measured."""
USES_SECONDS = 60.0
"""How often is written when keys were last used. Chosen, not measured."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as a key says, and what he may do; what logs and tables may name."""

    name: str
    key_id: str
    role: str
    scopes: frozenset[Scope]
    tenant_id: int = 1

    @property
    def label(self) -> str:
        """The name and the id of the key, which are no secrets: `the web shop (3f9a2c01b7de)`."""
        return f"{self.name} ({self.key_id})" if self.key_id else self.name


LOCAL = Caller("local", "", "admin", frozenset(SCOPES))
"""Who asks from this machine without a key: everything here is his anyway."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why somebody is not admitted, in a sentence without his key; `seconds` after which he may come again."""

    reason: Literal["key", "scope", "rate"]
    message: str
    seconds: float = 0.0


UNKNOWN = Rejection("key", "this API key is not known, or it was revoked; `mlops keys create` makes one")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of the keys in force."""

    key_id: str
    digest: bytes
    tenant_id: int
    name: str
    role: str
    scopes: list[str] | None
    per_minute: int | None
    burst: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key as requests are held against it; `expires_at` in seconds of the Unix epoch."""

    caller: Caller
    digest: bytes
    expires_at: float
    limit: RateLimit | None


class KeyRing:
    """The keys in force, as `read` found them; while a `with` block runs they are read again and again.

    `admit` is called from one thread (the event loop). The workers of a server count a key's requests together where
    they name the same file as `shared`, which need not be there. `clock` gives seconds of the Unix epoch, `ticks` those
    of a clock that nobody sets.
    """

    def __init__(
        self,
        database: Database,
        *,
        shared: Path | None = None,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._clock, self._ticks = database, clock, ticks
        self._held: dict[str, HeldKey] = {}
        self._full_at: dict[str, float] | SharedBuckets = {} if shared is None else SharedBuckets(shared)
        self._used: dict[str, float] = {}
        self._read_at, self._written_at = -math.inf, clock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="api keys", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join(REFRESH_SECONDS)

    def __len__(self) -> int:
        """How many keys are good now."""
        return sum(held.expires_at > self._clock() for held in self._held.values())

    @property
    def age_seconds(self) -> float:
        """How long ago the keys were last read; more than a few seconds means that the database is away."""
        return self._clock() - self._read_at

    def admit(self, secret: bytes, needs: Scope) -> Caller | Rejection:
        """Who holds this key, if he may do what is asked; else why not."""
        now = self._clock()
        match = KEY.fullmatch(secret.decode("latin-1"))
        held = self._held.get(match[1]) if match is not None else None
        if held is None or not hmac.compare_digest(digest_of(secret), held.digest):
            return UNKNOWN
        caller = held.caller
        if held.expires_at <= now:
            return Rejection("key", f"the API key {caller.key_id} has expired; `mlops keys create` makes a new one")
        self._used[caller.key_id] = now
        if needs not in caller.scopes:
            return Rejection("scope", f"the API key {caller.key_id} ({caller.role}) lacks the scope {needs}")
        if held.limit is not None:
            full_at, tick = self._full_at.get(caller.key_id, 0.0), self._ticks()
            wait = held.limit.wait(full_at, tick)
            if wait:
                often = f"{held.limit.per_minute:g} requests a minute"
                return Rejection("rate", f"the API key {caller.key_id} may ask {often}; wait a moment", wait)
            self._full_at[caller.key_id] = held.limit.take(full_at, tick)
        return caller

    def read(self) -> None:
        """Read the keys now."""
        with self._database.transaction() as transaction:
            rows = transaction.rows("api_keys_in_force", of=StoredKey)
        self._held = {row.key_id: _held(row) for row in rows}
        self._read_at = self._clock()

    def write_uses(self) -> None:
        """Write when keys were last used, since this was last done."""
        used, self._used = list(self._used.items()), {}
        if used:
            key_ids, used_at = zip(*used, strict=True)
            with self._database.transaction() as transaction:
                transaction.run("add_api_key_uses", key_ids=list(key_ids), used_at=list(used_at))
        self._written_at = self._clock()

    def _keep(self) -> None:
        """Until the ring is closed: read, and now and then write."""
        failing = False
        while not self._stopped.wait(REFRESH_SECONDS):
            try:
                self.read()
                if self._clock() - self._written_at >= USES_SECONDS:
                    self.write_uses()
                failing = False
            except Exception:  # the edge of a thread: whatever it is, the keys stay as they are
                if not failing:
                    log.exception("API keys can't be read; they stay as they were")
                failing = True
        try:
            self.write_uses()
        except Exception:
            log.exception("when API keys were last used was not written")


def _held(row: StoredKey) -> HeldKey:
    return HeldKey(
        Caller(row.name, row.key_id, row.role, scopes_of(row.role, row.scopes), row.tenant_id),
        row.digest,
        row.expires_at.timestamp() if row.expires_at is not None else math.inf,
        RateLimit(row.per_minute, row.burst) if row.per_minute and row.burst else None,
    )
