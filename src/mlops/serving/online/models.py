"""Models that answer requests: found in a dict, loaded on demand, swapped while they are served."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from mlops.db import Database
from mlops.db.listen import listening
from mlops.domain.model_uri import ModelUri, alias_uri, uri_of
from mlops.errors import DatabaseUnavailable, MlopsError, ModelNotFound
from mlops.policy.serving import ServingPolicy
from mlops.serving.log.record import ScoringRecord
from mlops.serving.online.loading import LiveModel, Loader, ScorerOf
from mlops.serving.online.scored import Live
from mlops.serving.online.scorer import scorer_of
from mlops.serving.online.slots import Role, Slot, Slots, is_version
from mlops.serving.online.watch import CHAMPION, ModelWatch, Outage
from mlops.tracking.aliases import PointedVersion, alias_reader
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store

__all__ = ["LiveModel", "LiveModels", "LiveState", "LoadFailure", "ServedModel"]

CHANNEL = "mlops_aliases"
"""On which the mirror notifies that an alias has moved (migrations/sql/0001/200_registry.sql)."""
UNKNOWN_SECONDS = 1.0
"""For which it stands that there is no such model: not each request asks the registry. Chosen, not measured."""
MOST_UNKNOWN = 1000
"""Of these answers; chosen, not measured."""
MEGABYTE = 2**20
Answered = Callable[[ScoringRecord, Live], None]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What answers for an alias or the number of a version, since when (aware), and what takes its place next.

    `memory` is an estimate in bytes. `let_go` says that it left the memory and is loaded again when it is asked for.
    """

    name: str
    alias: str
    role: Role
    version: int | None
    version_id: int | None
    since: datetime | None
    memory: int
    next_version: int | None
    let_go: bool


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A version that an alias means and that is not loaded, why, and since when; `away` where that is not its fault."""

    uri: str
    version: int
    reason: str
    since: datetime
    attempts: int
    away: bool


@dataclass(frozen=True, slots=True)
class LiveState:
    """Everything about live models at one moment, for health and metrics; `memory` of all of them, in bytes."""

    ready: bool
    models: tuple[ServedModel, ...]
    failures: tuple[LoadFailure, ...]
    swaps: int
    memory: int
    registry_seen_at: datetime | None
    registry_problem: Outage | None
    database_problem: Outage | None


class LiveModels:
    """The models that a process serves: those of `uris`, by default the champion of every registered model.

    `find` is for the event loop; it does nothing but look. Everything else may wait. A request keeps the model that it
    was given; one that nobody keeps any more is freed. `answered` is called with each request that was answered: with
    what its challengers are asked.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        policy: ServingPolicy,
        *,
        uris: Sequence[ModelUri] = (),
        scorers: ScorerOf = scorer_of,
        answered: Answered = lambda _record, _live: None,
    ) -> None:
        self.answered = answered
        self._store, self._policy, self._uris = store, policy, uris
        self._slots = Slots(policy.limits.memory_mb * MEGABYTE)
        self._loader = Loader(database, store, scorers)
        self._watch = ModelWatch(
            database,
            store,
            alias_reader(store),
            self._loader,
            self._slots,
            given=uris,
            shadows=policy.shadow.aliases,
        )
        self._thread = threading.Thread(target=self._watch.run, name="watch models", daemon=True)
        self._unknown: dict[str, tuple[float, ModelNotFound]] = {}
        self._url, self._listening = database.url, ExitStack()

    def start(self) -> None:
        """Begin to load and to watch. Raises ModelNotFound when one of the `uris` leads nowhere."""
        for uri in self._uris:
            which = uri.version or uri.alias or CHAMPION
            version = resolve(self._store, _uri(uri.name, which))
            slot = self._slots.add(uri.name, which, "served")
            slot.pointed = PointedVersion(uri.name, slot.alias, version.version, version.created_at)
        hints = self._watch.hints
        self._listening.enter_context(listening(self._url, CHANNEL, lambda _: hints.give("notice")))
        self._thread.start()

    def close(self) -> None:
        """Stop watching; what was given out answers on."""
        self._watch.hints.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._listening.close()
        self._loader.close()

    def find(self, name: str, *, alias: str = CHAMPION, version: int = 0) -> LiveModel | None:
        """What answers for an alias, or for the number of a version, now; None when it is not loaded: `load` does."""
        slot = self._slots.get((name, version or alias))
        return None if slot is None else slot.take()

    def shadows(self, name: str) -> tuple[LiveModel, ...]:
        """The challengers that answer beside a champion, but none that is the champion itself."""
        champion = self.find(name)
        models = [self.find(name, alias=alias) for alias in self._policy.shadow.aliases]
        return tuple(dict.fromkeys(model for model in models if model is not None and model is not champion))

    def load(self, name: str, alias: str = CHAMPION, version: int = 0) -> LiveModel:
        """The same, loaded if it is not; for a thread that may wait for seconds.

        Raises ModelNotFound for what the registry does not have (or what is not served, where the policy lets nothing
        else be loaded), Refused with why it is not loaded, DatabaseUnavailable when nothing can be known now.
        """
        which: str | int = version or alias
        slot = self._slots.get((name, which)) or self._asked_for(name, which)
        slot.parked = False
        if slot.failure is not None and slot.failure.retry_at <= time.monotonic() and slot.role == "asked":
            slot.failure = None
        self._watch.hints.give("asked")
        end = time.monotonic() + self._policy.limits.seconds
        with self._watch.changed:
            while (model := slot.take()) is None:
                if slot.failure is not None and slot.failure.pointed == slot.wanted:
                    raise _again(slot.failure.error)
                if not self._watch.changed.wait(end - time.monotonic()):
                    raise DatabaseUnavailable(
                        f"{slot.uri} is still being loaded after {self._policy.limits.seconds:g} s; ask again later"
                    )
        return model

    @property
    def ready(self) -> bool:
        """Whether every model that is to be served answers; of champions that nobody named some may have failed."""
        if self._watch.seen_at is None:
            return False
        served = [slot for slot in self._slots if slot.role == "served"]
        return all(
            slot.live is not None or slot.parked or (slot.failure is not None and not self._uris) for slot in served
        )

    def state(self) -> LiveState:
        """What is served and what is wrong, as it is now."""
        slots = sorted(self._slots, key=lambda slot: (slot.name, str(slot.which)))
        return LiveState(
            self.ready,
            tuple(_served(slot) for slot in slots if slot.live is not None or slot.parked),
            tuple(failure for slot in slots if (failure := _failure(slot)) is not None),
            self._slots.swaps,
            self._slots.memory,
            self._watch.seen_at,
            self._watch.registry_problem,
            self._watch.database_problem,
        )

    def _asked_for(self, name: str, which: str | int) -> Slot:
        """A slot for what the registry has, and nobody served before."""
        uri = _uri(name, which)
        if not self._policy.limits.on_demand:
            raise ModelNotFound(f"{uri} is not served here, and the policy of this server loads nothing on demand")
        until, error = self._unknown.get(uri, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise _again(error)
        try:
            version = resolve(self._store, uri)
        except ModelNotFound as unknown:
            if len(self._unknown) >= MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[uri] = time.monotonic() + UNKNOWN_SECONDS, unknown
            raise
        slot = self._slots.add(name, which, "asked")
        if slot.pointed is None:
            slot.pointed = PointedVersion(name, slot.alias, version.version, version.created_at)
        return slot


def _uri(name: str, which: str | int) -> str:
    return uri_of(name, which) if isinstance(which, int) else alias_uri(name, which)


def _again(error: MlopsError) -> MlopsError:
    """An error that several threads raise, each with a traceback of its own."""
    return type(error)(str(error))


def _served(slot: Slot) -> ServedModel:
    live, coming = slot.live, slot.next
    return ServedModel(
        slot.name,
        slot.alias,
        slot.role,
        live.version.version if live else None,
        live.version_id if live else None,
        slot.since,
        live.memory if live else 0,
        coming.version.version if coming else None,
        slot.parked,
    )


def _failure(slot: Slot) -> LoadFailure | None:
    failed = slot.failure
    if failed is None or is_version(slot.live, failed.pointed):
        return None
    uri, version = slot.uri, failed.pointed.version
    return LoadFailure(uri, version, str(failed.error), failed.since, failed.attempts, failed.away)
