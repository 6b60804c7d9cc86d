"""The thread that lets a process answer with what the registry means: it asks, loads, agrees with others and swaps.

The registry is asked a few times a second, and at once after a hint; what it says is the truth, a hint that is lost
costs only time. Nothing here is waited for by a request, and nothing here waits: reading the registry and loading are
done by other threads.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition

from mlops.db import Database
from mlops.db.failures import explained, one_sentence
from mlops.domain.canonical import one_line
from mlops.domain.model_uri import ModelUri
from mlops.errors import DatabaseUnavailable, MlopsError, ModelNotFound
from mlops.serving.online.agreement import ASK_SECONDS, BEAT_SECONDS, SLOW_AFTER_SECONDS, AgreedChange, Agreement, Held
from mlops.serving.online.loading import LiveModel, Loader
from mlops.serving.online.slots import FailedLoad, Slot, Slots, is_version
from mlops.tracking.alerts import report_loaded, report_not_loaded
from mlops.tracking.aliases import Aliases, AliasReader, PointedVersion
from mlops.tracking.bridge.watch import Hints
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store

__all__ = ["CHAMPION", "ModelWatch", "Outage"]

CHAMPION = "champion"
GRACE_SECONDS = 5.0
"""For which a model is served on after its alias was deleted: who moves one by deleting it and setting it again fails
no request. Chosen, not measured."""
VERSIONS_SECONDS = 5.0
"""How often is asked whether versions that are served by their number are still registered. Chosen, not measured."""
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""After one failed attempt to load a version, two, …; chosen, not measured: each reads all of its files."""
AWAY_SECONDS = 1.0
"""The pause after an attempt that failed because the registry or the database does not answer."""
FORGET_SECONDS = 60.0
"""After which a version is forgotten that somebody asked for and that could not be loaded."""
NOTHING_WRONG = (0, "", None)
"""What is on record about a slot when no alert is open."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outage:
    """Something that does not work, and since when."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the registry said: its aliases, and which of the versions that are served by number it no longer has."""

    aliases: Aliases
    gone: tuple[Slot, ...]


