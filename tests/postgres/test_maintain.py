"""Maintenance does what is due, tells each thing, and stops for nothing."""

import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from tests.retention import agree

from mlops.cli.db import _lines
from mlops.config import Settings
from mlops.db import Database, upkeep
from mlops.db.archive import restore
from mlops.db.upkeep import Act, Partition, PartitionPolicy, maintain, plan

METRICS = "analytics.time_series_metrics"
NOW = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
KEPT_FROM = datetime(2024, 3, 1, tzinfo=UTC)
WAITING = (
    "`mlops db maintain --yes` archives and drops them; to keep them for good: mlops db retention time_series_metrics"
)
NOTHING = "nothing to do\nhistory before 2020-03 is read from 2 archive files\n"


@pytest.fixture
def template(migrated: str) -> str:
    """No command of these tests needs MLflow's tables."""
    return migrated


def sql(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(url, options="-ctimezone=UTC") as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def grown(home: Settings) -> Settings:
    """Two old months, and one that is over and kept."""
    assert home.database_url is not None
    sql(
        home.database_url,
        """
        select analytics.ensure_partitions(
            array[date '2020-01-01', date '2020-02-01', (now() - interval '1 month')::date]);
        insert into analytics.time_series_metrics (series_id, observed_at, value)
        select s, t, random() from generate_series('2020-01-31'::timestamptz, '2020-02-01', '1 hour') t,
             generate_series(1, 9) s;
        insert into analytics.time_series_metrics (series_id, observed_at, value)
        select s, date_trunc('month', now()) - n * interval '1 hour', random()
          from generate_series(1, 100) n, generate_series(1, 300) s order by n, s
        """,
    )
    return home


def database_of(settings: Settings) -> Database:
    assert settings.database_url is not None
    return Database(settings.database_url)


def partition(
    month: str,
    *,
    rows: int = 9,
    until: datetime | None = None,
    parent: str = METRICS,
) -> Partition:
    lower = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
    upper = lower.replace(year=lower.year + lower.month // 12, month=lower.month % 12 + 1)
    return Partition(parent, f"{parent}_p{month}", lower, upper, rows, until)


# what is due


def test_months_ahead_are_due_from_this_one_on():
    acts = plan([PartitionPolicy(METRICS, 2, True, METRICS, None)], [partition("2026-04")], NOW)
    assert [act.detail for act in acts] == ["2026-03", "2026-05"]


def test_the_turn_of_the_year_is_counted_through():
    acts = plan(
        [PartitionPolicy(METRICS, 1, False, METRICS, datetime(2024, 12, 1, tzinfo=UTC))],
        [partition("2024-11"), partition("2024-12")],
        datetime(2025, 12, 5, tzinfo=UTC),
    )
    assert [(act.act, act.what, act.detail) for act in acts] == [
        ("make", METRICS, "2025-12"),
        ("make", METRICS, "2026-01"),
        ("drop", f"{METRICS}_p2024-11", ""),
    ]


def test_an_old_month_is_archived_before_it_is_dropped_and_a_restored_one_waits():
    months = [
        partition("2020-01"),
        partition("2020-02", until=NOW.replace(day=30)),
        partition("2020-03", until=NOW.replace(year=2027)),
    ]
    acts = plan([PartitionPolicy(METRICS, 0, True, METRICS, KEPT_FROM)], [*months, partition("2026-03")], NOW)
    assert [(act.act, act.what) for act in acts] == [
        ("archive", f"{METRICS}_p2020-01"),
        ("drop", f"{METRICS}_p2020-01"),
        ("archive", f"{METRICS}_p2020-02"),
        ("drop", f"{METRICS}_p2020-02"),
    ]


# doing it


def test_one_run_does_everything_and_the_next_finds_nothing_to_do(grown: Settings, mlops):
    code, out, err = mlops("db", "maintain", "--yes")
    assert code == 0, err
    *lines, border = out.splitlines()
    assert border == "history before 2020-03 is read from 2 archive files"
    done = [line.split(" ")[0] for line in lines]
    assert [act for act in done if act != "refresh"] == ["make"] * 6 + ["archive", "drop"] * 2
    assert lines[0] == "make analytics.daily_metrics_summary: 1 month"
    assert "archive of analytics.time_series_metrics_p2020_01" in err
    assert len(list(grown.archive.glob("time_series_metrics_2020-0[12]_*.parquet"))) == 2
    assert mlops("db", "maintain")[:2] == (0, NOTHING)
    code, out, _ = mlops("db", "maintain", "--json")
    nothing = {"dry_run": False, "alone": True, "failed": False, "scored": 0, "acts": [], "waiting": []}
    assert (code, json.loads(out)) == (0, nothing | {"border": {"month": "2020-03-01T00:00:00+00:00", "files": 2}})


def test_a_dry_run_tells_what_a_run_would_do_and_changes_nothing(grown: Settings, mlops):
    assert grown.database_url is not None
    before = sql(grown.database_url, "select count(*) from pg_class")
    code, out, _ = mlops("db", "maintain", "--dry-run")
    assert code == 0
    assert "would make 4 months of analytics.time_series_metrics, " in out
    assert "would archive" not in out
    assert WAITING in out
    agree(grown.database_url)
    code, out, _ = mlops("db", "maintain", "--dry-run")
    assert code == 0
    assert "would archive analytics.time_series_metrics_p2020_01\n" in out
    assert "would drop analytics.time_series_metrics_p2020_02\n" in out
    assert sql(grown.database_url, "select count(*) from pg_class") == before
    assert not grown.archive.exists()


def test_the_first_drop_waits_for_an_agreement_and_the_others_follow(
    grown: Settings, mlops, monkeypatch: pytest.MonkeyPatch
):
    assert grown.database_url is not None
    rows = "select count(*) from analytics.time_series_metrics where observed_at < '2021-01-01'"
    agreed = "select months, by_role = session_user from analytics.retention_agreements where withdrawn_at is null"
    code, out, _ = mlops("db", "maintain")
    assert (code, WAITING in out, "make analytics.time_series_metrics: 4 months" in out) == (1, True, True)
    code, out, _ = mlops("db", "maintain", "--json")
    assert (code, json.loads(out)["failed"]) == (1, False)
    assert [(one["parent"], one["due"]) for one in json.loads(out)["waiting"]] == [(METRICS, 2)]
    assert (sql(grown.database_url, rows), sql(grown.database_url, agreed)) == ([(225,)], [])
    assert not grown.archive.exists()

    monkeypatch.setattr("mlops.cli.db._somebody_is_there", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    code, out, err = mlops("db", "maintain")
    question = " ".join(err.split())
    assert (code, "Let them go? [y/N]" in question, WAITING in out) == (0, True, True)
    assert "2 months of time_series_metrics (2020-01 to 2020-02" in question
    assert f"would leave the database for files in {grown.archive}" in question
    assert sql(grown.database_url, rows) == [(225,)]
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, out, err = mlops("db", "maintain")
    assert (code, sql(grown.database_url, rows), sql(grown.database_url, agreed)) == (0, [(0,)], [(2, True)])
    assert "drop analytics.time_series_metrics_p2020_02: archived" in out
    code, out, err = mlops("db", "maintain")
    assert (code, out, "Let them go" in err) == (0, NOTHING, False)


def test_what_was_agreed_is_shown_and_can_be_taken_back_and_retention_be_changed(grown: Settings, mlops):
    def shown(*arguments: str) -> dict:
        code, out, err = mlops("db", "retention", *arguments, "--json")
        assert code == 0, err
        return {one["parent"]: one for one in json.loads(out)}

    assert mlops("db", "maintain", "--yes")[0] == 0
    assert (shown()[METRICS]["agreed"], shown()[METRICS]["due"]) == (True, 0)
    (line,) = [line for line in mlops("db", "retention")[1].splitlines() if line.startswith("time_series_metrics")]
    assert line.split()[1] == "24"
    assert "since " in line
    assert shown("time_series_metrics", "--withdraw")[METRICS]["why"] == "nobody has agreed to it yet"
    assert shown("time_series_metrics", "--keep-months", "1")[METRICS]["keep_months"] == 1
    assert shown("analytics.time_series_metrics", "--for-ever")[METRICS]["keep_months"] is None
    code, _, err = mlops("db", "retention", "time_series_metrixs", "--for-ever")
    assert (code, "did you mean 'time_series_metrics'?" in err) == (1, True)


def test_many_months_are_told_in_one_line():
    months = [datetime(2020, month, 1, tzinfo=UTC) for month in range(1, 6)]
    done = [Act("archive", f"p{at.month}", "9 rows to a file", table=METRICS, month=at, rows=9) for at in months]
    left = Act("drop", "p5", problem="somebody is writing to it", table=METRICS, month=months[4])
    dropped = [Act("drop", f"p{at.month}", "archived", table=METRICS, month=at) for at in months[:3]]
    assert _lines((*done, *dropped, left)) == [
        "archive 5 months of analytics.time_series_metrics, 2020-01 to 2020-05, 45 rows",
        *(f"drop p{at.month}: archived" for at in months[:3]),
        "could not drop p5: somebody is writing to it",
    ]


def test_a_month_is_summarised_before_it_goes_however_its_rows_came_in(grown: Settings, tmp_path: Path):
    """A sum over a year must not shrink with what retention archives."""
    database = database_of(grown)
    sql(
        database.url,
        "insert into analytics.series (metric_type, route_id) select 'revenue', n from generate_series(1, 9) n",
    )
    sums = "select count(*), sum(observations), sum(value_sum)::numeric(9, 6) from analytics.daily_metrics_summary"
    stored = "select sum(value)::numeric(9, 6) from analytics.time_series_metrics where observed_at < '2021-01-01'"
    wanted = sql(database.url, stored)
    agree(database.url)
    assert not maintain(database, tmp_path / "archive").failed
    assert sql(database.url, f"{sums} where day < '2021-01-01'") == [(18, 225, *wanted[0])]
    assert sql(database.url, "select analytics.complete_from()::date::text") == [("2020-03-01",)]
    database.close()


def test_an_archive_that_fails_is_told_and_the_other_steps_are_done(grown: Settings, mlops):
    grown.root.mkdir(parents=True)
    grown.archive.write_text("a file where the folder should be")
    code, out, _ = mlops("db", "maintain", "--yes")
    assert code == 1
    assert "could not archive analytics.time_series_metrics_p2020_01: a file is where a folder is needed (" in out
    assert "could not drop analytics.time_series_metrics_p2020_01: not archived" in out
    assert "\nmake analytics.time_series_metrics: 4 months" in out
    assert grown.database_url is not None
    assert sql(
        grown.database_url, "select count(*) from analytics.time_series_metrics where observed_at < '2021-01-01'"
    ) == [(225,)]
    code, out, _ = mlops("db", "maintain", "--json")
    assert (code, json.loads(out)["failed"]) == (1, True)
    grown.archive.unlink()
    assert mlops("db", "maintain")[0] == 0


def test_the_second_of_two_runs_at_once_does_nothing(
    grown: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlops
):
    database, began, go_on = database_of(grown), threading.Event(), threading.Event()
    retain = upkeep._retain

    def slowly(*arguments):
        began.set()
        assert go_on.wait(30)
        return retain(*arguments)

    agree(database.url)
    monkeypatch.setattr(upkeep, "_retain", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(maintain, database, tmp_path / "archive")
        assert began.wait(30)
        assert mlops("db", "maintain")[:2] == (0, "another maintenance is at work; nothing was done\n")
        go_on.set()
        assert not first.result(timeout=60).failed
    assert mlops("db", "maintain")[:2] == (0, NOTHING)
    database.close()


def test_views_are_refreshed_before_old_months_go(grown: Settings, tmp_path: Path):
    """A rollup is made from observations that are still there."""
    database = database_of(grown)
    sql(
        database.url,
        """
        drop function analytics.refresh_predictive_views(boolean);
        create function analytics.refresh_predictive_views(p_force boolean)
        returns table (view_name text, refreshed boolean, seconds double precision, rows bigint)
        language sql as $$ select 'sums', true, 0.25::float8, count(*) from analytics.time_series_metrics
                           union all select 'current', false, 0, 0 $$
        """,
    )
    agree(database.url)
    acts = [str(act) for act in maintain(database, tmp_path / "archive").acts]
    refreshed = acts.index("refresh sums: 30,225 rows in 0.2 s")
    assert refreshed < next(number for number, act in enumerate(acts) if act.startswith("archive"))
    assert not any("current" in act for act in acts)
    database.close()


def test_a_run_that_fails_leaves_the_lock_to_the_next(grown: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    database = database_of(grown)
    monkeypatch.setattr(upkeep, "_retain", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        maintain(database, tmp_path / "archive")
    monkeypatch.undo()
    assert maintain(database, tmp_path / "archive").alone
    database.close()


def test_a_month_is_restored_by_its_file(grown: Settings, mlops):
    mlops("db", "maintain", "--yes")
    (file,) = grown.archive.glob("time_series_metrics_2020-02_*.parquet")
    code, out, _ = mlops("db", "restore-archive", file, "--days", 5)
    assert (code, out.split(";")[0]) == (0, "analytics.time_series_metrics_p2020_02: 9 rows restored")
    document = json.loads(mlops("db", "restore-archive", file, "--json")[1])
    assert (document["restored"], document["there"]) == (0, 9)
    nothing = "nothing to do\nhistory before 2020-02 is read from 1 archive file\n"
    assert mlops("db", "maintain")[:2] == (0, nothing)
    code, out, err = mlops("db", "restore-archive", file.parent / "none.parquet", "--json")
    assert (code, json.loads(out)["error"]) == (2, "Misused")
    assert "no such file" in err


def test_ingest_into_an_archived_month_is_refused_with_what_to_do(grown: Settings, tmp_path: Path, mlops):
    mlops("db", "maintain", "--yes")
    file = tmp_path / "late.csv"
    file.write_text("metric_type,observed_at,value,route_id\nrevenue,2020-01-05T00:00:00Z,1,R1\n")
    code, out, _ = mlops("series", "ingest", file)
    assert code == 1
    assert "the month 2020-01 is archived and no longer in the database" in out
    assert "bring it back with: mlops db restore-archive" in out


def test_an_owner_who_is_no_superuser_is_enough(new_database, tmp_path: Path):
    with new_database("plain") as (name, url):
        sql(url, f'create role plain_{name}; alter database "{name}" owner to plain_{name}')
        sql(url, f'alter database "{name}" set role = plain_{name}')
        try:
            database = Database(url)
            database.upgrade()
            sql(url, "select analytics.ensure_partitions(array[date '2020-01-01', (now() - interval '1 month')::date])")
            late = (
                "s, date_trunc('month', now()) - n * interval '1 hour', 1 "
                "from generate_series(1, 100) n, generate_series(1, 300) s order by n, s"
            )
            for rows in ("1, '2020-01-01', 1", late):
                sql(url, f"insert into analytics.time_series_metrics (series_id, observed_at, value) select {rows}")
            agree(url)
            done = maintain(database, tmp_path)
            assert [act.problem for act in done.acts if act.problem] == []
            assert {act.act for act in done.acts} >= {"make", "archive", "drop"}
            restore(database, next(tmp_path.glob("*.parquet")))
            assert maintain(database, tmp_path).acts == ()
            database.close()
        finally:
            sql(url, f"set role none; drop owned by plain_{name} cascade")
            sql(url, f'reset role; set role none; alter database "{name}" owner to current_user')
            sql(url, f"set role none; drop role plain_{name}")


# server settings


def test_settings_are_shown_with_reasons_and_changed_by_apply_alone(server_url: str, home: Settings, mlops):
    assert home.database_url is not None
    code, out, _ = mlops("db", "tune", "--memory", "2GB", "--json")
    found = {one["name"]: one for one in json.loads(out)["settings"]}
    assert code == 0
    assert (found["shared_buffers"]["recommended"], found["shared_buffers"]["restart"]) == ("512MB", True)
    assert found["jit"]["reason"]
    assert mlops("db", "tune", "--memory", "2GB")[0] == 0
    assert sql(home.database_url, "select count(*) from pg_file_settings where sourcefile ~ 'auto.conf'") == [(0,)]
    try:
        code, out, _ = mlops("db", "tune", "--memory", "2GB", "--apply")
        assert code == 0
        assert "restart the server for shared_buffers" in " ".join(out.split())
        deadline = time.monotonic() + 10
        while sql(home.database_url, "show effective_cache_size") != [("1536MB",)]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        libraries = "select distinct setting from pg_file_settings where name = 'shared_preload_libraries'"
        assert sql(home.database_url, libraries) == [("pg_stat_statements",)]
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute("alter system reset all")
            connection.execute("select pg_reload_conf()")


def test_a_role_that_may_not_change_the_server_is_told_so(home: Settings, mlops):
    assert home.database_url is not None
    sql(
        home.database_url,
        """
        create role tuner;
        grant usage on schema analytics to tuner;
        grant select on all tables in schema analytics to tuner;
        do $$ begin execute format('alter database %I set role = tuner', current_database()); end $$
        """,
    )
    try:
        code, _, err = mlops("db", "tune", "--memory", "2GB", "--apply")
        assert code == 1
        assert "this role may not change the server: permission denied to set parameter" in err
    finally:
        sql(home.database_url, "reset session authorization; set role none; drop owned by tuner; drop role tuner")


def test_what_is_written_fits_and_a_session_of_ours_does_not_hide_the_server(home: Settings, mlops):
    """Our own connections turn jit off; the server's value counts."""
    found = {one["name"]: one for one in json.loads(mlops("db", "tune", "--json")[1])["settings"]}
    assert (found["jit"]["current"], found["jit"]["fits"]) == ("on", False)
    assert found["checkpoint_completion_target"]["fits"]


def test_what_was_summed_up_is_known_to_the_planner(grown: Settings, tmp_path: Path):
    database = database_of(grown)
    maintain(database, tmp_path / "archive")  # makes the months that are missing
    sql(database.url, "insert into analytics.series (metric_type, customer_id) values ('revenue', 'C1')")
    sql(
        database.url,
        """
        insert into analytics.time_series_staging (series_id, observed_at, value)
        select max(series_id), date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '2 days', 5
          from analytics.series
        """,
    )
    acts = {act.act for act in maintain(database, tmp_path / "archive").acts}
    assert acts & {"make", "archive", "drop"} == set()
    known = "select relname::text from pg_class where relname in ('month_figures', 'series') and reltuples > 0"
    assert sorted(sql(database.url, known)) == [("month_figures",), ("series",)]
    database.close()
