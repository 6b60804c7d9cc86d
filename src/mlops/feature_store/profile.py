"""What the values of features are like in a window: their quality, their distribution and their pattern in time. Pure.

A frame has one row per series and time (`series_id`, `ds` in naive UTC) and one column per feature. Rows before the
window are history: the window is held against them, and the pattern in time is read from both.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from mlops.arrays import Bools
from mlops.domain.features import FeatureDefinition
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.metric_types import METRIC_TYPES, MetricType
from mlops.domain.profiles import Bounds, Distribution, FeatureProfile, Pattern, Quality, Window
from mlops.errors import BadInput
from mlops.feature_store.histogram import edges as laid
from mlops.feature_store.histogram import histogram
from mlops.feature_store.profile_rows import FeatureValues, Rows, share_of
from mlops.times import aware_utc, naive_utc

__all__ = ["feature_profiles"]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MOST_CATEGORIES = 20


def feature_profiles(
    frame: pd.DataFrame,
    definitions: Sequence[FeatureDefinition],
    window: Window,
    as_of: datetime,
    *,
    metric_types: Mapping[str, MetricType] = METRIC_TYPES,
    edges: Mapping[str, Sequence[float]] | None = None,
    earlier: pd.DataFrame | None = None,
) -> list[FeatureProfile]:
    """The profile of each feature in the order of the definitions; the order of the rows is of no account.

    A feature without a column is one without values, and rows after `as_of` are not looked at. `edges` has, by feature,
    the edges of the histograms that these are to be compared with; others are laid from bounds or values. `earlier` is
    the frame of another build.
    """
    missing = {"series_id", "ds"} - set(frame.columns)
    if missing:
        raise BadInput(f"the frame has no column {', '.join(sorted(missing))}; expected series_id, ds and the features")
    if window.start >= window.end:
        raise BadInput(f"a window from {window.start} to {window.end} has nothing in it; give it one day or more")
    known = frame[frame["ds"] < naive_utc(as_of)]
    rows = {
        kind: Rows.of(known, GRANULARITIES[kind], naive_utc(window.start), naive_utc(window.end))
        for kind in {definition.granularity for definition in definitions}
    }
    kept = edges or {}
    with np.errstate(over="ignore", invalid="ignore"):  # the largest floats overflow; what is not finite becomes None
        return [
            _Subject(rows[definition.granularity], definition, metric_types, earlier).profile(
                window, as_of, kept.get(definition.name, ())
            )
            for definition in definitions
        ]


class _Subject:
    """One feature in the rows of a frame."""

    def __init__(
        self,
        rows: Rows,
        definition: FeatureDefinition,
        metric_types: Mapping[str, MetricType],
        earlier: pd.DataFrame | None,
    ) -> None:
        self.rows, self.definition, self.column = rows, definition, rows.column(definition)
        self.sources = [metric_types[name] for name in definition.source_metric_types if name in metric_types]
        self.earlier = earlier if earlier is not None and definition.name in earlier.columns else None
        self.there = rows.inside & self.column.present

    def profile(self, window: Window, as_of: datetime, edges: Sequence[float]) -> FeatureProfile:
        """The whole of it."""
        rows = self.rows
        return FeatureProfile(
            name=self.definition.name,
            window=window,
            as_of=as_of,
            series=rows.many,
            expected=rows.expected,
            quality=self.quality(as_of),
            distribution=self.distribution(edges) if self.column.numeric else self.categories(),
            pattern=self.pattern(),
        )

    def quality(self, as_of: datetime) -> Quality:
        """The four qualities with what they rest on."""
        rows, column, bounds = self.rows, self.column, self.bounds
        checks: dict[str, Bools | None] = {
            "unique": rows.unique(column),
            "typed": column.typed,
            "steady": rows.steady(column) if self.sources and column.numeric else None,
            "repeated": None if self.earlier is None else rows.repeated(self.definition.name, column, self.earlier),
        }
        asked = [ok for ok in checks.values() if ok is not None]
        # how old the newest value of each series is, beside what is allowed
        newest, step = rows.newest(column), rows.granularity.longest_step
        allowed = max([step, *(source.late_after for source in self.sources)])
        age = np.datetime64(naive_utc(as_of), "us") - np.timedelta64(step) - newest
        fresh = int((age <= np.timedelta64(allowed)).sum())  # NaT, of a series without a value, is not
        known = age[~np.isnat(age)]
        return Quality(
            completeness=share_of(rows.expected - self.missing, rows.expected),
            accuracy=self._share(_within(column, bounds)),
            consistency=self._share(np.logical_and.reduce(asked)),
            freshness=share_of(fresh, rows.many),
            bounds=bounds,
            newest=aware_utc(np.nanmax(newest)) if len(known) else None,
            age_steps=max(float(known.min() / np.timedelta64(step)), 0.0) if len(known) else None,
            **{name: None if ok is None else self._share(ok) for name, ok in checks.items()},
        )

    def distribution(self, edges: Sequence[float]) -> Distribution:
        """The numbers of the window."""
        values = np.sort(self.column.values[self.rows.inside & self.column.typed])  # sums then don't depend on the rows
        finite = values[np.isfinite(values)]
        kept = tuple(edges) or laid(self.column.values[self.column.finite], *self.bounds)
        quantiles = np.maximum.accumulate(np.quantile(finite, QUANTILES)) if len(finite) else ()
        return Distribution(
            count=len(values),
            missing=self.missing,
            infinite=len(values) - len(finite),
            distinct=len(np.unique(values)),
            mean=_number(finite.mean()) if len(finite) else None,
            std=_number(finite.std()) if len(finite) else None,
            min=_number(finite[0]) if len(finite) else None,
            max=_number(finite[-1]) if len(finite) else None,
            quantiles={f"{of:g}": float(quantile) for of, quantile in zip(QUANTILES, quantiles, strict=False)},
            edges=kept,
            counts=histogram(values, kept),
        )

    def categories(self) -> Distribution:
        """The texts of the window."""
        many = pd.Series(self.column.given[self.rows.inside & self.column.typed], dtype=object).value_counts()
        most = sorted(((str(name), int(count)) for name, count in many.items()), key=lambda one: (-one[1], one[0]))
        count = int(many.sum())
        nothing = dict.fromkeys(("mean", "std", "min", "max"))
        return Distribution(
            count=count,
            missing=self.missing,
            infinite=0,
            distinct=len(most),
            quantiles={},
            edges=(),
            counts=(count,),
            top=tuple(most[:MOST_CATEGORIES]),
            **nothing,
        )

    def pattern(self) -> Pattern:
        """The calendar, the trend and the season."""
        rows, column = self.rows, self.column
        times = pd.DatetimeIndex(rows.at)
        hours = () if rows.granularity.dated else rows.means(column, times.hour.to_numpy(), 24)
        return Pattern(
            since=aware_utc(rows.at[column.finite].min()) if column.finite.any() else None,
            by_hour=hours,
            by_weekday=rows.means(column, times.dayofweek.to_numpy(), 7),
            by_month=rows.means(column, times.month.to_numpy() - 1, 12),
            trend=_number(rows.trend(column)),
            season=rows.granularity.season,
            autocorrelation=_number(rows.autocorrelation(column)),
        )

    @property
    def bounds(self) -> Bounds:
        """The declared bounds; of an observed value, when none are declared, those of what is measured."""
        declared = (self.definition.min_value, self.definition.max_value)
        observed = "value" in (self.definition.name, self.definition.transformation)
        if declared == (None, None) and observed and len(self.sources) == 1:
            return self.sources[0].min_value, self.sources[0].max_value
        return declared

    @property
    def missing(self) -> int:
        """Expected keys without a value."""
        return max(self.rows.expected - self.rows.filled(self.column), 0)

    def _share(self, ok: Bools) -> float | None:
        """Of the values of the window, how many are `ok`."""
        return share_of(int(ok[self.there].sum()), int(self.there.sum()))


def _within(column: FeatureValues, bounds: Bounds) -> Bools:
    """Which values are possible."""
    low, high = (-np.inf if bounds[0] is None else bounds[0]), (np.inf if bounds[1] is None else bounds[1])
    return (
        np.asarray(column.finite & (column.values >= low) & (column.values <= high)) if column.numeric else column.typed
    )


def _number(value: Any) -> float | None:
    """A finite number, or None: JSON has no other."""
    return float(value) if value is not None and np.isfinite(value) else None
