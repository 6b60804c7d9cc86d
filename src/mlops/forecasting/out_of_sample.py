"""Out-of-sample forecasts from past origins, beside what happened: intervals and weights are calibrated on them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats, Ints, Singles
from mlops.domain.granularity import Granularity
from mlops.panels.panel import Panel
from mlops.panels.timestamps import granularity_of
from mlops.times import instants

__all__ = ["OutOfSample", "calibration_backtest", "calibration_origins"]

FILE = "tape"
"""As its files are called in models that are saved already."""

KEPT = 26
"""Origins that are kept, the newest: half a year of weeks, in which the half-life of an error passes three times."""


@dataclass(frozen=True)
class OutOfSample:
    """Forecasts `y_hat` (origins × series × steps) from past `origins`, what happened, and the level at each origin.

    NaN where nothing was forecast or nothing is known. No forecast is of a model that had seen its outcome.
    """

    ids: pd.Index
    origins: pd.DatetimeIndex
    granularity: Granularity
    y_hat: Singles
    y: Singles
    level: Singles

    @cached_property
    def positions(self) -> Ints:
        """The steps from the first origin to each."""
        number = self.granularity.number(self.origins.to_numpy())
        return number - number[:1]

    def known_at(self, origin: int) -> npt.NDArray[np.bool_]:
        """Which outcomes (origins × steps) lay before that origin (its number; the number of origins means now)."""
        steps = np.arange(1, self.y.shape[2] + 1)
        if origin == len(self.origins):
            return np.ones((origin, len(steps)), dtype=bool)
        return np.asarray(self.positions[:, None] + steps <= self.positions[origin])

    @property
    def errors(self) -> Floats:
        """Outcome minus forecast, over the level; NaN where there is no level yet."""
        level = np.where(self.level > 0, self.level, np.nan).astype(float)
        return np.asarray((self.y - self.y_hat) / level[:, :, None])

    def then(self, later: "OutOfSample") -> "OutOfSample":
        """These and later ones of the same or other series; series without a forecast have NaN."""
        ids = self.ids.union(later.ids, sort=False)
        mine, theirs = self.of(ids), later.of(ids)
        names = ("y_hat", "y", "level")
        joined = {name: np.concatenate([getattr(mine, name), getattr(theirs, name)])[-KEPT:] for name in names}
        origins = pd.DatetimeIndex(mine.origins.append(theirs.origins))[-KEPT:]
        return OutOfSample(ids, origins, self.granularity, **joined)

    def of(self, ids: pd.Index) -> "OutOfSample":
        """The forecasts of these series; NaN for series without one."""
        if ids.equals(self.ids):
            return self
        row = self.ids.get_indexer(ids)
        known = row >= 0
        level = np.where(known, self.level[:, row], np.nan)
        y_hat, y = (np.where(known[:, None], array[:, row], np.nan) for array in (self.y_hat, self.y))
        return OutOfSample(ids, self.origins, self.granularity, y_hat, y, level)

    def with_outcomes(self, panel: Panel) -> "OutOfSample":
        """The same forecasts with the outcomes that `panel` knows by now."""
        mine, y = self.of(panel.ids), np.full((len(self.origins), len(panel.ids), self.y.shape[2]), np.nan, np.float32)
        places = panel.index.get_indexer(self.origins)
        for row, place in enumerate(places):
            if place >= 0:
                seen = panel.y[:, place + 1 : place + 1 + y.shape[2]]
                y[row, :, : seen.shape[1]] = seen
        return replace(mine, y=np.where(np.isnan(y), mine.y, y))

    def frame(self, panel: Panel) -> pd.DataFrame:
        """The forecasts whose outcomes a panel knows: `series_id, ds, cutoff, step, y, y_hat`, times in UTC.

        By series, step and cutoff in order.
        """
        mine, places = self.of(panel.ids), panel.index.get_indexer(self.origins)
        ahead = np.arange(1, self.y_hat.shape[2] + 1)
        at = places[:, None] + ahead  # origins × steps
        inside = (places[:, None] >= 0) & (at < len(panel.index))
        y = np.where(inside[None], panel.y[:, np.where(inside, at, 0)], np.nan)
        y_hat = mine.y_hat.astype(float).transpose(1, 0, 2)
        series, origin, step = np.nonzero(~np.isnan(y) & ~np.isnan(y_hat))
        begins = instants(panel.index.to_numpy(), panel.zone)
        rows = pd.DataFrame(
            {
                "series_id": panel.ids[series],
                "ds": begins[at[origin, step]],
                "cutoff": begins[places[origin]],
                "step": ahead[step],
                "y": y[series, origin, step],
                "y_hat": y_hat[series, origin, step],
            }
        )
        return rows.sort_values(["series_id", "ds", "cutoff"], kind="stable", ignore_index=True)

    def save(self, folder: Path) -> None:
        """Write plain arrays and the ids."""
        origins = self.origins.to_numpy().astype("datetime64[ns]")
        arrays = folder / f"{FILE}.npz"
        np.savez_compressed(
            arrays, origins=origins, freq=str(self.granularity), y_hat=self.y_hat, y=self.y, level=self.level
        )
        self.ids.to_frame(name="series_id").to_parquet(folder / f"{FILE}.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> "OutOfSample":
        """Read what `save` wrote; never unpickles."""
        ids = pd.Index(pd.read_parquet(folder / f"{FILE}.parquet")["series_id"])
        with np.load(folder / f"{FILE}.npz", allow_pickle=False) as arrays:
            origins = pd.DatetimeIndex(arrays["origins"])
            return cls(ids, origins, granularity_of(str(arrays["freq"])), arrays["y_hat"], arrays["y"], arrays["level"])


def calibration_origins(panel: Panel) -> range:
    """Positions of the newest step that each origin of the calibration backtest knows, oldest first.

    They reach over at most a third of the history.
    """
    season, steps = panel.granularity, panel.y.shape[1]
    span = min(season.span, steps // 3) // season.every * season.every
    return range(steps - 1 - span, steps - 1, season.every)


def calibration_backtest(
    panel: Panel, origins: range, horizon: int, predict: Callable[[Panel, int], Floats]
) -> OutOfSample:
    """What `predict` forecasts from `origins`, with the outcomes that are in the panel."""
    shape = (len(origins), len(panel.ids), horizon)
    y_hat, y = (np.full(shape, np.nan, np.float32) for _ in range(2))
    level = np.full(shape[:2], np.nan, np.float32)
    for row, origin in enumerate(origins):
        past = panel.until(origin + 1)
        y_hat[row] = predict(past, horizon)
        seen = panel.y[:, origin + 1 : origin + 1 + horizon]
        y[row, :, : seen.shape[1]] = seen
        level[row] = past.level()
    return OutOfSample(panel.ids, panel.index[list(origins)], panel.granularity, y_hat, y, level)
