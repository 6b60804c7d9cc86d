"""What it costs to read history across the border of retention.

Run by hand: python benchmarks/store/archived.py --out archived.json
An embedded server gets 500 hourly series for 24 months (8.6 million rows). The same histories are read while all of it
is in Postgres and after 12 months were archived and dropped, and must be equal. Medians of three.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
import psycopg

from mlops.db import Database
from mlops.db.archive import read as archived
from mlops.db.embedded import Server
from mlops.db.upkeep import maintain
from mlops.series import read

FILL = """
insert into analytics.series (metric_type, granularity, customer_id)
select 'collection_weight', 'hourly', 'C' || i from generate_series(1, 500) i;
select analytics.ensure_partitions(now() - interval '24 months', now());
insert into analytics.time_series_metrics (series_id, observed_at, value, quality_score, recorded_at)
select series_id, at, 50 + random(), 1, at
  from generate_series(date_trunc('month', now()) - interval '23 months', now(), '1 hour') at, analytics.series
 order by date_trunc('day', at), series_id, at;
analyze analytics.time_series_metrics"""
AS_OF = datetime.now(UTC) + timedelta(days=1)
READS: dict[str, dict[str, Any]] = {
    "one series": {"series_ids": [77]},
    "50 series": {"series_ids": list(range(1, 51))},
    "200 series": {"series_ids": list(range(1, 201))},
    "one series, start after the border": {"series_ids": [77], "start": AS_OF - timedelta(days=300)},
}


def main() -> None:
    """Measure both sides and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "postgres")
        server.start()
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("create database bench")
        database = Database(server.url("bench"))
        database.upgrade()
        with psycopg.connect(database.url, autocommit=True, options="-ctimezone=UTC") as connection:
            for statement in FILL.split(";\n"):
                connection.execute(statement)
        found = _measured(database, Path(folder) / "archive")
        database.close()
        server.stop()
    arguments.out.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


def _measured(database: Database, folder: Path) -> dict[str, Any]:
    hot = {name: _read(database, which) for name, which in READS.items()}
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("update analytics.partition_policy set keep_months = 12 where keep_months is not null")
        connection.execute("select analytics.agree_to_retention()")
    assert not maintain(database, folder).failed
    archived.VERIFIED.clear()
    first = _seconds(lambda: read.history(database, **READS["one series"], as_of=AS_OF))
    found: dict[str, Any] = {"one series, with checksums": first}
    for name, which in READS.items():
        seconds, frame = _read(database, which)
        pd.testing.assert_frame_equal(frame, hot[name][1])
        found[name] = {"all in Postgres": hot[name][0], "12 months from archives": seconds}
    return found


def _read(database: Database, which: dict[str, Any]) -> tuple[float, pd.DataFrame]:
    seconds = [_seconds(lambda: read.history(database, **which, as_of=AS_OF)) for _ in range(3)]
    return statistics.median(seconds), read.history(database, **which, as_of=AS_OF)


def _seconds(work: Callable[[], Any]) -> float:
    since = perf_counter()
    work()
    return perf_counter() - since


if __name__ == "__main__":
    main()
