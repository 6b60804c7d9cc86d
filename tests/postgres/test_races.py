"""Whoever waits for another writer still changes every row that it meant to change, by every plan.

PostgreSQL 18 forgets rows after such a wait when it prunes partitions at run time: docs/reports. Each test holds one of
the rows that an operation changes until the operation waits for it.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from mlops.db import Database
from mlops.series.ingest import ingest
from mlops.series.rescore import rescore
from mlops.serving.outcomes import match

SERIES, MONTHS = 5, 12
FIRST_DAYS = [f"2024-{month:02}-01" for month in range(1, MONTHS + 1)]
PLANS = {
    "as planned": {},
    "generic nested loops": {
        "plan_cache_mode": "force_generic_plan",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_seqscan": "off",
    },
}
REVISIONS = "analytics.time_series_revisions"
RACED = "series_id = 2 and observed_at = '2024-03-01Z'"


@pytest.fixture(params=PLANS)
def year(request: pytest.FixtureRequest, database: Database) -> Iterator[psycopg.Connection]:
    """Five series with the first of each month of 2024, each of value 1, and room beside them for an index to pay."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        for setting, value in PLANS[request.param].items():
            connection.execute(f'alter database "{connection.info.dbname}" set {setting} = {value}')
        connection.execute("set timezone = 'UTC'")
        for table in ("time_series_metrics", "model_prediction_results"):
            connection.execute(f"select analytics.ensure_partitions('2023-06-01', '2025-06-01', 'analytics.{table}')")
        for number in range(SERIES):
            connection.execute("select analytics.series_for('revenue', route_id => %s)", [f"R{number}"])
        staged(connection, 1)
        connection.execute("analyze")
        yield connection


def staged(connection: psycopg.Connection, value: float) -> None:
    """Write `value` to every observation by the staging table."""
    with connection.cursor() as cursor:
        copy = cursor.copy("copy analytics.time_series_staging (series_id, observed_at, value) from stdin")
        with copy as rows:
            for day in FIRST_DAYS:
                for series_id in range(1, SERIES + 1):
                    rows.write_row((series_id, f"{day}T00:00:00Z", value))


def raced(connection: psycopg.Connection, hold: str, work: Callable[[], object], before: str = "") -> None:
    """Run `work` until it waits for a transaction in which `hold` changed a row, and then commit that.

    With `before` the work first waits for that statement, and the row is taken when it does: so it is past the point at
    which it would have seen that the row is taken.
    """
    gate, holder = psycopg.connect(connection.info.dsn), psycopg.connect(connection.info.dsn)
    holder.execute("set timezone = 'UTC'")
    if before:
        gate.execute(before)
    else:
        assert holder.execute(hold).rowcount == 1
    with ThreadPoolExecutor(1) as pool, gate, holder:
        working = pool.submit(work)
        until_it_waits(connection, working, "relation" if before else "transactionid")
        if before:
            assert holder.execute(hold).rowcount == 1
            gate.commit()
            until_it_waits(connection, working, "transactionid")
        holder.commit()
        working.result()


def until_it_waits(connection: psycopg.Connection, working: Future[object], what: str) -> None:
    waits = "select count(*) from pg_stat_activity where wait_event = %s and datname = current_database()"
    while not connection.execute(waits, [what]).fetchone()[0]:
        assert not working.done(), f"it has to wait: {working.result()}"
        time.sleep(0.01)


def values(connection: psycopg.Connection) -> list[tuple[float, int]]:
    """How often each value is stored."""
    query = "select value, count(*) from analytics.time_series_metrics group by 1 order by 1"
    return [(value, count) for value, count in connection.execute(query)]


def revisions(connection: psycopg.Connection) -> list[tuple[float, int]]:
    """How often each value has been superseded."""
    query = "select value, count(*) from analytics.time_series_revisions group by 1 order by 1"
    return [(value, count) for value, count in connection.execute(query)]


def held_correction() -> str:
    return f"update analytics.time_series_metrics set value = 7, recorded_at = clock_timestamp() where {RACED}"


