"""What is stored of a series has the tenant of the series, by whichever door it came; nobody can say otherwise."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest
from tests.retention import let_go

from mlops.db import Database
from mlops.db.archive import Month, archive, restore
from mlops.db.archive.files import MARK
from mlops.db.archive.read import read_archived
from mlops.series.edit import Edit, edit
from mlops.series.ingest import ingest

COPIES = """
select c.relname from pg_class c
 where c.relnamespace = 'analytics'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
   and c.relname <> 'series'
   and 2 = (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attname in ('series_id', 'tenant_id'))
 order by 1"""
METRICS = "analytics.time_series_metrics"
JANUARY = Month(METRICS, f"{METRICS}_p2020_01", datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
STAGE = "insert into analytics.time_series_staging (series_id, observed_at, value) values (%s, %s, %s)"
PREDICT = """
insert into analytics.model_prediction_results
       (version_id, series_id, tenant_id, issued_at, cutoff, target_at, horizon, y_hat)
select version_id, %s, %s, now(), '2020-01-30', '2020-01-31', 1, 1 from analytics.model_versions"""


@pytest.fixture
def sql(database: Database):
    with psycopg.connect(database.url, autocommit=True, options="-ctimezone=UTC") as connection:
        yield connection


@pytest.fixture
def series(sql: psycopg.Connection) -> int:
    """A series of tenant 7."""
    return sql.execute("select analytics.series_for('collection_weight', site_id => 'S', tenant_id => 7)").fetchone()[0]


@pytest.fixture
def version(sql: psycopg.Connection) -> int:
    sql.execute("select analytics.ensure_partitions(array[date '2020-01-01'], 'analytics.model_prediction_results')")
    sql.execute("insert into analytics.registered_models (name, created_at) values ('m', now())")
    return sql.execute(
        "insert into analytics.model_versions"
        " (model_id, name, version, created_at, status, lineage_state, lineage_problem)"
        " select model_id, 'm', 1, now(), 'READY', 'incomplete', 'a test' from analytics.registered_models"
        " returning version_id"
    ).fetchone()[0]


def tenants(sql: psycopg.Connection) -> dict[str, list[int]]:
    """The tenants of the rows of every table that has a copy of them."""
    tables = [name for (name,) in sql.execute(COPIES)]
    query = "select array_agg(distinct tenant_id order by tenant_id) from analytics.{}"
    found = {name: sql.execute(query.format(name)).fetchone()[0] for name in tables}
    return {name: ids for name, ids in found.items() if ids is not None}


def file_of(folder: Path, *values: float, tenant: int = 7) -> Path:
    rows = [f"{tenant},S,collection_weight,2020-01-0{day},{value}" for day, value in enumerate(values, 1)]
    path = folder / "rows.csv"
    path.write_text("\n".join(["tenant_id,site_id,metric_type,observed_at,value", *rows, ""]))
    return path


@pytest.fixture
def everything(database: Database, sql: psycopg.Connection, series: int, version: int, tmp_path: Path) -> int:
    """Rows of the series in each table that may have any, by the doors that there are."""
    ingest(database, file_of(tmp_path, 1, 2, 3))
    ingest(database, file_of(tmp_path, 1, 2, 4, 5))
    for value in (5, 6):
        sql.execute(STAGE, (series, "2020-01-09Z", value))
    sql.execute("select analytics.refresh_daily_summary()")
    day = datetime(2020, 1, 10, tzinfo=UTC)
    edit(database, Edit("redated", [series], known_at="now"), by="ann", reason="a test")
    with database.transaction() as transaction:
        transaction.run("create_staged_predictions")
        with transaction.cursor() as cursor:
            cursor.execute(
                "insert into staged_predictions (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat)"
                " values (%s, %s, now(), %s, %s::timestamptz + interval '1 day', 1, 1)",
                (version, series, day, day),
            )
        transaction.run("store_predictions")
        transaction.run("store_forecast_parts", version_id=version, cutoff=day, totals=[series], parts=[series])
        made = transaction.one("create_feature_build")
        assert made is not None
        row = {"series_id": np.array([series]), "observed_at": np.array([day.replace(tzinfo=None)], "datetime64[us]")}
        transaction.copy_arrays(made["rows_table"], row | {"y": np.ones(1), "features": np.ones((1, 1))})
        transaction.run("attach_feature_build", build_id=made["build_id"])
        transaction.run("create_online_arriving")
        with transaction.cursor() as cursor:
            cursor.execute(
                "insert into analytics.online_feature_sets (feature_set, features, selection, as_of)"
                " values ('s', '[1]', '{}', now())"
            )
        row |= {"target_at": row["observed_at"] + np.timedelta64(1, "D"), "features": np.ones((1, 1))}
        transaction.copy_arrays("online_arriving", row)
        transaction.run("upsert_online_features", feature_set="s")
    return series


def test_every_door_gives_rows_the_tenant_of_their_series(sql: psycopg.Connection, everything: int):
    assert set(tenants(sql)) == {name for (name,) in sql.execute(COPIES)}
    assert set(map(tuple, tenants(sql).values())) == {(7,)}


def test_a_series_that_is_given_to_another_tenant_takes_along_what_is_stored_of_it(
    sql: psycopg.Connection, everything: int
):
    sql.execute("update analytics.series set tenant_id = 8")
    assert tenants(sql) == {name: [8] for name in tenants(sql)} | {"observation_edits": [7]}


def test_a_prediction_under_another_tenant_is_refused(sql: psycopg.Connection, series: int, version: int):
    with pytest.raises(psycopg.errors.CheckViolation, match=f"series {series} is of tenant 7 and not of 1"):
        sql.execute(PREDICT, (series, 1))
    sql.execute(PREDICT, (series, 7))
    with pytest.raises(psycopg.errors.CheckViolation, match=f"series {series} is of tenant 7 and not of 9"):
        sql.execute("update analytics.model_prediction_results set tenant_id = 9")


def test_a_month_that_is_loaded_alone_has_tenants(database: Database, sql: psycopg.Connection, tmp_path: Path):
    ingest(database, file_of(tmp_path, 1, 2), backfill=True)
    assert tenants(sql)["time_series_metrics"] == [7]


def test_two_writers_of_the_same_rows_give_them_their_tenant(
    database: Database, sql: psycopg.Connection, tmp_path: Path
):
    """The one that comes second merges its rows."""
    ingest(database, file_of(tmp_path, 1))
    with database.transaction() as transaction:
        transaction.run("prepare_arriving")
        with transaction.cursor() as cursor:
            cursor.execute("insert into pg_temp.arriving (series_id, observed_at, value) values (1, '2020-01-05Z', 1)")
        transaction.run("merge_arriving")
    assert tenants(sql)["time_series_metrics"] == [7]


def test_merged_rows_have_the_tenant_of_their_series(database: Database, sql: psycopg.Connection, tmp_path: Path):
    """Few rows and many are merged in two ways."""
    ingest(database, file_of(tmp_path, 1))
    for many in (2, 3000):
        with database.transaction() as transaction:
            transaction.run("prepare_arriving")
            with transaction.cursor() as cursor:
                cursor.execute(
                    "insert into pg_temp.arriving (series_id, observed_at, value)"
                    " select 1, timestamptz '2021-01-01Z' + make_interval(hours => %(many)s + h), 1"
                    " from generate_series(1, %(many)s) h",
                    {"many": many},
                )
            assert transaction.rows("merge_arriving")[0]["inserted"] == many
    assert tenants(sql)["time_series_metrics"] == [7]


@pytest.mark.parametrize("there", [False, True], ids=["the month is gone", "the month is there again"])
@pytest.mark.parametrize("column", [False, True], ids=["a file without tenants", "a file with tenants"])
def test_what_comes_back_from_an_archive_is_of_the_tenant_that_the_series_has_now(
    database: Database, sql: psycopg.Connection, tmp_path: Path, column: bool, there: bool
):
    ingest(database, file_of(tmp_path, 1, 2))
    sql.execute("select analytics.refresh_daily_summary()")
    done = archive(database, JANUARY, tmp_path)
    assert done is not None
    let_go(database.url)
    assert [dropped for (dropped,) in sql.execute("select dropped from analytics.drop_old_partitions()")] == [True]
    if not column:
        without_tenants(sql, done.path)
    sql.execute("update analytics.series set tenant_id = 8")
    with database.transaction() as transaction:
        read_archived(transaction, [1])
        with transaction.cursor() as cursor:
            assert cursor.execute(
                "select distinct tenant_id from pg_temp.time_series_metrics where series_id = 1"
            ).fetchall() == [(8,)]
    if there:
        sql.execute("update analytics.partition_archives set restored_at = now(), restored_until = now()")
        sql.execute("select analytics.ensure_partitions(array[date '2020-01-01'])")
    assert restore(database, done.path).restored == 2
    stored = "select tenant_id from analytics.time_series_metrics where series_id = 1"
    assert sql.execute(stored).fetchall() == [(8,), (8,)]


def without_tenants(sql: psycopg.Connection, path: Path) -> None:
    """Make an archive one of before observations had tenants."""
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[MARK])
    del facts["columns"]["tenant_id"]
    table = table.drop_columns(["tenant_id"])
    sql.execute("create temporary table before as select * from analytics.time_series_metrics with no data")
    with sql.cursor().copy(f"copy before ({', '.join(table.column_names)}) from stdin") as copy:
        for row in table.to_pylist():
            copy.write_row(list(row.values()))
    facts["digest"] = sql.execute(
        "select digest from analytics.partition_content('before', %s)", [table.column_names]
    ).fetchone()[0]
    pq.write_table(table.replace_schema_metadata({MARK: json.dumps(facts)}), path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    sql.execute("update analytics.partition_archives set digest = %s, sha256 = %s", [facts["digest"], sha256])
