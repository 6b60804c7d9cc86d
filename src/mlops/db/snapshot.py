"""Another PostgreSQL database as it was at one moment, read only; its rows are piped into ours without being parsed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import make_conninfo

from mlops.db import session
from mlops.db.engine import Transaction
from mlops.db.failures import NOTHING, unreachable
from mlops.db.statements import statement

__all__ = ["Snapshot", "open_snapshot"]

CONNECT_SECONDS = "10"


class Snapshot:
    """One repeatable-read transaction; the first query decides which moment it shows."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def one(self, query: str) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        return self._connection.execute(_text(query)).fetchone()

    def pipe(self, query: str, transaction: Transaction, table: str) -> None:
        """COPY the rows of a query into a table of `transaction`, which has their columns by name."""
        shown = self._connection.execute(sql.SQL("{} limit 0").format(_text(query))).description or ()
        columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in shown)
        out = sql.SQL("copy ({}) to stdout").format(_text(query))
        into = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier("pg_temp", table), columns)
        with (
            self._connection.cursor().copy(out) as rows,
            transaction.cursor() as cursor,
            cursor.copy(into) as copy,
        ):
            for data in rows:
                copy.write(data)


@contextmanager
def open_snapshot(address: str) -> Iterator[Snapshot]:
    """The database at an address as psql, SQLAlchemy or MLflow take it; DatabaseUnavailable if unreachable."""
    url = sa.make_url(address).set(drivername="postgresql")
    given = session.connection_arguments(str(url.query.get("options", "")), without=("search_path",))
    seconds = str(url.query.get("connect_timeout", CONNECT_SECONDS))
    place = url.difference_update_query(["connect_timeout"])
    shown = place.render_as_string(hide_password=True)
    try:
        named = make_conninfo(place.render_as_string(hide_password=False), connect_timeout=seconds, **given)
        connection = psycopg.connect(named)
    except psycopg.OperationalError as error:
        raise unreachable("can't read the registry", shown, error, safe=NOTHING) from error
    with connection:
        session.settle(connection)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            yield Snapshot(connection)
        except psycopg.OperationalError as error:
            if not connection.broken:  # somebody else's error
                raise
            raise unreachable("can't read the registry", shown, error, safe=NOTHING) from error


def _text(query: str) -> sql.SQL:
    return sql.SQL(str(statement(query)).strip())
