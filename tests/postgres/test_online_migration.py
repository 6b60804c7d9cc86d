"""A table in use is changed as docs/how-to/migrate.md says: nobody waits, and what was interrupted goes on.

The migrations are those of the page, on top of the package's own.
"""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from tests.pages import blocks

from mlops.db import Database, migrate
from mlops.project import bundled

BASELINE, INDEXED, FILLED = "0001_baseline", "0002_quality_index", "0003_received_at"
WHOLE = """
select (select indisvalid from pg_index where indexrelid = 'analytics.time_series_metrics_quality'::regclass),
       (select count(*) from pg_inherits where inhparent = 'analytics.time_series_metrics'::regclass)
     - (select count(*) from pg_inherits where inhparent = 'analytics.time_series_metrics_quality'::regclass)
"""
SCRIPT = """
import sys, pathlib, sqlalchemy as sa
from mlops.db import migrate
with sa.create_engine(sys.argv[1]).connect() as connection:
    migrate.migrate(connection, sys.argv[2], migrations=pathlib.Path(sys.argv[3]))
"""


@dataclass(frozen=True)
class Chain:
    """A database in use, and the migrations of the page beside those of the package."""

    database: Database
    migrations: Path

    @property
    def address(self) -> str:
        return self.database.url.replace("postgresql://", "postgresql+psycopg://")

    def migrate(self, to: str) -> str:
        engine = sa.create_engine(self.address)
        with engine.connect() as connection:
            reached = migrate.migrate(connection, to, migrations=self.migrations)
        engine.dispose()
        return reached

    def started(self, to: str) -> subprocess.Popen[bytes]:
        """The same in a process of its own, which can be killed."""
        return subprocess.Popen([sys.executable, "-c", SCRIPT, self.address, to, str(self.migrations)])


def sql(database: Database, statement: str) -> list[tuple]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain") / "migrations"
    shutil.copytree(bundled("migrations"), folder, ignore=shutil.ignore_patterns("__pycache__"))
    for _, _, text in blocks("docs/how-to/migrate.md"):
        name = text.split(maxsplit=2)[1]
        (folder.parent / name).parent.mkdir(exist_ok=True)
        (folder.parent / name).write_text(text)
    return folder


@pytest.fixture
def chain(new_database, migrated: str, migrations: Path) -> Iterator[Chain]:
    """A database of the package's schema with three months of observations."""
    with new_database("online", template=migrated) as (_, url):
        database = Database(url)
        sql(database, "select analytics.ensure_partitions('2020-01-01', '2020-03-31')")
        sql(
            database,
            "insert into analytics.time_series_metrics (series_id, observed_at, value) select s, t, 1 from "
            "generate_series('2020-01-01'::timestamptz, '2020-03-31', '1 hour') t, generate_series(1, 20) s",
        )
        yield Chain(database, migrations)
        database.close()


def test_every_partition_gets_the_index_and_so_does_the_next(chain: Chain):
    assert chain.migrate(INDEXED) == INDEXED
    assert sql(chain.database, WHOLE) == [(True, 0)]
    sql(chain.database, "select analytics.ensure_partitions(array[date '2020-04-01'])")
    assert sql(chain.database, WHOLE) == [(True, 0)]


def test_every_row_gets_the_column_and_none_is_empty_afterwards(chain: Chain):
    assert chain.migrate(FILLED) == FILLED
    different = "select count(*) from analytics.time_series_metrics where received_at is distinct from recorded_at"
    assert sql(chain.database, different) == [(0,)]
    sql(chain.database, "insert into analytics.time_series_metrics values (1000, '2020-02-01', 1)")
    sql(chain.database, "select analytics.ensure_partitions(array[date '2020-04-01'])")
    for month in ("2020-01-01", "2020-04-01"):
        with pytest.raises(psycopg.errors.NotNullViolation):
            sql(
                chain.database,
                "insert into analytics.time_series_metrics (series_id, observed_at, value, received_at)"
                f" values (2000, '{month}', 1, null)",
            )


