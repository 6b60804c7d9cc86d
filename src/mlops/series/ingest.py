"""Files in: read, check, store once. A refused or interrupted file leaves no observation behind."""

import hashlib
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pandas as pd

from mlops.db import Database, Transaction
from mlops.db.retry import retrying
from mlops.domain.series import IngestReport, RefusedRow
from mlops.errors import BadInput
from mlops.series.adapters import adapter as adapter_named
from mlops.series.adapters import locate
from mlops.series.arrivals import Arrivals, make_partitions, rescore, store
from mlops.series.validate import Rules

__all__ = ["IngestReport", "KnownAt", "OnError", "ingest"]

OnError = Literal["refuse", "quarantine"]
KnownAt = Literal["now", "observed"]
Progress = Callable[[int], None]

MONTHS_AHEAD = 24
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file, and how it is to be taken."""

    path: Path
    sha256: str
    adapter: str
    by: str | None
    on_error: OnError
    timezone: str | None
    known_at: KnownAt
    started_at: datetime

    @property
    def source(self) -> str:
        """The file as messages and tables name it."""
        return str(self.path)


def ingest(
    database: Database,
    path: Path | str,
    *,
    adapter: str = "long",
    on_error: OnError = "refuse",
    timezone: str | None = None,
    known_at: KnownAt = "now",
    by: str | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Store the observations of a file, once: the same file again changes nothing.

    A row that can't be taken refuses the whole file, or with `on_error="quarantine"` only itself. What differs from a
    stored observation corrects it, and the old value is kept as a revision. `known_at="observed"` says that every new
    observation became known when its period ended, for histories that are to be replayed. `timezone` is the zone of
    stamps that name none, `by` a grouping that the adapter offers; `progress` is told how many rows were read.
    Quality is scored here, unless the file brings scores of its own for a series: those stand until a file without
    scores touches that series.
    """
    adapter_named(adapter)
    file = locate(path, adapter)
    now = datetime.now(UTC)
    delivery = Delivery(file, _sha256(file), adapter, by, on_error, _zone(timezone), known_at, now)
    try:
        return retrying(lambda: _attempt(database, delivery, progress))
    except BadInput as error:
        _record_unread(database, delivery, error)
        raise


def _attempt(database: Database, delivery: Delivery, progress: Progress | None) -> IngestReport:
    with database.transaction() as transaction:
        arrivals = Arrivals(transaction, delivery.source)
        chunks = adapter_named(delivery.adapter)(delivery.path, by=delivery.by)
        arrivals.take(chunks, _rules(transaction, delivery), progress)
        if arrivals.read == 0:
            raise BadInput("holds no rows, only a header; send a file with observations", where=delivery.source)
        arrivals.settle_repeated()
        inserted = corrected = 0
        if arrivals.good and not (arrivals.refused and delivery.on_error == "refuse"):
            make_partitions(database, arrivals.months)
            inserted, corrected = store(transaction, arrivals, delivery.known_at)
            rescore(transaction)
        return _record(transaction, delivery, arrivals, inserted, corrected)


def _rules(transaction: Transaction, delivery: Delivery) -> Rules:
    bounds = {row["name"]: (row["low"], row["high"]) for row in transaction.rows("ingest_bounds")}
    latest = pd.Timestamp(delivery.started_at).tz_localize(None) + pd.DateOffset(months=MONTHS_AHEAD)
    return Rules(bounds, latest.to_datetime64().astype("datetime64[us]"), delivery.timezone)


def _record(
    transaction: Transaction, delivery: Delivery, arrivals: Arrivals, inserted: int, corrected: int
) -> IngestReport:
    status = _status(arrivals, delivery.on_error)
    counts = {
        "read": arrivals.read,
        "inserted": inserted,
        "corrected": corrected,
        "unchanged": 0 if status == "refused" else arrivals.read - arrivals.refused - inserted - corrected,
        "refused": arrivals.refused,
    }
    reasons = _first_refused(transaction, delivery) if arrivals.refused else ()
    transaction.run("ingest_keep_refused", sha256=delivery.sha256, source=delivery.source)
    batch = _record_batch(transaction, delivery, status, counts)
    seconds = (datetime.now(UTC) - delivery.started_at).total_seconds()
    return IngestReport(
        batch_id=batch,
        source=delivery.source,
        status=status,
        reasons=reasons,
        notes=arrivals.notes,
        seconds=seconds,
        **counts,
    )


def _status(arrivals: Arrivals, on_error: OnError) -> Literal["stored", "partly stored", "refused"]:
    if arrivals.refused == 0:
        return "stored"
    return "partly stored" if on_error == "quarantine" and arrivals.good else "refused"


def _first_refused(transaction: Transaction, delivery: Delivery) -> tuple[RefusedRow, ...]:
    rows = transaction.rows("ingest_first_refused", most=SHOWN)
    return tuple(
        RefusedRow(delivery.source, row["line"], row["column_name"], row["found"], row["reason"]) for row in rows
    )


def _record_batch(transaction: Transaction, delivery: Delivery, status: str, counts: dict[str, int]) -> int:
    batch: int = transaction.value(
        "ingest_batch",
        source=delivery.source,
        adapter=delivery.adapter,
        sha256=delivery.sha256,
        started_at=delivery.started_at,
        status=status,
        **counts,
    )
    return batch


def _record_unread(database: Database, delivery: Delivery, error: BadInput) -> None:
    """A file that could not be read leaves its reason."""
    counts = dict.fromkeys(("read", "inserted", "corrected", "unchanged", "refused"), 0)
    with database.transaction() as transaction:
        transaction.run(
            "ingest_refuse_file",
            sha256=delivery.sha256,
            line=error.line or 0,
            reason=str(error),
            source=delivery.source,
        )
        _record_batch(transaction, delivery, "refused", counts)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"can't be opened: {error.strerror}", where=str(path)) from error


def _zone(name: str | None) -> str | None:
    try:
        return name if name is None else zoneinfo.ZoneInfo(name).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(f"{name!r} is not a time zone; write it like Pacific/Auckland or UTC") from error
