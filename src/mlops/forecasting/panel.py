"""Many series on one regular calendar: the array that every model kind works on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.errors import BadInput, NothingToDo
from mlops.tables import refuse_infinite, times

__all__ = ["SEASONS", "SMALLEST_LEVEL", "Panel", "Season", "infer_freq"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Season:
    """How many steps a cycle (a week of days, a day of hours) and a year have, and how models are rehearsed.

    Rehearsals are forecasts from past origins, `every` steps apart, over the newest `span` steps.
    """

    cycle: int
    year: int
    every: int
    span: int


SEASONS = {
    "h": Season(24, 8736, 24, 504),
    "D": Season(7, 364, 7, 84),
    "B": Season(5, 260, 5, 60),
    "W": Season(4, 52, 2, 26),
    "MS": Season(12, 12, 1, 18),
}
"""By pandas offset alias without its anchor. The year of days is 52 weeks, so that weekdays meet."""


SMALLEST_LEVEL = 1e-290  # parts of a smaller one are no normal numbers any more


@dataclass(frozen=True, slots=True)
class Panel:
    """`y` has one row per series and one column per step of `index`; NaN where nothing was observed.

    `extra` holds covariates that are known ahead, by name: one row per series, one column per step of `index` and then
    of as many steps after it as are known.
    """

    ids: pd.Index
    index: pd.DatetimeIndex
    y: Floats
    freq: str
    extra: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        freq: str | None = None,
        covariates: Sequence[str] = (),
        future: pd.DataFrame | None = None,
    ) -> "Panel":
        """The panel of a long frame `series_id, ds, y`; every series ends at the newest `ds` of the frame.

        `covariates` names further columns; `future` (`series_id, ds` and the same columns) has their values ahead.
        """
        whole, frame = frame, _checked(frame)
        freq = freq or infer_freq(frame["ds"])
        index = pd.date_range(frame["ds"].min(), frame["ds"].max(), freq=freq)
        wide = frame.pivot(index="series_id", columns="ds", values="y")
        off = pd.DatetimeIndex(wide.columns).difference(index)
        if len(off):
            raise BadInput(f"{off[0]} is not on the calendar of frequency {freq!r}; pass freq=, or align the times")
        wide = wide.reindex(columns=index)
        panel = cls(wide.index, index, wide.to_numpy(dtype=float), freq)
        return replace(panel, extra=_covariates(panel, whole, covariates, future)) if covariates else panel

    @property
    def season(self) -> Season:
        """Cycle and year of this panel's frequency."""
        return SEASONS[self.freq.split("-")[0]]

    @property
    def cutoff(self) -> pd.Timestamp:
        """The newest step."""
        return self.index[-1]

    def future(self, horizon: int) -> pd.DatetimeIndex:
        """The `horizon` steps after the cutoff."""
        return pd.date_range(self.cutoff, periods=horizon + 1, freq=self.freq)[1:]

    def until(self, steps: int) -> "Panel":
        """The first `steps` steps; of covariates what is known ahead stays."""
        return replace(self, index=self.index[:steps], y=self.y[:, :steps])

    def last(self, steps: int) -> "Panel":
        """The newest `steps` steps."""
        cut = max(len(self.index) - steps, 0)
        extra = {name: values[:, cut:] for name, values in self.extra.items()}
        return replace(self, index=self.index[cut:], y=self.y[:, cut:], extra=extra)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Panel":
        """Some of the series."""
        extra = {name: values[rows] for name, values in self.extra.items()}
        return replace(self, ids=self.ids[rows], y=self.y[rows], extra=extra)

    def ahead(self, name: str, horizon: int) -> Floats:
        """A covariate for the `horizon` steps after the cutoff; BadInput where it is not known."""
        start = len(self.index)
        values = self.extra[name][:, start : start + horizon]
        if values.shape[1] < horizon or np.isnan(values).any():
            raise BadInput(
                f"covariate {name!r} is not known for every series and step until {self.future(horizon)[-1]};"
                " pass future= with series_id, ds and its values"
            )
        return values

    def places(self, index: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
        """The place of each step in its cycle: hour, weekday or month; 0 for weeks."""
        kind = self.freq.split("-")[0]
        of = {"h": index.hour, "D": index.dayofweek, "B": index.dayofweek, "MS": index.month - 1}
        return np.asarray(of.get(kind, np.zeros(len(index))), dtype=np.int64)

    def level(self) -> Floats:
        """Mean absolute value of each series over its newest four cycles, at least a tenth of that over everything.

        With nothing in the newest four cycles it is that of as many values before; 0 for a series of zeros.
        """
        cycles = 4 * self.season.cycle
        recent, whole = _mean_abs(self.y[:, -cycles:]), _mean_abs(self.y)
        ended = np.isnan(self.y[:, -cycles:]).all(axis=1)
        if ended.any():
            seen = ~np.isnan(self.y[ended])
            newest = seen & (np.cumsum(seen[:, ::-1], axis=1)[:, ::-1] <= cycles)
            recent[ended] = _mean_abs(np.where(newest, self.y[ended], np.nan))
        return np.maximum(recent, 0.1 * whole)

    def unit(self) -> Floats:
        """What the values of each series are divided by: its level, or 1 where that is zero (or no normal number)."""
        level = self.level()
        return np.where(level > SMALLEST_LEVEL, level, 1.0)

    @property
    def never_negative(self) -> npt.NDArray[np.bool_]:
        """Which series were never below zero: their forecasts are not, either."""
        return np.asarray((np.nan_to_num(self.y) >= 0).all(axis=1))

    @property
    def short(self) -> npt.NDArray[np.bool_]:
        """Which series have too few values for more than a mean: fewer than two cycles, or 14."""
        return np.asarray((~np.isnan(self.y)).sum(axis=1) < min(2 * self.season.cycle, 14))

    def frame(self) -> pd.DataFrame:
        """Back to the long frame, without the gaps."""
        series, step = np.nonzero(~np.isnan(self.y))
        keys = {"series_id": self.ids[series], "ds": self.index[step], "y": self.y[series, step]}
        return pd.DataFrame(keys | {name: values[series, step] for name, values in self.extra.items()})


def infer_freq(ds: pd.Series) -> str:
    """The offset alias that most steps follow: hourly, daily, weekdays, weekly or month starts."""
    times = pd.DatetimeIndex(np.sort(ds.unique()))
    if len(times) < 2:
        raise BadInput("the frequency of one single time can't be inferred; pass freq=")
    step = pd.Series(times).diff().mode()[0]
    if step <= pd.Timedelta(hours=1):
        return "h"
    if step <= pd.Timedelta(days=1):
        return "B" if len(times) > 10 and not (times.dayofweek >= 5).any() else "D"
    if step <= pd.Timedelta(days=7):
        return f"W-{times[-1].strftime('%a').upper()}"
    return "MS"


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    missing = {"series_id", "ds", "y"} - set(frame.columns)
    if missing:
        raise BadInput(f"the frame has no column {', '.join(sorted(missing))}; expected series_id, ds, y")
    frame = frame.loc[frame["y"].notna(), ["series_id", "ds", "y"]]
    if frame.empty:
        raise NothingToDo("there is no observation to work on; every y is missing")
    frame = frame.assign(ds=times(frame["ds"]), y=_finite(frame, "y"))
    for key in ("series_id", "ds"):
        if frame[key].isna().any():
            raise BadInput(f"a row with a y has no {key}; fill it in, or leave the row out")
    twice = frame.duplicated(["series_id", "ds"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise BadInput(f"series {row['series_id']!r} has two rows for {row['ds']}; keep one")
    return frame


def _covariates(
    panel: Panel, frame: pd.DataFrame, names: Sequence[str], future: pd.DataFrame | None
) -> dict[str, Floats]:
    """Each covariate on the panel's steps and those that `future` knows; NaN where neither frame says it."""
    columns = ["series_id", "ds", *names]
    parts = [frame] if future is None else [frame, future]
    for part in parts:
        missing = set(columns) - set(part.columns)
        if missing:
            raise BadInput(f"the frame has no column {', '.join(sorted(missing))}; expected {', '.join(columns)}")
    rows = pd.concat([part[columns] for part in parts])
    rows = rows.assign(ds=times(rows["ds"]), **{name: _finite(rows, name) for name in names})
    rows = rows.drop_duplicates(["series_id", "ds"], keep="last")
    last = max(rows["ds"].max(), panel.cutoff)
    steps = pd.date_range(panel.index[0], last, freq=panel.freq)
    keys = rows.set_index(["series_id", "ds"])
    return {
        name: keys[name].unstack("ds").reindex(index=panel.ids, columns=steps).to_numpy(dtype=float) for name in names
    }


def _finite(frame: pd.DataFrame, name: str) -> "pd.Series[float]":
    """A column as floats; BadInput with series and time where it is no number or infinite."""
    try:
        found = frame[name].astype(float)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} holds something that is no number: {error}") from error
    refuse_infinite(found.to_numpy(), frame, name, of="series_id", at="ds")
    return found


def _mean_abs(y: Floats) -> Floats:
    count = (~np.isnan(y)).sum(axis=1)
    return np.asarray(np.nansum(np.abs(y), axis=1) / np.maximum(count, 1))
