"""A month leaves the database only as a file from which it comes back exactly."""

import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.retention import let_go

from mlops.db import Database
from mlops.db.archive import Month, archive, files, restore, write
from mlops.errors import BadInput, Refused

METRICS, RESULTS = "analytics.time_series_metrics", "analytics.model_prediction_results"
JANUARY = "analytics.time_series_metrics_p2020_01"
MONTH = Month(METRICS, JANUARY, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))


def sql(database: Database, statement: str, *values: object) -> list[tuple]:
    with psycopg.connect(database.url, options="-ctimezone=UTC") as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def january(database: Database) -> Database:
    """A month of odd numbers: the smallest and largest floats, minus zero, NaN bounds, microseconds, nulls."""
    sql(database, "select analytics.ensure_partitions(array[date '2020-01-01'])")
    sql(
        database,
        """
        insert into analytics.time_series_metrics
        values (1, '2020-01-01', 0.1, '-0', 'NaN', 0.1, false, null, '2020-01-01 00:00:00.000001+00'),
               (1, '2020-01-02', 5e-324, '-infinity', 'infinity', 1, true, 3.4028235e38, '2020-01-02 23:59:59.999999Z'),
               (2, '2020-01-31 23:59:59.999999Z', 1.7976931348623157e308, null, null, null, false, 1e-45, '2026-01-01')
        """,
    )
    sql(
        database,
        """
        insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
        select s, t, sin(s * extract(epoch from t)::float8), t + random() * interval '1 day'
          from generate_series('2020-01-01'::timestamptz, '2020-01-31', '1 hour') t, generate_series(3, 30) s
        """,
    )
    let_go(database.url)
    return database


def everything(database: Database, table: str = METRICS, at: str = "observed_at") -> list[tuple]:
    """Each row of 2020 as its own bytes, so that nothing is compared approximately."""
    return sql(database, f"select encode(record_send(t), 'hex') from {table} t where {at} < '2021-01-01' order by 1")


def archived(database: Database, folder: Path) -> Path:
    done = archive(database, MONTH, folder)
    assert done is not None
    return done.path


def dropped(database: Database, folder: Path) -> Path:
    path = archived(database, folder)
    (row,) = sql(database, "select dropped, reason from analytics.drop_old_partitions()")
    assert row == (True, "archived")
    return path


def test_a_month_comes_back_bit_for_bit(january: Database, tmp_path: Path):
    before = everything(january)
    path = dropped(january, tmp_path)
    assert everything(january) == []
    done = restore(january, path)
    assert (done.partition, done.restored, done.there) == (JANUARY, len(before), 0)
    assert everything(january) == before
    indexes = "select regexp_replace(indexname, 'p2020_..', '') from pg_indexes where tablename = %s order by 1"
    sql(january, "select analytics.ensure_partitions(array[date '2020-02-01'])")
    assert sql(january, indexes, "time_series_metrics_p2020_01") == sql(
        january, indexes, "time_series_metrics_p2020_02"
    )


def test_predictions_with_json_and_a_generated_error_come_back(database: Database, tmp_path: Path):
    sql(database, "select analytics.ensure_partitions(array[date '2020-01-01'], 'analytics.model_prediction_results')")
    sql(database, "insert into analytics.series (metric_type) values ('revenue')")
    sql(database, "insert into analytics.registered_models (name, created_at) values ('m', now())")
    sql(
        database,
        """
        insert into analytics.model_versions
               (model_id, name, version, created_at, status, lineage_state, lineage_problem)
        select model_id, 'm', 1, now(), 'READY', 'incomplete', 'a test' from analytics.registered_models
        """,
    )
    sql(
        database,
        """
        insert into analytics.model_prediction_results
               (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat, request_id, decomposition, outcome,
                outcome_recorded_at, matched_at, business_context, feedback)
        select version_id, series_id, now(), '2020-01-01', t, 1, 1.1, r, d::jsonb, o, x, x, b::jsonb, 'null'
          from analytics.model_versions, analytics.series,
               (values (timestamptz '2020-01-02', '',          '{"a": [1.10, 1e400], "é": "x\\ny"}', 2.2, now(), '""'),
                       (timestamptz '2020-01-03', e'a,"b"\\nc', null, null, null, '[]'),
                       (timestamptz '2020-01-04', null,        '{}', 0.1, now(), null)
               ) v(t, r, d, o, x, b)
        """,
    )
    sql(database, "select analytics.ensure_partitions(now(), now(), 'analytics.model_prediction_results')")
    sql(
        database,
        """
        insert into analytics.model_prediction_results
               (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat)
        select version_id, series_id, now(), now() - interval '1 day', now(), 1, 1
          from analytics.model_versions, analytics.series
        """,
    )
    let_go(database.url)
    before = everything(database, RESULTS, "target_at")
    month = Month(RESULTS, "analytics.model_prediction_results_p2020_01", MONTH.lower_bound, MONTH.upper_bound)
    done = archive(database, month, tmp_path)
    assert done is not None
    assert "error" not in pq.read_schema(done.path).names
    sql(database, "select analytics.drop_old_partitions(null, 'analytics.model_prediction_results')")
    assert everything(database, RESULTS, "target_at") == []
    restore(database, done.path)
    assert everything(database, RESULTS, "target_at") == before


