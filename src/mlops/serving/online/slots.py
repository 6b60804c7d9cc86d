"""What a process answers with, by the name that a model is asked for by, within a budget of memory."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from mlops.domain.model_uri import alias_uri, uri_of
from mlops.errors import MlopsError
from mlops.serving.online.loading import LiveModel
from mlops.tracking.aliases import PointedVersion

__all__ = ["FailedLoad", "Key", "Role", "Slot", "Slots", "is_version"]

Key = tuple[str, str | int]
"""A model's name with an alias, or with the number of a version."""
Role = Literal["served", "shadow", "asked"]
"""Why it is loaded: it was to be served, it answers beside a champion, or somebody asked for it."""
LET_GO_FIRST: tuple[Role, ...] = ("asked", "shadow", "served")


@dataclass(frozen=True, slots=True)
class FailedLoad:
    """A version that was not loaded, after so many attempts; `retry_at` is in seconds of `time.monotonic`."""

    pointed: PointedVersion
    error: MlopsError
    since: datetime
    attempts: int
    retry_at: float
    away: bool


@dataclass(slots=True)
class Slot:
    """What is asked for by a name and `which`: an alias, or the number of a version.

    `live` is the model that answers, `next` the one that takes its place.

    `pointed` is what the registry means by the name now, `instead` what is loaded in its place because it can't be,
    or because other processes do not answer with it yet. `before` answered before, and is kept for a rollback. `at`
    and `used` are in seconds of `time.monotonic`.
    """

    name: str
    which: str | int
    role: Role
    live: LiveModel | None = None
    next: LiveModel | None = None
    at: float | None = None
    before: LiveModel | None = None
    since: datetime | None = None
    used: float = 0.0
    swaps: int = 0
    pointed: PointedVersion | None = None
    instead: PointedVersion | None = None
    loading: "tuple[PointedVersion, Future[LiveModel]] | None" = None
    failure: FailedLoad | None = None
    gone_at: float | None = None
    parked: bool = False
    reported: tuple[int, str, int | None] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def key(self) -> Key:
        """By which it is found."""
        return self.name, self.which

    @property
    def alias(self) -> str:
        """The alias; empty where it is a version."""
        return "" if isinstance(self.which, int) else self.which

    @property
    def uri(self) -> str:
        """As a client names it."""
        return uri_of(self.name, self.which) if isinstance(self.which, int) else alias_uri(self.name, self.which)

    @property
    def wanted(self) -> PointedVersion | None:
        """What should be loaded for it."""
        return self.instead if self.live is None and self.instead is not None else self.pointed

    @property
    def models(self) -> tuple[LiveModel, ...]:
        """All that it keeps in memory."""
        return tuple(model for model in (self.live, self.next, self.before) if model is not None)

    def take(self) -> LiveModel | None:
        """The model that answers now."""
        self.used = time.monotonic()
        if self.at is not None and self.used >= self.at:
            self.switch()
        return self.live

    def switch(self) -> bool:
        """Let the next model answer if its time has come; whether it does since now."""
        with self.lock:
            if self.at is None or self.next is None or time.monotonic() < self.at:
                return False
            self.before, self.live, self.next, self.at = self.live, self.next, None, None
            self.since, self.instead = datetime.now(UTC), None
            self.swaps += self.before is not None
            return True


class Slots:
    """Slots by what is asked for. Reading is a look into a dict, from any thread; one thread changes them."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._slots: dict[Key, Slot] = {}
        self.get = self._slots.get
        self._lock = threading.Lock()
        self._removed_swaps = 0

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._slots.values()))

    def add(self, name: str, which: str | int, role: Role) -> Slot:
        """The slot of a name, made when it is new; one that was only asked for can become one that is served."""
        with self._lock:
            slot = self._slots.setdefault((name, which), Slot(name, which, role))
            slot.role = max(slot.role, role, key=LET_GO_FIRST.index)
            return slot

    def remove(self, slot: Slot) -> None:
        """Who holds its models keeps them."""
        with self._lock:
            if self._slots.pop(slot.key, None) is not None:
                self._removed_swaps += slot.swaps

    def loaded(self, pointed: PointedVersion) -> LiveModel | None:
        """A version that is in memory for any reason."""
        return next((model for slot in self for model in slot.models if is_version(model, pointed)), None)

    @property
    def swaps(self) -> int:
        """How often another version took over since the process began."""
        return self._removed_swaps + sum(slot.swaps for slot in self)

    @property
    def memory(self) -> int:
        """Of all models, in bytes."""
        return sum({id(model): model.memory for slot in self for model in slot.models}.values())

    def make_room(self, newest: Slot) -> None:
        """Let models go until the budget is kept: those of before, then those not asked for longest, by their role.

        The newest stays, whatever it takes.
        """
        by_age = sorted(self, key=lambda slot: (LET_GO_FIRST.index(slot.role), slot.used))
        for slot in by_age:
            if self.memory <= self._budget:
                return
            slot.before = None
        for slot in by_age:
            if self.memory <= self._budget:
                return
            if slot is newest or slot.live is None or slot.next is not None:
                continue
            slot.live, slot.parked = None, True
            if slot.role == "asked":
                self.remove(slot)


def is_version(model: LiveModel | None, pointed: PointedVersion | None) -> bool:
    """Whether a model is of that version, and not of one that had its number before."""
    if model is None or pointed is None:
        return False
    version = model.version
    return (version.name, version.version, version.created_at) == (pointed.name, pointed.version, pointed.created_at)
