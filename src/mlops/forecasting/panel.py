"""Many series on one regular calendar: the array that every model kind works on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.errors import BadInput, NothingToDo

__all__ = ["SEASONS", "Panel", "Season", "infer_freq"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Season:
    """How many steps a cycle (a week of days, a day of hours) and a year have."""

    cycle: int
    year: int


SEASONS = {"h": Season(24, 8736), "D": Season(7, 364), "B": Season(5, 260), "W": Season(4, 52), "MS": Season(12, 12)}
"""By pandas offset alias without its anchor. The year of days is 52 weeks, so that weekdays meet."""


@dataclass(frozen=True, slots=True)
class Panel:
    """`y` has one row per series and one column per step of `index`; NaN where nothing was observed."""

    ids: pd.Index
    index: pd.DatetimeIndex
    y: Floats
    freq: str

    @classmethod
    def of(cls, frame: pd.DataFrame, freq: str | None = None) -> "Panel":
        """The panel of a long frame `series_id, ds, y`; every series ends at the newest `ds` of the frame."""
        frame = _checked(frame)
        freq = freq or infer_freq(frame["ds"])
        index = pd.date_range(frame["ds"].min(), frame["ds"].max(), freq=freq)
        wide = frame.pivot(index="series_id", columns="ds", values="y")
        off = pd.DatetimeIndex(wide.columns).difference(index)
        if len(off):
            raise BadInput(f"{off[0]} is not on the calendar of frequency {freq!r}; pass freq=, or align the times")
        wide = wide.reindex(columns=index)
        return cls(wide.index, index, wide.to_numpy(dtype=float), freq)

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
        """The first `steps` steps."""
        return Panel(self.ids, self.index[:steps], self.y[:, :steps], self.freq)

    def last(self, steps: int) -> "Panel":
        """The newest `steps` steps."""
        return Panel(self.ids, self.index[-steps:], self.y[:, -steps:], self.freq)

    def level(self) -> Floats:
        """Mean absolute value of each series over its newest four cycles, or over everything when those are empty."""
        recent = _mean_abs(self.y[:, -4 * self.season.cycle :])
        return np.where(recent > 0, recent, _mean_abs(self.y))

    def frame(self) -> pd.DataFrame:
        """Back to the long frame, without the gaps."""
        series, step = np.nonzero(~np.isnan(self.y))
        return pd.DataFrame({"series_id": self.ids[series], "ds": self.index[step], "y": self.y[series, step]})


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
    ds = pd.to_datetime(frame["ds"])
    frame = frame.assign(ds=ds.dt.tz_convert("UTC").dt.tz_localize(None) if ds.dt.tz is not None else ds)
    twice = frame.duplicated(["series_id", "ds"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise BadInput(f"series {row['series_id']!r} has two rows for {row['ds']}; keep one")
    return frame


def _mean_abs(y: Floats) -> Floats:
    count = (~np.isnan(y)).sum(axis=1)
    return np.asarray(np.nansum(np.abs(y), axis=1) / np.maximum(count, 1))
