"""Observations and their corrections are kept, archived, dropped and brought back as one."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from tests.postgres.test_maintain import KEPT_FROM, NOW, partition
from tests.retention import let_go

from mlops.db import Database
from mlops.db.archive import Month, archive, restore
from mlops.db.upkeep import PartitionPolicy, maintain, plan
from mlops.errors import Refused

METRICS, REVISIONS = "analytics.time_series_metrics", "analytics.time_series_revisions"
BOUNDS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)
CORRECT = """
insert into analytics.time_series_staging (series_id, observed_at, value)
select 1, '2020-01-01'::timestamptz + n * interval '1 hour', n + {} from generate_series(0, 9) n"""
KNOWN = """
select (select count(*) from analytics.time_series_metrics
         where series_id > 0 and recorded_at <= now() - interval '1 day')
     + (select count(*) from analytics.time_series_revisions
         where recorded_at <= now() - interval '1 day' and superseded_at > now() - interval '1 day')"""


def sql(database: Database, statement: str, *values: object) -> list[tuple]:
    with psycopg.connect(database.url, options="-ctimezone=UTC") as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def partition_of(parent: str) -> Month:
    return Month(parent, f"{parent}_p2020_01", *BOUNDS)


@pytest.fixture
def corrected(database: Database) -> Database:
    """January 2020 with ten observations that were known long ago, all corrected now."""
    sql(database, "insert into analytics.series (metric_type, granularity) values ('revenue', 'hourly')")
    sql(database, CORRECT.format(0))
    sql(database, "update analytics.time_series_metrics set recorded_at = observed_at")
    sql(database, CORRECT.format(0.5))
    let_go(database.url)
    return database


# one retention


def test_a_change_of_retention_holds_for_the_whole_family_and_none_for_a_part(database: Database):
    update = "update analytics.partition_policy set keep_months = {}, archive = false where parent = %s::regclass"
    sql(database, update.format(36), METRICS)
    kept = "select keep_months, archive from analytics.partition_policy where parent = %s::regclass"
    assert sql(database, kept, REVISIONS) == [(36, False)]
    with pytest.raises(psycopg.errors.CheckViolation, match=f"{REVISIONS} is kept as long as {METRICS}"):
        sql(database, update.format(24), REVISIONS)
    sql(database, "update analytics.partition_policy set keep_months = null")
    assert sql(database, kept, REVISIONS) == [(None, False)]


def test_what_follows_a_table_that_follows_another_is_refused(database: Database):
    with pytest.raises(psycopg.errors.CheckViolation, match="which follows another table itself"):
        sql(
            database,
            "insert into analytics.partition_policy (parent, follows) values ('analytics.series', %s::regclass)",
            REVISIONS,
        )


def test_a_month_of_a_family_is_due_with_all_its_tables():
    policies = [PartitionPolicy(one, 0, True, METRICS, KEPT_FROM) for one in (METRICS, REVISIONS)]
    there = [partition("2026-03", parent=parent) for parent in (METRICS, REVISIONS)]
    old = [partition("2020-01", parent=parent) for parent in (REVISIONS, METRICS)]
    acts = plan(policies, [*there, *old], NOW)
    assert [(act.act, act.what) for act in acts] == [
        ("archive", f"{METRICS}_p2020-01"),
        ("archive", f"{REVISIONS}_p2020-01"),
        ("drop", f"{METRICS}_p2020-01"),
        ("drop", f"{REVISIONS}_p2020-01"),
    ]
    restored = partition("2020-01", parent=REVISIONS, until=NOW.replace(year=2027))
    assert plan(policies, [*there, old[1], restored], NOW) == []


# dropped as one


@pytest.mark.parametrize("asked", [METRICS, REVISIONS])
def test_a_month_goes_with_its_corrections_or_stays_with_them(corrected: Database, tmp_path: Path, asked: str):
    drop = "select partition, dropped, reason from analytics.drop_old_partitions(null, %s::regclass)"
    archive(corrected, partition_of(METRICS), tmp_path)
    assert sql(corrected, drop, asked) == [
        (f"{METRICS}_p2020_01", False, f"its month of {REVISIONS} stays"),
        (f"{REVISIONS}_p2020_01", False, "not archived"),
    ]
    archive(corrected, partition_of(REVISIONS), tmp_path)
    assert sql(corrected, drop, asked) == [
        (f"{METRICS}_p2020_01", True, "archived"),
        (f"{REVISIONS}_p2020_01", True, "archived"),
    ]


def test_a_correction_under_way_keeps_the_whole_month(corrected: Database, tmp_path: Path):
    for parent in (METRICS, REVISIONS):
        archive(corrected, partition_of(parent), tmp_path)
    with psycopg.connect(corrected.url) as writer:
        writer.execute(f"delete from {REVISIONS}")
        assert sql(corrected, "select dropped, reason from analytics.drop_old_partitions()") == [
            (False, f"its month of {REVISIONS} stays"),
            (False, "somebody is writing to it"),
        ]
        writer.rollback()


def test_what_was_known_stays_while_observations_are_kept(corrected: Database, tmp_path: Path):
    """Corrections of a kept month are as old as the month, and are kept with it."""
    before = sql(corrected, KNOWN)
    sql(corrected, f"update analytics.partition_policy set keep_months = 1000 where parent = '{METRICS}'::regclass")
    assert not maintain(corrected, tmp_path).failed
    assert sql(corrected, KNOWN) == before == [(10,)]


# brought back as one


@pytest.mark.parametrize("parent", [METRICS, REVISIONS])
def test_one_file_brings_the_family_of_its_month_back(corrected: Database, tmp_path: Path, parent: str):
    before = sql(corrected, KNOWN)
    maintain(corrected, tmp_path)
    assert sql(corrected, KNOWN) == [(0,)]
    moved = tmp_path / "elsewhere"
    tmp_path.joinpath("elsewhere").mkdir()
    for file in tmp_path.glob("*.parquet"):
        file.rename(moved / file.name)
    (file,) = moved.glob(f"{parent.partition('.')[2]}_2020-01_*.parquet")
    done = restore(corrected, file)
    assert {one.partition for one in (done, *done.family)} == {f"{METRICS}_p2020_01", f"{REVISIONS}_p2020_01"}
    assert sql(corrected, KNOWN) == before
    assert not any(act.act == "drop" for act in maintain(corrected, tmp_path).acts)


def test_a_family_whose_other_file_is_gone_does_not_come_back_in_part(corrected: Database, tmp_path: Path):
    maintain(corrected, tmp_path)
    next(tmp_path.glob("time_series_revisions_*.parquet")).unlink()
    with pytest.raises(Refused, match=r"is brought back together with analytics\.time_series_revisions_p2020_01"):
        restore(corrected, next(tmp_path.glob("time_series_metrics_*.parquet")))
    assert sql(corrected, f"select count(*) from {METRICS} where series_id > 0") == [(0,)]


# corrections


def gone_before(database: Database, folder: Path) -> None:
    """Corrections that were archived and dropped before their observations, as two retentions did."""
    archive(database, partition_of(REVISIONS), folder)
    sql(database, f"drop table {REVISIONS}_p2020_01")
    sql(database, "update analytics.partition_archives set dropped_at = now()")


def test_corrections_of_a_kept_month_are_never_refused(corrected: Database, tmp_path: Path):
    gone_before(corrected, tmp_path)
    sql(corrected, CORRECT.format(0.75))
    assert sql(corrected, f"select count(*) from {REVISIONS}") == [(10,)]
    sql(corrected, "select count(*) from analytics.refresh_predictive_views()")
    drop = "select dropped, reason from analytics.drop_old_partitions()"
    assert sql(corrected, drop)[1][1].startswith("other rows of it are in ")
    # the archive that is written then holds both, the old ones and the new
    assert not maintain(corrected, tmp_path).failed
    sql(corrected, "update analytics.partition_archives set restored_until = now() where restored_until is not null")
    assert not maintain(corrected, tmp_path).failed
    assert sql(corrected, "select parent::text, rows from analytics.archived_months order by 1") == [
        (METRICS, 10),
        (REVISIONS, 20),
    ]


def test_a_correction_of_an_archived_month_is_refused_with_its_file(corrected: Database, tmp_path: Path):
    maintain(corrected, tmp_path)
    (file,) = tmp_path.glob("time_series_metrics_2020-01_*.parquet")
    for statement in (
        CORRECT.format(1),
        f"select analytics.create_monthly_partition('2020-01-01', '{REVISIONS}')",
    ):
        with pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState, match=r"month 2020-01 of .* was archived"
        ) as no:
            sql(corrected, statement)
        assert str(no.value.diag.message_hint).startswith("mlops db restore-archive ")
    sql(corrected, f"delete from analytics.partition_archives where parent = '{REVISIONS}'::regclass")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as no:  # a month without corrections of its own
        sql(corrected, f"select analytics.create_monthly_partition('2020-01-01', '{REVISIONS}')")
    assert no.value.diag.message_hint == f"mlops db restore-archive {file}"
