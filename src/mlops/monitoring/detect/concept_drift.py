"""P(y | X): the level and scale of the forecast error, and its product with every numeric feature, day by day."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.arrays import Floats
from mlops.monitoring.detect.signals import ROUNDING, EntityCentres, Signal, daily_means, spread_of
from mlops.monitoring.detect.spec import MonitorRows, MonitorSpec

__all__ = ["ConceptDrift", "fit_concept_drift"]

ERROR_REACH = 4.0  # errors and features are pulled in to so many sigmas: one wild row must not speak for a week
FEATURE_REACH = 3.0
FEWEST_DAYS = 20
"""On which a feature was not at its most common value (or on half of them): with fewer, nothing says how the error goes
with it. Chosen, not measured: the error of a coefficient from 20 days is about a quarter of what a day's is."""
BIAS = Signal("concept", "", "bias", "predictions are {} too low", "predictions are {} too high")
SCALE = Signal("concept", "", "scale", "errors are {} larger than usual", "errors are {} smaller than usual")
USUAL_REACH = 1.2  # times the 99 % quantile of a quiet day, as for every signal (`calibrate`)


@dataclass(frozen=True, slots=True)
class ConceptDrift:
    """What the history says of the errors and features: means, scales, and how far to trust the mean of a day."""

    signals: tuple[Signal, ...]
    centres: EntityCentres
    scale: Floats
    varied: NDArray[np.intp]
    """Places of the features that varied in the history: of the others no coefficient can be known."""
    feature_mean: Floats
    feature_scale: Floats
    reach: Floats
    """How far the mean feature of a quiet day strays: farther out it says nothing of a coefficient."""
    trust_in_days: float

    def daily(self, rows: MonitorRows) -> pd.DataFrame:
        """One row per day, one column per signal: mean error, its scale, error × each feature."""
        error = self.centres.centred(rows.entity, rows.error[:, None]) / self.scale
        error = np.clip(error, -ERROR_REACH, ERROR_REACH)
        features = _standard_features(rows.numeric[:, self.varied], self.feature_mean, self.feature_scale)
        plain = daily_means(rows.day, np.column_stack([error, np.sqrt(np.abs(error))]))
        return pd.concat([plain, _products(rows.day, error, features, self.reach, self.trust_in_days)], axis=1)


def fit_concept_drift(rows: MonitorRows, spec: MonitorSpec) -> ConceptDrift:
    """The reference for the errors; error × feature is the score test for the coefficient of that feature.

    A feature that hardly varied in the history has no such signal.
    """
    centres = EntityCentres.of(rows.entity, rows.error[:, None])
    centred = centres.centred(rows.entity, rows.error[:, None])
    varied = _varied(rows)
    numeric = rows.numeric[:, varied]
    mean = pd.DataFrame(numeric).mean().to_numpy(float)
    scale = spread_of(numeric - mean, mean)
    daily = daily_means(rows.day, _standard_features(numeric, mean, scale))
    return ConceptDrift(
        signals=(BIAS, SCALE, *(_product(spec.numeric[place]) for place in varied)),
        centres=centres,
        scale=spread_of(centred, centres.overall),
        varied=varied,
        feature_mean=mean,
        feature_scale=scale,
        reach=USUAL_REACH * daily.abs().quantile(0.99).to_numpy(float),
        trust_in_days=_trust_in_days(rows.day, centred[:, 0]),
    )


def _products(day: pd.DatetimeIndex, error: Floats, features: Floats, reach: Floats, trust: float) -> pd.DataFrame:
    """The covariance of error and feature within a day, plus the product of their means as far as it is trusted.

    The mean feature counts up to its reach: beyond it every error would look as if it came from the feature.
    """
    mean_error, mean_feature = daily_means(day, error), daily_means(day, features)
    within = (error - mean_error.loc[day].to_numpy()) * (features - mean_feature.loc[day].to_numpy())
    return daily_means(day, within) + trust * mean_feature.clip(-reach, reach, axis=1).mul(mean_error[0], axis=0)


def _standard_features(numeric: Floats, mean: Floats, scale: Floats) -> Floats:
    return np.clip((numeric - mean) / scale, -FEATURE_REACH, FEATURE_REACH)


def _varied(rows: MonitorRows) -> NDArray[np.intp]:
    """Places of the features that were not at their most common value on enough days."""
    days = rows.day.nunique()
    varied = []
    for place, column in enumerate(rows.numeric.T):
        there = np.isfinite(column)
        usual = pd.Series(column[there]).mode().to_numpy(float)[:1]
        off = there & (np.abs(column - usual) > ROUNDING * (1 + np.abs(usual))) if len(usual) else there
        if rows.day[off].nunique() >= min(FEWEST_DAYS, days / 2):
            varied.append(place)
    return np.array(varied, dtype=np.intp)


def _trust_in_days(day: pd.DatetimeIndex, error: Floats) -> float:
    """The weight of a day's mean in generalised least squares: 1 if errors are independent, less if days share one."""
    grouped = pd.Series(error).groupby(day)
    within, between, rows = grouped.var().mean(), grouped.mean().var(), grouped.count().mean()
    trust = within / (rows * between) if between > 0 else 1.0
    return float(min(trust, 1.0)) if np.isfinite(trust) else 1.0


def _product(name: str) -> Signal:
    rises, falls = (f"the error {verb} with {name} {{}} more than in the backtest" for verb in ("rises", "falls"))
    return Signal("concept", name, "product", rises, falls)
