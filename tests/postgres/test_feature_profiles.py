"""Features of a real database: profiled, kept, and shown beside their definitions."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from mlops.config import Settings
from mlops.db import Database
from mlops.feature_store.impact import impact
from mlops.feature_store.offline import materialise
from mlops.feature_store.profiled import profile_features
from mlops.features.definitions import declared

Command = Callable[..., tuple[int, str, str]]
AS_OF, LATER = datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 10, tzinfo=UTC)
WEEKS = """
insert into analytics.series (metric_type, route_id) select 'collection_weight', 'R' || i from generate_series(1, 3) i;
select analytics.ensure_partitions('2024-01-01', '2024-06-30');
insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
select series_id, at, 100 * series_id + 10 * extract(isodow from at) + extract(day from at)::int % 5,
       at + interval '1 day'
  from analytics.series, generate_series('2024-01-01'::timestamptz, '2024-06-09', interval '1 day') at
 where not (route_id = 'R3' and at >= '2024-05-20' and at < '2024-06-03')
"""

KEPT = """
select f.name, p.* from analytics.feature_profiles p join analytics.model_feature_store f using (feature_id) order by 1
"""


@pytest.fixture(scope="module")
def filled(new_database: Any, migrated: str) -> Iterator[str]:
    """The name of a database with the routes."""
    with new_database("routes", template=migrated) as (name, url):
        with psycopg.connect(url, options="-ctimezone=UTC") as connection:
            for command in WEEKS.split(";\n"):
                connection.execute(command)
        yield name


@pytest.fixture
def template(filled: str) -> str:
    """Every test has a copy of it."""
    return filled


@pytest.fixture
def routes(home: Settings) -> Iterator[Database]:
    database = Database(str(home.database_url))
    yield database
    database.close()


def rows(database: Database, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(database.url, row_factory=dict_row, options="-ctimezone=UTC") as connection:
        return connection.execute(query).fetchall()


def test_a_declared_set_is_profiled_and_kept_once(routes: Database):
    found = {one.name: one.profile for one in profile_features(routes, declared(), "demand_daily_short", AS_OF)}
    assert found.keys() == {"weight_yesterday", "weight_a_week_ago", "weight_mean_7", "weekday"}
    yesterday = found["weight_yesterday"]
    assert (yesterday.series, yesterday.expected, yesterday.distribution.missing) == (3, 84, 14)
    assert yesterday.quality.freshness == pytest.approx(2 / 3), "the third route is silent for two weeks"
    assert yesterday.quality.newest == datetime(2024, 6, 2, tzinfo=UTC), "what comes after as_of is not looked at"
    assert yesterday.pattern.autocorrelation > 0.9
    first = rows(routes, KEPT)
    assert [row["name"] for row in first] == sorted(found)
    assert (first[-1]["completeness"], first[-1]["window_start"]) == (
        pytest.approx(70 / 84),
        datetime(2024, 5, 6, tzinfo=UTC),
    )
    profile_features(routes, declared(), "demand_daily_short", AS_OF)
    assert rows(routes, KEPT) == first, "profiling twice is profiling once: nothing is written again"


def test_the_newest_profile_stands_beside_the_definition(routes: Database):
    profile_features(routes, declared(), "weight_yesterday", LATER)
    profile_features(routes, declared(), "weight_yesterday", AS_OF)
    (shown,) = rows(routes, "select * from analytics.model_feature_store")
    assert shown["quality"]["as_of"].startswith("2024-06-10"), "an older one, profiled later, does not replace it"
    assert shown["profile"]["count"] == 84 - 14 - 1, "a day after a gap has no yesterday"
    assert shown["temporal_pattern"]["season"] == 7
    assert shown["importance"] == {}
    edges = [row["edges"] for row in rows(routes, "select profile -> 'edges' as edges from analytics.feature_profiles")]
    assert len(edges) == 2
    assert edges[0] == edges[1], "two windows compare"


def test_values_that_a_build_had_otherwise_are_inconsistent(routes: Database):
    materialise(routes, declared().sets["demand_daily_short"], AS_OF)
    before = {one.name: one.profile for one in profile_features(routes, declared(), "demand_daily_short", LATER)}
    assert before["weight_yesterday"].quality.repeated == 1
    with psycopg.connect(routes.url) as connection:
        connection.execute(
            "update analytics.time_series_metrics set value = value + 1, recorded_at = '2024-06-05'"
            " where series_id = 1 and observed_at = '2024-05-20'"
        )
    after = {one.name: one.profile for one in profile_features(routes, declared(), "demand_daily_short", LATER)}
    day, week = after["weight_yesterday"], after["weight_mean_7"]
    assert day.quality.repeated == 1 - 1 / day.distribution.count
    assert week.quality.repeated == pytest.approx(1 - 7 / week.distribution.count)
    assert after["weekday"].quality.repeated == 1


def test_impact_names_the_sets_that_have_a_feature(routes: Database):
    materialise(routes, declared().sets["demand_daily_short"], AS_OF)
    found = impact(routes, declared(), "weight_yesterday", 1, LATER)
    assert found.declared_sets == ("demand_daily", "demand_daily_short")
    (built,) = found.built_sets
    assert (built.feature_set, built.builds, built.newest_as_of, built.online) == (
        "demand_daily_short",
        1,
        AS_OF,
        False,
    )
    calendar = impact(routes, declared(), "weekday", None, LATER)
    assert (
        calendar.sentence == "no live model version uses weekday; retiring it changes demand_daily, demand_daily_short"
    )


def test_a_recorded_version_is_profiled_by_its_number(routes: Database):
    profile_features(routes, declared(), "weight_yesterday", AS_OF)
    (found,) = profile_features(routes, declared(), "weight_yesterday@1", AS_OF)
    assert (found.version, found.profile.series) == (1, 3)


def test_a_calendar_feature_is_profiled_on_the_series_of_its_set(routes: Database):
    (found,) = profile_features(routes, declared(), "weekday", LATER)
    assert (found.profile.distribution.min, found.profile.distribution.max) == (0, 6)
    assert found.profile.distribution.counts == (0, 10, 10, 10, 10, 10, 10, 10, 0)
    assert found.profile.quality.steady is None, "a calendar has no history to differ from"


def test_series_that_ended_long_ago_are_reported_and_not_refused(routes: Database, mlops: Command):
    code, printed, _ = mlops("features", "profile", "weight_yesterday", "--as-of", "2026-11-01", "--json")
    assert code == 0
    (found,) = json.loads(printed)["profiles"]
    assert (found["profile"]["quality"]["completeness"], found["profile"]["quality"]["freshness"]) == (0, 0)
    assert found["profile"]["quality"]["newest"].startswith("2024-06-09")
    assert found["profile"]["distribution"]["mean"] is None


def test_another_definition_file_is_asked(routes: Database, mlops: Command, tmp_path: Path):
    file = tmp_path / "ours.py"
    file.write_text(
        "from mlops.features import FeatureSet, Selection, feature, lag\n"
        "two = feature('two_days_ago', transformation=lag(2), source='collection_weight', owner='us', description='')\n"
        "FEATURE_SETS = [FeatureSet('ours', Selection('collection_weight'), (two,))]\n"
    )
    code, printed, _ = mlops("features", "profile", "ours", "--as-of", "2024-06-03", "--file", file)
    assert (code, "two_days_ago@1" in printed) == (0, True)
    assert "declared in ours" in mlops("features", "impact", "two_days_ago", "--file", file)[1]


def test_the_command_says_what_is_below_a_limit(routes: Database, mlops: Command):
    asked = ("features", "profile", "demand_daily_short", "--as-of", "2024-06-03")
    code, printed, _ = mlops(*asked)
    assert code == 0
    assert printed.startswith("3 series, 2024-05-06 to before 2024-06-03, known at 2024-06-03 00:00 UTC")
    assert "weight_yesterday@1 completeness 83.3% is below 95%: 14 of 84 values are missing" in printed
    assert mlops(*asked, "--strict")[0] == 1
    lower = ("--limit", "completeness=0.8", "--limit", "freshness=0.5")
    code, printed, _ = mlops(*asked, "--strict", *lower)
    assert (code, printed.splitlines()[-1]) == (0, "nothing is below a limit")


REFUSALS = {
    ("weight_yesterdays",): "feature set, feature or model 'weight_yesterdays'; did you mean 'weight_yesterday'",
    ("weight_yesterday@7",): "unknown feature set, feature or model 'weight_yesterday@7'",
    ("weekday", "--limit", "beauty=1"): "unknown quality 'beauty'",
    ("weekday", "--limit", "accuracy=all"): "expected accuracy= and a share from 0 to 1, like accuracy=0.9",
    ("weekday", "--as-of", "2023-01-01"): "was recorded by 2023-01-01",
}


def test_what_can_not_be_profiled_is_refused(routes: Database, mlops: Command):
    for arguments, words in REFUSALS.items():
        code, _, said = mlops("features", "profile", *arguments)
        assert (code, words in said) == (1 if "recorded" in words else 2, True), said


LAWS = {"completeness": 1.5, "freshness": -0.1, "window_end": "2024-05-01", "as_of": "2024-06-01", "count": -1}


def test_the_table_holds_the_laws(routes: Database):
    profile_features(routes, declared(), "weekday", AS_OF)
    with psycopg.connect(routes.url, autocommit=True) as connection:
        for column, value in LAWS.items():
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(f"update analytics.feature_profiles set {column} = %s", [value])
