"""The inputs of a direct global model: one function per feature, each seeing only what its origin had seen.

A feature is a number per (series, origin, step). Values are relative to the level of their series at the origin (the
mean of its newest four cycles), so that one model serves a corner shop and a city. A new feature is one entry of
FEATURES.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats, Ints
from mlops.errors import UnknownName
from mlops.forecasting.smoothing import smoothed
from mlops.panels.calendar import Calendar
from mlops.panels.panel import SMALLEST_LEVEL, Panel

__all__ = ["DEFAULT_FEATURES", "FEATURES", "Design", "Feature"]

LARGEST = 1e30  # a ratio that a float of 32 bits can hold; trees only ask which is larger


class Design:
    """Everything that features are computed from: past values by origin, and the calendar of the targets."""

    def __init__(self, panel: Panel, known: Calendar, horizon: int) -> None:
        self.panel, self.known, self.horizon = panel, known.announced_by(panel.cutoff), horizon
        self._smoothed: dict[int, npt.NDArray[np.float32]] = {}
        self._seen: tuple[Ints, dict[str, Floats]] = np.empty(0, np.int64), {}
        self._sums = np.pad(np.nan_to_num(panel.y), ((0, 0), (1, 0))).cumsum(axis=1)
        self._counts = np.pad((~np.isnan(panel.y)).astype(float), ((0, 0), (1, 0))).cumsum(axis=1)
        cycle = panel.granularity.block
        seen = np.arange(panel.y.shape[1])
        own_scale = self.mean(seen[-1:], 52 * cycle)
        self._floor = np.maximum(np.nan_to_num(np.abs(own_scale)) * 0.05, SMALLEST_LEVEL)

    def matrix(self, names: Sequence[str], origins: Ints, step: int) -> npt.NDArray[np.float32]:
        """Features shaped (series × origins, names); `origins` are positions of the newest step that may be seen."""
        point = Point(self, origins, step, self._seen_at(origins))
        found = np.empty((len(self.panel.ids), len(origins), len(names)), np.float32)
        for column, name in enumerate(names):
            found[:, :, column] = np.clip(FEATURES[name].compute(point), -LARGEST, LARGEST)
        return found.reshape(-1, len(names))

    def _seen_at(self, origins: Ints) -> dict[str, Floats]:
        """What was computed of these origins for another step already; only the last origins' is kept."""
        if self._seen[0] is not origins:
            self._seen = origins, {}
        return self._seen[1]

    def level(self, origins: Ints) -> Floats:
        """Mean of the newest four cycles at each origin, of a year where there is nothing in them; never zero."""
        recent = self.mean(origins, 4 * self.panel.granularity.block)
        if np.isnan(recent).any():
            recent = np.where(np.isnan(recent), self.mean(origins, self.panel.granularity.year), recent)
        recent = np.nan_to_num(np.abs(recent))
        return np.asarray(np.maximum(recent, self._floor))

    def mean(self, ends: Ints, length: int) -> Floats:
        """Mean of the `length` values up to and including each position of `ends`; NaN where nothing was observed."""
        stop = np.clip(ends + 1, 0, None)
        start = np.clip(stop - length, 0, None)
        count = self._counts[:, stop] - self._counts[:, start]
        total = self._sums[:, stop] - self._sums[:, start]
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def value(self, positions: Ints) -> Floats:
        """Observed values at positions; NaN before the beginning."""
        return np.where(positions >= 0, self.panel.y[:, np.clip(positions, 0, None)], np.nan)

    def smoothed(self, origins: Ints, step: int) -> Floats:
        """What exponential smoothing forecasts from each origin for the step (series × origins)."""
        self.smooth(origins)
        return np.stack([self._smoothed[int(origin)][:, step - 1] for origin in origins], axis=1).astype(float)

    def smooth(self, origins: Ints, effects_of: Panel | None = None) -> None:
        """Forecast by smoothing from origins, all in one pass over the history; they are kept.

        The effects of named days are measured in `effects_of` (None: in the whole panel, as for learning).
        """
        new = sorted(set(origins.tolist()) - set(self._smoothed))
        if new:
            forecasts = smoothed(self.panel, self.known, new, self.horizon, effects_of=effects_of)
            self._smoothed |= dict(zip(new, forecasts.astype(np.float32), strict=True))

    @cached_property
    def calendar(self) -> pd.DatetimeIndex:
        """The panel's steps and a year of steps after them."""
        index = self.panel.index
        return pd.DatetimeIndex(index.append(self.panel.future(self.panel.granularity.year + 31)))

    @cached_property
    def holidays(self) -> Floats:
        """How many days of each step of `calendar` are public holidays or events (series × steps, or one row)."""
        return self.known.count_of(self.panel.ids, self.calendar, self.panel.granularity)

    @cached_property
    def to_holiday(self) -> Floats:
        """Days until the next holiday, at most 14."""
        return _distance(self.holidays[:, ::-1] > 0)[:, ::-1]

    @cached_property
    def since_holiday(self) -> Floats:
        """Days since the last holiday, at most 14."""
        return _distance(self.holidays > 0)


