"""The lineage in a model agrees with everything that can contradict it, or it is incomplete and says why."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.linear_model import LinearRegression
from tests.campaign import examples

import mlflow
from mlops.db import Database
from mlops.domain.canonical import canonical_json, sha256
from mlops.domain.features import FeatureDefinition
from mlops.errors import BadInput
from mlops.feature_store.digest import fingerprint
from mlops.feature_store.store import register_features
from mlops.tracking.bridge.sync import sync
from mlops.tracking.dataset import TrainingSource
from mlops.tracking.lineage import LINEAGE_TAG, declare_lineage, log_dataset, read_lineage
from mlops.tracking.store import Store
from mlops.training import Trained

Change = Callable[[dict[str, Any]], None]
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def copied(store: Store, champion: Trained, tmp_path: Path) -> Callable[..., Any]:
    """Registers a copy of the champion's model, changed in its MLmodel file and in its tags, as the next version."""
    kept = Path(unquote(urlparse(store.client.get_model_version_download_uri("demand", "1")).path))
    tags = dict(store.client.get_model_version("demand", "1").tags)

    def make(change: Change = lambda _: None, tags: Mapping[str, str] = tags, run_id: str | None = None) -> Any:
        folder = tmp_path / "copy"
        if not folder.exists():
            shutil.copytree(kept, folder)
        document = yaml.safe_load((kept / "MLmodel").read_text())
        change(document)
        (folder / "MLmodel").write_text(yaml.safe_dump(document))
        return store.client.create_model_version("demand", str(folder), run_id, tags=dict(tags))

    return make


def _with(text: object) -> Change:
    return lambda document: document["metadata"].update(feature_lineage=text)


def test_the_champions_lineage_agrees_with_its_signature_run_and_files(store: Store, champion: Trained):
    found = read_lineage(store.client.get_model_version("demand", "1"))
    assert found["lineage_state"] == "complete", found
    lineage = found["lineage"]
    assert lineage["inputs"] == {"series_id": "any", "ds": "datetime", "y": "double"}
    assert lineage["columns"] == {"series_id": "int64", "ds": "datetime64[ns]", "y": "float64"}
    assert {"y_hat", "lo_80", "hi_95"} < set(lineage["outputs"])
    assert {"pyfunc.py", "forecaster/booster.txt", "training/observations.parquet"} < set(lineage["files"])
    assert set(lineage["tables"]) == {"backtest", "backtest_naive", "backtest_average", "excluded_series"}
    run = store.client.get_run(champion.version.run_id)
    (logged,) = run.inputs.dataset_inputs
    assert logged.dataset.digest == lineage["content_sha256"][:36]
    assert [tag.value for tag in logged.tags] == ["training"]
    assert run.data.tags[LINEAGE_TAG] == found["lineage_sha256"] == sha256(canonical_json(lineage))


def test_the_training_data_of_a_run_are_read_with_and_without_this_package(store: Store, champion: Trained):
    source = mlflow.data.get_source(store.client.get_run(champion.version.run_id).inputs.dataset_inputs[0])
    assert isinstance(source, TrainingSource)
    assert source.facts["rows"] == 4 * 365
    with pytest.raises(Exception, match="mlops registry reproduce"):
        source.load()
    script = f"""
import json, sys
sys.modules["mlops"] = None
import mlflow
dataset = mlflow.MlflowClient().get_run({champion.version.run_id!r}).inputs.dataset_inputs[0].dataset
print(dataset.source_type, json.dumps(json.loads(dataset.source)))
"""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"MLFLOW_TRACKING_URI": store.uri}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kind, _, facts = done.stdout.splitlines()[-1].partition(" ")
    assert (kind, json.loads(facts)) == ("mlops_training_data", source.facts)


def test_a_copy_is_complete_without_a_run(copied):
    assert read_lineage(copied())["lineage_state"] == "complete"


@pytest.mark.parametrize(
    ("change", "tags", "words"),
    [
        (lambda document: document.pop("metadata"), None, "carries no lineage"),
        (_with({"as": "an object"}), None, "is a dict; expected canonical JSON"),
        (_with("{"), None, "is no JSON"),
        (_with("{}"), None, "has no 'features'"),
        (lambda _: None, {}, "the version has no tag of it"),
        (lambda _: None, {LINEAGE_TAG: "0" * 64}, "the version says 000000000000…"),
        (
            lambda document: document["signature"].update(
                inputs=document["signature"]["inputs"].replace("double", "float")
            ),
            None,
            "inputs are not those of the model's signature: 'y' is double in the lineage, float in the signature",
        ),
        (lambda document: document.pop("signature"), None, "'ds' is datetime in the lineage, not there"),
    ],
    ids=["none", "object", "no JSON", "empty", "untagged", "other tag", "signature", "no signature"],
)
def test_what_contradicts_the_lineage_makes_it_incomplete(copied, change: Change, tags, words: str):
    found = read_lineage(copied(change, **({} if tags is None else {"tags": tags})))
    assert found["lineage_state"] == "incomplete"
    assert words in found["lineage_problem"]
    assert "lineage" not in found


