"""Laws of the feature store: point in time, parts of a build, written down and read back, served."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.db import Database
from mlops.errors import BadInput, NothingToDo, Refused, UnknownName
from mlops.feature_store import offline, online
from mlops.feature_store.build import build
from mlops.features import (
    FeatureSet,
    Selection,
    day_of_week,
    ewm_mean,
    expanding_mean,
    feature,
    lag,
    ratio,
    rolling_mean,
    rolling_quantile,
    rolling_std,
    seasonal_rolling_mean,
    steps_since_nonzero,
)

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, PLACES = 24, 3
TRANSFORMATIONS = {
    "yesterday": lag(1),
    "mean": rolling_mean(7),
    "spread": rolling_std(10),
    "tail": rolling_quantile(5, 0.9),
    "weekdays": seasonal_rolling_mean(7, 2, lag=7),
    "smooth": ewm_mean(halflife=3),
    "all": expanding_mean(),
    "quiet": steps_since_nonzero(most=10),
    "fullness": ratio(lag(1, of="container_fill_level"), rolling_mean(14)),
    "weekday": day_of_week(),
}
SET = FeatureSet(
    "laws",
    Selection("collection_weight"),
    tuple(
        feature(name, transformation=one, source="collection_weight", owner="tests", description="")
        for name, one in TRANSFORMATIONS.items()
    ),
)
SHORT = replace(SET, features=SET.features[:5])
Event = tuple[int, str, int, float, int]
"""Place, metric type, day, value, and how many hours after Monday it was recorded."""
EVENTS = st.lists(
    st.tuples(
        st.integers(0, PLACES - 1),
        st.sampled_from(["collection_weight", "collection_weight", "container_fill_level"]),
        st.integers(0, DAYS - 1),
        st.floats(-1e6, 1e6) | st.integers(1, 10**6).map(lambda number: number / 997) | st.sampled_from([0.0, -0.0]),
        st.integers(0, 24 * DAYS),
    ),
    min_size=5,
    max_size=90,
)
quickly = settings(
    max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Place:
    """A small database whose observations are replaced at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connection = psycopg.connect(database.url, autocommit=True)
        self.series = {
            (place, metric_type): self.connection.execute(
                "insert into analytics.series (metric_type, route_id) values (%s, %s) returning series_id",
                [metric_type, f"R{place}"],
            ).fetchone()[0]
            for metric_type in ("collection_weight", "container_fill_level")
            for place in range(PLACES)
        }
        for table in ("time_series_metrics", "time_series_revisions"):
            self.connection.execute(
                "select analytics.ensure_partitions(%s, %s, %s::regclass)",
                [MONDAY, MONDAY + timedelta(days=DAYS + 60), f"analytics.{table}"],
            )

    def holds(self, events: list[Event]) -> None:
        """What a database holds that was told the events in the order of their recording."""
        stands: dict[tuple[int, datetime], tuple[float, datetime]] = {}
        replaced = []
        for place, metric_type, day, value, hours in sorted(events, key=lambda event: event[4]):
            key = self.series[place, metric_type], MONDAY + timedelta(days=day)
            recorded = MONDAY + timedelta(hours=hours)
            if key in stands and stands[key][1] < recorded:
                replaced.append((*key, *stands[key], recorded))
            stands[key] = value, recorded
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute("set local session_replication_role = replica")  # past the triggers that refuse it
            cursor.execute("truncate analytics.time_series_metrics, analytics.time_series_revisions")
            cursor.execute("set local session_replication_role = origin")
            cursor.executemany(
                "insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)"
                " values (%s, %s, %s, %s)",
                [(*key, *found) for key, found in stands.items()],
            )
            cursor.executemany(
                "insert into analytics.time_series_revisions"
                " (series_id, observed_at, value, recorded_at, superseded_at) values (%s, %s, %s, %s, %s)",
                replaced,
            )


def dense(seed: int, missing: set[int] = frozenset()) -> list[Event]:
    """A value of every place for every day, but for the days that are missing at the first place."""
    random = np.random.default_rng(seed)
    return [
        (number, metric_type, day, float(random.normal(50, 9)), 24 * day + 20)
        for number in range(PLACES)
        for metric_type in ("collection_weight", "container_fill_level")
        for day in range(DAYS)
        if number or day not in missing
    ]


@pytest.fixture(scope="module")
def place(new_database: Any, migrated: str) -> Iterator[Place]:
    with new_database("features", template=migrated) as (_, url):
        database = Database(url)
        made = Place(database)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(offline, "ROWS", 1_500)  # so that a build of three series has two parts
            yield made
        made.connection.close()
        database.close()


@pytest.fixture
def filled(place: Place) -> Iterator[Place]:
    """Three series of 24 days; nothing was built yet."""
    place.holds(dense(5))
    yield place
    for one in offline.builds(place.database):
        offline.drop(place.database, one.build_id, force=True)
    place.connection.execute("delete from analytics.online_feature_sets")


def hours(number: int) -> datetime:
    return MONDAY + timedelta(hours=number)


