"""Many series on one regular calendar: the array that every model kind works on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.granularity import Granularity
from mlops.errors import BadInput
from mlops.panels.categories import NUMBERS, Coding
from mlops.times import UTC, instants, local_times

__all__ = ["SMALLEST_LEVEL", "Floats", "Panel"]


SMALLEST_LEVEL = 1e-290
"""Parts of a smaller level are no normal numbers any more (the smallest is 2e-308)."""


@dataclass(frozen=True, slots=True)
class Panel:
    """`y` has one row per series and one column per step of `index`; NaN where nothing was observed.

    `index` has the beginnings of the steps, without a gap: dates, or for steps within a day what a clock in `zone`
    shows, so that a rhythm of the day stays where it is when the clock changes. `end` is the instant of the newest
    step (None: the step itself), which matters where the clock shows an hour twice.

    `extra` holds further columns by name, covariates that are known ahead and what features are computed from: one row
    per series, one column per step of `index` and then of as many steps after it as are known. A covariate of text has
    a column of 0 and 1 for each category there, as in `coding`; as a frame the panel has the text.
    """

    ids: pd.Index
    index: pd.DatetimeIndex
    y: Floats
    granularity: Granularity
    extra: Mapping[str, Floats] = field(default_factory=dict)
    zone: str = UTC
    end: pd.Timestamp | None = None
    coding: Coding = NUMBERS

    @property
    def cutoff(self) -> pd.Timestamp:
        """The newest step."""
        return self.index[-1]

    @property
    def newest(self) -> pd.Timestamp:
        """The instant (UTC) at which the newest step begins."""
        return self.end or pd.Timestamp(instants(self.index[-1:].to_numpy(), self.zone)[0])

    def future(self, horizon: int) -> pd.DatetimeIndex:
        """The `horizon` steps after the cutoff."""
        return pd.DatetimeIndex(self.granularity.after(self.cutoff.to_datetime64(), horizon).astype("datetime64[ns]"))

    def ahead_of(self, horizon: int) -> tuple[pd.DatetimeIndex, npt.NDArray[np.int64]]:
        """The instants of the `horizon` steps after the newest one, and which of the steps of `future` each is.

        An hour that the clock shows twice is two instants of one step; one that it skips is a step without an instant.
        """
        if self.zone == UTC:
            return self.future(horizon), np.arange(horizon)
        every = np.timedelta64(self.granularity.seconds, "s")
        at = self.newest.to_datetime64() + every * np.arange(1, horizon + 1)
        number = self.granularity.number(local_times(at, self.zone))
        ahead = number - self.granularity.number(self.index[-1:].to_numpy()) - 1
        return pd.DatetimeIndex(at), np.maximum(ahead, 0)

    def by_the_clock(self) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.int64]]:
        """The instants from the first step to the newest one, and the place in `index` of the step of each."""
        if self.zone == UTC:
            return self.index.to_numpy(), np.arange(len(self.index))
        every, newest = np.timedelta64(self.granularity.seconds, "s"), self.newest.to_datetime64()
        first = instants(self.index[:1].to_numpy(), self.zone)[0]
        at = newest - every * np.arange((newest - first) // every + 2)[::-1]
        number = self.granularity.number(np.r_[self.index[:1].to_numpy(), local_times(at, self.zone)])
        place = number[1:] - number[0]
        return at[place >= 0], place[place >= 0]

    def until(self, steps: int) -> "Panel":
        """The first `steps` steps; of covariates what is known ahead stays."""
        end = self.end if steps >= len(self.index) else None
        return replace(self, index=self.index[:steps], y=self.y[:, :steps], end=end)

    def last(self, steps: int) -> "Panel":
        """The newest `steps` steps."""
        cut = max(len(self.index) - steps, 0)
        extra = {name: values[:, cut:] for name, values in self.extra.items()}
        return replace(self, index=self.index[cut:], y=self.y[:, cut:], extra=extra)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Panel":
        """Some of the series."""
        extra = {name: values[rows] for name, values in self.extra.items()}
        return replace(self, ids=self.ids[rows], y=self.y[rows], extra=extra)

    def without(self, names: Collection[str]) -> "Panel":
        """Without some columns of `extra`."""
        return replace(self, extra={name: values for name, values in self.extra.items() if name not in names})

    def with_static(self, horizon: int) -> "Panel":
        """The panel with the covariates that never vary known for the `horizon` steps ahead, as in the newest step.

        Values that are given for a step stay.
        """
        steps, extra = len(self.index), dict(self.extra)
        for name in self.coding.names(self.coding.static):
            more = max(steps + horizon - extra[name].shape[1], 0)
            values = np.pad(extra[name], ((0, 0), (0, more)), constant_values=np.nan)
            seen = ~np.isnan(values[:, :steps])
            newest = values[np.arange(len(values)), steps - 1 - seen[:, ::-1].argmax(axis=1)]
            values[:, steps:] = np.where(np.isnan(values[:, steps:]), newest[:, None], values[:, steps:])
            extra[name] = values
        return replace(self, extra=extra) if self.coding.static else self

    def ahead(self, name: str, horizon: int) -> Floats:
        """A covariate for the `horizon` steps after the cutoff; BadInput where it is not known."""
        start = len(self.index)
        values = self.extra[name][:, start : start + horizon]
        if values.shape[1] < horizon or np.isnan(values).any():
            raise BadInput(
                f"covariate {name!r} is not known for every series and step until {self.future(horizon)[-1]};"
                " pass future= with series_id, ds and its values (in a file: rows ahead in which y is empty)"
            )
        return values

    def covariate(self, name: str, first: int, steps: int) -> Floats:
        """A covariate (series × steps) for so many steps from the position `first` on; NaN where it is not known."""
        values = self.extra[name][:, first : first + steps]
        return np.pad(values, ((0, 0), (0, steps - values.shape[1])), constant_values=np.nan)

    def places(self, index: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
        """The place of each step in its cycle: hour of the day, weekday, month or quarter of the year; 0 for others."""
        if self.granularity.cycle in (5, 7):
            return np.asarray(index.dayofweek, dtype=np.int64)
        return self.granularity.number(index.to_numpy()) % self.granularity.cycle

    def level(self) -> Floats:
        """Mean absolute value of each series over its newest four cycles, at least a tenth of that over everything.

        With nothing in the newest four cycles it is that of as many values before; 0 for a series of zeros.
        """
        cycles = 4 * self.granularity.block
        recent, whole = _mean_abs(self.y[:, -cycles:]), _mean_abs(self.y)
        ended = np.isnan(self.y[:, -cycles:]).all(axis=1)
        if ended.any():
            seen = ~np.isnan(self.y[ended])
            newest = seen & (np.cumsum(seen[:, ::-1], axis=1)[:, ::-1] <= cycles)
            recent[ended] = _mean_abs(np.where(newest, self.y[ended], np.nan))
        return np.maximum(recent, 0.1 * whole)

    def unit(self) -> Floats:
        """The scale of each series: its level, or 1 where that is zero (or no normal number)."""
        level = self.level()
        return np.where(level > SMALLEST_LEVEL, level, 1.0)

    @property
    def never_negative(self) -> npt.NDArray[np.bool_]:
        """Which series were never below zero: their forecasts are not, either."""
        return np.asarray((np.nan_to_num(self.y) >= 0).all(axis=1))

    @property
    def short(self) -> npt.NDArray[np.bool_]:
        """Which series have too few values for more than a mean: fewer than two cycles, or 14."""
        return np.asarray((~np.isnan(self.y)).sum(axis=1) < min(2 * self.granularity.block, 14))

    def long(self) -> pd.DataFrame:
        """Every series and step, also of covariates that are known ahead, as `of_long` reads them."""
        width = max(len(self.index), *(values.shape[1] for values in self.extra.values()), 0)
        at = np.concatenate([self.index.to_numpy(), self.future(max(width - len(self.index), 0)).to_numpy()])
        columns = {"y": self.y, **self.extra}
        wide = {name: np.full((len(self.ids), width), np.nan) for name in columns}
        for name, values in columns.items():
            wide[name][:, : values.shape[1]] = values
        keys = {"series_id": self.ids.repeat(width), "ds": np.tile(at, len(self.ids))}
        return pd.DataFrame(keys | {name: values.ravel() for name, values in wide.items()})

    @classmethod
    def of_long(
        cls,
        rows: pd.DataFrame,
        step: Granularity,
        *,
        zone: str = UTC,
        last: str | None = None,
        newest: str | None = None,
        coding: Coding | None = None,
    ) -> "Panel":
        """The panel whose rows `long` gave; `last` is its newest step and `newest` the instant of that.

        Rows may be missing, as of models that were saved before there was a row of every step.
        """
        number = step.number(rows["ds"].to_numpy())
        first, ids = int(number.min()), pd.Index(rows["series_id"].unique(), name="series_id")
        wide = {}
        for name in rows.columns.difference(["series_id", "ds", "time_zone"], sort=False):
            values = np.full((len(ids), int(number.max()) - first + 1), np.nan, order="F")  # as of a frame: equal sums
            values[ids.get_indexer(rows["series_id"]), number - first] = rows[name].to_numpy(float)
            wide[name] = values
        final = int(step.number(np.array([last], dtype="datetime64[ns]"))[0]) if last else int(number.max())
        index = pd.DatetimeIndex(step.start(np.arange(first, final + 1)).astype("datetime64[ns]"))
        y = wide.pop("y")[:, : len(index)]
        end = pd.Timestamp(newest).as_unit("ns") if newest and zone != UTC else None
        return cls(ids, index, y, step, wide, zone=zone, end=end, coding=coding or NUMBERS)

    def frame(self, *, gaps: bool = False) -> pd.DataFrame:
        """Back to the long frame, without gaps (but for values of covariates in them); with `time_zone` if local."""
        at, place = self.by_the_clock()
        series, row = np.nonzero(~np.isnan(self.y[:, place]) | gaps)
        step = place[row]
        keys = {"series_id": self.ids[series], "ds": at[row], "y": self.y[series, step]}
        covariates = self.coding.decoded({name: values[series, step] for name, values in self.extra.items()})
        rows = pd.DataFrame(keys | covariates)
        return rows if self.zone == UTC else rows.assign(time_zone=self.zone)

    def known(self) -> pd.DataFrame:
        """`frame` with all that is known: of covariates also their values in gaps and after the cutoff."""
        return self.with_ahead(max((values.shape[1] for values in self.extra.values()), default=0) - len(self.index))

    def with_ahead(self, horizon: int) -> pd.DataFrame:
        """`frame`, with covariates also in gaps and for the `horizon` steps ahead, without their `y` and no later ones.

        NaN where a covariate is not known.
        """
        if not self.extra:
            return self.frame()
        past = self.frame(gaps=True)
        if horizon < 1:
            return past
        at, steps = self.ahead_of(horizon)
        known = {
            name: self.covariate(name, len(self.index), int(steps.max()) + 1)[:, steps].ravel() for name in self.extra
        }
        keys = {"series_id": self.ids.repeat(horizon), "ds": np.tile(at.to_numpy(), len(self.ids)), "y": np.nan}
        ahead = pd.DataFrame(keys | self.coding.decoded(known))
        return pd.concat([past, ahead if self.zone == UTC else ahead.assign(time_zone=self.zone)], ignore_index=True)

    def with_ids(self, ids: pd.Index) -> "Panel":
        """The panel with a row for each of these series, too; NaN for those that it doesn't know."""
        every = self.ids.union(ids)
        y = np.full((len(every), len(self.index)), np.nan)
        y[every.get_indexer(self.ids)] = self.y
        return self if len(every) == len(self.ids) else replace(self, ids=every, y=y)


def _mean_abs(y: Floats) -> Floats:
    count = (~np.isnan(y)).sum(axis=1)
    return np.asarray(np.nansum(np.abs(y), axis=1) / np.maximum(count, 1))