def test_a_run_that_was_logged_with_other_data_contradicts(store: Store, copied):
    document = read_lineage(store.client.get_model_version("demand", "1"))["lineage"]
    text = canonical_json(document | {"content_sha256": "d" * 64})
    run_id = store.client.get_model_version("demand", "1").run_id
    found = read_lineage(copied(_with(text), tags={LINEAGE_TAG: sha256(text)}, run_id=run_id))
    assert "not the digest of the data that its run was logged with" in found["lineage_problem"]


def test_inputs_that_nobody_declared_are_inferred_and_stay_incomplete(copied):
    found = read_lineage(copied(lambda document: document.pop("metadata")))
    assert found["inferred"] == ["series_id", "ds", "y"]
    assert found["lineage_state"] == "incomplete"


def test_files_that_are_gone_or_broken_are_told(store: Store, copied, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("WARNING", "mlops.tracking")  # a watcher in the same process is quieter
    version = copied()
    (tmp_path / "copy" / "MLmodel").write_text("- what: [is this")
    assert "can't be read: " in read_lineage(version)["lineage_problem"]
    (tmp_path / "copy" / "MLmodel").write_text("signature: 7\nflavors: {}\n")
    assert "can't be read: " in read_lineage(version)["lineage_problem"]
    shutil.rmtree(tmp_path / "copy")
    assert "can't be read: " in read_lineage(version)["lineage_problem"]
    told = [record for record in caplog.records if record.name == "mlops.tracking.lineage"]
    said = next(record for record in told if record.levelname == "WARNING")
    assert said.exc_info is None, "a sentence, and no traceback"
    assert f"the model of {version.name} version {version.version} can't be read: " in said.getMessage()


def test_whatever_stands_in_the_metadata_is_never_an_exception(store: Store, copied, tmp_path: Path):
    version, file = copied(), tmp_path / "copy" / "MLmodel"
    whole = yaml.safe_load(file.read_text())
    good = json.loads(whole["metadata"]["feature_lineage"])
    value = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
    wrong = st.tuples(st.sampled_from(sorted(good)), value).map(lambda pair: json.dumps(good | {pair[0]: pair[1]}))
    anything = st.recursive(value, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner))

    @settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        part=wrong.map(lambda text: {"metadata": {"feature_lineage": text}})
        | anything.map(lambda metadata: {"metadata": metadata})
        | anything.map(lambda signature: {"signature": signature})
        | anything.map(lambda inputs: {"signature": {"inputs": json.dumps(inputs)}, "metadata": None})
    )
    def read(part: dict[str, object]) -> None:
        file.write_text(yaml.safe_dump(whole | part))
        found = read_lineage(version)
        assert found["lineage_state"] == "incomplete"
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()

    read()


def test_a_model_of_your_own_declares_its_lineage_and_is_mirrored(mlops, routes: Database, store: Store, champion):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(50, 2)), columns=["load", "rain"]).assign(y=1.0)
    features = register_features(routes, [_definition("load"), _definition("rain")])
    signature = ModelSignature(
        Schema([ColSpec("double", "load"), ColSpec("double", "rain")]), Schema([ColSpec("double")])
    )
    about = {"label": "y", "as_of": NEW_YEAR, "trained_from": NEW_YEAR, "trained_to": NEW_YEAR, "features": features}
    lineage = declare_lineage(signature, **about, **fingerprint(frame).facts)
    store.client.create_registered_model("own")
    with mlflow.start_run(experiment_id=store.experiment("own")) as run:
        log_dataset("own", lineage)
        logged = mlflow.sklearn.log_model(
            LinearRegression().fit(frame[["load", "rain"]], frame["y"]),
            name="model",
            signature=signature,
            metadata=lineage.metadata(),
            pip_requirements=["scikit-learn"],
        )
    version = store.client.create_model_version("own", logged.model_uri, run.info.run_id, tags=lineage.tags())
    found = read_lineage(version)
    assert found["lineage_state"] == "complete", found
    assert (found["lineage"]["inputs"], found["lineage"]["outputs"]) == (
        {"load": "double", "rain": "double"},
        {"0": "double"},
    )
    sync(store, routes)
    code, out, _ = mlops("registry", "lineage", "models:/own/1")
    assert code == 0
    assert "own version 1 (of another kind), lineage complete" in out
    assert "load (double), rain (double)" in out
    code, _, err = mlops("registry", "reproduce", "models:/own/1")
    assert code == 1
    assert "was not made by `mlops train`" in err
    with pytest.raises(BadInput, match="'trained_to' is after its 'as_of'"):
        declare_lineage(signature, **about | {"as_of": datetime(2019, 1, 1, tzinfo=UTC)}, **fingerprint(frame).facts)


def test_the_command_shows_code_environment_inputs_and_digest(mlops, routes: Database, champion: Trained):
    code, out, _ = mlops("registry", "lineage", "models:/demand@champion")
    assert code == 0
    shown = {line.split("  ")[1].strip(): line for line in out.splitlines() if line.startswith("  ")}
    assert "ds (datetime), series_id (any), y (double)" in shown["inputs"]
    assert "ds (datetime64[ns])" in shown["columns"]
    assert f"numpy {np.__version__}" in shown["libraries"]
    assert "format 2, " in shown["lineage"]
    assert "1,460 observations of 4 series" in shown["data"]


def _definition(name: str) -> FeatureDefinition:
    return FeatureDefinition(name, "float64", "series", "daily", (), name, "us", name)
