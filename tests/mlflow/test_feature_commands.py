"""`mlops features …` on four routes, and a model of one's own that is trained on what they build."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import Ridge

import mlflow
from mlops.cli.output import console
from mlops.db import Database
from mlops.feature_store import offline, online
from mlops.features.definitions import declared, feature_set
from mlops.tracking.bridge.sync import sync
from mlops.tracking.lineage import declare_lineage, log_dataset
from mlops.tracking.store import Store

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
AS_OF = ("--as-of", "2020-01-01")
OWN = """
from mlops.features import FeatureSet, Selection, day_of_week, feature, lag, rolling_mean

FEATURES = [
    feature("before", source="collection_weight", transformation=lag({n}), owner="me", description="{words}"),
    feature("week", source="collection_weight", transformation=rolling_mean(7), owner="me", description="a week"),
    feature("weekday", transformation=day_of_week(), owner="me", description="weekday"),
]
FEATURE_SETS = [FeatureSet("mine", Selection("collection_weight"), tuple(FEATURES))]
"""
MANY_MODELS = """
with models as (
    insert into analytics.registered_models (name, created_at)
    select 'tonnage of depot number ' || n, now() from generate_series(1, 12) n returning model_id, name
), versions as (
    insert into analytics.model_versions (model_id, name, version, created_at, status, lineage_state, lineage_problem)
    select model_id, name, 1, now(), 'READY', 'incomplete', 'made up' from models returning version_id
)
insert into analytics.model_version_features (version_id, feature_id)
select version_id, feature_id from versions cross join analytics.model_feature_store
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN.format(n=1, words="the day before"))
    return path


def test_a_set_is_built_once_listed_and_dropped(mlops, routes: Database, own: Path):
    code, out, _ = mlops("features", "build", "mine", *AS_OF, "--file", own)
    words = " ".join(out.split())
    assert code == 0
    assert "build 1, 1,460 rows of 4 series, 3 features, 2019-01-01 to 2019-12-31 written in" in words
    assert words.endswith("view analytics.features_mine")
    code, out, _ = mlops("features", "build", "mine", *AS_OF, "--file", own, "--json")
    first = json.loads(out)
    assert (first["written"], first["rows"]) == (False, 1460)
    code, out, _ = mlops("features", "build", "mine", "--as-of", "2020-02-01", "--file", own, "--keep", 1, "--json")
    assert json.loads(out)["dropped"] == [first["build_id"]]
    code, out, _ = mlops("features", "builds", "mine", "--json")
    [left] = json.loads(out)
    code, out, err = mlops("features", "drop", first["build_id"])
    assert (code, err) == (1, f"mlops: unknown build '{first['build_id']}'; known: {left['build_id']}\n")
    code, out, _ = mlops("features", "drop", left["build_id"])
    assert (code, out) == (0, f"dropped build {left['build_id']} of mine, {left['rows']:,} rows\n")
    code, out, _ = mlops("features", "builds")
    assert out == "nothing was built yet; run `mlops features build SET`\n"


def test_the_values_for_serving_are_refreshed(mlops, routes: Database, own: Path):
    code, out, _ = mlops("features", "build", "mine", *AS_OF, "--online", "--file", own)
    assert (code, " ".join(out.split()).endswith("4 series, 4 with other values than before")) == (0, True)
    code, out, _ = mlops("features", "build", "mine", *AS_OF, "--online", "--file", own, "--json")
    assert json.loads(out)["written"] == 0
    served = online.latest_features(routes, "mine", [1, 2, 3, 4])
    assert set(served["ds"].astype(str)) == {"2020-01-01"}
    code, _, err = mlops("features", "build", "mine", "--online", "--keep", 1, "--file", own)
    assert (code, "leave --start, --end and --keep out" in err) == (2, True)


