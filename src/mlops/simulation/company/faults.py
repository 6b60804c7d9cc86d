"""What goes wrong or changes for good in one place: a dead sensor, and a route that grows overnight."""

from dataclasses import dataclass

import numpy as np

from mlops.arrays import Bools, Floats
from mlops.simulation.company.customers import Customers
from mlops.simulation.processes import Rng

__all__ = ["Faults", "draw_faults"]

FROZEN_DAYS, SILENT_DAYS = 30, 30
GROWTH = 1.3
"""The factor of a route's waste from one day on, as when a new estate is added to it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Days count from the company's first; the sensor (None: nobody has one) is frozen, then silent, then repaired."""

    sensor: int | None
    frozen: int
    silent: int
    repaired: int
    grown_route: int
    grows: int

    def grown(self, thrown: Floats, customers: Customers) -> Floats:
        """Waste (days × customers) with the growth."""
        factor = np.ones(thrown.shape)
        factor[self.grows :, customers.route == self.grown_route] = GROWTH
        return thrown * factor

    def sensed(self, level: Floats) -> Floats:
        """Fill levels (days × customers) as the sensors report them."""
        reported = level.copy()
        if self.sensor is not None:
            reported[self.frozen : self.silent, self.sensor] = reported[self.frozen, self.sensor]
            reported[self.silent : self.repaired, self.sensor] = np.nan
        return reported


def draw_faults(customers: Customers, days: int, rng: Rng) -> Faults:
    """The sensor dies in the second third of the days, at a customer who is there all the time if there is one."""
    frozen = int(days / 3 + rng.integers(0, max(days // 3, 1)))
    return Faults(
        sensor=_sensor(customers, days, rng),
        frozen=frozen,
        silent=min(frozen + FROZEN_DAYS, days),
        repaired=min(frozen + FROZEN_DAYS + SILENT_DAYS, days),
        grown_route=int(rng.choice(customers.route)),
        grows=int(days * 0.6 + rng.integers(0, max(days // 5, 1))),
    )


def _sensor(customers: Customers, days: int, rng: Rng) -> int | None:
    there: Bools = customers.sensor & (customers.since == 0) & (customers.until == days)
    choice = np.flatnonzero(there)
    return int(rng.choice(choice)) if len(choice) else None
