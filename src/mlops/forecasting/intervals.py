"""Conformal intervals from the errors of past forecasts, and how far its history lets the forecasts of a series go."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.forecasting.out_of_sample import OutOfSample
from mlops.panels.panel import Panel

__all__ = ["Intervals", "limits", "within"]

GRID = np.concatenate([[0.0, 0.005], np.linspace(0.01, 0.99, 99), [0.995, 1.0]])
"""Probabilities of the quantiles that are kept; bounds are interpolated between them."""
# The priors and INDEPENDENT were chosen by pinball loss on the five origins before the reported ones of four public
# data sets (docs/decisions/0010).
SCALE_PRIOR = 40
"""Errors that the common scale counts for in that of a series."""
PLACE_PRIOR = 120
"""Errors that the common shape of the cycle counts for in that of a series."""
HALF_LIFE = 8
"""Origins after which an error counts half in the scale. Chosen, not measured."""
INDEPENDENT = 60
"""Errors overlap and resemble each other: their quantiles are those of a sample of so many."""
NEWEST = 2
"""Cycles by which forecasts are found to be failing now. Chosen, not measured."""
TOLERATED = 2.0
"""Times the usual errors up to which the newest ones are no shock. Chosen, not measured."""
STILL = 0.1
"""Of its largest absolute value: how far a series may move that hardly ever has. Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Errors are a scale times a quantile (normalised split-conformal; Papadopoulos et al., 2008).

    The scale is a series' own, by step ahead and by place in the cycle, shrunk towards all series where it has few
    errors, and grows with a power of the forecast; the quantiles are signed, so the two sides may differ. Each error is
    measured by the scale of the errors from all other origins, so that the quantiles cover what the scale misses. When
    the newest outcomes fell far outside of what was usual, the scale grows by as much.

    Scale, step, forecast and shock multiply, and their quantiles are those of all series: a series that was once a
    hundred times its usual size could get bounds that nothing in it has ever come near. So no bound lies beyond
    what the series' own history supports (`limits`), unless the forecast itself does.
    """

    scale: Floats
    """Series × places: mean absolute error over the level."""
    growth: Floats
    """By step ahead, around 1."""
    power: float
    """Of the forecast over the level: 0 where large forecasts err like small ones, 1 where in proportion."""
    quantiles: Floats
    """On GRID, of the error over its scale."""
    shock: Floats
    """By series, 1 when nothing has happened."""
    never_negative: npt.NDArray[np.bool_]
    """By series: no bound is below zero."""

    @classmethod
    def of(
        cls,
        out_of_sample: OutOfSample,
        panel: Panel,
        *,
        never_negative: npt.NDArray[np.bool_],
        independent: int = INDEPENDENT,
    ) -> "Intervals":
        """From past forecasts, for the series of `panel`; quantiles as of a sample of so many `independent` errors."""
        out_of_sample = out_of_sample.of(panel.ids)
        errors, cycle = out_of_sample.errors, panel.granularity.block
        steps, positions = out_of_sample.y.shape[2], out_of_sample.positions
        reach = panel.granularity.after(out_of_sample.origins[0].to_datetime64(), int(positions[-1]) + steps)
        # the place in the cycle of each origin's targets (origins × steps)
        places = np.asarray(panel.places(pd.DatetimeIndex(reach))[positions[:, None] + np.arange(steps)])
        growth = _growth(np.abs(errors))
        size = np.abs(errors) / growth
        ratio = np.full(errors.shape, np.nan)
        for origin, at in enumerate(places):
            others = np.where((np.arange(len(size)) == origin)[:, None, None], np.nan, size)
            ratio[origin] = errors[origin] / (_scale(others, places, cycle)[:, at] * growth)
        relative = _relative(out_of_sample.y_hat, out_of_sample.level[:, :, None])
        power = _power(ratio, relative)
        scale = _scale(size, places, cycle)
        shock = _shock(size / scale[:, places].transpose(1, 0, 2), cycle, panel.granularity.every)
        return cls(scale, growth, power, _quantiles(ratio / relative**power, independent), shock, never_negative)

    def bounds(self, panel: Panel, y_hat: Floats, levels: Sequence[int]) -> dict[str, Floats]:
        """`lo_<level>` and `hi_<level>` for point forecasts from the end of `panel`; wider for higher levels."""
        horizon = y_hat.shape[1]
        places = panel.places(panel.future(horizon))
        level = panel.level()
        smallest = level[level > 0].min() if (level > 0).any() else 1.0  # of the others, for a series that has none
        base = np.where(level > 0, level, smallest)[:, None]
        scale = base * self.shock[:, None] * self.scale[:, places] * self.growth[:horizon]
        scale = scale * _relative(y_hat, base) ** self.power
        lowest, highest = limits(panel)
        lowest, highest = np.minimum(lowest, y_hat), np.maximum(highest, y_hat)
        bounds: dict[str, Floats] = {}
        for percent in levels:
            tail = (1 - percent / 100) / 2
            low, high = np.interp([tail, 1 - tail], GRID, self.quantiles)
            lower, upper = y_hat + min(low, 0.0) * scale, y_hat + max(high, 0.0) * scale
            lower = np.where(self.never_negative[:, None], np.minimum(np.maximum(lower, 0.0), y_hat), lower)
            bounds |= {f"lo_{percent}": np.maximum(lower, lowest), f"hi_{percent}": np.minimum(upper, highest)}
        return bounds


def limits(panel: Panel) -> tuple[Floats, Floats]:
    """The lowest and the highest plausible value of each series (series × 1 each).

    They are the extremes of its history, farther out by the distance between them: the largest move that the series has
    ever made, over any number of steps. What hardly moves may move by STILL; of a short series (`Panel.short`), whose
    range is not known yet, it is its largest absolute value. A series that was never below zero does not fall below it.
    Other series have no part in it. A series without a value has no limits (infinite).
    """
    y = panel.y
    lowest, highest = (extreme(y, axis=1, initial=np.nan)[:, None] for extreme in (np.fmin.reduce, np.fmax.reduce))
    largest = np.maximum(np.abs(lowest), np.abs(highest))
    move = np.where(panel.short[:, None], largest, np.maximum(highest - lowest, STILL * largest))
    below = np.where(panel.never_negative[:, None], np.maximum(lowest - move, 0.0), lowest - move)
    return np.where(np.isnan(below), -np.inf, below), np.where(np.isnan(highest), np.inf, highest + move)


def within(y_hat: npt.NDArray[np.floating], panel: Panel) -> Floats:
    """Forecasts (series × steps) within the limits of their series; NaN stays."""
    lowest, highest = limits(panel)
    return np.asarray(np.clip(y_hat, lowest, highest), dtype=float)


def _growth(size: Floats) -> Floats:
    """Mean error by step over its overall mean: never falling, and level where nothing was seen."""
    steps = pd.DataFrame(size.reshape(-1, size.shape[2]))
    by_step = steps.mean().rolling(7, min_periods=1, center=True).mean().ffill().fillna(1.0).to_numpy()
    rising = np.maximum.accumulate(np.maximum(by_step, 1e-9))
    return np.asarray(rising / rising.mean())


def _scale(size: Floats, places: npt.NDArray[np.int64], kinds: int) -> Floats:
    """Mean size by series and place: the series' own against the pool, and its places against its own mean."""
    seen = np.where(np.isnan(size), 0.0, 0.5 ** (np.arange(len(size))[::-1, None, None] / HALF_LIFE))
    known = np.where(seen > 0, size, 0.0) * seen
    total, count = known.sum(axis=(0, 2)), seen.sum(axis=(0, 2))
    observed = (count > 0) & (total > 0)
    pool = np.exp(np.mean(np.log(total[observed] / count[observed]))) if observed.any() else 1.0
    own = (total + SCALE_PRIOR * pool) / (count + SCALE_PRIOR)
    here = places[:, :, None] == np.arange(kinds)
    relative = np.einsum("osh,ohp->sp", known, here, optimize=True) / own[:, None]
    number = np.einsum("osh,ohp->sp", seen, here, optimize=True)
    common = np.where(number.sum(axis=0) > 0, relative.sum(axis=0) / np.maximum(number.sum(axis=0), 1e-9), 1.0)
    factor = (relative + PLACE_PRIOR * common) / (number + PLACE_PRIOR)
    return np.asarray(np.maximum(own[:, None] * factor, 1e-9))


