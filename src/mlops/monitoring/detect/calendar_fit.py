"""What the calendar explains of daily numbers: seasons of the year, weekdays and holidays."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.arrays import Floats

__all__ = ["FEWEST_WEEKS", "WEEK", "CalendarFit", "design", "fit_calendar", "harmonics_for", "ordinary", "weeks_back"]

DAYS_OF_YEAR = 365.25
TINY = 1e-12
NO_WAVES = 7  # the last columns of the design: six weekdays and the holiday flag


@dataclass(frozen=True, slots=True)
class CalendarFit:
    """Least-squares coefficients of daily columns on the calendar."""

    coefficients: Floats

    def residuals(self, matrix: Floats, daily: Floats) -> Floats:
        """What the calendar leaves of each daily number."""
        return daily - matrix @ self.coefficients

    def side(self, matrix: Floats) -> Floats:
        """To which side of its mean the time of the year takes each daily number: −1 to 1, 0 where it crosses over."""
        waves = slice(1, matrix.shape[1] - NO_WAVES)
        season = matrix[:, waves] @ self.coefficients[waves]
        mean_square = (self.coefficients[waves] ** 2).sum(axis=0) / 2
        return np.asarray(season / np.sqrt(season**2 + mean_square + TINY))


def harmonics_for(days: int) -> int:
    """How many harmonics of the year a history of so many days can tell from chance."""
    if days < 350:
        return 0
    return 1 if days < 1.5 * DAYS_OF_YEAR else 3


def design(days: pd.DatetimeIndex, holiday: NDArray[np.bool_], harmonics: int) -> Floats:
    """One row per day: a constant, sines and cosines of the year, six weekdays and the holiday flag."""
    angle = 2 * np.pi * days.dayofyear.to_numpy() / DAYS_OF_YEAR
    waves = [wave(k * angle) for k in range(1, harmonics + 1) for wave in (np.cos, np.sin)]
    weekdays = [days.dayofweek.to_numpy() == k for k in range(1, 7)]
    return np.column_stack([np.ones(len(days)), *waves, *weekdays, holiday]).astype(float)


def fit_calendar(matrix: Floats, daily: Floats) -> CalendarFit:
    """A least-squares fit, refitted after pulling residuals beyond 3 robust sigmas in; NaN days don't count."""
    present = np.isfinite(daily)
    coefficients = np.zeros((matrix.shape[1], daily.shape[1]))
    for pattern, columns in _by_pattern(present):
        if pattern.any():
            coefficients[:, columns] = _robust(matrix[pattern], daily[np.ix_(pattern, columns)])
    return CalendarFit(coefficients)


def _robust(matrix: Floats, daily: Floats) -> Floats:
    inverse = np.linalg.pinv(matrix)
    fitted = matrix @ (inverse @ daily)
    left = daily - fitted
    reach = 3 * 1.4826 * np.median(np.abs(left), axis=0)
    reach = np.where(reach > 0, reach, np.inf)  # more than half the days equal: rare events, not outliers
    return np.asarray(inverse @ (fitted + np.clip(left, -reach, reach)))


def _by_pattern(present: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], NDArray[np.intp]]]:
    """Columns grouped by which days they have, so that each group is one fit."""
    groups: dict[bytes, list[int]] = {}
    for column in range(present.shape[1]):
        groups.setdefault(present[:, column].tobytes(), []).append(column)
    return [(present[:, columns[0]], np.array(columns)) for columns in groups.values()]


WEEK = 7
FEWEST_WEEKS = 8
"""Ordinary weeks from which they are a baseline of their own."""


def weeks_back(day: pd.DatetimeIndex) -> NDArray[np.int64]:
    """The week of each day, counted back from the newest: 0 is the last seven days."""
    return np.asarray((day.max() - day).days // WEEK)


def ordinary(day: pd.DatetimeIndex, holiday: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows are of a week without a holiday, weeks as of `weeks_back`; all where there are fewer than eight."""
    if not len(day):
        return np.ones(0, bool)
    week = weeks_back(day)
    kept = ~np.isin(week, week[holiday])
    return kept if len(np.unique(week[kept])) >= FEWEST_WEEKS else np.ones(len(day), bool)
