"""A database and its transactions; every statement is a block of a file in `queries/`."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from io import BytesIO
from typing import Any, TypeVar, overload

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
import sqlalchemy as sa
from psycopg import sql
from psycopg.types.json import JsonbDumper
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from mlops.config import Settings
from mlops.db import migrate, session
from mlops.db.binary import Arrays, encode, encode_records
from mlops.db.embedded import server_for
from mlops.db.failures import explained, unreachable
from mlops.db.statements import named_blocks, statement
from mlops.errors import Misused, Refused, quoted

__all__ = ["Database", "Transaction", "as_rows", "column_faults", "open_database"]

NAME = "mlops"
T = TypeVar("T")
TIMESTAMPTZ = 1184  # its number in pg_type


class Transaction:
    """One transaction: statements by the name of their block in `queries/`, parameters by name."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._reads_archives = False

    @property
    def reads_archives(self) -> bool:
        """Whether queries read `archived_metrics` and `archived_revisions` beside observations and corrections."""
        return self._reads_archives

    def read_archives(self) -> None:
        """From now on queries of this transaction read these two temporary tables, too; both are empty."""
        self.run("empty_archived_tables" if self._reads_archives else "create_archived_tables")
        self._reads_archives = True

    def run(self, query: str, **parameters: Any) -> int:
        """Execute; how many rows were touched."""
        return self._execute(query, parameters).rowcount

    @overload
    def rows(self, query: str, *, of: type[T], **parameters: Any) -> list[T]: ...

    @overload
    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]: ...

    def rows(self, query: str, *, of: type[T] | None = None, **parameters: Any) -> list[T] | list[dict[str, Any]]:
        """All rows, each as an `of`: a frozen dataclass with a field for each column; without `of` as dicts."""
        result = self._execute(query, parameters)
        return [dict(row) for row in result.mappings()] if of is None else as_rows(of, list(result.keys()), result)

    @overload
    def one(self, query: str, *, of: type[T], **parameters: Any) -> T | None: ...

    @overload
    def one(self, query: str, **parameters: Any) -> dict[str, Any] | None: ...

    def one(self, query: str, *, of: type[T] | None = None, **parameters: Any) -> T | dict[str, Any] | None:
        """The first row like one of `rows`, or None."""
        result = self._execute(query, parameters)
        row = result.first()
        if row is None:
            return None
        return dict(row._mapping) if of is None else as_rows(of, list(result.keys()), [row])[0]

    def value(self, query: str, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        return self._execute(query, parameters).scalar()

    def values(self, query: str, **parameters: Any) -> list[Any]:
        """The first column of all rows."""
        return list(self._execute(query, parameters).scalars())

    def frame(self, query: str, **parameters: Any) -> pd.DataFrame:
        """All rows as a frame; times come back as naive UTC, because `ds` is naive in every forecasting library."""
        result = self._execute(query, parameters)
        described = result.cursor.description if result.cursor is not None else None
        frame = pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()))
        for name in (column[0] for column in described or () if column[1] == TIMESTAMPTZ):
            naive = pd.to_datetime(frame[name], utc=True, cache=False).dt.tz_localize(None)
            frame[name] = naive.astype("datetime64[ns]")
        return frame

    def copy(self, table: str, frame: pd.DataFrame) -> None:
        """COPY a frame into `table` (its columns are the frame's); naive times are UTC, missing values become NULL."""
        written = BytesIO()
        # an empty text is quoted, a missing value is not: so Postgres can distinguish them
        options = arrow_csv.WriteOptions(include_header=False, quoting_style="needed")
        arrow_csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), written, options)
        with self.cursor() as cursor, cursor.copy(_into(table, frame.columns, "csv")) as copy:
            copy.write(written.getbuffer())

    def copy_arrays(self, table: str, columns: Arrays, *, freeze: bool = False) -> None:
        """COPY arrays (integers, floats, booleans, datetime64 in UTC) into `table`; NaN and NaT become NULL.

        `freeze` is for a table that this transaction has made: its rows need no vacuum later.
        """
        into = _into(table, columns, "binary, freeze" if freeze else "binary")
        with self.cursor() as cursor, cursor.copy(into) as copy:
            for data in encode(columns):
                copy.write(data)

    def copy_records(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """COPY rows into `table`; `columns` names the type of each column (`db.binary.SENT`)."""
        with self.cursor() as cursor, cursor.copy(_into(table, columns, "binary")) as copy:
            for data in encode_records(list(columns.values()), rows):
                copy.write(data)

    def cursor(self) -> psycopg.Cursor[Any]:
        """A cursor of the driver in this transaction, for COPY and for what has no name until it is run."""
        connection = self._connection.connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        return connection.cursor()

    def lock(self, name: str) -> None:
        """Wait until no other transaction holds the lock `name`; it is released at the end of this transaction."""
        self._execute("lock", {"name": name})

    def _execute(self, query: str, parameters: Mapping[str, object]) -> sa.CursorResult[Any]:
        prepared = statement(query, archives=self._reads_archives)
        try:
            with _refusals():
                return self._connection.execute(prepared, parameters)
        except Exception as error:
            error.add_note(f"in the block {query} of db/queries/{named_blocks()[query].file}")
            raise


class Database:
    """One PostgreSQL database; `url` is what psql takes. Without `pinned` its sessions are set as the server says."""

    def __init__(self, url: str, *, pinned: bool = True) -> None:
        self.url = url
        self._engine = _engine(url, pinned=pinned)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Everything inside happens, or nothing does."""
        with self._connect() as connection, connection.begin():
            yield Transaction(connection)

    def version(self) -> str | None:
        """The schema's version, or None before the first migration."""
        with self._connect() as connection, _refusals():
            return migrate.schema_version(connection)

    def upgrade(self, to: str = "head") -> str:
        """Migrate up (or down) to a version; the version reached. Two at once wait for each other.

        What the schema can't be in is refused before anything is written.
        """
        with self._connect() as connection:
            return migrate.migrate(connection, to)

    def check(self) -> None:
        """Raise NotMigrated unless the schema is of this program's version."""
        version = self.version()
        if version != migrate.head():
            raise migrate.schema_refusal(version)

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """Whether nobody else does `work` now; if so, nobody else can begin it while the block runs."""
        with self.autocommit() as cursor:
            answer = cursor.execute("select pg_try_advisory_lock(hashtextextended(%s, 1))", [work]).fetchone()
            free = answer is not None and bool(answer[0])
            try:
                yield free
            finally:
                if free:
                    cursor.execute("select pg_advisory_unlock(hashtextextended(%s, 1))", [work])

    @contextmanager
    def autocommit(self) -> Iterator[psycopg.Cursor[Any]]:
        """A cursor outside of any transaction, for what PostgreSQL does not do inside of one."""
        with self._connect() as connection:
            plain = Transaction(connection.execution_options(isolation_level="AUTOCOMMIT"))
            with plain.cursor() as cursor:
                yield cursor

    def close(self) -> None:
        """Give the connections back to the server."""
        self._engine.dispose()

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        try:
            connection = self._engine.connect()
        except OperationalError as error:
            shown = sa.make_url(self.url).render_as_string(hide_password=True)
            raise unreachable("can't reach the database", shown, error) from error
        with connection:
            yield connection


def open_database(settings: Settings, *, checked: bool = True) -> Database:
    """The database of these settings, ready to use.

    The embedded server is started, and a new one is migrated. A server of the user's own is never changed: with
    `checked` an unmigrated one raises NotMigrated.
    """
    if settings.database_url is not None:
        database = Database(settings.database_url)
    else:
        database = _embedded(settings)
        if database.version() is None:
            database.upgrade()
    if checked:
        database.check()
    return database


def as_rows(of: Callable[..., T], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[T]:
    """Each row as an `of`, a dataclass with a field for each column; TypeError when columns and fields differ."""
    make = _maker(of, tuple(columns))
    return [make(row) for row in rows]


def column_faults(of: type, columns: Sequence[str]) -> str | None:
    """How these columns differ from what the dataclass takes; a field with a default may have no column."""
    if not is_dataclass(of):
        return f"{of.__name__} is no dataclass"
    taken = {field.name: field for field in fields(of) if field.init}
    needed = [name for name, field in taken.items() if field.default is MISSING and field.default_factory is MISSING]
    faults = {
        "gives it twice": sorted({name for name in columns if columns.count(name) > 1}),
        f"gives what {of.__name__} does not have": [name for name in columns if name not in taken],
        f"does not give what {of.__name__} needs": [name for name in needed if name not in columns],
    }
    return "; ".join(f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names) or None


@cache
def _maker(of: Callable[..., T], columns: tuple[str, ...]) -> Callable[[Sequence[Any]], T]:
    assert isinstance(of, type)
    if fault := column_faults(of, columns):
        raise TypeError(f"the query {fault}")
    if columns == tuple(field.name for field in fields(of) if field.init and not field.kw_only):
        return lambda row: of(*row)
    return lambda row: of(**dict(zip(columns, row, strict=True)))


def _embedded(settings: Settings) -> Database:
    server = server_for(settings.root).start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        if connection.execute("select from pg_database where datname = %s", [NAME]).fetchone() is None:
            # another process may be faster
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(f"create database {NAME}")
    return Database(server.url(NAME))


def _engine(url: str, *, pinned: bool) -> sa.Engine:
    scheme, _, rest = url.partition("://")
    try:
        if scheme.split("+")[0] not in ("postgresql", "postgres") or not rest:
            raise ValueError(scheme)
        address = sa.make_url(f"postgresql+psycopg://{rest}")
    except (ValueError, ArgumentError) as error:
        shown = re.sub(r":[^:/@]*@", ":…@", url)  # without a password
        raise Misused(
            f"MLOPS_DATABASE_URL is {quoted(shown)}, which is not a PostgreSQL address; expected"
            " postgresql://user@host:port/database"
        ) from error
    theirs = address.query.get("options", "")
    given = session.connection_arguments(theirs if isinstance(theirs, str) else " ".join(theirs)) if pinned else {}
    engine = sa.create_engine(address, pool_pre_ping=True, connect_args=given)
    # a dict parameter is jsonb
    sa.event.listen(engine, "connect", lambda made, _record: made.adapters.register_dumper(dict, JsonbDumper))
    if pinned:
        sa.event.listen(engine, "connect", session.settle)
    return engine


def _into(table: str, columns: Iterable[str], form: str) -> sql.Composed:
    return sql.SQL("copy {} ({}) from stdin (format {})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(sql.Identifier(name) for name in columns),
        sql.SQL(form),
    )


@contextmanager
def _refusals() -> Iterator[None]:
    """What the server does not allow, as our own error: our functions refuse so, and rights that are missing."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.ObjectNotInPrerequisiteState):
            hint = error.orig.diag.message_hint
            said = error.orig.diag.message_primary or str(error.orig)
            raise Refused(said + (f"; {hint}" if hint else "")) from error
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            known = explained(error)
            assert known is not None
            raise known from error
        raise
