"""How far the own history of a series lets its forecasts and their bounds go."""

import numpy as np
import numpy.typing as npt

from mlops.arrays import Floats
from mlops.panels.panel import Panel

__all__ = ["limits", "within"]

STILL = 0.1
"""Of its largest absolute value: how far a series may move that hardly ever has. Chosen, not measured."""


def limits(panel: Panel) -> tuple[Floats, Floats]:
    """The lowest and the highest value that is believed of each series (series × 1 each).

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
