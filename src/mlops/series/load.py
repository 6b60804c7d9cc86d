"""All batches of a file into Postgres: each in a transaction of its own, or all in one."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from itertools import count

from mlops.db import Database
from mlops.db.retry import retrying
from mlops.parallel import ahead
from mlops.series.diff import ChangeSet
from mlops.series.parsing.external_sort import RunFile
from mlops.series.store import KnownSeries, Months, prepare, store

__all__ = ["Load", "Stored"]

ATTEMPTS = 12
"""Whoever loses races that often waits for something else. Chosen, not measured."""
SIDE_BY_SIDE = 2
"""Batches that are stored at once: each is a connection, and a processor of the server."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of rows that can be taken; `attached` months were loaded alone.

    Of the inserted ones `backdated` became known when their period ended, the last at `backdated_until` (naive UTC),
    and `late` ones became known now although that was long ago.
    """

    inserted: int = 0
    corrected: int = 0
    backdated: int = 0
    backdated_until: datetime | None = None
    late: int = 0
    attached: int = 0

    @classmethod
    def of(cls, counts: tuple[int, int], changes: ChangeSet) -> "Stored":
        """What was inserted and corrected of a batch, and when that became known."""
        inserted, corrected = counts
        last = changes.backdated_until
        until = None if last is None else last.astype("datetime64[us]").item()
        return cls(inserted, corrected, min(changes.backdated, inserted), until, min(changes.late, inserted))

    def __add__(self, other: "Stored") -> "Stored":
        untils = [until for until in (self.backdated_until, other.backdated_until) if until is not None]
        return Stored(
            self.inserted + other.inserted,
            self.corrected + other.corrected,
            self.backdated + other.backdated,
            max(untils, default=None),
            self.late + other.late,
            self.attached + other.attached,
        )


@dataclass(frozen=True, slots=True)
class _DonePart:
    """A batch of a file that was stored before an interruption."""

    part_sha256: str
    inserted: int
    corrected: int
    backdated: int
    backdated_until: datetime | None
    late: int

    @property
    def stored(self) -> Stored:
        return Stored(self.inserted, self.corrected, self.backdated, self.backdated_until, self.late)


@dataclass(frozen=True, slots=True)
class Load:
    """Batches of whole series and what is known of these, among it which of them are replayed.

    What they bring is recorded after `began`, by the clock of the server.
    """

    database: Database
    batches: RunFile
    known: KnownSeries
    began: datetime

    def in_parts(self, sha256: str, report: Callable[[int], None]) -> Stored:
        """Store each batch by itself, two at a time; those that were stored before an interruption are passed over."""
        with self.database.transaction() as transaction:
            parts = transaction.rows("ingest_done_parts", of=_DonePart, sha256=sha256)
        done = {part.part_sha256: part.stored for part in parts}
        store_part = partial(self._part, sha256, done, Months(self.database))
        return _summed(ahead(store_part, range(len(self.batches)), SIDE_BY_SIDE), report)

    def at_once(self, report: Callable[[int], None]) -> Stored:
        """Store all in one transaction, which loads months that have no partition yet alone and attaches them whole."""
        attempts = count()

        def prepared(known: KnownSeries, number: int) -> tuple[int, ChangeSet]:
            rows = self.batches.get(number)
            return len(rows), prepare(self.database, rows, known)

        def attempt() -> Stored:
            contested = next(attempts) > 0
            known = self.known.by_now() if contested else self.known
            with self.database.transaction() as transaction:
                months = Months(self.database, alone=True)
                batches = ahead(partial(prepared, known), range(len(self.batches)))
                parts = (
                    (rows, Stored.of(store(transaction, self.database, changes, months, contested=contested), changes))
                    for rows, changes in batches
                )
                return _summed(parts, report) + Stored(attached=months.attach(transaction))

        return retrying(attempt, times=ATTEMPTS, duplicates=True)

    def _part(self, sha256: str, done: dict[str, Stored], months: Months, number: int) -> tuple[int, Stored]:
        rows = self.batches.get(number)
        name = hashlib.sha256(rows.tobytes()).hexdigest()
        if name in done:
            return len(rows), done[name]
        attempts = count()

        def attempt() -> Stored:
            # whoever loses a race looks again at what is stored by now, and then lets others go first
            contested = next(attempts) > 0
            changes = prepare(self.database, rows, self.known.by_now() if contested else self.known)
            with self.database.transaction() as transaction:
                stored = Stored.of(store(transaction, self.database, changes, months, contested=contested), changes)
                if len(self.batches) > 1:
                    counts = {field: count for field, count in asdict(stored).items() if field != "attached"}
                    transaction.run(
                        "ingest_part_done", sha256=sha256, part_sha256=name, stored_from=self.began, **counts
                    )
            return stored

        return len(rows), retrying(attempt, times=ATTEMPTS, duplicates=True)


def _summed(parts: Iterable[tuple[int, Stored]], report: Callable[[int], None]) -> Stored:
    rows, total = 0, Stored()
    for part, stored in parts:
        rows, total = rows + part, total + stored
        report(rows)
    return total
