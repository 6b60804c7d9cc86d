"""The file of a month: a Parquet file that says itself which month it holds, and what a table must have to take it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from psycopg import sql

from mlops.db.engine import Transaction
from mlops.errors import Refused

__all__ = [
    "FileFacts",
    "Month",
    "TableColumn",
    "TableContent",
    "checksum",
    "content_of",
    "facts_of",
    "identifier",
    "identifiers",
    "load_rows",
    "open_parquet",
    "schema_of",
    "table_name",
]

MARK = b"mlops_archive"
FORMAT = 1
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


@dataclass(frozen=True, slots=True)
class Month:
    """A partition and its real bounds."""

    parent: str
    partition: str
    lower_bound: datetime
    upper_bound: datetime


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file says of itself; bounds are as ISO 8601 spells them, `columns` are types of PostgreSQL by name."""

    format: int
    parent: str
    partition: str
    lower_bound: str
    upper_bound: str
    rows: int
    digest: str
    columns: dict[str, str]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table: its type as PostgreSQL spells it, whether a row `needed` one, its place in the key."""

    name: str
    type: str
    needed: bool
    key: int | None


@dataclass(frozen=True, slots=True)
class TableContent:
    """How many rows a table has, and the digest of all of them, made by the server."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class TableName:
    """A table by its schema and its name."""

    schema: str
    name: str


def checksum(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_parquet(file: Path | BufferedReader) -> pq.ParquetFile:
    """A Parquet file; anything else is refused."""
    try:
        return pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        path = file if isinstance(file, Path) else file.name
        raise Refused(f"{path} is not a Parquet file, so it is no archive of ours: {error}") from error


def facts_of(file: pq.ParquetFile, path: Path) -> FileFacts:
    """What a file says of itself; one that says nothing, or in another format, is refused."""
    said = (file.schema_arrow.metadata or {}).get(MARK)
    facts = json.loads(said) if said else {}
    try:
        if facts.get("format") == FORMAT:
            return FileFacts(**facts)
    except TypeError:
        pass  # it says something else than we write
    raise Refused(f"{path} is no archive of ours: it does not say which month it holds")


def schema_of(month: Month, columns: list[TableColumn], content: TableContent) -> pa.Schema:
    """The columns as Arrow types; the file's own description makes it readable without the database."""
    facts = FileFacts(
        FORMAT,
        month.parent,
        month.partition,
        month.lower_bound.isoformat(),
        month.upper_bound.isoformat(),
        content.rows,
        content.digest,
        {column.name: column.type for column in columns},
    )
    fields = [pa.field(column.name, TYPES.get(column.type, pa.string())) for column in columns]
    return pa.schema(fields, metadata={MARK: json.dumps(asdict(facts)).encode()})


def load_rows(cursor: psycopg.Cursor[Any], table: sql.Composable, file: pq.ParquetFile) -> None:
    """COPY every row of the file; one row group at a time is in memory."""
    columns = identifiers(file.schema_arrow.names)
    with cursor.copy(sql.SQL("copy {} ({}) from stdin (format csv)").format(table, columns)) as copy:
        for group in _groups(file):
            written = BytesIO()
            arrow_csv.write_csv(group, written, arrow_csv.WriteOptions(include_header=False))
            copy.write(written.getbuffer())


def _groups(file: pq.ParquetFile) -> Iterable[pa.Table]:
    return (file.read_row_group(number) for number in range(file.num_row_groups))


def identifier(transaction: Transaction, table: str) -> sql.Identifier:
    """A table, quoted, with its schema."""
    name = table_name(transaction, table)
    return sql.Identifier(name.schema, name.name)


def table_name(transaction: Transaction, table: str) -> TableName:
    """The schema and the name of a table that is there."""
    name = transaction.one("table_schema_and_name", of=TableName, table=table)
    assert name is not None
    return name


def content_of(transaction: Transaction, table: str, columns: list[str] | None = None) -> TableContent:
    """The rows of a table and the digest of these columns, or of all."""
    content = transaction.one("table_content", of=TableContent, table=table, columns=columns)
    assert content is not None
    return content


def identifiers(columns: Iterable[str]) -> sql.Composable:
    """Names of columns, quoted, with commas between them."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)
