"""An index is made on a table in use: nobody waits, and what was interrupted goes on."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from mlops.db import Database, migrate

INDEX = "analytics.time_series_metrics_recorded"
WHOLE = """
select (select indisvalid from pg_index where indexrelid = 'analytics.time_series_metrics_recorded'::regclass),
       (select count(*) from pg_inherits where inhparent = 'analytics.time_series_metrics'::regclass)
     - (select count(*) from pg_inherits where inhparent = 'analytics.time_series_metrics_recorded'::regclass)
"""


def sql(database: Database, statement: str) -> list[tuple]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def before(new_database) -> Iterator[Database]:
    """A database of version 0002 with three months of observations."""
    with new_database("online") as (_, url):
        database = Database(url)
        database.upgrade("0002")
        sql(database, "select analytics.ensure_partitions('2020-01-01', '2020-03-31')")
        sql(
            database,
            "insert into analytics.time_series_metrics (series_id, observed_at, value) select s, t, 1 from "
            "generate_series('2020-01-01'::timestamptz, '2020-03-31', '1 hour') t, generate_series(1, 20) s",
        )
        yield database
        database.close()


def test_every_partition_gets_the_index_and_so_does_the_next(before: Database):
    assert before.upgrade() == migrate.head()
    assert sql(before, WHOLE) == [(True, 0)]
    sql(before, "select analytics.ensure_partitions(array[date '2020-04-01'])")
    assert sql(before, WHOLE) == [(True, 0)]


def test_a_writer_writes_and_a_reader_reads_meanwhile(before: Database):
    """An open transaction holds the migration up, and not one statement of the others."""
    with psycopg.connect(before.url) as writer, ThreadPoolExecutor(1) as pool:
        writer.execute("insert into analytics.time_series_metrics values (1000, '2020-02-01', 1)")
        upgrade = pool.submit(before.upgrade)
        try:
            with psycopg.connect(before.url, autocommit=True, options="-cstatement_timeout=30s") as other:
                for number in range(10):
                    other.execute(
                        f"insert into analytics.time_series_metrics values ({2000 + number}, '2020-01-01', 1)"
                    )
                    other.execute("select count(*) from analytics.time_series_metrics")
                    time.sleep(0.1)
            assert not upgrade.done()
        finally:
            writer.commit()
        assert upgrade.result(timeout=60) == migrate.head()
    assert sql(before, WHOLE) == [(True, 0)]


def test_an_interrupted_run_leaves_an_invalid_index_and_the_next_one_mends_it(before: Database):
    script = "import sys\nfrom mlops.db import Database\nDatabase(sys.argv[1]).upgrade()"
    with psycopg.connect(before.url) as blocker:
        blocker.execute(
            "select count(*) from analytics.time_series_metrics_p2020_02"
        )  # a snapshot is enough to wait for
        blocker.execute("lock table only analytics.time_series_metrics_p2020_02 in row exclusive mode")
        with subprocess.Popen([sys.executable, "-c", script, before.url]) as run:
            _until(
                before,
                "select 1 from pg_index where not indisvalid and indrelid = "
                "'analytics.time_series_metrics_p2020_02'::regclass or indisvalid is null",
            )
            run.kill()
    _until(
        before,
        "select 1 where not exists (select from pg_stat_activity where query ~ '^create index concurrently' "
        "and pid <> pg_backend_pid() and datname = current_database())",
        end=True,
    )
    assert before.version() == "0002"
    assert sql(before, WHOLE)[0][0] is False
    assert before.upgrade() == migrate.head()
    assert sql(before, WHOLE) == [(True, 0)]


def test_the_way_down_removes_every_index(before: Database):
    before.upgrade()
    before.upgrade("0002")
    assert sql(
        before, "select count(*) from pg_indexes where indexdef ~ 'recorded_at' and schemaname = 'analytics'"
    ) == [(0,)]
    assert before.upgrade() == migrate.head()


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
