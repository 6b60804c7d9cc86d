"""The absolute error against what the backtest promised for the same calendar, and beside the seasonal naive's."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from mlops.arrays import Floats
from mlops.domain.findings import Finding, Movement
from mlops.evaluation import paired
from mlops.evaluation.paired import Estimate
from mlops.monitoring.detect.calendar_fit import WEEK, ordinary, weeks_back
from mlops.monitoring.detect.signals import EntityCentres, Signal, daily_means
from mlops.monitoring.detect.spec import MonitorRows

__all__ = ["PerformanceDrift", "against_backtest", "against_naive", "fit_performance_drift", "without_hard_weeks"]

COLLAPSE = 1.5  # times the worst such week of the backtest: no budget is needed for what never came near
FEWEST_LABELS = 5


@dataclass(frozen=True, slots=True)
class PerformanceDrift:
    """The mean absolute error of the backtest, by entity and in all, and its worst weeks as multiples of that.

    Of all weeks, and of those without a holiday, which one without a holiday is held against.
    """

    signals: tuple[Signal, ...]
    centres: EntityCentres
    mean_absolute_error: float
    worst_week: float
    worst_ordinary_week: float

    def daily(self, rows: MonitorRows) -> pd.DataFrame:
        """One row per day: the absolute error above its entity's mean, as a part of the backtest's mean."""
        excess = self.centres.centred(rows.entity, np.abs(rows.error)[:, None])
        return daily_means(rows.day, excess / self.mean_absolute_error)

    def collapse(self, rows: MonitorRows) -> Finding:
        """Whether the error is far beyond any such week of the backtest; the signals need longer to say so."""
        size = np.abs(rows.error[np.isfinite(rows.error)])
        times = float(size.mean() / self.mean_absolute_error) if len(size) >= FEWEST_LABELS else math.nan
        worst, which = (self.worst_week, "") if rows.holiday.any() else (self.worst_ordinary_week, " without a holiday")
        limit = COLLAPSE * worst
        detail = f"the week's absolute error is {times:.1f} times the backtest's; its worst week{which} had {worst:.1f}"
        if math.isnan(times):
            detail = "not judged: too few outcomes are known"
        movement = Movement("loss", rose=True, days=WEEK)
        return Finding("performance", "collapse", times, limit, times > limit, detail, movement=movement)


def fit_performance_drift(rows: MonitorRows) -> PerformanceDrift:
    """The reference for the absolute error."""
    size = np.abs(rows.error)
    mean = float(size[np.isfinite(size)].mean()) if np.isfinite(size).any() else np.nan
    words = "the absolute error is {} above the backtest's", "the absolute error is {} below the backtest's"
    signal = Signal("performance", "", "loss", *words)
    usual = ordinary(rows.day, rows.holiday)
    worst, worst_ordinary = (_worst_week(rows.day[kept], size[kept]) / (mean + 1e-9) for kept in (usual | True, usual))
    centres = EntityCentres.of(rows.entity, size[:, None])
    return PerformanceDrift((signal,), centres, mean + 1e-9, worst, worst_ordinary)


def _worst_week(day: pd.DatetimeIndex, size: Floats) -> float:
    """The largest mean of a week; infinite where nothing is known."""
    weekly = pd.Series(size).groupby(weeks_back(day)).mean()
    return float(weekly.max()) if weekly.notna().any() else math.inf


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
    blamed = [
        finding for finding in found if finding.drifted and finding.kind == "performance" and finding.subject in BLAMED
    ]
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
    return tuple(
        replace(finding, drifted=False, detail=why + finding.detail) if finding in blamed else finding
        for finding in found
    )


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
