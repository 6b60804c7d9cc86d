"""Months are made, kept and dropped by their real bounds, and nobody waits for it longer than a moment."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from tests.retention import agree, let_go, newest_is_today

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
    let_go(february.url)
    sql(february, "select * from analytics.drop_old_partitions()")
    log = "select action, by_role = session_user from analytics.partition_log where partition = %s order by log_id"
    assert sql(february, log, FEBRUARY) == [("made", True), ("dropped", True)]


@pytest.mark.parametrize(
    "role_may",
    [
        "create_monthly_partition(date,regclass)",
        "drop_old_partitions(int,regclass,boolean)",
        "agree_to_retention(regclass)",
        "withdraw_retention(regclass)",
        "mark_month(timestamptz)",
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
    newest_is_today(database.url)
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
    let_go(february.url)
    sql(february, f"alter table {FEBRUARY} rename to time_series_metrics_p2099_01")
    sql(february, f"alter table {now} rename to time_series_metrics_p1999_01")
    dropped = sql(february, "select partition from analytics.drop_old_partitions()")
    assert dropped == [("analytics.time_series_metrics_p2099_01",)]


def test_a_dry_run_tells_and_drops_nothing(february: Database):
    newest_is_today(february.url)
    question = "select reason, dropped from analytics.drop_old_partitions(1, p_dry_run => true)"
    assert sql(february, question) == [("not archived", False)]
    sql(february, NO_ARCHIVE)
    assert sql(february, question) == [("would be dropped", False)]
    assert sql(february, "select count(*) from analytics.time_series_metrics") == [(97 * 300 + 1,)]


def test_a_policy_for_ever_drops_nothing(february: Database):
    sql(february, "update analytics.partition_policy set keep_months = null, archive = false")
    assert sql(february, "select * from analytics.drop_old_partitions()") == []


def test_retention_counts_from_the_newest_month_that_has_rows_and_has_begun(february: Database):
    """A history that ended long ago is as old as on the day on which it ended."""
    sql(february, "select analytics.ensure_partitions('2018-01-01Z', '2018-02-01Z')")
    sql(february, "insert into analytics.time_series_metrics values (1, '2018-01-05', 1), (1, '2018-02-05', 1)")
    kept, months = (
        "select analytics.kept_from()::date::text",
        "select due, due_from::date::text from analytics.retention()",
    )
    of_observations = f"{months} where parent = 'analytics.time_series_metrics'::regclass"
    assert (sql(february, kept), sql(february, of_observations)) == ([("2018-02-01",)], [(1, "2018-01-01")])
    sql(february, "select analytics.ensure_partitions(now(), now() + interval '9 months')")
    assert sql(february, kept) == [("2018-02-01",)], "months that are made ahead are empty"
    sql(february, "insert into analytics.time_series_metrics values (1, now() + interval '8 months', 1)")
    assert sql(february, kept) == [("2018-02-01",)], "what is planned is not the newest"
    newest_is_today(february.url)
    assert sql(february, "select analytics.kept_from() = date_trunc('month', now()) - interval '24 months'") == [
        (True,)
    ]
    assert sql(february, of_observations) == [(3, "2018-01-01")]


def test_nothing_leaves_by_the_policy_until_somebody_agrees_and_a_larger_drop_asks_again(february: Database):
    drop = "select reason, dropped from analytics.drop_old_partitions(p_dry_run => true)"
    agreed = "select agreed, why from analytics.retention() where parent = 'analytics.time_series_metrics'::regclass"
    again = "select analytics.agree_to_retention()"
    sql(february, NO_ARCHIVE)
    newest_is_today(february.url)
    assert sql(february, drop) == [("waits for an agreement", False)]
    assert sql(february, "select reason from analytics.drop_old_partitions()") == [("waits for an agreement",)]
    assert sql(february, agreed) == [(False, "nobody has agreed to it yet")]
    assert sql(february, again) == [(1,)]
    assert (sql(february, drop), sql(february, agreed)) == ([("would be dropped", False)], [(True, None)])
    assert sql(february, "select analytics.withdraw_retention(), analytics.withdraw_retention()") == [(True, False)]
    assert sql(february, drop) == [("waits for an agreement", False)]

    sql(february, again)
    sql(february, "update analytics.partition_policy set keep_months = 12 where parent::text ~ 'metrics$'")
    assert sql(february, agreed) == [(False, "24 months were to be kept when it was agreed, now 12")]
    sql(
        february,
        "update analytics.partition_policy set keep_months = 24, archive = true where parent::text ~ 'metrics$'",
    )
    sql(february, again)
    sql(february, NO_ARCHIVE)
    assert sql(february, agreed) == [(False, "months were archived when it was agreed, now they would be deleted")]
    sql(february, again)
    sql(february, "select analytics.ensure_partitions('2018-01-01Z', '2018-12-01Z')")
    months = "generate_series(timestamptz '2018-01-01', '2018-{}-01', '1 month') t"
    sql(february, f"insert into analytics.time_series_metrics select 1, t, 1 from {months.format('11')}")
    assert sql(february, agreed) == [(True, None)], "twelve months at once"
    sql(february, "insert into analytics.time_series_metrics values (1, '2018-12-01', 1)")
    assert sql(february, agreed) == [(False, "at most 12 months at once were agreed")]
    sql(february, again)
    assert sql(february, agreed) == [(True, None)]
    log = (
        "select keep_months, archive, months, withdrawn_at is null from analytics.retention_agreements order by 1, 2, 3"
    )
    assert sql(february, log)[-1] == (24, True, 1, False)
    assert sum(row[3] for row in sql(february, log)) == 1


def test_what_is_kept_for_ever_needs_no_agreement(february: Database):
    sql(february, "update analytics.partition_policy set keep_months = null")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is kept for ever"):
        sql(february, "select analytics.agree_to_retention()")


def test_a_month_that_is_not_summarised_stays_and_a_lost_one_is_known(february: Database):
    sql(february, NO_ARCHIVE)
    agree(february.url)
    newest_is_today(february.url)
    complete = "select analytics.complete_from()::date::text"
    sql(
        february,
        "insert into analytics.dirty_days (series_id, first_day, last_day) values (1, '2020-03-01', '2020-03-01')",
    )
    drop = "select reason from analytics.drop_old_partitions()"
    assert (sql(february, drop), sql(february, complete)) == ([("its days are not summarised yet",)], [(None,)])
    sql(february, "select count(*) from analytics.refresh_predictive_views()")
    assert sql(february, drop) == [("the policy asks for no archive",)]
    assert sql(february, complete) == [("2020-03-01",)]
    assert sql(february, "select distinct complete_from::date::text from analytics.time_series") == [], "no series"


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
    let_go(february.url)
    with session(february) as writer:
        writer.execute("insert into analytics.time_series_metrics values (999, '2020-02-01', 1)")
        assert sql(february, "select reason, dropped from analytics.drop_old_partitions()") == [
            ("somebody is writing to it", False)
        ]


def test_a_drop_waits_for_a_reader_only_so_long_and_new_readers_pass(february: Database):
    sql(february, NO_ARCHIVE)
    let_go(february.url)
    with session(february) as reader, ThreadPoolExecutor(1) as pool:
        reader.execute("select count(*) from analytics.time_series_metrics")
        drop = pool.submit(sql, february, "select * from analytics.drop_old_partitions()")
        time.sleep(0.5)
        with session(february, "statement_timeout=30s") as other:
            assert other.execute("select count(*) from analytics.time_series_metrics").fetchone() == (97 * 300 + 1,)
        assert not drop.done()
        reader.rollback()
        assert drop.result(timeout=20)[0][6] is True
