"""The ids and labels under which customers, routes, vehicles, drivers and sites stand in the observations."""

import json
from dataclasses import dataclass

import numpy as np

from mlops.simulation.company.customers import SEGMENTS, Customers
from mlops.simulation.company.fleet import STREAMS, Fleet
from mlops.simulation.company.plan import Company

__all__ = ["Names"]

Ids = list[str]


@dataclass(frozen=True, slots=True)
class Names:
    """Ids in order: C0001, R01, V01, D01, S1."""

    customers: Ids
    routes: Ids
    vehicles: Ids
    drivers: Ids
    sites: Ids

    @classmethod
    def of(cls, company: Company) -> "Names":
        """As many as the company has."""
        routes, vehicles, drivers = (_ids(letter, company.routes) for letter in "RVD")
        return cls(_ids("C", company.customers), routes, vehicles, drivers, _ids("S", company.sites))

    def of_customers(self, customers: Customers, fleet: Fleet) -> dict[str, Ids]:
        """The places of each customer's series."""
        return {
            "customer_id": self.customers,
            "route_id": [self.routes[route] for route in customers.route],
            "site_id": [self.sites[site] for site in fleet.site[customers.route]],
        }

    def of_routes(self, fleet: Fleet) -> dict[str, Ids]:
        """The places of each route's series."""
        return {"route_id": self.routes, "site_id": [self.sites[site] for site in fleet.site]}

    def segments(self, customers: Customers) -> Ids:
        """Each customer's label."""
        return [json.dumps({"segment": SEGMENTS[segment].name}) for segment in customers.segment]

    def streams(self, fleet: Fleet) -> Ids:
        """Each route's label."""
        return [json.dumps({"stream": STREAMS[stream]}) for stream in fleet.stream]


def _ids(letter: str, count: int) -> Ids:
    width = len(str(count))
    return [f"{letter}{place:0{width}}" for place in np.arange(1, count + 1)]
