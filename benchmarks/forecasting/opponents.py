"""Forecasts of the opponents at every cutoff, into a cache that `compare` reads.

    python3.11 -m venv /tmp/bench-venv
    /tmp/bench-venv/bin/pip install mlforecast statsforecast lightgbm optuna prophet holidays pyarrow rich 'pandas<3'
    /tmp/bench-venv/bin/python -m benchmarks.forecasting.opponents --folds report

Run it at the root of the repository, in an environment of its own: it imports nothing of mlops. One process, one
thread. What is in the cache is not run again. mlforecast is tuned on data before the first cutoff of the folds; the
settings of the others are chosen on the dev folds (so that on these they have seen the outcomes), which end before the
report folds. Everything is cut at 0, as all data are positive.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.forecasting import classical, tuned
from benchmarks.forecasting.datasets import NAMES, Dataset, earlier, folds, load

OPPONENTS = ("snaive", "mlforecast", "autoets", "theta", "prophet")
BOUNDS = ["lo_80", "hi_80", "lo_95", "hi_95"]
COLUMNS = ["opponent", "dataset", "folds", "cutoff", "series_id", "ds", "y_hat", *BOUNDS]
PACKAGES = ("mlforecast", "statsforecast", "lightgbm", "optuna", "prophet", "holidays", "numpy", "pandas")
IMPORTS = {"mlforecast": ["mlforecast", "lightgbm", "optuna"], "prophet": ["prophet", "cmdstanpy"]}
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cache", type=Path, default=Path("/tmp/bench-cache"))
    options.add_argument("--folds", choices=("report", "dev"), default="report")
    options.add_argument("--datasets", default=",".join(NAMES))
    options.add_argument("--opponents", default=",".join(OPPONENTS))
    chosen = options.parse_args()
    if not THREADS.items() <= os.environ.items():
        os.execve(
            sys.executable,
            [sys.executable, "-m", "benchmarks.forecasting.opponents", *sys.argv[1:]],
            os.environ | THREADS,
        )
    chosen.cache.mkdir(parents=True, exist_ok=True)
    (chosen.cache / "versions.json").write_text(json.dumps({name: version(name) for name in PACKAGES}, indent=1))
    for opponent in chosen.opponents.split(","):
        for module in IMPORTS.get(opponent, ["statsforecast.models"]):
            import_module(module)  # seconds of imports are not part of the first forecast
        for name in chosen.datasets.split(","):
            run(opponent, load(name), chosen.folds, chosen.cache)


def run(opponent: str, dataset: Dataset, which: str, cache: Path) -> None:
    """Forecasts from every cutoff of the folds that is not in the cache."""
    folder = cache / which / dataset.name / opponent
    folder.mkdir(parents=True, exist_ok=True)
    for cutoff in folds(dataset, which):
        path = folder / f"{cutoff.date()}.parquet"
        if path.exists():
            continue
        frame, cost = _origin(opponent, dataset, cutoff, _settings(opponent, dataset, which, folder)["params"])
        path.with_suffix(".json").write_text(json.dumps(cost, indent=1))
        keys = {"opponent": opponent, "dataset": dataset.name, "folds": which, "cutoff": cutoff}
        frame.assign(**keys)[COLUMNS].to_parquet(path, index=False)
        print(f"{opponent:10} {dataset.name:14} {which:6} {cutoff.date()} {cost['cpu_seconds']:8.2f} CPU s", flush=True)


def _origin(
    opponent: str, dataset: Dataset, cutoff: pd.Timestamp, params: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, float]]:
    frame, seconds = _measured(lambda: _forecast(opponent, dataset, cutoff, params))
    cost = {"cpu_seconds": seconds, "series": frame["series_id"].nunique()}
    if opponent == "mlforecast":
        _, seconds = _measured(lambda: tuned.forecast(dataset, cutoff, params, intervals=False))
        cost["cpu_seconds_without_intervals"] = seconds
    return frame, cost


def _forecast(opponent: str, dataset: Dataset, cutoff: pd.Timestamp, params: dict[str, Any]) -> pd.DataFrame:
    if opponent == "mlforecast":
        frame = tuned.forecast(dataset, cutoff, params)
    else:
        frame = classical.forecast(opponent, dataset, cutoff, params)
    numbers = ["y_hat", *BOUNDS]
    return frame.assign(**frame[numbers].astype(float).clip(lower=0))


def _settings(opponent: str, dataset: Dataset, which: str, folder: Path) -> dict[str, Any]:
    """How the opponent was tuned, from the cache or done now."""
    path = folder / "tuning.json"
    if not path.exists():
        record = _tuned(dataset, which) if opponent == "mlforecast" else _chosen(opponent, dataset)
        path.write_text(json.dumps(record, indent=1))
        print(f"{opponent:10} {dataset.name:14} {which:6} settings: {record['params']} {record['value']}", flush=True)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _tuned(dataset: Dataset, which: str) -> dict[str, Any]:
    end = earlier(dataset)[0] if which == "dev" else folds(dataset, "report")[0]
    record = tuned.tune(dataset, end)
    return record | {"params": tuned.complete(record["params"])}


def _chosen(opponent: str, dataset: Dataset) -> dict[str, Any]:
    """The setting with the least WAPE on the dev folds (Prophet, which is slow: on the first and the last of them)."""
    settings, cutoffs = classical.candidates(opponent, dataset), earlier(dataset)
    if len(settings) == 1:
        return {"params": settings[0], "value": None, "all": []}
    if opponent == "prophet":
        cutoffs = [cutoffs[0], cutoffs[-1]]
    begin = time.process_time()
    values = [_wape(opponent, dataset, cutoffs, setting) for setting in settings]
    best = int(np.argmin(values))
    trials = [{"params": setting, "value": value} for setting, value in zip(settings, values, strict=True)]
    seconds = time.process_time() - begin
    return {"params": settings[best], "value": values[best], "cpu_seconds": seconds, "all": trials}


def _wape(opponent: str, dataset: Dataset, cutoffs: list[pd.Timestamp], setting: dict[str, Any]) -> float:
    """Mean of the WAPE at both horizons."""
    frame = pd.concat([_forecast(opponent, dataset, at, setting).assign(cutoff=at) for at in cutoffs])
    frame["step"] = frame.groupby(["series_id", "cutoff"])["ds"].rank()
    frame = frame.merge(dataset.frame, on=["series_id", "ds"])
    parts = [frame[frame["step"] <= horizon] for horizon in dataset.horizons]
    return float(np.mean([(part["y"] - part["y_hat"]).abs().sum() / part["y"].sum() for part in parts]))


def _measured(work: Callable[[], pd.DataFrame]) -> tuple[pd.DataFrame, float]:
    """The result and the CPU seconds of this process and its children."""
    begin = _cpu()
    frame = work()
    return frame, _cpu() - begin


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