def frame_of(place: Place, as_of: datetime, **options: Any) -> pd.DataFrame:
    try:
        return build(place.database, SET, as_of, **options).frame
    except NothingToDo:
        return pd.DataFrame()


def assert_same_bits(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(found.columns) == list(expected.columns)
    for name in expected:
        assert found[name].dtype == expected[name].dtype, name
        assert found[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes(), name


@quickly
@given(events=EVENTS, at=st.integers(0, 24 * DAYS))
def test_nothing_that_was_recorded_later_enters_a_feature(place: Place, events: list[Event], at: int):
    place.holds(events)
    found = frame_of(place, hours(at))
    place.holds([event for event in events if event[4] <= at])
    assert_same_bits(found, frame_of(place, hours(at)))
    assert_same_bits(found, frame_of(place, hours(24 * DAYS + 1)))


@quickly
@given(
    seed=st.integers(0, 99),
    missing=st.sets(st.integers(0, DAYS - 1), max_size=5),
    first=st.integers(0, DAYS - 1),
    days=st.integers(1, DAYS),
    chosen=st.sets(st.integers(0, PLACES - 1), min_size=1),
    short=st.booleans(),
)
def test_a_build_of_a_part_is_the_part_of_the_build(place: Place, seed, missing, first, days, chosen, short):
    place.holds(dense(seed, missing))
    start, end = MONDAY + timedelta(days=first), MONDAY + timedelta(days=first + days)
    ids = [place.series[one, "collection_weight"] for one in chosen]
    feature_set = SHORT if short else SET  # the short one reads no more than its windows reach back
    try:
        whole = build(place.database, feature_set, hours(24 * DAYS)).frame
        part = build(place.database, feature_set, hours(24 * DAYS), start=start, end=end, series=ids).frame
    except NothingToDo:
        return
    ds = whole["ds"].dt.tz_localize("UTC")
    assert_same_bits(part, whole[whole["series_id"].isin(ids) & (ds >= start) & (ds < end)].reset_index(drop=True))


@quickly
@given(events=EVENTS, first=st.integers(0, DAYS // 2))
def test_what_is_read_back_is_what_was_built_to_the_last_bit(place: Place, events: list[Event], first: int):
    place.holds(events)
    as_of, start = hours(24 * DAYS), MONDAY + timedelta(days=first)
    try:
        made = offline.materialise(place.database, SET, as_of)
        assert made.written
        found = offline.read_build(place.database, SET, as_of)
        assert_same_bits(found.frame, build(place.database, SET, as_of).frame)
        assert found.content_sha256 == made.build.content_sha256
        part = offline.read_build(place.database, "laws", as_of, start=start)
        assert_same_bits(part.frame, build(place.database, SET, as_of, start=start).frame)
    except NothingToDo:
        pass
    finally:
        for one in offline.builds(place.database):
            offline.drop(place.database, one.build_id)


@quickly
@given(events=EVENTS, at=st.integers(24, 24 * DAYS))
def test_the_online_row_is_the_row_that_the_next_observation_will_have(place: Place, events: list[Event], at: int):
    known = [event for event in events if event[4] <= at]
    place.holds(known)
    try:
        served = online.next_rows(place.database, SET, hours(at))
    except NothingToDo:
        return
    numbers = {number: one for (one, metric_type), number in place.series.items() if metric_type == "collection_weight"}
    coming = [
        (numbers[row.series_id], "collection_weight", (row.ds.tz_localize("UTC") - MONDAY).days, 1.0, at + 1)
        for row in served.itertuples()
    ]
    place.holds(known + coming)
    later = build(place.database, SET, hours(at + 1)).frame.groupby("series_id").tail(1).reset_index(drop=True)
    assert_same_bits(served.drop(columns="observed_at"), later.drop(columns="y"))


def test_the_same_build_is_written_once(filled: Place):
    first = offline.materialise(filled.database, SET, hours(500))
    again = offline.materialise(filled.database, SET, hours(500))
    assert (first.written, again.written) == (True, False)
    assert again.build == first.build
    other = offline.materialise(filled.database, replace(SET, features=SET.features[:2]), hours(500))
    assert other.written, "other features are another build"


def test_two_processes_that_write_the_same_build_write_it_once(filled: Place):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: offline.materialise(filled.database, SET, hours(500)), range(4)))
    assert sum(one.written for one in made) == 1
    assert len({one.build.build_id for one in made}) == 1


def test_an_interrupted_build_leaves_nothing(filled: Place, monkeypatch: pytest.MonkeyPatch):
    whole, written = offline._columns, []

    def broken(frame: pd.DataFrame, names: Any) -> dict[str, Any]:
        if written:
            raise KeyboardInterrupt
        written.append(len(frame))
        return whole(frame, names)

    monkeypatch.setattr(offline, "_columns", broken)
    with pytest.raises(KeyboardInterrupt):
        offline.materialise(filled.database, SET, hours(500))
    monkeypatch.setattr(offline, "_columns", whole)
    assert offline.builds(filled.database) == []
    left = filled.connection.execute("select count(*) from pg_class where relname ~ '^offline_features_b'").fetchone()
    assert left == (0,)
    assert offline.materialise(filled.database, SET, hours(500)).written


def test_analysts_see_the_newest_build_under_real_names(filled: Place):
    offline.materialise(filled.database, SET, hours(300))
    newest = offline.materialise(filled.database, replace(SET, features=SET.features[:3]), hours(500)).build
    offline.materialise(filled.database, SET, hours(200))
    cursor = filled.connection.execute("select * from analytics.features_laws order by series_id, observed_at")
    assert [column.name for column in cursor.description] == [
        "series_id",
        "observed_at",
        "y",
        "yesterday",
        "mean",
        "spread",
    ]
    rows = cursor.fetchall()
    assert (len(rows), rows[0][3]) == (newest.rows, None), "what can't be told is empty"
    assert rows[1][3] == rows[0][2]
    for one in offline.builds(filled.database):
        offline.drop(filled.database, one.build_id)
    with pytest.raises(psycopg.errors.UndefinedTable):
        filled.connection.execute("select * from analytics.features_laws")


def test_old_builds_are_dropped_but_not_those_that_a_model_was_trained_on(filled: Place):
    made = [offline.materialise(filled.database, SET, hours(number)).build for number in (100, 200, 300, 400)]
    filled.connection.execute(
        """with model as
               (insert into analytics.registered_models (name, created_at) values ('demand', now()) returning *)
           insert into analytics.model_versions
               (model_id, name, version, created_at, status, lineage, lineage_state)
           select model_id, name, 3, now(), 'READY', jsonb_build_object('content_sha256', %s::text), 'complete'
             from model""",
        [made[1].content_sha256],
    )
    found = offline.keep_builds(filled.database, "laws", 1)
    assert found.dropped == [made[2].build_id, made[0].build_id]
    assert found.spared == {made[1].build_id: ["demand/3"]}
    with pytest.raises(Refused, match=r"is what demand/3 was trained on"):
        offline.drop(filled.database, made[1].build_id)
    offline.drop(filled.database, made[1].build_id, force=True)
    with pytest.raises(UnknownName, match="unknown build"):
        offline.drop(filled.database, made[1].build_id)


def test_what_was_not_built_is_not_read(filled: Place):
    offline.materialise(filled.database, SET, hours(500), start=hours(240))
    with pytest.raises(NothingToDo, match="mlops features build laws"):
        offline.read_build(filled.database, SET, hours(500))
    with pytest.raises(NothingToDo):
        offline.read_build(filled.database, replace(SET, features=SET.features[:2]), hours(500), start=hours(240))
    assert offline.read_build(filled.database, SET, start=hours(264)).frame["ds"].min() == pd.Timestamp(2024, 1, 12)


def test_a_time_that_has_not_come_is_refused(filled: Place):
    with pytest.raises(BadInput, match="has not come yet"):
        offline.materialise(filled.database, SET, datetime.now(UTC) + timedelta(days=1))


def test_only_changed_online_values_are_written(filled: Place):
    first = online.refresh(filled.database, SET, hours(24 * 10))
    assert (first.series, first.written, first.forgotten) == (3, 3, 0)
    assert online.refresh(filled.database, SET, hours(24 * 10 + 1)).written == 0
    assert online.refresh(filled.database, SET, hours(24 * 11)).written == 3
    with pytest.raises(Refused, match="of a later time"):
        online.refresh(filled.database, SET, hours(24 * 10))


def test_served_values_have_an_age_and_stale_ones_can_be_refused(filled: Place):
    online.refresh(filled.database, SET, hours(24 * 10))
    ids = [filled.series[place, "collection_weight"] for place in range(PLACES)]
    now = hours(24 * 12)
    found = online.latest_features(filled.database, SET, ids[:2], now=now)
    assert found["series_id"].tolist() == ids[:2]
    assert found["age"].tolist() == [timedelta(days=3)] * 2
    assert_same_bits(
        found.drop(columns="age"),
        online.next_rows(filled.database, SET, hours(24 * 10))[["series_id", "ds", "observed_at", *SET.names]].head(2),
    )
    online.latest_features(filled.database, SET, ids, now=now, oldest=timedelta(days=3))
    with pytest.raises(Refused, match=rf"older than 2 days.* for series {ids[0]} \(3 days.* old\)"):
        online.latest_features(filled.database, SET, ids, now=now, oldest=timedelta(days=2))
    with pytest.raises(Refused, match=r"999 \(no values\)"):
        online.latest_features(filled.database, "laws", [999], now=now, oldest=timedelta(days=3))
    assert online.latest_features(filled.database, SET, [999]).empty


def test_values_of_other_definitions_are_not_served(filled: Place):
    online.refresh(filled.database, SET, hours(24 * 10))
    other = replace(SET, features=(replace(SET.features[0], description="of other words"), *SET.features[1:]))
    with pytest.raises(Refused, match=r"with other definitions \(yesterday\)"):
        online.latest_features(filled.database, other, [1])
    with pytest.raises(NothingToDo, match="mlops features build unbuilt --online"):
        online.latest_features(filled.database, "unbuilt", [1])
