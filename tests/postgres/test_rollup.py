"""The daily summary and the monthly aggregates always say what the observations say."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.db import Database

START = datetime(2024, 1, 30, tzinfo=UTC)
METRICS = {"collection_weight": "sum", "contamination_rate": "mean", "container_fill_level": "last"}

SCRATCH = """
select m.series_id, (m.observed_at at time zone s.time_zone)::date as day, count(*)::int as observations,
       case t.aggregate when 'sum' then sum(m.value) when 'mean' then avg(m.value) when 'max' then max(m.value)
                        else (array_agg(m.value order by m.observed_at desc))[1] end as value,
       sum(m.value), avg(m.value), min(m.value), max(m.value), (array_agg(m.value order by m.observed_at desc))[1],
       coalesce(avg(m.quality_score), -1)::float8, (count(*) filter (where m.is_anomaly))::int
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type
 group by 1, 2, t.aggregate order by 1, 2
"""
SUMMARY = """
select series_id, day, observations, value, value_sum, value_mean, value_min, value_max, value_last,
       coalesce(quality, -1)::float8, anomalies
  from analytics.daily_metrics_summary order by 1, 2
"""


def ask(database: Database, query: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(database.url) as connection:
        done = connection.execute(query, parameters)
        return done.fetchall() if done.description else []


def refresh(database: Database) -> int:
    return ask(database, "select analytics.refresh_daily_summary()")[0][0]


def add_series(database: Database, metric_type: str = "collection_weight", **places: str) -> int:
    names = ["metric_type", "granularity", *places]
    values = [metric_type, "hourly", *places.values()]
    slots = ", ".join(["%s"] * len(values))
    query = f"insert into analytics.series ({', '.join(names)}) values ({slots}) returning series_id"
    return ask(database, query, *values)[0][0]


def observe(database: Database, series_id: int, at: datetime, value: float, *, marked: bool = True) -> None:
    with psycopg.connect(database.url) as connection:
        store(connection, series_id, at, value)
        if marked:
            mark(connection, series_id, at)


def store(connection: psycopg.Connection, series_id: int, at: datetime, value: float) -> None:
    connection.execute("select analytics.create_monthly_partition(%s)", [at.date()])
    connection.execute(
        """insert into analytics.time_series_metrics (series_id, observed_at, value, quality_score, is_anomaly)
           values (%s, %s, %s, %s, %s)
           on conflict (series_id, observed_at) do update
           set value = excluded.value, is_anomaly = excluded.is_anomaly""",
        [series_id, at, value, 0.5 if at.hour % 2 else None, value > 90],
    )


def mark(connection: psycopg.Connection, series_id: int, at: datetime) -> None:
    connection.execute(
        "insert into analytics.dirty_days (series_id, first_day, last_day) values (%s, %s, %s)",
        [series_id, at.date(), at.date()],
    )


def assert_true_to_observations(database: Database) -> None:
    found, want = ask(database, SUMMARY), ask(database, SCRATCH)
    assert [row[:3] for row in found] == [row[:3] for row in want]
    for got, expected in zip(found, want, strict=True):
        assert got[2:] == pytest.approx(expected[2:], rel=1e-6, abs=1e-9)


def test_a_day_is_a_utc_day_whatever_the_session_says(database: Database):
    series = add_series(database)
    observe(database, series, datetime(2024, 2, 29, 23, 30, tzinfo=UTC), 1)
    observe(database, series, datetime(2024, 3, 1, 0, 30, tzinfo=UTC), 2)
    for zone in ("America/New_York", "Pacific/Auckland"):
        with psycopg.connect(database.url) as connection:
            connection.execute("select set_config('timezone', %s, false)", [zone])
            connection.execute("update analytics.dirty_days set marked_at = marked_at")
            connection.execute("select analytics.refresh_daily_summary()")
    assert ask(database, "select day, value from analytics.daily_metrics_summary order by day") == [
        (date(2024, 2, 29), 1.0),
        (date(2024, 3, 1), 2.0),
    ]


def hours(database: Database, series_id: int, first: datetime, count: int, *, first_value: int = 0) -> None:
    for hour in range(count):
        store_at = first + timedelta(hours=hour)
        with psycopg.connect(database.url) as connection:
            store(connection, series_id, store_at, first_value + hour)
    ask(database, "select analytics.mark_dirty(%s, %s, %s)", [series_id], date(2024, 1, 1), date(2024, 12, 31))


@pytest.mark.parametrize(
    ("zone", "start", "day", "long"),
    [
        ("Europe/Berlin", datetime(2024, 3, 30, 20, tzinfo=UTC), date(2024, 3, 31), 23),
        ("Europe/Berlin", datetime(2024, 10, 26, 20, tzinfo=UTC), date(2024, 10, 27), 25),
        ("America/New_York", datetime(2024, 3, 10, 0, tzinfo=UTC), date(2024, 3, 10), 23),
        ("America/New_York", datetime(2024, 11, 3, 0, tzinfo=UTC), date(2024, 11, 3), 25),
        # the hour after midnight comes twice, and never
        ("America/Havana", datetime(2024, 11, 3, 0, tzinfo=UTC), date(2024, 11, 3), 25),
        ("Africa/Cairo", datetime(2024, 4, 25, 18, tzinfo=UTC), date(2024, 4, 26), 23),
        ("Asia/Kolkata", datetime(2024, 1, 31, 12, 30, tzinfo=UTC), date(2024, 2, 1), 24),
        ("Pacific/Auckland", datetime(2024, 5, 31, 6, tzinfo=UTC), date(2024, 6, 1), 24),
    ],
)
def test_a_day_has_the_hours_of_its_own_clock(database: Database, zone: str, start: datetime, day: date, long: int):
    series = add_series(database, time_zone=zone)
    hours(database, series, start, 48)
    refresh(database)
    assert_true_to_observations(database)
    assert ask(database, "select observations from analytics.daily_metrics_summary where day = %s", day) == [(long,)]
    ask(
        database,
        "insert into analytics.dirty_days (series_id, first_day, last_day) values (%s, %s, %s)",
        series,
        day,
        day,
    )
    assert refresh(database) == 0


def test_a_dated_value_is_of_its_date_whatever_the_zone(database: Database):
    series = add_series(database, time_zone="America/New_York")
    ask(database, "update analytics.series set granularity = 'daily' where series_id = %s", series)
    observe(database, series, datetime(2024, 3, 1, tzinfo=UTC), 1)
    refresh(database)
    assert ask(database, "select day, value from analytics.daily_metrics_summary") == [(date(2024, 3, 1), 1.0)]


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_a_local_day_of_which_a_part_was_dropped_keeps_its_summary(database: Database, zone: str):
    series = add_series(database, time_zone=zone)
    hours(database, series, datetime(2024, 1, 30, tzinfo=UTC), 96)
    refresh(database)
    days = "select day, observations from analytics.daily_metrics_summary order by day"
    before = ask(database, days)
    assert len(before) == 5
    ask(database, "drop table analytics.time_series_metrics_p2024_01")
    ask(database, "select analytics.mark_dirty(%s, %s, %s)", [series], date(2024, 1, 1), date(2024, 12, 31))
    refresh(database)
    assert ask(database, days) == before


def test_the_first_hours_of_the_first_month_may_be_of_the_day_before(database: Database):
    series = add_series(database, time_zone="America/New_York")
    hours(database, series, datetime(2024, 2, 1, tzinfo=UTC), 24)
    refresh(database)
    days = "select day, observations from analytics.daily_metrics_summary order by day"
    assert ask(database, days) == [(date(2024, 1, 31), 5), (date(2024, 2, 1), 19)]


@pytest.mark.parametrize(
    ("metric_type", "value"), [("collection_weight", 9.0), ("contamination_rate", 3.0), ("container_fill_level", 2.0)]
)
def test_the_value_of_a_day_is_by_the_aggregate_of_its_metric_type(database: Database, metric_type: str, value: float):
    series = add_series(database, metric_type)
    for hour, observed in enumerate((3, 4, 2)):
        observe(database, series, START + timedelta(hours=hour), observed)
    assert refresh(database) == 1
    assert ask(database, "select value, value_last from analytics.daily_metrics_summary") == [(value, 2.0)]


def test_another_aggregate_changes_every_day_there_is(database: Database):
    series = add_series(database, customer_id="C1")
    observe(database, series, START, 3)
    observe(database, series, START + timedelta(hours=1), 5)
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    ask(database, "update analytics.metric_types set aggregate = 'max' where name = 'collection_weight'")
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    assert ask(database, "select value from analytics.daily_metrics_summary") == [(5.0,)]
    assert ask(database, "select value from analytics.customer_behavior_aggregates") == [(5.0,)]


def test_only_marked_days_are_touched_and_only_rows_that_differ_are_written(database: Database):
    series = add_series(database)
    for day in range(3):
        for hour in range(24):
            observe(database, series, START + timedelta(days=day, hours=hour), 0.1 * hour + day)
    assert refresh(database) == 3
    written = ask(database, "select day, refreshed_at from analytics.daily_metrics_summary order by day")
    observe(database, series, START, 50)
    observe(database, series, START + timedelta(days=1), 51, marked=False)
    ask(database, "select analytics.mark_dirty(%s, %s, %s)", [series], START.date(), START.date())
    ask(database, "select analytics.mark_dirty(%s, %s, %s)", [series], date(2024, 2, 1), date(2024, 2, 1))
    assert refresh(database) == 1
    again = ask(database, "select day, refreshed_at from analytics.daily_metrics_summary order by day")
    assert again[1:] == written[1:]
    assert again[0] != written[0]


def test_a_day_whose_observations_are_gone_is_gone(database: Database):
    series = add_series(database, customer_id="C1")
    observe(database, series, START, 1)
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    ask(database, "delete from analytics.time_series_metrics")
    assert ask(database, "select analytics.mark_dirty(%s, '-infinity', 'infinity')", [series]) == [(1,)]
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    assert ask(database, SUMMARY) == []
    assert ask(database, "select count(*) from analytics.customer_behavior_aggregates") == [(0,)]


def test_a_month_whose_observations_were_dropped_keeps_its_summary(database: Database):
    series = add_series(database)
    observe(database, series, START, 1)
    observe(database, series, START + timedelta(days=5), 2)
    refresh(database)
    ask(database, "drop table analytics.time_series_metrics_p2024_01")
    ask(database, "select analytics.mark_dirty(%s, '2024-01-01', '2024-12-31')", [series])
    assert refresh(database) == 0
    assert [row[1] for row in ask(database, SUMMARY)] == [date(2024, 1, 30), date(2024, 2, 4)]


def test_a_partition_of_several_months_is_summarised_month_by_month(database: Database):
    ask(
        database,
        """create table analytics.of_a_quarter partition of analytics.time_series_metrics
              for values from ('2020-01-01Z') to ('2020-04-01Z')""",
    )
    series = add_series(database)
    ask(
        database,
        """insert into analytics.time_series_metrics (series_id, observed_at, value)
           select %s, day, 1 from generate_series('2020-01-01Z'::timestamptz, '2020-03-31Z', interval '1 day') day""",
        series,
    )
    ask(database, "select analytics.mark_dirty(%s, '2020-01-31', '2020-03-31')", [series])
    assert refresh(database) == 1 + 29 + 31


@pytest.mark.parametrize("absurd", [1.7e308, -1.7e308, 5e-324, 1e-200])
def test_an_absurd_value_stops_nothing(database: Database, absurd: float):
    for value in (absurd, 7):
        series = add_series(database, "revenue", customer_id=f"C{value}", route_id="R1")
        for day in range(40):
            observe(database, series, START + timedelta(days=day), value)
            observe(database, series, START + timedelta(days=day, hours=1), value)
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    assert ask(database, "select view_name, error from analytics.view_freshness where error is not null") == []
    assert ask(database, "select year_total from analytics.customer_behavior_summary where customer_id = 'C7'") == [
        (560.0,)
    ]


def test_marks_of_unknown_series_and_of_days_without_observations_do_no_harm(database: Database):
    assert ask(database, "select analytics.mark_dirty('{77}', '2024-01-01', '2024-01-02')") == [(0,)]
    ask(
        database,
        "insert into analytics.dirty_days (series_id, first_day, last_day) values (77, '2024-01-01', '2034-01-01')",
    )
    assert refresh(database) == 0
    assert ask(database, "select count(*) from analytics.dirty_days") == [(0,)]


def test_more_spans_than_one_chunk_holds_are_all_summarised(database: Database):
    ask(database, "select analytics.create_monthly_partition('2024-01-01')")
    ask(
        database,
        """insert into analytics.series (metric_type, route_id)
           select 'collection_weight', 'R' || i from generate_series(1, 5200) i""",
    )
    ask(
        database,
        """insert into analytics.time_series_metrics (series_id, observed_at, value)
           select series_id, '2024-01-05Z', 1 from analytics.series""",
    )
    ask(database, "select analytics.mark_dirty(array_agg(series_id), '2024-01-01', '2024-01-31') from analytics.series")
    assert refresh(database) == 5200


def test_a_mark_that_commits_during_a_refresh_is_not_lost(database: Database):
    series = add_series(database)
    observe(database, series, START, 1)
    with psycopg.connect(database.url) as writer:
        store(writer, series, START + timedelta(hours=1), 2)
        mark(writer, series, START)
        assert refresh(database) == 1
        writer.commit()
    assert ask(database, "select count(*) from analytics.dirty_days") == [(1,)]
    assert refresh(database) == 1
    assert_true_to_observations(database)


def test_a_refresh_that_fails_keeps_its_marks(database: Database):
    series = add_series(database)
    observe(database, series, START, 1)
    with psycopg.connect(database.url) as connection:
        connection.execute("select analytics.refresh_daily_summary()")
        connection.rollback()
    assert ask(database, "select count(*) from analytics.dirty_days") == [(1,)]


def test_two_refreshes_at_once_wait_for_each_other(database: Database):
    series = add_series(database)
    observe(database, series, START, 1)
    with psycopg.connect(database.url) as first, ThreadPoolExecutor(1) as other:
        assert first.execute("select analytics.refresh_daily_summary()").fetchone() == (1,)
        second = other.submit(refresh, database)
        while not second.done() and not ask(database, "select 1 from pg_locks where not granted"):
            time.sleep(0.01)
        assert not second.done()
        first.commit()
        assert second.result() == 0
    assert_true_to_observations(database)


def test_writers_and_refreshes_at_once_end_with_the_truth(database: Database):
    series = [add_series(database, route_id=f"R{number}") for number in range(3)]

    def write(number: int) -> None:
        for step in range(25):
            observe(database, series[(number + step) % 3], START + timedelta(hours=7 * step), number + step)

    def keep(_: int) -> None:
        for _ in range(12):
            ask(database, "select count(*) from analytics.refresh_predictive_views()")

    with ThreadPoolExecutor(5) as many:
        jobs = [many.submit(write, number) for number in range(3)] + [many.submit(keep, number) for number in range(2)]
        for job in jobs:
            job.result()
    refresh(database)
    assert_true_to_observations(database)
    assert_months_true(database)


STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 2), st.integers(0, 24 * 6), st.floats(0, 100)),
    st.tuples(st.just("delete"), st.integers(0, 2), st.integers(0, 6), st.integers(0, 3)),
    st.tuples(st.just("refresh"), st.just(0), st.just(0), st.just(0)),
)


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=25))
def test_after_any_writes_corrections_and_deletes_the_summary_is_what_scratch_would_be(
    database: Database, steps: list[tuple[str, int, int, float]]
):
    ask(
        database,
        """truncate analytics.time_series_metrics, analytics.daily_metrics_summary,
                    analytics.dirty_days, analytics.dirty_months,
                    analytics.month_figures""",
    )
    series = [
        add_series(database, metric, customer_id="C1", route_id="R1", site_id=f"{datetime.now(UTC)}")
        for metric in METRICS
    ]
    for act, which, at, value in steps:
        if act == "write":
            observe(database, series[which], START + timedelta(hours=at), value)
        elif act == "delete":
            first = (START + timedelta(days=at)).date()
            last = first + timedelta(days=int(value))
            ask(
                database,
                """delete from analytics.time_series_metrics
                    where series_id = %s and (observed_at at time zone 'UTC')::date between %s and %s""",
                *(series[which], first, last),
            )
            ask(database, "select analytics.mark_dirty(%s, %s, %s)", [series[which]], first, last)
        else:
            ask(database, "select count(*) from analytics.refresh_predictive_views()")
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    assert_true_to_observations(database)
    assert_months_true(database)


def assert_months_true(database: Database) -> None:
    """The aggregates of routes, worked out by pandas from the observations."""
    raw = pd.DataFrame(
        ask(
            database,
            """select s.route_id, s.metric_type, s.series_id, m.observed_at, m.value
                 from analytics.time_series_metrics m join analytics.series s using (series_id)
                order by m.observed_at""",
        ),
        columns=["route", "metric", "series", "at", "value"],
    )
    want = {}
    if not raw.empty:
        raw["at"] = pd.to_datetime(raw["at"], utc=True)
        raw["day"] = raw["at"].dt.date
        raw["month"] = [day.replace(day=1) for day in raw["day"]]
        for key, rows in raw.groupby(["route", "metric", "month"]):
            days = [_added_up(rows_of_day, METRICS[key[1]]) for _, rows_of_day in rows.groupby("day")]
            want[key] = (len(rows), len(days), _added_up(rows, METRICS[key[1]]), sum(days) / len(days))
    found = {
        row[:3]: row[3:]
        for row in ask(
            database,
            """select entity_id, metric_type, month, observations, days, value, day_mean
                 from analytics.operational_metrics_aggregates where dimension = 'route'""",
        )
    }
    assert found.keys() == want.keys()
    for key, figures in want.items():
        assert found[key] == pytest.approx(figures, rel=1e-9, abs=1e-9)


def _added_up(rows: pd.DataFrame, aggregate: str) -> float:
    if aggregate == "last":
        return float(rows.groupby("series")["value"].last().mean())
    return float(rows["value"].sum() if aggregate == "sum" else rows["value"].mean())


def test_a_change_is_by_calendar_day_against_the_month_before_and_follows_its_corrections(database: Database):
    series = add_series(database, customer_id="C1", vehicle_id="V1")
    for month, value in ((1, 10), (2, 15), (3, 15), (5, 8)):
        observe(database, series, datetime(2024, month, 3, tzinfo=UTC), value)
    ask(database, "select analytics.refresh_daily_summary(), analytics.refresh_monthly_aggregates()")
    changes = "select change from analytics.customer_behavior_aggregates order by month"
    months = [None, pytest.approx(0.5), pytest.approx(29 / 31 - 1), -1, None]  # known from the 3rd of January on
    assert [row[0] for row in ask(database, changes)] == months
    observe(database, series, datetime(2024, 1, 3, tzinfo=UTC), 5)
    ask(database, "select analytics.refresh_daily_summary(), analytics.refresh_monthly_aggregates()")
    assert [row[0] for row in ask(database, changes)] == [None, pytest.approx(2), *months[2:]]
    vehicle = "select change from analytics.operational_metrics_aggregates where dimension = 'vehicle' order by month"
    assert [row[0] for row in ask(database, vehicle)] == [row[0] for row in ask(database, changes)]


def test_a_refresh_adds_missing_ids_and_leaves_what_a_user_wrote(database: Database):
    ask(database, "insert into analytics.customers (customer_id, name, segment) values ('C1', 'Market hall', 'trade')")
    for number in (1, 2):
        places = dict.fromkeys(("route_id", "vehicle_id", "driver_id", "site_id"), "X")
        observe(database, add_series(database, customer_id=f"C{number}", **places), START, 1)
    ask(database, "select count(*) from analytics.refresh_predictive_views()")
    assert ask(database, "select customer_id, name, segment from analytics.customers order by 1") == [
        ("C1", "Market hall", "trade"),
        ("C2", None, None),
    ]
    for table in ("routes", "vehicles", "drivers", "sites"):
        assert ask(database, f"select count(*) from analytics.{table}") == [(1,)]


@pytest.mark.parametrize(
    "function",
    ["refresh_daily_summary()", "refresh_monthly_aggregates()", "mark_dirty('{1}', now()::date, now()::date)"],
)
def test_nobody_may_call_it_unless_granted(database: Database, function: str):
    with psycopg.connect(database.url) as connection:
        connection.execute("create role nobody_special")
        connection.execute("grant usage on schema analytics to nobody_special")
        connection.execute("set local role nobody_special")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"select analytics.{function}")
        connection.rollback()
