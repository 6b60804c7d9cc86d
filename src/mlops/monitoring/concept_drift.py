"""P(y | X): the level and scale of the forecast error, and its product with every numeric feature, day by day."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.monitoring.channels import Channel, EntityCentres, daily_means, spread_of
from mlops.monitoring.spec import Array, MonitorSpec, Rows

__all__ = ["ConceptDrift", "fit_concept_drift"]

ERROR_REACH = 4.0  # errors and features are pulled in to so many sigmas: one wild row must not speak for a week
FEATURE_REACH = 3.0


@dataclass(frozen=True, slots=True)
class ConceptDrift:
    """What the history says of the errors and features: means, scales, and how far to trust the mean of a day."""

    channels: tuple[Channel, ...]
    centres: EntityCentres
    scale: Array
    feature_mean: Array
    feature_scale: Array
    trust_in_days: float

    def daily(self, rows: Rows) -> pd.DataFrame:
        """One row per day, one column per channel: mean error, its scale, error × each feature."""
        error, features = self._standard(rows)
        plain = daily_means(rows.day, np.column_stack([error, np.sqrt(np.abs(error))]))
        return pd.concat([plain, _products(rows.day, error, features, self.trust_in_days)], axis=1)

    def _standard(self, rows: Rows) -> tuple[Array, Array]:
        error = self.centres.centred(rows.entity, rows.error[:, None]) / self.scale
        features = (rows.numeric - self.feature_mean) / self.feature_scale
        return np.clip(error, -ERROR_REACH, ERROR_REACH), np.clip(features, -FEATURE_REACH, FEATURE_REACH)


def fit_concept_drift(rows: Rows, spec: MonitorSpec) -> ConceptDrift:
    """The reference for the errors; error × feature is the score test for the coefficient of that feature."""
    centres = EntityCentres.of(rows.entity, rows.error[:, None])
    centred = centres.centred(rows.entity, rows.error[:, None])
    mean = pd.DataFrame(rows.numeric).mean().to_numpy(float)
    return ConceptDrift(
        channels=(_bias(), _scale(), *map(_product, spec.numeric)),
        centres=centres,
        scale=spread_of(centred, centres.overall),
        feature_mean=mean,
        feature_scale=spread_of(rows.numeric - mean, mean),
        trust_in_days=_trust_in_days(rows.day, centred[:, 0]),
    )


def _products(day: pd.DatetimeIndex, error: Array, features: Array, trust_in_days: float) -> pd.DataFrame:
    """The covariance of error and feature within a day, plus the product of their means as far as it is trusted."""
    mean_error, mean_feature = daily_means(day, error), daily_means(day, features)
    within = (error - mean_error.loc[day].to_numpy()) * (features - mean_feature.loc[day].to_numpy())
    return daily_means(day, within) + trust_in_days * mean_feature.mul(mean_error[0], axis=0)


def _trust_in_days(day: pd.DatetimeIndex, error: Array) -> float:
    """The weight of a day's mean in generalised least squares: 1 if errors are independent, less if days share one."""
    grouped = pd.Series(error).groupby(day)
    within, between, rows = grouped.var().mean(), grouped.mean().var(), grouped.count().mean()
    trust = within / (rows * between) if between > 0 else 1.0
    return float(min(trust, 1.0)) if np.isfinite(trust) else 1.0


def _bias() -> Channel:
    return Channel("concept", "", "error", "predictions are {} too low", "predictions are {} too high")


def _scale() -> Channel:
    return Channel("concept", "", "error", "errors are {} larger than usual", "errors are {} smaller than usual")


def _product(name: str) -> Channel:
    rises, falls = (f"the error {verb} with {name} {{}} more than in the backtest" for verb in ("rises", "falls"))
    return Channel("concept", name, "product", rises, falls)
