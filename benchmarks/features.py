"""Features of 1,000 daily series of two years: our build beside mlforecast's, and what the store adds.

    python3.11 -m venv /tmp/bench-venv && /tmp/bench-venv/bin/pip install mlforecast 'pandas<3'
    python benchmarks/features.py --opponent /tmp/bench-venv/bin/python

Both make four lags and three rolling windows out of the same frame, in turns, one thread each, CPU seconds of the
process; the values are compared. Then the same features out of a database of its own (reading, building, writing down,
reading back) and values for serving.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
LAGS = (1, 7, 14, 28)
TEXTS = {
    **{f"lag{n}": f"lag({n})" for n in LAGS},
    "rolling_mean_lag1_window_size7": "rolling_mean(7, min_count=7)",
    "rolling_mean_lag1_window_size28": "rolling_mean(28, min_count=28)",
    "rolling_std_lag1_window_size28": "rolling_std(28, min_count=28)",
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--opponent", type=Path, default=Path("/tmp/bench-venv/bin/python"), help="Python with mlforecast"
    )
    options.add_argument("--series", type=int, default=1000)
    options.add_argument("--days", type=int, default=730)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--skip-store", action="store_true")
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if not THREADS.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | THREADS)
    if chosen.serve:
        serve(chosen.series, chosen.days)
        return
    print(f"{chosen.series:,} series x {chosen.days} days, {len(TEXTS)} features; medians of {chosen.rounds} rounds")
    beside_mlforecast(chosen)
    if not chosen.skip_store:
        in_the_store(chosen.series, chosen.days)


def data(series: int, days: int) -> pd.DataFrame:
    """The same frame in both processes."""
    random, ds = np.random.default_rng(0), pd.date_range("2023-01-01", periods=days)
    y = random.normal(100, 10, series * days)
    return pd.DataFrame({"unique_id": np.repeat(np.arange(1, series + 1), days), "ds": np.tile(ds, series), "y": y})


def serve(series: int, days: int) -> None:
    """The opponent: measures one preprocessing for each line that it reads."""
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean, RollingStd

    frame = data(series, days)
    forecast = MLForecast(
        models=[],
        freq="D",
        lags=list(LAGS),
        lag_transforms={1: [RollingMean(7), RollingMean(28), RollingStd(28)]},
        num_threads=1,
    )
    for line in sys.stdin:
        how = line.strip()
        seconds, made = measured(partial(forecast.preprocess, frame, dropna=how == "drop"))
        if how == "write":
            made[list(TEXTS)].to_parquet(f"/tmp/features-{os.getppid()}.parquet")
        print(json.dumps({"seconds": seconds, "rows": len(made)}), flush=True)


def beside_mlforecast(chosen: argparse.Namespace) -> None:
    from mlops.features import feature
    from mlops.features.grid import from_frame

    frame = data(chosen.series, chosen.days).rename(columns={"unique_id": "series_id"})
    wanted = [
        feature(name, transformation=text, source="y", owner="benchmark", description="")
        for name, text in TEXTS.items()
    ]
    command = [chosen.opponent, __file__, "--serve", f"--series={chosen.series}", f"--days={chosen.days}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as opponent:
        assert opponent.stdin
        assert opponent.stdout

        def theirs(how: str) -> float:
            opponent.stdin.write(f"{how}\n")
            opponent.stdin.flush()
            return float(json.loads(opponent.stdout.readline())["seconds"])

        theirs("write")
        path = Path(f"/tmp/features-{os.getpid()}.parquet")
        ours, other = from_frame(frame, wanted)[list(TEXTS)].to_numpy(), pd.read_parquet(path).to_numpy()
        path.unlink()
        same = np.array_equal(np.isnan(ours), np.isnan(other))
        print(f"  same values missing: {same}; largest difference: {np.nanmax(np.abs(ours - other)):.1e}")
        times: dict[str, list[float]] = {"drop": [], "keep": [], "ours": []}
        for _ in range(chosen.rounds + 2):
            times["drop"].append(theirs("drop"))
            times["keep"].append(theirs("keep"))
            times["ours"].append(measured(lambda: from_frame(frame, wanted))[0])
        opponent.stdin.close()
    medians = {name: statistics.median(found[2:]) for name, found in times.items()}
    spreads = {name: f"{min(found[2:]):.3f} to {max(found[2:]):.3f}" for name, found in times.items()}
    print(f"  mlforecast.preprocess               {medians['drop']:.3f} CPU s ({spreads['drop']})")
    print(f"  mlforecast.preprocess, dropna=False {medians['keep']:.3f} CPU s ({spreads['keep']})")
    print(f"  from_frame                          {medians['ours']:.3f} CPU s ({spreads['ours']})")
    print(f"  ratio {medians['ours'] / medians['drop']:.2f}; to dropna=False {medians['ours'] / medians['keep']:.2f}")


def in_the_store(series: int, days: int) -> None:
    from mlops.db import Database
    from mlops.db.embedded import Server

    with tempfile.TemporaryDirectory(prefix="mlops-features-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "postgres", settings={})
        server.start()
        database = Database(server.url())
        database.upgrade()
        fill(database, data(series, days))
        measure(database, series)
        database.close()
        server.stop()


def fill(database: Any, frame: pd.DataFrame) -> None:
    """Each value is known from the end of its day on."""
    with database.transaction() as transaction, transaction.cursor() as cursor:
        cursor.execute(
            "insert into analytics.series (metric_type, route_id)"
            " select 'collection_weight', 'R' || n from generate_series(1, %s) n",
            [int(frame["unique_id"].max())],
        )
        cursor.execute("select analytics.ensure_partitions(%s, %s)", [frame["ds"].min(), frame["ds"].max()])
        ds = frame["ds"].to_numpy("datetime64[us]")
        columns = {"series_id": frame["unique_id"].to_numpy(), "observed_at": ds, "value": frame["y"].to_numpy()}
        transaction.copy_arrays("analytics.time_series_metrics", columns | {"recorded_at": ds + np.timedelta64(1, "D")})
    with database.autocommit() as cursor:
        cursor.execute("analyze analytics.time_series_metrics")


def measure(database: Any, series: int) -> None:
    from mlops.feature_store import offline, online
    from mlops.feature_store.build import build
    from mlops.feature_store.sources import read_sources
    from mlops.features import FeatureSet, Selection, feature

    features = tuple(
        feature(name, transformation=text, source="collection_weight", owner="benchmark", description="")
        for name, text in TEXTS.items()
    )
    feature_set = FeatureSet("benchmark", Selection("collection_weight"), features)
    with database.transaction() as transaction:
        now = transaction.value("now")
    for _ in range(2):  # the first one warms the server
        read = timed(lambda: read_sources(database, feature_set, now))
    rows = len(read[1].observed.y)
    tell("read of what was known (wall)", read[0], rows)
    tell("build on demand (wall)", timed(lambda: build(database, feature_set, now))[0], rows)
    tell(
        "written down, with its digest (wall)", timed(lambda: offline.materialise(database, feature_set, now))[0], rows
    )
    tell("the same again (wall)", timed(lambda: offline.materialise(database, feature_set, now))[0], rows)
    tell("read back (wall)", timed(lambda: offline.read_build(database, feature_set, now))[0], rows)
    tell("online, all new (wall)", timed(lambda: online.refresh(database, feature_set, now))[0], series)
    tell("online, nothing new (wall)", timed(lambda: online.refresh(database, feature_set, now))[0], series)
    ids = list(range(1, min(series, 500) + 1))
    times = sorted(timed(lambda: online.latest_features(database, feature_set, ids))[0] for _ in range(50))
    print(f"  online.latest of {len(ids)} series: {times[25] * 1000:.1f} ms (95 %: {times[47] * 1000:.1f} ms)")


def tell(what: str, seconds: float, rows: int) -> None:
    print(f"  {what:38} {seconds:6.2f} s  {rows / seconds:12,.0f} rows/s")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def measured(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process and its threads."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, found


if __name__ == "__main__":
    main()
