"""Predictions name versions and series that are there, without a foreign key that would make their months wait."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from tests.postgres.test_partitions import NO_ARCHIVE, session, sql
from tests.retention import agree

from mlops.db import Database
from mlops.db.archive import Month, archive, restore
from mlops.errors import Refused

RESULTS = "analytics.model_prediction_results"
MAKE = "select analytics.ensure_partitions('2020-01-01', '2020-03-01', 'analytics.model_prediction_results')"
PREDICT = """
insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat)
select {version}, {series}, now(), '2020-01-01', '2020-01-02', 1, 1.5"""
NEWEST = f"""
set session_replication_role = replica;  -- of no version
select analytics.ensure_partitions(now(), now(), '{RESULTS}');
insert into {RESULTS} (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat)
values (1, 2, now(), now() - interval '1 day', now(), 1, 1.5)"""


@pytest.fixture
def predicted(database: Database) -> Iterator[Database]:
    """Series 1 and 2, version 1, and one prediction of series 1."""
    sql(database, "insert into analytics.series (metric_type, route_id) values ('revenue', 'A'), ('revenue', 'B')")
    sql(database, "insert into analytics.registered_models (name, created_at) values ('m', now())")
    sql(
        database,
        "insert into analytics.model_versions (model_id, name, version, created_at, status, lineage_state) "
        "select model_id, 'm', 1, now(), 'READY', 'complete' from analytics.registered_models",
    )
    sql(database, MAKE)
    sql(database, PREDICT.format(version=1, series=1))
    return database


def test_a_month_of_predictions_is_made_and_dropped_beside_open_writers_and_nobody_queues(database: Database):
    sql(database, NO_ARCHIVE)
    sql(database, NEWEST)
    with session(database) as writer:
        writer.execute("insert into analytics.series (metric_type) values ('revenue')")
        writer.execute("insert into analytics.registered_models (name, created_at) values ('m', now())")
        writer.execute("lock table analytics.model_versions in row exclusive mode")
        with session(database, "statement_timeout=5s") as maker:
            assert maker.execute(MAKE).fetchone() == (3,)
            with session(database, "statement_timeout=5s") as other:
                other.execute("insert into analytics.series (metric_type, route_id) values ('revenue', 'R1')")
        with session(database, "statement_timeout=5s") as retention:
            dropped = retention.execute(f"select dropped from analytics.drop_old_partitions(null, '{RESULTS}')")
            assert dropped.fetchall() == [(True,)] * 3


def test_no_table_that_is_cut_by_month_has_a_foreign_key(database: Database):
    """It would make each new month wait for the writers of the table that it references, and them behind it."""
    keys = (
        "select conrelid::regclass::text, conname from pg_constraint "
        "where contype = 'f' and conrelid in (select parent from analytics.partition_policy)"
    )
    assert sql(database, keys) == []


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (PREDICT.format(version=1, series=99), "there is no series 99"),
        (PREDICT.format(version=99, series=1), "there is no model version 99"),
        (f"update {RESULTS} set series_id = 99", "there is no series 99"),
        ("delete from analytics.series", "series 1 can't go"),
        ("update analytics.series set series_id = default where series_id = 1", "series 1 can't go"),
        ("update analytics.model_versions set version_id = default", "model version 1 can't go"),
    ],
)
def test_an_orphan_is_refused(predicted: Database, statement: str, says: str):
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=says):
        sql(predicted, statement)


def test_series_are_not_truncated_alone(predicted: Database):
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot truncate a table referenced in a foreign key"):
        sql(predicted, "truncate analytics.series")


def test_what_no_prediction_names_may_go(predicted: Database):
    sql(predicted, "delete from analytics.series where series_id = 2")
    sql(predicted, f"delete from {RESULTS}")
    sql(predicted, "truncate analytics.series cascade")


@pytest.mark.parametrize(
    "statement", ["delete from analytics.model_versions", "truncate analytics.model_versions cascade"]
)
def test_a_version_never_goes(predicted: Database, statement: str):
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="stand as they were recorded"):
        sql(predicted, statement)


@pytest.mark.parametrize("first", ["predicts", "deletes"])
def test_of_a_prediction_and_the_delete_of_its_series_at_once_one_is_refused(predicted: Database, first: str):
    predict, delete = PREDICT.format(version=1, series=2), "delete from analytics.series where series_id = 2"
    begins, follows = (predict, delete) if first == "predicts" else (delete, predict)
    with ThreadPoolExecutor(1) as pool, session(predicted) as one:
        one.execute(begins)
        other = pool.submit(sql, predicted, follows)
        while not sql(
            predicted, "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ):
            assert not other.done()
        one.commit()
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            other.result(timeout=30)


def test_archived_predictions_do_not_come_back_without_their_series(predicted: Database, tmp_path: Path):
    bounds = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)
    sql(predicted, NEWEST)
    agree(predicted.url)
    done = archive(predicted, Month(RESULTS, f"{RESULTS}_p2020_01", *bounds), tmp_path)
    assert done is not None
    sql(predicted, f"select analytics.drop_old_partitions(null, '{RESULTS}')")
    sql(predicted, "delete from analytics.series where series_id = 1")
    with pytest.raises(Refused, match=r"can't come back: there is no series 1.* nothing was restored"):
        restore(predicted, done.path)