@pytest.mark.parametrize("to", [INDEXED, FILLED])
def test_a_writer_writes_and_a_reader_reads_meanwhile(chain: Chain, to: str):
    """An open transaction holds the migration up, and not one statement of the others."""
    with psycopg.connect(chain.database.url) as writer, ThreadPoolExecutor(1) as pool:
        if to == FILLED:
            chain.migrate(INDEXED)
        writer.execute("insert into analytics.time_series_metrics values (1000, '2020-02-01', 1)")
        upgrade = pool.submit(chain.migrate, to)
        try:
            with psycopg.connect(chain.database.url, autocommit=True, options="-cstatement_timeout=30s") as other:
                for number in range(10):
                    other.execute(
                        f"insert into analytics.time_series_metrics values ({2000 + number}, '2020-01-01', 1)"
                    )
                    other.execute("select count(*) from analytics.time_series_metrics")
                    time.sleep(0.1)
            assert not upgrade.done()
        finally:
            writer.commit()
        assert upgrade.result(timeout=60) == to
    assert sql(chain.database, WHOLE) == [(True, 0)]


def test_an_interrupted_index_is_invalid_and_the_next_run_makes_it_anew(chain: Chain):
    database = chain.database
    with psycopg.connect(database.url) as blocker:
        blocker.execute(
            "select count(*) from analytics.time_series_metrics_p2020_02"
        )  # a snapshot is enough to wait for
        blocker.execute("lock table only analytics.time_series_metrics_p2020_02 in row exclusive mode")
        with chain.started(INDEXED) as run:
            _until(
                database,
                "select 1 from pg_index where not indisvalid and indrelid = "
                "'analytics.time_series_metrics_p2020_02'::regclass or indisvalid is null",
            )
            run.kill()
    _until(
        database,
        "select 1 where not exists (select from pg_stat_activity where query ~ '^create index concurrently' "
        "and pid <> pg_backend_pid() and datname = current_database())",
        end=True,
    )
    assert database.version() == BASELINE
    assert sql(database, WHOLE)[0][0] is False
    assert chain.migrate(INDEXED) == INDEXED
    assert sql(database, WHOLE) == [(True, 0)]


def test_an_interrupted_backfill_goes_on_where_it_was(chain: Chain):
    database, of_february = chain.database, "analytics.time_series_metrics_p2020_02"
    chain.migrate(INDEXED)
    folder = chain.migrations / "sql/0003"
    sql(database, (folder / "010_expand.sql").read_text())
    sql(database, (folder / "020_backfill.sql").read_text().replace("%s", of_february))
    empty = f"select count(*) from {of_february} where received_at is null"
    assert sql(database, empty) == [(29 * 24 * 20 - 5000,)]
    assert database.version() == INDEXED
    assert chain.migrate(FILLED) == FILLED
    assert sql(database, empty) == [(0,)]


def test_the_way_down_removes_every_index_and_the_column(chain: Chain):
    chain.migrate(FILLED)
    assert chain.migrate(BASELINE) == BASELINE
    left = "select count(*) from pg_indexes where indexdef ~ 'quality_score' and schemaname = 'analytics'"
    assert sql(chain.database, left) == [(0,)]
    left = "select count(*) from pg_attribute where attname = 'received_at' and attrelid::regclass::text ~ 'metrics'"
    assert sql(chain.database, left) == [(0,)]
    assert chain.migrate("head") == FILLED


def _until(database: Database, question: str, *, end: bool = False) -> None:
    """Wait for a row; with `end` the server is told to end what a killed client left behind."""
    deadline = time.monotonic() + 30
    while not sql(database, question):
        if end:
            sql(
                database,
                "select pg_cancel_backend(pid) from pg_stat_activity where query ~ '^create index concurrently' "
                "and pid <> pg_backend_pid() and datname = current_database()",
            )
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)
