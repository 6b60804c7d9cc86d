"""When observations become known: most when their period ends, some later, some wrong at first."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.arrays import Floats, Ints
from mlops.domain.granularity import GRANULARITIES
from mlops.simulation.processes import Rng

__all__ = ["Arrivals", "arrive"]

LATE_SHARE, CORRECTED_SHARE = 0.01, 0.005
PERIOD_DAYS = {name: granularity.longest_step.days for name, granularity in GRANULARITIES.items()}


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Deliveries in order: what comes in time (some of it wrong), what comes late, and what corrects.

    `log` has the rows of the last two with `known_at`, `what` ("late" or "corrected") and the value `before`.
    """

    observations: pd.DataFrame
    late: pd.DataFrame
    corrections: pd.DataFrame
    log: pd.DataFrame


def arrive(true: pd.DataFrame, rng: Rng) -> Arrivals:
    """1 % of the rows come 1 to 14 days late; of 0.5 % a part is missing at first, corrected after 2 to 30 days."""
    draw, lag = rng.random(len(true)), rng.integers(1, 15, len(true))
    late, corrected = draw < LATE_SHARE, (draw >= LATE_SHARE) & (draw < LATE_SHARE + CORRECTED_SHARE)
    corrected &= true["value"].to_numpy() > 0
    wrong = np.round(true["value"].to_numpy() * np.where(corrected, rng.uniform(0.4, 0.9, len(true)), 1.0), 3)
    first = true.assign(value=wrong)
    parts = [
        _logged(true[late], lag[late], "late", np.full(int(late.sum()), np.nan)),
        _logged(true[corrected], 2 * lag[corrected], "corrected", wrong[corrected]),
    ]
    log = pd.concat(parts).sort_values("known_at", kind="stable").reset_index(drop=True)
    deliveries = [part.reset_index(drop=True) for part in (first[~late], true[late], true[corrected])]
    return Arrivals(deliveries[0], deliveries[1], deliveries[2], log)


def _logged(rows: pd.DataFrame, lag: Ints, what: str, before: Floats) -> pd.DataFrame:
    period = rows["granularity"].astype(object).map(PERIOD_DAYS).astype(int).to_numpy()
    known_at = rows["observed_at"] + pd.to_timedelta(period + lag, unit="D")
    return rows.assign(before=before, known_at=known_at, what=what)
