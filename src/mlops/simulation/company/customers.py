"""Customers: segments, contracts, what they throw away day by day, and when it is due to be collected."""

from dataclasses import dataclass

import numpy as np

from mlops.arrays import Bools, Floats, Ints
from mlops.simulation.company.fleet import Fleet
from mlops.simulation.company.plan import Company, Happenings
from mlops.simulation.processes import Rng, persistent

__all__ = ["SEGMENTS", "Customers", "Segment", "draw_customers", "produced"]

CHURN_PER_YEAR, SENSOR_SHARE = 0.08, 0.25
NEW_SHARE = 0.2  # of the customers come after the first day
"""Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Segment:
    """How customers of a kind behave; effects are factors less 1, weekdays from Monday on."""

    name: str
    share: float
    kilograms_a_day: float
    weekday: tuple[float, ...]
    wave: float
    peak_day: int
    holiday: float
    trend_a_year: float
    visits_a_week: tuple[int, ...]
    active_share: float = 1.0
    """Of the days with any waste; below 1 the customer is intermittent."""


SEGMENTS = (
    Segment("households", 0.4, 40, (0, -0.1, -0.1, -0.1, 0, 0.2, 0.3), 0.15, 10, 0.4, 0.01, (1, 2)),
    Segment("restaurant", 0.2, 60, (-0.3, -0.2, 0, 0.1, 0.4, 0.5, -0.1), 0.25, 20, 0.2, 0.03, (3, 5)),
    Segment("retail", 0.2, 50, (0, 0, 0, 0.1, 0.3, 0.4, -0.6), 0.3, 350, -0.3, 0.02, (2, 3)),
    Segment("industry", 0.15, 150, (0.1, 0.1, 0.1, 0.1, 0, -0.8, -0.9), 0.1, 120, -0.9, -0.02, (2, 5)),
    Segment("venue", 0.05, 120, (-0.5, -0.5, 0, 0.2, 0.5, 1, 0.5), 0.4, 30, 0.5, 0.0, (1,), 0.07),
)


@dataclass(frozen=True, slots=True)
class Customers:
    """One entry per customer; days count from the company's first, and `until` is the day after the last."""

    segment: Ints
    route: Ints
    since: Ints
    until: Ints
    kilograms_a_day: Floats
    containers: Ints
    capacity_kg: Floats
    sensor: Bools
    visits: Bools
    """Customers × weekdays."""

    def __len__(self) -> int:
        return len(self.segment)

    def active(self, days: int) -> Bools:
        """Days × customers: whether there is a contract."""
        day = np.arange(days)[:, None]
        return (self.since <= day) & (day < self.until)


def draw_customers(company: Company, fleet: Fleet, rng: Rng) -> Customers:
    """Customers of all segments, spread over the routes; a fifth comes later, 8 % a year leave."""
    count, days = company.customers, len(company.days)
    segment = rng.choice(len(SEGMENTS), count, p=[kind.share for kind in SEGMENTS])
    since = np.where(rng.random(count) < NEW_SHARE, rng.integers(1, max(days - 60, 2), count), 0)
    stays = np.ceil(rng.exponential(365 / CHURN_PER_YEAR, count)).astype(int) + 30
    frequency = np.array([rng.choice(SEGMENTS[place].visits_a_week) for place in segment])
    daily = np.array([kind.kilograms_a_day for kind in SEGMENTS])[segment] * rng.lognormal(0, 0.6, count)
    between = daily * 7 / frequency
    return Customers(
        segment=segment,
        route=rng.permutation(np.arange(count) % len(fleet)),
        since=since,
        until=np.minimum(since + stays, days),
        kilograms_a_day=daily,
        containers=np.maximum(1, np.round(between / 60)).astype(int),
        capacity_kg=between * rng.uniform(1.3, 2.2, count),
        sensor=rng.random(count) < SENSOR_SHARE,
        visits=_visits(frequency, rng),
    )


def produced(customers: Customers, happenings: Happenings, rng: Rng) -> Floats:
    """Kilograms that each customer throws away on each day (days × customers); 0 without a contract."""
    shape = len(happenings.days), len(customers)
    noise = np.exp(0.35 * persistent(rng.standard_normal(shape), 0.3) - 0.06)
    usual = np.stack([_usual(segment, happenings) for segment in SEGMENTS], axis=1)[:, customers.segment]
    share = np.array([segment.active_share for segment in SEGMENTS])[customers.segment]
    happens = (rng.random(shape) < share) / share**0.5
    return np.asarray(customers.kilograms_a_day * usual * noise * happens * customers.active(len(happenings.days)))


def _usual(segment: Segment, happenings: Happenings) -> Floats:
    """The factor of each day."""
    weekday = 1 + np.array(segment.weekday)[happenings.days.dayofweek.to_numpy()]
    year = 1 + segment.wave * np.cos(happenings.year - 2 * np.pi * segment.peak_day / 365.25)
    holiday = 1 + segment.holiday * happenings.holiday
    storm = 1 + 0.15 * np.concatenate([[0.0], happenings.storm[:-1]])  # what a storm breaks is thrown away after it
    return np.asarray(weekday * year * holiday * storm * (1 + segment.trend_a_year) ** happenings.age)


def _visits(frequency: Ints, rng: Rng) -> Bools:
    """Evenly spread over Monday to Friday."""
    first = rng.integers(0, 5, len(frequency))
    visits = np.zeros((len(frequency), 7), dtype=bool)
    for place, (start, times) in enumerate(zip(first, frequency, strict=True)):
        visits[place, (start + np.round(np.arange(times) * 5 / times).astype(int)) % 5] = True
    return visits
