"""How good forecasts were, by one pure function for all, and how sure a ratio of two of them is."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from benchmarks.forecasting.datasets import Dataset

from mlops.domain.forecasts import LEVELS, bias, coverage, interval_pinball, wape

__all__ = ["LOSSES", "Interval", "geometric_mean", "losses", "ratio", "scores", "with_outcomes"]

Floats = npt.NDArray[np.float64]
LOSSES = ("wape", "pinball_80", "pinball_95")
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A ratio of two losses with its 95 % bootstrap interval; `draws` are kept to be averaged over data sets."""

    value: float
    low: float
    high: float
    draws: Floats


def with_outcomes(forecasts: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Forecasts of what was observed, with y, the number of the step and `scale`.

    The scale is the series' mean absolute seasonal difference up to the first cutoff, of which MASE is a multiple.
    """
    step = forecasts.groupby(["series_id", "cutoff"])["ds"].rank(method="first").astype(int)
    joined = forecasts.assign(step=step).merge(dataset.frame, on=["series_id", "ds"])
    return joined.assign(scale=joined["series_id"].map(_scale(dataset, forecasts["cutoff"].min())))


def scores(frame: pd.DataFrame, horizon: int) -> dict[str, float]:
    """Every figure over the steps 1 to `horizon` of a frame `with_outcomes`."""
    frame = frame[frame["step"] <= horizon]
    y, y_hat = frame["y"], frame["y_hat"]
    errors = (y - y_hat).abs() / frame["scale"]
    found = {"wape": wape(y, y_hat), "mase": float(errors.mean()), "bias": bias(y, y_hat)}
    for level in LEVELS:
        lo, hi = frame[f"lo_{level}"], frame[f"hi_{level}"]
        found[f"pinball_{level}"] = interval_pinball(y, lo, hi, level)
        found[f"coverage_{level}"] = coverage(y, lo, hi)
    return found | {"worst_decile_80": _worst_decile(frame), "rows": len(frame)}


def losses(frame: pd.DataFrame, horizon: int) -> dict[str, pd.DataFrame]:
    """Sums of each loss, and of |y| as `size`, per series (rows) and cutoff (columns)."""
    frame = frame[frame["step"] <= horizon]
    y, parts = frame["y"], {"size": frame["y"].abs(), "wape": (frame["y"] - frame["y_hat"]).abs()}
    for level in LEVELS:
        tail = (1 - level / 100) / 2
        low, high = y - frame[f"lo_{level}"], y - frame[f"hi_{level}"]
        below = np.maximum(tail * low, (tail - 1) * low)
        parts[f"pinball_{level}"] = below + np.maximum((1 - tail) * high, -tail * high)
    sums = frame[["series_id", "cutoff"]].assign(**parts).groupby(["series_id", "cutoff"]).sum()
    return {name: sums[name].unstack(fill_value=0.0) for name in parts}


def ratio(ours: pd.DataFrame, theirs: pd.DataFrame, *, seed: int = 0) -> Interval:
    """Our loss over theirs; series and cutoffs are drawn with replacement together, the same for both."""
    mine, other = ours.to_numpy(), theirs.reindex(index=ours.index, columns=ours.columns).to_numpy()
    random = np.random.default_rng(seed)
    series, cutoffs = (
        random.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(float) for count in mine.shape
    )
    sums = [((series @ table) * cutoffs).sum(axis=1) for table in (mine, other)]
    draws = sums[0] / sums[1]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(mine.sum() / other.sum()), float(low), float(high), draws)


def geometric_mean(ratios: list[Interval]) -> Interval:
    """Of ratios on several data sets and horizons, the draws matched by number."""
    draws = np.exp(np.mean([np.log(one.draws) for one in ratios], axis=0))
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(math.exp(np.mean([math.log(one.value) for one in ratios])), float(low), float(high), draws)


def _worst_decile(frame: pd.DataFrame) -> float:
    """Mean 80 % coverage of the tenth of series that are covered worst (of three series: the worst)."""
    inside = (frame["y"] >= frame["lo_80"]) & (frame["y"] <= frame["hi_80"])
    per_series = inside.groupby(frame["series_id"]).mean().sort_values()
    return float(per_series.head(math.ceil(len(per_series) / 10)).mean())


def _scale(dataset: Dataset, until: pd.Timestamp) -> pd.Series:
    past = dataset.frame[dataset.frame["ds"] <= until]
    wide = past.pivot(index="ds", columns="series_id", values="y").asfreq(dataset.freq)
    return (wide - wide.shift(dataset.season)).abs().mean()
