"""A waste company with known truth: its observations in the long input format, and what really went on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlops.panels.calendar import Event
from mlops.simulation.company.arrivals import Arrivals, arrive
from mlops.simulation.company.customers import Customers, draw_customers, produced
from mlops.simulation.company.faults import Faults, draw_faults
from mlops.simulation.company.fleet import Fleet, draw_fleet
from mlops.simulation.company.names import Names
from mlops.simulation.company.observations import long
from mlops.simulation.company.operations import Operations, by_group, operate
from mlops.simulation.company.plan import Company, Happenings, draw_happenings
from mlops.simulation.company.rounds import Rounds, drive
from mlops.simulation.company.truth import describe
from mlops.simulation.processes import Rng, streams

__all__ = ["Books", "simulate_company"]

OF_ROUTES = (
    "collection_weight",
    "collection_count",
    "missed_collections",
    "route_distance",
    "route_duration",
    "route_efficiency",
    "fuel_consumption",
    "service_delay",
)
PRICE_A_KILOGRAM, PRICE_A_LIFT = 0.18, 6.0


@dataclass(frozen=True, slots=True)
class Books:
    """What a company reports, in deliveries; the events that `--events` takes; and the truth, as plain data."""

    arrivals: Arrivals
    events: tuple[Event, ...]
    truth: dict[str, Any]
    series: int


def simulate_company(company: Company, seed: int) -> Books:
    """The books of a company, the same for the same seed.

    Weights add up: a route's is the sum of its customers', and what is thrown away is collected or still there.
    """
    weather, fleets, contracts, wastes, chance, reports, errors, arriving = streams(seed, 8)
    happenings = draw_happenings(company, weather)
    fleet = draw_fleet(company, happenings, fleets)
    customers = draw_customers(company, fleet, contracts)
    faults = draw_faults(customers, len(happenings.days), errors)
    thrown = faults.grown(produced(customers, happenings, wastes), customers)
    rounds = drive(thrown, customers, fleet, happenings, chance)
    operations = operate(rounds, customers, fleet, happenings, reports)
    names = Names.of(company)
    frames = [
        *_of_customers(names, customers, fleet, happenings, rounds, faults),
        *_of_operations(names, fleet, happenings, operations),
        *_by_month(names, customers, fleet, happenings, rounds, reports),
    ]
    true = _joined(frames)
    arrivals = arrive(true, arriving)
    truth = describe(company, seed, names, happenings, fleet, customers, faults, arrivals)
    return Books(arrivals, happenings.events, truth, _series(true))


def _of_customers(
    names: Names, customers: Customers, fleet: Fleet, happenings: Happenings, rounds: Rounds, faults: Faults
) -> Iterator[pd.DataFrame]:
    """Weights on the days of a collection; fill levels in the evening of every contract day, where a sensor is."""
    days, places, labels = happenings.days, names.of_customers(customers, fleet), names.segments(customers)
    weight = np.where(rounds.emptied, rounds.collected, np.nan)
    yield long("collection_weight", days, weight, places, labels=labels)
    there = customers.active(len(days)) & customers.sensor
    level = np.where(there, np.minimum(100 * rounds.left / customers.capacity_kg, 100), np.nan)
    yield long("container_fill_level", days, faults.sensed(level), places, labels=labels)


def _of_operations(
    names: Names, fleet: Fleet, happenings: Happenings, operations: Operations
) -> Iterator[pd.DataFrame]:
    days, routes, streamed = happenings.days, names.of_routes(fleet), names.streams(fleet)
    for metric in OF_ROUTES:
        yield long(metric, days, getattr(operations, metric), routes, labels=streamed)
    yield long("vehicle_utilization", days, operations.vehicle_utilization, {"vehicle_id": names.vehicles})
    yield long("driver_efficiency", days, operations.driver_efficiency, {"driver_id": names.drivers})
    for metric in ("waste_volume", "contamination_rate"):
        yield long(metric, days, getattr(operations, metric), {"site_id": names.sites})


def _by_month(
    names: Names, customers: Customers, fleet: Fleet, happenings: Happenings, rounds: Rounds, rng: Rng
) -> Iterator[pd.DataFrame]:
    """Revenue of each customer and satisfaction at each site; only of whole months."""
    months, starts = _months(happenings.days)
    charge = PRICE_A_KILOGRAM * rounds.collected + PRICE_A_LIFT * rounds.emptied
    revenue = np.add.reduceat(charge, starts)
    revenue = np.where(np.logical_or.reduceat(rounds.emptied, starts), revenue, np.nan)[: len(months)]
    places, labels = names.of_customers(customers, fleet), names.segments(customers)
    yield long("revenue", months, revenue, places, granularity="monthly", labels=labels)
    site, sites = fleet.site[customers.route], len(names.sites)
    missed, active = (
        np.add.reduceat(by_group(part.astype(float), site, sites), starts)[: len(months)]
        for part in (rounds.missed, customers.active(len(happenings.days)))
    )
    score = 8.5 - 60 * missed / np.maximum(active, 1) + 0.15 * rng.standard_normal(missed.shape)
    yield long("customer_satisfaction", months, np.clip(score, 0, 10), {"site_id": names.sites}, granularity="monthly")


def _months(days: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, Any]:
    """The whole months among the days, and where each month begins; what follows the last whole one is in the last."""
    begins = np.flatnonzero(days.day == 1)
    whole = days[begins] + pd.offsets.MonthEnd(1) <= days[-1]
    return days[begins[whole]], begins


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All rows; categories are united."""
    columns: dict[str, Any] = {}
    for name in frames[0].columns:
        parts = [frame[name] for frame in frames]
        if isinstance(parts[0].dtype, pd.CategoricalDtype):
            columns[name] = pd.api.types.union_categoricals([part.array.as_unordered() for part in parts])
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns)


def _series(rows: pd.DataFrame) -> int:
    """How many series there are in rows that keep each together."""
    codes = [rows[name].cat.codes.to_numpy() for name in rows if name not in ("observed_at", "value")]
    return int(np.any([np.diff(one) != 0 for one in codes], axis=0).sum()) + 1
