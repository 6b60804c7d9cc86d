"""Whether a model is worth having: its error beside that of the seasonal naive, and beside the backtest's."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from mlops.arrays import Floats
from mlops.domain.findings import Finding
from mlops.evaluation import paired
from mlops.evaluation.paired import Estimate

__all__ = ["against_backtest", "against_naive", "without_hard_weeks"]

DAYS, BLOCK, FEWEST_DAYS = 28, 7, 14
RESAMPLES = 400
CHECKS_PER_YEAR = 52
USUAL = 0.9  # of the backtest's weeks: so far above the naive a model may be without being to blame
FEWEST_WEEKS = 8
BLAMED = frozenset({"", "collapse"})


def against_naive(rows: pd.DataFrame, alarms_per_year: float) -> Finding:
    """Drifted when the model did worse than the naive over the newest four weeks, beyond chance.

    `rows` have `ds, outcome, y_hat, naive`. Chance is the deviation of the mean daily difference under a moving-block
    bootstrap by weeks (Künsch, 1989), because errors of neighbouring days go together. Checks four weeks long overlap,
    so the budget is spent slowly.
    """
    limit = float(stats.norm.isf(alarms_per_year / CHECKS_PER_YEAR))
    judged = rows.dropna(subset=["outcome", "naive"])
    judged = judged[judged["ds"] > judged["ds"].max() - pd.Timedelta(days=DAYS)] if len(judged) else judged
    ours, theirs = (
        (judged["outcome"] - judged[name]).abs().groupby(judged["ds"]).sum().to_numpy(float)
        for name in ("y_hat", "naive")
    )
    if len(ours) < FEWEST_DAYS:
        return Finding("performance", "naive", math.nan, limit, False, "not judged: too few outcomes are known")
    statistic = float((ours - theirs).mean() / max(_deviation(ours - theirs), 1e-9))
    share = ours.sum() / max(theirs.sum(), 1e-9)
    detail = f"over the last {len(ours)} days the error is {share:.2f} times that of the seasonal naive"
    return Finding("performance", "naive", statistic, limit, statistic > limit, detail)


def against_backtest(baseline: pd.DataFrame, rows: pd.DataFrame, confidence: float) -> Estimate | None:
    """How many times the backtest's loss on the same weekdays and holidays the loss of the newest four weeks is.

    Frames have `series_id, ds, outcome, y_hat, holiday`. The interval is that of a block bootstrap over days; None
    where fewer than 14 days have outcomes. Above 1 as a whole, the loss is larger beyond chance.
    """
    judged = _newest(rows, DAYS)
    daily = pd.DataFrame({"loss": _loss(judged, "y_hat"), "expected": _expected(baseline, judged, "y_hat")})
    daily = daily.groupby(judged["ds"].dt.normalize()).sum()
    if len(daily) < FEWEST_DAYS:
        return None
    return paired.ratio_of_sums(daily["loss"].to_numpy(float), daily["expected"].to_numpy(float), confidence)


def without_hard_weeks(found: tuple[Finding, ...], baseline: pd.DataFrame, rows: pd.DataFrame) -> tuple[Finding, ...]:
    """The findings, of which none blames a model for a week that was as hard for the naive (a storm, a holiday).

    A larger loss is no drift of performance while it is to the naive's loss as in the backtest: the ratio of the two,
    each over its own backtest on the same calendar, is inside what nine in ten of the backtest's weeks had. That the
    errors lean to one side, or leave the intervals, is for other findings. Frames also have `naive`.
    """
    blamed = [one for one in found if one.drifted and one.kind == "performance" and one.subject in BLAMED]
    if not blamed or "naive" not in baseline:
        return found
    newest = _newest(rows.dropna(subset=["naive"]), BLOCK)
    usual = _usual_ratio(baseline)
    if newest.empty or math.isnan(usual):
        return found
    ours, theirs = _times(baseline, newest, "y_hat"), _times(baseline, newest, "naive")
    if not ours / max(theirs, 1e-9) <= usual:
        return found
    why = f"the week was as hard for the seasonal naive, whose loss is {theirs:.1f} times its usual: "
    return tuple(replace(one, drifted=False, detail=why + one.detail) if one in blamed else one for one in found)


def _usual_ratio(baseline: pd.DataFrame) -> float:
    """What nine in ten weeks of the backtest stay below: our loss over the naive's, each over its usual."""
    known = baseline.dropna(subset=["outcome", "naive"])
    number = (known["ds"].max() - known["ds"]).dt.days // BLOCK
    losses = {name: _loss(known, name).groupby(number).sum() for name in ("y_hat", "naive")}
    usual = {name: _expected(baseline, known, name).groupby(number).sum() for name in losses}
    ratios = (losses["y_hat"] / usual["y_hat"]) / (losses["naive"] / usual["naive"]).clip(lower=1e-9)
    return float(ratios.quantile(USUAL)) if len(ratios) >= FEWEST_WEEKS else math.nan


def _times(baseline: pd.DataFrame, rows: pd.DataFrame, name: str) -> float:
    return float(_loss(rows, name).sum() / max(float(_expected(baseline, rows, name).sum()), 1e-9))


def _expected(baseline: pd.DataFrame, rows: pd.DataFrame, name: str) -> "pd.Series[float]":
    """The mean loss in the backtest of each row's series, as much larger or smaller as its kind of day is."""
    known = baseline.dropna(subset=["outcome", name])
    loss = _loss(known, name)
    by_series = loss.groupby(known["series_id"]).mean()
    relative = loss / known["series_id"].map(by_series).clip(lower=1e-12)
    by_day = relative.groupby(_kind_of_day(known)).mean()
    usual = rows["series_id"].map(by_series).fillna(float(by_series.mean()))
    return usual * _kind_of_day(rows).map(by_day).fillna(1.0)


def _kind_of_day(rows: pd.DataFrame) -> "pd.Series[int]":
    """The weekday; a holiday is a kind of its own."""
    days: pd.Series[int] = rows["ds"].dt.dayofweek
    return days.where(~rows["holiday"].astype(bool), 7)


def _loss(rows: pd.DataFrame, name: str) -> "pd.Series[float]":
    return (rows["outcome"] - rows[name]).abs()


def _newest(rows: pd.DataFrame, days: int) -> pd.DataFrame:
    judged = rows.dropna(subset=["outcome"])
    return judged[judged["ds"] > judged["ds"].max() - pd.Timedelta(days=days)] if len(judged) else judged


def _deviation(daily: Floats) -> float:
    """Of the mean, by resampling blocks of days."""
    random = np.random.default_rng(0)
    starts = random.integers(0, len(daily) - BLOCK + 1, (RESAMPLES, -(-len(daily) // BLOCK)))
    blocks = daily[starts[..., None] + np.arange(BLOCK)].reshape(RESAMPLES, -1)[:, : len(daily)]
    return float(blocks.mean(axis=1).std())
