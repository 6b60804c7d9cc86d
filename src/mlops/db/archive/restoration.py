"""Months are brought back from their files, exactly."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from psycopg import sql

from mlops.db.archive.files import (
    TableColumn,
    checksum,
    content_of,
    facts_of,
    load_rows,
    open_parquet,
    table_name,
)
from mlops.db.engine import Database, Transaction
from mlops.db.retry import retrying
from mlops.errors import Misused, Refused

__all__ = ["Restored", "restore"]

LIKE = "including defaults including constraints including storage including generated including statistics"


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of the rows of an archive; retention leaves the month alone until `until`.

    `family` is what came back with it: the same month of the tables that belong together.
    """

    partition: str
    restored: int
    there: int
    until: datetime
    family: tuple["Restored", ...] = ()


@dataclass(frozen=True, slots=True)
class ArchiveRecord:
    """What the database has on record about an archive file."""

    archive_id: int
    parent: str
    partition: str
    lower_bound: datetime
    upper_bound: datetime
    path: str
    sha256: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class SiblingArchive:
    """The archive of the same month of another table of the family."""

    archive_id: int
    partition: str
    path: str


@dataclass(frozen=True, slots=True)
class AttachedArchive:
    """What of an archive was brought back into a month, and how many rows were there."""

    partition: str
    restored: int
    there: int


def restore(database: Database, path: Path, *, days: int = 30) -> Restored:
    """Bring the rows of an archive back, exactly; where the month is there, only the rows that it lacks.

    The month of every table of the family comes back in the same transaction, or none does.
    """
    if days < 1:
        raise Misused(f"a month is restored for at least 1 day, not for {days}")
    path = path.expanduser().resolve()
    if not path.is_file():
        raise Misused(f"there is no file {path}; analytics.partition_archives tells where each archive was written")
    return retrying(lambda: _restore(database, path, days))


def _restore(database: Database, path: Path, days: int) -> Restored:
    with database.transaction() as transaction:
        transaction.run("set_archive_formats")
        record = _recorded(transaction, path)
        files = {record.archive_id: (record, path)}
        for sibling in transaction.rows("archives_of_same_month", of=SiblingArchive, archive_id=record.archive_id):
            # where it was written, or beside the one that is there
            places = Path(sibling.path), path.with_name(Path(sibling.path).name)
            there = next((place for place in places if place.is_file()), None)
            if there is None:
                raise Refused(
                    f"{path.name} is brought back together with {sibling.partition}, and {places[0]} is not there;"
                    " nothing was restored, take the file from a backup"
                )
            files[sibling.archive_id] = _recorded(transaction, there), there
        until = datetime.now(UTC) + timedelta(days=days)
        tables = {key: _loaded(transaction, *files[key]) for key in files}
        restored: dict[int, Restored] = {}
        # in one order, so that two who bring back the same family wait for each other; from here on readers wait, too
        for key in sorted(tables):
            done = transaction.one("attach_archive", of=AttachedArchive, archive_id=key, table=tables[key], days=days)
            assert done is not None
            restored[key] = Restored(done.partition, done.restored, done.there, until)
    return replace(restored.pop(record.archive_id), family=tuple(restored.values()))


def _loaded(transaction: Transaction, record: ArchiveRecord, path: Path) -> str:
    """The name of a new table that holds exactly the rows of the file."""
    with open_parquet(path) as file:
        _check_schema(transaction, record.parent, file, path)
        parent = table_name(transaction, record.parent)
        names = (parent.schema, f"restored_{record.archive_id}")
        with transaction.cursor() as cursor:
            cursor.execute(
                sql.SQL(f"create table {{}} (like {{}} {LIKE})").format(
                    sql.Identifier(*names), sql.Identifier(parent.schema, parent.name)
                )
            )
            load_rows(cursor, sql.Identifier(*names), file)
        table = ".".join(names)
        if content_of(transaction, table, file.schema_arrow.names).digest != record.digest:
            raise Refused(f"{record.path} gives other rows than were archived; nothing was restored")
    return table


def _recorded(transaction: Transaction, path: Path) -> ArchiveRecord:
    """What this database knows of the file; an altered or unknown one is refused."""
    sha256 = checksum(path)
    record = transaction.one("archive_by_file", of=ArchiveRecord, sha256=sha256, path=str(path))
    if record is None:
        with open_parquet(path) as file:
            facts = facts_of(file, path)
        raise Refused(
            f"{path} holds {facts.partition}, but this database did not write it (sha256 {sha256[:12]}…) or it was "
            "altered; restore it where it was written, or a copy whose checksum analytics.partition_archives knows"
        )
    if record.sha256 != sha256:
        raise Refused(
            f"{path} was altered: its sha256 is {sha256[:12]}…, when it was written it was {record.sha256[:12]}…; "
            "nothing was restored, take the file from a backup"
        )
    return record


def _check_schema(transaction: Transaction, parent: str, file: pq.ParquetFile, path: Path) -> None:
    """Refuse a file whose columns the table no longer has, or one without a column that a row needs."""
    now = {column.name: column for column in transaction.rows("table_columns", of=TableColumn, table=parent)}
    then = facts_of(file, path).columns
    lost = [f"{name} {kind}" for name, kind in then.items() if name not in now or now[name].type != kind]
    new = [name for name, column in now.items() if column.needed and name not in then]
    if lost or new:
        differences = [f"the table has no {name}" for name in lost] + [f"the file has no {name}" for name in new]
        raise Refused(
            f"{path} has another schema than {parent}: {', '.join(differences)}; read the file with any Parquet reader"
        )