def test_the_file_says_what_it_holds(january: Database, tmp_path: Path):
    path = archived(january, tmp_path)
    facts = files.facts_of(pq.ParquetFile(path), path)
    assert (facts.parent, facts.lower_bound) == (METRICS, "2020-01-01T00:00:00+00:00")
    assert facts.columns["value"] == "double precision"
    assert path.name == f"time_series_metrics_2020-01_{facts.digest[:12]}.parquet"
    assert pq.read_table(path).num_rows == facts.rows == len(everything(january))


def test_an_unchanged_month_is_archived_once(january: Database, tmp_path: Path):
    archived(january, tmp_path)
    assert archive(january, MONTH, tmp_path) is None
    assert sql(january, "select count(*) from analytics.partition_archives") == [(1,)]


def test_a_lost_file_is_written_anew(january: Database, tmp_path: Path):
    archived(january, tmp_path).unlink()
    assert archived(january, tmp_path).is_file()


def test_an_empty_month_needs_no_archive(database: Database, tmp_path: Path):
    sql(database, "select analytics.ensure_partitions(array[date '2020-01-01'])")
    let_go(database.url)
    assert archive(database, MONTH, tmp_path) is None
    assert sql(database, "select dropped, reason from analytics.drop_old_partitions()") == [(True, "empty")]
    assert sql(database, "select analytics.ensure_partitions(array[date '2020-01-01'])") == [(1,)]


def test_a_row_that_slips_in_after_the_archive_keeps_the_month(january: Database, tmp_path: Path):
    path = archived(january, tmp_path)
    sql(
        january,
        "update analytics.time_series_metrics set value = -value where series_id = 1 and observed_at = '2020-01-01'",
    )
    (row,) = sql(january, "select dropped, reason from analytics.drop_old_partitions()")
    assert row == (False, f"changed since it was archived to {path}")
    assert archived(january, tmp_path) != path
    assert sql(january, "select dropped from analytics.drop_old_partitions()") == [(True,)]


