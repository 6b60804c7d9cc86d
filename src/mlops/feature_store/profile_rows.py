"""The rows of a frame of features, sorted once, and what can be asked of a column of it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Bools, Floats, Ints, Times
from mlops.domain.features import FeatureDefinition
from mlops.domain.granularity import Granularity
from mlops.features.grid import anchors_of, step_of

__all__ = ["FeatureValues", "Rows", "share_of"]

FENCE, FEWEST = 3.0, 8
"""Tukey's outer fence, in interquartile ranges (Exploratory Data Analysis, 1977, 2D), and the values that it needs."""
CLOSED_AFTER = 14
"""Days that a frame has before a weekday without any row counts as closed."""
PRECISION = 1e-6
"""Values closer than this (relative) are the same: a float32 has seven digits."""
THURSDAY = 3
"""The weekday of 1970-01-01, where numpy begins to count."""


@dataclass(frozen=True)
class FeatureValues:
    """A feature's values in the order of the rows (n): which are there, and which are of the declared dtype."""

    given: npt.NDArray[Any]
    values: Floats
    """NaN where there is no number; all NaN when the feature is not one (`numeric` is false)."""
    present: Bools
    typed: Bools
    numeric: bool

    @cached_property
    def finite(self) -> Bools:
        """Which are numbers that can be counted with."""
        return np.asarray(self.typed & np.isfinite(self.values))


