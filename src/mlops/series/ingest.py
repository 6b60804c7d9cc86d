"""Files in: read, check, store exactly once; a refused file leaves no observation, an interrupted one goes on."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pandas as pd

from mlops.db import Database, Transaction
from mlops.domain.metric_types import MetricType
from mlops.domain.series import IngestReport, RefusedRow
from mlops.errors import BadInput
from mlops.panels.timestamps import zone_of
from mlops.series.adapters import AUTO, locate, recognised
from mlops.series.adapters import adapter as adapter_named
from mlops.series.arrivals import Arrivals
from mlops.series.columns import Stamp
from mlops.series.diff import LATE
from mlops.series.load import Load, Stored
from mlops.series.plain import as_long
from mlops.series.steps import Clock
from mlops.series.store import KnownAt, clocks_of, know
from mlops.series.validate import Rules

__all__ = ["IngestReport", "KnownAt", "OnError", "Progress", "ingest"]

OnError = Literal["refuse", "quarantine"]
Progress = Callable[[str, int, int | None], None]
"""Is told what is done, how many rows of it, and of how many if that is known."""

MONTHS_AHEAD = 24


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file, and how it is to be taken."""

    path: Path
    sha256: str
    adapter: str
    by: str | None
    on_error: OnError
    timezone: str | None
    stamp: Stamp
    known_at: KnownAt
    backfill: bool
    metric_type: str | None
    granularity: str | None
    spool: Path | None
    started_at: datetime
    progress: Progress

    @property
    def source(self) -> str:
        """The file as messages and tables name it."""
        return str(self.path)


