"""The schema goes up, down and up, and refuses what must not be."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from mlops.db import Database, migrate
from mlops.errors import DatabaseUnavailable, Misused, NotMigrated

CATALOGUE = Path(__file__).with_name("catalogue.sql")


@pytest.fixture
def empty(new_database):
    with new_database("empty") as (_, url):
        database = Database(url)
        yield database
        database.close()


def test_up_down_and_up_again_is_up(empty: Database):
    assert empty.version() is None
    assert empty.upgrade() == migrate.head()
    once = _catalogue(empty)
    assert empty.upgrade("base") == "base"
    assert [row for row in _catalogue(empty) if "schema_version" not in row[1]] == []
    empty.upgrade()
    assert _catalogue(empty) == once


def test_the_way_down_leaves_mlflows_schema_and_nothing_else(empty: Database):
    empty.upgrade()
    with psycopg.connect(empty.url, autocommit=True) as connection:
        connection.execute("create table mlflow.runs (run_uuid text); insert into mlflow.runs values ('a')")
        connection.execute("select analytics.ensure_partitions('2020-01-01', '2020-03-31')")
        empty.upgrade("base")
        left = connection.execute(
            "select relname from pg_class where relnamespace in ('analytics'::regnamespace, 'mlflow'::regnamespace)"
            " and relkind <> 'i' union all select proname from pg_proc where pronamespace = 'analytics'::regnamespace"
        ).fetchall()
        assert sorted(left) == [("runs",), ("schema_version",)]
        assert connection.execute("select run_uuid from mlflow.runs").fetchall() == [("a",)]


def test_the_way_down_is_refused_while_others_build_on_the_schema(empty: Database):
    empty.upgrade()
    once = _catalogue(empty)
    with psycopg.connect(empty.url, autocommit=True) as connection:
        connection.execute("create view public.ours as select name from analytics.metric_types")
    with pytest.raises(Exception, match=r"outside of it there is rule _RETURN on view (public.)?ours"):
        empty.upgrade("base")
    assert (empty.version(), _catalogue(empty)) == (migrate.head(), once)


@pytest.mark.parametrize("version", ["0001", "0012", "0019"])
def test_a_development_version_is_refused_and_stays_as_it_is(empty: Database, version: str):
    with psycopg.connect(empty.url, autocommit=True) as connection:
        connection.execute(
            "create schema analytics; create table analytics.metric_types (name text);"
            " create table analytics.schema_version (version_num text)"
        )
        connection.execute("insert into analytics.schema_version values (%s)", [version])
    before = _catalogue(empty)
    for act in (empty.upgrade, lambda: empty.upgrade("base"), empty.check):
        with pytest.raises(
            NotMigrated, match=f"{version} of a development version before 0.1.0.*`mlops series export`"
        ):
            act()
    assert (empty.version(), _catalogue(empty)) == (version, before)


def test_migrating_twice_is_migrating_once(database: Database):
    before = _catalogue(database)
    assert database.upgrade() == migrate.head()
    assert _catalogue(database) == before


def test_two_migrations_at_once_wait_for_each_other(empty: Database):
    with ThreadPoolExecutor(2) as both:
        assert list(both.map(lambda _: Database(empty.url).upgrade(), range(2))) == [migrate.head()] * 2


def test_an_unmigrated_database_is_refused_with_what_to_run(empty: Database):
    with pytest.raises(NotMigrated, match=r"schema version none.*run `mlops db upgrade`"):
        empty.check()


def test_a_database_that_is_down_is_refused_with_its_address():
    with pytest.raises(DatabaseUnavailable, match=r"can't reach the database at .*someone:\*\*\*@127.0.0.1:1/none"):
        Database("postgresql://someone:secret@127.0.0.1:1/none").version()


def test_an_address_of_something_else_is_refused():
    with pytest.raises(Misused, match="not a PostgreSQL address"):
        Database("sqlite:///x.db")


def test_a_month_is_made_once_and_in_utc(database: Database):
    with psycopg.connect(database.url) as connection:
        connection.execute("set time zone 'Europe/Berlin'")
        made = connection.execute(
            "select analytics.create_monthly_partition('2020-03-01'), analytics.create_monthly_partition('2020-03-31')"
        ).fetchone()
        bound = connection.execute(
            "select pg_get_expr(relpartbound, oid) from pg_class where relname = 'time_series_metrics_p2020_03'"
        ).fetchone()
        connection.execute("set time zone 'UTC'")
    assert made == (True, False)
    assert "2020-03-01 01:00:00+01" in bound[0]


def test_many_sessions_make_the_same_months_once(database: Database):
    def make(_: int) -> int:
        with database.transaction() as transaction:
            return transaction.value(
                "ensure_partitions",
                table="analytics.time_series_metrics",
                first=datetime(2020, 1, 1, tzinfo=UTC),
                last=datetime(2020, 12, 1, tzinfo=UTC),
            )

    with ThreadPoolExecutor(4) as many:
        assert sum(many.map(make, range(4))) == 12


@pytest.mark.parametrize("month", ["9999-12-01", "1066-10-01"])
def test_a_month_out_of_range_is_refused(database: Database, month: str):
    with (
        psycopg.connect(database.url) as connection,
        pytest.raises(psycopg.errors.DatetimeFieldOverflow, match="out of range"),
    ):
        connection.execute("select analytics.create_monthly_partition(%s)", [month])


def _catalogue(database: Database) -> list[tuple[str, ...]]:
    with psycopg.connect(database.url) as connection:
        return connection.execute(CATALOGUE.read_text()).fetchall()
