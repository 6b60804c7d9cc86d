"""How transformations of windows, of the calendar and of other transformations are computed, on many series at once.

A function of values gives, for each step, what it makes of the steps up to and including that one; how many steps
before the target that is (`lag`) is not its business. Its columns may begin later than those of the values, by as many
steps as its window reaches back. NaN is what can't be told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.granularity import Granularity
from mlops.features.cells import Cells, Number
from mlops.panels.calendar import Calendar
from mlops.times import UTC, local_times

NOTHING_NAMED = Calendar()


@dataclass(frozen=True, slots=True)
class Steps:
    """The times (UTC) at which steps begin, how long they are, by which clock their calendar goes, and named days.

    `named` has the events beside the public holidays, which may be about some of the series `ids` only. `before` is how
    many steps before the first one may be looked at (None: any).
    """

    times: pd.DatetimeIndex
    granularity: Granularity
    zone: str = UTC
    named: Calendar = NOTHING_NAMED
    ids: pd.Index = field(default_factory=lambda: pd.Index([]))
    before: int | None = None

    @classmethod
    def between(cls, begin: int, end: int, granularity: Granularity, zone: str = UTC) -> "Steps":
        """The steps with the numbers from `begin` to before `end`."""
        return cls(pd.DatetimeIndex(granularity.start(np.arange(begin, end))).as_unit("ns"), granularity, zone)

    @property
    def local(self) -> pd.DatetimeIndex:
        """What the clock shows; a step of a day or longer carries its local date already."""
        return self.times if self.granularity.dated else pd.DatetimeIndex(local_times(self.times.to_numpy(), self.zone))

    def around(self, before: int, after: int) -> tuple["Steps", int]:
        """With some steps more on both sides, and how many those before are: fewer where not so many may be seen."""
        before = before if self.before is None else min(before, self.before)
        begin = int(self.granularity.number(self.times[:1].to_numpy())[0])
        times = self.granularity.start(np.arange(begin - before, begin + len(self.times) + after))
        return replace(self, times=pd.DatetimeIndex(times).as_unit("ns")), before

    def named_days(self, country: str | None) -> Floats:
        """How many days of each step are public holidays of the country or events (series × steps, or one row)."""
        return replace(self.named, country=country).count_of(self.ids, self.local, self.granularity)


def value(cells: Cells) -> Floats:
    """The observed value of the row's own time."""
    return cells.values


def lag(cells: Cells, n: int) -> Floats:  # noqa: ARG001  the table shifts by it
    """The value `n` steps before."""
    return cells.values


def lag_of_target(cells: Cells, n: int) -> Floats:  # noqa: ARG001  the table shifts by it
    """The value `n` steps before the target; never after the origin, so farther ahead than `n` it is the newest."""
    return cells.values


def seasonal_lag(cells: Cells, season: int, n: int = 1) -> Floats:  # noqa: ARG001  the table shifts by them
    """The `n`-th newest value of the target's place in the season: of its weekday where `season` is 7."""
    return cells.values


def difference(cells: Cells, n: int = 1) -> Floats:
    """The newest value minus the one `n` steps before it."""
    return np.asarray(cells.values[:, n:] - cells.values[:, :-n])


def rolling_mean(cells: Cells, window: int, min_count: int | None = None) -> Floats:
    """The mean of a window, where at least `min_count` (1) values were observed."""
    return cells.roll(
        window, Cells.counted, _add, lambda n, total: _enough(n, min_count or 1, total / np.maximum(n, 1))
    )


def rolling_sum(cells: Cells, window: int, min_count: int | None = None) -> Floats:
    """The sum of a window, where at least `min_count` (1) values were observed; what is missing adds nothing."""
    return cells.roll(window, Cells.counted, _add, lambda n, total: _enough(n, min_count or 1, total))


def rolling_std(cells: Cells, window: int, min_count: int | None = None) -> Floats:
    """The sample standard deviation (divisor n - 1) of a window, where at least `min_count` (2) were observed."""
    return cells.roll(window, _moments, _merge_moments, lambda n, _, m: _enough(n, min_count or 2, _deviation(n, m)))


def rolling_min(cells: Cells, window: int) -> Floats:
    """The smallest value of a window."""
    return cells.roll(window, _as_they_are, lambda a, b: (np.fmin(a[0], b[0]),), _itself)


def rolling_max(cells: Cells, window: int) -> Floats:
    """The largest value of a window."""
    return cells.roll(window, _as_they_are, lambda a, b: (np.fmax(a[0], b[0]),), _itself)


def rolling_median(cells: Cells, window: int) -> Floats:
    """The median of what was observed in a window."""
    return rolling_quantile(cells, window, 0.5)


def rolling_quantile(cells: Cells, window: int, q: float) -> Floats:
    """The quantile `q` of what was observed in a window, by linear interpolation (Hyndman and Fan's type 7)."""
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(cells.values, window, axis=1), axis=2)
    newest = np.maximum((~np.isnan(ordered)).sum(axis=2) - 1, 0)
    place = q * newest
    low = np.floor(place).astype(np.int64)
    below, above = (_pick(ordered, at) for at in (low, np.minimum(low + 1, newest)))
    return np.asarray(below + (above - below) * (place - low))


def expanding_mean(cells: Cells) -> Floats:
    """The mean of everything observed so far."""
    count, total = (np.cumsum(np.broadcast_to(part, cells.values.shape), axis=1) for part in cells.counted())
    return _enough(count, 1, total / np.maximum(count, 1))


