"""The loss to be expected of forecasts whose outcomes are not known yet: a model of the absolute residual. Pure.

A ridge regression of log |residual| on the series, the horizon, the forecast, the width of the interval and the
calendar (Hoerl and Kennard, 1970), brought back from logs by the mean of what it leaves (Duan, 1983). It is trained on
the backtest and cross-fitted by blocks of time: what it says of a day was learned from other months. The features of
the model did not help on real series (docs/benchmarks.md), so it is not given them.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.errors import HistoryTooShort
from mlops.evaluation.paired import Estimate

__all__ = ["LossEstimate", "fit_loss_estimate"]

FOLDS = 5
FEWEST_DAYS = 56
WEEK = 7
RIDGE = 20.0  # rows that the prior, "no effect", counts for
REACH = 4.0  # standard deviations: beyond, a feature says no more
SMALLEST = 0.05  # of the mean residual: a forecast that was right by chance says no more than that


@dataclass(frozen=True, slots=True)
class LossEstimate:
    """A fitted model of the absolute residual, and how far the true loss of a week was from what it had expected.

    `misses` are the logarithms of true over estimated loss of every week of days in the backtest, cross-fitted.
    """

    usual: "pd.Series[float]"
    centre: Floats
    spread: Floats
    weights: Floats
    smearing: float
    misses: Floats

    def rows(self, rows: pd.DataFrame) -> Floats:
        """The expected absolute residual of each row, in the unit of `prediction`; outcomes are not looked at."""
        usual, matrix = _matrix(rows, self.usual)
        standard = np.clip((matrix - self.centre) / self.spread, -REACH, REACH)
        return np.asarray(usual * self.smearing * np.exp(standard @ self.weights[1:] + self.weights[0]))

    def wape(self, rows: pd.DataFrame, confidence: float) -> Estimate:
        """The WAPE to be expected over some rows with its interval: by the misses of the weeks of the backtest.

        `rows` have `series_id, ds, prediction, y_hat, lo_80, hi_80, horizon, holiday`.
        """
        size = np.abs(rows["y_hat"].to_numpy(float))
        scale = size / np.maximum(np.abs(rows["prediction"].to_numpy(float)), 1e-9)
        value = float((self.rows(rows) * scale).sum() / max(float(size.sum()), 1e-9))
        low, high = np.exp(np.quantile(self.misses, [(1 - confidence) / 2, (1 + confidence) / 2]))
        return Estimate(value, value * min(float(low), 1.0), value * max(float(high), 1.0))


def fit_loss_estimate(backtest: pd.DataFrame) -> tuple[LossEstimate, Floats]:
    """The estimate, and what it expects of each row of the backtest itself, cross-fitted (NaN without an outcome).

    `backtest` has what `LossEstimate.wape` reads, and `target`. Raises HistoryTooShort for less than eight weeks.
    """
    known = backtest["target"].notna().to_numpy()
    rows = backtest[known]
    day = np.asarray(rows["ds"].dt.normalize())
    days = len(np.unique(day))
    if days < FEWEST_DAYS:
        raise HistoryTooShort("backtest", days, FEWEST_DAYS)
    size = (rows["target"] - rows["prediction"]).abs().to_numpy(float)
    expected, of_rows = _cross_fitted(rows, size, day), np.full(len(backtest), np.nan)
    whole, bias = _fit(rows, size), float(size.sum() / expected.sum())
    of_rows[known] = expected
    return replace(whole, smearing=whole.smearing * bias, misses=_misses(day, size, expected)), of_rows


def _cross_fitted(rows: pd.DataFrame, size: Floats, day: npt.NDArray[np.datetime64]) -> Floats:
    """What is expected of each row by an estimate that was fitted without its block of time."""
    days = np.unique(day)
    fold, expected = np.searchsorted(days, day) * FOLDS // len(days), np.full(len(rows), np.nan)
    for number in range(FOLDS):
        held = fold == number
        expected[held] = _fit(rows[~held], size[~held]).rows(rows[held])
    return expected


def _fit(rows: pd.DataFrame, size: Floats) -> LossEstimate:
    usual_of = _usual(rows["series_id"], size)
    usual, matrix = _matrix(rows, usual_of)
    centre = matrix.mean(axis=0)
    spread = np.maximum(matrix.std(axis=0), 1e-9)
    standard = np.clip((matrix - centre) / spread, -REACH, REACH)
    ratio = np.maximum(size / usual, SMALLEST)
    design = np.column_stack([np.ones(len(rows)), standard])
    penalty = RIDGE * np.diag([0.0, *np.ones(matrix.shape[1])])
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ np.log(ratio))
    smearing = float(ratio.sum() / np.exp(design @ weights).sum())
    return LossEstimate(usual_of, centre, spread, weights, smearing, np.zeros(1))


def _usual(series: "pd.Series[int]", size: Floats) -> "pd.Series[float]":
    """The mean absolute residual of each series, and of all under the name None for one that is new."""
    by_series = pd.Series(size).groupby(series.to_numpy()).mean()
    return by_series.clip(lower=max(float(size.mean()) * SMALLEST, 1e-12))


def _matrix(rows: pd.DataFrame, usual_of: "pd.Series[float]") -> tuple[Floats, Floats]:
    """The usual residual of each row's series, and what is known of the row before its outcome."""
    usual = rows["series_id"].map(usual_of).fillna(float(usual_of.mean())).to_numpy(float)
    scale = np.abs(rows["prediction"].to_numpy(float)) / np.maximum(np.abs(rows["y_hat"].to_numpy(float)), 1e-9)
    width = (rows["hi_80"] - rows["lo_80"]).to_numpy(float) * scale
    dow = rows["ds"].dt.dayofweek.to_numpy()
    columns = [
        np.log(np.maximum(width / usual, 1e-3)),
        np.log(np.maximum(np.abs(rows["prediction"].to_numpy(float)), 1e-3)),
        np.log(np.maximum(rows["horizon"].to_numpy(float), 1.0)),
        rows["holiday"].to_numpy(float),
        *(dow == day for day in range(1, 7)),
    ]
    return np.asarray(usual), np.asarray(np.nan_to_num(np.column_stack(columns).astype(float)))


def _misses(day: npt.NDArray[np.datetime64], true: Floats, expected: Floats) -> Floats:
    """True over estimated loss, as logarithms, of every seven days in a row: blocks of a moving-block bootstrap."""
    daily = pd.DataFrame({"true": true, "expected": expected}).groupby(day).sum().asfreq("D").fillna(0.0)
    weekly = daily.rolling(WEEK).sum().dropna()
    return np.asarray(np.log((weekly["true"] + 1e-12) / (weekly["expected"] + 1e-12)))
