"""Archived months for those who read history, and whether their files are still what was written.

Rows of the months that are in archives and not in the database are copied into temporary tables, only those of the
series and times that are asked for. Temporary views put them beside the rows of the database, and every query of the
transaction reads these views: one rule, in SQL, says what was known when (docs/decisions/0013).
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlops.db.archive.files import checksum, open_parquet
from mlops.db.engine import Database, Transaction
from mlops.errors import Refused

__all__ = [
    "Border",
    "ObservationArchive",
    "UnverifiedArchive",
    "archive_border",
    "archived_observations",
    "border",
    "extents",
    "newest_archived",
    "read_archived",
    "verify_archive",
]

VALUES = ("series_id", "observed_at", "value", "value_lower", "value_upper", "recorded_at")
TABLES = {
    "analytics.time_series_metrics": ("archived_metrics", (*VALUES, "quality_score")),
    "analytics.time_series_revisions": ("archived_revisions", (*VALUES, "superseded_at")),
}
"""Where archived rows of a table go, and the columns that history is read by."""
VERIFIED: set[tuple[object, ...]] = set()
"""Files that this process has compared with their checksum: what they are by the file system, and the checksum."""


@dataclass(frozen=True, slots=True)
class Border:
    """History before `month` is read from `files` archive files."""

    month: datetime
    files: int


@dataclass(frozen=True, slots=True)
class ArchivedMonth:
    """A month of `parent` that is in its archive and not in the database."""

    parent: str
    partition: str
    lower_bound: datetime
    upper_bound: datetime
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ObservationArchive:
    """A month of observations that is archived and not in the database, and the file that would bring it back."""

    month: datetime
    path: str


@dataclass(frozen=True, slots=True)
class UnverifiedArchive:
    """An archive whose file is to be compared with its checksum."""

    archive_id: int
    partition: str
    path: str
    sha256: str


def read_archived(
    transaction: Transaction,
    series: Sequence[int],
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
) -> None:
    """Let the queries of this transaction that follow read archived months of some series as if they were there.

    Needed are those between `start` and `end`, and with `as_of` also what was recorded after it. Where no archived
    month is needed this costs one look at the list of archives. Refused when a file is missing or was altered. Until
    the transaction ends no month is dropped or restored, which would be read nowhere or twice.
    """
    months = transaction.rows("archived_months_between", of=ArchivedMonth, start=start, end=end, as_of=as_of)
    if not months and not transaction.reads_archives:
        return
    transaction.read_archives()
    wanted = Wanted(np.unique(np.asarray(series, dtype=np.int64)), start, end, as_of)
    for month in months:
        table, columns = TABLES[month.parent]
        with _verified(Path(month.path), month) as file:
            for rows in wanted.parts(file, columns):
                transaction.copy_arrays(f"pg_temp.{table}", {name: rows[name].to_numpy() for name in columns})
    transaction.run("give_archived_rows_their_tenants")
    transaction.run("analyze_archived_tables")


def extents(transaction: Transaction) -> pd.DataFrame:
    """`observations, first, last, quality` (the sum of the scores) and `scored` of archived months, by `series_id`.

    Times are naive UTC. Three columns of every archive are read, a few million rows a second. Refused when a file is
    missing or was altered.
    """
    parts = []
    for month in _months_of_observations(transaction):
        with _verified(Path(month.path), month) as file:
            read = file.read(columns=["series_id", "observed_at", "quality_score"])
        what = [("observed_at", how) for how in ("count", "min", "max")] + [
            ("quality_score", how) for how in ("sum", "count")
        ]
        parts.append(read.group_by("series_id").aggregate(what).to_pandas())
    if not parts:
        return pd.DataFrame(columns=["observations", "first", "last", "quality", "scored"])
    all_of = pd.concat(parts).groupby("series_id")
    times = {name: all_of[f"observed_at_{name}"].agg(name).dt.tz_convert(None) for name in ("min", "max")}
    return pd.DataFrame(
        {
            "observations": all_of["observed_at_count"].sum(),
            "first": times["min"],
            "last": times["max"],
            "quality": all_of["quality_score_sum"].sum(),
            "scored": all_of["quality_score_count"].sum(),
        }
    )


def newest_archived(transaction: Transaction, series: Sequence[int]) -> datetime | None:
    """The time (UTC, aware) of the newest archived observation of some series; None when no archive holds any."""
    wanted = Wanted(np.unique(np.asarray(series, dtype=np.int64)), None, None, None)
    for month in reversed(_months_of_observations(transaction)):
        with _verified(Path(month.path), month) as file:
            parts = wanted.parts(file, ("series_id", "observed_at"))
            newest: list[datetime] = [pc.max(rows["observed_at"]).as_py() for rows in parts]
        if newest:
            return max(newest).astimezone(UTC)
    return None


def archived_observations(transaction: Transaction) -> list[ObservationArchive]:
    """The months of observations that are archived and not in the database, the oldest first."""
    return transaction.rows("archived_observation_months", of=ObservationArchive)


def _months_of_observations(transaction: Transaction) -> list[ArchivedMonth]:
    """The archived months of observations, the oldest first."""
    months = transaction.rows("archived_months_between", of=ArchivedMonth, start=None, end=None, as_of=None)
    return [month for month in months if month.parent == "analytics.time_series_metrics"]


def border(transaction: Transaction) -> datetime | None:
    """Where the newest archived month of observations ends; None when none is archived."""
    until: datetime | None = transaction.value("newest_archived_until")
    return until


def archive_border(database: Database) -> Border | None:
    """From where on history is in the database, and how many files hold what was before."""
    with database.transaction() as transaction:
        months = transaction.rows("archived_months_between", of=ArchivedMonth, start=None, end=None, as_of=None)
    return Border(max(month.upper_bound for month in months), len(months)) if months else None


def verify_archive(database: Database, archive: UnverifiedArchive) -> str | None:
    """Compare the file of an archive with its checksum and record when; what is wrong with it, or None."""
    path = Path(archive.path)
    try:
        sha256 = checksum(path)
    except OSError as error:
        problem: str | None = f"{path} can't be read: {error.strerror}; take it from a backup"
    else:
        problem = None if sha256 == archive.sha256 else _altered(path, sha256, archive)
    with database.transaction() as transaction:
        transaction.run("set_archive_verified", archive_id=archive.archive_id, problem=problem)
    return problem


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of an archive are asked for."""

    series: npt.NDArray[np.int64]
    start: datetime | None
    end: datetime | None
    as_of: datetime | None

    def parts(self, file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The rows, of each row group that may hold any."""
        series = pa.array(self.series)
        for number in range(file.num_row_groups):
            if self._may_be_in(file.metadata.row_group(number), file.schema_arrow.names):
                rows = file.read_row_group(number, columns=list(columns))
                chosen = rows.filter(pc.and_(pc.is_in(rows["series_id"], value_set=series), self._in_time(rows)))
                if len(chosen):
                    yield chosen

    def _may_be_in(self, group: pq.RowGroupMetaData, names: list[str]) -> bool:
        """Whether the least and the greatest of a group enclose anything that is asked for."""
        ranges = {
            name: group.column(names.index(name)).statistics for name in ("series_id", "observed_at", "recorded_at")
        }
        if not all(column is not None and column.has_min_max for column in ranges.values()):
            return True
        first, last = np.searchsorted(self.series, [ranges["series_id"].min, ranges["series_id"].max + 1])
        too_old = self.start is not None and ranges["observed_at"].max < self.start
        came_later = self.as_of is not None and ranges["recorded_at"].max > self.as_of
        return bool(first < last) and (not too_old or came_later)

    def _in_time(self, rows: pa.Table) -> pa.ChunkedArray:
        at, kept = rows["observed_at"], pa.chunked_array([pa.repeat(True, len(rows))])
        if self.start is not None:
            kept = pc.greater_equal(at, pa.scalar(self.start, at.type))
            if self.as_of is not None:
                kept = pc.or_(kept, pc.greater(rows["recorded_at"], pa.scalar(self.as_of, at.type)))
        if self.end is not None:
            kept = pc.and_(kept, pc.less_equal(at, pa.scalar(self.end, at.type)))
        return kept


@contextmanager
def _verified(path: Path, month: ArchivedMonth) -> Iterator[pq.ParquetFile]:
    """An archive, open, after it was compared with its checksum once in this process."""
    try:
        handle = path.open("rb")
    except OSError as error:
        raise Refused(
            f"history of {month.lower_bound:%Y-%m} is in the archive {path}, and that can't be read:"
            f" {error.strerror}; nothing was computed from a shorter history. Put the file back from a backup, or ask"
            f" for what came after {month.upper_bound:%Y-%m-%d} alone"
        ) from error
    with handle:
        is_now = os.fstat(handle.fileno())
        key = (is_now.st_dev, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns, is_now.st_ctime_ns, month.sha256)
        if key not in VERIFIED:
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
            if sha256 != month.sha256:
                raise Refused(f"{_altered(path, sha256, month)}; nothing was computed from it")
            VERIFIED.add(key)
            handle.seek(0)
        with open_parquet(handle) as file:
            yield file


def _altered(path: Path, sha256: str, archive: ArchivedMonth | UnverifiedArchive) -> str:
    return (
        f"{path} was altered: its sha256 is {sha256[:12]}…, when it was written it was {archive.sha256[:12]}…;"
        " take the file from a backup"
    )
