"""What rests on a feature, and how much features matter: on a mirror with three models."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlops.config import Settings
from mlops.db import Database
from mlops.errors import BadInput, UnknownName
from mlops.feature_store.impact import impact, versioned
from mlops.features.definitions import Declared

Command = Callable[..., tuple[int, str, str]]
NOW = datetime(2024, 8, 31, tzinfo=UTC)
NONE = Declared(Path("features.py"), {}, {})
MIRROR = """
insert into analytics.registered_models (name, created_at) values ('demand', now()), ('fuel', now());
insert into analytics.model_versions (model_id, name, version, created_at, status, lineage_state, deleted_at)
select m.model_id, m.name, v, now(), 'READY', 'complete', case when v = 3 then now() end
  from analytics.registered_models m, generate_series(1, 3) v where m.name = 'demand' or v = 1;
insert into analytics.model_aliases (model_id, alias, version_id)
select model_id, case version when 2 then 'champion' else 'old' end, version_id
  from analytics.model_versions where name = 'demand' and version < 3;
insert into analytics.model_feature_store
       (name, version, definition_sha256, definition, dtype, entity, granularity, source_metric_types, transformation,
        owner, description)
select name, version, name || version, '{}', 'float64', 'series', 'daily', sources::text[], 'as it is', '', ''
  from (values ('lag_7', 1, '{collection_weight}'), ('lag_7', 2, '{collection_weight}'), ('weekday', 1, '{}'),
               ('full', 1, '{container_fill_level,collection_weight}'), ('unused', 1, '{revenue}'))
       f (name, version, sources);
insert into analytics.model_version_features (version_id, feature_id, importance)
select v.version_id, f.feature_id, e.importance
  from (values ('demand', 1, 'lag_7', 1, 30), ('demand', 1, 'weekday', 1, 10), ('demand', 2, 'lag_7', 2, 0.25),
               ('demand', 2, 'weekday', 1, 0.75), ('demand', 3, 'lag_7', 1, 1), ('fuel', 1, 'lag_7', 2, null))
       e (model, version, feature, feature_version, importance)
  join analytics.model_versions v on v.name = e.model and v.version = e.version
  join analytics.model_feature_store f on f.name = e.feature and f.version = e.feature_version;
insert into analytics.series (metric_type, route_id) select 'collection_weight', 'R' || i from generate_series(1, 5) i;
select analytics.ensure_partitions('2024-05-01', '2024-09-30', 'analytics.model_prediction_results');
insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat)
select v.version_id, s.series_id, at, at, at + h * interval '1 day', h, 1
  from analytics.model_versions v, analytics.series s, generate_series(1, 7) h,
       unnest('{2024-05-01,2024-08-20,2024-09-10}'::timestamptz[]) at
 where v.name = 'demand' and (v.version = 2 or (v.version = 1 and s.route_id = 'R1'));
insert into analytics.retraining_recommendations
       (version_id, as_of, action, reasons, evidence, rule_version, status, decided_at)
select version_id, '2024-08-26'::timestamptz + version * interval '1 day',
       case version when 1 then 'none' else 'retrain' end, '{it drifts}', '{}', '1',
       case version when 3 then 'done' else 'open' end, case version when 3 then now() end
  from analytics.model_versions where name = 'demand'
