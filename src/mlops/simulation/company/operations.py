"""What routes, vehicles, drivers and sites report of a day; NaN where they report nothing."""

from dataclasses import dataclass

import numpy as np

from mlops.arrays import Bools, Floats, Ints
from mlops.simulation.company.customers import Customers
from mlops.simulation.company.fleet import Fleet
from mlops.simulation.company.plan import Happenings
from mlops.simulation.company.rounds import Rounds
from mlops.simulation.processes import Rng, persistent

__all__ = ["Operations", "operate"]

MINUTES_PER_LIFT, KILOMETRES_PER_HOUR = 1.6, 32.0
KILOGRAMS_PER_M3 = 140.0
"""Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Operations:
    """Days × routes, the last two days × sites, in the units of their metric types."""

    collection_weight: Floats
    collection_count: Floats
    missed_collections: Floats
    route_distance: Floats
    route_duration: Floats
    route_efficiency: Floats
    fuel_consumption: Floats
    service_delay: Floats
    vehicle_utilization: Floats
    driver_efficiency: Floats
    waste_volume: Floats
    contamination_rate: Floats


def operate(rounds: Rounds, customers: Customers, fleet: Fleet, happenings: Happenings, rng: Rng) -> Operations:
    """The figures of operation that follow from the rounds, the weather, the vehicles and the drivers."""
    weight = by_group(rounds.collected, customers.route, len(fleet))
    lifts = by_group(rounds.emptied * customers.containers.astype(float), customers.route, len(fleet))
    missed = by_group(rounds.missed.astype(float), customers.route, len(fleet))
    drove = lifts > 0
    storm = happenings.storm[:, None]
    days, routes = lifts.shape
    noise = persistent(rng.standard_normal((days, 5, routes)), 0.3).swapaxes(0, 1)
    distance = fleet.kilometres * (1 + 0.03 * noise[0]) + 0.2 * lifts
    pace = (fleet.skill - 0.08 * fleet.absent) * (1 - 0.05 * fleet.broken)
    usual = 60 * distance / KILOMETRES_PER_HOUR + MINUTES_PER_LIFT * lifts
    duration = usual * (1 + 0.15 * storm) / pace * np.exp(0.05 * noise[1])
    cold = 1 + 0.04 * np.cos(happenings.year - 2 * np.pi * 200 / 365.25)[:, None]
    wear = 1.015 ** happenings.age[:, None]
    fuel = distance * fleet.litres_per_kilometre * cold * wear * (1 + weight / 100_000) * np.exp(0.03 * noise[2])
    trips = np.ceil(weight / fleet.capacity_kg)
    return Operations(
        collection_weight=_where(drove, weight),
        collection_count=_where(drove, lifts),
        missed_collections=_where(drove | (missed > 0), missed),
        route_distance=_where(drove, distance),
        route_duration=_where(drove, duration),
        route_efficiency=_where(drove, 100 * usual / duration),
        fuel_consumption=_where(drove, fuel),
        service_delay=_where(drove, duration - usual + 5 * noise[3]),
        vehicle_utilization=_where(drove & ~fleet.broken, 100 * weight / np.maximum(trips, 1) / fleet.capacity_kg),
        driver_efficiency=_where(drove & ~fleet.absent, 100 * pace * np.exp(0.03 * noise[4])),
        waste_volume=_volume(weight, fleet, happenings, rng),
        contamination_rate=_contamination(weight, fleet, happenings, rng),
    )


def by_group(values: Floats, group: Ints, groups: int) -> Floats:
    """Days × groups: the sum over the columns of each group."""
    member = np.zeros((len(group), groups))
    member[np.arange(len(group)), group] = 1
    return np.asarray(values @ member)


def _where(happened: Bools, values: Floats) -> Floats:
    return np.where(happened, values, np.nan)


def _volume(weight: Floats, fleet: Fleet, happenings: Happenings, rng: Rng) -> Floats:
    """Rain makes waste heavier than it is big."""
    arrived = by_group(weight, fleet.site, happenings.strike.shape[1])
    density = (
        KILOGRAMS_PER_M3 * (1 + 0.1 * happenings.storm[:, None]) * np.exp(0.02 * rng.standard_normal(arrived.shape))
    )
    return _where(arrived > 0, arrived / density)


def _contamination(weight: Floats, fleet: Fleet, happenings: Happenings, rng: Rng) -> Floats:
    sites = happenings.strike.shape[1]
    level = rng.uniform(0.04, 0.12, sites) * (1 + 0.2 * np.cos(happenings.year)[:, None])
    rate = 100 * level * np.exp(0.15 * persistent(rng.standard_normal((len(weight), sites)), 0.6))
    return _where(by_group(weight, fleet.site, sites) > 0, np.minimum(rate, 100))
