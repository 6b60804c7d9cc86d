"""Split-conformal intervals from errors that the model made on data it had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mlops.forecasting.panel import Floats, Panel

__all__ = ["Conformal"]

GRID = np.linspace(0, 1, 201)
PSEUDO = 30  # a series counts for itself as much as for the pool when it has this many errors of its own


@dataclass(frozen=True, slots=True)
class Conformal:
    """Half-widths relative to a series' recent level, by series and coverage, and how they grow with the step.

    Absolute errors as scores (Lei et al., 2018), each series' quantiles shrunk towards those of all series.
    """

    ids: pd.Index
    widths: Floats
    pooled: Floats
    growth: Floats
    lower_limit: float | None

    @classmethod
    def of(cls, ids: pd.Index, errors: Floats, *, lower_limit: float | None) -> "Conformal":
        """From errors over level, shaped origins × series × steps, NaN where there was no outcome."""
        size = np.abs(errors)
        growth = _growth(size)
        scores = (size / growth).transpose(1, 0, 2).reshape(len(ids), -1)
        pooled = _quantiles(scores.reshape(1, -1))[0]
        count = (~np.isnan(scores)).sum(axis=1, keepdims=True)
        own = np.where(count > 0, _quantiles(scores), pooled)
        weight = count / (count + PSEUDO)
        return cls(ids, weight * own + (1 - weight) * pooled, pooled, growth, lower_limit)

    def bounds(self, panel: Panel, y_hat: Floats, levels: Sequence[int]) -> dict[str, Floats]:
        """`lo_<level>` and `hi_<level>` for point forecasts from the end of `panel`; wider for higher levels."""
        row = self.ids.get_indexer(panel.ids)
        widths = np.where(row[:, None] >= 0, self.widths[row], self.pooled)
        scale = panel.level()[:, None] * self.growth[: y_hat.shape[1]]
        found: dict[str, Floats] = {}
        for level in levels:
            half = np.array([np.interp(level / 100, GRID, width) for width in widths])[:, None] * scale
            lower = y_hat - half
            if self.lower_limit is not None:
                lower = np.minimum(np.maximum(lower, self.lower_limit), y_hat)
            found |= {f"lo_{level}": lower, f"hi_{level}": y_hat + half}
        return found

    def save(self, folder: Path) -> None:
        """Write plain arrays and the ids."""
        limit = np.nan if self.lower_limit is None else self.lower_limit
        np.savez(folder / "intervals.npz", widths=self.widths, pooled=self.pooled, growth=self.growth, limit=limit)
        self.ids.to_frame(name="series_id").to_parquet(folder / "intervals.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> "Conformal":
        """Read what `save` wrote; never unpickles."""
        with np.load(folder / "intervals.npz", allow_pickle=False) as arrays:
            ids = pd.Index(pd.read_parquet(folder / "intervals.parquet")["series_id"])
            limit = float(arrays["limit"])
            return cls(ids, arrays["widths"], arrays["pooled"], arrays["growth"], None if np.isnan(limit) else limit)


def _growth(size: Floats) -> Floats:
    """Mean error by step over its overall mean: never falling, and level where nothing was seen."""
    steps = pd.DataFrame(size.reshape(-1, size.shape[2]))
    by_step = steps.mean().rolling(7, min_periods=1, center=True).mean().ffill().fillna(1.0).to_numpy()
    rising = np.maximum.accumulate(np.maximum(by_step, 1e-9))
    return np.asarray(rising / rising.mean())


def _quantiles(scores: Floats) -> Floats:
    """Quantiles of each row on GRID, with the finite-sample correction (n + 1) / n."""
    found = np.zeros((len(scores), len(GRID)))
    for row, values in enumerate(scores):
        seen = values[~np.isnan(values)]
        if len(seen):
            found[row] = np.quantile(seen, np.minimum(GRID * (len(seen) + 1) / len(seen), 1.0))
    return found
