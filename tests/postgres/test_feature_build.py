"""Feature sets out of a real database: places, corrections, times."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest

from mlops.db import Database
from mlops.errors import BadInput, NothingToDo, UnknownName
from mlops.feature_store.build import build
from mlops.feature_store.store import register_features
from mlops.features import FeatureSet, Selection, day_of_week, feature, label, lag, rolling_mean, rolling_sum

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
Add = Callable[..., int]


@pytest.fixture
def add(database: Database) -> Add:
    """Adds a series with a value per day from a Monday on, each recorded a day later; its id."""

    def make(values: list[float], metric_type: str = "collection_weight", **columns: Any) -> int:
        names = ["metric_type", *columns]
        given = [psycopg.types.json.Jsonb(one) if isinstance(one, dict) else one for one in columns.values()]
        with psycopg.connect(database.url) as connection:
            series_id = connection.execute(
                f"insert into analytics.series ({', '.join(names)}) values ({', '.join(['%s'] * len(names))})"
                " returning series_id",
                [metric_type, *given],
            ).fetchone()[0]
            connection.execute(
                "select analytics.ensure_partitions(%s, %s)", [MONDAY, MONDAY + timedelta(days=len(values))]
            )
            connection.execute(
                """insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
                   select %(series_id)s, %(start)s + (n - 1) * interval '1 day', value, %(start)s + n * interval '1 day'
                     from unnest(%(values)s::float8[]) with ordinality v (value, n) where value <> 'NaN'""",
                {"series_id": series_id, "start": MONDAY, "values": [float(one) for one in values]},
            )
        return series_id

    return make


def a_set(*features: Any, metric_type: str = "collection_weight", **options: Any) -> FeatureSet:
    return FeatureSet("some", Selection(metric_type), features, **options)


def a_feature(transformation: Any, source: str | None = "collection_weight", **options: Any) -> Any:
    return feature("x", transformation=transformation, source=source, owner="tests", description="", **options)


def test_a_row_per_observation_with_its_features(database: Database, add: Add):
    first, second = add([1, 2, np.nan, 4], route_id="R1"), add([10, 20], route_id="R2")
    built = build(database, a_set(a_feature(lag(1))), NOW)
    assert built.frame.to_dict("list") == {
        "series_id": [first] * 3 + [second] * 2,
        "ds": [pd.Timestamp(2024, 1, day) for day in (1, 2, 4, 1, 2)],
        "y": [1, 2, 4, 10, 20],
        "x": [pytest.approx(one, nan_ok=True) for one in (np.nan, 1, np.nan, np.nan, 10)],
    }
    assert built.features == {"x": {"version": 1, "definition_sha256": a_feature(lag(1)).sha256}}


def test_another_metric_type_of_the_same_place(database: Database, add: Add):
    add([1, 2], route_id="R1", labels={"stream": "glass"})
    add([3, 4], route_id="R2")
    add([50, 60], "container_fill_level", route_id="R1", labels={"stream": "glass"})
    add([70, 80], "container_fill_level", route_id="R2", labels={"stream": "glass"})
    built = build(database, a_set(a_feature(lag(1), "container_fill_level")), NOW)
    assert built.frame["x"].tolist() == pytest.approx([np.nan, 50, np.nan, np.nan], nan_ok=True)


def test_a_whole_route_is_put_together_as_the_transformation_says(database: Database, add: Add):
    for route, site in (("R1", "A"), ("R1", "B"), ("R2", "C")):
        add([1, 2, 3], route_id=route, site_id=site)
        add([10, np.nan, 30], "container_fill_level", route_id=route, site_id=site)
    summed = a_feature(rolling_sum(2, across="sum"), "container_fill_level", entity="route")
    built = build(database, a_set(summed), NOW)
    assert built.frame["x"].tolist() == pytest.approx([np.nan, 20, 20] * 2 + [np.nan, 10, 10], nan_ok=True)
    mean = a_feature(lag(1, across="mean"), entity="route")
    assert build(database, a_set(mean), NOW).frame["x"].tolist() == pytest.approx([np.nan, 1, 2] * 3, nan_ok=True)


def test_of_a_route_that_has_a_series_of_its_own_the_customers_count_where_that_says_nothing(
    database: Database, add: Add
):
    add([1, 2, 3, 4], "container_fill_level", route_id="R1")
    for customer in ("C1", "C2"):
        add([10, 20, 30, 40], customer_id=customer, route_id="R1")
    add([25, np.nan, 65, 80], route_id="R1", labels={"stream": "paper"})
    summed = a_feature(lag(1, across="sum"), "collection_weight", entity="route")
    built = build(database, a_set(summed, metric_type="container_fill_level"), NOW)
    assert built.frame["x"].tolist() == pytest.approx([np.nan, 25, 40, 65], nan_ok=True)


def test_labels_become_the_places_in_the_declared_list(database: Database, add: Add):
    for stream in ("glass", "paper", "wood"):
        add([1], labels={"stream": stream})
    codes = a_feature(label("stream", ["paper", "glass"]), None)
    assert build(database, a_set(codes), NOW).frame["x"].tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_a_corrected_value_is_the_one_that_stood_then(database: Database, add: Add):
    series = add([1, 2, 3])
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "select analytics.ensure_partitions(%s, %s, 'analytics.time_series_revisions')", [MONDAY, MONDAY]
        )
        connection.execute(
            "insert into analytics.time_series_revisions (series_id, observed_at, value, recorded_at, superseded_at)"
            " values (%s, '2024-01-02Z', 2, '2024-01-03Z', '2024-03-01Z')",
            [series],
        )
        connection.execute(
            "update analytics.time_series_metrics set value = 9, recorded_at = '2024-03-01Z'"
            " where series_id = %s and observed_at = '2024-01-02Z'",
            [series],
        )
    for as_of, found in ((MONDAY + timedelta(days=40), 2), (NOW, 9)):
        assert build(database, a_set(a_feature(lag(1))), as_of).frame["x"].iloc[-1] == found


def test_an_earlier_time_knows_fewer_rows(database: Database, add: Add):
    add([1, 2, 3])
    assert len(build(database, a_set(a_feature(lag(1))), MONDAY + timedelta(days=2)).frame) == 2
    with pytest.raises(NothingToDo, match="collection_weight of these series and times was recorded by 2024-01-01"):
        build(database, a_set(a_feature(lag(1))), MONDAY)


def test_a_window_that_ends_before_it_begins_is_refused(database: Database, add: Add):
    add([1, 2, 3])
    with pytest.raises(BadInput, match="before it begins"):
        build(database, a_set(a_feature(lag(1))), NOW, start=MONDAY, end=MONDAY)


def test_the_label_may_be_a_transformation_too(database: Database, add: Add):
    add([1, 2, 3, 4])
    built = build(database, a_set(a_feature(lag(2)), label="rolling_sum(window=2, min_count=2, lag=0)"), NOW)
    assert built.frame[["y", "x"]].to_numpy().tolist() == [[3, pytest.approx(np.nan, nan_ok=True)], [5, 1], [7, 2]]


def test_what_contains_the_value_to_be_predicted_is_refused(database: Database):
    with pytest.raises(BadInput, match="'x' contains the collection_weight of its own time"):
        build(database, a_set(a_feature(rolling_mean(7, lag=0))), NOW)


def test_an_unknown_metric_type_is_named_with_the_nearest(database: Database):
    with pytest.raises(UnknownName, match="'collection_wait'; did you mean 'collection_weight'"):
        build(database, a_set(a_feature(lag(1), "collection_wait")), NOW)


def test_a_definition_without_bounds_has_the_digest_that_it_had_before_bounds_existed(database: Database):
    weekday = a_feature(day_of_week(), None)
    assert "min_value" not in weekday.document
    bounded = a_feature(day_of_week(), None, min_value=0, max_value=6)
    assert register_features(database, [weekday])["x"]["version"] == 1
    assert register_features(database, [bounded])["x"]["version"] == 2
    assert register_features(database, [weekday])["x"]["version"] == 1


def test_two_values_in_one_step_are_refused(database: Database, add: Add):
    series = add([1, 2])
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "insert into analytics.time_series_metrics (series_id, observed_at, value)"
            " values (%s, '2024-01-02 06:00Z', 3)",
            [series],
        )
    with pytest.raises(BadInput, match=f"series {series} is daily and has two values in one step"):
        build(database, a_set(a_feature(lag(1))), datetime.now(UTC))


def test_the_fields_of_a_lineage(database: Database, add: Add):
    series = add([1, 2, 3])
    built = build(database, a_set(a_feature(lag(1))), NOW, start=MONDAY + timedelta(days=1))
    fields = built.lineage_fields()
    assert (fields["rows"], fields["series"], fields["label"]) == (2, (series,), "value")
    assert (fields["trained_from"], fields["trained_to"]) == (MONDAY + timedelta(days=1), MONDAY + timedelta(days=2))
    assert fields["features"]["x"]["definition_sha256"] == a_feature(lag(1)).sha256
