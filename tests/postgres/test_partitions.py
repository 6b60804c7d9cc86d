"""Months are made, kept and dropped by their real bounds, and nobody waits for it longer than a moment."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from mlops.db import Database

FEBRUARY = "analytics.time_series_metrics_p2020_02"
NO_ARCHIVE = "update analytics.partition_policy set archive = false"


def sql(database: Database, statement: str, *values: object) -> list[tuple]:
    with psycopg.connect(database.url, options="-ctimezone=UTC") as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def session(database: Database, *options: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.url, options=" ".join(f"-c{one}" for one in options)) as connection:
        yield connection


@pytest.fixture
def february(database: Database) -> Database:
    """A closed month of 300 series that arrived hour by hour."""
    sql(database, "select analytics.ensure_partitions(array[date '2020-02-01'])")
    sql(
        database,
        """
        insert into analytics.time_series_metrics (series_id, observed_at, value, is_anomaly)
        select s, t, random(), s = 7
          from generate_series('2020-02-01'::timestamptz, '2020-02-05', '1 hour') t, generate_series(1, 300) s
         order by t, s
        """,
    )
    return database


# making


def test_a_list_of_days_makes_each_month_once(database: Database):
    days = "array[date '2020-03-31', '2020-01-15', '2020-03-01', null]"
    assert sql(database, f"select analytics.ensure_partitions({days})") == [(2,)]
    assert sql(database, f"select analytics.ensure_partitions({days}, 'analytics.time_series_revisions')") == [(2,)]
    assert sql(database, f"select analytics.ensure_partitions({days})") == [(0,)]


def test_two_bare_literals_are_times(database: Database):
    assert sql(database, "select analytics.ensure_partitions('2020-01-31', '2020-03-01')") == [(3,)]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Kiritimati"])
def test_a_table_of_days_is_cut_at_the_first_whatever_the_time_zone(database: Database, zone: str):
    sql(database, "create table analytics.by_day (day date primary key, n int) partition by range (day)")
    sql(database, "insert into analytics.partition_policy (parent, keep_months) values ('analytics.by_day', null)")
    with session(database, f"timezone={zone}") as connection:
        connection.execute("select analytics.create_monthly_partition('2020-03-31', 'analytics.by_day')")
        found = connection.execute(
            "select pg_get_expr(relpartbound, oid) from pg_class where relname = 'by_day_p2020_03'"
        ).fetchone()
    assert found == ("FOR VALUES FROM ('2020-03-01') TO ('2020-04-01')",)
    assert sql(database, "select * from analytics.drop_old_partitions(null, 'analytics.by_day')") == []
    sql(database, "insert into analytics.by_day values ('2020-03-01'), ('2020-03-31')")
    ((lower, upper),) = sql(
        database, "select lower_bound, upper_bound from analytics.month_partitions('analytics.by_day')"
    )
    assert (lower.isoformat(), upper.isoformat()) == ("2020-03-01T00:00:00+00:00", "2020-04-01T00:00:00+00:00")


def test_what_is_done_to_a_month_is_logged(february: Database):
    sql(february, NO_ARCHIVE)
    sql(february, "select * from analytics.drop_old_partitions()")
    log = sql(february, "select partition, action, by_role = session_user from analytics.partition_log order by log_id")
    assert log == [(FEBRUARY, action, True) for action in ("made", "dropped")]


@pytest.mark.parametrize(
    "role_may",
    [
        "create_monthly_partition(date,regclass)",
        "drop_old_partitions(int,regclass,boolean)",
        "ensure_partitions(date[],regclass)",
    ],
)
def test_nobody_may_call_it_unless_it_is_granted(database: Database, role_may: str):
    assert sql(database, "select has_function_privilege('public', %s, 'execute')", f"analytics.{role_may}") == [
        (False,)
    ]
    ((definer, settings),) = sql(
        database, "select prosecdef, proconfig from pg_proc where oid = %s::regprocedure", f"analytics.{role_may}"
    )
    assert definer
    assert "search_path=pg_catalog, pg_temp" in settings


# retention


def test_only_months_before_the_kept_ones_are_dropped(database: Database):
    sql(database, NO_ARCHIVE)
    sql(database, "select analytics.ensure_partitions(now() - interval '5 months', now() + interval '1 month')")
    rows = sql(
        database,
        "select upper_bound <= date_trunc('month', now()) - interval '2 months', dropped "
        "from analytics.drop_old_partitions(2)",
    )
    assert rows == [(True, True)] * 3
    assert sql(database, "select count(*) from analytics.month_partitions('analytics.time_series_metrics')") == [(4,)]


def test_bounds_count_and_names_do_not(february: Database):
    sql(february, NO_ARCHIVE)
    sql(february, "select analytics.ensure_partitions(now(), now())")
    now = sql(february, "select partition::text from analytics.month_partitions('analytics.time_series_metrics')")[-1][
        0
    ]
    sql(february, f"alter table {FEBRUARY} rename to time_series_metrics_p2099_01")
    sql(february, f"alter table {now} rename to time_series_metrics_p1999_01")
    dropped = sql(february, "select partition from analytics.drop_old_partitions()")
    assert dropped == [("analytics.time_series_metrics_p2099_01",)]


def test_a_dry_run_tells_and_drops_nothing(february: Database):
    question = "select reason, dropped from analytics.drop_old_partitions(1, p_dry_run => true)"
    assert sql(february, question) == [("not archived", False)]
    sql(february, NO_ARCHIVE)
    assert sql(february, question) == [("would be dropped", False)]
    assert sql(february, "select count(*) from analytics.time_series_metrics") == [(97 * 300,)]


def test_a_policy_for_ever_drops_nothing(february: Database):
    sql(february, "update analytics.partition_policy set keep_months = null, archive = false")
    assert sql(february, "select * from analytics.drop_old_partitions()") == []


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("drop_old_partitions(0)", "p_months is 0, it must be at least 1"),
        ("drop_old_partitions(1, 'analytics.series')", "analytics.series is not partitioned by month"),
    ],
)
def test_what_makes_no_sense_is_an_error(database: Database, call: str, says: str):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=says):
        sql(database, f"select * from analytics.{call}")


def test_a_month_that_somebody_writes_to_is_left(february: Database):
    sql(february, NO_ARCHIVE)
    with session(february) as writer:
        writer.execute("insert into analytics.time_series_metrics values (999, '2020-02-01', 1)")
        assert sql(february, "select reason, dropped from analytics.drop_old_partitions()") == [
            ("somebody is writing to it", False)
        ]


def test_a_drop_waits_for_a_reader_only_so_long_and_new_readers_pass(february: Database):
    sql(february, NO_ARCHIVE)
    with session(february) as reader, ThreadPoolExecutor(1) as pool:
        reader.execute("select count(*) from analytics.time_series_metrics")
        drop = pool.submit(sql, february, "select * from analytics.drop_old_partitions()")
        time.sleep(0.5)
        with session(february, "statement_timeout=30s") as other:
            assert other.execute("select count(*) from analytics.time_series_metrics").fetchone() == (97 * 300,)
        assert not drop.done()
        reader.rollback()
        assert drop.result(timeout=20)[0][6] is True


# corrections


def test_corrections_survive_the_way_up_and_down(new_database):
    count = "select series_id, observed_at, value, superseded_at from analytics.time_series_revisions order by 1, 2"
    with new_database("revisions") as (_, url):
        database = Database(url)
        database.upgrade("0001")
        sql(
            database,
            "insert into analytics.time_series_revisions (series_id, observed_at, value, recorded_at, superseded_at) "
            "select 1, t, 0.1, t, t + interval '1 day' "
            "from generate_series('2020-01-31'::timestamptz, '2020-03-01', '1 day') t",
        )
        before = sql(database, count)
        database.upgrade()
        assert sql(database, count) == before
        assert sql(
            database,
            "select count(*), max(partition::text) from analytics.month_partitions('analytics.time_series_revisions')",
        ) == [(3, "analytics.time_series_revisions_p2020_03")]
        database.upgrade("0001")
        assert sql(database, count) == before
        database.close()
