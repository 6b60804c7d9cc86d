"""By how much intervals are too narrow now, by the conformal scores of the newest outcomes. Pure."""

import numpy as np
import pandas as pd

__all__ = ["widening"]

DAYS, FEWEST_DAYS = 28, 7


def widening(rows: pd.DataFrame, level: int = 80) -> float | None:
    """The factor, 1 or more, that would have let `level` % of the newest four weeks' outcomes into their intervals.

    `rows` have `ds, outcome, y_hat, lo_<level>, hi_<level>`. A score is how far an outcome lies from its forecast, over
    the interval's reach to that side; the factor is their quantile with the correction for a finite sample (Vovk et
    al., 2005; Romano et al., 2019), where a day counts once, as errors of one day go together. None for under a week.
    """
    known = rows.dropna(subset=["outcome", "y_hat", f"lo_{level}", f"hi_{level}"])
    known = known[known["ds"] > known["ds"].max() - pd.Timedelta(days=DAYS)] if len(known) else known
    days = known["ds"].dt.normalize().nunique() if len(known) else 0
    if days < FEWEST_DAYS:
        return None
    short = (known["outcome"] - known["y_hat"]).to_numpy(float)
    above, below = known[f"hi_{level}"] - known["y_hat"], known["y_hat"] - known[f"lo_{level}"]
    reach = np.where(short > 0, above, below).astype(float)
    scores = np.abs(short[reach > 0]) / reach[reach > 0]  # a bound that is cut at zero can't be moved
    if not len(scores):
        return None
    return max(1.0, float(np.quantile(scores, min(level / 100 * (days + 1) / days, 1.0))))
