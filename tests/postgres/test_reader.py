"""What a reader finds: everything explained, the same in every time zone, and nothing that can be changed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.postgres.served import NOW, Served

from mlops.db import Database

UNCOMMENTED = Path(__file__).with_name("uncommented.sql")
SECRET = {"alert_deliveries", "api_keys", "time_series_staging", "webhook_deliveries"}
RELATIONS = """
select relname, relkind from pg_class
 where relnamespace = 'analytics'::regnamespace and relkind in ('r', 'p', 'v', 'm') and not relispartition order by 1"""
CALLS = (
    "analytics.values_as_of(now())",
    "analytics.forecasts_between(current_date - 9, current_date)",
    "analytics.forecast_accuracy('{1}', now())",
    "analytics.aggregate_values('route', 'month', 'collection_weight', '2024-01-01', '2024-02-01')",
    "analytics.latest_values('{1}')",
    "analytics.health_of_models(now())",
)
WRITES = (
    "insert into analytics.customers (customer_id) values ('c')",
    "insert into analytics.time_series_staging (series_id, observed_at, value) values (1, now(), 1)",
    "update analytics.series set labels = '{}'",
    "delete from analytics.time_series_metrics",
    "truncate analytics.alerts",
    "create table analytics.mine (i int)",
    "select analytics.series_for('collection_weight')",
    "select analytics.mark_dirty('{1}', '-infinity', 'infinity')",
    "select analytics.refresh_predictive_views()",
    "select analytics.drop_old_partitions(1)",
    "select analytics.grant_reader()",
    "refresh materialized view analytics.seasonal_patterns",
)
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles")


@pytest.fixture
def reader(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session of a login that has the role mlops_reader and nothing else."""
    name = sql.Identifier(f"mlops_analyst_{os.getpid()}")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} login in role mlops_reader").format(name))
        connection.execute(sql.SQL("set session authorization {}").format(name))
        yield connection
        connection.execute("reset session authorization")
        connection.execute(sql.SQL("drop role {}").format(name))


def test_everything_that_a_user_may_read_or_call_is_explained(database: Database):
    with psycopg.connect(database.url) as connection:
        assert connection.execute(UNCOMMENTED.read_text(encoding="utf-8")).fetchall() == []


def test_what_holds_parts_beside_wholes_says_what_not_to_add_up(database: Database):
    said = {
        "obj_description('analytics.time_series'::regclass)": "choose a level",
        "obj_description('analytics.daily_metrics_summary'::regclass)": "choose a level",
        "obj_description('analytics.operational_metrics_aggregates'::regclass)": "one dimension only",
        "obj_description('analytics.forecasts'::regclass)": "for one level and granularity",
        "obj_description('analytics.model_accuracy_summary'::regclass)": "one level and granularity",
        "(select obj_description(oid) from pg_proc where proname = 'values_as_of')": "choose a level",
    }
    with psycopg.connect(database.url) as connection:
        for asked, words in said.items():
            row = connection.execute(f"select {asked} like %s", (f"%{words}%before you add up%",)).fetchone()
            other = connection.execute(f"select {asked} like %s", (f"%add up%{words}%",)).fetchone()
            assert (True,) in (row, other), asked


def test_a_comment_says_more_than_the_name(database: Database):
    with psycopg.connect(database.url) as connection:
        found = connection.execute(
            """select c.relname || '.' || a.attname
                 from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
                 cross join lateral (select col_description(c.oid, a.attnum) as words) d
                where c.relnamespace = 'analytics'::regnamespace and not c.relispartition
                  and (length(words) < 12
                       or lower(regexp_replace(words, '^the |\\W', '', 'gi')) = replace(a.attname, '_', ''))"""
        ).fetchall()
    assert found == []


def test_a_reader_reads_every_table_and_view_but_what_is_secret(reader: psycopg.Connection[Any]):
    for name, kind in reader.execute(RELATIONS).fetchall():
        query = sql.SQL("select count(*) from (select * from analytics.{} limit 1) one").format(sql.Identifier(name))
        if name in SECRET:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(query)
        else:
            assert reader.execute(query).fetchone() is not None, (name, kind)
    for call in CALLS:
        reader.execute(f"select count(*) from {call}")


@pytest.mark.parametrize("write", WRITES)
def test_a_reader_changes_nothing(migrated: str, server_url: str, write: str):
    from tests.conftest import _address

    with psycopg.connect(_address(server_url, migrated)) as connection:
        connection.execute("set role mlops_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(write)


def test_a_reader_may_call_nothing_that_writes(database: Database):
    with psycopg.connect(database.url) as connection:
        writing = connection.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = 'analytics'::regnamespace"
            " and provolatile = 'v' and prorettype <> 'trigger'::regtype"
            " and has_function_privilege('mlops_reader', oid, 'execute')"
        ).fetchall()
    assert writing == []


