"""How a simulated world behaves, and the days that it has: holidays that are planned, storms that are not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput
from mlops.panels.calendar import Calendar
from mlops.simulation.processes import Rng

__all__ = ["Days", "World", "draw_days"]

EARLIEST = pd.Timestamp("2020-01-01", tz="UTC")
STORM_DAYS = 3


@dataclass(frozen=True, slots=True)
class World:
    """Sizes and strengths; days count from the warm-up, of which only the first model sees anything.

    `persistence` is the highest AR(1) coefficient of a feature, `common` the part of a feature's variance that all
    entities share, `alike` the part that two factors explain across features, `season` the largest yearly wave in
    deviations, `noise` the deviation of the target given everything, `shared_noise` its part that a day has in common.
    """

    numeric: int = 24
    categorical: int = 6
    entities: int = 10
    history_days: int = 730
    live_days: int = 364
    warmup_days: int = 365
    country: str | None = "DE"
    storms_per_year: float = 4.0
    season: float = 1.5
    persistence: float = 0.6
    common: float = 0.4
    alike: float = 0.3
    noise: float = 20.0
    shared_noise: float = 0.2
    missing: float = 0.01
    absent: float = 0.03

    def __post_init__(self) -> None:
        if min(self.numeric, self.entities) < 1 or self.categorical < 0:
            raise BadInput(f"{self} can't be; expected at least one numeric feature and one entity")
        if self.warmup_days < 60 or self.history_days < 1 or self.live_days < 1:
            raise BadInput(f"{self} can't be; expected 60 days of warm-up, and days of history and of life")

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """num_01, num_02, …"""
        return tuple(f"num_{place:02}" for place in range(1, self.numeric + 1))

    @property
    def categorical_names(self) -> tuple[str, ...]:
        """cat_1, cat_2, …"""
        return tuple(f"cat_{place}" for place in range(1, self.categorical + 1))

    @property
    def live_from(self) -> int:
        """The place of the first live day."""
        return self.warmup_days + self.history_days


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a life in order, which are holidays, and how strong a storm each has (0 for none)."""

    index: pd.DatetimeIndex
    holiday: NDArray[np.float64]
    storm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index)


def draw_days(world: World, rng: Rng) -> Days:
    """Days from anywhere in 2020 on, so that a change can fall into any season."""
    start = EARLIEST + pd.Timedelta(days=int(rng.integers(0, 365)))
    index = pd.date_range(start, periods=world.live_from + world.live_days, freq="D")
    holiday = np.minimum(Calendar(world.country).count(index.tz_localize(None), GRANULARITIES["daily"]), 1.0)
    # exponential strengths that fade over three days
    happens = rng.random(len(index)) < world.storms_per_year / 365
    struck = np.where(happens, rng.exponential(1.0, len(index)) + 0.5, 0.0)
    storm = np.convolve(struck, 0.6 ** np.arange(STORM_DAYS))[: len(index)]
    return Days(index, holiday, np.asarray(storm))