"""


@pytest.fixture(scope="module")
def mirrored(new_database: Any, migrated: str) -> Iterator[tuple[str, str]]:
    """The name and the address of a database with the mirror."""
    with new_database("mirror", template=migrated) as (name, url):
        with psycopg.connect(url, options="-ctimezone=UTC") as connection:
            for command in MIRROR.split(";\n"):
                connection.execute(command)
        yield name, url


@pytest.fixture
def mirror(mirrored: tuple[str, str]) -> Iterator[Database]:
    """The mirror, to be read only."""
    database = Database(mirrored[1])
    yield database
    database.close()


@pytest.fixture
def template(mirrored: tuple[str, str]) -> str:
    """Commands work on a copy of it."""
    return mirrored[0]


def test_the_champion_comes_first_and_everything_that_rests_on_it_is_counted(mirror: Database):
    found = impact(mirror, NONE, "lag_7", None, NOW)
    assert [(use.label, use.feature_version, use.forecasts, use.series) for use in found.uses] == [
        ("demand@champion", 2, 35, 5),
        ("demand@old", 1, 7, 1),
        ("fuel/1", 2, 0, 0),
    ]
    assert (found.forecasts, found.series) == (42, 5), "a series of two versions is one series"
    assert found.sentence == (
        "demand@champion and 2 other versions use lag_7; 42 forecasts for 5 series in the last 28 days came from them;"
        " retiring it means retraining those"
    )
    assert [row.name for row in found.related] == ["full"]
    assert [(row.version, row.action) for row in found.recommendations] == [(2, "retrain")]


def test_forecasts_are_those_of_the_time_asked_about(mirror: Database):
    assert impact(mirror, NONE, "lag_7", None, NOW, days=5).forecasts == 0
    assert impact(mirror, NONE, "lag_7", None, NOW + timedelta(days=14)).forecasts == 84
    assert impact(mirror, NONE, "lag_7", None, NOW, days=365).forecasts == 84, "what is issued later is not known yet"


def test_importance_is_a_share_of_the_model_whatever_it_was_measured_in(mirror: Database):
    old = impact(mirror, NONE, "lag_7", 1, NOW).uses
    assert [(use.version, use.share, use.rank, use.features) for use in old] == [(1, 0.75, 1, 2)]
    champion, fuel = impact(mirror, NONE, "lag_7", 2, NOW).uses
    assert (champion.share, champion.rank) == (0.25, 2)
    assert (fuel.share, fuel.rank, fuel.features) == (None, None, 1)


def test_a_feature_that_nobody_uses_can_go(mirror: Database):
    assert impact(mirror, NONE, "unused", None, NOW).sentence == (
        "no live model version uses unused: retiring it breaks nothing"
    )


def test_one_version_of_a_feature_is_asked_about_alone(mirror: Database):
    assert impact(mirror, NONE, "lag_7", 1, NOW).sentence == (
        "demand@old uses lag_7@1; 7 forecasts for 1 series in the last 28 days came from it;"
        " retiring it means retraining that version"
    )


def test_what_is_not_recorded_is_refused_with_what_is(mirror: Database):
    with pytest.raises(UnknownName, match="unknown feature 'lag_8'; did you mean 'lag_7'"):
        impact(mirror, NONE, "lag_8", None, NOW)
    with pytest.raises(UnknownName, match="unknown version of feature 'lag_7' '9'; known: 1, 2"):
        impact(mirror, NONE, "lag_7", 9, NOW)


def test_a_name_with_its_version_is_read():
    assert (versioned("lag_7"), versioned("lag_7@2")) == (("lag_7", None), ("lag_7", 2))
    for text in ("lag_7@", "lag_7@0", "lag_7@new"):
        with pytest.raises(BadInput, match="expected lag_7 or lag_7@2"):
            versioned(text)


def test_the_command_begins_with_the_sentence(home: Settings, mlops: Command):
    code, printed, _ = mlops("features", "impact", "lag_7", "--as-of", "2024-08-31")
    assert code == 0
    assert printed.startswith("demand@champion and 2 other versions use lag_7; 42 forecasts")
    assert "open recommendation 2 of 2024-08-28: retrain demand/2: it drifts" in printed
    document = json.loads(mlops("features", "impact", "lag_7", "--as-of", "2024-08-31", "--json")[1])
    assert document["sentence"] in printed.replace("\n", " ")
    assert document["impact"]["uses"][0]["aliases"] == ["champion"]


def test_importance_compares_across_models(home: Settings, mlops: Command):
    rows = json.loads(mlops("features", "importance", "--json")[1])
    assert [(row["model"], row["model_version"], row["feature"], row["rank"]) for row in rows] == [
        ("demand", 2, "weekday", 1),
        ("demand", 2, "lag_7", 2),
        ("demand", 1, "lag_7", 1),
        ("demand", 1, "weekday", 2),
    ], "champions first; what is deleted, or states none, is not there"
    totals: dict[int, float] = {}
    for row in rows:
        totals[row["model_version"]] = totals.get(row["model_version"], 0) + row["share"]
    assert totals == pytest.approx({1: 1, 2: 1})
    assert {row["kind"] for row in rows} == {"gain"}
    assert len(json.loads(mlops("features", "importance", "weekday", "--json")[1])) == 2
    assert "unknown feature 'weekdays'" in mlops("features", "importance", "weekdays")[2]


def test_importance_stands_beside_the_definition(home: Settings):
    database = Database(str(home.database_url))
    with database.transaction() as transaction:
        assert transaction.run("set_feature_importance") == 3
        assert transaction.run("set_feature_importance") == 0, "twice is once"
    with psycopg.connect(database.url) as connection:
        query = "select importance from analytics.model_feature_store where name = 'weekday'"
        (shown,) = connection.execute(query).fetchone()
    assert shown == {
        "demand/1": {"kind": "gain", "rank": 2, "share": 0.25},
        "demand/2": {"kind": "gain", "rank": 1, "share": 0.75},
    }
    database.close()
