"""Whether a model is worth having: its error beside that of the seasonal naive on the same days."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from mlops.domain.findings import Finding
from mlops.monitoring.spec import Array

__all__ = ["against_naive"]

DAYS, BLOCK, FEWEST_DAYS = 28, 7, 14
RESAMPLES = 400
CHECKS_PER_YEAR = 52
BUDGET = 0.25  # of the yearly false alarms; checks four weeks long overlap, so this is spent slowly


def against_naive(rows: pd.DataFrame, alarms_per_year: float) -> Finding:
    """Drifted when the model did worse than the naive over the newest four weeks, beyond chance.

    `rows` have `ds, outcome, y_hat, naive`. Chance is the deviation of the mean daily difference under a moving-block
    bootstrap by weeks (Künsch, 1989), because errors of neighbouring days go together.
    """
    limit = float(stats.norm.isf(alarms_per_year * BUDGET / CHECKS_PER_YEAR))
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


def _deviation(daily: Array) -> float:
    """Of the mean, by resampling blocks of days."""
    random = np.random.default_rng(0)
    starts = random.integers(0, len(daily) - BLOCK + 1, (RESAMPLES, -(-len(daily) // BLOCK)))
    blocks = daily[starts[..., None] + np.arange(BLOCK)].reshape(RESAMPLES, -1)[:, : len(daily)]
    return float(blocks.mean(axis=1).std())
