"""A month as a Parquet file: written and proven before the month may be dropped, brought back exactly.

The proof is a rehearsal: the finished file is read from the disk and copied into a temporary table, whose digest,
made by the server, must be that of the month. Nothing is recorded before, and without the record nothing is dropped.
Rows lie in the order of the primary key, so that who asks for some series reads only a part of the file.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from psycopg import sql

from mlops.db.engine import Database, Transaction
from mlops.db.retry import retrying
from mlops.errors import Misused, Refused
from mlops.files import placed

__all__ = ["Archive", "Month", "Restored", "archive", "checksum", "opened", "restore"]

MARK = b"mlops_archive"
FORMAT = 1
BLOCK_BYTES = 8 * 2**20
# everything else travels as the text that Postgres writes and reads
TYPES: Mapping[str, pa.DataType] = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "smallint": pa.int16(),
    "double precision": pa.float64(),
    "real": pa.float32(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}
LIKE = "including defaults including constraints including storage including generated including statistics"


@dataclass(frozen=True, slots=True)
class Month:
    """A partition and its real bounds."""

    parent: str
    partition: str
    lower_bound: datetime
    upper_bound: datetime


@dataclass(frozen=True, slots=True)
class Archive:
    """A proven file that holds a month."""

    month: Month
    path: Path
    sha256: str
    rows: int
    digest: str
    bytes: int


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
class NewestArchive:
    """The newest archive of a month; `away` says that its rows are not in the database."""

    path: str
    sha256: str
    digest: str
    away: bool


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
class TableColumn:
    """A column of a table: its type as PostgreSQL spells it, whether a row `needed` one, its place in the key."""

    name: str
    type: str
    needed: bool
    key: int | None


@dataclass(frozen=True, slots=True)
class TableContent:
    """How many rows a table has, and their digest, made by the server; None when it has none."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class AttachedArchive:
    """What of an archive was brought back into a month, and how many rows were there."""

    partition: str
    restored: int
    there: int


@dataclass(frozen=True, slots=True)
class TableName:
    """A table by its schema and its name."""

    schema: str
    name: str


def archive(database: Database, month: Month, folder: Path) -> Archive | None:
    """The new archive of a month, or None if it is empty or its newest archive holds exactly its rows.

    Writers of the month wait meanwhile, readers don't. Whatever fails leaves the month and its records as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with database.transaction() as transaction:
        newest = transaction.one("newest_archive", of=NewestArchive, parent=month.parent, lower_bound=month.lower_bound)
    if newest is not None and newest.away:  # the month was made anew for late rows: they join those of the archive
        restore(database, Path(newest.path), days=1)
    return retrying(lambda: _archive(database, month, folder))


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


def _archive(database: Database, month: Month, folder: Path) -> Archive | None:
    with database.transaction() as transaction:
        transaction.run("set_archive_formats")
        source = _identifier(transaction, month.partition)
        with transaction.cursor() as cursor:
            cursor.execute(sql.SQL("lock table only {} in share mode").format(source))
        content = _content(transaction, month.partition)
        if content.rows == 0 or _is_held(transaction, month, content.digest):
            return None
        path = folder / f"{_stem(month)}_{content.digest[:12]}.parquet"
        columns = transaction.rows("table_columns", of=TableColumn, table=month.partition)
        ordered = _ordered(source, columns)
        sha256 = _write(transaction, month, path, _schema(month, columns, content), ordered, source)
        done = Archive(month, path, sha256, content.rows, content.digest, path.stat().st_size)
        _record(transaction, done)
    return done


def _is_held(transaction: Transaction, month: Month, digest: str) -> bool:
    """Whether the newest archive holds these rows and its file is still what it was."""
    newest = transaction.one("newest_archive", of=NewestArchive, parent=month.parent, lower_bound=month.lower_bound)
    if newest is None or newest.digest != digest:
        return False
    path = Path(newest.path)
    return path.is_file() and checksum(path) == newest.sha256


def _ordered(source: sql.Composable, columns: list[TableColumn]) -> sql.Composable:
    """A table in the order of its primary key, if it has one."""
    key = sorted((place, column.name) for column in columns if (place := column.key) is not None)
    return sql.SQL("{} order by {}").format(source, _names(name for _, name in key)) if key else source


def _write(
    transaction: Transaction,
    month: Month,
    path: Path,
    schema: pa.Schema,
    ordered: sql.Composable,
    source: sql.Composable,
) -> str:
    """The checksum of the finished file; until it is proven it is called .part, and leftovers of killed runs go."""
    for left in path.parent.glob(f"{_stem(month)}_*.part"):
        left.unlink()
    part = path.with_name(f"{path.name}.part")
    try:
        with placed(part), part.open("wb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for batch in _batches(transaction, ordered, schema):
                    writer.write_table(batch)
            file.flush()
            os.fsync(file.fileno())
        sha256 = _prove(transaction, part, source)
        part.rename(path)
        _sync(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return sha256


def _batches(transaction: Transaction, ordered: sql.Composable, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in blocks of some megabytes; the protocol sends whole rows, so a block ends with one."""
    query = sql.SQL("copy (select {} from only {}) to stdout (format csv)").format(_names(schema.names), ordered)
    block = bytearray()
    with transaction.cursor() as cursor, cursor.copy(query) as copy:
        for row in copy:
            block += row
            if len(block) >= BLOCK_BYTES:
                yield _parsed(block, schema)
                block = bytearray()
    if block:
        yield _parsed(block, schema)