def test_a_full_disk_leaves_the_month_and_no_rest_of_a_file(january: Database, tmp_path: Path):
    before, limits = everything(january), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            archive(january, MONTH, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    assert sql(january, "select dropped, reason from analytics.drop_old_partitions()") == [(False, "not archived")]
    assert everything(january) == before


def test_a_file_that_reads_back_otherwise_is_no_archive(
    january: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    load = files._groups
    monkeypatch.setattr(files, "_groups", lambda file: [group.slice(1) for group in load(file)])
    with pytest.raises(Refused, match=r"read back as .* nothing is dropped"):
        archive(january, MONTH, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert sql(january, "select count(*) from analytics.partition_archives") == [(0,)]


def test_a_killed_archive_is_done_again(january: Database, tmp_path: Path):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom mlops.db import Database\n"
        "from mlops.db.archive import write as a\n"
        "from datetime import UTC, datetime\n"
        "a._prove = lambda *_: (print('written', flush=True), time.sleep(60))\n"
        f"bounds = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)\n"
        f"month = a.Month({METRICS!r}, {JANUARY!r}, *bounds)\n"
        "a.archive(Database(sys.argv[1]), month, Path(sys.argv[2]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, january.url, tmp_path], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "written\n"
        killed.send_signal(signal.SIGKILL)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    deadline = time.monotonic() + 20
    while sql(
        january,
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'ClientRead'",
    ) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    path = archived(january, tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_readers_go_on_and_writers_of_the_month_wait_while_it_is_archived(
    january: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = []
    prove = write._prove

    def meanwhile(*arguments):
        with psycopg.connect(january.url, options="-clock_timeout=200ms") as connection:
            seen.append(connection.execute("select count(*) > 0 from analytics.time_series_metrics").fetchone())
            connection.execute("select analytics.ensure_partitions(array[date '2020-02-01'])")
            connection.execute("insert into analytics.time_series_metrics values (1, '2020-02-01', 1)")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                connection.execute("insert into analytics.time_series_metrics values (99, '2020-01-01', 1)")
        return prove(*arguments)

    monkeypatch.setattr(write, "_prove", meanwhile)
    archived(january, tmp_path)
    assert seen == [(True,)]


def test_what_is_there_again_gets_only_what_it_lacks(january: Database, tmp_path: Path):
    path, before = archived(january, tmp_path), everything(january)
    sql(january, "delete from analytics.time_series_metrics where series_id in (1, 2)")
    sql(
        january, "insert into analytics.time_series_metrics (series_id, observed_at, value) values (1, '2020-01-01', 7)"
    )
    done = restore(january, path)
    assert (done.restored, done.there) == (2, len(before) - 2)
    assert sql(january, "select value from analytics.time_series_metrics where series_id = 1 order by observed_at") == [
        (7.0,),
        (5e-324,),
    ]


def test_a_restored_month_stays_until_its_time_and_is_dropped_without_a_new_archive(january: Database, tmp_path: Path):
    restore(january, dropped(january, tmp_path), days=3)
    ((kept, reason),) = sql(january, "select dropped, reason from analytics.drop_old_partitions()")
    assert (kept, reason[:15]) == (False, "restored until ")
    sql(january, "update analytics.partition_archives set restored_until = now() - interval '1 second'")
    assert archive(january, MONTH, tmp_path) is None
    assert sql(january, "select dropped, reason from analytics.drop_old_partitions()") == [(True, "archived")]


def test_a_dropped_month_is_not_made_anew(january: Database, tmp_path: Path):
    path = dropped(january, tmp_path)
    with (
        psycopg.connect(january.url) as connection,
        pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState, match=r"month 2020-01 of .* was archived to"
        ) as refused,
    ):
        connection.execute("select analytics.create_monthly_partition('2020-01-15')")
    assert refused.value.diag.message_hint == f"mlops db restore-archive {path}"
    with january.transaction() as transaction, pytest.raises(Refused, match="mlops db restore-archive"):
        transaction.value("ensure_months", table="analytics.time_series_metrics", months=[MONTH.lower_bound.date()])
    restore(january, path)
    assert sql(january, "select analytics.create_monthly_partition('2020-01-15')") == [(False,)]


def test_an_archive_from_before_a_new_column_still_comes_back(january: Database, tmp_path: Path):
    path = dropped(january, tmp_path)
    sql(january, "alter table analytics.time_series_metrics add column source text not null default 'unknown'")
    assert restore(january, path).restored == 28 * 721 + 3
    assert sql(january, "select distinct source from analytics.time_series_metrics") == [("unknown",)]


def test_an_archive_of_another_schema_is_refused(january: Database, tmp_path: Path):
    path = dropped(january, tmp_path)
    sql(january, "alter table analytics.time_series_metrics drop column anomaly_score cascade, add column source text")
    sql(january, "update analytics.time_series_metrics set source = 'a file'")
    sql(january, "alter table analytics.time_series_metrics alter source set not null")
    with pytest.raises(Refused, match="the table has no anomaly_score real, the file has no source"):
        restore(january, path)


def test_an_altered_archive_is_refused(january: Database, tmp_path: Path):
    path = dropped(january, tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match="was altered: its sha256 is"):
        restore(january, path)
    assert everything(january) == []


def test_a_copy_of_an_archive_elsewhere_is_as_good(january: Database, tmp_path: Path):
    path = dropped(january, tmp_path)
    copy = path.rename(tmp_path / "from the tape.parquet")
    assert restore(january, copy).there == 0


def test_what_is_no_archive_of_this_database_is_refused(january: Database, new_database, migrated: str, tmp_path: Path):
    with pytest.raises(BadInput, match="there is no file"):
        restore(january, tmp_path / "none.parquet")
    text = tmp_path / "text.parquet"
    text.write_text("series_id,value\n")
    with pytest.raises(Refused, match="is not a Parquet file"):
        restore(january, text)
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"series_id": [1]}), other)
    with pytest.raises(Refused, match="is no archive of ours"):
        restore(january, other)
    path = archived(january, tmp_path)
    with new_database("elsewhere", template=migrated) as (_, url):
        elsewhere = Database(url)
        with pytest.raises(Refused, match="this database did not write it"):
            restore(elsewhere, path)
        elsewhere.close()


def test_archiving_streams(january: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Many small row groups, none of which is the whole month."""
    monkeypatch.setattr(write, "BLOCK_BYTES", 100_000)
    before, path = everything(january), dropped(january, tmp_path)
    assert pq.ParquetFile(path).num_row_groups > 10
    restore(january, path)
    assert everything(january) == before
