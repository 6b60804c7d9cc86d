"""Every granularity of the table, on a real database: features, profiles, silence and the review of its models.

Series begin their steps where nobody would look for it: weeks on a Sunday and on a Wednesday, quarters in February,
years in April, hours at half past.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import holidays
import numpy as np
import pandas as pd
import psycopg
import pytest
from tests.checks import as_champion

from mlops.db import Database
from mlops.domain.granularity import GRANULARITIES, Granularity, named
from mlops.feature_store.build import build
from mlops.feature_store.offline import materialise, read_build
from mlops.feature_store.online import next_rows
from mlops.feature_store.profiled import profile_features
from mlops.features import FeatureSet, Selection, feature, holiday, lag, rolling_mean
from mlops.features import transformations as t
from mlops.features.definitions import Declared
from mlops.monitoring.review import build_review as review
from mlops.monitoring.weekly.history import ForecastSpan
from mlops.monitoring.weekly.staleness import staleness
from mlops.policy import read_policy
from mlops.project import bundled, policy_file

NOW = datetime(2024, 6, 3, tzinfo=UTC)
SOURCE = "collection_weight"
ALL = pytest.mark.parametrize("one", GRANULARITIES.values(), ids=str)
ANCHORED = {"weekly": ("W-SUN", "W-WED"), "quarterly": ("QS-FEB",), "yearly": ("YS-APR",), "hourly": ("hourly@1800",)}
SERIES = """
with made as (
    insert into analytics.series (metric_type, granularity, site_id) values (%s, %s, %s) returning series_id
), known as (
    insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
    select series_id, at, value, recorded
      from made, unnest(%s::timestamptz[], %s::float8[], %s::timestamptz[]) v (at, value, recorded)
)
select series_id from made
"""


@dataclass(frozen=True)
class Known:
    """A series: its steps until NOW, of which each has its own number as the value, known when it has ended."""

    series_id: int
    step: Granularity
    starts: np.ndarray
    metric_type: str

    @property
    def values(self) -> np.ndarray:
        return 1000.0 + np.arange(len(self.starts))


@dataclass(frozen=True)
class Place:
    database: Database
    connection: psycopg.Connection[Any]
    series: dict[str, list[Known]]
    versions: dict[str, int]

    def of(self, one: Granularity) -> list[Known]:
        return self.series[one.name]


@pytest.fixture(scope="module")
def place(new_database: Any, migrated: str) -> Iterator[Place]:
    with new_database("granularities", template=migrated) as (_, url):
        database = Database(url)
        with psycopg.connect(url, autocommit=True) as connection:
            series = {
                name: [_add(connection, named(text), text) for text in (name, *ANCHORED.get(name, ()))]
                for name in GRANULARITIES
            }
            versions = {name: _serve(connection, name, known) for name, known in series.items()}
            yield Place(database, connection, series, versions)
        database.close()


def _add(connection: psycopg.Connection[Any], step: Granularity | None, site: str, metric_type: str = SOURCE) -> Known:
    assert step is not None
    end = int(step.number(np.array([NOW.replace(tzinfo=None)], dtype="datetime64[us]"))[0])
    starts = step.start(np.arange(end - 3 * step.block - 9, end))
    known = Known(0, step, starts, metric_type)
    _months(connection, "time_series_metrics", starts)
    recorded = step.moved(starts, 1)
    given = [metric_type, step.name, site, *(one.tolist() for one in (_utc(starts), known.values, _utc(recorded)))]
    return replace(known, series_id=connection.execute(SERIES, given).fetchone()[0])


def _serve(connection: psycopg.Connection[Any], name: str, series: list[Known]) -> int:
    """A champion whose forecast of each recent step, a block and a step ahead, is three too many; its version."""
    lineage = json.dumps({"selection": {"granularity": name, "metric_type": SOURCE}, "series": [1], "recipe": {}})
    model = connection.execute(
        "insert into analytics.registered_models (name, created_at) values (%s, '2020-01-01+00') returning model_id",
        [name],
    ).fetchone()[0]
    version = connection.execute(
        "insert into analytics.model_versions (model_id, name, version, created_at, status, as_of, metrics, lineage,"
        " lineage_state) select model_id, name, 1, created_at, 'READY', created_at, %s, %s, 'complete'"
        " from analytics.registered_models where model_id = %s returning version_id",
        [json.dumps({"wape": 0.1}), lineage, model],
    ).fetchone()[0]
    connection.execute(
        "insert into analytics.model_aliases values (%s, 'champion', %s, '2020-01-01+00')", [model, version]
    )
    for one in series:
        horizon = one.step.block + 1
        targets = one.starts[-one.step.block :]
        _months(connection, "model_prediction_results", targets)
        cutoffs, known = one.step.moved(targets, -horizon), one.step.moved(targets, 1)
        connection.execute(
            "insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at,"
            " horizon, y_hat, lo_80, hi_80, lo_95, hi_95, outcome, outcome_recorded_at, matched_at)"
            " select %s, %s, cutoff, cutoff, at, %s, y + 3, y, y + 4, y - 1, y + 5, y, known, known"
            " from unnest(%s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::float8[])"
            " v (at, cutoff, known, y)",
            [version, one.series_id, horizon]
            + [of.tolist() for of in (_utc(targets), _utc(cutoffs), _utc(known), one.values[-len(targets) :])],
        )
    return version


def _months(connection: psycopg.Connection[Any], table: str, at: np.ndarray) -> None:
    for month in np.unique(at.astype("datetime64[M]")):
        connection.execute("select analytics.create_monthly_partition(%s, %s)", [month.item(), f"analytics.{table}"])


def _utc(at: np.ndarray) -> np.ndarray:
    return np.array([f"{one}+00" for one in at.astype("datetime64[s]")])


def a_set(one: Granularity, *wanted: Any) -> FeatureSet:
    made = [
        feature(
            f"x{number}",
            transformation=transformation,
            source=SOURCE if t.sources(t.parse_transformation(str(transformation))) else None,
            granularity=one.name,
            owner="tests",
            description="",
        )
        for number, transformation in enumerate(wanted)
    ]
    return FeatureSet(f"some_{one.name}", Selection(SOURCE, one.name), tuple(made))


def of_series(frame: pd.DataFrame, known: Known) -> pd.DataFrame:
    return frame[frame["series_id"] == known.series_id].reset_index(drop=True)


# Features


@ALL
def test_a_feature_stands_on_the_steps_of_its_own_series(place: Place, one: Granularity):
    frame = build(place.database, a_set(one, lag(1), rolling_mean(3), holiday("US")), NOW).frame
    for known in place.of(one):
        found = of_series(frame, known)
        assert (found["ds"].to_numpy() == known.starts).all()
        assert found["x0"].to_numpy()[1:].tolist() == known.values[:-1].tolist()
        assert found["x1"].to_numpy()[3:].tolist() == (known.values[3:] - 2).tolist()
        assert found["x2"].tolist() == [_holidays(at, one) for at in known.starts]


def _holidays(at: np.datetime64, one: Granularity) -> int:
    """How many public holidays begin in a step, counted day by day."""
    begin = pd.Timestamp(at)
    end = pd.Timestamp(one.moved(np.array([at]), 1)[0]) if one.counted else begin + timedelta(seconds=1)
    days = pd.date_range(begin.normalize(), end - timedelta(microseconds=1))
    known = holidays.country_holidays("US", years=range(begin.year, end.year + 1))
    return sum(day.date() in known for day in days)


@ALL
def test_a_build_of_a_part_is_the_part_of_the_build_and_what_is_written_is_what_is_read(place: Place, one: Granularity):
    whole, asked = build(place.database, a_set(one, lag(2), holiday("US")), NOW), a_set(one, lag(2), holiday("US"))
    start = pd.Timestamp(place.of(one)[-1].starts[-9]).tz_localize("UTC").to_pydatetime()
    for known in place.of(one):
        part = build(place.database, asked, NOW, start=start, series=[known.series_id]).frame
        expected = of_series(whole.frame, known)
        expected = expected[expected["ds"] >= pd.Timestamp(start).tz_localize(None)].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, expected)
    materialise(place.database, asked, NOW)
    pd.testing.assert_frame_equal(read_build(place.database, asked, NOW).frame, whole.frame)


@ALL
def test_the_online_row_is_for_the_step_after_the_newest(place: Place, one: Granularity):
    frame = next_rows(place.database, a_set(one, lag(1), lag(2)), NOW)
    for known in place.of(one):
        row = of_series(frame, known).iloc[0]
        assert row["ds"] == pd.Timestamp(known.step.after(known.starts[-1], 1)[0])
        assert [row["x0"], row["x1"]] == known.values[[-1, -2]].tolist()


def test_another_series_of_the_place_is_seen_when_its_own_week_has_ended(place: Place):
    monday = place.of(GRANULARITIES["weekly"])[0]
    other = _add(place.connection, named("W-SUN"), "weekly", "container_fill_level")
    made = feature(
        "other", transformation=lag(1), source=other.metric_type, granularity="weekly", owner="us", description=""
    )
    frame = build(place.database, FeatureSet("linked", Selection(SOURCE, "weekly"), (made,)), NOW).frame
    found = of_series(frame, monday).dropna(subset=["other"])
    seen = dict(zip(other.values.tolist(), other.starts, strict=True))
    ended = np.array([seen[value] for value in found["other"]]) + np.timedelta64(7, "D")
    assert len(found) > 15
    assert set(found["ds"].to_numpy() - ended) == {np.timedelta64(1, "D")}, "as soon as it has ended"


@pytest.mark.parametrize("name", ["15min", "hourly"])
def test_hours_weekdays_and_holidays_are_those_of_the_clock_of_the_series(place: Place, name: str):
    known = place.of(GRANULARITIES[name])[0]
    update = "update analytics.series set time_zone = %s where series_id = %s"
    place.connection.execute(update, ["America/New_York", known.series_id])
    try:
        asked = a_set(GRANULARITIES[name], t.hour(), t.day_of_week(), t.day_of_month())
        found = build(place.database, asked, NOW).frame
    finally:
        place.connection.execute(update, ["UTC", known.series_id])
    for number, frame in found.groupby("series_id"):
        zone = "America/New_York" if number == known.series_id else "UTC"
        local = frame["ds"].dt.tz_localize("UTC").dt.tz_convert(zone).dt
        assert frame["x0"].tolist() == local.hour.tolist()
        assert frame["x1"].tolist() == local.dayofweek.tolist()
        assert frame["x2"].tolist() == local.day.tolist()


# Profiles


@ALL
def test_a_series_with_all_its_steps_is_complete_and_fresh(place: Place, one: Granularity):
    asked = a_set(one, lag(1))
    declared, days = Declared(bundled("training"), {}, {asked.name: asked}), 2 * max(one.longest_step.days, 1)
    found = profile_features(place.database, declared, asked.name, NOW, days=days)
    quality, pattern = found[0].profile.quality, found[0].profile.pattern
    assert (quality.completeness, quality.freshness) == (1, 1)
    assert pattern.season == one.season
    assert bool(pattern.by_hour) is not one.dated
    assert pattern.trend == pytest.approx(1), "a step more is one more"


# Silence


@ALL
def test_a_series_is_silent_by_its_own_steps_and_forecasts_are_missing_after_two(place: Place, one: Granularity):
    known = place.of(one)[-1]
    lineage = {"selection": {"granularity": one.name}, "series": [known.series_id]}
    version = as_champion(1, one.name, lineage=lineage, alias_since=NOW - timedelta(days=9_999))

    def found(as_of: datetime, until: datetime) -> dict[str, str]:
        span = ForecastSpan(until, until, until)
        return {one.subject: one.detail for one in staleness(place.database, version, span, as_of) if one.drifted}

    ended = pd.Timestamp(known.step.after(known.starts[-1], 1)[0]).tz_localize("UTC").to_pydatetime()
    assert found(ended + one.longest_step, ended) == {}
    quiet = ended + 4 * one.longest_step
    assert set(found(quiet, quiet - 2 * one.longest_step)) == {"feed"}
    assert set(found(quiet, quiet - 2.1 * one.longest_step)) == {"feed", "forecasts"}


# The review


@ALL
def test_the_naive_of_the_review_is_as_many_blocks_old_as_the_forecast_needs(place: Place, one: Granularity):
    with place.database.transaction() as transaction:
        asked = {"version_ids": [place.versions[one.name]], "as_of": NOW}
        (row,) = [row for row in transaction.rows("review_accuracy", **asked) if row["recent"]]
        naive = {"cycle": one.block_interval, "steps": one.block}
        live = transaction.frame(
            "freshest_predictions",
            version_id=place.versions[one.name],
            as_of=NOW,
            start=NOW - timedelta(days=one.recent_days) - one.longest_step,
            **naive,
        )
    ends = live["ds"] + (
        pd.DateOffset(months=one.months) if one.months else pd.Timedelta(seconds=one.seconds or 86_400)
    )
    late = ends - pd.Timedelta(days=1) if one.longest_step > timedelta(days=2) else live["ds"]
    live = live[late >= pd.Timestamp(NOW - timedelta(days=one.recent_days)).tz_localize(None)]
    assert (live["y"] - live["naive"]).tolist() == [2 * one.block] * len(live)
    assert row["forecasts"] == len(live) > 0
    assert row["wape_naive"] == pytest.approx(2 * one.block * len(live) / live["y"].sum())
    assert row["wape"] == pytest.approx(3 * len(live) / live["y"].sum())


def test_a_review_of_models_of_every_granularity_says_how_good_each_was(place: Place):
    policy = read_policy(policy_file())
    policy = replace(policy, costs=replace(policy.costs, currency="EUR"))
    found = {one.name: one for one in review(place.database, policy, NOW).models}
    assert len(found) == len(GRANULARITIES)
    for name, one in GRANULARITIES.items():
        model = found[name]
        assert model.recent_days == one.recent_days
        assert model.last_28_days.wape is not None
        assert model.last_28_days.wape_naive is not None
        assert model.impact is not None
        assert model.impact.weeks <= max(one.recent_days // 7, 1)


def test_what_is_served_is_looked_for_over_the_recent_days_of_its_granularity(place: Place):
    place.connection.execute("update analytics.model_aliases set alias = 'challenger'")
    try:
        with place.database.transaction() as transaction:
            served = {row["version_id"] for row in transaction.rows("served_versions", as_of=NOW)}
    finally:
        place.connection.execute("update analytics.model_aliases set alias = 'champion'")
    assert served == set(place.versions.values())


def test_forecasts_are_missed_two_steps_after_the_newest_and_not_before(place: Place):
    limits = {"health_below": 0, "overdue_days": 9_999, "labels_missing_days": 9_999}
    document = {"limits": limits, "owners": {"default": "ops"}}
    with place.database.transaction() as transaction:
        kinds = {row["kind"] for row in transaction.rows("update_monitoring_alerts", as_of=NOW, document=document)}
    assert "forecasts_missing" not in kinds
    later = NOW + 3 * GRANULARITIES["yearly"].longest_step
    with place.database.transaction() as transaction:
        opened = transaction.rows("update_monitoring_alerts", as_of=later, document=document)
    assert {row["subject"] for row in opened if row["kind"] == "forecasts_missing"} == {
        f"models:/{name}@champion" for name in GRANULARITIES
    }
