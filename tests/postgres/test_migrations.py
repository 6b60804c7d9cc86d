"""The schema goes up, down and up, and refuses what must not be."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from mlops.db import Database, migrate
from mlops.errors import DatabaseUnavailable, Misused, NotMigrated

CATALOGUE = Path(__file__).with_name("catalogue.sql")
MIRRORED = """
insert into analytics.registered_models (name, created_at) values ('demand', now());
insert into analytics.model_versions
       (model_id, name, version, created_at, status, lineage, lineage_sha256, lineage_state, lineage_problem, metrics,
        tags)
select m.model_id, m.name, v.*
  from analytics.registered_models m
 cross join (values
       (1, now(), 'READY', '{"recipe": {}, "files": {"pyfunc.py": "b", "forecaster/booster.txt": "c"}}'::jsonb,
        repeat('a', 64), 'complete', null, '{"wape": 0.1}'::jsonb,
        '{"mlops.kind": "lean", "mlops.promoted_because": "so", "x": "y"}'::jsonb),
       (2, now(), 'READY', null, null, 'incomplete', 'none', '{}', '{}')) v"""


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


@pytest.mark.parametrize("version", migrate.history())
def test_going_down_restores_exactly_what_was_there(empty: Database, version: str):
    empty.upgrade(version)
    before = _catalogue(empty)
    empty.upgrade()
    assert empty.upgrade(version) == version
    assert _catalogue(empty) == before


def test_versions_of_before_are_anchored_as_the_mirror_showed_them(empty: Database):
    empty.upgrade("0008")
    with psycopg.connect(empty.url, autocommit=True) as connection:
        connection.execute(MIRRORED)
        empty.upgrade()
        found = connection.execute(
            "select v.version, a.anchored_by, a.lineage_sha256, a.files, a.metrics, a.tags"
            " from analytics.model_anchors a join analytics.model_versions v using (version_id)"
        ).fetchall()
        assert found == [
            (
                1,
                "migration",
                "a" * 64,
                {"pyfunc.py": "b", "artifacts/forecaster/booster.txt": "c"},
                {"wape": 0.1},
                {"mlops.kind": "lean"},
            )
        ]
        connection.execute("update analytics.model_versions set lineage_state = 'claimed' where version = 2")
        empty.upgrade("0008")
        states = connection.execute("select lineage_state from analytics.model_versions order by version").fetchall()
    assert states == [("complete",), ("incomplete",)]


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