def _parsed(block: bytearray, schema: pa.Schema) -> pa.Table:
    """An unquoted nothing is NULL, a quoted one is an empty text."""
    table = arrow_csv.read_csv(
        pa.BufferReader(bytes(block)),
        arrow_csv.ReadOptions(column_names=schema.names, block_size=2 * BLOCK_BYTES + len(block)),
        arrow_csv.ParseOptions(newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return table.cast(schema)


def _prove(transaction: Transaction, part: Path, source: sql.Composable) -> str:
    """The checksum of a file from which exactly the rows of `source` can be had back, in a rehearsal."""
    sha256, rehearsal = checksum(part), sql.Identifier("rehearsal")
    with transaction.cursor() as cursor:
        cursor.execute(
            sql.SQL("create temporary table {} (like {} including generated) on commit drop").format(rehearsal, source)
        )
        with pq.ParquetFile(part) as file:
            _load(cursor, rehearsal, file)
            wanted = _facts(file, part)
    content = _content(transaction, "pg_temp.rehearsal")
    if (content.rows, content.digest) != (wanted["rows"], wanted["digest"]):
        raise Refused(
            f"{part.name} was written and read back as {content.rows} rows with digest {content.digest[:12]}, the "
            f"month has {wanted['rows']} with {wanted['digest'][:12]}; nothing is dropped, look at the disk"
        )
    return sha256


def _record(transaction: Transaction, done: Archive) -> None:
    month = done.month
    transaction.run(
        "add_archive",
        parent=month.parent,
        partition=month.partition,
        lower_bound=month.lower_bound,
        upper_bound=month.upper_bound,
        path=str(done.path),
        sha256=done.sha256,
        rows=done.rows,
        digest=done.digest,
        bytes=done.bytes,
    )


def _restore(database: Database, path: Path, days: int) -> Restored:
    with database.transaction() as transaction:
        transaction.run("set_archive_formats")
        record = _recorded(transaction, path)
        files = {record.archive_id: (record, path)}
        for sibling in transaction.rows("archives_of_same_month", of=SiblingArchive, archive_id=record.archive_id):
            there = _found(sibling, path)
            files[sibling.archive_id] = _recorded(transaction, there), there
        until = datetime.now(UTC) + timedelta(days=days)
        tables = {key: _loaded(transaction, *files[key]) for key in files}
        # in one order, so that two who bring back the same family wait for each other; from here on readers wait, too
        done = {key: _attached(transaction, key, tables[key], days, until) for key in sorted(tables)}
    return replace(done.pop(record.archive_id), family=tuple(done.values()))


def _found(sibling: SiblingArchive, beside: Path) -> Path:
    """Where the archive of another table of the family lies: where it was written, or beside the one that is there."""
    places = Path(sibling.path), beside.with_name(Path(sibling.path).name)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise Refused(
            f"{beside.name} is brought back together with {sibling.partition}, and {places[0]} is not there;"
            " nothing was restored, take the file from a backup"
        )
    return found


def _loaded(transaction: Transaction, record: ArchiveRecord, path: Path) -> str:
    with opened(path) as file:
        _check_schema(transaction, record.parent, file, path)
        return _standalone(transaction, record, file)


def _attached(transaction: Transaction, archive_id: int, table: str, days: int, until: datetime) -> Restored:
    done = transaction.one("attach_archive", of=AttachedArchive, archive_id=archive_id, table=table, days=days)
    assert done is not None
    return Restored(done.partition, done.restored, done.there, until)


def _recorded(transaction: Transaction, path: Path) -> ArchiveRecord:
    """What this database knows of the file; an altered or unknown one is refused."""
    sha256 = checksum(path)
    record = transaction.one("archive_by_file", of=ArchiveRecord, sha256=sha256, path=str(path))
    if record is None:
        with opened(path) as file:
            facts = _facts(file, path)
        raise Refused(
            f"{path} holds {facts['partition']}, but this database did not write it (sha256 {sha256[:12]}…) or it was "
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
    then = _facts(file, path)["columns"]
    lost = [f"{name} {kind}" for name, kind in then.items() if name not in now or now[name].type != kind]
    new = [name for name, column in now.items() if column.needed and name not in then]
    if lost or new:
        differences = [f"the table has no {one}" for one in lost] + [f"the file has no {one}" for one in new]
        raise Refused(
            f"{path} has another schema than {parent}: {', '.join(differences)}; read the file with any Parquet reader"
        )


def _standalone(transaction: Transaction, record: ArchiveRecord, file: pq.ParquetFile) -> str:
    """The name of a new table that holds exactly the rows of the file."""
    parent = _table_name(transaction, record.parent)
    names = (parent.schema, f"restored_{record.archive_id}")
    with transaction.cursor() as cursor:
        cursor.execute(
            sql.SQL(f"create table {{}} (like {{}} {LIKE})").format(
                sql.Identifier(*names), sql.Identifier(parent.schema, parent.name)
            )
        )
        _load(cursor, sql.Identifier(*names), file)
    table = ".".join(names)
    if _content(transaction, table, file.schema_arrow.names).digest != record.digest:
        raise Refused(f"{record.path} gives other rows than were archived; nothing was restored")
    return table


def _load(cursor: psycopg.Cursor[Any], table: sql.Composable, file: pq.ParquetFile) -> None:
    """COPY every row of the file; one row group at a time is in memory."""
    names = _names(file.schema_arrow.names)
    with cursor.copy(sql.SQL("copy {} ({}) from stdin (format csv)").format(table, names)) as copy:
        for group in _groups(file):
            written = BytesIO()
            arrow_csv.write_csv(group, written, arrow_csv.WriteOptions(include_header=False))
            copy.write(written.getbuffer())


def _groups(file: pq.ParquetFile) -> Iterable[pa.Table]:
    return (file.read_row_group(number) for number in range(file.num_row_groups))


def _schema(month: Month, columns: list[TableColumn], content: TableContent) -> pa.Schema:
    """The columns as Arrow types; the file's own description makes it readable without the database."""
    facts = {
        "format": FORMAT,
        "parent": month.parent,
        "partition": month.partition,
        "lower_bound": month.lower_bound.isoformat(),
        "upper_bound": month.upper_bound.isoformat(),
        "rows": content.rows,
        "digest": content.digest,
        "columns": {column.name: column.type for column in columns},
    }
    fields = [pa.field(column.name, TYPES.get(column.type, pa.string())) for column in columns]
    return pa.schema(fields, metadata={MARK: json.dumps(facts).encode()})


def opened(file: Path | BufferedReader) -> pq.ParquetFile:
    """A Parquet file; anything else is refused."""
    try:
        return pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        path = file if isinstance(file, Path) else file.name
        raise Refused(f"{path} is not a Parquet file, so it is no archive of ours: {error}") from error


def _facts(file: pq.ParquetFile, path: Path) -> dict[str, Any]:
    found = (file.schema_arrow.metadata or {}).get(MARK)
    facts: dict[str, Any] = json.loads(found) if found else {}
    if facts.get("format") != FORMAT:
        raise Refused(f"{path} is no archive of ours: it does not say which month it holds")
    return facts


def _identifier(transaction: Transaction, table: str) -> sql.Identifier:
    name = _table_name(transaction, table)
    return sql.Identifier(name.schema, name.name)


def _table_name(transaction: Transaction, table: str) -> TableName:
    name = transaction.one("table_schema_and_name", of=TableName, table=table)
    assert name is not None
    return name


def _content(transaction: Transaction, table: str, columns: list[str] | None = None) -> TableContent:
    """The rows of a table and the digest of these columns, or of all."""
    content = transaction.one("table_content", of=TableContent, table=table, columns=columns)
    assert content is not None
    return content


def _names(columns: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def _stem(month: Month) -> str:
    return f"{month.parent.rpartition('.')[2]}_{month.lower_bound.astimezone(UTC):%Y-%m}"


def checksum(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Make the new name survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
