"""The log of answered requests: taken in microseconds, written to Postgres in batches by a thread of its own.

While Postgres is away, or does not answer, records go to disk; what was asked to be durable goes there first. When
there is no room anywhere, records are lost, and every one is counted, also those that a killed process had in memory.
"""

import logging
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from mlops.db import Database
from mlops.db.failures import explained, is_of_the_data, one_sentence
from mlops.errors import MlopsError, Refused
from mlops.policy import LogPolicy
from mlops.serving.log.forecasts import AnsweredForecasts
from mlops.serving.log.kept import KeptRequest, kept, packed, unpacked
from mlops.serving.log.ledger import ENDING, Ledger
from mlops.serving.log.record import ScoringRecord
from mlops.serving.log.spool import Frame, Spool, SpoolSegment, encoded, segments_in
from mlops.serving.log.store import moment_of, store_requests

__all__ = ["LogCounts", "PostgresLog", "open_request_log"]

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.2
"""For how long records are gathered before they are written: a tenth of what is promised until they are visible."""
AGAIN_SECONDS = 1.0
"""Between two attempts while Postgres is away. Chosen, not measured."""
LOOK_SECONDS = 5.0
"""Between two looks for what dead workers have left. Chosen, not measured."""
STUCK_SECONDS = 5.0
"""After which a batch that Postgres has not answered is not waited for: what comes after it goes to disk. Chosen."""
CLOSE_SECONDS = 10.0
"""For which the end of a server waits for its last batch. Chosen, not measured."""
MOST_ROWS, MOST_BYTES = 2_000, 8 << 20
"""Of a batch. Chosen, not measured."""
SLICE = 32
"""Records that are prepared at a stretch, some 300 µs, before other threads (the event loop) have their turn."""
OVERHEAD = 1_500
"""Bytes that a waiting record takes beside its bodies, measured by tracemalloc."""


Held = tuple[int, KeptRequest]
"""A record in memory, and how many bytes it counts for."""


@dataclass(frozen=True, slots=True)
class LogCounts:
    """What became of records since this log was opened.

    `taken` into memory or, as `durable`, to disk; of all of them `stored` rows are new, `repeated` were in the log by
    their id already. `spooled` were moved to disk meanwhile; `lost` (with those of dead workers that were found)
    and `refused` (by the database, in any form) are not in it. `waiting` are in memory, `spool_mb` on disk. `away` says
    why Postgres can't be written to, and is empty when it can.
    """

    taken: int
    durable: int
    stored: int
    repeated: int
    spooled: int
    lost: int
    refused: int
    waiting: int
    waiting_mb: float
    spool_mb: float
    away: str


def open_request_log(database: Database | str, folder: Path, policy: LogPolicy) -> "PostgresLog":
    """The log of a server, to be closed; `folder` is shared with the other workers of this machine.

    The database (or its address) may be away.
    """
    return PostgresLog(Database(database) if isinstance(database, str) else database, folder, policy)