def test_a_copy_into_the_staging_table_stores_all_of_its_corrections(database: Database, year):
    def work() -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            staged(connection, 2)

    raced(year, held_correction(), work, before=f"lock table only {REVISIONS} in share update exclusive mode")
    assert values(year) == [(2, SERIES * MONTHS)]
    assert revisions(year) == [(1, SERIES * MONTHS - 1), (7, 1)]


def test_a_file_stores_all_of_its_corrections(database: Database, year, tmp_path: Path):
    rows = [f"revenue,{day}T00:00:00Z,2,R{number}\n" for day in FIRST_DAYS for number in range(SERIES)]
    (tmp_path / "rows.csv").write_text("metric_type,observed_at,value,route_id\n" + "".join(rows))
    raced(year, held_correction(), lambda: ingest(database, tmp_path / "rows.csv"))
    assert values(year) == [(2, SERIES * MONTHS)]
    assert revisions(year) == [(1, SERIES * MONTHS - 1), (7, 1)]


def test_a_second_look_at_scores_stores_all_of_them(database: Database, year):
    year.execute("update analytics.time_series_metrics set quality_score = 0.25")
    raced(
        year, f"update analytics.time_series_metrics set quality_score = 0.5 where {RACED}", lambda: rescore(database)
    )
    scores = year.execute("select distinct quality_score from analytics.time_series_metrics").fetchall()
    assert scores == [(1,)]


def test_all_outcomes_are_matched(database: Database, year):
    year.execute("insert into analytics.registered_models (name, created_at) values ('weight', now())")
    year.execute(
        "insert into analytics.model_versions (model_id, name, version, created_at, status, lineage_state)"
        " select model_id, name, 1, now(), 'READY', 'complete' from analytics.registered_models"
    )
    year.execute(
        "insert into analytics.model_prediction_results"
        " (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat)"
        " select version_id, series_id, now(), observed_at - interval '1 day', observed_at, 1, 1"
        "   from analytics.model_versions, analytics.time_series_metrics"
    )
    year.execute("analyze")
    one = "series_id = 2 and target_at = '2024-03-01Z'"
    hold = f"update analytics.model_prediction_results set feedback = '{{}}' where {one}"
    found = []
    raced(year, hold, lambda: found.append(match(database, datetime.now(UTC))))
    assert (found[0].matched, found[0].waiting) == (SERIES * MONTHS, 0)
    assert year.execute("select count(outcome) from analytics.model_prediction_results").fetchone() == (
        SERIES * MONTHS,
    )


@pytest.mark.parametrize("what", ["corrected", "gone"])
def test_the_daily_summary_follows_all_of_its_observations(database: Database, year, what: str):
    refresh = "select analytics.refresh_daily_summary()"
    year.execute(refresh)
    year.execute("analyze")
    if what == "corrected":
        staged(year, 3)
    else:
        year.execute("delete from analytics.time_series_metrics")
        mark = "select analytics.mark_dirty(array_agg(series_id), '2024-01-01', '2024-12-31') from analytics.series"
        year.execute(mark)
    hold = "update analytics.daily_metrics_summary set anomalies = 9 where series_id = 2 and day = '2024-03-01'"

    def work() -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute(refresh)

    raced(year, hold, work)
    found = year.execute(
        "select value, anomalies, count(*) from analytics.daily_metrics_summary group by 1, 2"
    ).fetchall()
    assert found == ([(3, 0, SERIES * MONTHS)] if what == "corrected" else [])


def test_another_aggregate_changes_every_day(database: Database, year):
    year.execute("select analytics.refresh_daily_summary()")
    year.execute("update analytics.daily_metrics_summary set value_max = 4")
    year.execute("analyze")
    hold = "update analytics.daily_metrics_summary set anomalies = 9 where series_id = 2 and day = '2024-03-01'"

    def work() -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("update analytics.metric_types set aggregate = 'max' where name = 'revenue'")

    raced(year, hold, work)
    found = year.execute("select value, count(*) from analytics.daily_metrics_summary group by 1").fetchall()
    assert found == [(4, SERIES * MONTHS)]
