"""What the store costs as it grows: bytes a row, seconds of a refresh, milliseconds of a read.

Run by hand: python benchmarks/store/queries.py --rows 1_000_000 5_000_000 20_000_000 --out store.json
Each size gets an embedded server of its own in a temporary folder. Every figure is the median of seven, after one
that does not count; `load` and `refresh_all` happen once. The chart goes to docs/images/store-scale.svg.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg

from mlops.analytics import customers, operations, seasons
from mlops.db import Database
from mlops.db.embedded import Server
from mlops.series import read

MONTHS, FIRST = 24, datetime(2024, 1, 1, tzinfo=UTC)
LAST = datetime(2026, 1, 1, tzinfo=UTC)
DIRTY = date(2025, 12, 10)
GOAL_ROWS, GOAL_SERIES = 1_000_000 * 730, 41_667
"""One million rows a day for 24 months, one an hour from each series."""
CHART = Path(__file__).parents[2] / "docs" / "images" / "store-scale.svg"

SERIES = """
insert into analytics.series (metric_type, granularity, customer_id, route_id, vehicle_id, service_area)
select (array['collection_weight', 'route_distance', 'container_fill_level', 'contamination_rate',
              'missed_collections'])[1 + i %% 5],
       'hourly', 'C' || i / 5, 'R' || i / 10, 'V' || i / 20,
       polygon(box(point(i %% 20, i / 20), point(i %% 20 + 1.5, i / 20 + 1.5)))
  from generate_series(0, %(series)s - 1) i"""
MONTH = """
insert into analytics.time_series_metrics (series_id, observed_at, value, quality_score, recorded_at)
select series_id, at,
       50 + 10 * sin(date_part('doy', at) / 58) + 5 * date_part('isodow', at) + series_id %% 7 + random(), 1, at
  from generate_series(%(first)s::timestamptz, %(last)s::timestamptz - %(step)s::interval, %(step)s::interval) at,
       analytics.series"""
SIZES = """
select parent, sum(pg_total_relation_size(i.inhrelid))::bigint as bytes, sum(pg_table_size(i.inhrelid))::bigint as heap
  from unnest('{time_series_metrics,daily_metrics_summary}'::text[]) parent
  join pg_inherits i on i.inhparent = ('analytics.' || parent)::regclass group by parent"""
CORRECT = """
update analytics.time_series_metrics set value = value + 1
 where observed_at >= %(day)s::date::timestamptz and observed_at < (%(day)s::date + 1)::timestamptz"""
MARK = "select analytics.mark_dirty(array_agg(series_id), %(first)s, %(last)s) from analytics.series"
AGGREGATE = """
select count(*)
  from analytics.aggregate_values({by}, 'month', 'collection_weight', '2025-01-01', '2026-01-01', {ids}, {area})"""
READS = {
    "latest_values": """
select count(*) from analytics.latest_values((select array_agg(series_id) from analytics.series))""",
    "customer_12_months": AGGREGATE.format(by="'customer'", ids="'{C7}'", area="null"),
    "routes_12_months": AGGREGATE.format(by="'route'", ids="null", area="null"),
    "area_12_months": AGGREGATE.format(by="'area'", ids="null", area="'((1,1),(6,1),(6,6),(1,6))'"),
    "customer_12_months_raw": """
select date_trunc('month', observed_at), sum(value)
  from analytics.time_series_metrics join analytics.series using (series_id)
 where customer_id = 'C7' and metric_type = 'collection_weight'
   and observed_at >= '2025-01-01Z' and observed_at < '2026-01-01Z'
 group by 1""",
    "health": "select count(*) from analytics.check_system_health()",
}


def main() -> None:
    """Measure each size, write the JSON and the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[1_000_000], help="Observations, one size after the other."
    )
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--out", type=Path, default=None, help="Where the JSON goes; printed too.")
    parser.add_argument("--chart", type=Path, default=CHART)
    arguments = parser.parse_args()
    measured = [measure(rows, arguments.series) for rows in arguments.rows]
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "sizes": measured,
        "extrapolated": extrapolate(measured[-1]),
    }
    text = json.dumps(document, indent=2)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    draw(measured, document["extrapolated"], arguments.chart)


