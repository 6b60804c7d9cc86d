"""Models of other libraries are promoted on the gates that apply to them, and no code of theirs is run."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import psycopg
import pytest
import yaml
from mlflow.models import infer_signature
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

import lightgbm
import mlflow
import prophet
from mlops.db import Database
from mlops.errors import Refused
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store
from mlops.training import promote as promotion

RANDOM = np.random.default_rng(5)
X = pd.DataFrame(RANDOM.normal(size=(60, 2)), columns=["load", "rain"])
Y = X["load"] * 2 + X["rain"]
TREE = ["sklearn.tree._tree.Tree"]
QUIET: dict[str, Any] = {"pip_requirements": []}


def of_sklearn(**more: Any) -> Any:
    model = Ridge().fit(X, Y)
    return mlflow.sklearn.log_model(model, name="m", signature=infer_signature(X, model.predict(X)), **QUIET, **more)


def of_trees() -> Any:
    model = DecisionTreeRegressor(max_depth=3).fit(X, Y)
    signature = infer_signature(X, model.predict(X))
    return mlflow.sklearn.log_model(model, name="m", signature=signature, skops_trusted_types=TREE, **QUIET)


def of_lightgbm() -> Any:
    model = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, Y), num_boost_round=3)
    return mlflow.lightgbm.log_model(model, name="m", signature=infer_signature(X, model.predict(X)), **QUIET)


def of_prophet() -> Any:
    frame = pd.DataFrame({"ds": pd.date_range("2020-01-01", periods=60), "y": Y})
    model = prophet.Prophet(uncertainty_samples=0).fit(frame)
    signature = infer_signature(frame[["ds"]], model.predict(frame[["ds"]])[["yhat"]])
    return mlflow.prophet.log_model(model, name="m", signature=signature, **QUIET)


def of_xgboost() -> Any:
    xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed")
    model = xgboost.XGBRegressor(n_estimators=3).fit(X, Y)
    return mlflow.xgboost.log_model(model, name="m", signature=infer_signature(X, model.predict(X)), **QUIET)


@pytest.fixture
def template(with_mlflow: str) -> str:
    """These tests need no trained model."""
    return with_mlflow


@pytest.fixture
def foreign(store: Store, routes: Database) -> Callable[..., Path]:
    """Registers what a function logs as version 1 of `other`, mirrored; where its files lie."""

    def make(log: Callable[[], Any], change: Callable[[Path], None] = lambda _: None) -> Path:
        mlflow.set_experiment(experiment_id=store.experiment("other"))
        with mlflow.start_run():
            logged = log()
        mlflow.register_model(logged.model_uri, "other")
        model = Path(unquote(urlparse(store.client.get_model_version_download_uri("other", "1")).path))
        change(model)
        sync(store, routes)
        return model

    return make


def gates(found: Any) -> dict[str, tuple[bool | None, str]]:
    return {gate.gate: (gate.passed, gate.found) for gate in found}


@pytest.mark.parametrize("log", [of_sklearn, of_trees, of_lightgbm, of_prophet, of_xgboost])
def test_a_model_of_another_library_is_promoted_on_the_gates_that_apply(
    routes: Database, store: Store, foreign, mlops, log: Callable[[], Any]
):
    foreign(log)
    code, out, err = mlops("registry", "promote", "models:/other/1", "--reason", "theirs is good", "--json")
    assert code == 0, err
    done = json.loads(out)
    found = {gate["gate"]: (gate["passed"], gate["found"]) for gate in done["gates"]}
    assert not done["forced"]
    assert {name: passed for name, (passed, _) in found.items()} == {
        "better": None,
        "naive": None,
        "trivial": None,
        "lineage": None,
        "signature": True,
        "loads": True,
    }
    assert found["better"][1].startswith("does not apply: a model of ")
    assert "files are as first recorded" in found["lineage"][1]
    with psycopg.connect(routes.url) as connection:
        (recorded,) = connection.execute("select gates from analytics.promotions").fetchone()
    assert {gate["gate"]: gate["found"] for gate in recorded} == {name: words for name, (_, words) in found.items()}


def test_a_foreign_champion_is_a_note_in_health_and_is_not_served_here(routes: Database, store: Store, foreign, mlops):
    foreign(of_lightgbm)
    promotion.promote(routes, store, "models:/other/1", "theirs is good", margin=0.02)
    assert mlops("registry", "sync")[0] == 0
    code, _, err = mlops("monitor", "run")
    assert code == 0, err
    mlops("alerts", "deliver")
    assert json.loads(mlops("registry", "alerts", "--json")[1]) == []
    code, out, err = mlops("health", "--json")
    lineage = next(row for row in json.loads(out) if row["check_name"] == "lineage")
    assert (lineage["status"], "1 of another library, champion by a decision on record" in lineage["figure"]) == (
        "ok",
        True,
    )
    assert [row for row in json.loads(out) if row["status"] == "bad" and row["check_name"] != "disk"] == []
    code, _, err = mlops("predict", "models:/other@champion")
    assert code == 1
    assert "can't be served: the model carries no lineage" in err


def test_a_foreign_champion_that_nobody_decided_is_an_alert(routes: Database, store: Store, foreign, mlops):
    foreign(of_sklearn)
    store.client.set_registered_model_alias("other", "champion", "1")
    mlops("registry", "sync")
    kinds = {row["kind"] for row in json.loads(mlops("registry", "alerts", "--json")[1])}
    assert kinds == {"alias_unrecorded", "lineage_incomplete"}
    assert mlops("health")[0] == 1


def test_a_model_without_a_signature_and_one_whose_files_changed_are_refused(
    routes: Database, store: Store, foreign, tmp_path: Path
):
    def unsigned(model: Path) -> None:
        document = yaml.safe_load((model / "MLmodel").read_text())
        document.pop("signature")
        (model / "MLmodel").write_text(yaml.safe_dump(document))

    model = foreign(of_lightgbm, unsigned)
    with pytest.raises(Refused, match="signature: the model has no signature that can be read") as refused:
        promotion.promote(routes, store, "models:/other/1", "try", margin=0.02)
    assert "better:" not in str(refused.value), "what does not apply does not fail"
    text = (model / "model.lgb").read_text()
    (model / "model.lgb").write_text(text.replace("leaf_value=", "leaf_value=9"))
    with pytest.raises(Refused, match=r"lineage: its file model\.lgb was .*loads: .* is not loaded: its file model"):
        promotion.promote(routes, store, "models:/other/1", "try", margin=0.02)


def test_a_model_that_takes_other_inputs_than_the_foreign_champion_is_refused(routes: Database, store: Store, foreign):
    foreign(of_lightgbm)
    promotion.promote(routes, store, "models:/other/1", "first", margin=0.02)
    with mlflow.start_run():
        frame = X.rename(columns={"rain": "snow"})
        model = Ridge().fit(frame, Y)
        logged = mlflow.sklearn.log_model(
            model, name="m", signature=infer_signature(frame, model.predict(frame)), **QUIET
        )
    mlflow.register_model(logged.model_uri, "other")
    sync(store, routes)
    with pytest.raises(Refused, match=r"signature: it also requires the input snow"):
        promotion.promote(routes, store, "models:/other/2", "try", margin=0.02)


def payload(model: Path) -> None:
    """Have it want a type of ours to be trusted."""
    document = yaml.safe_load((model / "MLmodel").read_text())
    document["flavors"]["sklearn"]["skops_trusted_types"] = ["os.system"]
    (model / "MLmodel").write_text(yaml.safe_dump(document))


def code_path(model: Path) -> None:
    """Have it bring code, which MLflow would put on the path."""
    document = yaml.safe_load((model / "MLmodel").read_text())
    document["flavors"]["python_function"]["code"] = "code"
    (model / "MLmodel").write_text(yaml.safe_dump(document))
    (model / "code").mkdir()
    (model / "code" / "lightgbm.py").write_text("raise SystemExit('it ran')")


def elsewhere(model: Path) -> None:
    """Have it read a file that was not compared."""
    document = yaml.safe_load((model / "MLmodel").read_text())
    document["flavors"]["sklearn"]["pickled_model"] = "../model.skops"
    document["flavors"]["python_function"]["model_path"] = "../model.skops"
    (model / "MLmodel").write_text(yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("log", "change", "words"),
    [
        (lambda: of_sklearn(serialization_format="cloudpickle"), lambda _: None, "is pickled"),
        (of_sklearn, payload, r"it wants the types .*os\.system.* to be trusted, which may run code"),
        (of_lightgbm, code_path, "it brings code of its own"),
        (of_sklearn, elsewhere, "are not beside its MLmodel"),
    ],
    ids=["pickle", "trusted types", "code", "elsewhere"],
)
@pytest.mark.filterwarnings("ignore")
def test_no_code_of_a_foreign_model_is_run(
    routes: Database, store: Store, foreign, log: Callable[[], Any], change: Callable[[Path], None], words: str
):
    foreign(log, change)
    with pytest.raises(Refused, match=f"loads: .*{words}.*nothing of it was run"):
        promotion.promote(routes, store, "models:/other/1", "try", margin=0.02)
    assert "MLFLOW_ALLOW_PICKLE_DESERIALIZATION" not in os.environ, "what was allowed for a moment is so no longer"


def test_our_own_code_without_its_lineage_is_no_foreign_model(routes: Database, store: Store, foreign):
    class Anything(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: list[str]) -> list[str]:
            return model_input

    foreign(lambda: mlflow.pyfunc.log_model(name="m", python_model=Anything(), **QUIET))
    found = gates(promotion.check_gates(routes, store, resolve(store, "models:/other/1"), 0.02))
    assert [found[name][0] for name in ("naive", "lineage", "loads")] == [False] * 3
