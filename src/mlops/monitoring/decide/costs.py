"""What forecast errors cost: money per week, with an interval. Pure.

A unit that was forecast too few and a unit too many cost differently: a second trip, or an empty truck.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.findings import Benefit
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput
from mlops.evaluation import paired
from mlops.evaluation.losses import pinball
from mlops.evaluation.paired import Estimate

__all__ = ["SET_COSTS", "Costs", "UnitCost", "benefit", "money", "spent"]


@dataclass(frozen=True, slots=True)
class UnitCost:
    """What one unit costs that was forecast too few (`under`) or too many (`over`)."""

    under: float
    over: float

    def __post_init__(self) -> None:
        if not (0 <= self.under < np.inf and 0 <= self.over < np.inf):
            raise BadInput(f"a unit's cost is under {self.under}, over {self.over}; neither may be below 0")


SET_COSTS = "set [costs] in policy.toml to see money"
"""Said in place of money while its prices are placeholders."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What errors and remedies cost, and over how many weeks a remedy has to pay off.

    Without a `currency` the prices are placeholders: nobody is told money that is made with them.
    """

    currency: str
    default: UnitCost
    retraining: float
    review_hour: float
    review_hours: float
    horizon_weeks: int
    metric_types: Mapping[str, UnitCost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.retraining, self.review_hour, self.review_hours) < 0 or self.horizon_weeks < 1:
            raise BadInput("costs may not be below 0, and horizon_weeks not below 1")

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Self:
        """The section [costs] of a policy file."""
        return cls(
            currency="" if _placeholders(section) else str(section["currency"]),
            default=_unit(section),
            retraining=float(section["retraining"]),
            review_hour=float(section["review_hour"]),
            review_hours=float(section["review_hours"]),
            horizon_weeks=int(section["horizon_weeks"]),
            metric_types={name: _unit(one) for name, one in section.get("metric_types", {}).items()},
        )

    @property
    def priced(self) -> bool:
        """Whether the prices are somebody's."""
        return bool(self.currency)

    @property
    def review(self) -> float:
        """A person's look at what is recommended."""
        return self.review_hours * self.review_hour

    def unit(self, metric_type: str) -> UnitCost:
        """What a unit of a metric type costs."""
        return self.metric_types.get(metric_type, self.default)


def money(y: npt.ArrayLike, y_hat: npt.ArrayLike, unit: UnitCost) -> Floats:
    """What each forecast's error cost (n)."""
    return pinball(unit.under, unit.over)(y, y_hat)


def spent(judged: pd.DataFrame, model: str, unit: UnitCost, granularity: str, confidence: float) -> Estimate:
    """Money per week that the errors of one model cost; `judged` has `ds, y` and a column of forecasts per model."""
    daily = pd.Series(money(judged["y"], judged[model], unit)).groupby(_periods(judged)).sum()
    return paired.mean(np.asarray(daily, dtype=float), confidence).times(GRANULARITIES[granularity].per_week)


def benefit(
    judged: pd.DataFrame, rival: str, model: str, *, unit: UnitCost, currency: str, granularity: str, confidence: float
) -> Benefit:
    """What `rival` would have saved in place of `model`; both are columns of forecasts beside `ds, y`."""
    rows = judged["y"], judged[rival], judged[model], _periods(judged), confidence
    wape = paired.gain(*rows)
    weekly = paired.gain(*rows, loss=pinball(unit.under, unit.over), relative=False)
    weekly = weekly.times(GRANULARITIES[granularity].per_week)
    days = len(np.unique(_periods(judged)))
    return Benefit(wape.value, wape.low, wape.high, weekly.value, weekly.low, weekly.high, currency=currency, days=days)


def _periods(judged: pd.DataFrame) -> npt.NDArray[np.datetime64]:
    """The day of each row; hours are added up to days, rows of longer steps have one day already."""
    return np.asarray(judged["ds"].dt.normalize())


def _placeholders(section: Mapping[str, Any]) -> bool:
    found = section.get("placeholders", False)
    if not isinstance(found, bool):
        raise BadInput(f"placeholders in [costs] is {found!r}; expected true, or no such line if they are yours")
    if not found and not section["currency"]:
        raise BadInput("currency in [costs] is empty; expected a name as EUR")
    return found


def _unit(section: Mapping[str, Any]) -> UnitCost:
    return UnitCost(float(section["under"]), float(section["over"]))
