"""Whether the order of the rows in a closed month and the BRIN index on observed_at earn their place.

Run by hand: python benchmarks/store/order.py --out order.json
An embedded server gets 500 hourly series for 24 months (8.8 million rows) and 2,740 daily ones (2 million), as they
arrive: a day at a time, or an hour at a time. Each is read as it came, then after CLUSTER by the primary key; cold
means a restarted server whose files the system has forgotten. Reads are the median of nine (cold: three),
ingest of three.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg

from mlops.db import Database
from mlops.db.embedded import Server

FILLS = {
    "hourly series, by day": ("hourly", 500, "1 hour", "date_trunc('day', at), series_id, at"),
    "hourly series, by hour": ("hourly", 500, "1 hour", "at, series_id"),
    "daily series, by day": ("daily", 2740, "1 day", "at, series_id"),
}
SERIES = """
insert into analytics.series (metric_type, granularity, customer_id)
select 'collection_weight', %s, 'C' || i from generate_series(1, %s) i"""
MONTH = """
insert into analytics.time_series_metrics (series_id, observed_at, value, quality_score, recorded_at)
select series_id, at, 50 + random(), 1, at
  from generate_series('2024-01-01Z'::timestamptz, '2025-12-31 23:00Z', %s::interval) at, analytics.series
 order by {}"""
READS = {
    "customer, 12 months": """
select date_trunc('month', observed_at), sum(value)
  from analytics.time_series_metrics join analytics.series using (series_id)
 where customer_id = 'C77' and observed_at >= '2025-01-01Z' and observed_at < '2026-01-01Z' group by 1""",
    "all series, one day": """
select count(*), sum(value) from analytics.time_series_metrics
 where observed_at >= '2025-06-17Z' and observed_at < '2025-06-18Z'""",
    "all series, one month": """
select count(*), sum(value) from analytics.time_series_metrics
 where observed_at >= '2025-06-01Z' and observed_at < '2025-07-01Z'""",
}
PARTS = """
select partition::text from analytics.month_partitions('analytics.time_series_metrics')
 where pg_relation_size(partition) > 0 order by 1"""
SIZES = """
select sum(pg_relation_size(i.inhrelid))::bigint from pg_inherits i
 where i.inhparent = 'analytics.time_series_metrics'::regclass"""
BRIN_SIZE = """
select sum(pg_relation_size(i.inhrelid))::bigint from pg_inherits i
 where i.inhparent = 'analytics.time_series_metrics_brin'::regclass"""
BATCH = """
create table analytics.batch as
select series_id, at as observed_at, 50 + random() as value, 1::real as quality_score, at as recorded_at
  from generate_series('2026-01-01Z'::timestamptz, '2026-04-30 23:00Z', '1 hour') at, generate_series(1, 700) series_id
 order by series_id, at"""

BRIN = "create index time_series_metrics_brin on analytics.time_series_metrics using brin (observed_at)"
STORE = """
insert into analytics.time_series_metrics (series_id, observed_at, value, quality_score, recorded_at)
select * from analytics.batch order by date_trunc('month', observed_at, 'UTC'), series_id, observed_at"""


def main() -> None:
    """Measure all of it and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    for name, fill in FILLS.items():
        found[name] = dict(_fill(*fill))
        arguments.out.write_text(json.dumps(found, indent=1))
    found["ingest"] = _ingest()
    arguments.out.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def _fill(granularity: str, series: int, step: str, order: str) -> Iterator[tuple[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        server, url = _server(folder)
        with psycopg.connect(url, autocommit=True, options="-ctimezone=UTC -cjit=off") as connection:
            connection.execute(SERIES, (granularity, series))
            connection.execute("select analytics.ensure_partitions('2024-01-01Z', '2025-12-31Z')")
            connection.execute(MONTH.format(order), (step,))
            connection.execute("vacuum analyze analytics.time_series_metrics")
            yield "rows", connection.execute("select count(*) from analytics.time_series_metrics").fetchone()
            yield "heap bytes, BRIN bytes", [connection.execute(one).fetchone() for one in (SIZES, BRIN_SIZE)]
        yield "as it came", _reads(server, url)
        _run(url, "drop index analytics.time_series_metrics_brin")
        yield "as it came, no BRIN", _reads(server, url)
        since = perf_counter()
        with psycopg.connect(url, autocommit=True) as connection:
            for (part,) in connection.execute(PARTS).fetchall():
                connection.execute(f"cluster {part} using {part.partition('.')[2]}_pkey")
            seconds = perf_counter() - since
            connection.execute("vacuum analyze analytics.time_series_metrics")
        yield "seconds to order 24 months", seconds
        yield "in order, no BRIN", _reads(server, url)
        _run(url, BRIN)
        yield "in order", _reads(server, url)
        server.stop()


def _ingest() -> dict[str, Any]:
    """Seconds to insert two million sorted rows into four months, with and without BRIN."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        server, url = _server(folder)
        _run(url, BATCH)
        for _ in range(3):
            for brin in (True, False):
                _run(url, "drop index if exists analytics.time_series_metrics_brin")
                if brin:
                    _run(
                        url,
                        BRIN,
                    )
                _run(url, "select analytics.ensure_partitions('2026-01-01Z', '2026-04-30Z')")
                _run(url, "checkpoint")
                since = perf_counter()
                _run(url, STORE)
                found.setdefault("with BRIN" if brin else "without", []).append(perf_counter() - since)
                _run(url, "truncate analytics.time_series_metrics")
        server.stop()
    return found | {name: statistics.median(seconds) for name, seconds in found.items()}


def _server(folder: str) -> tuple[Server, str]:
    Path(folder).chmod(0o755)
    server = Server(Path(folder) / "postgres")
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create database bench")
    url = server.url("bench")
    database = Database(url)
    database.upgrade()
    database.close()
    return server, url


def _reads(server: Server, url: str) -> dict[str, Any]:
    found = {}
    for name, query in READS.items():
        with psycopg.connect(url, autocommit=True, options="-ctimezone=UTC -cjit=off") as connection:
            connection.execute(query).fetchall()
            warm = statistics.median(
                _milliseconds(lambda q=query, c=connection: c.execute(q).fetchall()) for _ in range(9)
            )
            plan = connection.execute(f"explain (analyze, buffers, format json) {query}").fetchone()[0][0]["Plan"]
        cold = statistics.median(_cold(server, url, query) for _ in range(3))
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        found[name] = {"warm_ms": round(warm, 1), "cold_ms": round(cold, 1), "pages": pages}
    return found


def _cold(server: Server, url: str, query: str) -> float:
    _run(url, "checkpoint")
    server.stop()
    for path in server.data.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    server.start()
    with psycopg.connect(url, autocommit=True, options="-ctimezone=UTC -cjit=off") as connection:
        connection.execute("select count(*) from analytics.series").fetchall()
        return _milliseconds(lambda: connection.execute(query).fetchall())


def _run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True, options="-ctimezone=UTC -cjit=off") as connection:
        connection.execute(statement)


def _milliseconds(work: Callable[[], Any]) -> float:
    since = perf_counter()
    work()
    return 1000 * (perf_counter() - since)


if __name__ == "__main__":
    main()
