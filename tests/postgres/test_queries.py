"""What every query does alike: errors say which one it was, and its columns are the fields of the type of its rows."""

import ast
import importlib
import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.dialects.postgresql.psycopg import dialect
from sqlalchemy.exc import DBAPIError

from mlops.db import Database
from mlops.db.engine import column_faults
from mlops.db.statements import named_blocks, statement

SOURCE = Path(__file__).parents[2] / "src"
PYTHON: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int2": (int,),
    "int4": (int,),
    "int8": (int,),
    "float4": (float,),
    "float8": (float,),
    "numeric": (Decimal,),
    "text": (str,),
    "varchar": (str,),
    "name": (str,),
    "date": (date,),
    "timestamptz": (datetime,),
    "timestamp": (datetime,),
    "interval": (timedelta,),
    "bytea": (bytes,),
    "uuid": (UUID,),
    "jsonb": (dict, list, str, int, float, bool),
    "json": (dict, list, str, int, float, bool),
}
"""What the driver makes of a type of PostgreSQL; of an array a list."""
TYPED = (
    "analytics",
    "db",
    "feature_store",
    "monitoring",
    "policy",
    "series",
    "serving",
    "simulation",
    "tracking",
    "training",
)
"""Rooms in which every row has a type; add a room when its last dict is gone."""
PARAMETERS = {"as_of": "timestamptz", "start": "timestamptz", "end_at": "timestamptz", "since": "timestamptz"}
"""Types of parameters that a statement does not say by itself."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A query, and the type with which the code asks for its rows."""

    query: str
    of: type
    where: str

    def __str__(self) -> str:
        return f"{self.query}-{self.of.__name__}"


def asked() -> Iterator[Pair]:
    """Every `rows("query", of=Type)` and `one(…)` of the source."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "of=" not in text:
            continue
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and (of := _keyword(node, "of")):
                place = f"{path.relative_to(SOURCE)}:{node.lineno}"
                for query in _texts(node.args[0]):
                    if query in named_blocks():
                        yield Pair(query, _type(path, tree, of), place)


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _texts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return _texts(node.body) + _texts(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _type(path: Path, tree: ast.Module, of: ast.expr) -> type:
    """The class that an expression names, also where it is imported inside of a function."""
    named = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    known = dict(vars(importlib.import_module(named)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) in ast.unparse(of).split("."):
                    module = importlib.import_module(node.module)
                    known.setdefault(alias.asname or alias.name, getattr(module, alias.name))
    found = eval(ast.unparse(of), known)
    assert isinstance(found, type)
    return found


ASKED = list(asked())


def test_an_error_of_the_server_names_the_file_and_the_block(database: Database):
    with pytest.raises(DBAPIError) as refused, database.transaction() as transaction:
        transaction.value("table_content", table="no_such_table", columns=None)
    assert refused.value.__notes__ == ["in the block table_content of db/queries/archive.sql"]


@dataclass(frozen=True, slots=True)
class Place:
    """Like a row of table_schema_and_name, in another order."""

    name: str
    schema: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class Other:
    """Not like it."""

    name: str
    row: int


def test_rows_are_built_by_the_names_of_their_columns(database: Database):
    with database.transaction() as transaction:
        query, series = "table_schema_and_name", {"table": "analytics.series"}
        assert transaction.rows(query, of=Place, **series) == [Place("series", "analytics")]
        assert transaction.one(query, of=Place, **series) == Place("series", "analytics")
        assert transaction.one("archive_by_file", of=Place, sha256="", path="") is None, "no row is no row of any type"
        assert transaction.rows(query, **series) == [{"schema": "analytics", "name": "series"}]
        assert transaction.values(query, **series) == ["analytics"], "the first column"


def test_columns_that_are_no_fields_are_refused(database: Database):
    expected = r"^the query gives what Other does not have: schema; does not give what Other needs: row$"
    with database.transaction() as transaction, pytest.raises(TypeError, match=expected):
        transaction.rows("table_schema_and_name", of=Other, table="analytics.series")


@pytest.fixture(scope="module")
def described(new_database: Any, with_mlflow: str) -> Iterator[dict[str, list[tuple[str, str]]]]:
    """By query its columns and their types, as PostgreSQL describes the prepared statement."""
    with new_database("described", template=with_mlflow) as (_, url), psycopg.connect(url) as connection:
        connection.execute("set search_path = public, mlflow")  # some read the registry's own tables
        for name, block in named_blocks().items():
            if re.search(r"create temporary (table|view)", block.text) and name != "create_archived_tables":
                connection.execute(str(statement(name)))
        yield {pair.query: _described(connection, pair.query) for pair in ASKED}


def _described(connection: psycopg.Connection[Any], query: str) -> list[tuple[str, str]]:
    compiled = str(statement(query).compile(dialect=dialect()))
    places: dict[str, int] = {}
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${places.setdefault(found[1], len(places) + 1)}", compiled)
    types_of = [psycopg.postgres.types[PARAMETERS[name]].oid if name in PARAMETERS else 0 for name in places]
    prepared = connection.pgconn.prepare(b"", numbered.replace("%%", "%").encode(), types_of)
    assert prepared.status == psycopg.pq.ExecStatus.COMMAND_OK, f"{query}: {prepared.error_message.decode()}"
    shown = connection.pgconn.describe_prepared(b"")
    assert shown.status == psycopg.pq.ExecStatus.COMMAND_OK
    return [(shown.fname(place).decode(), _type_name(shown.ftype(place))) for place in range(shown.nfields)]


def _type_name(oid: int) -> str:
    known = psycopg.postgres.types.get(oid)
    assert known is not None, oid
    return known.name + ("[]" if oid == known.array_oid else "")


@pytest.mark.parametrize("pair", ASKED, ids=str)
def test_the_columns_of_a_query_are_the_fields_of_its_type(pair: Pair, described: dict[str, list[tuple[str, str]]]):
    columns = described[pair.query]
    fault = column_faults(pair.of, [name for name, _ in columns])
    assert fault is None, f"{pair.where}: {pair.query} {fault}"
    hints = get_type_hints(pair.of)
    wrong = [f"{name} is {kind}, {hints[name]} is expected" for name, kind in columns if not _fits(hints[name], kind)]
    assert wrong == [], f"{pair.where}: {pair.query}"
    assert all(field.name in hints for field in fields(pair.of))


@pytest.mark.parametrize("room", TYPED)
def test_a_room_that_is_typed_asks_for_no_dicts(room: str):
    untyped = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted((SOURCE / "mlops" / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("rows", "one")
        if ast.unparse(node.func.value) == "transaction" and _keyword(node, "of") is None
    ]
    assert untyped == []


def _fits(hint: Any, kind: str) -> bool:
    """Whether the driver makes of such a column what the annotation says."""
    if hint is Any:
        return True
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(one, kind) for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is Literal:
        return all(isinstance(one, PYTHON[kind]) for one in get_args(hint))
    plain = dict if is_typeddict(hint) else get_origin(hint) or hint
    return plain in (list, Sequence) if kind.endswith("[]") else plain in PYTHON[kind]
