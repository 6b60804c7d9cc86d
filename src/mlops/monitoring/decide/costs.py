"""What forecast errors cost: money per week, with an interval. Pure.

A unit that was forecast too few and a unit too many cost differently: a second trip, or an empty truck.
"""

from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.findings import Benefit, BenefitDocument, ShownBenefit
from mlops.domain.granularity import GRANULARITIES
from mlops.evaluation import paired
from mlops.evaluation.losses import pinball
from mlops.policy import UnitCost

__all__ = ["SET_COSTS", "BenefitTerms", "benefit", "money", "without_placeholders"]

SET_COSTS = "set [costs] in policy.toml to see money"
"""Said in place of money while its prices are placeholders."""


class BenefitTerms(TypedDict):
    """What a benefit is measured in: the price of a unit, the granularity of the series, the level of the interval."""

    unit: UnitCost
    currency: str
    granularity: str
    confidence: float


def without_placeholders(benefit: BenefitDocument | ShownBenefit, *, priced: bool) -> ShownBenefit:
    """A stored benefit as it is shown."""
    shown = priced and bool(benefit["currency"])
    return {
        "money": benefit["money"] if shown else None,
        "money_low": benefit["money_low"] if shown else None,
        "money_high": benefit["money_high"] if shown else None,
        "currency": benefit["currency"] if shown else None,
        "wape": benefit["wape"],
        "wape_low": benefit["wape_low"],
        "wape_high": benefit["wape_high"],
        "days": benefit["days"],
    }


def money(y: npt.ArrayLike, y_hat: npt.ArrayLike, unit: UnitCost) -> Floats:
    """What each forecast's error cost (n)."""
    return pinball(unit.under, unit.over)(y, y_hat)


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