class ModelWatch:
    """One round after another of the work above; `seen_at` is when the registry last answered (aware).

    Without `given` the champion of every model is served; `shadows` are the aliases whose versions are loaded beside.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        reader: AliasReader,
        loader: Loader,
        slots: Slots,
        *,
        given: Sequence[ModelUri] = (),
        shadows: Sequence[str] = (),
    ) -> None:
        self._database, self._store, self._reader, self._loader, self._slots = database, store, reader, loader, slots
        self._given, self._shadows = given, shadows
        self.hints, self.changed = Hints(), Condition()
        self.seen_at: datetime | None = None
        self.registry_problem: Outage | None = None
        self.database_problem: Outage | None = None
        self._agreement = Agreement(database)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read registry")
        self._reading: Future[Seen] | None = None
        self._read_at = self._versions_at = self._beat_at = float("-inf")
        self._held: list[Held] | None = None
        self._held_at = 0.0

    def run(self) -> None:
        """Rounds until the hints are stopped."""
        hinted: frozenset[str] | None = frozenset({"start"})
        while hinted is not None:
            try:
                self.round(read=bool(hinted - {"loaded", "read"}))
            except Exception:
                log.exception("a round of the watch over models failed; the next one follows")
                time.sleep(BEAT_SECONDS)
            hinted = self.hints.wait(self._pause(), 0)
        with suppress(Exception):
            self._agreement.leave()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._reader.close()

    def round(self, *, read: bool) -> None:
        """Collect what other threads have done, decide, and begin what is to be done; `read` asks the registry now."""
        seen = self._read(now=read)
        if seen is not None:
            for slot in seen.gone:
                self._slots.remove(slot)
            self._follow(seen.aliases)
        for slot in self._slots:
            self._collect(slot)
            self._want(slot)
        self._settle()
        for slot in self._slots:
            self._report(slot)
        with self.changed:
            self.changed.notify_all()

    def _pause(self) -> float:
        """Until something is to be done that no hint announces."""
        now = time.monotonic()
        waits = [self._read_at + self._reader.every_seconds - now, self._beat_at + BEAT_SECONDS - now]
        waits += [slot.at - now for slot in self._slots if slot.at is not None]
        if any(slot.next is not None and slot.at is None for slot in self._slots):
            waits.append(ASK_SECONDS if now - self._held_at < SLOW_AFTER_SECONDS else self._reader.every_seconds)
        return max(0.0, min(waits))

    # the registry ----------------------------------------------------------------------------------------------------

    def _read(self, *, now: bool) -> Seen | None:
        """What was read of the registry since the last round; another reading begins when that is due."""
        seen = None
        if self._reading is not None and self._reading.done():
            try:
                seen = self._reading.result()
            except Exception as error:  # noqa: BLE001  whatever it is: what is loaded is served on
                since = self.registry_problem.since if self.registry_problem else datetime.now(UTC)
                self.registry_problem = Outage(since, one_sentence(error))
            else:
                self.seen_at, self.registry_problem = datetime.now(UTC), None
            self._reading = None
        due = time.monotonic() - self._read_at >= self._reader.every_seconds
        if self._reading is None and (now or due):
            self._read_at = time.monotonic()
            self._reading = self._pool.submit(self._asked)
            self._reading.add_done_callback(lambda _: self.hints.give("read"))
        elif now:
            self._read_at = float("-inf")  # what is being read may be older than the hint
        return seen

    def _asked(self) -> Seen:
        gone: list[Slot] = []
        if time.monotonic() - self._versions_at >= VERSIONS_SECONDS:
            self._versions_at = time.monotonic()
            for slot in self._slots:
                if not slot.alias and slot.live is not None:
                    try:
                        same = resolve(self._store, slot.uri).created_at == slot.live.version.created_at
                    except ModelNotFound:
                        same = False
                    gone += [] if same else [slot]
        return Seen(self._reader.read(), tuple(gone))

    def _follow(self, aliases: Mapping[tuple[str, str], PointedVersion]) -> None:
        """Make slots for what is to be served, and let each know what its alias means now."""
        given = {(uri.name, uri.alias or CHAMPION) for uri in self._given if uri.version is None}
        served = given & aliases.keys() if self._given else {key for key in aliases if key[1] == CHAMPION}
        for name, alias in served:
            self._slots.add(name, alias, "served")
        for name, alias in {(name, shadow) for name, alias in served if alias == CHAMPION for shadow in self._shadows}:
            if (name, alias) in aliases:
                self._slots.add(name, alias, "shadow")
        for slot in self._slots:
            if slot.alias:
                self._point(slot, aliases.get((slot.name, slot.alias)))

    def _point(self, slot: Slot, pointed: PointedVersion | None) -> None:
        """Note what an alias means; one that was deleted is served for a while, and then no longer known."""
        if pointed is not None:
            slot.pointed, slot.gone_at = pointed, None
            return
        slot.gone_at = slot.gone_at or time.monotonic()
        if time.monotonic() - slot.gone_at > GRACE_SECONDS:
            self._slots.remove(slot)
            if slot.reported not in (None, NOTHING_WRONG):
                with self._asking_database():
                    report_loaded(self._database, slot.name, slot.alias)

    # loading ---------------------------------------------------------------------------------------------------------

    def _want(self, slot: Slot) -> None:
        """Begin to load what a slot should answer with, unless that is done, or failed a moment ago."""
        wanted, now = slot.wanted, time.monotonic()
        if wanted is None or slot.parked or slot.at is not None:  # a change that is agreed is made first
            return
        if is_version(slot.live, wanted):
            slot.next, slot.failure = None, None
            return
        failed = slot.failure is not None and slot.failure.pointed == wanted
        if failed and slot.failure is not None and now < slot.failure.retry_at:
            return
        if failed and slot.role == "asked" and slot.live is None:  # who asks for it again lets it be tried again
            if slot.failure is not None and now > slot.failure.retry_at + FORGET_SECONDS:
                self._slots.remove(slot)
            return
        if is_version(slot.next, wanted) or (slot.loading is not None and slot.loading[0] == wanted):
            return
        loaded = self._slots.loaded(wanted)
        if loaded is not None:
            self._take(slot, loaded)
            return
        slot.next = None
        slot.loading = (wanted, self._loader.begin(wanted))
        slot.loading[1].add_done_callback(lambda _: self.hints.give("loaded"))

    def _collect(self, slot: Slot) -> None:
        """Take what was loaded for a slot, or note why it was not."""
        if slot.loading is None or not slot.loading[1].done():
            return
        (pointed, loading), slot.loading = slot.loading, None
        if pointed != slot.wanted:
            return
        try:
            self._take(slot, loading.result())
        except MlopsError as error:
            self._fail(slot, pointed, error)

    def _take(self, slot: Slot, model: LiveModel) -> None:
        """Let a model answer next: for an alias when that is agreed, for the number of a version at once."""
        slot.next = model
        if not slot.alias:
            slot.at = time.monotonic()
            slot.switch()
        self._slots.make_room(slot)

    def _fail(self, slot: Slot, pointed: PointedVersion, error: MlopsError) -> None:
        """Note a failure, and look for what else may answer where nothing does."""
        if pointed == slot.instead:
            slot.instead = None
            return
        before = slot.failure if slot.failure is not None and slot.failure.pointed == pointed else None
        away = isinstance(error, DatabaseUnavailable)
        attempts = (before.attempts if before else 0) + (not away)
        pause = AWAY_SECONDS if away else PAUSES_SECONDS[min(attempts, len(PAUSES_SECONDS)) - 1]
        since = before.since if before else datetime.now(UTC)
        slot.failure = FailedLoad(pointed, error, since, attempts, time.monotonic() + pause, away)
        if slot.live is None and slot.alias and not away:
            self._fall_back(slot, pointed)

    def _fall_back(self, slot: Slot, pointed: PointedVersion) -> None:
        with self._asking_database():
            slot.instead = self._agreement.fallback(pointed)

    # swapping --------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Tell others what this process has, hear when a next version takes over, and make changes that are due."""
        slots = [slot for slot in self._slots if slot.alias and slot.models]
        held = [Held(slot.alias, _number(slot.live), _number(slot.next)) for slot in slots]
        if held != self._held or any(slot.next is not None and slot.at is None for slot in slots):
            with self._asking_database():
                changes = self._agreement.settle(held)
                if held != self._held:
                    self._held, self._held_at = held, time.monotonic()
                self._beat_at = time.monotonic()
                for change in changes:
                    for slot in slots:
                        if slot.alias == change.alias and _number(slot.next) == change.next_id:
                            self._change(slot, change)
        elif time.monotonic() - self._beat_at >= BEAT_SECONDS:
            with self._asking_database():
                self._beat_at = time.monotonic()
                if not self._agreement.beat():
                    self._held = None
        if [slot for slot in slots if slot.switch()]:
            self.hints.give("loaded")  # others are told in the next round

    def _change(self, slot: Slot, change: AgreedChange) -> None:
        """Set the time of a change that is agreed; who has not answered yet takes what others answer with."""
        if change.seconds is not None:
            slot.at = time.monotonic() + change.seconds
        elif slot.live is None and change.waits_for is not None and slot.pointed is not None:
            self._fall_back(slot, slot.pointed)

    # telling ---------------------------------------------------------------------------------------------------------

    def _report(self, slot: Slot) -> None:
        """Open or resolve the alert about what is to be served, where that is not done."""
        failure = slot.failure
        if not slot.alias or slot.role == "asked":
            return
        if failure is not None and not failure.away and failure.pointed == slot.pointed:
            answering = slot.live.version.version if slot.live is not None else None
            report = (failure.pointed.version, str(failure.error), answering)
            if slot.reported != report:
                with self._asking_database():
                    report_not_loaded(self._database, failure.pointed, one_line(str(failure.error)), answering)
                    slot.reported = report
        elif is_version(slot.live, slot.pointed) and slot.reported != NOTHING_WRONG:
            with self._asking_database():
                report_loaded(self._database, slot.name, slot.alias)
                slot.reported = NOTHING_WRONG

    @contextmanager
    def _asking_database(self) -> Iterator[None]:
        """What fails because the database does not answer is left for a later round."""
        try:
            yield
        except Exception as error:
            known = explained(error)
            if not isinstance(known, DatabaseUnavailable):
                raise
            since = self.database_problem.since if self.database_problem else datetime.now(UTC)
            self.database_problem = Outage(since, str(known))
        else:
            self.database_problem = None


def _number(model: LiveModel | None) -> int | None:
    return None if model is None else model.version_id
