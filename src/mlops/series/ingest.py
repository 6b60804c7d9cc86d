"""Files in: read, check, store exactly once; a refused file leaves no observation, an interrupted one is resumed."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pandas as pd

from mlops.db import Database, Transaction
from mlops.db.archive.read import archived_observations
from mlops.domain.metric_types import MetricType
from mlops.domain.series import IngestReport, RefusedRow
from mlops.errors import BadInput
from mlops.panels.timestamps import zone_of
from mlops.series.adapters import AUTO, locate, recognise_adapter
from mlops.series.adapters import adapter as adapter_named
from mlops.series.diff import LATE
from mlops.series.load import Load, Stored
from mlops.series.parsing.columns import Stamp
from mlops.series.parsing.layouts import as_long
from mlops.series.parsing.parsed import ParsedRows
from mlops.series.parsing.steps import FileClock
from mlops.series.parsing.validate import Rules
from mlops.series.store import KnownAt, clocks_of, know

__all__ = ["IngestReport", "KnownAt", "OnError", "Progress", "ingest"]

OnError = Literal["refuse", "quarantine"]
Status = Literal["stored", "partly stored", "refused"]
Progress = Callable[[str, int, int | None], None]
"""Called with what is done, how many rows of it, and of how many if that is known."""

MONTHS_AHEAD = 24
"""A time later than that is a mistake: plans and budgets are of the next year. Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class IngestRequest:
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
    temporary: Path | None = None,
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
    `temporary` (None: the system's for temporary files). `progress` is called with how far it is.

    Quality and anomalies are scored here, unless the file brings scores of its own for a series: those stand until a
    file without scores touches that series.
    """
    if adapter != AUTO:
        adapter_named(adapter)
    file = locate(path, adapter)
    if adapter == AUTO:
        adapter = recognise_adapter(file)
    request = IngestRequest(
        file, _sha256(file), adapter, by, on_error, timezone and zone_of(timezone), stamp, known_at,
        backfill, metric_type, granularity, datetime.now(UTC), progress or (lambda *_: None),
    )  # fmt: skip
    if temporary is not None:
        temporary.mkdir(parents=True, exist_ok=True)
    with ParsedRows(request.source, temporary) as parsed:
        try:
            metrics, clocks = _read(database, request, parsed)
        except BadInput as error:
            _record_unread(database, request, error)
            raise
        load, stored = None, Stored()
        if parsed.good and not (parsed.refusals.rows and on_error == "refuse"):
            with database.transaction() as transaction:
                began = transaction.value("now")
                known = know(transaction, parsed.series, metrics, clocks, sha256=request.sha256, known_at=known_at)
            load = Load(database, parsed.batches, known, began)

            def report(rows: int) -> None:
                request.progress("storing", rows, parsed.good)

            stored = load.at_once(report) if backfill else load.in_parts(request.sha256, report)
        return _record(database, request, parsed, load, stored)


@dataclass(frozen=True, slots=True)
class _Retention:
    """The first month of observations that maintenance keeps in the database, and how many it keeps; None is all."""

    kept_from: datetime | None
    keep_months: int | None


def _read(
    database: Database, request: IngestRequest, parsed: ParsedRows
) -> tuple[dict[str, MetricType], list[FileClock] | None]:
    """Check all rows; the declared metric types, and the clocks of the series where they matter."""
    with database.transaction() as transaction:
        metrics = {metric.name: metric for metric in transaction.rows("metric_types", of=MetricType)}
        closed = {archived.month: archived.path for archived in archived_observations(transaction)}
        zones = transaction.values("series_zones")
    latest = pd.Timestamp(request.started_at).tz_localize(None) + pd.DateOffset(months=MONTHS_AHEAD)
    rules = Rules.of(metrics.values(), latest.to_datetime64(), closed, request.timezone, request.stamp, zones)
    chunks = as_long(
        iter(adapter_named(request.adapter)(request.path, by=request.by)),
        request.source,
        metric_type=request.metric_type,
        granularity=request.granularity,
        known=sorted(metrics),
    )
    parsed.take(chunks, rules, lambda rows: request.progress("reading", rows, None))
    if parsed.read == 0:
        raise BadInput("holds no rows, only a header; send a file with observations", where=request.source)
    with database.transaction() as transaction:
        clocks = clocks_of(transaction, parsed.series)
    parsed.sort(clocks)
    return metrics, clocks


def _record(
    database: Database, request: IngestRequest, parsed: ParsedRows, load: Load | None, stored: Stored
) -> IngestReport:
    """Keep what became of the file and of its refused rows."""
    refusals = parsed.refusals
    status: Status = "stored"
    if refusals.rows:
        status = "partly stored" if request.on_error == "quarantine" and parsed.good else "refused"
    changed = stored.inserted + stored.corrected
    counts = {
        "read": parsed.read,
        "inserted": stored.inserted,
        "corrected": stored.corrected,
        "unchanged": 0 if status == "refused" else parsed.read - refusals.rows - changed,
        "refused": refusals.rows,
    }
    with database.transaction() as transaction:
        if refusals.rows:
            transaction.run("refused_table")
            for chunk in refusals.chunks():
                transaction.copy("arriving_refused", chunk)
            transaction.run("ingest_keep_refused", sha256=request.sha256, source=request.source)
        batch = _record_batch(transaction, request, status, counts, load, stored.backdated)
        transaction.run("ingest_forget_parts", sha256=request.sha256)
        transaction.run("first_ingest_done", sha256=request.sha256)
        retention = transaction.one("observations_kept_from", of=_Retention)
    first = refusals.first.astype(object)
    reasons = first.where(first.notna(), None)[["line", "column_name", "found", "reason"]]
    return IngestReport(
        batch_id=batch,
        source=request.source,
        status=status,
        reasons=tuple(RefusedRow(request.source, *row) for row in reasons.itertuples(index=False, name=None)),
        kinds=refusals.kinds,
        notes=(*parsed.notes, *_notes(stored, request.known_at, counts["unchanged"], parsed.metric_types, retention)),
        attached=stored.attached,
        backdated=stored.backdated,
        backdated_until=stored.backdated_until and stored.backdated_until.replace(tzinfo=UTC),
        late=stored.late,
        seconds=(datetime.now(UTC) - request.started_at).total_seconds(),
        **counts,
    )


def _notes(
    stored: Stored,
    known_at: KnownAt,
    unchanged: int,
    metric_types: Sequence[str],
    retention: _Retention | None,
) -> Iterator[str]:
    """When the new rows became known, where that is not now, or may not be what was meant; and which leave soon."""
    last = stored.backdated_until
    if stored.backdated and last is not None:
        why = ", being the first of their series (--known-at now: all became known now)" if known_at == "auto" else ""
        yield (
            f"{stored.backdated:,} new rows count as known since their period ended, the last on {last:%Y-%m-%d}{why}"
        )
    if stored.late and known_at == "auto":
        yield (
            f"{stored.late:,} new rows are of periods that ended more than {LATE.astype(int)} days ago and count as"
            " known now, for their series had observations before; if they are history:"
            f" {' and '.join(f'mlops series redate --metric-type {name}' for name in metric_types)}"
        )
    if known_at != "auto" and unchanged:
        yield (
            f"{unchanged:,} rows were there and keep the time at which they became known; mlops series redate sets"
            " another"
        )
    if retention and retention.kept_from and last is not None and last.replace(tzinfo=UTC) <= retention.kept_from:
        yield (
            f"all of that is older than the {retention.keep_months} months before the newest data that the database"
            " keeps: `mlops db maintain` moves it to archive files, where monitoring and SQL do not see it; to keep it:"
            " mlops db retention time_series_metrics --for-ever"
        )


def _record_batch(
    transaction: Transaction,
    request: IngestRequest,
    status: str,
    counts: dict[str, int],
    load: Load | None = None,
    backdated: int = 0,
) -> int:
    batch: int = transaction.value(
        "ingest_batch",
        source=request.source,
        adapter=request.adapter,
        sha256=request.sha256,
        started_at=request.started_at,
        status=status,
        stored_from=load and load.began,
        series_ids=load and load.known.facts.series_id.tolist(),
        backdated=backdated,
        **counts,
    )
    return batch


def _record_unread(database: Database, request: IngestRequest, error: BadInput) -> None:
    """A file that could not be read leaves its reason."""
    counts = dict.fromkeys(("read", "inserted", "corrected", "unchanged", "refused"), 0)
    with database.transaction() as transaction:
        transaction.run(
            "ingest_refuse_file",
            sha256=request.sha256,
            line=error.line or 0,
            reason=str(error).replace("\0", "�"),  # as Postgres holds none
            source=request.source,
        )
        _record_batch(transaction, request, "refused", counts)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"can't be opened: {error.strerror}", where=str(path)) from error
