"""Thousands of simulated daily series: time and memory of features, training, forecasts with intervals and storing.

    python benchmarks/forecasting/scale.py --series 1000,10000 --kind lean

Every size is run through the commands themselves in a home of its own: `mlops series ingest`, `mlops train` with a
backtest of one origin (so the kind is fitted twice), `mlops predict` without components and, of at most DECOMPOSED
series, with them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

DAYS, HORIZON, DECOMPOSED = 730, 28, 1000


def simulate(count: int, days: int = DAYS) -> pd.DataFrame:
    """Routes with weekday patterns, a yearly wave, trends, noise, level shifts and gaps: `series_id, ds, y`."""
    random = np.random.default_rng(1)
    ds = pd.date_range("2023-01-02", periods=days)
    size = random.lognormal(4, 1, (count, 1))
    weekday = random.normal(1, 0.3, (count, 7)).clip(0.05)[:, ds.dayofweek]
    wave = 1 + random.uniform(0, 0.3, (count, 1)) * np.sin(
        2 * np.pi * (ds.dayofyear.to_numpy() / 365.25 + random.uniform(0, 1, (count, 1)))
    )
    trend = np.exp(np.cumsum(random.normal(0, 0.004, (count, days)), axis=1))
    noise = random.lognormal(0, 1, (count, 1)).clip(0.3, 2) * 0.15
    y = size * weekday * wave * trend * random.normal(1, noise, (count, days)).clip(0.02)
    seen = random.uniform(size=y.shape) > 0.02
    series, step = np.nonzero(seen)
    return pd.DataFrame({"series_id": series + 1, "ds": ds[step], "y": y[series, step]})


def run(home: Path, *command: str) -> dict[str, float]:
    """Seconds, processor seconds and peak memory of one command."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"MLOPS_HOME": str(home), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    watched = [sys.executable, "-c", WATCH, "mlops", *command]
    done = subprocess.run(watched, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"s": time.perf_counter() - began, "cpu_s": cpu, "peak_mb": float(done.stderr.strip().splitlines()[-1])}


WATCH = """
import resource, sys
from mlops.cli import main
sys.argv = sys.argv[1:]
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr)
"""


def measure(kind: str, count: int) -> dict[str, object]:
    """What each command took for `count` series."""
    with tempfile.TemporaryDirectory(prefix="mlops-scale-") as folder:
        Path(folder).chmod(0o755)
        home, file = Path(folder) / "home", Path(folder) / "series.parquet"
        frame = simulate(count)
        long = frame.assign(metric_type="waste_volume", route_id="r" + frame["series_id"].astype(str))
        long = long.assign(ds=long["ds"].dt.tz_localize("UTC"))
        long.rename(columns={"ds": "observed_at", "y": "value"}).drop(columns="series_id").to_parquet(file)
        as_of = str((frame["ds"].max() + pd.Timedelta(days=1)).date())
        found: dict[str, object] = {"kind": kind, "series": count, "rows": len(frame)}
        try:
            found["ingest"] = run(home, "series", "ingest", str(file), "--backfill", "--known-at", "observed")
            found["train"] = run(home, "train", kind, "--as-of", as_of, "--set", "weeks=1")
            predict = ("predict", "models:/demand/1", "--as-of", as_of)
            found["predict"] = run(home, *predict, "--horizon", "28", "--no-decompose")
            if count <= DECOMPOSED:  # the same forecasts are stored once, so these go to a version of their own
                run(home, "train", kind, "--as-of", as_of, "--set", "weeks=1")
                found["predict_with_components"] = run(home, *predict[:1], "models:/demand/2", *predict[2:])
        finally:
            run(home, "db", "stop")
        return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default="1000,10000", help="sizes, separated by commas")
    parser.add_argument("--kind", default="lean", help="an experiment of the room training")
    arguments = parser.parse_args()
    for number in arguments.series.split(","):
        print(json.dumps(measure(arguments.kind, int(number))), flush=True)
