"""Daily signals: the numbers, one per day, in which a monitor looks for a change."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.arrays import Floats
from mlops.domain.findings import FindingKind, Measure

__all__ = ["ROUNDING", "EntityCentres", "Family", "Signal", "daily_means", "spread_of"]

Family = Literal["level", "spread", "swing", "share", "season", "error", "product", "performance"]
FAMILIES: dict[Measure, Family] = {
    "level": "level",
    "spread": "spread",
    "swing": "swing",
    "share": "share",
    "season": "season",
    "bias": "error",
    "scale": "error",
    "product": "product",
    "loss": "performance",
}
"""Which part of the false alarms a measure is paid from."""
FEWEST_ROWS = 20  # an entity seen less often has no mean worth subtracting
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Signal:
    """One daily number: the finding that it feeds, and the words for its being above or below what is expected."""

    kind: FindingKind
    subject: str
    measure: Measure
    above: str
    below: str

    @property
    def family(self) -> Family:
        """Which budget of false alarms it shares."""
        return FAMILIES[self.measure]

    @property
    def one_sided(self) -> bool:
        """Whether only a rise counts: an error that shrinks is no fault, and a season that fades moves the level."""
        return self.family in ("performance", "season")

    @property
    def secondary(self) -> bool:
        """Whether it is made of other signals: what never changed in the history says nothing about it."""
        return self.family in ("product", "season")

    @property
    def local(self) -> bool:
        """Whether the weeks before are the baseline; performance is held against the backtest itself."""
        return self.family != "performance"


@dataclass(frozen=True, slots=True)
class EntityCentres:
    """The mean of each column within each entity, so that a missing entity doesn't look like a change."""

    means: pd.DataFrame
    overall: Floats

    @classmethod
    def of(cls, entity: NDArray[np.object_], values: Floats) -> Self:
        grouped = pd.DataFrame(values).groupby(entity)
        enough = grouped.size() >= FEWEST_ROWS
        overall = pd.DataFrame(values).mean().to_numpy(float)
        return cls(grouped.mean().loc[enough].fillna(pd.Series(overall)), overall)

    def centred(self, entity: NDArray[np.object_], values: Floats) -> Floats:
        """Values less the mean of their entity; NaN for an entity that the history hardly knew."""
        if self.means.empty:
            return np.asarray(values - self.overall)
        return np.asarray(values - self.means.reindex(pd.Index(entity, dtype=object)).to_numpy(float))


def spread_of(surprise: Floats, level: Floats) -> Floats:
    """The root mean square of each column, never less than rounding at its level: constants can be divided by it."""
    squares = pd.DataFrame(surprise**2).mean().to_numpy(float)
    return np.asarray(np.sqrt(np.nan_to_num(squares)) + ROUNDING * (1 + np.abs(np.nan_to_num(level))))


def daily_means(day: pd.DatetimeIndex, values: Floats) -> pd.DataFrame:
    """One row per day that occurs, in order: the mean of each column over the rows that have it."""
    return pd.DataFrame(values, index=day).groupby(level=0).mean()
