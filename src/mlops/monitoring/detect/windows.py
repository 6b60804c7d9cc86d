"""The mean of the newest days against the calendar and the weeks before them."""

from dataclasses import dataclass

import numpy as np

from mlops.arrays import Floats

__all__ = ["WINDOWS", "Contrast"]

WINDOWS = (7, 14, 28, 56)


@dataclass(frozen=True, slots=True)
class Contrast:
    """The mean of the last `window` days less what that of the `baseline` days before says of it.

    `belief` is how much of the weeks before is believed, channel by channel: 0 holds against the calendar alone.
    """

    window: int
    baseline: int
    belief: Floats

    def over(self, values: Floats, calm: Floats | None = None) -> Floats:
        """The contrast that ends on each day; NaN where fewer than half of the window's days have a value.

        `calm` is what the baseline is taken from, if not from the values themselves. A window with gaps is shrunk,
        so that its variance is that of a full one.
        """
        mean, count = _trailing(values, self.window)
        mean = np.where(count >= self.window / 2, mean - self.yardstick(values if calm is None else calm), np.nan)
        return mean * np.sqrt(count / self.window)

    def yardstick(self, calm: Floats) -> Floats:
        """What the window that ends on each day is held against: 0, the calendar, if the weeks before are missing."""
        mean, count = _trailing(calm, self.baseline)
        return _later(np.where(count >= self.baseline / 3, self.belief * mean, 0.0), self.window)

    def variance(self, variance: Floats, lasting: Floats, decay: Floats) -> Floats:
        """The variance of the contrast when the correlation of two days, d apart, is `lasting` × `decay` ** d."""
        weighted = np.empty_like(variance)
        for belief in np.unique(self.belief):
            mine = self.belief == belief
            weighted[mine] = self._weighted(belief, lasting[mine], decay[mine])
        return np.asarray(variance * weighted)

    def _weighted(self, belief: float, lasting: Floats, decay: Floats) -> Floats:
        before, newest = np.full(self.baseline, -belief / self.baseline), np.full(self.window, 1 / self.window)
        weights = np.concatenate([before, newest])
        overlap = np.correlate(weights, weights, "full")[len(weights) - 1 :]
        powers = decay[:, None] ** np.arange(1, len(weights))
        return np.asarray(overlap[0] + 2 * lasting * (powers @ overlap[1:]))


def _trailing(values: Floats, length: int) -> tuple[Floats, Floats]:
    """The mean over the last `length` days that have a value, and how many have."""
    present = np.isfinite(values)
    total, count = (_moving_sum(part, length) for part in (np.where(present, values, 0.0), present.astype(float)))
    return total / np.maximum(count, 1), count


def _moving_sum(values: Floats, length: int) -> Floats:
    running = np.cumsum(values, axis=0)
    return running - _later(running, length)


def _later(values: Floats, days: int) -> Floats:
    """The values `days` later, 0 before there are any."""
    moved = np.zeros_like(values)
    moved[days:] = values[:-days]
    return moved
