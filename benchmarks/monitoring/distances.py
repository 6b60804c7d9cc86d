"""Distances between two windows of one column; 0 when they are the same sample."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.errors import UnknownName

__all__ = ["DRIFT_METRICS", "drift_metric", "jensen_shannon", "ks", "psi", "wasserstein"]

FAINT = 1e-4  # the share that an empty bin counts as, so that psi stays finite
NOTHING = np.array([np.nan, np.nan])


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The population stability index over common bins of equal width; numbers or categories; symmetric."""
    p, q = (np.maximum(part, FAINT) for part in _shares(reference, current))
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The Jensen-Shannon distance (nats, square root) over common bins; numbers or categories; at most √ln 2."""
    p, q = _shares(reference, current)
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def wasserstein(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The area between the two distribution functions, in the unit of the numbers."""
    points, below, under = _distribution_functions(reference, current)
    return float(np.sum(np.abs(below - under)[:-1] * np.diff(points)))


def ks(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The largest gap between the two distribution functions, 0 to 1 (Kolmogorov-Smirnov)."""
    _, below, under = _distribution_functions(reference, current)
    return float(np.max(np.abs(below - under), initial=0.0))


DRIFT_METRICS: Mapping[str, Callable[[npt.ArrayLike, npt.ArrayLike], float]] = {
    "psi": psi,
    "jensen_shannon": jensen_shannon,
    "wasserstein": wasserstein,
    "ks": ks,
}


def drift_metric(name: str) -> Callable[[npt.ArrayLike, npt.ArrayLike], float]:
    """The drift metric of this name; NaN from it means that a window had no values."""
    if name not in DRIFT_METRICS:
        raise UnknownName("drift metric", name, DRIFT_METRICS)
    return DRIFT_METRICS[name]


def _distribution_functions(reference: npt.ArrayLike, current: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Every point of both samples, in order, with the part of each sample at or below it."""
    first, second = (np.sort(_present(sample).astype(float)) for sample in (reference, current))
    if not len(first) or not len(second):
        return np.arange(2.0), NOTHING, NOTHING
    both = np.concatenate([first, second])
    order = np.argsort(both, kind="stable")
    points = both[order]
    last = np.append(points[1:] != points[:-1], True)  # of equal points: both samples have all of theirs by then
    below = np.cumsum(order < len(first))
    under = np.arange(1, len(both) + 1) - below
    return points[last], (below / len(first))[last], (under / len(second))[last]


def _shares(reference: npt.ArrayLike, current: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The part of each sample in each common bin: of equal width for numbers, one per category otherwise."""
    first, second = _present(reference), _present(current)
    both = np.concatenate([first, second])
    if not len(first) or not len(second):
        return NOTHING, NOTHING
    codes = _bins(both.astype(float)) if both.dtype.kind in "biuf" else pd.factorize(both)[0]
    bins = int(codes.max()) + 1
    counts = (np.bincount(part, minlength=bins) for part in (codes[: len(first)], codes[len(first) :]))
    p, q = (count / count.sum() for count in counts)
    return p, q


def _bins(numbers: Floats) -> npt.NDArray[np.intp]:
    """The bin of each number; as many as Sturges' rule gives for the sample."""
    low, width = numbers.min(), np.ptp(numbers)
    bins = int(np.ceil(np.log2(len(numbers)) + 1))
    part = (numbers - low) / width if width > 0 else np.zeros(len(numbers))
    return np.minimum((part * bins).astype(np.intp), bins - 1)


def _present(sample: npt.ArrayLike) -> npt.NDArray[np.generic]:
    values = np.asarray(sample)
    return np.asarray(values[~pd.isna(values)])


def _relative_entropy(p: Floats, q: Floats) -> float:
    held = (p > 0) | np.isnan(p)
    return float(np.sum(p[held] * np.log(p[held] / q[held])))
