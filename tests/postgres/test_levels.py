"""A series says whose it is, and an entity's figure is its own series where it has one, else the sum of its parts."""

import json
from typing import Any

import psycopg
import pytest

from mlops.db import Database

Place = dict[str, Any]
OF_ROUTE = {"route_id": "R1", "site_id": "S1", "labels": {"stream": "paper"}}
OF_CUSTOMER = {"customer_id": "C1", "route_id": "R1", "site_id": "S1", "labels": {"segment": "retail"}}


def ask(database: Database, query: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(database.url) as connection:
        done = connection.execute(query, parameters or None)
        return done.fetchall() if done.description else []


def add(database: Database, metric_type: str = "collection_weight", **place: Any) -> int:
    columns = {name: json.dumps(value) if name == "labels" else value for name, value in place.items()}
    names, slots = ", ".join(["metric_type", *columns]), ", ".join(["%s"] * (len(columns) + 1))
    query = f"insert into analytics.series ({names}) values ({slots}) returning series_id"
    return ask(database, query, metric_type, *columns.values())[0][0]


@pytest.fixture(scope="module")
def levels(new_database, migrated):
    """One database for all places: each test has a tenant of its own."""
    with new_database("levels", template=migrated) as (_, url):
        database = Database(url)
        yield database
        database.close()


@pytest.mark.parametrize(
    ("place", "level"),
    [
        (OF_CUSTOMER, "customer"),
        ({"customer_id": "C1", "driver_id": "D1"}, "customer"),
        ({"driver_id": "D1", "vehicle_id": "V1"}, "driver"),
        ({"vehicle_id": "V1", "route_id": "R1"}, "vehicle"),
        (OF_ROUTE, "route"),
        ({"site_id": "S1"}, "site"),
        ({"labels": {"stream": "paper"}}, "company"),
        ({}, "company"),
        ({"labels": {"series": "NN5-001"}}, "customer"),
        ({"site_id": "S1", "labels": {"series": "scale-2"}}, "site"),
    ],
)
def test_a_series_is_of_the_finest_of_its_places(levels: Database, place: Place, level: str):
    series = add(levels, tenant_id=1000 + len(str(place)), **place)
    assert ask(levels, "select level from analytics.series where series_id = %s", series) == [(level,)]


WHOLES: dict[str, tuple[Place, Place]] = {
    "of a customer and its route": (OF_CUSTOMER, OF_ROUTE),
    "of a customer and a route that names its site, too": ({"customer_id": "C1", "route_id": "R1"}, OF_ROUTE),
    "of a customer and a route that names no site": (OF_CUSTOMER, {"route_id": "R1"}),
    "of a customer and its site": (OF_CUSTOMER, {"site_id": "S1"}),
    "of a route and its site": (OF_ROUTE, {"site_id": "S1"}),
    "of a vehicle and its route": ({"vehicle_id": "V1", "route_id": "R1"}, {"route_id": "R1"}),
    "of a driver and the route, neither naming the other": ({"driver_id": "D1"}, {"route_id": "R1"}),
    "of a vehicle and a site": ({"vehicle_id": "V1"}, {"site_id": "S1"}),
    "of anybody and the company": (OF_CUSTOMER, {}),
    "of a series of a plain file and the company": ({"labels": {"series": "A"}}, {}),
    "of a fraction and all fractions": ({"customer_id": "C1", "labels": {"fraction": "paper"}}, {"customer_id": "C1"}),
    "of a stream and the company": ({"labels": {"stream": "paper"}}, {}),
    "of a customer on one route and on all": ({"customer_id": "C1", "route_id": "R1"}, {"customer_id": "C1"}),
    "of a shorter step": ({"route_id": "R1", "granularity": "hourly"}, {"route_id": "R1", "granularity": "weekly"}),
}
BESIDE: dict[str, tuple[Place, Place]] = {
    "two customers": ({"customer_id": "C1"}, {"customer_id": "C2"}),
    "a customer of another route": ({"customer_id": "C1", "route_id": "R2"}, {"route_id": "R1"}),
    "a customer whose route nobody names": ({"customer_id": "C1"}, {"route_id": "R1"}),
    "a customer of the route at another site": (OF_CUSTOMER | {"site_id": "S2"}, OF_ROUTE),
    "a customer of another stream": (OF_CUSTOMER | {"labels": {"stream": "glass"}}, OF_ROUTE),
    "two fractions": (
        {"customer_id": "C1", "labels": {"fraction": "paper"}},
        {"customer_id": "C1", "labels": {"fraction": "glass"}},
    ),
    "a customer on two routes": ({"customer_id": "C1", "route_id": "R1"}, {"customer_id": "C1", "route_id": "R2"}),
    "the same label beside none of it": (
        {"customer_id": "C1", "route_id": "R1"},
        {"customer_id": "C1", "labels": {"fraction": "paper"}},
    ),
    "two series of plain files": ({"labels": {"series": "A"}}, {"labels": {"series": "B"}}),
    "another metric type": (OF_CUSTOMER, OF_ROUTE | {"metric_type": "collection_count"}),
    "another tenant": (OF_CUSTOMER, OF_ROUTE | {"tenant_id": 9999}),
}


def related(database: Database, tenant: int, first: Place, second: Place) -> tuple[list[Any], int, int]:
    one, other = (add(database, **{"tenant_id": tenant} | place) for place in (first, second))
    query = "select part_id, whole_id from analytics.series_parts where part_id = any(%s) or whole_id = any(%s)"
    return ask(database, query, [one, other], [one, other]), one, other


@pytest.mark.parametrize("tenant", range(2, 2 + len(WHOLES)), ids=list(WHOLES))
def test_a_part_has_its_whole(levels: Database, tenant: int):
    found, part, whole = related(levels, tenant, *list(WHOLES.values())[tenant - 2])
    assert found == [(part, whole)]


@pytest.mark.parametrize("tenant", range(101, 101 + len(BESIDE)), ids=list(BESIDE))
def test_what_stands_beside_is_no_part(levels: Database, tenant: int):
    assert related(levels, tenant, *list(BESIDE.values())[tenant - 101])[0] == []
