"""Conformal intervals from a tape: how far outcomes fell from forecasts that had not seen them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.forecasting.panel import Floats, Panel
from mlops.forecasting.tape import Tape

__all__ = ["Intervals"]

GRID = np.concatenate([[0.0, 0.005], np.linspace(0.01, 0.99, 99), [0.995, 1.0]])
SCALE_PRIOR = 20  # errors that the common scale counts for in that of a series
PLACE_PRIOR = 15  # … in that of a place in the cycle
SHAPE_PRIOR = 150  # … in the quantiles of a series
NEWEST = 2  # cycles that say whether forecasts are failing now
TOLERATED = 1.15  # errors that are larger than usual by this factor are no shock


@dataclass(frozen=True, slots=True)
class Intervals:
    """Errors are a scale times a quantile (normalised split-conformal; Papadopoulos et al., 2008).

    The scale is a series' own, by step ahead and by place in the cycle; the quantiles are signed, so the two sides may
    differ. Whatever a series has too few errors for is shrunk towards all series. When the newest outcomes fell farther
    out than usual, the scale grows by as much.
    """

    scale: Floats
    """Series × places: mean absolute error over the level."""
    growth: Floats
    """By step ahead, around 1."""
    quantiles: Floats
    """Series × GRID, of the error over its scale."""
    shock: Floats
    """By series, 1 when nothing has happened."""
    lower_limit: float | None

    @classmethod
    def of(cls, tape: Tape, panel: Panel, *, never_negative: bool) -> "Intervals":
        """From a tape, for the series of `panel`."""
        tape = tape.of(panel.ids)
        errors = tape.errors.astype(float)
        places = _places(tape, panel)
        size = np.abs(errors)
        growth = _growth(size)
        scale = _scale(size / growth, places, panel.season.cycle)
        ratio = errors / (scale[:, places].transpose(1, 0, 2) * growth)
        shock = _shock(np.abs(ratio), panel.season.cycle, panel.season.every)
        return cls(scale, growth, _quantiles(ratio), shock, 0.0 if never_negative else None)

    def bounds(self, panel: Panel, y_hat: Floats, levels: Sequence[int]) -> dict[str, Floats]:
        """`lo_<level>` and `hi_<level>` for point forecasts from the end of `panel`; wider for higher levels."""
        horizon = y_hat.shape[1]
        places = panel.places(panel.future(horizon))
        scale = (panel.level() * self.shock)[:, None] * self.scale[:, places] * self.growth[:horizon]
        found: dict[str, Floats] = {}
        for level in levels:
            tail = (1 - level / 100) / 2
            low, high = (np.array([np.interp(p, GRID, row) for row in self.quantiles]) for p in (tail, 1 - tail))
            lower, upper = y_hat + np.minimum(low, 0)[:, None] * scale, y_hat + np.maximum(high, 0)[:, None] * scale
            if self.lower_limit is not None:
                lower = np.minimum(np.maximum(lower, self.lower_limit), y_hat)
            found |= {f"lo_{level}": lower, f"hi_{level}": upper}
        return found


def _places(tape: Tape, panel: Panel) -> npt.NDArray[np.int64]:
    """The place in the cycle of each origin's targets (origins × steps)."""
    steps = tape.y.shape[2]
    ahead = [pd.date_range(origin, periods=steps + 1, freq=panel.freq)[1:] for origin in tape.origins]
    return np.stack([panel.places(index) for index in ahead])


def _growth(size: Floats) -> Floats:
    """Mean error by step over its overall mean: never falling, and level where nothing was seen."""
    steps = pd.DataFrame(size.reshape(-1, size.shape[2]))
    by_step = steps.mean().rolling(7, min_periods=1, center=True).mean().ffill().fillna(1.0).to_numpy()
    rising = np.maximum.accumulate(np.maximum(by_step, 1e-9))
    return np.asarray(rising / rising.mean())


def _scale(size: Floats, places: npt.NDArray[np.int64], kinds: int) -> Floats:
    """Mean size by series and place: the series' own against the pool, and its places against its own mean."""
    seen = ~np.isnan(size)
    known = np.where(seen, size, 0.0)
    total, count = known.sum(axis=(0, 2)), seen.sum(axis=(0, 2))
    pool = np.exp(_mean(np.log(np.maximum(total, 1e-12) / np.maximum(count, 1)), count > 0))
    own = (total + SCALE_PRIOR * pool) / (count + SCALE_PRIOR)
    at = np.zeros((len(own), kinds))
    number = np.zeros((len(own), kinds))
    for place in range(kinds):
        here = places == place
        at[:, place] = np.einsum("osh,oh->s", known, here)
        number[:, place] = np.einsum("osh,oh->s", seen.astype(float), here)
    relative = at / own[:, None]
    common = relative.sum(axis=0) / np.maximum(number.sum(axis=0), 1)
    common = np.where(number.sum(axis=0) > 0, common, 1.0)
    factor = (relative + PLACE_PRIOR * common) / (number + PLACE_PRIOR)
    return np.asarray(np.maximum(own[:, None] * factor, 1e-9))


def _quantiles(ratio: Floats) -> Floats:
    """Signed quantiles on GRID by series, shrunk towards those of all; with (n + 1) / n for the finite sample."""
    scores = ratio.transpose(1, 0, 2).reshape(ratio.shape[1], -1)
    count = (~np.isnan(scores)).sum(axis=1)
    if not count.any():
        return np.tile(np.linspace(-1, 1, len(GRID)), (len(scores), 1))
    pooled = _by_row(scores.reshape(1, -1))
    own = np.where(count[:, None] > 0, _by_row(scores), pooled)
    weight = (count / (count + SHAPE_PRIOR))[:, None]
    return np.asarray(weight * own + (1 - weight) * pooled)


def _by_row(scores: Floats) -> Floats:
    """Quantiles of each row on GRID, of what is not missing."""
    ordered = np.sort(scores, axis=1)
    count = (~np.isnan(scores)).sum(axis=1)[:, None]
    outer = np.clip(0.5 + (GRID - 0.5) * (count + 1) / np.maximum(count, 1), 0, 1)
    place = outer * np.maximum(count - 1, 0)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below, above = np.take_along_axis(ordered, low, 1), np.take_along_axis(ordered, high, 1)
    return np.asarray(below + (place - low) * (above - below))


def _shock(size: Floats, cycle: int, every: int) -> Floats:
    """How much larger the newest errors are than usual, by series, shrunk towards all; at least 1."""
    origins = size.shape[0]
    back = max(1, -(-NEWEST * cycle // every))
    recent = np.full_like(size[-back:], np.nan)
    for row in range(recent.shape[0]):
        reach = (recent.shape[0] - row) * every
        recent[row, :, :reach] = size[origins - recent.shape[0] + row, :, :reach]
    seen = ~np.isnan(recent)
    total, count = np.where(seen, recent, 0).sum(axis=(0, 2)), seen.sum(axis=(0, 2))
    if not count.any():
        return np.ones(size.shape[1])
    common = total.sum() / count.sum()
    own = (total + SCALE_PRIOR * common) / (count + SCALE_PRIOR)
    return np.where(own > TOLERATED, own / TOLERATED, 1.0)


def _mean(values: Floats, where: npt.NDArray[np.bool_]) -> float:
    return float(values[where].mean()) if where.any() else 0.0
