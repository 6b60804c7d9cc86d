"""Reconciliation methods on the dev folds: errors of series, groups and the whole, beside forecasts that don't agree.

    python -m benchmarks.forecasting.reconcile --kind smoothing --datasets auckland,austin_routes

Run it at the root of the repository in the project's environment. A kind is fitted at each cutoff on the series and
their totals. The outcome of a total is its sum, gaps of its series filled as `totals` does; "none" is not reconciled.
"""

import argparse
from collections.abc import Iterator

import pandas as pd
from benchmarks.forecasting.datasets import Dataset, folds, load

from mlops.domain.forecasts import coverage, interval_pinball, wape
from mlops.forecasting import forecaster
from mlops.forecasting.totals.reconcile import ALL, METHODS, error_variance, group_totals, reconcile


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kind", default="smoothing")
    options.add_argument("--datasets", default="auckland,austin_routes")
    chosen = options.parse_args()
    for name in chosen.datasets.split(","):
        judged = pd.concat(forecasts(load(name), chosen.kind))
        print(f"\n{name}, {chosen.kind}, dev folds\n{table(judged).to_string()}")


def forecasts(dataset: Dataset, kind: str) -> Iterator[pd.DataFrame]:
    """Forecasts with outcomes of every method at every cutoff, with `method` and `level`."""
    assert dataset.groups is not None
    horizon, outcomes = dataset.horizons[-1], _outcomes(dataset)
    for cutoff in folds(dataset, "dev"):
        past = group_totals(dataset.frame[dataset.frame["ds"] <= cutoff], dataset.groups, freq=dataset.freq)
        fitted = forecaster(kind)(freq=dataset.freq, country=dataset.country, horizon=horizon).fit(past)
        base, variance = fitted.predict(horizon), error_variance(fitted)
        for method in ("none", *METHODS):
            made = base if method == "none" else reconcile(base, dataset.groups, method, variance=variance)
            yield made.merge(outcomes, on=["series_id", "ds"]).assign(method=method)


def table(judged: pd.DataFrame) -> pd.DataFrame:
    """Per level and method: WAPE in %, 80 % and 95 % coverage, 80 % pinball loss."""
    rows = {}
    for (level, method), some in judged.groupby(["level", "method"], sort=False):
        y = some["y"]
        rows[(level, method)] = {
            "wape %": round(100 * wape(y, some["y_hat"]), 2),
            "coverage 80": round(coverage(y, some["lo_80"], some["hi_80"]), 3),
            "coverage 95": round(coverage(y, some["lo_95"], some["hi_95"]), 3),
            "pinball 80 %": round(100 * interval_pinball(y, some["lo_80"], some["hi_80"], 80), 2),
        }
    return pd.DataFrame.from_dict(rows, orient="index").sort_index(level=0, sort_remaining=False)


def _outcomes(dataset: Dataset) -> pd.DataFrame:
    """`series_id, ds, y, level` of the series and of their totals."""
    assert dataset.groups is not None
    frame = group_totals(dataset.frame, dataset.groups, freq=dataset.freq)
    kinds = [column for column in dataset.groups.columns if column != "series_id"]
    of = {f"{kind}={group}": kind for kind in kinds for group in dataset.groups[kind].unique()} | {ALL: ALL}
    return frame.assign(level=frame["series_id"].map(of).fillna("series"))


if __name__ == "__main__":
    main()
