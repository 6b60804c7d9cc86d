"""How fast observations come in, each way beside two COPYs of the same rows, in one run.

    python benchmarks/store/ingest.py --series 2000 --days 1000 --output ingest.json

Every way starts from a migrated database on a server of its own. `mlops series ingest` runs as the command, start-up
included. The file is copied into a bare table before and after each way: `of bare` is the ratio to the mean of both.
`of sorted` is the ratio to a COPY of the same observations into the partitions with their indexes, by `series_id`,
sorted by series and time and without scores: it is measured before the first way and after the last.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv

from mlops.db import Database
from mlops.db.embedded import Server

HEADER = "metric_type,observed_at,value,route_id"
WIDE = "create table bare (metric_type text, observed_at timestamptz, value double precision, route_id text)"
NARROW = "create table bare (series_id bigint, observed_at timestamptz, value double precision)"
SERIES_AT_ONCE = 500
SORTED = "sorted COPY into the indexed partitions"


@dataclass(frozen=True)
class Way:
    """What one way in took, and how that compares with raw COPY; peak memory is that of the client process."""

    name: str
    rows: int
    seconds: float
    rows_per_second: float
    bare_rows_per_second: float
    peak_mb: float | None = None


def main() -> None:
    """Measure every way and print a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--series", type=int, default=5000)
    options.add_argument("--days", type=int, default=1000)
    options.add_argument("--only", default="", help="Only the ways whose names contain this.")
    options.add_argument("--output", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Server(folder / "postgres").start()
        try:
            ways = list(measure(server, folder, chosen.series, chosen.days, chosen.only))
        finally:
            server.stop()
    indexed = [way.rows_per_second for way in ways if way.name == SORTED]
    usual = sum(indexed) / len(indexed)
    print("| way | rows/s | bare COPY, rows/s | of bare | of sorted | peak memory |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way in ways:
        peak = "" if way.peak_mb is None else f"{way.peak_mb:,.0f} MB"
        speed, bare = way.rows_per_second, way.bare_rows_per_second
        print(f"| {way.name} | {speed:,.0f} | {bare:,.0f} | {speed / bare:.2f} | {speed / usual:.2f} | {peak} |")
    if chosen.output is not None:
        chosen.output.write_text(json.dumps([asdict(way) for way in ways], indent=2) + "\n")


def measure(server: Server, folder: Path, series: int, days: int, only: str) -> Iterator[Way]:
    """Each way in a database of its own."""
    rows = series * days
    file, other = folder / "new.csv", folder / "other.csv"
    write(file, series, days, prefix="R", seed=1)
    write(other, max(series // 10, 1), days, prefix="X", seed=2)
    changed = folder / "changed.csv"
    write(changed, series, days, prefix="R", seed=1, changed=0.01)

    def wide(url: str) -> float:
        return raw_copy(url, WIDE, file, "header")

    def way(name: str, act: Callable[[str], float | None], before: tuple[tuple[Path, bool], ...] = ()) -> Iterator[Way]:
        if only not in name and name != SORTED:
            return
        with database(server) as url:
            for path, backfill in before:
                command(url, folder, path, backfill=backfill)
            first = wide(url)
            start = time.perf_counter()
            peak = act(url)
            seconds = time.perf_counter() - start
            raw = (first + wide(url)) / 2
        yield Way(name, rows, seconds, rows / seconds, rows / raw, peak)

    there = ((other, True),)
    yield from way(SORTED, lambda url: sorted_copy(url, series, days))
    yield from way("ingest into partitions that hold other series", lambda url: command(url, folder, file), there)
    yield from way("ingest into an empty store", lambda url: command(url, folder, file))
    yield from way("backfill of new months", lambda url: command(url, folder, file, backfill=True))
    yield from way("the same file again", lambda url: command(url, folder, file), ((file, True),))
    yield from way("1 % of the rows corrected", lambda url: command(url, folder, changed), ((file, True),))
    yield from way("COPY into time_series_staging", lambda url: staging(url, series, days))
    yield from way(SORTED, lambda url: sorted_copy(url, series, days))


def write(path: Path, series: int, days: int, *, prefix: str, seed: int, changed: float = 0.0) -> None:
    """Daily weights with a week, in the long format, series by series."""
    stamps = pd.date_range("2022-01-01", periods=days).strftime("%Y-%m-%dT00:00:00Z").to_numpy(dtype=object)
    random, week = np.random.default_rng(seed), 100 * (1 + 0.3 * np.sin(np.arange(days) * 2 * np.pi / 7))
    other = np.random.default_rng(seed + 1000)
    with path.open("wb") as file:
        for begin in range(0, series, SERIES_AT_ONCE):
            count = min(SERIES_AT_ONCE, series - begin)
            values = np.round(week * random.normal(1, 0.1, (count, days)).clip(0.3), 2)
            values = np.where(other.random(values.shape) < changed, values + 1, values).ravel()
            names = np.repeat([f"{prefix}{number}" for number in range(begin, begin + count)], days)
            table = {
                "metric_type": pa.array(["collection_weight"] * len(values)),
                "observed_at": np.tile(stamps, count),
                "value": values,
                "route_id": names,
            }
            options = arrow_csv.WriteOptions(include_header=begin == 0, quoting_style="needed")
            arrow_csv.write_csv(pa.table(table), file, options)


@contextmanager
def database(server: Server) -> Iterator[str]:
    """The address of a fresh migrated database."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("drop database if exists bench with (force)")
        connection.execute("create database bench")
    url = server.url("bench")
    fresh = Database(url)
    fresh.upgrade()
    fresh.close()
    yield url


def raw_copy(url: str, make: str, path: Path, options: str = "") -> float:
    """Seconds of COPY of a CSV into a bare table, as psql would do it."""
    with psycopg.connect(url) as connection:
        connection.execute("checkpoint")
        connection.execute(f"drop table if exists bare; {make}")
        connection.commit()
        start = time.perf_counter()
        with connection.cursor().copy(f"copy bare from stdin csv {options}") as copy, path.open("rb") as file:
            while data := file.read(1 << 20):
                copy.write(data)
        connection.commit()
        seconds = time.perf_counter() - start
        connection.execute("drop table bare")
    return seconds


def command(url: str, folder: Path, path: Path, *, backfill: bool = False) -> float:
    """Run `mlops series ingest`; its peak memory in MB."""
    environment = os.environ | {"MLOPS_DATABASE_URL": url, "MLOPS_HOME": str(folder / "home")}
    words = [str(Path(sys.executable).with_name("mlops")), "series", "ingest", str(path), "--json"]
    words += ["--backfill"] if backfill else []
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{' '.join(words)} failed"
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def sorted_copy(url: str, series: int, days: int) -> None:
    """COPY the same rows by series_id straight into the partitions, sorted by series and time."""
    stamps = pd.date_range("2022-01-01", periods=days)
    with psycopg.connect(url) as connection:
        query = "select analytics.series_for('collection_weight', route_id => 'R' || n) from generate_series(0, %s) n"
        ids = [row[0] for row in connection.execute(query, [series - 1])]
        months = sorted({stamp.replace(day=1).date() for stamp in stamps})
        connection.execute("select analytics.ensure_partitions(%s::date[])", [months])
        connection.commit()
        into = "copy analytics.time_series_metrics (series_id, observed_at, value) from stdin csv"
        times = stamps.strftime("%Y-%m-%dT00:00:00Z").tolist()
        with connection.cursor().copy(into) as copy:
            for one in ids:
                copy.write("".join(f"{one},{time},{100 + one % 7}\n" for time in times))


def staging(url: str, series: int, days: int) -> None:
    """COPY the same rows by series_id into the staging table, whose trigger moves them."""
    with psycopg.connect(url) as connection:
        query = "select analytics.series_for('collection_weight', route_id => 'R' || n) from generate_series(0, %s) n"
        ids = [row[0] for row in connection.execute(query, [series - 1])]
        connection.commit()
        stamps = pd.date_range("2022-01-01", periods=days).strftime("%Y-%m-%dT00:00:00Z").tolist()
        for begin in range(0, series, SERIES_AT_ONCE):
            text = "".join(
                f"{one},{stamp},{100 + one % 7}\n" for one in ids[begin : begin + SERIES_AT_ONCE] for stamp in stamps
            )
            into = "copy analytics.time_series_staging (series_id, observed_at, value) from stdin csv"
            with connection.cursor().copy(into) as copy:
                copy.write(text.encode())
            connection.commit()


if __name__ == "__main__":
    main()
    print(
        f"peak memory of this script: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB",
        file=sys.stderr,
    )
