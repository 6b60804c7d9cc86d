"""P(X | calendar): level, spread and swing of numeric features and the shares of categories, day by day."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.monitoring.detect.calendar_fit import CalendarFit, design, fit_calendar
from mlops.monitoring.detect.signals import EntityCentres, Signal, daily_means, spread_of
from mlops.monitoring.detect.spec import MonitorRows, MonitorSpec

__all__ = ["FeatureDrift", "fit_feature_drift", "season_of"]

FEWEST_IN_WEEK = 3.0  # rows; a rarer category has no share worth judging
CROWD = 4  # rows a day


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """What the history says of the features: entity means, calendar, row scale and the categories worth a share."""

    signals: tuple[Signal, ...]
    categories: tuple[tuple[str, ...], ...]
    centres: EntityCentres
    calendar: CalendarFit
    scale: Floats
    harmonics: int
    crowded: bool

    def daily(self, rows: MonitorRows) -> pd.DataFrame:
        """One row per day, one column per signal: levels and shares, then spreads within days or swings of days."""
        values = np.column_stack([rows.numeric, _indicators(rows, self.categories)])
        centred = self.centres.centred(rows.entity, values) / self.scale
        numeric = centred[:, : rows.numeric.shape[1]]
        return pd.concat([daily_means(rows.day, centred), self._variation(rows, numeric)], axis=1)

    def _variation(self, rows: MonitorRows, numeric: Floats) -> pd.DataFrame:
        """How far rows are from their day or, where days have few rows, days from the calendar, as roots."""
        if self.crowded:
            return daily_means(rows.day, np.sqrt(np.abs(_from_own_day(rows.day, numeric))))
        expected = design(rows.day, rows.holiday, self.harmonics) @ self.calendar.coefficients
        away = np.asarray(numeric - (expected / self.scale)[:, : numeric.shape[1]])
        return daily_means(rows.day, away).abs().pow(0.5)


def fit_feature_drift(rows: MonitorRows, spec: MonitorSpec, harmonics: int) -> FeatureDrift:
    """The reference for every feature of `spec`; spreads and swings are roots of absolute surprises, to tame tails."""
    categories = tuple(_worth_a_share(rows, column) for column in range(len(spec.categorical)))
    values = np.column_stack([rows.numeric, _indicators(rows, categories)])
    centres = EntityCentres.of(rows.entity, values)
    centred = centres.centred(rows.entity, values)
    matrix = design(rows.day, rows.holiday, harmonics)
    daily = daily_means(rows.day, np.column_stack([matrix, centred])).to_numpy()
    calendar = fit_calendar(daily[:, : matrix.shape[1]], daily[:, matrix.shape[1] :])
    scale = spread_of(calendar.residuals(matrix, centred), centres.overall)
    crowded = len(rows) >= CROWD * rows.day.nunique()
    signals = _signals(spec, categories, crowded)
    return FeatureDrift(signals, categories, centres, calendar, scale, harmonics, crowded)


def _signals(spec: MonitorSpec, categories: tuple[tuple[str, ...], ...], crowded: bool) -> tuple[Signal, ...]:
    shares = [(column, name) for column, names in zip(spec.categorical, categories, strict=True) for name in names]
    return (
        *map(_level, spec.numeric),
        *(_share(column, name) for column, name in shares),
        *map(_spread if crowded else _swing, spec.numeric),
    )


def _level(name: str) -> Signal:
    expected = "what the calendar predicts"
    return Signal("feature", name, "level", f"{name} is {{}} above {expected}", f"{name} is {{}} below {expected}")


def _spread(name: str) -> Signal:
    more, less = (f"{name} varies {{}} {word} within a day than the calendar predicts" for word in ("more", "less"))
    return Signal("feature", name, "spread", more, less)


def _swing(name: str) -> Signal:
    further, closer = (f"{name} strays {{}} {way} its calendar than usual" for way in ("further from", "less from"))
    return Signal("feature", name, "swing", further, closer)


def season_of(name: str) -> Signal:
    """The signal that asks whether a feature strays to the side of its calendar to which the season takes it."""
    stronger, weaker = (f"the season of {name} is {{}} {word} than in the history" for word in ("stronger", "weaker"))
    return Signal("feature", name, "season", stronger, weaker)


def _share(column: str, name: str) -> Signal:
    more, less = (f"{name!r} in {column} is {{}} {word} than the calendar predicts" for word in ("commoner", "rarer"))
    return Signal("feature", column, "share", more, less)


def _from_own_day(day: pd.DatetimeIndex, values: Floats) -> Floats:
    """Each value less the mean of its day, widened for the part of itself that is in that mean."""
    grouped = pd.DataFrame(values).groupby(day)
    count = grouped.transform("count").to_numpy(float)
    left = values - grouped.transform("mean").to_numpy(float)
    return np.where(count > 1, left * np.sqrt(count / np.maximum(count - 1, 1)), np.nan)


def _worth_a_share(rows: MonitorRows, column: int) -> tuple[str, ...]:
    """The categories common enough to be judged; of two that exclude each other one is enough."""
    counts = pd.Series(rows.categorical[:, column]).value_counts()
    weeks = max(1.0, rows.day.nunique() / 7)
    common = sorted(counts.index[counts / weeks >= FEWEST_IN_WEEK])
    return tuple(common[:1] if len(counts) == 2 and len(common) == 2 else common)


def _indicators(rows: MonitorRows, categories: tuple[tuple[str, ...], ...]) -> Floats:
    """One column per category worth a share: 1 where a row is of it, NaN where the category is missing."""
    columns = [
        np.where(pd.isna(rows.categorical[:, column]), np.nan, rows.categorical[:, column] == name)
        for column, names in enumerate(categories)
        for name in names
    ]
    return np.column_stack(columns).astype(float) if columns else np.empty((len(rows), 0))
