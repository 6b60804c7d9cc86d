"""How good the loss is that is estimated before outcomes come: `python benchmarks/monitoring/loss_estimate.py`.

LightGBM forecasts real series from weekly origins: 20 weeks are the backtest that the estimate is trained on, the weeks
after them are use. Of every week of use the estimated WAPE is held against the true one, for forecasts of the week
ahead and for those from three weeks before, beside the constant "as in the backtest": correlation, bias (estimated over
true, less 1), mean absolute error, and the share of weeks inside the 90 % interval.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "forecasting"))
import datasets

from mlops.domain.forecasts import wape
from mlops.evaluation.backtest import backtest
from mlops.monitoring.detect.loss_estimate import fit_loss_estimate
from mlops.panels.calendar import Calendar

SUBJECTS = {
    "auckland 2024-25": ("auckland", "2025-06-01"),
    "auckland 2020": ("auckland", "2021-01-01"),
    "nn5": ("nn5", None),
    "austin 2014-15": ("austin_streams", "2016-01-01"),
}
TRAINED, USED, HORIZON = 20, 52, 28
FEWEST = 10  # outcomes of a week


def forecasts(data: datasets.Dataset, observed: pd.DataFrame) -> pd.DataFrame:
    """Backtest and use, from weekly origins, refitted every twelve weeks."""
    index = pd.date_range(observed["ds"].min(), observed["ds"].max(), freq=data.freq)
    cutoffs = [index[len(index) - 1 - data.season * back] for back in range(TRAINED + USED, 0, -1)]
    params = {"horizon": HORIZON, "country": data.country, "freq": data.freq}
    return backtest("lightgbm", params, observed, cutoffs, HORIZON, refit_every=12)


def scaled(rows: pd.DataFrame, size: "pd.Series[float]", data: datasets.Dataset) -> pd.DataFrame:
    scale = rows["series_id"].map(size)
    holiday = Calendar.of(data.country).count(pd.DatetimeIndex(rows["ds"]), data.freq) > 0
    rows = rows.assign(target=rows["y"] / scale, prediction=rows["y_hat"] / scale, holiday=holiday)
    return rows.reset_index(drop=True)


def weeks(rows: pd.DataFrame) -> list[pd.DataFrame]:
    known = rows.dropna(subset=["y"])
    parts = [part for _, part in known.groupby((known["ds"] - known["ds"].min()).dt.days // 7)]
    return [part for part in parts if len(part) >= FEWEST]


def judge(name: str, found: pd.DataFrame, data: datasets.Dataset) -> None:
    found = found.rename(columns={"step": "horizon"})
    cutoffs = np.sort(found["cutoff"].unique())
    first = found[(found["cutoff"] <= cutoffs[TRAINED - 1]) & (found["ds"] <= cutoffs[TRAINED])]
    use = found[found["cutoff"] >= cutoffs[TRAINED]]
    size = first.groupby("series_id")["y"].mean().abs()
    first, use = (scaled(rows, size, data) for rows in (first, use))
    estimate, _ = fit_loss_estimate(first)
    for words, ahead in (("week ahead", (1, 7)), ("three weeks old", (22, 28))):
        window = (
            use[use["horizon"].between(*ahead)].sort_values("cutoff").drop_duplicates(["series_id", "ds"], keep="last")
        )
        promised = first[first["horizon"].between(1, data.season)]
        constant = wape(promised["y"], promised["y_hat"])
        told = [(wape(week["y"], week["y_hat"]), estimate.wape(week, 0.9)) for week in weeks(window)]
        true, said = np.array([one for one, _ in told]), np.array([one.value for _, one in told])
        inside = np.mean([guess.low <= one <= guess.high for one, guess in told])
        print(
            f"{name:17} {words:15} {len(told):3} weeks: correlation {np.corrcoef(true, said)[0, 1]:+.2f},"
            f" bias {said.mean() / true.mean() - 1:+.0%} (constant {constant / true.mean() - 1:+.0%}),"
            f" error {np.abs(said - true).mean():.4f} (constant {np.abs(constant - true).mean():.4f}),"
            f" inside {inside:.0%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="a folder in which forecasts are kept")
    cache = parser.parse_args().cache
    for name, (source, end) in SUBJECTS.items():
        data = datasets.load(source)
        observed = data.frame if end is None else data.frame[data.frame["ds"] < end]
        path = cache / f"{name.replace(' ', '_')}.parquet" if cache else None
        if path is not None and path.exists():
            found = pd.read_parquet(path)
        else:
            found = forecasts(data, observed)
            if path is not None:
                found.to_parquet(path)
        judge(name, found, data)


if __name__ == "__main__":
    main()