def ingest(
    database: Database,
    path: Path | str,
    *,
    adapter: str = AUTO,
    on_error: OnError = "refuse",
    timezone: str | None = None,
    stamp: Stamp = "begin",
    known_at: KnownAt = "auto",
    by: str | None = None,
    backfill: bool = False,
    metric_type: str | None = None,
    granularity: str | None = None,
    spool: Path | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Store the observations of a file, once: the same file again changes nothing.

    The file is in the long format, or a plain one (`series_id, ds, y`), whose series get their id as the label
    `series`. `metric_type` and `granularity` are those of a file without a column that says so (of one that names
    metric types only the rows of that one are stored, and rows that name none are refused); the granularity is inferred
    of a plain file.

    A row that can't be taken refuses the whole file, or with `on_error="quarantine"` only itself. What differs from a
    stored observation corrects it, which becomes known now, and the old value is kept as a revision.

    New observations become known now, but those of the first file of a series, whose period is over, when that ended:
    they are its history. `known_at="now"` says that also they become known now; `"observed"` that all new observations
    became known when their period ended. `timezone` is the zone of series, and so of stamps without an offset, for
    which the file names none; `stamp="end"` says that times name the end of their steps, as those of pandas'
    `resample("W")` do. `by` is a grouping that the adapter offers.

    A file is stored in transactions of about 160,000 rows, and an interrupted one goes on after the last of them when
    it is sent again. `backfill` makes it one transaction instead, in which months that have no partition yet are
    loaded alone and attached whole, which is the fastest way in. The checked rows wait in nameless files in the folder
    `spool` (None: the system's for temporary files). `progress` is told how far it is.

    Quality and anomalies are scored here, unless the file brings scores of its own for a series: those stand until a
    file without scores touches that series.
    """
    if adapter != AUTO:
        adapter_named(adapter)
    file = locate(path, adapter)
    if adapter == AUTO:
        adapter = recognised(file)
    delivery = Delivery(
        file, _sha256(file), adapter, by, on_error, _zone(timezone), stamp, known_at,
        backfill, metric_type, granularity, spool, datetime.now(UTC), progress or (lambda *_: None),
    )  # fmt: skip
    if spool is not None:
        spool.mkdir(parents=True, exist_ok=True)
    with Arrivals(delivery.source, spool) as arrivals:
        try:
            metrics, clocks = _read(database, delivery, arrivals)
        except BadInput as error:
            _record_unread(database, delivery, error)
            raise
        refused = arrivals.refusals.rows and on_error == "refuse"
        load = None if refused or not arrivals.good else _load(database, delivery, arrivals, metrics, clocks)
        return _record(database, delivery, arrivals, load, _store(load, delivery, arrivals) if load else Stored())


def _read(
    database: Database, delivery: Delivery, arrivals: Arrivals
) -> tuple[dict[str, MetricType], list[Clock] | None]:
    """Check all rows; the declared metric types, and the clocks of the series where they matter."""
    with database.transaction() as transaction:
        metrics = {row["name"]: MetricType(**row) for row in transaction.rows("metric_types")}
        closed = {row["month"]: row["path"] for row in transaction.rows("archived_observation_months")}
        zones = [row["time_zone"] for row in transaction.rows("series_zones")]
    latest = pd.Timestamp(delivery.started_at).tz_localize(None) + pd.DateOffset(months=MONTHS_AHEAD)
    rules = Rules.of(metrics.values(), latest.to_datetime64(), closed, delivery.timezone, delivery.stamp, zones)
    chunks = as_long(
        iter(adapter_named(delivery.adapter)(delivery.path, by=delivery.by)),
        delivery.source,
        metric_type=delivery.metric_type,
        granularity=delivery.granularity,
        known=sorted(metrics),
    )
    arrivals.take(chunks, rules, lambda rows: delivery.progress("reading", rows, None))
    if arrivals.read == 0:
        raise BadInput("holds no rows, only a header; send a file with observations", where=delivery.source)
    with database.transaction() as transaction:
        clocks = clocks_of(transaction, arrivals.series)
    arrivals.settle(clocks)
    return metrics, clocks


def _load(
    database: Database,
    delivery: Delivery,
    arrivals: Arrivals,
    metrics: dict[str, MetricType],
    clocks: list[Clock] | None,
) -> Load:
    with database.transaction() as transaction:
        began = transaction.value("now")
        known = know(transaction, arrivals.series, metrics, clocks, sha256=delivery.sha256, known_at=delivery.known_at)
    return Load(database, arrivals.batches, known, began)


def _store(load: Load, delivery: Delivery, arrivals: Arrivals) -> Stored:
    def tell(rows: int) -> None:
        delivery.progress("storing", rows, arrivals.good)

    return load.at_once(tell) if delivery.backfill else load.in_parts(delivery.sha256, tell)


def _record(
    database: Database, delivery: Delivery, arrivals: Arrivals, load: Load | None, stored: Stored
) -> IngestReport:
    status, refused = _status(arrivals, delivery.on_error), arrivals.refusals.rows
    counts = {
        "read": arrivals.read,
        "inserted": stored.inserted,
        "corrected": stored.corrected,
        "unchanged": 0 if status == "refused" else arrivals.read - refused - stored.inserted - stored.corrected,
        "refused": refused,
    }
    with database.transaction() as transaction:
        if refused:
            _keep_refused(transaction, delivery, arrivals)
        batch = _record_batch(transaction, delivery, status, counts, load, stored.backdated)
        transaction.run("ingest_forget_parts", sha256=delivery.sha256)
        transaction.run("first_ingest_done", sha256=delivery.sha256)
        retention = transaction.rows("observations_kept_from")[0]
    return IngestReport(
        batch_id=batch,
        source=delivery.source,
        status=status,
        reasons=_first_refused(arrivals, delivery),
        kinds=arrivals.refusals.kinds,
        notes=arrivals.notes
        + _dated(stored, delivery.known_at, counts, arrivals.metric_types)
        + _leaving(stored, **retention),
        attached=stored.attached,
        backdated=stored.backdated,
        backdated_until=stored.backdated_until and stored.backdated_until.replace(tzinfo=UTC),
        late=stored.late,
        seconds=(datetime.now(UTC) - delivery.started_at).total_seconds(),
        **counts,
    )


def _leaving(stored: Stored, kept_from: datetime | None, keep_months: int | None) -> tuple[str, ...]:
    """What the next maintenance does with a history that ended before the months that the database keeps."""
    last = stored.backdated_until
    if kept_from is None or last is None or last.replace(tzinfo=UTC) > kept_from:
        return ()
    return (
        f"all of that is older than the {keep_months} months before the newest data that the database keeps: `mlops db"
        " maintain` moves it to archive files, where monitoring and SQL do not see it; to keep it: mlops db retention"
        " time_series_metrics --for-ever",
    )


def _dated(stored: Stored, known_at: KnownAt, counts: dict[str, int], metric_types: Sequence[str]) -> tuple[str, ...]:
    """When the new rows became known, where that is not now, or may not be what was meant."""
    found = []
    if stored.backdated and stored.backdated_until is not None:
        why = ", being the first of their series (--known-at now: all became known now)" if known_at == "auto" else ""
        found.append(
            f"{stored.backdated:,} new rows count as known since their period ended, the last on"
            f" {stored.backdated_until:%Y-%m-%d}{why}"
        )
    if stored.late and known_at == "auto":
        found.append(
            f"{stored.late:,} new rows are of periods that ended more than {LATE.astype(int)} days ago and count as"
            " known now, for their series had observations before; if they are history:"
            f" {' and '.join(f'mlops series redate --metric-type {name}' for name in metric_types)}"
        )
    if known_at != "auto" and counts["unchanged"]:
        found.append(
            f"{counts['unchanged']:,} rows were there and keep the time at which they became known;"
            " mlops series redate sets another"
        )
    return tuple(found)


def _status(arrivals: Arrivals, on_error: OnError) -> Literal["stored", "partly stored", "refused"]:
    if arrivals.refusals.rows == 0:
        return "stored"
    return "partly stored" if on_error == "quarantine" and arrivals.good else "refused"


def _keep_refused(transaction: Transaction, delivery: Delivery, arrivals: Arrivals) -> None:
    transaction.run("refused_table")
    for chunk in arrivals.refusals.chunks():
        transaction.copy("arriving_refused", chunk)
    transaction.run("ingest_keep_refused", sha256=delivery.sha256, source=delivery.source)


def _first_refused(arrivals: Arrivals, delivery: Delivery) -> tuple[RefusedRow, ...]:
    first = arrivals.refusals.first.astype(object)
    rows = first.where(first.notna(), None).to_dict("records")
    return tuple(
        RefusedRow(delivery.source, row["line"], row["column_name"], row["found"], row["reason"]) for row in rows
    )


def _record_batch(
    transaction: Transaction,
    delivery: Delivery,
    status: str,
    counts: dict[str, int],
    load: Load | None = None,
    backdated: int = 0,
) -> int:
    batch: int = transaction.value(
        "ingest_batch",
        source=delivery.source,
        adapter=delivery.adapter,
        sha256=delivery.sha256,
        started_at=delivery.started_at,
        status=status,
        stored_from=load and load.began,
        series_ids=load and load.known.facts.series_id.tolist(),
        backdated=backdated,
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
            reason=str(error).replace("\0", "�"),  # as Postgres holds none
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
    return None if name is None else zone_of(name)