@dataclass(frozen=True)
class Point:
    """A design at some origins, looking `step` steps ahead."""

    design: Design
    origins: Ints
    step: int
    seen: dict[str, Floats]
    """What doesn't depend on the step, by name."""

    @property
    def level(self) -> Floats:
        """The level at the origins."""
        return self._once("level", lambda: self.design.level(self.origins))

    @cached_property
    def seasons(self) -> Floats:
        """The newest eight seen values of the target's place in the cycle, newest first, over the level."""
        cycle = self.design.panel.granularity.block
        first = self.origins + self.step - cycle * -(-self.step // cycle)
        values = self.design.value((first - cycle * np.arange(8)[:, None]).ravel())
        values = values.reshape(len(values), 8, -1).transpose(1, 0, 2)
        return np.asarray(np.ascontiguousarray(values) / self.level)

    @property
    def targets(self) -> pd.DatetimeIndex:
        """The steps that are forecast."""
        return self.design.calendar[self.origins + self.step]

    def lag(self, back: int) -> Floats:
        """The value `back` steps before the origin, over the level."""
        return self._once(f"lag {back}", lambda: self.design.value(self.origins - back) / self.level)

    def mean(self, cycles: int) -> Floats:
        """Mean of the newest `cycles` cycles, over the level."""
        length = cycles * self.design.panel.granularity.block
        return self._once(f"mean {cycles}", lambda: self.design.mean(self.origins, length) / self.level)

    def before(self) -> Floats:
        """The level a year before the origin; NaN where it is not above zero."""
        return self._once("before", self._before)

    def log_level(self) -> Floats:
        """Logarithm of the level."""
        return self._once("log_level", lambda: np.log1p(self.level))

    def year_ago(self, shift: int = 0) -> Floats:
        """The value a year before the target, over the level; never after the origin."""
        position = np.minimum(self.origins + self.step - self.design.panel.granularity.year + shift, self.origins)
        return np.asarray(self.design.value(position) / self.level)

    def index_a_year_ago(self) -> Floats:
        """The value a year before the target, over the level a year before the origin."""
        return np.asarray(self.year_ago() * self.level / self.before())

    def smoothed(self) -> Floats:
        """The forecast by exponential smoothing, over the level."""
        return np.asarray(self.design.smoothed(self.origins, self.step) / self.level)

    def growth_a_year_ago(self) -> Floats:
        """How the cycle around the target stood to the four cycles before its origin, a year ago."""
        season = self.design.panel.granularity
        around = np.minimum(self.origins + self.step - season.year + season.block // 2, self.origins)
        return np.asarray(self.design.mean(around, season.block) / self.before())

    def _before(self) -> Floats:
        season = self.design.panel.granularity
        before = self.design.mean(self.origins - season.year, 4 * season.block)
        return np.where(before > 0, before, np.nan)

    def _once(self, name: str, compute: Callable[[], Floats]) -> Floats:
        if name not in self.seen:
            self.seen[name] = compute()
        return self.seen[name]


@dataclass(frozen=True, slots=True)
class Feature:
    """What a feature is, in words for its definition, and how it is computed."""

    transformation: str
    compute: Callable[[Point], Floats]
    source: bool = True
    """Whether it is computed from the series' own values (else from the calendar alone)."""
    years: float = 0.0
    """How many years of history it needs to be learned from."""
    component: str = "trend"
    """Which component of a forecast its contributions belong to."""


ONCE, TWICE = 1.15, 2.0  # years: what happened a year ago has to have been seen; a time of the year, two times

FEATURES = {
    "value": Feature("the observed value itself", lambda at: at.lag(0) * at.level),
    "last_value": Feature("value at the origin / level", lambda at: at.lag(0)),
    "lag_1": Feature("value 1 step before the origin / level", lambda at: at.lag(1)),
    "lag_2": Feature("value 2 steps before the origin / level", lambda at: at.lag(2)),
    "same_season_1": Feature(
        "newest value of the target's weekday / level", lambda at: at.seasons[0], component="weekly"
    ),
    "same_season_2": Feature(
        "2nd newest value of the target's weekday / level", lambda at: at.seasons[1], component="weekly"
    ),
    "same_season_3": Feature(
        "3rd newest value of the target's weekday / level", lambda at: at.seasons[2], component="weekly"
    ),
    "same_season_4": Feature(
        "4th newest value of the target's weekday / level", lambda at: at.seasons[3], component="weekly"
    ),
    "same_season_mean_4": Feature(
        "mean of the newest 4 of the target's weekday / level", lambda at: _mean(at.seasons[:4]), component="weekly"
    ),
    "same_season_mean_8": Feature(
        "mean of the newest 8 of the target's weekday / level", lambda at: _mean(at.seasons), component="weekly"
    ),
    "same_season_std_8": Feature(
        "deviation of the newest 8 of the target's weekday / level", lambda at: _std(at.seasons), component="weekly"
    ),
    "smoothed": Feature(
        "forecast of the target by exponential smoothing / level", lambda at: at.smoothed(), component="weekly"
    ),
    "mean_1_cycle": Feature("mean of the newest cycle / level", lambda at: at.mean(1)),
    "mean_2_cycles": Feature("mean of the newest 2 cycles / level", lambda at: at.mean(2)),
    "mean_8_cycles": Feature("mean of the newest 8 cycles / level", lambda at: at.mean(8)),
    "mean_13_cycles": Feature("mean of the newest 13 cycles / level", lambda at: at.mean(13)),
    "year_ago": Feature(
        "value a year before the target / level", lambda at: at.year_ago(), years=ONCE, component="yearly"
    ),
    "year_ago_index": Feature(
        "value a year before the target / level a year before the origin",
        Point.index_a_year_ago,
        years=ONCE,
        component="yearly",
    ),
    "year_ago_growth": Feature(
        "mean around the target a year ago / mean of the 4 cycles before",
        Point.growth_a_year_ago,
        years=TWICE,
        component="yearly",
    ),
    "day_of_week": Feature(
        "weekday of the target, Monday 0", lambda at: at.targets.dayofweek.to_numpy(), source=False, component="weekly"
    ),
    "day_of_month": Feature(
        "day of the month of the target", lambda at: at.targets.day.to_numpy(), source=False, component="yearly"
    ),
    "month": Feature(
        "month of the target", lambda at: at.targets.month.to_numpy(), source=False, years=TWICE, component="yearly"
    ),
    "day_of_year": Feature(
        "day of the year of the target",
        lambda at: at.targets.dayofyear.to_numpy(),
        source=False,
        years=TWICE,
        component="yearly",
    ),
    "is_holiday": Feature(
        "how many days of the target are public holidays or events",
        lambda at: at.design.holidays[:, at.origins + at.step],
        source=False,
        component="holidays",
    ),
    "days_to_holiday": Feature(
        "days to the next public holiday, at most 14",
        lambda at: at.design.to_holiday[:, at.origins + at.step],
        source=False,
        component="holidays",
    ),
    "days_since_holiday": Feature(
        "days since the last public holiday, at most 14",
        lambda at: at.design.since_holiday[:, at.origins + at.step],
        source=False,
        component="holidays",
    ),
    "step": Feature("how many steps ahead", lambda at: np.full(1, float(at.step)), source=False),
    "log_level": Feature("logarithm of the level", Point.log_level),
}
"""Features by name; the words are part of the recorded definition, so a changed meaning is a new version."""

DEFAULT_FEATURES = tuple(name for name in FEATURES if name != "value")


def check_features(names: Sequence[str]) -> tuple[str, ...]:
    """The names, or UnknownName for the first that is not in FEATURES."""
    for name in names:
        if name not in FEATURES:
            raise UnknownName("feature", name, FEATURES)
    return tuple(names)


def _distance(flags: npt.NDArray[np.bool_]) -> Floats:
    """Steps since the last flag of each row, at most 14."""
    position = np.arange(flags.shape[1])
    last = np.maximum.accumulate(np.where(flags, position, -14), axis=1)
    return np.minimum(position - last, 14).astype(float)


def _mean(values: Floats) -> Floats:
    count = (~np.isnan(values)).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def _std(values: Floats) -> Floats:
    centred = (values - _mean(values)) ** 2
    return np.asarray(np.sqrt(_mean(centred)))