def _relative(y_hat: npt.NDArray[np.floating], level: npt.NDArray[np.floating]) -> Floats:
    """Forecasts over the level, within bounds that no power makes extreme."""
    return np.asarray(np.clip(np.abs(y_hat.astype(float)) / np.maximum(level.astype(float), 1e-300), 0.05, 20.0))


def _power(ratio: Floats, relative: Floats) -> float:
    """How the size of errors grows with the forecast: the slope of logarithms, between 0 and 1."""
    seen = ~np.isnan(ratio) & ~np.isnan(relative)
    x, y = np.log(relative[seen]), np.log(np.abs(ratio[seen]) + 0.05)
    spread = ((x - x.mean()) ** 2).sum() if len(x) else 0.0
    slope = ((x - x.mean()) * y).sum() / (spread + 1e-3 * len(x)) if len(x) else 0.0
    return float(np.clip(slope, 0.0, 1.0))


def _quantiles(ratio: Floats, independent: int) -> Floats:
    """Signed quantiles on GRID of what is not missing, farther out by the correction for a finite sample."""
    seen = ratio[~np.isnan(ratio)]
    if not len(seen):
        return np.linspace(-1, 1, len(GRID))
    outer = 0.5 + (GRID - 0.5) * (independent + 1) / independent
    return np.asarray(np.quantile(seen, np.clip(outer, 0, 1)))


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
