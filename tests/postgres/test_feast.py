"""The Feast repository that is written: what it says, without Feast."""

import ast
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlops.config import Settings
from mlops.db import Database
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.feature_store.feast import BuiltSet, Service, render
from mlops.feature_store.offline import materialise
from mlops.features import day_of_week, feature, lag
from mlops.features.definitions import declared

Command = Callable[..., tuple[int, str, str]]
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
WEEKS = """
insert into analytics.series (metric_type, route_id) values ('collection_weight', 'R1');
select analytics.ensure_partitions('2024-01-01', '2024-02-28');
insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
select 1, at, 1, at from generate_series('2024-01-01'::timestamptz, '2024-02-28', interval '1 day') at;
insert into analytics.registered_models (name, created_at) values ('demand', now());
"""
VERSIONS = """
insert into analytics.model_versions (model_id, name, version, created_at, status, lineage_state, deleted_at)
select 1, 'demand', v, now(), 'READY', 'complete', case when v = 3 then now() end from generate_series(1, 3) v;
insert into analytics.model_version_features (version_id, feature_id)
select v.version_id, f.feature_id
  from analytics.model_versions v join analytics.model_feature_store f on f.name = 'weekday' or v.version = 1
"""
ODD = 'kg "collected"\nby crews, 100 % \\ café 🚛 {braces}'


@pytest.fixture
def template(migrated: str) -> str:
    """These commands need no MLflow."""
    return migrated


@pytest.fixture
def routes(home: Settings) -> Iterator[Database]:
    assert home.database_url
    with psycopg.connect(home.database_url, options="-ctimezone=UTC") as connection:
        for command in filter(str.strip, WEEKS.split(";\n")):
            connection.execute(command)
    database = Database(home.database_url)
    yield database
    database.close()


def calls(text: str) -> dict[str, dict[str, Any]]:
    """What each variable of the file is made by: its function's keyword arguments, literals as values."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            made = {word.arg: literal(word.value) for word in node.value.keywords}
            found[node.targets[0].id] = {"of": ast.unparse(node.value.func)} | made
    return found


def literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return node


def fields(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    made = [{word.arg: literal(word.value) for word in one.keywords} for one in view["schema"].elts]
    return {one["name"]: one for one in made}


def test_a_set_is_a_view_of_the_series_and_a_version_a_service(routes: Database, mlops: Command, tmp_path: Path):
    short = declared().sets["demand_daily_short"]
    materialise(routes, short, AS_OF)
    with psycopg.connect(routes.url) as connection:
        for command in VERSIONS.split(";\n"):
            connection.execute(command)
    code, printed, _ = mlops("features", "export-feast", tmp_path / "feast")
    assert (code, "feast --chdir" in printed) == (0, True)
    made = calls((tmp_path / "feast" / "features.py").read_text(encoding="utf-8"))
    assert made["series"]["join_keys"] == ["series_id"]
    source, view = made["demand_daily_short_source"], made["demand_daily_short_view"]
    assert (source["table"], source["timestamp_field"]) == ("analytics.features_demand_daily_short", "observed_at")
    assert fields(view).keys() == {"series_id", *short.names}, "and not y, which is to be predicted"
    assert fields(view)["weight_yesterday"]["tags"]["transformation"] == "lag(n=1)"
    assert [name for name, one in made.items() if one["of"] == "FeatureService"] == [
        "service_demand__v1",
        "service_demand__v2",
    ], "a deleted version serves nothing"
    with psycopg.connect(routes.url) as connection:
        columns = connection.execute(f"select * from {source['table']} limit 0").description
    assert {column.name for column in columns} >= {"series_id", "observed_at", *fields(view)}, "the view has all of it"


def test_exporting_again_writes_the_same_bytes(routes: Database, mlops: Command, tmp_path: Path):
    materialise(routes, declared().sets["demand_daily"], AS_OF)
    materialise(routes, declared().sets["demand_daily_short"], AS_OF)
    names = json.loads(mlops("features", "export-feast", tmp_path, "--json")[1])["files"]
    first = [Path(name).read_bytes() for name in names]
    assert mlops("features", "export-feast", tmp_path)[0] == 0
    assert [Path(name).read_bytes() for name in names] == first
    assert {Path(name).name for name in names} == {path.name for path in tmp_path.iterdir() if path.is_file()}


def test_nothing_of_another_origin_is_overwritten(routes: Database, mlops: Command, tmp_path: Path):
    materialise(routes, declared().sets["demand_daily_short"], AS_OF)
    (tmp_path / "features.py").write_text("mine = 1\n")
    code, _, said = mlops("features", "export-feast", tmp_path)
    assert (code, "features.py was not written by this command" in said) == (1, True), said
    assert (tmp_path / "features.py").read_text() == "mine = 1\n"
    assert not (tmp_path / "feature_store.yaml").exists(), "nothing is written by halves"


def test_without_a_build_the_command_says_what_to_do(routes: Database, mlops: Command, tmp_path: Path):
    code, _, said = mlops("features", "export-feast", tmp_path / "feast")
    assert (code, "run `mlops features build SET`" in said) == (1, True), said


def test_whatever_a_team_writes_the_file_says_it():
    odd = feature(
        "odd", transformation=lag(1), source="collection_weight", owner='"us"', description=ODD, dtype="float32"
    )
    calendar = feature("class", transformation=day_of_week(), owner="us", description="", max_value=6)
    built = BuiltSet("class", "collection_weight", "hourly", (odd, calendar), {"odd": 3, "class": 1})
    services = [Service("my model", 2, "class", ["odd"]), Service("my_model", 2, "class", ["odd"])]
    text = render([built], services, "postgresql://me@db/x")["features.py"]
    compile(text, "features.py", "exec")
    made = calls(text)
    odd_field = fields(made["class_view"])["odd"]
    assert (odd_field["description"], odd_field["tags"]["version"]) == (ODD, "3")
    assert ast.unparse(odd_field["dtype"]) == "Float32"
    assert fields(made["class_view"])["class"]["tags"]["max_value"] == "6"
    assert ast.unparse(made["class_view"]["ttl"]) == "timedelta(hours=1, seconds=-1)"
    assert len([one for one in made.values() if one["of"] == "FeatureService"]) == 2, "two names stay two"


@pytest.mark.parametrize("one", GRANULARITIES.values(), ids=str)
def test_a_row_is_for_its_own_step_and_not_for_a_gap_after_it(one: Granularity):
    built = BuiltSet("short", "collection_weight", one.name, (), {})
    ttl = ast.unparse(calls(render([built], [], "postgresql://me@db/x")["features.py"])["short_view"]["ttl"])
    length, _ = ttl.removeprefix("timedelta(").split(", ")
    unit, count = length.split("=")
    assert ttl.endswith(", seconds=-1)")
    assert timedelta(**{unit: int(count)}) == one.longest_step


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        (
            "postgresql://me:s%40cret@db.example:6000/our%20data",
            ['host: "db.example"', "port: 6000", 'database: "our data"', 'user: "me"'],
        ),
        ("postgresql://postgres@/mlops?host=%2Ftmp%2Fsocket&port=5433", ['host: "/tmp/socket"', "port: 5433"]),
    ],
)
def test_the_settings_name_the_server_and_never_a_password(url: str, lines: list[str]):
    settings = render([], [], url)["feature_store.yaml"]
    for line in lines:
        assert f"  {line}\n" in settings
    assert 'password: "${PGPASSWORD}"' in settings
    assert "cret" not in settings