def measure(rows: int, series: int) -> dict[str, Any]:
    """Everything about one size."""
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "postgres")
        server.start()
        try:
            database = Database(server.url())
            database.upgrade()
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("set timezone = 'UTC'; set jit = off")
                found = fill(connection, rows, series) | refreshes(connection) | reads(connection)
            found |= library(database, series)
            database.close()
            return found
        finally:
            server.stop()


def fill(connection: psycopg.Connection, rows: int, series: int) -> dict[str, Any]:
    """Rows spread evenly over 24 months and all series, oldest first, as they arrive in life."""
    step = (LAST - FIRST) * series / rows
    connection.execute(
        "select analytics.ensure_partitions(%s::timestamptz, %s::timestamptz)", [FIRST, LAST - timedelta(1)]
    )
    connection.execute(SERIES % {"series": series})
    bounds = [_month(number) for number in range(MONTHS + 1)]
    started = perf_counter()
    for first, last in pairwise(bounds):
        connection.execute(MONTH, {"first": first, "last": last, "step": step})
    loaded = perf_counter() - started
    connection.execute("vacuum analyze")
    count = connection.execute("select count(*) from analytics.time_series_metrics").fetchone()[0]
    sizes = {parent: (total, heap) for parent, total, heap in connection.execute(SIZES)}
    total, heap = sizes["time_series_metrics"]
    version = connection.execute("show server_version").fetchone()[0]
    return {
        "postgres": version,
        "rows": count,
        "series": series,
        "load_seconds": round(loaded, 2),
        "bytes_per_row": round(total / count, 1),
        "heap_bytes_per_row": round(heap / count, 1),
    }


def refreshes(connection: psycopg.Connection) -> dict[str, Any]:
    """The whole backlog once, then one corrected day of every series again and again."""
    connection.execute(MARK, {"first": FIRST.date(), "last": LAST.date()})
    every = {
        name: seconds
        for name, _, seconds, _ in connection.execute("select * from analytics.refresh_predictive_views()")
    }
    connection.execute("vacuum analyze")
    summary = {parent: total for parent, total, _ in connection.execute(SIZES)}["daily_metrics_summary"]
    rows = connection.execute("select count(*) from analytics.daily_metrics_summary").fetchone()[0]

    def correct() -> None:
        connection.execute(CORRECT, {"day": DIRTY})
        connection.execute(MARK, {"first": DIRTY, "last": DIRTY})

    day = median(lambda: connection.execute("select analytics.refresh_daily_summary()"), before=correct)
    chain = median(
        lambda: connection.execute("select count(*) from analytics.refresh_predictive_views()"), before=correct
    )
    return {
        "refresh_all_seconds": {name: round(seconds, 2) for name, seconds in every.items()},
        "summary_rows": rows,
        "summary_bytes_per_row": round(summary / rows, 1),
        "dirty_day_summary_ms": day,
        "dirty_day_everything_ms": chain,
        "nothing_dirty_ms": median(
            lambda: connection.execute("select count(*) from analytics.refresh_predictive_views()")
        ),
    }


def reads(connection: psycopg.Connection) -> dict[str, float]:
    """Reads in SQL, planning included."""
    return {
        f"{name}_ms": median(lambda query=query: connection.execute(query).fetchall()) for name, query in READS.items()
    }


def library(database: Database, series: int) -> dict[str, float]:
    """Reads through the library, frame included."""
    ids, year = list(range(1, series + 1)), {"start": date(2025, 1, 1), "end": date(2026, 1, 1)}
    return {
        "python_latest_ms": median(lambda: read.latest_observations(database, ids)),
        "python_customer_12_months_ms": median(
            lambda: operations.aggregate(
                database, by="customer", grain="month", metric_type="collection_weight", ids=["C7"], **year
            )
        ),
        "python_customer_months_ms": median(lambda: customers.customer_months(database, ["C7"], **year)),
        "python_decompose_100_series_2_years_ms": median(
            lambda: seasons.decompose(database, ids[:100], FIRST.date(), LAST.date())
        ),
    }


def median(act: Callable[[], object], *, before: Callable[[], object] = lambda: None, times: int = 7) -> float:
    """Milliseconds; the first time does not count."""
    taken = []
    for _ in range(times + 1):
        before()
        started = perf_counter()
        act()
        taken.append((perf_counter() - started) * 1000)
    return round(statistics.median(taken[1:]), 2)


