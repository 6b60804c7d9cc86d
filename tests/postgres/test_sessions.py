"""Odd settings of a role, a database or the environment change no result."""

import os
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa

from mlops.db import Database
from mlops.db.session import PINNED
from mlops.db.snapshot import open_snapshot

ODD = {
    "timezone": "'Asia/Kolkata'",
    "datestyle": "'SQL, DMY'",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "-3",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "search_path": "nowhere, pg_catalog",
    "default_transaction_isolation": "serializable",
    "gin_fuzzy_search_limit": "10",
    "jit": "on",
    "client_encoding": "LATIN1",
}
FILLED = """
    select analytics.series_for('collection_weight', route_id => 'R' || i) from generate_series(1, 3) i;
    insert into analytics.time_series_staging (series_id, observed_at, value)
    select i % 3 + 1, '2024-01-01Z'::timestamptz + (i / 3) * interval '1 day', i + 0.1 from generate_series(0, 299) i;
    insert into analytics.time_series_staging (series_id, observed_at, value)
    select i % 3 + 1, '2024-01-01Z'::timestamptz + (i / 3) * interval '1 day', i + 0.2 from generate_series(0, 29) i;
    select count(*) from analytics.refresh_predictive_views()
"""
FOUND = """
    select md5(string_agg((to_jsonb(d) - 'refreshed_at')::text, ',' order by series_id, day))
      from analytics.daily_metrics_summary d;
    select count(*) from analytics.time_series_revisions;
    select count(*) from analytics.dirty_days;
    select string_agg(view_name || coalesce(error, ''), ',' order by view_name) from analytics.view_freshness;
    select string_agg(partition || action, ',' order by partition) from analytics.partition_log;
    select digest from analytics.partition_content('analytics.time_series_metrics_p2024_01', '{observed_at,value}');
    select string_agg(check_name || figure, ',' order by check_name) from analytics.check_system_health()
     where check_name not in ('connections', 'long transactions', 'views')
"""


def set_all(url: str, settings: dict[str, str]) -> None:
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        for setting, value in settings.items():
            connection.execute(f'alter database "{name}" set {setting} = {value}')


@pytest.fixture
def odd(database: Database) -> Iterator[Database]:
    """A database whose every session begins oddly."""
    set_all(database.url, ODD)
    other = Database(database.url)
    yield other
    other.close()


def test_every_session_of_ours_is_set_alike(odd: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGTZ", "Pacific/Auckland")
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with odd.transaction() as transaction, transaction.cursor() as cursor:
        for name, value in {**PINNED, "client_encoding": "UTF8"}.items():
            found = cursor.execute(f"show {name}").fetchone()[0]
            assert found.replace(", ", ",") == value, name
        row = cursor.execute("select interval '1 day 2 hours', '2024-01-01 12:00Z'::timestamptz, 'é'").fetchone()
    assert row[0] == timedelta(days=1, hours=2)
    assert (row[1].isoformat(), row[2]) == ("2024-01-01T12:00:00+00:00", "é")


def test_limits_and_options_of_the_address_are_kept(odd: Database):
    url = sa.make_url(odd.url).update_query_dict({"options": "-cstatement_timeout=77s -cwork_mem=9MB"})
    database = Database(url.render_as_string(hide_password=False))
    with database.transaction() as transaction, transaction.cursor() as cursor:
        shown = [cursor.execute(f"show {name}").fetchone()[0] for name in ("statement_timeout", "work_mem", "timezone")]
    assert shown == ["77s", "9MB", "UTC"]
    database.close()


def test_functions_give_the_same_in_an_odd_session_of_another_client(database: Database, new_database, migrated: str):
    with new_database("odd", template=migrated) as (_, url):
        set_all(url, ODD)
        results = []
        for address in (database.url, url):
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(FILLED)
            results.append(_results(address))
    assert results[0] == results[1]


def _results(url: str) -> list[object]:
    """What is found there by a session of ours, but for health, which is asked as any client would."""
    *ours, health = FOUND.split(";")
    database = Database(url)
    with database.transaction() as transaction, transaction.cursor() as cursor:
        found = [cursor.execute(query).fetchone()[0] for query in ours]
    database.close()
    with psycopg.connect(url) as connection:
        return [*found, connection.execute(health).fetchone()[0]]


def test_every_function_that_is_set_is_pinned_against_its_callers_session(database: Database):
    with psycopg.connect(database.url) as connection:
        loose = connection.execute(
            """select p.oid::regprocedure::text from pg_proc p
                where p.pronamespace = 'analytics'::regnamespace
                  and (p.proconfig is not null or strpos(p.prosrc, chr(92)) > 0)
                  and not coalesce(p.proconfig, '{}') @> %s""",
            [["standard_conforming_strings=on", "quote_all_identifiers=off"]],
        ).fetchall()
    assert loose == []


def test_a_registry_in_another_encoding_is_piped_as_it_reads(server_url: str, database: Database, monkeypatch):
    name = f"mlops_registry_{os.getpid()}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create database {name} encoding 'LATIN1' locale 'C' template template0")
    url = sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    try:
        with psycopg.connect(url, autocommit=True, client_encoding="utf8") as connection:
            connection.execute("create table models (name text, wape float8, note bytea)")
            connection.execute("insert into models values ('Müll', 0.1::float8 + 0.2::float8, 'x')")
        set_all(url, {"extra_float_digits": "-3", "bytea_output": "escape", "datestyle": "German"})
        monkeypatch.setattr("mlops.db.snapshot._text", lambda query: psycopg.sql.SQL(query))
        with database.transaction() as transaction, transaction.cursor() as cursor:
            cursor.execute("create temporary table seen (name text, wape float8, note bytea)")
            with open_snapshot(url) as there:
                there.pipe("select * from models", transaction, "seen")
            assert cursor.execute("select name, wape from seen").fetchone() == ("Müll", 0.1 + 0.2)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")
