"""Sites, routes, vehicles and drivers: who drives when, what breaks down."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from mlops.arrays import Bools, Floats, Ints
from mlops.simulation.company.plan import Company, Happenings
from mlops.simulation.processes import Rng

__all__ = ["STREAMS", "Fleet", "draw_fleet"]

STREAMS = ("residual", "paper", "organic", "glass")
FAILURES_PER_YEAR = 3.0
ABSENT_DAYS_PER_YEAR = 12.0
CANCELLING_STORM = 2.5


@dataclass(frozen=True, slots=True)
class Fleet:
    """One entry per route, which has a vehicle and a driver of its own; flags are days × routes."""

    site: Ints
    stream: Ints
    kilometres: Floats
    capacity_kg: Floats
    litres_per_kilometre: Floats
    skill: Floats
    planned: Bools
    """The route is in the timetable of that day."""
    runs: Bools
    """It is driven: no holiday, no strike, no storm that stops everything."""
    broken: Bools
    """Its vehicle is in the workshop and a spare one drives."""
    absent: Bools
    """Its driver is absent and another one drives."""

    def __len__(self) -> int:
        return len(self.site)

    @classmethod
    def of(cls, company: Company, happenings: Happenings, rng: Rng) -> Self:
        routes, days = company.routes, happenings.days
        site = np.arange(routes) % company.sites
        saturday = rng.random(routes) < 0.3
        weekday = days.dayofweek.to_numpy()[:, None]
        planned = (weekday < 5) | ((weekday == 5) & saturday)
        calm = ~happenings.holiday & (happenings.storm < CANCELLING_STORM)
        return cls(
            site=site,
            stream=rng.integers(0, len(STREAMS), routes),
            kilometres=rng.uniform(25, 90, routes),
            capacity_kg=rng.choice([8000.0, 10000.0, 12000.0], routes),
            litres_per_kilometre=rng.uniform(0.45, 0.75, routes),
            skill=rng.normal(1.0, 0.05, routes),
            planned=planned,
            runs=planned & calm[:, None] & ~happenings.strike[:, site],
            broken=_spells(rng, (len(days), routes), FAILURES_PER_YEAR),
            absent=_spells(rng, (len(days), routes), ABSENT_DAYS_PER_YEAR / 2.5),
        )


def draw_fleet(company: Company, happenings: Happenings, rng: Rng) -> Fleet:
    """The fleet of a company, with everything that happens to it."""
    return Fleet.of(company, happenings, rng)


def _spells(rng: Rng, shape: tuple[int, int], per_year: float) -> Bools:
    """Spells that begin by chance and last one day and then, with 60 %, another one each."""
    begins, lasts = rng.random(shape) < per_year / 365, rng.random(shape) < 0.6
    for day in range(1, len(begins)):
        begins[day] |= begins[day - 1] & lasts[day]
    return begins
