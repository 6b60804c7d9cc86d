"""What asking for the health of 100 models costs: `python benchmarks/model_health.py`; a million stored forecasts.

Once the forecasts are of a year, so that the window of four weeks holds 78,000, and once all of them are in the window.
The bare sum of the same errors, which nobody can do without, is what both are held against.
"""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from mlops.db import Database
from mlops.db.embedded import Server
from mlops.monitoring.health import health

NOW, TIMES = datetime(2025, 1, 1, tzinfo=UTC), 5
WORLDS = {"of a year": (28, 357), "of four weeks": (357, 28)}
FILL = """
select analytics.ensure_partitions('2023-11-01', '2025-01-01', parent::regclass)
  from unnest('{analytics.time_series_metrics,analytics.model_prediction_results}'::text[]) parent;
insert into analytics.series (metric_type, site_id) select 'collection_weight', n from generate_series(1, %(series)s) n;
insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
select s, at, 100 + 10 * random(), at + interval '1 day'
  from generate_series(1, %(series)s) s,
       generate_series('2024-12-31'::timestamptz - make_interval(days => %(days)s + 30), '2024-12-31', '1 day') at;
insert into analytics.registered_models (name, created_at)
select 'model ' || n, '2024-01-01' from generate_series(1, 100) n;
insert into analytics.model_versions
       (model_id, name, version, created_at, status, metrics, lineage, lineage_state, as_of)
select model_id, name, 1, '2024-01-01', 'READY', '{"wape": 0.1}', '{"selection": {"granularity": "daily"}}',
       'complete', '2024-10-01'
  from analytics.registered_models;
insert into analytics.model_aliases select model_id, 'champion', version_id, '2024-01-01' from analytics.model_versions;
insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at, horizon,
       y_hat, lo_80, hi_80, outcome, outcome_recorded_at, matched_at)
select version_id, s, at - interval '1 day', at - interval '1 day', at, 1,
       105, 100, 110, 100 + 10 * random(), at + interval '1 day', now()
  from generate_series('2024-12-31'::timestamptz - make_interval(days => %(days)s - 1), '2024-12-31', '1 day') at,
       generate_series(1, %(series)s) s, analytics.model_versions order by version_id, at;
insert into analytics.model_performance_tracking
       (version_id, as_of, window_start, window_end, kind, subject, drifted)
select version_id, at, at - interval '7 days', at, k, n::text, false
  from analytics.model_versions, generate_series('2024-01-01'::timestamptz, '2024-12-30', interval '7 days') at,
       unnest('{concept,data}'::text[]) k, generate_series(1, 5) n;
vacuum analyze
"""
BARE = """
select version_id, sum(abs(error)), count(*) from analytics.model_prediction_results
 where target_at >= timestamptz '2024-12-04' and target_at < '2025-01-01' group by version_id
"""


def main() -> None:
    """Print seconds and ratios."""
    for name, (series, days) in WORLDS.items():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            server = Server(Path(folder) / "postgres", settings={"fsync": "off", "shared_buffers": "512MB"})
            server.start()
            try:
                _measure(name, server.url(), series, days)
            finally:
                server.stop()


def _measure(name: str, url: str, series: int, days: int) -> None:
    database = Database(url)
    database.upgrade()
    with psycopg.connect(url, autocommit=True, options="-ctimezone=UTC -cjit=off") as connection:
        for command in FILL.split(";\n"):
            connection.execute(command.replace("%(series)s", str(series)).replace("%(days)s", str(days)))
        (count,) = connection.execute("select count(*) from analytics.model_prediction_results").fetchone() or (0,)
        bare = _fastest(lambda: connection.execute(BARE).fetchall())
    whole = _fastest(lambda: health(database, {}, NOW))
    assert {one.score is not None for one in health(database, {}, NOW)} == {True}
    print(f"{count:,} forecasts {name}: {whole:.3f} s, {whole / bare:.1f} x the bare sum of errors ({bare:.3f} s)")
    database.close()


def _fastest(work: Callable[[], object]) -> float:
    took = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return min(took)


if __name__ == "__main__":
    main()
