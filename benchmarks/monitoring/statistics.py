"""What statistics of many rows cost: ours and those of Evidently's presets on the same two windows.

    python -m benchmarks.monitoring.statistics --rows 1000000
    python -m benchmarks.monitoring.statistics --rows 1000000 --only distances,monitor

Run it at the root of the repository, on Linux. Each line is measured in a process of its own, without imports and
without making the data: CPU seconds, and by how much the peak of memory rose. Two windows of so many rows each, 20
columns: 14 numbers, 4 categories, the outcome and its forecast.
"""

import argparse
import ctypes
import json
import multiprocessing
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

NUMERIC = [f"number_{place}" for place in range(14)]
CATEGORICAL = [f"category_{place}" for place in range(4)]
COLUMNS = [*NUMERIC, *CATEGORICAL, "target", "prediction"]
ROUTES, DAYS = 100, 730
STATUS = Path("/proc/self/status")
Work = Callable[[], object]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000, help="of each window")
    options.add_argument("--only", default=",".join(WAYS), help=f"with commas, of: {', '.join(WAYS)}")
    chosen = options.parse_args()
    spawn, found = multiprocessing.get_context("spawn"), {}
    for way in chosen.only.split(","):
        with spawn.Pool(1) as pool:
            found[way] = pool.apply(measure, (way, chosen.rows))
        print(json.dumps({"way": way, "rows": chosen.rows} | found[way]), flush=True)
    for way in found:
        if way != "evidently" and "evidently" in found:
            ratio = round(found["evidently"]["cpu"] / found[way]["cpu"], 1)
            print(json.dumps({"evidently over": way, "cpu": ratio}))


def measure(way: str, rows: int) -> dict[str, float]:
    """CPU seconds, and MB by which the peak of memory rose, of one way."""
    work = WAYS[way](window(rows, 1, 0.0), window(rows, 2, 0.3))
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what making the data left free is given back
    STATUS.with_name("clear_refs").write_text("5")  # the peak so far is forgotten
    before, began = _peak(), time.process_time()
    work()
    return {"cpu": round(time.process_time() - began, 2), "mb": round(_peak() - before)}


def window(rows: int, seed: int, shift: float) -> pd.DataFrame:
    """Rows of 100 routes over two years; the first number is higher by `shift`."""
    random = np.random.default_rng(seed)
    found = {name: random.normal(10 + shift * (name == "number_0"), 2, rows) for name in NUMERIC}
    for place, name in enumerate(CATEGORICAL):
        names = np.array([f"kind {kind}" for kind in range(5 * (place + 1))], dtype=object)
        found[name] = names[random.integers(0, len(names), rows)]
    target = random.gamma(5, 3, rows)
    day = np.sort(random.integers(0, DAYS, rows)).astype("timedelta64[D]")
    times = {"ds": np.datetime64("2024-01-01") + day, "route": random.integers(0, ROUTES, rows)}
    return pd.DataFrame(times | found | {"target": target, "prediction": target + random.normal(0, 2, rows)})


def distances(reference: pd.DataFrame, current: pd.DataFrame) -> Work:
    """Every drift metric of every column, and of each window what is missing, the mean and the deviation."""
    from benchmarks.monitoring.distances import DRIFT_METRICS

    def work() -> object:
        found = {}
        for name in COLUMNS:
            both = reference[name], current[name]
            numbers = name not in CATEGORICAL
            metrics = DRIFT_METRICS if numbers else {key: DRIFT_METRICS[key] for key in ("psi", "jensen_shannon")}
            found[name] = [metric(*both) for metric in metrics.values()]
            found[name] += [float(one.isna().mean()) for one in both]
            found[name] += [value for one in both for value in (one.mean(), one.std())] if numbers else []
        return found

    return work


def monitor(reference: pd.DataFrame, current: pd.DataFrame) -> Work:
    """Fitting the monitor on one window, and one check of 52 weeks of rows in the other."""
    from mlops.monitoring import MonitorSpec, fit_monitor

    spec = MonitorSpec("ds", "route", tuple(NUMERIC), tuple(CATEGORICAL), "target", "prediction")
    later = current.assign(ds=current["ds"] + pd.Timedelta(days=DAYS))
    return lambda: fit_monitor(reference, spec).check(later)


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> Work:
    """The three classic presets, with their tests, as they come."""
    warnings.simplefilter("ignore")
    from evidently import DataDefinition, Dataset, Regression, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset, RegressionPreset

    definition = DataDefinition(
        numerical_columns=[*NUMERIC, "target", "prediction"],
        categorical_columns=CATEGORICAL,
        regression=[Regression(target="target", prediction="prediction")],
    )

    def work() -> object:
        sets = [Dataset.from_pandas(rows[COLUMNS], data_definition=definition) for rows in (current, reference)]
        return Report([DataDriftPreset(), DataSummaryPreset(), RegressionPreset()], include_tests=True).run(*sets)

    return work


WAYS: dict[str, Callable[[pd.DataFrame, pd.DataFrame], Work]] = {
    "distances": distances,
    "monitor": monitor,
    "evidently": evidently,
}


def _peak() -> float:
    """The peak of resident memory, MB."""
    peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


if __name__ == "__main__":
    main()