def ewm_mean(cells: Cells, alpha: float | None = None, halflife: float | None = None) -> Floats:
    """The mean of everything so far, a value `k` steps old weighing (1 - alpha)^k, half as much after `halflife`."""
    from scipy.signal import lfilter

    keep = 1 - alpha if alpha is not None else 0.5 ** (1 / float(halflife or 1))
    weight, total = (
        np.asarray(lfilter([1.0], [1.0, -keep], np.broadcast_to(part, cells.values.shape), axis=1))
        for part in cells.counted()
    )
    return ratio(total, weight)


def seasonal_rolling_mean(cells: Cells, season: int, window: int) -> Floats:
    """The mean of `window` values, each `season` steps after the other: the last four Mondays."""
    return cells.roll(
        window, Cells.counted, _add, lambda n, total: _enough(n, 1, total / np.maximum(n, 1)), stride=season
    )


def share_missing(cells: Cells, window: int) -> Floats:
    """The share of a window's steps without a value, from 0 to 1; before its beginning a series has none."""
    return cells.roll(window, Cells.counted, _add, lambda n, _: 1 - n / window)


def steps_since_observed(cells: Cells, most: int = 365) -> Floats:
    """Steps since the newest value: 0 when the newest step has one, never more than `most`."""
    return _since(~np.isnan(cells.values), most)


def steps_since_nonzero(cells: Cells, most: int = 365) -> Floats:
    """Steps since the newest value other than zero: 0 when the newest step has one, never more than `most`."""
    return _since(np.nan_to_num(cells.values) != 0, most)


def day_of_week(steps: Steps) -> Floats:
    """The weekday, Monday 0."""
    return steps.local.dayofweek.to_numpy(dtype=float)[None, :]


def day_of_month(steps: Steps) -> Floats:
    """The day of the month, from 1."""
    return steps.local.day.to_numpy(dtype=float)[None, :]


def day_of_year(steps: Steps) -> Floats:
    """The day of the year, from 1."""
    return steps.local.dayofyear.to_numpy(dtype=float)[None, :]


def month(steps: Steps) -> Floats:
    """The month, January 1."""
    return steps.local.month.to_numpy(dtype=float)[None, :]


def hour(steps: Steps) -> Floats:
    """The hour of the day."""
    return steps.local.hour.to_numpy(dtype=float)[None, :]


def holiday(steps: Steps, country: str | None = None) -> Floats:
    """How many days of the step are public holidays of a country (ISO code) or events: 0 or 1 for days and hours."""
    return steps.named_days(country)


def steps_to_holiday(steps: Steps, country: str | None = None, most: int = 14) -> Floats:
    """Steps until the next public holiday or event: 0 on one, never more than `most`."""
    around, _ = steps.around(0, most)
    return _since(around.named_days(country)[:, ::-1] > 0, most)[:, ::-1][:, : len(steps.times)]


def steps_since_holiday(steps: Steps, country: str | None = None, most: int = 14) -> Floats:
    """Steps since the last public holiday or event: 0 on one, never more than `most`."""
    around, before = steps.around(most, 0)
    return _since(around.named_days(country) > 0, most)[:, before:]


def relative(x: Floats) -> Floats:
    """Values over the level of their series at the origin, so that one model serves a corner shop and a city."""
    return x


def ratio(top: Floats, bottom: Floats) -> Floats:
    """One by the other; NaN where the other is zero, or so small that there is no number for it."""
    quotient = np.divide(top, np.where(bottom == 0, np.nan, bottom))
    return np.where(np.isinf(quotient), np.nan, quotient)


def log1p(x: Floats) -> Floats:
    """The logarithm of one more than another transformation."""
    return np.asarray(np.log1p(x))


def label(texts: Callable[[str], Sequence[str | None]], key: str, categories: tuple[str, ...]) -> Floats:
    """The place of the series' label (or place, like route_id) among `categories`, from 0; NaN for any other."""
    codes = {category: float(code) for code, category in enumerate(categories)}
    return np.array([[codes.get(text or "", np.nan)] for text in texts(key)])


def _add(older: tuple[Number, ...], newer: tuple[Number, ...]) -> tuple[Number, ...]:
    return older[0] + newer[0], older[1] + newer[1]


def _as_they_are(cells: Cells) -> tuple[Number, ...]:
    return (cells.values,)


def _itself(values: Floats) -> Floats:
    return values


def _moments(cells: Cells) -> tuple[Number, ...]:
    return *cells.counted(), 0.0


def _merge_moments(older: tuple[Number, ...], newer: tuple[Number, ...]) -> tuple[Number, ...]:
    """Count, sum and sum of squared deviations of two windows together (Chan, Golub and LeVeque 1979, eq. 2.1)."""
    (n, total, squares), (m, other, others) = older, newer
    ratio, weight = m / np.maximum(n, 1), n / np.maximum(m * (n + m), 1)
    apart = np.asarray((total if np.all(ratio == 1) else total * ratio) - other)
    apart *= apart
    apart *= weight
    apart += squares
    apart += others
    return n + m, total + other, apart


def _deviation(n: Number, squares: Number) -> Number:
    return np.asarray(np.sqrt(squares / np.maximum(n - 1, 1)))


def _enough(n: Number, least: int, result: Number) -> Floats:
    if isinstance(n, float):
        return np.asarray(result) if n >= least else np.full(np.shape(result), np.nan)
    return np.where(n >= least, result, np.nan)


def _pick(ordered: Floats, at: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(np.take_along_axis(ordered, at[..., None], axis=2)[..., 0])


def _since(flags: npt.NDArray[np.bool_], most: int) -> Floats:
    position = np.arange(flags.shape[1])
    last = np.maximum.accumulate(np.where(flags, position, -most), axis=1)
    return np.minimum(position - last, most).astype(float)
