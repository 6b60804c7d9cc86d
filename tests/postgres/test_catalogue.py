"""The whole schema as text beside the test: a change of it is seen in review, where Alembic's own check sees nothing.

Renew it with

    MLOPS_RENEW_CATALOGUE=1 pytest tests/postgres/test_catalogue.py
"""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.pages import BIN

from mlops.db import Database, migrate

HERE = Path(__file__).parent
SNAPSHOT = HERE / "catalogue.txt"
RENEW = "MLOPS_RENEW_CATALOGUE=1 pytest tests/postgres/test_catalogue.py"
VIEWS = ("view", "materialised view")  # each major version of PostgreSQL writes definitions back in its own way


def test_the_schema_is_the_one_that_was_reviewed(database: Database):
    version, found = _catalogue(database)
    if os.environ.get("MLOPS_RENEW_CATALOGUE"):
        SNAPSHOT.write_text(f"PostgreSQL {version}\n" + "".join(f"{line}\n" for line in found))
    first, *wanted = SNAPSHOT.read_text().splitlines()
    if first != f"PostgreSQL {version}":
        found, wanted = _without_views(found), _without_views(wanted)
    gone, new = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    told = [f"- {line}" for line in gone] + [f"+ {line}" for line in new]
    if told:
        pytest.fail(
            "\n".join(["the schema differs from tests/postgres/catalogue.txt:", *told, "", f"is it meant? {RENEW}"])
        )


def test_the_printed_schema_is_the_migrated_one(database: Database, new_database, tmp_path: Path):
    (tmp_path / "schema.sql").write_text(migrate.schema())
    environment = os.environ | {"PATH": os.pathsep.join([str(BIN), os.environ["PATH"]])}
    with new_database("printed") as (_, url):
        printed = Database(url)
        psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(tmp_path / "schema.sql"), url]
        done = subprocess.run(psql, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert printed.version() == migrate.head()
        assert _catalogue(printed) == _catalogue(database)
        assert printed.upgrade() == migrate.head()
        assert _catalogue(printed) == _catalogue(database)
        again = subprocess.run(psql, env=environment, capture_output=True, text=True, check=False)
        assert "already exists" in again.stderr
        assert _catalogue(printed) == _catalogue(database)
        printed.close()


def test_nobody_may_execute_a_definer_function_unasked(database: Database):
    lines = _catalogue(database)[1]
    definers = [line for line in lines if "security definer" in line]
    assert definers
    assert [
        line for line in definers if "PUBLIC MAY EXECUTE" in line or "search_path=pg_catalog, pg_temp" not in line
    ] == []


def _catalogue(database: Database) -> tuple[int, list[str]]:
    with psycopg.connect(database.url, options="-ctimezone=UTC -csearch_path=pg_catalog") as connection:
        rows = connection.execute((HERE / "catalogue.sql").read_text()).fetchall()
        rows += [
            row
            for kind, name, what in rows
            if kind == "relation" and "table" in what
            for row in _rows(connection, name)
        ]
        lines = [" | ".join(" ".join(str(part).split()) for part in row) for row in rows]
        return connection.info.server_version // 10_000, sorted(lines)


def _rows(connection: psycopg.Connection, table: str) -> list[tuple[str, str, str]]:
    """What a migration puts into a table, but the time at which it did."""
    statement = sql.SQL("select 'row', {}, (to_jsonb(t) - 'marked_at')::text from analytics.{} t")
    return connection.execute(statement.format(table, sql.Identifier(table))).fetchall()


def _without_views(lines: list[str]) -> list[str]:
    return [line for line in lines if line.partition(" | ")[0] not in VIEWS]
