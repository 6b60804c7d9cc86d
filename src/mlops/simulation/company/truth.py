"""What really went on in a simulated company, as plain data for truth.json."""

from typing import Any, TypedDict

import numpy as np
import pandas as pd

from mlops.arrays import Bools
from mlops.simulation.company.arrivals import Arrivals
from mlops.simulation.company.customers import SEGMENTS, Customers
from mlops.simulation.company.faults import GROWTH, Faults
from mlops.simulation.company.fleet import STREAMS, Fleet
from mlops.simulation.company.names import Names
from mlops.simulation.company.plan import Company, Happenings

__all__ = ["CompanyTruth", "describe"]


class CompanyFacts(TypedDict):
    """What kind of company it is, and its first and last day."""

    customers: int
    routes: int
    sites: int
    years: float
    country: str | None
    first: str
    last: str


class SegmentTruth(TypedDict):
    """How customers of a segment behave."""

    segment: str
    trend_a_year: float
    wave: float
    active_share: float


class LevelShift(TypedDict):
    """A route whose waste is `factor` times as much from a day on."""

    route_id: str
    factor: float
    first: str


class DeadSensor(TypedDict):
    """A sensor that repeats a value, then is silent."""

    customer_id: str
    first: str
    frozen_until: str
    last: str


class RouteTruth(TypedDict):
    """Who serves a route, from where, and what is collected."""

    route_id: str
    site_id: str
    stream: str
    vehicle_id: str
    driver_id: str


class CustomerTruth(TypedDict):
    """A customer with its contract; one that is still there has no last day."""

    customer_id: str
    segment: str
    route_id: str
    first: str
    last: str | None
    visits_a_week: int
    kilograms_a_day: float
    sensor: bool


class CompanyTruth(TypedDict):
    """truth.json: every cause with its place and days, as texts; a failure and an absence name who, first and last."""

    seed: int
    company: CompanyFacts
    rows: dict[str, int]
    segments: list[SegmentTruth]
    holidays: list[str]
    events: list[dict[str, Any]]
    level_shifts: list[LevelShift]
    dead_sensors: list[DeadSensor]
    failures: list[dict[str, str]]
    absences: list[dict[str, str]]
    routes: list[RouteTruth]
    customers: list[CustomerTruth]


def describe(
    company: Company,
    seed: int,
    names: Names,
    happenings: Happenings,
    fleet: Fleet,
    customers: Customers,
    faults: Faults,
    arrivals: Arrivals,
) -> CompanyTruth:
    """Every cause with its place and days; first and last days are both included, None is open."""
    days = happenings.days
    return {
        "seed": seed,
        "company": {
            "customers": company.customers,
            "routes": company.routes,
            "sites": company.sites,
            "years": company.years,
            "country": company.country,
            "first": str(days[0].date()),
            "last": str(days[-1].date()),
        },
        "rows": {
            "observations": len(arrivals.observations),
            "late": len(arrivals.late),
            "corrections": len(arrivals.corrections),
        },
        "segments": [
            {
                "segment": segment.name,
                "trend_a_year": segment.trend_a_year,
                "wave": segment.wave,
                "active_share": segment.active_share,
            }
            for segment in SEGMENTS
        ],
        "holidays": [str(day.date()) for day in days[happenings.holiday]],
        "events": [event.to_json() for event in happenings.events],
        "level_shifts": [
            {"route_id": names.routes[faults.grown_route], "factor": GROWTH, "first": str(days[faults.grows].date())}
        ],
        "dead_sensors": _dead_sensors(names, days, faults),
        "failures": _spells(days, fleet.broken, "vehicle_id", names.vehicles),
        "absences": _spells(days, fleet.absent, "driver_id", names.drivers),
        "routes": _routes(names, fleet),
        "customers": _customers(names, days, customers),
    }


def _routes(names: Names, fleet: Fleet) -> list[RouteTruth]:
    return [
        {
            "route_id": route,
            "site_id": names.sites[site],
            "stream": STREAMS[stream],
            "vehicle_id": vehicle,
            "driver_id": driver,
        }
        for route, site, stream, vehicle, driver in zip(
            names.routes, fleet.site, fleet.stream, names.vehicles, names.drivers, strict=True
        )
    ]


def _customers(names: Names, days: pd.DatetimeIndex, customers: Customers) -> list[CustomerTruth]:
    left = customers.until < len(days)
    return [
        {
            "customer_id": names.customers[place],
            "segment": SEGMENTS[customers.segment[place]].name,
            "route_id": names.routes[customers.route[place]],
            "first": str(days[customers.since[place]].date()),
            "last": str(days[customers.until[place] - 1].date()) if left[place] else None,
            "visits_a_week": int(customers.visits[place].sum()),
            "kilograms_a_day": round(float(customers.kilograms_a_day[place]), 1),
            "sensor": bool(customers.sensor[place]),
        }
        for place in range(len(customers))
    ]


def _dead_sensors(names: Names, days: pd.DatetimeIndex, faults: Faults) -> list[DeadSensor]:
    if faults.sensor is None:
        return []
    frozen, silent, repaired = (
        str(days[day - 1].date()) for day in (faults.frozen + 1, faults.silent, faults.repaired)
    )
    return [{"customer_id": names.customers[faults.sensor], "first": frozen, "frozen_until": silent, "last": repaired}]


def _spells(days: pd.DatetimeIndex, flags: Bools, what: str, names: list[str]) -> list[dict[str, str]]:
    """Runs of flagged days, one after the other, place by place."""
    edges = np.diff(np.pad(flags, ((1, 1), (0, 0))).astype(int), axis=0)
    places, begins = np.nonzero(edges.T == 1)
    _, ends = np.nonzero(edges.T == -1)
    return [
        {what: names[place], "first": str(days[begin].date()), "last": str(days[end - 1].date())}
        for place, begin, end in zip(places.tolist(), begins.tolist(), ends.tolist(), strict=True)
    ]
