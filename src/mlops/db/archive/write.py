"""Months are written to files; each is proven before it is recorded."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from psycopg import sql

from mlops.db.archive.files import (
    Month,
    TableColumn,
    checksum,
    content_of,
    facts_of,
    identifier,
    identifiers,
    load_rows,
    schema_of,
)
from mlops.db.archive.restoration import restore
from mlops.db.engine import Database, Transaction
from mlops.db.retry import retrying
from mlops.errors import Refused
from mlops.files import placed

__all__ = ["Archive", "archive"]

BLOCK_BYTES = 8 * 2**20  # of text in memory at a time, and a row group of the file; chosen, not measured


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
class NewestArchive:
    """The newest archive of a month; `away` says that its rows are not in the database."""

    path: str
    sha256: str
    digest: str
    away: bool


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


def _archive(database: Database, month: Month, folder: Path) -> Archive | None:
    with database.transaction() as transaction:
        transaction.run("set_archive_formats")
        source = identifier(transaction, month.partition)
        with transaction.cursor() as cursor:
            cursor.execute(sql.SQL("lock table only {} in share mode").format(source))
        content = content_of(transaction, month.partition)
        if content.rows == 0 or _is_held(transaction, month, content.digest):
            return None
        path = folder / f"{_stem(month)}_{content.digest[:12]}.parquet"
        columns = transaction.rows("table_columns", of=TableColumn, table=month.partition)
        # in the order of its primary key, if it has one
        key = sorted((place, column.name) for column in columns if (place := column.key) is not None)
        ordered = sql.SQL("{} order by {}").format(source, identifiers(name for _, name in key)) if key else source
        sha256 = _write(transaction, month, path, schema_of(month, columns, content), ordered, source)
        done = Archive(month, path, sha256, content.rows, content.digest, path.stat().st_size)
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
    return done


def _is_held(transaction: Transaction, month: Month, digest: str) -> bool:
    """Whether the newest archive holds these rows and its file is still what it was."""
    newest = transaction.one("newest_archive", of=NewestArchive, parent=month.parent, lower_bound=month.lower_bound)
    if newest is None or newest.digest != digest:
        return False
    path = Path(newest.path)
    return path.is_file() and checksum(path) == newest.sha256


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
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)  # makes the new name survive a power cut
        finally:
            os.close(handle)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return sha256


def _batches(transaction: Transaction, ordered: sql.Composable, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in blocks of some megabytes; the protocol sends whole rows, so a block ends with one."""
    query = sql.SQL("copy (select {} from only {}) to stdout (format csv)").format(identifiers(schema.names), ordered)
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
            load_rows(cursor, rehearsal, file)
            wanted = facts_of(file, part)
    content = content_of(transaction, "pg_temp.rehearsal")
    if (content.rows, content.digest) != (wanted.rows, wanted.digest):
        raise Refused(
            f"{part.name} was written and read back as {content.rows} rows with digest {content.digest[:12]}, the "
            f"month has {wanted.rows} with {wanted.digest[:12]}; nothing is dropped, look at the disk"
        )
    return sha256


def _stem(month: Month) -> str:
    return f"{month.parent.rpartition('.')[2]}_{month.lower_bound.astimezone(UTC):%Y-%m}"
