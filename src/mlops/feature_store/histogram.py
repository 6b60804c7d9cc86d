"""Histograms with edges that stay, so that two windows compare. Pure."""

from collections.abc import Sequence

import numpy as np

from mlops.arrays import Floats

__all__ = ["BINS", "edges", "histogram", "sparkline"]

BINS = 20
"""At most, between the two open ones."""
OUTER = (0.01, 0.99)
"""Quantiles within which bins are laid; the rest falls into the open ones."""
SMALLEST = 1e-300
"""Less than this is no room."""
BARS = "▁▂▃▄▅▆▇█"


def edges(values: Floats, low: float | None = None, high: float | None = None) -> tuple[float, ...]:
    """Edges around few whole numbers, between two declared bounds, else round numbers; none for no finite value."""
    finite = values[np.isfinite(values)]
    bounded = low is not None and high is not None
    if not len(finite) and not bounded:
        return ()
    with np.errstate(over="ignore", invalid="ignore"):  # the largest floats overflow
        first, last = (low, high) if low is not None and high is not None else np.quantile(finite, OUTER)
        laid = _laid(finite, float(first), float(last), bounded=bounded)
    return tuple(sorted({float(f"{edge:.12g}") for edge in laid if np.isfinite(edge)}))


def _laid(finite: Floats, first: float, last: float, *, bounded: bool) -> Floats:
    room = last - first
    if not SMALLEST < room < np.inf:
        return np.array([first - 0.5, first + 0.5])
    if (2 if bounded else 0) < room <= BINS - 1 and bool((finite == np.round(finite)).all()):
        return np.asarray(np.arange(np.floor(first), np.ceil(last) + 2) - 0.5)
    if bounded:
        return np.linspace(first, last, BINS + 1)
    width = _round_up(room / (BINS - 1))
    return np.asarray((np.floor(first / width) + np.arange(BINS + 1)) * width)


def histogram(values: Floats, edges: Sequence[float]) -> tuple[int, ...]:
    """How many values lie below the first edge, between each two, and above the last; NaN is not allowed.

    The lower edge of a bin belongs to it, in the last one also the upper edge. The counts sum to the number of values.
    """
    places = np.searchsorted(np.asarray(edges, dtype=float), values, side="right")
    if len(edges):
        places[values == edges[-1]] = len(edges) - 1
    return tuple(np.bincount(places, minlength=len(edges) + 1).tolist())


def sparkline(counts: Sequence[int]) -> str:
    """A histogram in one line; a bin with anything in it shows at least the lowest bar."""
    most = max(counts, default=0)
    return "".join(BARS[-(-count * len(BARS) // most) - 1] if count else " " for count in counts)


def _round_up(width: float) -> float:
    """The next of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(next((power * times for times in (1, 2, 5) if power * times >= width), power * 10))
