"""Our kinds beside the opponents in the cache: one table per data set and horizon, ratios with their intervals.

    python -m benchmarks.forecasting.compare --kinds naive,lightgbm --folds dev --datasets nn5,auckland

Run it at the root of the repository in the project's environment. A kind is fitted at each cutoff with one set of
parameters for all data sets, its CPU seconds (one thread, imports done before) are those of fit and predict. Its
forecasts are kept in the cache under the commit of the source, with the hash of what is not committed.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from benchmarks.forecasting.datasets import NAMES, Dataset, folds, load
from benchmarks.forecasting.scoring import LOSSES, Interval, losses, ratio, scores, with_outcomes
from benchmarks.forecasting.tables import RIVALS, label, markdown, means, table
from rich.console import Console

import mlops
from mlops.forecasting import forecaster

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
OPPONENTS = ("snaive", "mlforecast", "autoets", "theta", "prophet")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kinds", default="", help="our kinds, with commas; none: the opponents alone")
    options.add_argument("--folds", choices=("report", "dev"), default="dev")
    options.add_argument("--datasets", default=",".join(NAMES))
    options.add_argument("--params", type=json.loads, default={}, help="JSON: constructor arguments, for all data sets")
    options.add_argument("--tag", help="name of the forecasts in the cache instead of the commit")
    options.add_argument("--cache", type=Path, default=Path("/tmp/bench-cache"))
    options.add_argument("--output", type=Path, help="write <output>.json and <output>.md")
    chosen = options.parse_args()
    if not THREADS.items() <= os.environ.items():
        command = [sys.executable, "-m", "benchmarks.forecasting.compare", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | THREADS)
    kinds = [kind for kind in chosen.kinds.split(",") if kind]
    tag = chosen.tag or _source()
    if chosen.params:
        tag += "-" + hashlib.sha256(json.dumps(chosen.params, sort_keys=True).encode()).hexdigest()[:8]
    results = []
    for name in chosen.datasets.split(","):
        dataset = load(name)
        if folds(dataset, chosen.folds):
            for kind in kinds:
                run(kind, dataset, chosen.folds, chosen.cache, tag, chosen.params)
            results += compare(dataset, chosen.folds, chosen.cache, {kind: f"{kind}@{tag}" for kind in kinds})
    tables = [*(table(result) for result in results), *means(results)]
    for one in tables:
        Console(width=170).print(one)
    if chosen.output:
        document = {"tag": tag, "folds": chosen.folds, "params": chosen.params, "results": _plain(results)}
        chosen.output.with_suffix(".json").write_text(json.dumps(document, indent=1))
        chosen.output.with_suffix(".md").write_text("\n".join(map(markdown, tables)))


def run(kind: str, dataset: Dataset, which: str, cache: Path, tag: str, params: dict[str, Any]) -> None:
    """Forecasts of our kind from every cutoff that is not in the cache, and their cost."""
    folder = cache / which / dataset.name / f"{kind}@{tag}"
    missing = [at for at in folds(dataset, which) if not (folder / f"{at.date()}.parquet").exists()]
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    horizon = dataset.horizons[-1]
    known = {"freq": dataset.freq, "country": dataset.country, "horizon": horizon} | params
    _warm(kind, dataset, missing[0], known)
    for cutoff in missing:
        past = dataset.frame[dataset.frame["ds"] <= cutoff]
        begin = _cpu()
        found = forecaster(kind)(**known).fit(past).predict(horizon)
        cost = {"cpu_seconds": _cpu() - begin, "series": found["series_id"].nunique()}
        (folder / f"{cutoff.date()}.json").write_text(json.dumps(cost))
        found.assign(opponent=kind, dataset=dataset.name, folds=which).to_parquet(folder / f"{cutoff.date()}.parquet")
        print(f"{kind:10} {dataset.name:14} {which:6} {cutoff.date()} {cost['cpu_seconds']:8.2f} CPU s", flush=True)


def compare(dataset: Dataset, which: str, cache: Path, ours: dict[str, str]) -> list[dict[str, Any]]:
    """Per horizon the figures of everyone, and of ours (folders in the cache by kind) the ratios to rivals."""
    folders = {name: cache / which / dataset.name / folder for name, folder in _named(ours).items()}
    frames = {name: _read(folder, dataset, which) for name, folder in folders.items()}
    joined = {name: with_outcomes(frame, dataset) for name, frame in frames.items() if frame is not None}
    outcomes = max(map(len, joined.values()), default=0)
    found = []
    for horizon in dataset.horizons:
        rows = {name: scores(frame, horizon) | _cost(folders[name]) for name, frame in joined.items()}
        for name, frame in joined.items():
            rows[name]["missing"] = outcomes - int(frame["y_hat"].notna().sum())
        sums = {name: losses(frame, horizon) for name, frame in joined.items()}
        result = {"dataset": dataset.name, "horizon": horizon, "scores": rows, "ratios": {}, "best": {}}
        for loss in LOSSES:
            there = [name for name in OPPONENTS if name in rows]
            result["best"][loss] = min(there, key=lambda name: rows[name][loss], default=None)
        for kind in ours:  # a forecaster that leaves some out is not compared: those may be the hard ones
            complete = rows[label(kind)]["missing"] == 0
            result["ratios"][kind] = (
                _ratios(kind, sums, result["best"]) if complete else {rival: {} for rival in RIVALS}
            )
        found.append(result)
    return found


def _named(ours: dict[str, str]) -> dict[str, str]:
    """Folders by the name in the table; our `prophet` must not hide the opponent."""
    return {name: name for name in OPPONENTS} | {label(kind): folder for kind, folder in ours.items()}


def _ratios(
    kind: str, sums: dict[str, dict[str, pd.DataFrame]], best: dict[str, str | None]
) -> dict[str, dict[str, Interval]]:
    mine, found = sums[label(kind)], {}
    for rival in RIVALS:
        names = {loss: best[loss] if rival == "best" else rival for loss in LOSSES}
        found[rival] = {loss: ratio(mine[loss], sums[name][loss]) for loss, name in names.items() if name in sums}
    return found


def _read(folder: Path, dataset: Dataset, which: str) -> pd.DataFrame | None:
    """All cutoffs of one forecaster; None when one of them is not there yet."""
    paths = [folder / f"{cutoff.date()}.parquet" for cutoff in folds(dataset, which)]
    if not all(path.exists() for path in paths):
        return None
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)


def _cost(folder: Path) -> dict[str, float]:
    costs = [json.loads(path.read_text()) for path in folder.glob("????-??-??.json")]
    series = sum(cost["series"] for cost in costs)
    found = {"cpu_ms": 1000 * sum(cost["cpu_seconds"] for cost in costs) / series}
    if all("cpu_seconds_without_intervals" in cost for cost in costs):
        found["cpu_ms_point"] = 1000 * sum(cost["cpu_seconds_without_intervals"] for cost in costs) / series
    return found


def _warm(kind: str, dataset: Dataset, cutoff: pd.Timestamp, known: dict[str, Any]) -> None:
    """Import what the kind imports when it is first used."""
    past = dataset.frame[dataset.frame["ds"] <= cutoff]
    few = past[past["series_id"].isin(past["series_id"].unique()[:3])]
    forecaster(kind)(**known).fit(few).predict(dataset.horizons[-1])


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _source() -> str:
    """The commit of mlops' source, and a hash of what is changed since."""
    home = Path(mlops.__file__).parent
    commit = _git(home, "rev-parse", "--short=10", "HEAD").decode().strip()
    changed = _git(home, "diff", "HEAD", "--", ".")
    for path in _git(home, "ls-files", "--others", "--exclude-standard", ".").decode().split():
        changed += (home / path).read_bytes()
    return commit + (f"+{hashlib.sha256(changed).hexdigest()[:8]}" if changed else "")


def _git(home: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(home), *words], check=True, capture_output=True).stdout


def _plain(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results without the draws."""

    def plain(value: Any) -> Any:
        if isinstance(value, Interval):
            return {"value": value.value, "low": value.low, "high": value.high}
        return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value

    return [plain(result) for result in results]


if __name__ == "__main__":
    main()
