"""What a forecast's error costs, per row, as data: a comparison takes any of them. Pure."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mlops.arrays import Floats

__all__ = ["Loss", "absolute", "log_loss", "pinball"]

Loss: TypeAlias = Callable[[npt.ArrayLike, npt.ArrayLike], Floats]
"""Takes outcomes and forecasts (n each) and gives the loss of each row (n), 0 for a perfect one."""
LEAST = 1e-15
"""Probabilities are kept so far from 0 and 1 that a wrong certainty is no infinite loss; as libraries usually do."""


def absolute(y: npt.ArrayLike, y_hat: npt.ArrayLike) -> Floats:
    """The absolute error, in units of the outcome.

    >>> absolute([10.0, 10.0], [12.0, 7.0])
    array([2., 3.])
    """
    return np.asarray(np.abs(np.asarray(y, dtype=float) - np.asarray(y_hat, dtype=float)))


def pinball(under: float, over: float) -> Loss:
    """`under` for each unit that was forecast too few, `over` for each too many (Koenker and Bassett, 1978).

    With `under` = q and `over` = 1 - q it is the loss of a quantile q; with prices it is money.

    >>> pinball(2.0, 1.0)([10.0, 10.0], [7.0, 12.0])
    array([6., 2.])
    """

    def loss(y: npt.ArrayLike, y_hat: npt.ArrayLike) -> Floats:
        short = np.asarray(y, dtype=float) - np.asarray(y_hat, dtype=float)
        return np.asarray(np.where(short > 0, under * short, -over * short))

    return loss


def log_loss(y: npt.ArrayLike, y_hat: npt.ArrayLike) -> Floats:
    """The negative log likelihood of what happened (`y` is 0 or 1) by its forecast probability, in nats.

    >>> log_loss([1, 0], [0.5, 0.5]).round(3)
    array([0.693, 0.693])
    """
    happened, probability = np.asarray(y, dtype=float), np.clip(np.asarray(y_hat, dtype=float), LEAST, 1 - LEAST)
    return np.asarray(-(happened * np.log(probability) + (1 - happened) * np.log(1 - probability)))
