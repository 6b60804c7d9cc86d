"""Large files: in parts, side by side, interrupted and repeated, or whole months at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest

from mlops.db import Database
from mlops.series.ingest import ingest
from mlops.series.parsing import external_sort


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_sort, "BATCH_ROWS", 500)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "many.csv", 200, 90)


def write(path: Path, series: int, days: int, seed: int = 1) -> Path:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "metric_type": "collection_weight",
            "observed_at": np.tile(pd.date_range("2024-01-15", periods=days).strftime("%Y-%m-%dT00:00:00Z"), series),
            "value": random.normal(100, 10, series * days).round(2),
            "route_id": np.repeat([f"R{number}" for number in range(series)], days),
        }
    )
    frame.to_csv(path, index=False)
    return path


def contents(database: Database, columns: str = "route_id, observed_at, value, quality_score, anomaly_score") -> list:
    query = f"select {columns} from analytics.time_series order by 1, 2"
    with psycopg.connect(database.url) as connection:
        return connection.execute(query).fetchall()


def count(database: Database, table: str) -> int:
    with psycopg.connect(database.url) as connection:
        return connection.execute(f"select count(*) from analytics.{table}").fetchone()[0]


@pytest.mark.usefixtures("small_batches")
def test_a_file_in_many_parts_is_the_same_as_in_one(
    database: Database, new_database, migrated: str, file: Path, monkeypatch
):
    report = ingest(database, file)
    assert (report.inserted, report.attached) == (18_000, 0)
    assert count(database, "ingest_progress") == 0, "a file that is whole needs no memory of its parts"
    monkeypatch.setattr(external_sort, "BATCH_ROWS", 10**9)
    with new_database("whole", template=migrated) as (_, url):
        whole = Database(url)
        ingest(whole, file)
        assert contents(database) == contents(whole)
        whole.close()


@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_file_goes_on_and_counts_every_row_once(database: Database, file: Path):
    def interrupt(step: str, rows: int, _: int | None) -> None:
        if step == "storing" and rows > 4000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(database, file, progress=interrupt)
    stored, parts = count(database, "time_series_metrics"), count(database, "ingest_progress")
    assert 4000 < stored < 18_000
    assert parts > 0
    report = ingest(database, file)
    assert (report.inserted, report.unchanged, report.status) == (18_000, 0, "stored")
    assert count(database, "time_series_metrics") == 18_000
    assert count(database, "ingest_progress") == 0
    assert ingest(database, file).unchanged == 18_000


def test_a_killed_ingest_loses_and_doubles_nothing(database: Database, tmp_path: Path):
    path = write(tmp_path / "large.csv", 400, 365)
    script = (
        "import sys; from pathlib import Path; from mlops.db import Database\n"
        "from mlops.series.parsing import external_sort\n"
        "from mlops.series.ingest import ingest\n"
        "external_sort.BATCH_ROWS = 4000\n"
        f"ingest(Database({database.url!r}), Path({str(path)!r}), progress=lambda *told: print(*told, flush=True))"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    for line in killed.stdout:
        if line.startswith("storing"):
            os.kill(killed.pid, signal.SIGKILL)
            break
    killed.wait()
    time.sleep(0.2)
    before = count(database, "time_series_metrics")
    assert 0 < before < 146_000
    assert ingest(database, path).status == "stored"
    with psycopg.connect(database.url) as connection:
        query = (
            "select count(*), count(distinct (series_id, observed_at)), sum(value) from analytics.time_series_metrics"
        )
        rows, places, total = connection.execute(query).fetchone()
    assert rows == places == 146_000
    assert total == pytest.approx(pd.read_csv(path)["value"].sum())
    assert count(database, "time_series_revisions") == 0


def test_backfill_attaches_whole_months_and_stores_the_same(
    database: Database, new_database, migrated: str, file: Path
):
    report = ingest(database, file, backfill=True)
    assert (report.inserted, report.attached) == (18_000, 4)
    with new_database("normal", template=migrated) as (_, url):
        normal = Database(url)
        ingest(normal, file)
        assert contents(database) == contents(normal)
        assert partitions(database) == partitions(normal), "with the same indexes and constraints"
        normal.close()
    assert ingest(database, file, backfill=True).unchanged == 18_000


def test_backfill_goes_into_the_partitions_that_are_there(database: Database, tmp_path: Path, file: Path):
    ingest(database, write(tmp_path / "some.csv", 10, 20, seed=2))
    report = ingest(database, file, backfill=True)
    assert (report.attached, report.inserted, report.corrected) == (2, 17_800, 200)
    assert count(database, "time_series_metrics") == 18_000


@pytest.mark.usefixtures("small_batches")
def test_backfill_corrects_what_is_there_batch_after_batch(database: Database, tmp_path: Path, file: Path):
    ingest(database, file)
    report = ingest(database, write(tmp_path / "again.csv", 200, 90, seed=2), backfill=True)
    assert (report.inserted, report.corrected + report.unchanged) == (0, 18_000)
    assert count(database, "time_series_revisions") == report.corrected > 17_000


def test_backfill_and_another_writer_of_the_same_new_month_lose_nothing(database: Database, tmp_path: Path, file: Path):
    other = write(tmp_path / "other.csv", 10, 20, seed=2)

    def meanwhile(step: str, rows: int, total: int | None) -> None:
        if step == "storing" and rows == total and count(database, "ingest_batches") == 0:
            ingest(database, other)

    report = ingest(database, file, backfill=True, progress=meanwhile)
    assert (report.inserted, report.corrected) == (17_800, 200)
    assert count(database, "time_series_metrics") == 18_000
    assert count(database, "time_series_revisions") == 200


def test_a_backfill_that_is_interrupted_leaves_nothing(database: Database, file: Path):
    def interrupt(step: str, *_: object) -> None:
        if step == "storing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(database, file, backfill=True, progress=interrupt)
    assert count(database, "time_series_metrics") == 0
    assert partitions(database) == []


def partitions(database: Database) -> list:
    query = """
        select c.relname, pg_get_expr(c.relpartbound, c.oid),
               (select array_agg(i.def order by i.def) from (select pg_get_indexdef(indexrelid) as def
                                                               from pg_index where indrelid = c.oid) i),
               (select array_agg(k.def order by k.def) from (select pg_get_constraintdef(oid) as def
                                                               from pg_constraint where conrelid = c.oid) k)
          from pg_class c where c.relkind = 'r' and c.relname like 'time\\_series\\_metrics\\_%' order by 1"""
    with psycopg.connect(database.url) as connection:
        return connection.execute(query).fetchall()
