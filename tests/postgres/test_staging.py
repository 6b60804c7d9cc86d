"""The door for SQL clients: what is written to the staging table goes where it belongs, exactly once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from mlops.db import Database
from mlops.series.quality import score
from mlops.series.read import history
from mlops.series.rescore import rescore

SERIES = "select analytics.series_for('collection_weight', route_id => %s)"
INSERT = "insert into analytics.time_series_staging (series_id, observed_at, value) values (%s, %s, %s)"


@pytest.fixture
def sql(database: Database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("set time zone 'Pacific/Auckland'")
        yield connection


@pytest.fixture
def route(sql: psycopg.Connection) -> int:
    return one(sql, SERIES, "R1")


def one(sql: psycopg.Connection, query: str, *parameters: object) -> Any:
    return sql.execute(query, parameters).fetchone()[0]


def stored(sql: psycopg.Connection) -> list[tuple[str, float]]:
    query = "select (observed_at at time zone 'UTC')::date::text, value from analytics.time_series_metrics order by 1"
    return sql.execute(query).fetchall()


def test_rows_go_to_their_months_and_the_staging_table_stays_empty(sql, route):
    with sql.cursor().copy("copy analytics.time_series_staging (series_id, observed_at, value) from stdin") as copy:
        for day in ("2024-01-31", "2024-02-01", "2024-03-31"):
            copy.write_row((route, f"{day}T00:00:00Z", 5))
    assert stored(sql) == [("2024-01-31", 5), ("2024-02-01", 5), ("2024-03-31", 5)]
    assert one(sql, "select count(*) from analytics.time_series_staging") == 0
    query = "select count(*) from analytics.month_partitions('analytics.time_series_metrics')"
    assert one(sql, query) == 3


def test_the_same_rows_again_write_nothing(sql, route):
    for _ in range(2):
        sql.execute(INSERT, (route, "2024-01-31T00:00:00Z", 5))
    assert one(sql, "select count(distinct xmin::text) from analytics.time_series_metrics") == 1
    assert one(sql, "select count(*) from analytics.time_series_revisions") == 0


def test_a_correction_keeps_the_old_value_as_a_revision(sql, route):
    for value in (5, 7, 8):
        sql.execute(INSERT, (route, "2024-01-31T00:00:00Z", value))
    assert stored(sql) == [("2024-01-31", 8)]
    rows = sql.execute("select value, recorded_at < superseded_at from analytics.time_series_revisions order by 1")
    assert rows.fetchall() == [(5, True), (7, True)]


@pytest.mark.parametrize(
    ("day", "value", "message"),
    [
        ("2024-01-31T00:00:00Z", -1, "collection_weight takes 0 to any value"),
        ("2024-01-31T00:00:00Z", "nan", "collection_weight takes 0 to any value"),
        ("2024-01-31T06:00:00Z", 1, "granularity daily carries 00:00 UTC of its local date"),
        ("2024-01-31T00:00:00Z", "infinity", "series 1, 2024-01-31 00:00:00 UTC, value Infinity"),
        ("9999-12-31T00:00:00Z", 1, "month 9999-12 is out of range"),
    ],
)
def test_one_row_that_cannot_be_taken_refuses_the_statement(sql, route, day, value, message):
    rows = "values (%(route)s, '2024-01-30T00:00:00Z', 1), (%(route)s, %(day)s, %(value)s)"
    insert = f"insert into analytics.time_series_staging (series_id, observed_at, value) {rows}"
    with pytest.raises(psycopg.Error, match=message):
        sql.execute(insert, {"route": route, "day": day, "value": value})
    assert stored(sql) == []


@pytest.mark.parametrize(
    ("granularity", "zone", "right", "wrong", "message"),
    [
        ("15min", None, "2024-01-31T06:45:00Z", "2024-01-31T06:50:00Z", "a full quarter of an hour.* UTC it is 06:50"),
        ("30min", "Asia/Kathmandu", "2024-01-31T06:15:00Z", "2024-01-31T06:30:00Z", "Asia/Kathmandu it is 12:15"),
        ("hourly", None, "2024-01-31T06:00:00Z", "2024-01-31T06:30:00Z", "name the series' time_zone"),
        ("hourly", "Asia/Kolkata", "2024-01-31T06:30:00Z", "2024-01-31T06:00:00Z", "Asia/Kolkata it is 11:30"),
        ("daily", "Asia/Kolkata", "2024-01-31T00:00:00Z", "2024-01-30T18:30:00Z", "00:00 UTC of its local date"),
        ("business_daily", None, "2024-02-02T00:00:00Z", "2024-02-03T00:00:00Z", "Monday to Friday"),
        ("weekly", None, "2024-02-04T00:00:00Z", "2024-02-12T00:00:00Z", "begin on a Sunday, and this is a Monday"),
        ("monthly", None, "2024-02-01T00:00:00Z", "2024-03-02T00:00:00Z", "first day of its month"),
        ("quarterly", None, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", "one that begins in February"),
        ("yearly", None, "2024-07-01T00:00:00Z", "2025-01-01T00:00:00Z", "one that begins in July"),
    ],
)
def test_a_step_begins_by_the_clock_and_the_anchor_of_its_series(sql, granularity, zone, right, wrong, message):
    series = one(
        sql,
        "select analytics.series_for('revenue', %s, site_id => 'S', time_zone => %s)",
        granularity,
        zone,
    )
    sql.execute(INSERT, (series, right, 1))
    with pytest.raises(psycopg.errors.CheckViolation, match=message):
        sql.execute(INSERT, (series, wrong, 2))
    assert [value for _, value in stored(sql)] == [1]


def test_a_series_that_is_told_its_zone_is_summarised_by_local_days(sql):
    asked = "select analytics.series_for('collection_count', 'hourly', site_id => 'S', time_zone => %s)"
    series = one(sql, asked, None)
    for hour in ("2024-07-01T03:00:00Z", "2024-07-01T05:00:00Z"):  # 23:00 and 1:00 in New York
        sql.execute(INSERT, (series, hour, 1))
    days = "select day::text, value from analytics.daily_metrics_summary order by day"
    one(sql, "select analytics.refresh_daily_summary()")
    assert sql.execute(days).fetchall() == [("2024-07-01", 2)]
    assert one(sql, asked, "America/New_York") == series
    one(sql, "select analytics.refresh_daily_summary()")
    assert sql.execute(days).fetchall() == [("2024-06-30", 1), ("2024-07-01", 1)]
    with pytest.raises(psycopg.Error, match="is of America/New_York, and not of UTC"):
        one(sql, asked, "UTC")


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("Asia/Kolkata", r"can't be of Asia/Kolkata: its value of 2024-07-01 03:00 UTC is then at 08:30"),
        ("CET", "'CET' is not a time zone"),
        ("Europe/Nowhere", "'Europe/Nowhere' is not a time zone"),
        ("Foo5", "'Foo5' is not a time zone"),
    ],
)
def test_a_zone_that_does_not_fit_is_refused(sql, zone, message):
    asked = "select analytics.series_for('collection_count', 'hourly', site_id => 'S', time_zone => %s)"
    sql.execute(INSERT, (one(sql, asked, None), "2024-07-01T03:00:00Z", 1))
    with pytest.raises(psycopg.Error, match=message):
        one(sql, asked, zone)
    if "/K" not in zone:
        with pytest.raises(psycopg.Error, match=message):
            one(sql, asked.replace("'S'", "'other'"), zone)


def test_an_unknown_granularity_is_refused_with_those_there_are(sql):
    with pytest.raises(psycopg.Error, match=r"(?s)no granularity '6h'.*15min, 30min, hourly, daily"):
        one(sql, "select analytics.series_for('collection_weight', '6h')")


def test_rows_of_one_statement_that_disagree_are_refused(sql, route):
    rows = "values (%s, '2024-01-31T00:00:00Z', 1), (%s, '2024-01-31T00:00:00Z', 2)"
    with pytest.raises(psycopg.errors.CardinalityViolation, match="rows of this statement disagree"):
        sql.execute(f"insert into analytics.time_series_staging (series_id, observed_at, value) {rows}", [route] * 2)
    assert stored(sql) == []


def test_an_unknown_series_is_refused_with_how_to_make_it(sql):
    with pytest.raises(psycopg.errors.CheckViolation, match="there is no such series") as refused:
        sql.execute(INSERT, (77, "2024-01-31T00:00:00Z", 1))
    assert "analytics.series_for" in refused.value.diag.message_hint


def test_a_series_is_the_same_however_often_it_is_asked_for(sql):
    ids = {one(sql, SERIES, name) for name in ("R1", "R2", "R1", None, None)}
    assert len(ids) == 3
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="metric type 'tonnes' is not declared"):
        sql.execute("select analytics.series_for('tonnes')")


def test_what_is_written_is_marked_for_the_rollup_and_for_scoring(sql, route):
    sql.execute(INSERT, (route, "2024-01-31T00:00:00Z", 5))
    marks = sql.execute("select series_id, first_day::text, last_day::text from analytics.dirty_days").fetchall()
    assert marks == [(route, "2024-01-31", "2024-01-31")]
    assert one(sql, "select series_id from analytics.unscored") == route


def test_many_writers_of_the_same_days_lose_and_double_nothing(database: Database, sql, route):
    def write(value: int) -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            for day in range(1, 29):
                connection.execute(INSERT, (route, f"2024-02-{day:02}T00:00:00Z", value))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(1, 5)))
    assert len(stored(sql)) == 28
    kept = one(sql, "select count(*) from analytics.time_series_revisions")
    assert kept == 3 * 28, "every value that was written is there, as the last or as a revision"


def test_what_came_in_by_sql_is_scored_like_a_file(database: Database, sql, route):
    y = [100.0 + day % 7 for day in range(100)]
    y[90] = 5000.0
    days = "timestamptz '2024-01-01 00:00Z' + n * interval '24 hours'"
    rows = f"select %s, {days}, y from unnest(%s::float8[]) with ordinality as v (y, n)"
    sql.execute(f"insert into analytics.time_series_staging (series_id, observed_at, value) {rows}", [route, y])
    assert rescore(database) > 0
    flagged = "select quality_score, value from analytics.time_series_metrics where is_anomaly"
    assert sql.execute(flagged).fetchall() == [(0.5, 5000)]
    stored = history(database)
    assert stored["quality_score"].tolist() == score(stored).astype("float32").tolist()
    assert one(sql, "select count(*) from analytics.unscored") == 0
    assert rescore(database) == 0


def test_the_days_that_are_summarised_anew_are_local(sql):
    make = "select analytics.series_for('collection_weight', %s, route_id => 'R', time_zone => 'America/New_York')"
    hours, days = (one(sql, make, granularity) for granularity in ("hourly", "daily"))
    first, last = "2024-01-01T00:00Z", "2024-01-02T00:00Z"
    mark = "select analytics.mark_spans_dirty(%s, %s::timestamptz[], %s::timestamptz[])"
    sql.execute(mark, [[hours, days], [first, first], [last, first]])
    marks = sql.execute("select series_id, first_day::text, last_day::text from analytics.dirty_days").fetchall()
    assert sorted(marks) == [(hours, "2023-12-31", "2024-01-01"), (days, "2024-01-01", "2024-01-01")]