def test_a_changed_definition_is_a_new_version_shown_by_what_it_changed(mlops, routes: Database, own: Path):
    mlops("features", "build", "mine", *AS_OF, "--file", own)
    own.write_text(OWN.format(n=2, words="two days before"))
    listed = {row["name"]: row for row in json.loads(mlops("features", "list", "--file", own, "--json")[1])}
    assert (listed["before"]["state"], listed["before"]["version"], listed["before"]["sets"]) == (
        "changed",
        1,
        ["mine"],
    )
    assert listed["same_season_1"]["used_by"] == ["demand/1"]
    assert "before, declared, recorded by the next" in mlops("features", "show", "before", "--file", own)[1]
    mlops("features", "build", "mine", *AS_OF, "--file", own)
    out = mlops("features", "show", "before", "--file", own)[1]
    assert [line.split(maxsplit=2)[:3] for line in out.splitlines() if line.startswith(("  -", "  +"))] == [
        ["-", "transformation", "lag(n=1)"],
        ["+", "transformation", "lag(n=2)"],
        ["-", "description", "the day before"],
        ["+", "description", "two days before"],
    ]
    shown = json.loads(mlops("features", "show", "before", "--file", own, "--json")[1])
    assert shown[1]["changes"]["transformation"] == ["lag(n=1)", "lag(n=2)"]
    assert [row["version"] for row in shown] == [1, 2]
    own.write_text(OWN.format(n=1, words="the day before"))
    listed = {row["name"]: row for row in json.loads(mlops("features", "list", "--file", own, "--json")[1])}
    assert (listed["before"]["state"], listed["before"]["version"]) == ("recorded", 1), (
        "an old definition is its old version"
    )


def test_a_list_fits_a_hundred_columns_however_many_models_use_a_feature(
    mlops, routes: Database, monkeypatch: pytest.MonkeyPatch
):
    with psycopg.connect(routes.url, autocommit=True) as connection:
        connection.execute(MANY_MODELS)
    monkeypatch.setattr(console, "_width", 100)
    code, out, _ = mlops("features", "list")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "and 11 more" in " ".join(out.split())
    assert {row["name"] for row in json.loads(mlops("features", "list", "--json")[1])} <= set(out.split())
    assert "…" not in out, "no name is cut off"


def test_the_rooms_own_sets_can_be_built(mlops, routes: Database):
    for name in declared().sets:
        code, out, err = mlops("features", "build", name, *AS_OF, "--json")
        assert (code, err) == (0, "")
        assert json.loads(out)["rows"] == 1460


def test_a_model_of_your_own_is_traced_to_the_build_that_it_was_trained_on(
    mlops, routes: Database, store: Store, own: Path
):
    made = offline.materialise(routes, feature_set("mine", own), NEW_YEAR).build
    built = offline.read_build(routes, "mine")
    rows = built.frame.dropna()
    model = Ridge().fit(rows[list(built.features)], rows["y"])
    signature = infer_signature(rows[list(built.features)], np.asarray(model.predict(rows[list(built.features)])))
    lineage = declare_lineage(signature, **built.lineage_fields())
    with mlflow.start_run(experiment_id=store.experiment("ridge")) as run:
        log_dataset("ridge", lineage)
        logged = mlflow.sklearn.log_model(
            model, name="model", signature=signature, metadata=lineage.metadata(), pip_requirements=[]
        )
    store.client.create_registered_model("ridge")
    store.client.create_model_version("ridge", logged.model_uri, run.info.run_id, tags=lineage.tags())
    sync(store, routes)
    [listed] = offline.builds(routes, "mine")
    assert (listed.build_id, listed.used_by) == (made.build_id, ["ridge/1"])
    used = {row["name"]: row["used_by"] for row in json.loads(mlops("features", "list", "--json")[1])}
    assert used["before"] == ["ridge/1"]
    code, _, err = mlops("features", "drop", made.build_id)
    assert (code, "is what ridge/1 was trained on" in err) == (1, True)