def extrapolate(largest: dict[str, Any]) -> dict[str, Any]:
    """What the largest measured size says about a million rows a day for 24 months.

    Bytes grow with rows, and so do the seconds of a first refresh. A day's refresh grows with the rows of that day and
    the number of series, not with the history; the views on top read the whole summary. It assumes that the series grow
    with the rows (hourly: 41,667) and that a day's rows are in memory; nothing of this size was run.
    """
    rows, series = largest["rows"], largest["series"]
    days, times = GOAL_SERIES * 730, max(GOAL_SERIES / series, GOAL_ROWS / rows)
    everything = largest["dirty_day_everything_ms"] - largest["dirty_day_summary_ms"]
    return {
        "rows": GOAL_ROWS,
        "series": GOAL_SERIES,
        "observations_gb": round(largest["bytes_per_row"] * GOAL_ROWS / 1e9, 1),
        "summary_gb": round(largest["summary_bytes_per_row"] * days / 1e9, 1),
        "first_summary_minutes": round(
            largest["refresh_all_seconds"]["daily_metrics_summary"] / rows * GOAL_ROWS / 60, 1
        ),
        "dirty_day_summary_seconds": round(largest["dirty_day_summary_ms"] / 1000 * times, 1),
        "dirty_day_aggregates_and_views_seconds": round(everything / 1000 * days / largest["summary_rows"], 1),
        "measured_up_to_rows": rows,
    }


def draw(measured: list[dict[str, Any]], goal: dict[str, Any], path: Path) -> None:
    """Time and disk over rows; hollow and dotted is what `extrapolate` says, not what was measured."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "store"
    import matplotlib.pyplot as plt

    figure, (times, disk) = plt.subplots(1, 2, figsize=(11, 4.8))
    _draw_times(times, measured, goal)
    _draw_disk(disk, measured, goal)
    for axes in (times, disk):
        axes.set(xscale="log", yscale="log", xlabel="observations")
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=8, loc="upper left")
    figure.suptitle("What the store costs as it grows (hollow: 1 M rows a day for 24 months, reckoned, not measured)")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _draw_times(axes: Any, measured: list[dict[str, Any]], goal: dict[str, Any]) -> None:
    summary = goal["dirty_day_summary_seconds"] * 1000
    shown = {
        "dirty_day_everything_ms": (
            "one dirty day: summary, aggregates and views",
            summary + goal["dirty_day_aggregates_and_views_seconds"] * 1000,
        ),
        "dirty_day_summary_ms": ("one dirty day: summary", summary),
        "python_decompose_100_series_2_years_ms": ("seasons of 100 series × 2 years", None),
        "health_ms": ("health", None),
        "customer_12_months_raw_ms": ("customer × 12 months, from the observations", None),
        "latest_values_ms": ("newest value of every series", None),
        "customer_12_months_ms": ("customer × 12 months, from the summary", None),
    }
    for name, (label, reckoned) in shown.items():
        last = measured[-1]
        (line,) = axes.plot([size["rows"] for size in measured], [size[name] for size in measured], "o-", label=label)
        if reckoned is not None:
            _dotted(axes, (last["rows"], last[name]), (goal["rows"], reckoned), line.get_color())
    axes.set(ylabel="milliseconds", ylim=(0.3, 3e7))


def _draw_disk(axes: Any, measured: list[dict[str, Any]], goal: dict[str, Any]) -> None:
    for label, rows, each, reckoned in (
        ("observations", "rows", "bytes_per_row", "observations_gb"),
        ("daily summary", "summary_rows", "summary_bytes_per_row", "summary_gb"),
    ):
        gigabytes = [size[rows] * size[each] / 1e9 for size in measured]
        (line,) = axes.plot([size["rows"] for size in measured], gigabytes, "o-", label=label)
        _dotted(axes, (measured[-1]["rows"], gigabytes[-1]), (goal["rows"], goal[reckoned]), line.get_color())
    axes.set(ylabel="GB on disk, indexes included")


def _dotted(axes: Any, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axes.plot([start[0], end[0]], [start[1], end[1]], ":", color=colour)
    axes.plot(*end, "o", color=colour, markerfacecolor="none")


def _month(number: int) -> datetime:
    return datetime(2024 + number // 12, number % 12 + 1, 1, tzinfo=UTC)


if __name__ == "__main__":
    main()
