"""A series says whose it is, and an entity's figure is its own series where it has one, else the sum of its parts."""

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import psycopg
import pytest

from mlops.analytics.refresh import refresh_views
from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.series import LEVELS
from mlops.errors import NothingToDo, UnknownName
from mlops.series.names import series_names
from mlops.series.read import history, list_series, show_series
from mlops.training.data import select

Place = dict[str, Any]
EVERY = (1, 2, 3, 4, 5, 6, 7)
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


def observe(database: Database, series: int, value: float, *, until: str, weekdays: Sequence[int] = EVERY) -> None:
    """The same value on every such weekday (1 is Monday) of 2024, until a time."""
    ask(
        database,
        """insert into analytics.time_series_staging (series_id, observed_at, value)
           select %s, day, %s from generate_series('2024-01-01Z'::timestamptz, %s, interval '1 day') day
            where date_part('isodow', day) = any(%s)""",
        *(series, value, until, list(weekdays)),
    )


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


def test_a_level_chooses_series_for_training_and_nothing_else(database: Database):
    ids = {}
    for customer in ("C1", "C2"):
        ids[customer] = add(database, customer_id=customer, route_id="R1")
    ids["R1"] = add(database, route_id="R1")
    chosen = select(database, "", "daily", {}, "route")
    assert chosen.document == {
        "metric_type": "collection_weight",
        "granularity": "daily",
        "labels": {},
        "level": "route",
    }
    assert series_names(database, chosen) == {ids["R1"]: "R1"}
    assert set(series_names(database, select(database, "", "daily", {}))) == set(ids.values())
    assert set(list_series(database, level="customer")["series_id"]) == {ids["C1"], ids["C2"]}
    assert show_series(database, "R1").level == "route"
    for ask_for in (list_series, history):
        with pytest.raises(UnknownName, match="unknown level 'rute'; did you mean 'route'"):
            ask_for(database, level="rute")
    with pytest.raises(NothingToDo, match="is of a site; there are: --level customer or --level route"):
        select(database, "collection_weight", "daily", {}, "site")


def test_a_lineage_says_the_level_only_where_one_was_chosen(database: Database):
    assert "level" not in Selection("revenue").document
    assert Selection(**Selection("revenue", level="site").document) == Selection("revenue", level="site")


def test_levels_are_those_of_the_database(database: Database):
    check = "select pg_get_constraintdef(oid) from pg_constraint where conname = 'series_level_check'"
    assert re.findall("'([a-z]+)'", ask(database, check)[0][0]) == sorted(LEVELS, key=LEVELS.index)


def test_what_a_deleted_series_was_a_part_of_is_made_anew(database: Database):
    part, whole = add(database, customer_id="C1", route_id="R1"), add(database, route_id="R1")
    for series, value in ((part, 3), (whole, 5)):
        observe(database, series, value, until="2024-02-29Z")
    months = """select month, value, series from analytics.operational_metrics_aggregates
                 where dimension = 'route' order by month"""
    refresh_views(database)
    assert ask(database, months) == [(date(2024, 1, 1), 155, 1), (date(2024, 2, 1), 145, 1)]
    ask(
        database,
        "select analytics.edit_observations('deleted', null, %s, '2024-02-01Z', null, 'me', 'a broken scale')",
        [whole],
    )
    refresh_views(database)
    assert ask(database, months) == [(date(2024, 1, 1), 155, 1), (date(2024, 2, 1), 87, 1)]
    ask(database, "select analytics.edit_observations('deleted', null, %s, null, null, 'me', 'never was')", [whole])
    assert ask(database, "select 1 from analytics.series where series_id = %s", whole) == []
    refresh_views(database)
    assert ask(database, months) == [(date(2024, 1, 1), 93, 1), (date(2024, 2, 1), 87, 1)]
    ask(database, "update analytics.series set route_id = 'R2' where series_id = %s", part)
    refresh_views(database)
    found = "select distinct entity_id from analytics.operational_metrics_aggregates where dimension = 'route'"
    assert ask(database, found) == [("R2",)]


def test_silent_weeks_and_months_are_rows_with_what_was_to_be_expected(database: Database):
    left, stays = add(database, customer_id="C1"), add(database, customer_id="C2")
    for series, until in ((left, "2024-03-10Z"), (stays, "2024-06-30Z")):
        observe(database, series, 10, until=until, weekdays=[2, 5])
    refresh_views(database)
    of = "from analytics.customer_behavior_aggregates where customer_id = 'C1' order by month"
    months = ask(database, f"select date_part('month', month)::int, days, expected_days, calendar_days, value {of}")
    assert months == [
        (1, 9, 9, 30, 90),  # from the 2nd, a Tuesday
        (2, 8, 8, 29, 80),
        (3, 3, 9, 31, 30),
        (4, 0, 7, 30, 0),
        (5, 0, 7, 31, 0),
        (6, 0, 6, 28, 0),  # known until the 28th, a Friday
    ]
    changes = [row[0] for row in ask(database, f"select change {of}")]
    assert changes == [
        None,
        pytest.approx(80 / 29 / (90 / 30) - 1),
        pytest.approx(30 / 31 / (80 / 29) - 1),
        -1,
        None,
        None,
    ]
    weeks = ask(
        database,
        """select entity_id, period, observed_days, expected_days, value
             from analytics.aggregate_values('customer', 'week', 'collection_weight', '2024-02-26', '2024-04-01')""",
    )
    assert [row[1:] for row in weeks if row[0] == "C1"] == [
        (date(2024, 2, 26), 2, 2, 20),
        (date(2024, 3, 4), 2, 2, 20),
        (date(2024, 3, 11), 0, 2, 0),
        (date(2024, 3, 18), 0, 2, 0),
        (date(2024, 3, 25), 0, 2, 0),
    ]
    summary = ask(
        database,
        """select customer_id, quarter_change, quarter_days, quarter_expected_days
             from analytics.customer_behavior_summary order by 1""",
    )
    assert summary[0] == ("C1", -1, 0, 20)
    assert summary[1] == ("C2", pytest.approx(0, abs=0.05), 26, 26)


def test_where_absence_means_nothing_a_silent_month_has_no_value_and_no_change(database: Database):
    for customer, until in (("C1", "2024-01-31Z"), ("C2", "2024-03-31Z")):
        observe(database, add(database, "container_fill_level", customer_id=customer), 40, until=until)
    refresh_views(database)
    found = ask(
        database,
        """select days, expected_days, value, change from analytics.customer_behavior_aggregates
            where customer_id = 'C1' order by month""",
    )
    assert found == [(31, 31, 40, None), (0, 29, None, None), (0, 31, None, None)]
