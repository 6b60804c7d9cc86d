"""The whole path against an MLflow server on loopback, and what is left of a registration that it refuses."""

import json
from pathlib import Path

import pytest

from mlflow import MlflowClient
from mlops.cli import context
from mlops.config import Settings
from mlops.db import Database
from mlops.errors import DatabaseUnavailable, Refused
from mlops.series.ingest import ingest
from mlops.tracking.registry import add_version
from mlops.tracking.store import open_store

QUICK = ("trees=20", "weeks=3", "refit_every=3", "country=US")


@pytest.fixture
def template(migrated: str) -> str:
    """Homes of these tests have no registry of their own: the server has it."""
    return migrated


@pytest.fixture
def remote(home: Settings, mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Commands of the test use the server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    for name in ("settings", "database", "store"):
        getattr(context, name).cache_clear()
    return MlflowClient(tracking_uri=mlflow_server, registry_uri=mlflow_server)


def test_train_promote_predict_monitor_and_reproduce_work_with_an_mlflow_server(
    remote: MlflowClient, home: Settings, mlops, daily_series: Path
):
    def done(*words: object) -> dict:
        code, out, err = mlops(*words, "--json")
        assert code == 0, (words, err)
        return json.loads(out)

    database = Database(str(home.database_url))
    ingest(database, daily_series, known_at="observed")
    changes = [word for change in QUICK for word in ("--set", change)]
    trained = done("train", "lightgbm", "--name", "served", *changes, "--as-of", "2020-01-01")
    assert trained["version"]["version"] == 1
    promoted = done("registry", "promote", "models:/served@challenger", "--reason", "the first", "--force")
    held = {gate["gate"]: gate["passed"] for gate in promoted["gates"]}
    assert (held["lineage"], held["signature"], held["loads"]) == (True, True, True), promoted["gates"]
    assert done("predict", "models:/served@champion", "--as-of", "2020-01-01")["stored"] == 4 * 28
    done("outcomes", "match", "--as-of", "2020-02-01")
    (checked,) = done("monitor", "run", "--as-of", "2020-02-01")
    assert checked["name"] == "served"
    assert done("registry", "reproduce", "models:/served@champion")["verdict"] == "reproduced"
    (row,) = done("registry", "list")
    assert (row["lineage_state"], row["aliases"]) == ("complete", ["champion"])
    logged = remote.get_model_version("served", "1")
    assert logged.source.startswith("models:/m-")
    database.close()


def test_a_registration_that_fails_leaves_no_model_and_a_run_that_says_why(
    remote: MlflowClient, home: Settings, mlflow_server: str
):
    store = open_store(home.model_copy(update={"mlflow_tracking_uri": mlflow_server}), str(home.database_url))
    run_id = remote.create_run(store.experiment("refused")).info.run_id
    with pytest.raises(Refused, match=r"MLflow did not register the model of run \w+ as refused: .*; the run is kept"):
        add_version(store, "refused", run_id, "file:///nowhere/model", {})
    assert [model.name for model in remote.search_registered_models("name = 'refused'")] == []
    run = remote.get_run(run_id)
    assert run.info.status == "FAILED"
    assert "MLflow did not register the model of run" in run.data.tags["mlops.failed_because"]


def test_a_model_that_has_versions_keeps_them_when_another_registration_fails(
    remote: MlflowClient, home: Settings, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
):
    store = open_store(home.model_copy(update={"mlflow_tracking_uri": mlflow_server}), str(home.database_url))
    run_id = remote.create_run(store.experiment("kept")).info.run_id
    artifacts = remote.get_run(run_id).info.artifact_uri
    kept = add_version(store, "kept", run_id, f"{artifacts}/model", {})

    def away(*_: object) -> None:
        raise ConnectionResetError("the server went away")

    with monkeypatch.context() as patched:
        patched.setattr(store.client, "set_registered_model_alias", away)
        with pytest.raises(DatabaseUnavailable, match="the server went away; the run is kept and marked as failed"):
            add_version(store, "kept", run_id, f"{artifacts}/model", {})
    assert [int(one.version) for one in remote.search_model_versions("name = 'kept'")] == [kept.version]
    assert remote.get_model_version_by_alias("kept", "challenger").version == str(kept.version)
