"""The measured effect of holidays and events: how far their days fell from the same days of the weeks around them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.forecasting.calendar import Calendar
from mlops.forecasting.panel import Floats, Panel

__all__ = ["Effects", "measure"]

AROUND = 4  # cycles before and after a named day that say what it would have been
PRIOR = 2.0  # occurrences that the common factor counts for in that of a series, and no effect in the common factor
MOST = 5.0


@dataclass(frozen=True)
class Effects:
    """Per series and name of a day, the factor by which it changes a step; 1 is no effect."""

    names: tuple[str, ...]
    factor: Floats
    """Series × names, shrunk towards all series."""
    common: Floats
    """By name, over all series."""
    spread: Floats
    """By name, the standard error of the common factor over its occurrences (days); NaN for a single one."""
    occurrences: Floats
    """By name, the number of steps with an observation of any series."""

    def multiplier(self, calendar: Calendar, index: pd.DatetimeIndex, freq: str) -> Floats:
        """What each step (columns) of each series (rows) is multiplied by; names that were not measured do nothing."""
        counts = calendar.counts(index, freq)
        found = np.ones((len(self.factor), len(index)))
        for column, name in enumerate(self.names):
            if name in counts:
                found *= np.maximum(1 + counts[name] * (self.factor[:, column, None] - 1), 0.0)
        return found

    def table(self) -> pd.DataFrame:
        """`event, occurrences, effect, lo_95, hi_95`: common effects as parts of the usual value; -0.2 is 20 % less."""
        half = 1.96 * self.spread
        columns = {"effect": self.common - 1, "lo_95": self.common - 1 - half, "hi_95": self.common - 1 + half}
        frame = pd.DataFrame({"event": self.names, "occurrences": self.occurrences.astype(int), **columns})
        return frame.sort_values("effect", key=abs, ascending=False, ignore_index=True)


def measure(panel: Panel, calendar: Calendar) -> Effects:
    """The effects of every name that lies in the panel; months are too long to tell one from their season."""
    counts = {} if panel.freq == "MS" else calendar.announced_by(panel.cutoff).counts(panel.index, panel.freq)
    names = tuple(counts)
    usual = _usual(panel, np.sum(list(counts.values()), axis=0) > 0 if names else np.zeros(len(panel.index), bool))
    shape = (len(panel.ids), len(names))
    factor, common, spread, occurrences = np.ones(shape), np.ones(shape[1]), np.ones(shape[1]), np.zeros(shape[1])
    for column, name in enumerate(names):
        on = np.flatnonzero(counts[name])
        y, expected, count = panel.y[:, on], usual[:, on], counts[name][on]
        seen = ~np.isnan(y) & ~np.isnan(expected) & (expected > 0)
        happened, would = np.where(seen, (y - expected) / count, 0.0), np.where(seen, expected, 0.0)
        by_day = would.sum(axis=0) > 0
        days = happened.sum(axis=0)[by_day] / would.sum(axis=0)[by_day]
        occurrences[column] = len(days)
        spread[column] = days.std(ddof=1) / np.sqrt(len(days)) if len(days) > 1 else np.nan
        common[column] = 1 + (days.sum() / (len(days) + PRIOR / 4) if len(days) else 0.0)
        once = would.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        own = happened.sum(axis=1) + PRIOR * once * (common[column] - 1)
        factor[:, column] = 1 + own / np.maximum(would.sum(axis=1) + PRIOR * once, 1e-12)
        factor[once == 0, column] = common[column]
    return Effects(names, np.clip(factor, 0, MOST), np.clip(common, 0, MOST), spread, occurrences)


def _usual(panel: Panel, named: np.ndarray) -> Floats:
    """Mean of the same place in the cycles around each step, without named days."""
    shift = 1 if panel.freq.startswith("W") else panel.season.cycle
    plain = np.where(named, np.nan, panel.y)
    steps = plain.shape[1]
    total, count = np.zeros(plain.shape), np.zeros(plain.shape)
    for back in (*range(-AROUND, 0), *range(1, AROUND + 1)):
        move = back * shift
        to = slice(max(move, 0), steps + min(move, 0))
        source = slice(max(-move, 0), steps + min(-move, 0))
        seen = ~np.isnan(plain[:, source])
        total[:, to] += np.where(seen, plain[:, source], 0.0)
        count[:, to] += seen
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
