"""How unlike its own recent past an observation is. Pure."""

import numpy as np

from mlops.arrays import Floats, Ints
from mlops.series.grid import ROOM, Grid, medians, robust_scale

__all__ = ["DEPTH", "surprise"]

NEAR = 3
DOUBT = 0.08
"""A standard deviation, as a part of what was expected, that is granted however still the past was."""
NEIGHBOURS = 6
MOST = 1000.0
"""Scores are cut there, so that they stay numbers whatever comes."""
DEPTH = NEAR + ROOM
"""Observations looked back on beyond the seasons that are compared."""


def surprise(grid: Grid, y: Floats, trusted: Floats, expected: Floats) -> Floats:
    """The distance to what was expected in robust standard deviations of the past, (n); NaN: too little past.

    `expected` is the median of the same phase in the last seasons. A second guess adds the median of the last three
    residuals, so that a new level is soon normal; the distance is that to the nearer guess. The scale is that of the
    last 28 distances, with DOUBT of what was expected added to it as variances add up. `trusted` is y without what must
    not be learnt from (NaN there).
    """
    expected = _or_neighbours(grid, trusted, expected)
    away = y - expected
    level = _newest_level(grid, trusted - expected)
    away = np.minimum(np.abs(away), np.abs(away - level))
    scale = grid.rows(robust_scale(grid.placed(np.where(np.isnan(trusted), np.nan, away)), still=0.0))
    scale = np.hypot(scale, DOUBT * np.abs(expected))
    scale[scale == 0] = np.nan
    return np.minimum(away / scale, MOST)


def _newest_level(grid: Grid, residuals: Floats) -> Floats:
    """The median of the three residuals before each row, (n); an unknown one counts as 0."""
    placed = np.nan_to_num(grid.placed(residuals), nan=0.0, posinf=0.0, neginf=0.0)
    size = len(placed) - ROOM
    return grid.rows(medians([placed[ROOM - back : ROOM - back + size].copy() for back in range(1, NEAR + 1)]))


def _or_neighbours(grid: Grid, trusted: Floats, expected: Floats) -> Floats:
    """Where the past is long enough but its phases are not (a route served on any day): the median of the last six."""
    rows = np.arange(len(trusted))
    reach = grid.granularity.longest * grid.granularity.compared
    poor: Ints = np.flatnonzero(np.isnan(expected) & (rows - grid.first >= max(reach, NEIGHBOURS)))
    if not len(poor):
        return expected
    near = trusted[poor[None, :] - np.arange(1, NEIGHBOURS + 1)[:, None]]
    found = expected.copy()
    found[poor] = medians(list(np.where(np.isnan(near), np.inf, near)), fewest=NEIGHBOURS // 2)
    return found