def test_what_is_added_later_can_be_read_too(database: Database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("create table analytics.later as select 1 as i")
        connection.execute("select analytics.ensure_partitions(now(), now() + interval '1 day')")
        connection.execute("set role mlops_reader")
        assert connection.execute("select i from analytics.later").fetchone() == (1,)
        assert connection.execute("select count(*) from analytics.time_series").fetchone() == (0,)


def test_a_role_that_another_database_uses_is_left_there(database: Database, new_database: Any, migrated: str):
    with new_database("other", template=migrated) as (_, url):
        other = Database(url)
        other.upgrade("base")
        other.close()
        with psycopg.connect(url) as connection:
            schema = "select has_schema_privilege('mlops_reader', 'analytics', 'usage'), count(*) from pg_default_acl"
            assert connection.execute(schema).fetchone() == (False, 0)
    with psycopg.connect(database.url) as connection:
        assert connection.execute("select has_table_privilege('mlops_reader', 'analytics.series', 'select')").fetchone()


@pytest.mark.skipif("MLOPS_TEST_DATABASE_URL" in os.environ, reason="renames a role of the server")
def test_a_user_who_may_not_make_roles_migrates_all_the_same(server_url: str, new_database: Any, mlops, monkeypatch):
    from tests.conftest import _forget

    from mlops.cli import context

    owner = f"mlops_owner_{os.getpid()}"
    with psycopg.connect(server_url, autocommit=True) as admin, new_database("poor") as (name, url):
        admin.execute(f"create role {owner} login nocreaterole")
        admin.execute(f"alter database {name} owner to {owner}")
        admin.execute("alter role mlops_reader rename to mlops_reader_away")
        monkeypatch.setenv("MLOPS_DATABASE_URL", url.replace("//postgres@", f"//{owner}@"))
        _forget(context)
        try:
            code, out, err = mlops("db", "upgrade")
            assert (code, "the role mlops_reader is not there" in " ".join(out.split())) == (0, True), err
            admin.execute("create role mlops_reader nologin")
            with psycopg.connect(url.replace("//postgres@", f"//{owner}@"), autocommit=True) as connection:
                assert connection.execute("select analytics.grant_reader()").fetchone() == (True,)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("drop owned by mlops_reader")
                connection.execute(f"drop owned by {owner}")
        finally:
            _forget(context)
            admin.execute("drop role if exists mlops_reader")
            admin.execute("alter role mlops_reader_away rename to mlops_reader")
        admin.execute(f"alter database {name} owner to current_user")
        admin.execute(f"drop role {owner}")


def test_no_view_moves_with_the_time_zone_of_the_session(served: Served):
    served.healthy()
    served.check(served.model("other"), "retrain")
    served.connection.execute(
        "insert into analytics.time_series_staging (series_id, observed_at, value)"
        " select s, at, 5 from analytics.series_for('collection_weight', granularity => 'hourly', customer_id => 'C1',"
        " route_id => 'R1', time_zone => 'Pacific/Auckland') s,"
        " generate_series('2024-03-01Z'::timestamptz, '2024-04-20Z', '1 hour') at"
    )
    served.connection.execute(
        "insert into analytics.observation_edits (edit_id, series_id, series, action, first_at, last_at, observations,"
        " corrections, outcomes, decided_by, reason)"
        " select 8, series_id, '{}', 'deleted', '2024-03-01Z', '2024-03-02Z', 2, 0, 1, 'bob', 'wrong unit'"
        " from analytics.series"
    )
    served.connection.execute("select count(*) from analytics.refresh_predictive_views()")
    views = [name for name, kind in served.connection.execute(RELATIONS).fetchall() if kind in "vm"]
    asked = [f"analytics.{view}" for view in views] + [
        "analytics.forecasts_between('2024-05-30', '2024-06-02')",
        "analytics.aggregate_values('route', 'day', 'collection_weight', '2024-04-01', '2024-04-10')",
        f"analytics.values_as_of('{NOW.isoformat()}', p_from => '2024-05-30Z')",
    ]
    found: dict[str, list[list[Any]]] = {one: [] for one in asked}
    with psycopg.connect(served.connection.info.dsn) as connection:  # one transaction: now() is one instant
        for zone in ZONES:
            connection.execute(sql.SQL("set timezone = {}").format(zone))
            for one in asked:
                rows = connection.execute(f"select * from {one}").fetchall()
                found[one].append(sorted(map(repr, map(_instants, rows))))
    assert [one for one, rows in found.items() if rows[0] != rows[1] or rows[0] != rows[2]] == []
    assert {"analytics.forecasts", "analytics.arrivals", "analytics.time_series"} <= {
        one for one, rows in found.items() if rows[0]
    }


def _instants(row: tuple[Any, ...]) -> list[Any]:
    """The row with instants as numbers, whatever clock shows them."""
    return [value.timestamp() if hasattr(value, "timestamp") else value for value in row]
