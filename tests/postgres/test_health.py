"""Health finds what is wrong, says what to do, and costs next to nothing."""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.postgres.served import DAY, NOW, Served

from mlops.config import Settings
from mlops.db import Database, embedded, health
from mlops.db.embedded import Server
from mlops.db.upkeep import maintain

MB, GB = 2**20, 2**30
Mlops = Callable[..., tuple[int, str, str]]
CHECKS = [
    "newest observation",
    "ingest",
    "refused rows",
    "days to summarise",
    "views",
    "outcomes to match",
    "recommendations",
    "connections",
    "bloat",
    "missing indexes",
    "unused indexes",
    "slow statements",
    "lineage",
    "alerts",
    "invalid indexes",
    "long transactions",
    "transaction ids",
    "replication slots",
    "autovacuum",
]
BATCH = """insert into analytics.ingest_batches (source, adapter, sha256, status, read, inserted, corrected,
                                                 unchanged, refused, started_at, finished_at)
           select 'f.csv', 'long', 'x', 'stored', 1, 1, 0, 0, {refused}, now(), now() - {ago}"""


def ask(database: Database, query: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(database.url) as connection:
        done = connection.execute(query, parameters or None)
        return done.fetchall() if done.description else []


def check(database: Database, name: str) -> tuple[str, str, str]:
    """status, figure and advice of one check."""
    rows = ask(
        database, "select status, figure, advice from analytics.check_system_health() where check_name = %s", name
    )
    assert len(rows) == 1, f"{name} is checked once"
    return rows[0]


def test_every_check_is_there_and_says_what_to_do_unless_it_is_fine(database: Database):
    rows = ask(database, "select * from analytics.check_system_health()")
    assert [row[0] for row in rows if ":" not in row[0]] == CHECKS
    assert {row[1] for row in rows} <= {"ok", "watch", "bad"}
    assert all(row[2] for row in rows)
    assert all(row[3] for row in rows if row[1] != "ok")


def test_a_missing_month_is_seen_until_it_is_made(database: Database):
    name = "partitions ahead: time_series_metrics"
    assert check(database, name)[0] == "watch"
    ask(database, "select analytics.ensure_partitions(now(), now() + interval '6 months')")
    assert check(database, name)[:2] == ("ok", "7 months, this one included")


def test_a_missing_current_month_is_bad_though_later_ones_are_there(database: Database):
    name = "partitions ahead: time_series_metrics"
    ask(database, "select analytics.ensure_partitions(now() + interval '1 month', now() + interval '3 months')")
    status, figure, advice = check(database, name)
    assert (status, "is missing, of the months after it 3 are there" in figure) == ("bad", True)
    assert f"this month ({datetime.now(UTC):%Y-%m})" in figure
    assert advice.startswith("run mlops db maintain, which makes it")
    maintain(database, Path())
    assert check(database, name)[0] == "ok"


def test_an_index_whose_building_broke_off_is_named_and_one_that_partitions_lack(database: Database):
    assert check(database, "invalid indexes") == ("ok", "none", "")
    ask(database, "insert into analytics.routes (route_id, name) values ('R1', 'same'), ('R2', 'same')")
    with psycopg.connect(database.url, autocommit=True) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("create unique index concurrently broken on analytics.routes (name)")
    status, figure, advice = check(database, "invalid indexes")
    assert (status, figure) == ("bad", "analytics.broken")
    assert advice.endswith("reindex index concurrently analytics.broken, or drop it")
    ask(database, "drop index analytics.broken")
    ask(database, "select analytics.ensure_partitions('2024-01-01Z', '2024-02-01Z')")
    ask(database, "create index half on only analytics.time_series_metrics (recorded_at)")
    ask(database, "create index half_january on analytics.time_series_metrics_p2024_01 (recorded_at)")
    ask(database, "alter index analytics.half attach partition analytics.half_january")
    assert check(database, "invalid indexes")[:2] == ("watch", "analytics.half (1 partitions lack it)")


def test_sessions_that_hold_a_transaction_open_are_named_with_how_to_end_them(database: Database):
    def told(limits: str) -> tuple[str, str, str]:
        server = f"select status, figure, advice from analytics.check_server_health({limits})"
        return ask(database, f"{server} where check_name = 'long transactions'")[0]

    with psycopg.connect(database.url, application_name="forgotten") as idle:
        idle.execute("select 1")
        status, figure, advice = told("p_idle => '0 s'")
        assert status == "watch"
        assert figure.startswith("idle in a transaction for 0 s (pid ")
        assert figure.endswith(", forgotten)")
        assert advice.endswith(f"if nobody needs it: select pg_terminate_backend({idle.info.backend_pid})")
        assert check(database, "long transactions") == ("ok", "none", "")
    with psycopg.connect(database.url, autocommit=True) as busy, ThreadPoolExecutor(1) as aside:
        slow = aside.submit(busy.execute, "select pg_sleep(60)")
        while not told("p_long => '0 s'")[1].startswith("at work for"):
            time.sleep(0.01)
        busy.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            slow.result()


def test_an_inactive_slot_is_named_with_what_it_keeps(database: Database):
    slot = f"forgotten_{os.getpid()}"
    ask(database, f"select pg_create_physical_replication_slot('{slot}', true)")
    try:
        status, figure, advice = check(database, "replication slots")
        assert status == "watch"
        assert re.search(rf"{slot} is inactive and keeps \d+ \w+ of WAL", figure)
        assert "pg_drop_replication_slot" in advice
    finally:
        ask(database, f"select pg_drop_replication_slot('{slot}')")


def test_tables_that_autovacuum_leaves_alone_are_named(database: Database):
    assert check(database, "autovacuum") == ("ok", "on", "")
    ask(database, "alter table analytics.customers set (autovacuum_enabled = false)")
    assert check(database, "autovacuum") == (
        "watch",
        "off for analytics.customers",
        "alter table analytics.customers reset (autovacuum_enabled)",
    )


def test_a_server_without_autovacuum_and_with_old_transaction_ids_is_told(scratch_server: Server):
    with psycopg.connect(scratch_server.url(), autocommit=True) as connection:
        connection.execute("create database old")
    database = Database(scratch_server.url("old"))
    database.upgrade()
    assert check(database, "transaction ids")[0] == "ok"
    database.close()
    scratch_server.stop()
    run, place = scratch_server._user.run, scratch_server.data
    run(scratch_server._bin / "pg_resetwal", "-f", "-x", "700000000", "-D", place)
    run("/bin/sh", "-c", "dd if=/dev/zero of=$0/pg_xact/029B bs=256k count=1 2>&1", place)
    without = Server(place, settings={"fsync": "off", "shared_buffers": "32MB", "autovacuum": "off"})
    without.start()
    status, figure, advice = check(database, "transaction ids")
    assert status == "watch"
    assert figure.startswith("33 % of the way to wraparound")
    assert "vacuum (freeze) in database" in advice
    assert check(database, "autovacuum")[:2] == ("bad", "off for the whole server")
    database.close()
    without.stop()


@pytest.fixture
def scratch_server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that is spoilt by its test."""
    folder = Path(tempfile.mkdtemp(prefix="mlops-test-"))
    folder.chmod(0o755)
    monkeypatch.setattr(embedded, "INITDB", (*embedded.INITDB, "--no-sync"))
    server = Server(folder / "postgres", settings={"fsync": "off", "shared_buffers": "32MB"})
    yield server.start()
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (180006, "watch", "18.6 lacks published security fixes, as of "),
        (180007, "ok", "18.7 has all published security fixes, as of "),
        (150099, "ok", "15.99 has all"),
        (140025, "watch", "14.25 gets no security fixes any more"),
        (190000, "watch", "19.0 is newer than this program knows"),
    ],
)
def test_a_server_without_published_security_fixes_is_told(number: int, status: str, words: str):
    told = health.lacks_fixes(number)
    assert (told.status, told.figure.startswith(words)) == (status, True)
    assert told.advice or status == "ok"
    assert health.AS_OF in told.figure


ARCHIVED = """insert into analytics.partition_archives
                     (parent, partition, lower_bound, upper_bound, path, sha256, rows, digest, bytes, dropped_at)
              values ('analytics.time_series_metrics', 'p', '2020-01-01Z', '2020-02-01Z', %s, repeat('0', 64), 1,
                      repeat('0', 64), 5, %s)"""


def test_archives_that_are_gone_or_altered_are_named_and_bad_when_nothing_else_holds_the_month(
    home: Settings, mlops: Mlops, tmp_path: Path
):
    database, file = Database(str(home.database_url)), tmp_path / "january.parquet"

    def told() -> dict[str, str]:
        _, out, _ = mlops("health", "--json")
        return next(one for one in json.loads(out) if one["check_name"] == "archives")

    assert (told()["status"], told()["figure"]) == ("ok", "none yet")
    file.write_bytes(b"12345")
    ask(database, ARCHIVED, str(file), None)
    assert told()["status"] == "ok"
    file.write_bytes(b"1234")
    assert (told()["status"], told()["figure"]) == ("watch", f"{file} was altered: it had 5 bytes and has 4")
    file.write_bytes(b"12346")
    ask(database, "update analytics.partition_archives set problem = 'has another checksum', verified_at = now()")
    assert (told()["status"], told()["figure"]) == ("watch", f"{file} has another checksum")
    ask(database, "update analytics.partition_archives set dropped_at = now(), problem = null")
    file.write_bytes(b"12345")
    border = "history before 2020-02 is read from 1"
    assert (told()["status"], told()["figure"]) == ("ok", f"every file is where it was written; {border}")
    ask(database, "update analytics.partition_archives set verified_at = now() - interval '40 days'")
    assert (told()["status"], told()["figure"]) == ("watch", f"1 not verified for a month; {border}")
    file.unlink()
    assert (told()["status"], told()["figure"]) == ("bad", f"{file} is gone")
    assert "nowhere else" in told()["advice"]
    assert mlops("health")[0] == 1
    database.close()


@pytest.mark.parametrize(
    ("free", "size", "files", "status"),
    [
        (900 * MB, 100 * GB, 1.0, "bad"),
        (4 * GB, 20 * GB, 1.0, "watch"),
        (30 * GB, 1000 * GB, 1.0, "watch"),
        (60 * GB, 1000 * GB, None, "ok"),
        (60 * GB, 100 * GB, 0.01, "watch"),
    ],
)
def test_a_disk_that_fills_up_is_told(free: int, size: int, files: float | None, status: str):
    told = health._disk(health.Disk(("home", "data"), Path("/srv"), free, size, files))
    assert (told.check_name, told.status) == ("disk: home, data", status)
    assert "free at /srv" in told.figure


def test_the_disk_of_the_home_is_looked_at_before_the_home_is_made(home: Settings, mlops: Mlops):
    _, out, _ = mlops("health", "--json")
    found = [one for one in json.loads(out) if one["check_name"].startswith("disk")]
    assert [one["check_name"] for one in found] == ["disk: home, archive"]


def test_an_ordinary_role_is_told_what_it_may_not_see(database: Database):
    role = f"ordinary_{os.getpid()}"
    ask(
        database,
        f"""create role {role};
            grant usage on schema analytics to {role};
            grant select on all tables in schema analytics to {role}""",
    )
    try:
        with psycopg.connect(database.url), psycopg.connect(database.url) as other:
            other.execute(f"set role {role}")
            rows = {row[0]: row[1:] for row in other.execute("select * from analytics.check_system_health()")}
        assert set(CHECKS) <= set(rows)
        assert "of other roles are not visible to this role" in rows["long transactions"][1]
        assert rows["long transactions"][2] == f"to see them: grant pg_read_all_stats to {role}"
        ask(database, f"revoke select on analytics.alerts from {role}")
        with psycopg.connect(database.url) as other:
            other.execute(f"set role {role}")
            rows = {row[0]: row[1:] for row in other.execute("select * from analytics.check_system_health()")}
        assert rows["data"][:2] == ("watch", "not visible to this role")
        assert rows["autovacuum"][0] == "ok"
    finally:
        ask(database, f"drop owned by {role}; drop role {role}")


def test_the_newest_observation_is_found_behind_empty_months(database: Database):
    assert check(database, "newest observation") == ("watch", "none", "bring data in: mlops series ingest FILE")
    ask(database, "select analytics.ensure_partitions('2024-01-01Z', '2024-12-01Z')")
    ask(database, "insert into analytics.series (metric_type) values ('revenue')")
    ask(
        database,
        """insert into analytics.time_series_metrics (series_id, observed_at, value)
           values (1, '2024-03-02 07:30Z', 1), (1, '2024-02-02Z', 1)""",
    )
    assert check(database, "newest observation")[:2] == ("ok", "2024-03-02 07:30 UTC")


@pytest.mark.parametrize(
    ("batches", "status", "figure"),
    [
        (["interval '1 hour'"], "ok", "last file 60 min ago"),
        (["interval '3 days'"], "watch", "last file 3 days ago"),
        ([f"interval '{weeks} weeks'" for weeks in (4, 3, 2, 1)], "ok", "last file 7 days ago"),
        ([f"interval '{days} days'" for days in (7, 6, 5, 4)], "watch", "last file 4 days ago"),
    ],
    ids=["just now", "once, long ago", "weekly, a week ago", "daily, four days ago"],
)
def test_a_delivery_is_missed_when_it_is_later_than_usual(
    database: Database, batches: list[str], status: str, figure: str
):
    for ago in batches:
        ask(database, BATCH.format(ago=ago, refused=0))
    assert check(database, "ingest")[:2] == (status, figure)


def test_refused_rows_of_the_week_are_counted(database: Database):
    ask(database, BATCH.format(ago="interval '1 day'", refused=3))
    ask(database, BATCH.format(ago="interval '30 days'", refused=5))
    assert check(database, "refused rows")[:2] == ("watch", "3 in the last 7 days")


def test_an_old_backlog_is_seen_and_a_young_one_is_fine(database: Database):
    ask(
        database,
        "insert into analytics.dirty_days (series_id, first_day, last_day) values (1, '2024-01-01', '2024-01-01')",
    )
    assert check(database, "days to summarise")[0] == "ok"
    ask(database, "update analytics.dirty_days set marked_at = now() - interval '3 days'")
    assert check(database, "days to summarise") == (
        "watch",
        "1 marks, the oldest 3 days old",
        "run mlops db maintain, and plan it daily",
    )


def test_views_are_stale_from_the_first_change_on_and_fresh_after_a_refresh(database: Database):
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    assert check(database, "views")[:2] == ("ok", "all 7 fresh")
    ask(database, "insert into analytics.routes (route_id) values ('R1')")
    ask(database, "update analytics.dirty_sources set marked_at = now() - interval '5 days'")
    assert check(database, "views")[:2] == ("watch", "1 of 7 stale, since 5 days")
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    assert check(database, "views")[0] == "ok"


def test_a_view_that_fails_is_bad_and_says_why(home: Settings, mlops: Mlops):
    database = Database(str(home.database_url))
    assert mlops("health")[0] == 0
    ask(
        database,
        "update analytics.view_freshness set error = 'division by [zero]' where view_name = 'seasonal_patterns'",
    )
    code, out, _ = mlops("health")
    assert code == 1
    assert out.splitlines()[0].split() == ["bad", "view", "seasonal_patterns", "division", "by", "[zero]"]
    assert "→ correct what the error says" in out.splitlines()[1]
    assert "1 bad" in out.splitlines()[-1]
    database.close()


def test_months_past_their_time_are_seen_where_a_policy_says_so(database: Database):
    columns = ask(
        database,
        """select 1 from pg_attribute
            where attrelid = 'analytics.partition_policy'::regclass and attname = 'keep_months'""",
    )
    if not columns:
        ask(database, "alter table analytics.partition_policy add column keep_months int")
    ask(
        database,
        """update analytics.partition_policy set keep_months = 2
            where parent = 'analytics.time_series_metrics'::regclass""",
    )
    ask(database, "select analytics.ensure_partitions(now() - interval '4 months', now())")
    assert check(database, "retention: time_series_metrics")[0] == "ok", "months without rows are nothing to lose"
    each = "generate_series(now() - interval '4 months', now(), interval '1 month') t"
    ask(
        database,
        f"insert into analytics.time_series_metrics (series_id, observed_at, value) select 1, t, 1 from {each}",
    )
    status, figure, advice = check(database, "retention: time_series_metrics")
    assert (status, figure.endswith("they stay: nobody has agreed to it yet"), "--for-ever" in advice) == (
        "watch",
        True,
        True,
    )
    ask(database, "select analytics.agree_to_retention()")
    status, figure, advice = check(database, "retention: time_series_metrics")
    assert (status, figure.startswith("2 months past their 2, the oldest "), "mlops db maintain" in advice) == (
        "watch",
        True,
        True,
    )


def test_predictions_whose_outcome_is_there_are_counted(database: Database):
    ask(
        database,
        """insert into analytics.series (metric_type) values ('revenue');
           insert into analytics.registered_models (name, created_at) values ('m', now());
           insert into analytics.model_versions
                  (model_id, name, version, created_at, status, lineage_state, lineage_problem)
           values (1, 'm', 1, now(), 'READY', 'incomplete', 'no lineage');
           select analytics.ensure_partitions('2024-01-01Z', '2024-01-01Z', parent::regclass)
             from unnest('{analytics.time_series_metrics,analytics.model_prediction_results}'::text[]) parent;
           insert into analytics.time_series_metrics (series_id, observed_at, value)
           values (1, '2024-01-02Z', 5);
           insert into analytics.model_prediction_results
                  (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat)
           values (1, 1, now(), '2024-01-01Z', '2024-01-02Z', 1, 4),
                  (1, 1, now(), '2024-01-01Z', '2024-01-03Z', 2, 4)""",
    )
    assert check(database, "outcomes to match") == ("watch", "1 predictions", "run mlops outcomes match")


def test_lineage_is_asked_of_what_serves_and_that_others_have_none_is_a_note(served: Served, served_database: Database):
    assert check(served_database, "lineage") == ("ok", "complete", "")
    unknown = {"lineage": None, "lineage_state": "incomplete", "lineage_problem": "none"}
    foreign = served.model("theirs", "prod", **unknown)
    assert check(served_database, "lineage") == (
        "ok",
        "complete for all that serve, missing for 1 that do not",
        "",
    )
    served.model("ours", "challenger", **unknown)
    assert check(served_database, "lineage")[:2] == ("bad", "missing for 1 that serve and for 1 that do not")
    served.one(
        "select analytics.ensure_partitions(now() - interval '40 days', now(), 'analytics.model_prediction_results')"
    )
    series = served.series(1)
    served.forecasts(foreign, series, until=datetime.now(UTC) - 30 * DAY, labelled_until=NOW, days=1)
    assert check(served_database, "lineage")[1].endswith(" and for 1 that do not"), "it has forecast long ago"
    served.forecasts(foreign, series, until=datetime.now(UTC), labelled_until=NOW, days=1)
    assert check(served_database, "lineage")[1] == "missing for 2 that serve"


def test_slow_statements_are_told_where_they_are_recorded_and_how_else(database: Database):
    available = ask(database, "select 1 from pg_available_extensions where name = 'pg_stat_statements'")
    assert check(database, "slow statements")[1] == "not recorded"
    if not available:
        pytest.skip("this server has no pg_stat_statements")
    ask(database, "create schema if not exists watched; create extension pg_stat_statements schema watched")
    loaded = "pg_stat_statements" in ask(database, "show shared_preload_libraries")[0][0]
    status, figure, advice = check(database, "slow statements")
    assert ("shared_preload_libraries" in advice) is not loaded
    assert status == "ok" if loaded else "must be loaded" in figure


def test_a_bloated_table_is_named(database: Database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("alter table analytics.customers set (autovacuum_enabled = off)")
        connection.execute(
            "insert into analytics.customers (customer_id) select 'C' || i from generate_series(1, 150000) i"
        )
        connection.execute("update analytics.customers set name = 'x'")
        connection.execute("select pg_stat_force_next_flush()")
    status, figure, advice = check(database, "bloat")
    assert (status, figure) == ("watch", "customers: 50 % dead rows")
    assert advice.startswith("run vacuum (analyze) analytics.customers")


def test_an_index_that_nobody_uses_is_named_once_for_all_its_parts(database: Database):
    ask(database, "select analytics.ensure_partitions('2024-01-01Z', '2024-02-01Z')")
    ask(database, "create index nobody_asks on analytics.time_series_metrics (value, recorded_at, anomaly_score)")
    ask(
        database,
        """insert into analytics.time_series_metrics (series_id, observed_at, value)
           select i % 100, '2024-01-01Z'::timestamptz + i / 100 * interval '4 minutes', random()
             from generate_series(1, 600000) i""",
    )
    status, figure, advice = check(database, "unused indexes")
    assert status == "watch"
    assert figure.count("nobody_asks") == 1
    assert "nobody_asks" in advice