class PostgresLog:
    """A `RequestLog` that writes to `analytics.scoring_requests`."""

    def __init__(self, database: Database, folder: Path, policy: LogPolicy) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.worker = uuid4().hex
        self._database, self._folder, self._policy = database, folder, policy
        self._ledger = Ledger.new(folder, self.worker)
        self._ledger.handled_until = time.time_ns() // 1000
        self._spool = Spool(folder, self.worker, int(policy.spool_mb * 2**20))
        self._most_bytes = int(policy.memory_mb * 2**20)
        self._lock, self._to_disk_lock = threading.Lock(), threading.Lock()
        self._queue: list[ScoringRecord] = []
        self._held: list[Held] = []
        """What neither Postgres nor the disk takes at the moment."""
        self._moving: list[Held] = []
        """What is being stored."""
        self._bytes = 0
        self._durable = self._stored = self._repeated = self._died = 0
        self._forecasts = AnsweredForecasts()
        self._away, self._again_at, self._look_at = "", 0.0, 0.0
        self._storing_since, self._attempted = 0.0, 0
        self._awake, self._closing = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"request-log-{what}", daemon=True)
            for what, work in (("store", self._store_all), ("spare", self._spare))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def accepts(self) -> bool:
        """Whether there is room for more."""
        return self._bytes < self._most_bytes

    def append(self, record: ScoringRecord) -> bool:
        """Take a record without waiting; False (and counted) when there is no room."""
        size = len(record.inputs) + len(record.outputs) + len(record.context) + OVERHEAD
        ledger, answered = self._ledger, int(record.requested_at * 1e6 + record.milliseconds * 1e3)
        with self._lock:
            if self._bytes + size > self._most_bytes or self._closing.is_set():
                ledger.lost += 1
                ledger.lost_since = ledger.lost_since or answered
                ledger.last = answered
                return False
            self._bytes += size
            self._queue.append(record)
            ledger.taken += 1
            ledger.last = answered
            first = len(self._queue) == 1
        if first:
            self._awake.set()
        return True

    def durable(self, record: ScoringRecord) -> None:
        """Take a record; it is on disk when this returns. Raises Refused when the disk takes nothing."""
        try:
            self._spool.write([Frame(packed(kept(record, self._policy)))])
        except OSError as error:
            raise explained(error) or Refused(one_sentence(error)) from error
        with self._lock:
            self._durable += 1
        self._awake.set()

    def counts(self) -> LogCounts:
        """What became of records so far."""
        ledger = self._ledger
        with self._lock:
            return LogCounts(
                ledger.taken + self._durable,
                self._durable,
                self._stored,
                self._repeated,
                ledger.spooled,
                ledger.lost + self._died,
                ledger.refused,
                ledger.taken - ledger.handled - ledger.spooled,
                self._bytes / 2**20,
                (self._spool.bytes + self._spool.theirs) / 2**20,
                self._away,
            )

    def close(self) -> None:
        """Store what waits, or move it to disk; nothing is taken any more."""
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
        self._awake.set()
        storing, spare = self._threads
        storing.join(CLOSE_SECONDS)
        spare.join()
        stuck = storing.is_alive()
        if stuck:  # what Postgres has not answered is on disk, too, before we go
            self._move_to_disk(list(self._moving) + self._taken())
        self._spool.turn()
        if not stuck:
            self._close_ledger()
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _close_ledger(self) -> None:
        """Settle our own account, or leave that to whoever comes next."""
        ledger, settled = self._ledger, False
        if not self._spool.full and ledger.taken == ledger.handled + ledger.spooled:
            with suppress(Exception):  # Postgres is away
                settled = not (ledger.taken or ledger.lost) or self._settled(ledger)
        ledger.close(settled=settled)

    # the thread that stores

    def _store_all(self) -> None:
        while not self._closing.is_set():
            self._awake.wait(AGAIN_SECONDS)
            self._closing.wait(GATHER_SECONDS)
            self._awake.clear()
            try:
                self._store_waiting()
            except Exception:
                log.exception("the log of requests goes on")

    def _store_waiting(self) -> None:
        """Store what is in memory, and then what is on disk; while Postgres is away, move the one to the other."""
        now, last = time.monotonic(), self._closing.is_set()
        self._moving, taken_at = self._taken(), time.time_ns() // 1000
        try:
            if self._away and now < self._again_at and not last:
                raise StillAwayError
            self._spool.turn()
            if not (self._moving or self._spool.full or now >= self._look_at):
                return
            self._storing_since = now
            self._store_memory()
            self._ledger.handled_until = taken_at
            for segment in list(self._spool.full):
                self._store_segment(segment)
                self._spool.remove(segment)
            if now >= self._look_at:
                self._take_over()
                self._look_at = now + LOOK_SECONDS
            self._record_gaps(self._ledger)
            if self._away:
                log.warning("requests are stored again")
                self._away = ""
        except Exception as error:  # noqa: BLE001  whatever Postgres has: the thread goes on
            self._be_away(error)
            self._ledger.moved_handled = self._attempted
            self._move_to_disk(self._moving)
        finally:
            self._storing_since, self._moving = 0.0, []

    def _store_memory(self) -> None:
        """Batch by batch; what is stored leaves `_moving`."""
        while self._moving:
            batch, size = list[Held](), 0
            for held in self._moving[:MOST_ROWS]:
                batch.append(held)
                size += held[0]
                if size > MOST_BYTES:
                    break
            self._store([row for _, row in batch], ours=True)
            del self._moving[: len(batch)]
            with self._lock:
                self._bytes -= size

    def _store_segment(self, segment: SpoolSegment) -> int:
        """Store what is in a segment; the highest number in it."""
        frames = segment.frames()
        for begin in range(0, len(frames), MOST_ROWS):
            self._store([unpacked(frame.data) for frame in frames[begin : begin + MOST_ROWS]], ours=False)
        return max((frame.number for frame in frames), default=0)

    def _store(self, rows: Sequence[KeptRequest], *, ours: bool, with_forecasts: bool = True) -> None:
        """Store rows, and keep on disk those that the database never takes; `ours` are counted in the ledger."""
        ledger = self._ledger
        handled = ledger.handled + len(rows) if ours else None
        self._storing_since, self._attempted = time.monotonic(), handled or self._attempted
        try:
            forecasts = self._forecasts if with_forecasts else None
            new = store_requests(self._database, rows, forecasts=forecasts, worker=self.worker, handled=handled)
            with self._lock:
                self._stored += new
                self._repeated += len(rows) - new
        except Exception as error:
            if not (is_of_the_data(error) or isinstance(error, TypeError | ValueError | OverflowError | struct.error)):
                raise
            if len(rows) > 1:
                half = len(rows) // 2
                self._store(rows[:half], ours=ours)
                self._store(rows[half:], ours=ours)
                return
            if with_forecasts and self._forecasts.among(rows):  # these may be to blame, and not the request
                log.warning("forecasts of request %s are not stored: %s", rows[0].request_id, one_sentence(error))
                self._store(rows, ours=ours, with_forecasts=False)
                return
            self._refuse(rows[0], error)
        if handled is not None:
            ledger.handled = handled

    def _refuse(self, row: KeptRequest, error: Exception) -> None:
        path = self._folder / f"{self.worker}.refused"
        with path.open("ab") as file:
            file.write(encoded(Frame(packed(row))))
        self._ledger.refused += 1
        self._ledger.refused_since = self._ledger.refused_since or row.requested_us
        log.error("request %s is not in the log: %s; it is kept in %s", row.request_id, one_sentence(error), path)

    def _be_away(self, error: Exception) -> None:
        if isinstance(error, StillAwayError):
            return
        reason = str(explained(error) or one_sentence(error))
        if not self._away:
            log.warning("requests can't be stored and go to disk: %s", reason, exc_info=explained(error) is None)
        self._away, self._again_at = reason, time.monotonic() + AGAIN_SECONDS

    # what dead workers have left

    def _take_over(self) -> None:
        """Store the segments of workers that died, and record how many requests each has lost."""
        segments = [segment for segment in segments_in(self._folder) if segment.worker != self.worker]
        self._spool.theirs = sum(segment.size for segment in segments)
        ledgers = {path.name.removesuffix(ENDING) for path in self._folder.glob(f"*{ENDING}")}
        for worker in sorted({segment.worker for segment in segments} | ledgers - {self.worker}):
            ledger = Ledger.of_dead(self._folder, worker)
            if ledger is None:
                continue
            settled = False
            try:
                for segment in segments_in(self._folder, worker):
                    ledger.spooled = max(ledger.spooled, self._store_segment(segment))
                    segment.path.unlink()
                settled = self._settled(ledger)
            finally:
                ledger.close(settled=settled)

    def _settled(self, ledger: Ledger) -> bool:
        """Record what a worker has lost; its segments are stored."""
        self._record_gaps(ledger)
        with self._database.transaction() as transaction:
            committed = transaction.value("handled_by_worker", worker=ledger.worker) or 0
            handled = ledger.handled if committed == ledger.moved_handled else max(committed, ledger.handled)
            lost = max(0, ledger.taken - handled - ledger.spooled)
            transaction.run(
                "settle_worker",
                worker=ledger.worker,
                began_at=moment_of(min(ledger.handled_until, ledger.last)),
                ended_at=moment_of(ledger.last),
                requests=lost,
            )
        if lost:
            log.error("%d answered requests are not in the log: worker %s was killed", lost, ledger.worker)
            with self._lock:
                self._died += lost
        return True

    def _record_gaps(self, ledger: Ledger) -> None:
        """Record losses that are not recorded yet."""
        gaps = (
            ("full", ledger.lost_recorded, ledger.lost, ledger.lost_since),
            ("refused", ledger.refused_recorded, ledger.refused, ledger.refused_since),
        )
        for reason, recorded, lost, since in gaps:
            if lost == recorded:
                continue
            with self._database.transaction() as transaction:
                transaction.run(
                    "record_scoring_gap",
                    worker=ledger.worker,
                    reason=reason,
                    number=recorded,
                    began_at=moment_of(since),
                    ended_at=moment_of(max(since, ledger.last)),
                    requests=lost - recorded,
                )
            if reason == "full":
                ledger.lost_recorded, ledger.lost_since = lost, 0
            else:
                ledger.refused_recorded, ledger.refused_since = lost, 0

    # memory, and from there to disk

    def _taken(self) -> list[Held]:
        """Everything that is in memory, as it is to be stored."""
        with self._lock:
            held, self._held = self._held, []
            records, self._queue = self._queue, []
        for begin in range(0, len(records), SLICE):
            for record in records[begin : begin + SLICE]:
                size = len(record.inputs) + len(record.outputs) + len(record.context) + OVERHEAD
                held.append((size, kept(record, self._policy)))
            time.sleep(0)  # whoever waits for the interpreter has it now
        return held

    def _move_to_disk(self, waiting: Sequence[Held]) -> None:
        """Write records to disk; what it does not take stays in memory."""
        rest = list(waiting)
        with self._to_disk_lock:
            try:
                while rest:
                    batch = rest[:MOST_ROWS]
                    numbers = range(self._ledger.spooled + 1, self._ledger.spooled + 1 + len(batch))
                    rows = zip((row for _, row in batch), numbers, strict=True)
                    self._spool.write([Frame(packed(row), number) for row, number in rows])
                    self._ledger.spooled += len(batch)
                    del rest[: len(batch)]
                    with self._lock:
                        self._bytes -= sum(size for size, _ in batch)
            except (OSError, MlopsError) as error:
                log.warning("requests wait in memory: %s", explained(error) or one_sentence(error))
        with self._lock:
            self._held = rest + self._held

    def _spare(self) -> None:
        """While Postgres leaves the other thread without an answer, move to disk what comes in."""
        while not self._closing.wait(AGAIN_SECONDS):
            since = self._storing_since
            if since and time.monotonic() - since > STUCK_SECONDS:
                self._away = self._away or "the database server does not answer"
                self._move_to_disk(self._taken())


class StillAwayError(Exception):
    """Postgres was away a moment ago and is not tried again yet."""
