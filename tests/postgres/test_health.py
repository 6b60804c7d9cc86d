"""Health finds what is wrong, says what to do, and costs next to nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from tests.postgres.served import DAY, NOW, Served

from mlops.config import Settings
from mlops.db import Database

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