@dataclass(frozen=True)
class Rows:
    """The rows of a frame (n), sorted by series and time; `inside` are those of the window that begins at `start`."""

    frame: pd.DataFrame
    granularity: Granularity
    series: Ints
    many: int
    """How many series there are."""
    at: Times
    period: Ints
    start: np.datetime64
    inside: Bools
    expected: int
    """How many periods of the window are expected of all series."""

    @classmethod
    def of(cls, frame: pd.DataFrame, granularity: Granularity, start: pd.Timestamp, end: pd.Timestamp) -> "Rows":
        """The rows of a frame `series_id, ds, …` (naive UTC); the window is from `start` until before `end`."""
        names, codes = np.unique(frame["series_id"].to_numpy(), return_inverse=True)
        at = frame["ds"].to_numpy().astype("datetime64[us]")
        order = np.lexsort((at, codes))
        at, first, last = at[order], np.datetime64(start, "us"), np.datetime64(end, "us")
        series = codes[order].astype(np.int64)
        anchors = anchors_of(at, series, len(names), granularity)
        return cls(
            frame=frame.iloc[order],
            granularity=granularity,
            series=series,
            many=len(names),
            at=at,
            period=step_of(at, granularity, anchors[series]),
            start=first,
            inside=(at >= first) & (at < last),
            expected=sum(_expected(at, first, last, granularity, anchors)),
        )

    def column(self, definition: FeatureDefinition) -> FeatureValues:
        """The column of a feature; without values where the frame has none."""
        nothing = np.full(len(self.at), np.nan)
        given = self.frame[definition.name].to_numpy() if definition.name in self.frame.columns else nothing
        present = ~np.asarray(pd.isna(given))
        kind = _kind(definition.dtype)
        if kind is None:
            texts = np.fromiter((isinstance(value, str) for value in given), dtype=bool, count=len(given))
            return FeatureValues(given, nothing, present, present & texts, numeric=False)
        values = pd.to_numeric(pd.Series(given), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        return FeatureValues(given, values, present, present & _fits(values, kind), numeric=True)

    def filled(self, column: FeatureValues) -> int:
        """How many keys (series and period) of the window have a value."""
        return len(np.unique(self._keys[self.inside & column.present]))

    def unique(self, column: FeatureValues) -> Bools:
        """Rows whose key (series and time) has no other value."""
        found, twice = np.ones(len(self.at), dtype=bool), self._twice
        if twice.any():
            values = pd.Series(column.values if column.numeric else column.given)[twice]
            found[twice] = values.groupby(self._instants[twice]).transform("nunique").to_numpy() <= 1
        return found

    def steady(self, column: FeatureValues) -> Bools:
        """Rows of series whose median in the window lies within the outer fences of their own history.

        A series with fewer than FEWEST values before the window has no history to differ from.
        """
        before = column.finite & (self.at < self.start)
        low, high = self._quantiles(column.values, before, (0.25, 0.75))
        (middle,) = self._quantiles(column.values, column.finite & self.inside, (0.5,))
        room = FENCE * (high - low) + PRECISION * np.maximum(np.abs(low), np.abs(high))
        enough = np.bincount(self.series[before], minlength=self.many) >= FEWEST
        off = enough & ((middle < low - room) | (middle > high + room))
        return np.asarray(~off[self.series])

    def repeated(self, name: str, column: FeatureValues, earlier: pd.DataFrame) -> Bools:
        """Rows whose value is that of an earlier build; what that did not have can't differ from it."""
        known = earlier.drop_duplicates(["series_id", "ds"]).set_index(["series_id", "ds"])[name]
        then = known.reindex(pd.MultiIndex.from_frame(self.frame[["series_id", "ds"]])).to_numpy()
        if not column.numeric:
            return np.asarray(pd.isna(then) | (then == column.given))
        then = then.astype(float)
        return np.asarray(np.isnan(then) | np.isclose(then, column.values, rtol=PRECISION, atol=0))

    def newest(self, column: FeatureValues) -> Times:
        """The newest time with a value, per series; NaT without any."""
        found = np.full(self.many, np.datetime64("NaT", "us"))
        np.fmax.at(found, self.series[column.present], self.at[column.present])
        return found

    def means(self, column: FeatureValues, places: Ints, many: int) -> tuple[float | None, ...]:
        """The mean of the finite values at each of `many` places of the calendar; `places` has one per row."""
        chosen = column.finite & ~self._twice
        count = np.bincount(places[chosen], minlength=many)
        total = np.bincount(places[chosen], column.values[chosen], minlength=many)
        means = total / np.maximum(count, 1)
        return tuple(float(mean) if there else None for mean, there in zip(means, count, strict=True))

    def trend(self, column: FeatureValues) -> float | None:
        """Change per step by least squares, each series about its own means (the within estimator)."""
        chosen = column.finite & ~self._twice
        time = self._centred(self.period.astype(float), chosen)
        moved = float((time**2).sum())
        return float((time * self._centred(column.values, chosen)).sum()) / moved if moved > 0 else None

    def autocorrelation(self, column: FeatureValues) -> float | None:
        """Correlation of values a season apart, each series about its own mean and over its own deviation."""
        chosen = column.finite & ~self._twice
        away = np.full(len(self.at), np.nan)
        away[chosen] = self._centred(column.values, chosen)
        spread = np.sqrt(np.bincount(self.series[chosen], away[chosen] ** 2, minlength=self.many))
        away = away / np.where(spread > 0, spread, np.nan)[self.series]
        now, then = (away[places] for places in self._a_season_apart)
        both = ~(np.isnan(now) | np.isnan(then))
        now, then = now[both], then[both]
        size = float(np.sqrt((now**2).sum() * (then**2).sum()))
        return float(np.clip((now * then).sum() / size, -1, 1)) if size > 0 else None

    def _centred(self, values: Floats, chosen: Bools) -> Floats:
        """The chosen values less the mean of their series."""
        series, values = self.series[chosen], values[chosen]
        count = np.bincount(series, minlength=self.many)
        mean = np.bincount(series, values, minlength=self.many) / np.maximum(count, 1)
        return np.asarray(values - mean[series])

    def _quantiles(self, values: Floats, chosen: Bools, shares: Sequence[float]) -> Floats:
        """Quantiles of the chosen values per series, shaped (shares, series); NaN for a series without any."""
        series, values = self.series[chosen], values[chosen]
        ordered = np.r_[values[np.lexsort((values, series))], np.nan]
        count = np.bincount(series, minlength=self.many)
        first = np.cumsum(count) - count
        place = first + np.multiply.outer(np.asarray(shares), np.maximum(count - 1, 0))
        low, high = np.floor(place).astype(int), np.ceil(place).astype(int)
        found = ordered[low] + (ordered[high] - ordered[low]) * (place - low)
        return np.where(count > 0, found, np.nan)

    @cached_property
    def _keys(self) -> Ints:
        """One number per series and period, with a season between two series."""
        if not len(self.period):
            return self.period
        stride = int(self.period.max() - self.period.min()) + self.granularity.season + 1
        return np.asarray(self.series * stride + self.period - self.period.min())

    @cached_property
    def _instants(self) -> Ints:
        """One number per series and time, in order."""
        new = np.r_[True, (np.diff(self.series) != 0) | (np.diff(self.at) != np.timedelta64(0))][: len(self.at)]
        return np.asarray(np.cumsum(new))

    @cached_property
    def _twice(self) -> Bools:
        """Rows whose key has more rows than one: what it is worth, nobody knows."""
        return np.asarray(np.bincount(self._instants)[self._instants] > 1)

    @cached_property
    def _a_season_apart(self) -> tuple[Ints, Ints]:
        """The places of rows and of those a season before them."""
        before = np.searchsorted(self._keys, self._keys - self.granularity.season)
        later = np.flatnonzero(self._keys[before] == self._keys - self.granularity.season)
        return later, before[later]


def share_of(part: float, whole: float) -> float | None:
    """A share from 0 to 1; None of nothing."""
    return part / whole if whole else None


def _expected(
    at: Times, start: np.datetime64, end: np.datetime64, granularity: Granularity, anchors: Ints
) -> Iterator[int]:
    """How many periods begin from `start` until before `end`, of the series with each anchor.

    Of days, those on weekdays that are ever open. One that has not ended by `end` counts once it has a value anywhere.
    """
    begun = np.array([start - np.timedelta64(1, "us"), end - np.timedelta64(1, "us"), end])
    for anchor, many in zip(*np.unique(anchors, return_counts=True), strict=True):
        anchored = replace(granularity, anchor=int(anchor))
        first, last, after = anchored.number(begun)
        open_ = last == after and not ((anchored.number(at) == last) & (at < end)).any()
        days = np.arange(first + 1, last + 1 - open_)
        if granularity.longest_step == timedelta(days=1):
            seen = np.unique(granularity.number(at))
            opened = np.unique((seen + THURSDAY) % 7) if len(seen) >= CLOSED_AFTER else np.arange(7)
            days = days[np.isin((days + THURSDAY) % 7, opened)]
        yield int(many) * len(days)


def _kind(dtype: str) -> "np.dtype[Any] | None":
    """The numpy dtype of a number; None of a text or a category."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        return None
    return kind if kind.kind in "fiub" else None


def _fits(values: Floats, kind: "np.dtype[Any]") -> Bools:
    """Which values a dtype can hold without becoming another value; NaN is none."""
    if kind.kind == "f":
        return np.asarray(np.isinf(values) | (np.abs(values) <= np.finfo(kind).max))
    low, high = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
    return np.asarray((values >= low) & (values <= high) & (values == np.floor(values)))
