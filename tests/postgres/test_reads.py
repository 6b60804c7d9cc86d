"""Newest values, sums by dimension and area, and seasons, out of the summary."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from psycopg.types.json import Jsonb

from mlops.analytics import customers, operations, seasons
from mlops.analytics.refresh import refresh_views
from mlops.db import Database
from mlops.domain.features import Selection
from mlops.errors import BadInput, NothingToDo, UnknownName
from mlops.feature_store import build
from mlops.series import export, read, seasonality

MONDAY = date(2024, 1, 1)
L_SHAPE = "((0,0),(4,0),(4,1),(1,1),(1,4),(0,4))"
Add = Callable[..., int]


@pytest.fixture
def add(database: Database) -> Add:
    """Adds a series with a value per day from `start` on; its id."""

    def make(values: list[float], start: date = MONDAY, metric_type: str = "collection_weight", **columns: Any) -> int:
        names, slots = ["metric_type", *columns], ["%s", *("%s" for _ in columns)]
        with psycopg.connect(database.url) as connection:
            series_id = connection.execute(
                f"insert into analytics.series ({', '.join(names)}) values ({', '.join(slots)}) returning series_id",
                [metric_type, *columns.values()],
            ).fetchone()[0]
            connection.execute(
                "select analytics.ensure_partitions(%s::timestamptz, %s::timestamptz)",
                [start, start + pd.Timedelta(days=len(values))],
            )
            connection.execute(
                """insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
                   select %s, (%s::date + (n - 1)::int)::timestamp at time zone 'UTC', value, '2024-06-01Z'
                     from unnest(%s::float8[]) with ordinality v (value, n) where value <> 'NaN'""",
                [series_id, start, values],
            )
            connection.execute("select analytics.mark_dirty(%s, '-infinity', 'infinity')", [[series_id]])
        refresh_views(database)
        return series_id

    return make


def test_the_newest_observation_of_each_series_that_has_one(database: Database, add: Add):
    first, second, empty = add([1, 2, 3]), add([4] * 70, route_id="R2"), add([], route_id="R3")
    found = read.latest_observations(database, [second, first, empty])
    assert found[["series_id", "ds", "y"]].to_numpy().tolist() == [
        [first, pd.Timestamp("2024-01-03"), 3.0],
        [second, pd.Timestamp("2024-03-10"), 4.0],
    ]
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("select value from analytics.latest_values(%s)", [[first]]).fetchall()
    assert rows == [(3.0,)]


@pytest.mark.parametrize(
    ("metric_type", "july"),
    [
        ("collection_weight", 1 + 2 + 3 + 10 + 20),
        ("contamination_rate", (1 + 2 + 3 + 10 + 20) / 5),
        ("container_fill_level", (3 + 20) / 2),
    ],
    ids=["sums add", "a mean is over all observations", "last: each series' last, averaged"],
)
def test_the_metric_type_decides_how_values_add_up(database: Database, add: Add, metric_type: str, july: float):
    add([1, 2, 3], metric_type=metric_type, route_id="R1", customer_id="C1")
    add([10, 20], metric_type=metric_type, route_id="R1", customer_id="C2")
    found = operations.aggregate(
        database, by="route", grain="month", metric_type=metric_type, start=MONDAY, end=date(2024, 2, 1)
    )
    assert found[["entity_id", "ds", "series", "observations", "days"]].to_numpy().tolist() == [
        ["R1", pd.Timestamp("2024-01-01"), 2, 5, 5]
    ]
    assert found["y"].tolist() == pytest.approx([july])


def test_a_maximum_is_the_largest_along_time_and_over_series(database: Database, add: Add):
    with psycopg.connect(database.url) as connection:
        connection.execute("insert into analytics.metric_types (name, unit, aggregate) values ('peak', 'kW', 'max')")
    add([1, 9, 3], metric_type="peak", site_id="S")
    add([2, 7], metric_type="peak", site_id="S", driver_id="D")
    found = operations.aggregate(
        database, by="site", grain="week", metric_type="peak", start=MONDAY, end=date(2024, 2, 1)
    )
    assert found["y"].tolist() == [9.0]


def test_weeks_begin_on_monday_and_the_end_is_left_out(database: Database, add: Add):
    add([1] * 30, start=date(2023, 12, 30), customer_id="C1")
    found = operations.aggregate(
        database,
        by="customer",
        grain="week",
        metric_type="collection_weight",
        start=date(2023, 12, 31),
        end=date(2024, 1, 9),
    )
    assert dict(zip(found["ds"], found["y"], strict=True)) == {
        pd.Timestamp("2023-12-25"): 1,
        pd.Timestamp("2024-01-01"): 7,
        pd.Timestamp("2024-01-08"): 1,
    }


@pytest.mark.parametrize("by", ["customer", "route", "vehicle", "driver", "site"])
def test_each_dimension_can_be_narrowed_to_ids(database: Database, add: Add, by: str):
    for name in "AB":
        add([1, 2], **{f"{by}_id": name})
    add([5])
    found = operations.aggregate(
        database,
        by=by,
        grain="day",
        metric_type="collection_weight",
        start=MONDAY,
        end=date(2025, 1, 1),
        ids=["B"],
    )
    assert found[["entity_id", "y"]].to_numpy().tolist() == [["B", 1.0], ["B", 2.0]]


def test_tenants_are_kept_apart(database: Database, add: Add):
    for tenant in (1, 2):
        add([tenant], customer_id="C1", tenant_id=tenant)
    for tenant, want in ((None, [1.0, 2.0]), (2, [2.0])):
        found = operations.aggregate(
            database,
            by="customer",
            grain="month",
            metric_type="collection_weight",
            start=MONDAY,
            end=date(2025, 1, 1),
            tenant_id=tenant,
        )
        assert found["y"].tolist() == want


@pytest.mark.parametrize(
    ("area", "want"),
    [
        ([(0.5, 0.5)], ["L"]),
        ([(3, 3)], []),
        ([(2, 2), (3, 2), (3, 3)], []),
        ([(0.5, 3), (3, 3), (3, 3.5)], ["L"]),
        ([(9, 9), (11, 9), (11, 11), (9, 11)], ["by its route"]),
        ([(-9, -9), (19, -9), (19, 19), (-9, 19)], ["L", "by its route"]),
        ([(10, 10)], ["by its route"]),
    ],
    ids=[
        "point inside",
        "in the bounding box only",
        "polygon in the bounding box only",
        "overlap",
        "route",
        "both",
        "point",
    ],
)
def test_an_area_finds_what_it_overlaps_and_nothing_of_its_bounding_box(
    database: Database, add: Add, area: list[tuple[float, float]], want: list[str]
):
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "insert into analytics.routes (route_id, service_area) values ('R1', '((9,9),(12,9),(12,12),(9,12))')"
        )
    add([1], customer_id="L", service_area=L_SHAPE, route_id="R1")
    add([2], customer_id="by its route", route_id="R1")
    add([4], customer_id="nowhere", route_id="R2")
    every = {"metric_type": "collection_weight", "start": MONDAY, "end": date(2025, 1, 1), "area": area}
    found = operations.aggregate(database, by="customer", grain="month", **every)
    assert sorted(found["entity_id"]) == sorted(want)
    total = operations.aggregate(database, by="area", grain="month", **every)
    assert total["y"].tolist() == ([found["y"].sum()] if want else [])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"by": "depot"}, UnknownName, "unknown dimension 'depot'; known: area, company, customer"),
        ({"grain": "year"}, UnknownName, "unknown grain 'year'"),
        ({"metric_type": "colection_weight"}, UnknownName, "did you mean 'collection_weight'"),
        ({"by": "area"}, BadInput, "has no area; give a polygon"),
        ({"by": "area", "area": [(1, 1)], "ids": ["R"]}, BadInput, "takes no ids"),
        ({"area": [(1, 1), (2, 2)]}, BadInput, "an area of 2 points is none"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(
    database: Database, change: dict[str, Any], error: type[Exception], message: str
):
    asked = {"by": "route", "grain": "day", "metric_type": "collection_weight", "start": MONDAY, "end": MONDAY} | change
    with pytest.raises(error, match=message):
        operations.aggregate(database, **asked)


def test_months_of_customers_and_operations_are_those_of_the_summary(database: Database, add: Add):
    add([2] * 31 + [3] * 29, customer_id="C1", route_id="R1")
    for found in (
        customers.customer_months(database, ["C1"], start=date(2024, 1, 15), end=date(2024, 3, 1)),
        operations.entity_months(database, "route", ["R1"], start=MONDAY, end=date(2024, 3, 1)),
    ):
        assert found[["ds", "y", "days", "unit"]].to_numpy().tolist() == [
            [pd.Timestamp("2024-01-01"), 62.0, 31, "kg"],
            [pd.Timestamp("2024-02-01"), 87.0, 29, "kg"],
        ]
        assert found["change"].tolist()[1] == pytest.approx(0.5)


def test_a_series_is_taken_apart_into_what_it_was_made_of(database: Database, add: Add):
    days = np.arange(400)
    weekday = np.array([3, 1, 0, 0, 2, -2, -4.0])
    made = 100 + 0.05 * days + weekday[days % 7]
    holes = made.copy()
    holes[[50, 51, 90, 200, 301]] = np.nan
    whole, gaps = add(list(made)), add(list(holes), route_id="R2")
    found = seasons.decompose(database, [whole, gaps], MONDAY, date(2025, 1, 1))
    for series_id, size in ((whole, 366), (gaps, 361)):
        part = found[found["series_id"] == series_id]
        at = (part["ds"] - pd.Timestamp(MONDAY)).dt.days.to_numpy()
        assert len(part) == size
        np.testing.assert_allclose(part["y"], part["trend"] + part["weekday"] + part["residual"])
        np.testing.assert_allclose(part["weekday"], weekday[at % 7], atol=0.05)
        np.testing.assert_allclose(part["trend"], 100 + 0.05 * at, atol=0.15)


def test_a_route_that_rests_on_sundays_has_a_trend(database: Database, add: Add):
    days = np.arange(140)
    made = np.where(days % 7 == 6, np.nan, 50 + np.array([1, 2, 3, -1, -2, -3, 0])[days % 7])
    found = seasons.decompose(database, [add(list(made))], MONDAY, date(2024, 5, 20))
    assert len(found) == 120
    np.testing.assert_allclose(found["trend"], 50, atol=0.05)
    np.testing.assert_allclose(found["residual"], 0, atol=0.05)


def test_too_little_has_no_trend_and_nothing_at_all_is_said(database: Database, add: Add):
    found = seasons.decompose(database, [add([1, 2])], MONDAY, date(2024, 2, 1))
    assert found["trend"].isna().all()
    with pytest.raises(NothingToDo, match="no day of these 1 series"):
        seasons.decompose(database, list(found["series_id"][:1]), date(2025, 1, 1), date(2025, 2, 1))


def test_patterns_and_behaviour_are_read_from_the_views(database: Database, add: Add):
    series = add([4 if day % 7 < 5 else 2 for day in range(28)], customer_id="C1", route_id="R1")
    index = seasons.patterns(database, [series]).query("season == 'weekday'").set_index("position")["index"]
    assert index[1] / index[7] == pytest.approx(2)
    found = customers.behaviour(database, customer_ids=["C1"], metric_type="collection_weight")
    assert found["year_total"].tolist() == [96.0]
    assert operations.route_performance(database, ["R1"])["weight_kg"].tolist() == [96.0]


def test_what_nobody_declared_and_no_series_has_is_refused_by_every_reader(database: Database, add: Add):
    series = add([1, 2, 3], customer_id="C1", route_id="R1", labels=Jsonb({"stream": "paper"}))
    span = {"start": MONDAY, "end": date(2024, 2, 1)}
    weight = {"metric_type": "collection_weight"}
    cases: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
        (read.history, (), {"metric_type": "colection_weight"}, "did you mean 'collection_weight'"),
        (read.history, (), {"granularity": "dayly"}, "granularity 'dayly'; did you mean 'daily'"),
        (read.history, (), {"labels": {"steam": "paper"}}, "label 'steam'; did you mean 'stream'"),
        (read.history, (), {"labels": {"stream": "glass"}}, "value of the label 'stream' 'glass'"),
        (read.history, (), {"series_ids": [series, series + 9]}, "unknown series"),
        (read.list_series, ("revenu",), {}, "did you mean 'revenue'"),
        (read.ended, ("revenu",), {}, "did you mean 'revenue'"),
        (read.latest_observations, ([series + 9],), {}, "unknown series"),
        (seasonality.store_profiles, (), {"metric_type": "revenu"}, "did you mean 'revenue'"),
        (export.export_series, ("out.csv",), {"metric_type": "revenu"}, "did you mean 'revenue'"),
        (seasons.decompose, ([series + 9], *span.values()), {}, "unknown series"),
        (seasons.patterns, ([series + 9],), {}, "unknown series"),
        (customers.customer_months, (["C11"],), span, "customer 'C11'; did you mean 'C1'"),
        (customers.customer_months, (["C1"],), span | {"metric_type": "revenu"}, "did you mean 'revenue'"),
        (customers.behaviour, (), {"customer_ids": ["C1", "C2"]}, "customer 'C2'"),
        (operations.entity_months, ("route", ["R2"]), span, "route 'R2'; .*R1"),
        (operations.entity_months, ("route", ["R1"]), span | {"metric_type": "revenu"}, "did you mean 'revenue'"),
        (operations.route_performance, (["R2"],), {}, "route 'R2'"),
        (operations.aggregate, (), {"by": "route", "grain": "day", "ids": ["R2"], **weight, **span}, "route 'R2'"),
        (operations.aggregate, (), {"by": "route", "grain": "day", "tenant_id": 9, **weight, **span}, "tenant '9'"),
    ]
    for reader, given, named, words in cases:
        with pytest.raises(UnknownName, match=words):
            reader(database, *given, **named)
    assert read.history(database, series_ids=[], labels={"stream": "paper"}).empty, "nothing was asked for"
    assert read.observed(database, series_ids=[series + 9]).empty, "what was chosen before may be gone"


def test_features_and_series_read_the_same_history(database: Database, add: Add):
    series = add([1, 2, 3])
    early, late = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
    selection = Selection(metric_type="collection_weight", granularity="daily", labels={})
    pd.testing.assert_frame_equal(
        build.selection_history(database, selection, late), read.history(database, series_ids=[series], as_of=late)
    )
    assert read.history(database, as_of=early).empty
    with pytest.raises(NothingToDo, match="no daily collection_weight was recorded by 2024-05-01"):
        build.selection_history(database, selection, early)
