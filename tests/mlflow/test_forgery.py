"""Who may write to MLflow, by its API or by SQL, can't change what was recorded here, nor have anything run here."""

import importlib.util
import json
import py_compile
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlparse

import cloudpickle
import pandas as pd
import psycopg
import pytest
import yaml

import mlflow
from mlops.db import Database
from mlops.domain.canonical import canonical_json, sha256
from mlops.errors import ModelNotFound, Refused
from mlops.serving.explain import explain
from mlops.serving.predict import predict
from mlops.serving.served import LOADED
from mlops.tracking import pyfunc
from mlops.tracking.artifacts.checked import RELEASED, changed, digests, load_model, load_refusal
from mlops.tracking.artifacts.files import look
from mlops.tracking.bridge import sync as bridge
from mlops.tracking.bridge.sweep import sweep
from mlops.tracking.bridge.sync import sync
from mlops.tracking.lineage import LINEAGE_TAG
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store
from mlops.training import Trained, TrainingSpec, train
from mlops.training import promote as promotion
from mlops.training.promote import check_gates, promote
from mlops.training.reproduce import reproduce
from mlops.training.spec import params_file
from mlops.training.train import trained_for

CHAMPION = "models:/demand@champion"
AS_OF = datetime(2020, 1, 10, tzinfo=UTC)
RECORD = (
    "select lineage, lineage_sha256, lineage_state, as_of, trained_from, trained_to, metrics, kind"
    " from analytics.model_versions where name = 'demand' and version = 1"
)


def rows(database: Database, query: str) -> list[tuple]:
    with psycopg.connect(database.url) as connection:
        done = connection.execute(query)
        return done.fetchall() if done.description else []


def alerts(store: Store, database: Database) -> dict[str, str]:
    """The open alerts after a round that looks at all files: message by kind and subject."""
    sweep(store, database, lambda _: look(store, database))
    open_ones = "select kind || ' ' || subject, message from analytics.alerts where resolved_at is null"
    return dict(rows(database, open_ones))


@pytest.fixture
def files(store: Store, champion: Trained, tmp_path: Path) -> Iterator[Path]:
    """The files of the champion's model, which are as they were after the test."""
    place = Path(unquote(urlparse(store.client.get_model_version_download_uri("demand", "1")).path))
    shutil.copytree(place, tmp_path / "kept")
    LOADED.clear()
    yield place
    shutil.rmtree(place)
    shutil.copytree(tmp_path / "kept", place)


@pytest.fixture
def tables(store: Store, champion: Trained, tmp_path: Path) -> Iterator[Path]:
    """The tables of the champion's run, which are as they were after the test."""
    place = Path(urlparse(store.client.get_run(champion.version.run_id).info.artifact_uri).path)
    shutil.copytree(place, tmp_path / "tables")
    yield place
    shutil.rmtree(place)
    shutil.copytree(tmp_path / "tables", place)


def perfect(store: Store, run_id: str, folder: Path) -> str:
    """Overwrite the backtest of a finished run by one that was always right; its digest."""
    path = Path(store.client.download_artifacts(run_id, "backtest.parquet", str(folder)))
    table = pd.read_parquet(path)
    table.assign(y_hat=table["y"] * 1.001).to_parquet(path, index=False)
    store.client.log_artifact(run_id, str(path))
    return digests(folder)["backtest.parquet"]


def forged(text: str, **changes: object) -> tuple[str, str]:
    """A lineage with other facts, as canonical as ours, and its digest."""
    new = canonical_json(json.loads(text) | changes)
    return new, sha256(new)


def by_api(store: Store, digest: str) -> None:
    store.client.set_model_version_tag("demand", "1", LINEAGE_TAG, digest)
    store.client.log_metric(store.client.get_model_version("demand", "1").run_id, "wape", 0.001)


def by_sql(store: Store, digest: str) -> None:
    address = store.uri.replace("+psycopg", "").partition("&options=")[0].partition("?options=")[0]
    with psycopg.connect(address) as connection:
        connection.execute(
            "update mlflow.model_version_tags set value = %s where name = 'demand' and version = 1 and key = %s",
            [digest, LINEAGE_TAG],
        )
        connection.execute("update mlflow.latest_metrics set value = 0.001 where key = 'wape'")


@pytest.mark.parametrize("write", [by_api, by_sql], ids=["API", "SQL"])
def test_a_forged_backtest_with_lineage_tag_and_metric_to_match_changes_no_record_and_is_not_promoted(
    routes: Database, store: Store, champion: Trained, files: Path, tables: Path, tmp_path: Path, write, mlops
):
    before = rows(routes, RECORD)
    document = yaml.safe_load((files / "MLmodel").read_text())
    digest = perfect(store, champion.version.run_id, tmp_path / "made")
    was = json.loads(document["metadata"]["feature_lineage"])
    lineage, lineage_sha256 = forged(
        document["metadata"]["feature_lineage"], tables=was["tables"] | {"backtest": digest}
    )
    document["metadata"]["feature_lineage"] = lineage
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(document))
    model_id = champion.version.source.removeprefix("models:/")
    store.client.log_model_artifact(model_id, str(tmp_path / "MLmodel"))
    assert (files / "MLmodel").read_text() == (tmp_path / "MLmodel").read_text(), "anybody may write over it"
    write(store, lineage_sha256)

    told = alerts(store, routes)[f"model_changed {CHAMPION}"]
    assert "the model carries another lineage than was anchored" in told
    assert f"the tag {LINEAGE_TAG} is {lineage_sha256[:40]}, and {before[0][1][:40]} was recorded" in told
    assert "the metric wape is 0.001, and 0.0" in told
    assert rows(routes, RECORD) == before, "what was anchored stays"

    found = {gate.gate: gate for gate in check_gates(routes, store, resolve(store, CHAMPION), 0.02)}
    assert not found["lineage"].passed
    assert not found["naive"].passed
    assert "is not the one that the training wrote" in found["naive"].found
    assert not found["loads"].passed
    store.client.delete_registered_model_alias("demand", "champion")
    with pytest.raises(Refused, match=r"lineage: .*loads: "):
        promote(routes, store, "models:/demand/1", "so good", margin=0.02)
    again = reproduce(routes, store, "models:/demand/1")
    assert again.verdict == "differs"
    code, out, _ = mlops("registry", "list", "--json")
    (shown,) = json.loads(out)
    assert (code, shown["metrics"]["wape"]) == (0, before[0][6]["wape"])
    assert "the metric wape is 0.001" in shown["changed"]
    assert "changed since it was recorded" in mlops("registry", "lineage", "models:/demand/1")[1]


def test_a_table_that_was_written_over_is_not_compared_with_and_not_reproduced(
    routes: Database, store: Store, champion: Trained, tables: Path, tmp_path: Path
):
    perfect(store, champion.version.run_id, tmp_path / "made")
    found = reproduce(routes, store, CHAMPION)
    assert [(one.what, "is not the one that the training wrote" in one.message) for one in found.differences] == [
        ("table", True)
    ]
    assert found.verdict == "differs"


@pytest.mark.parametrize("how", ["api", "sql"])
def test_figures_are_those_that_were_recorded_whatever_is_logged_later(
    routes: Database, store: Store, champion: Trained, how: str
):
    before = rows(routes, RECORD)
    store.client.log_metric(champion.version.run_id, "wape", 0.001)
    store.client.log_metric(champion.version.run_id, "since", 1.5)
    store.client.set_model_version_tag("demand", "1", "mlops.kind", "oracle")
    sync(store, routes, how=how)
    ((*_, metrics, kind),) = rows(routes, RECORD)
    assert metrics == before[0][6] | {"since": 1.5}
    assert kind == "lightgbm"
    assert sync(store, routes, how=how).changed == {}, "what is other is recorded once"
    told = alerts(store, routes)[f"model_changed {CHAMPION}"]
    assert re.search(
        r"the metric wape is 0.001, and 0\.0\d+ was recorded; the tag mlops.kind is oracle, and light", told
    )
    assert reproduce(routes, store, CHAMPION).verdict == "differs"
    with routes.transaction() as transaction:
        (health,) = transaction.rows("model_health", as_of=AS_OF)
        assert health["wape_promised"] == before[0][6]["wape_freshest"]
    store.client.set_model_version_tag("demand", "1", "mlops.kind", "lightgbm")
    store.client.log_metric(champion.version.run_id, "wape", before[0][6]["wape"])
    assert alerts(store, routes) == {}


def test_a_run_that_is_gone_takes_no_figure_with_it(routes: Database, store: Store, champion: Trained):
    before = rows(routes, RECORD)
    store.client.delete_run(champion.version.run_id)
    told = alerts(store, routes)
    assert set(told) == {f"run_gone {CHAMPION}"}
    assert rows(routes, RECORD) == before


def test_a_changed_leaf_refuses_to_predict_and_opens_an_alert(
    routes: Database, store: Store, champion: Trained, files: Path, mlops
):
    booster = files / "artifacts" / "forecaster" / "booster.txt"
    text = booster.read_text()
    booster.write_text(re.sub(r"(?<=leaf_value=)\S", "9", text, count=1))
    with pytest.raises(Refused, match=r"its file artifacts/forecaster/booster\.txt was .*nothing of it was run"):
        predict(routes, store, CHAMPION, as_of=AS_OF)
    ((kind, message),) = rows(routes, "select kind, message from analytics.alerts where resolved_at is null")
    assert kind == "model_changed"
    assert "booster.txt" in message
    code, _, err = mlops("explain", CHAMPION, "--as-of", "2020-01-10")
    assert (code, "is not loaded: its file artifacts" in err) == (1, True)
    with pytest.raises(Refused, match=r"was champion before, but can't be loaded: .*booster"):
        _rolled_back(routes, store, champion)
    booster.write_text(text)
    assert "model_changed" not in "".join(alerts(store, routes)), "what was found changed is looked at every time"
    assert predict(routes, store, CHAMPION, as_of=AS_OF).stored > 0


def _rolled_back(routes: Database, store: Store, champion: Trained) -> None:
    """Another version is champion for a while, then the first is to be champion again."""
    other = store.client.create_model_version("demand", champion.version.source, champion.version.run_id)
    store.client.set_registered_model_alias("demand", "champion", other.version)
    sync(store, routes)
    try:
        promotion.rollback(routes, store, "demand", "back")
    finally:
        store.client.delete_model_version("demand", other.version)
        store.client.set_registered_model_alias("demand", "champion", "1")


PAYLOAD = "from pathlib import Path\nPath({!r}).touch()\n"


class Payload:
    """What an attacker pickles: it makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (PAYLOAD.format(str(self.file)),)


def test_the_payload_of_these_tests_would_run(tmp_path: Path):
    cloudpickle.loads(cloudpickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def _pickled(model: Path, payload: Path) -> None:
    document = yaml.safe_load((model / "MLmodel").read_text())
    (model / "python_model.pkl").write_bytes(cloudpickle.dumps(Payload(payload)))
    flavour = document["flavors"]["python_function"]
    flavour |= {"loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl"}
    del flavour["model_code_path"]
    (model / "MLmodel").write_text(yaml.safe_dump(document))


def _swapped(model: Path, payload: Path) -> None:
    (model / "pyfunc.py").write_text(PAYLOAD.format(str(payload)) + (model / "pyfunc.py").read_text())


def _other_code(model: Path, payload: Path) -> None:
    (model / "other.py").write_text(PAYLOAD.format(str(payload)))
    document = yaml.safe_load((model / "MLmodel").read_text())
    document["flavors"]["python_function"]["model_code_path"] = "/x/other.py"
    (model / "MLmodel").write_text(yaml.safe_dump(document))


def _code_folder(model: Path, payload: Path) -> None:
    (model / "code").mkdir()
    (model / "code" / "lightgbm.py").write_text(PAYLOAD.format(str(payload)))
    document = yaml.safe_load((model / "MLmodel").read_text())
    document["flavors"]["python_function"]["code"] = "code"
    (model / "MLmodel").write_text(yaml.safe_dump(document))


def _own_loader(model: Path, payload: Path) -> None:
    document = yaml.safe_load((model / "MLmodel").read_text())
    (model / "own_loader.py").write_text(PAYLOAD.format(str(payload)))
    document["flavors"]["python_function"] |= {"loader_module": "own_loader", "code": None}
    (model / "MLmodel").write_text(yaml.safe_dump(document))


def _cached(model: Path, payload: Path) -> None:
    """A file of bytecode that Python takes for the one beside it, without looking at that."""
    source = model.parent / "evil.py"
    source.write_text(PAYLOAD.format(str(payload)) + (model / "pyfunc.py").read_text())
    target = model / importlib.util.cache_from_source("pyfunc.py")
    py_compile.compile(str(source), str(target), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


FORGERIES = [_pickled, _swapped, _other_code, _code_folder, _own_loader, _cached]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_copied_lineage_tag_runs_nothing_in_predict_explain_promote_or_reproduce(
    routes: Database, store: Store, champion: Trained, tmp_path: Path, forge
):
    place = Path(unquote(urlparse(store.client.get_model_version_download_uri("demand", "1")).path))
    model, payload = tmp_path / "model", tmp_path / "ran"
    shutil.copytree(place, model)
    forge(model, payload)
    first = store.client.get_model_version("demand", "1")
    version = store.client.create_model_version("demand", model.as_uri(), first.run_id, tags=dict(first.tags))
    store.client.set_registered_model_alias("demand", "champion", version.version)
    uri = f"models:/demand/{version.version}"
    sync(store, routes)
    if forge is _cached:  # the files are those of the first version, but for one that nobody reads
        assert predict(routes, store, uri, as_of=AS_OF).stored > 0
    else:
        state = f"select lineage_state from analytics.model_versions where version = {version.version}"
        assert rows(routes, state) == [("claimed",)]
        for act in (predict, explain):
            with pytest.raises(Refused, match=r"it says that mlops train made it, which is not on record here"):
                act(routes, store, uri, as_of=AS_OF)
        with pytest.raises(Refused, match=r"lineage: it says .*loads: "):
            promote(routes, store, uri, "so good", margin=0.02)
        done = promote(routes, store, uri, "so good", margin=0.02, force=True)
        assert {gate.gate for gate in done.gates if not gate.passed} >= {"lineage", "loads", "naive"}
        with pytest.raises(Refused, match=r"is not loaded: it.*nothing of it was run"):
            predict(routes, store, uri, as_of=AS_OF)
        assert reproduce(routes, store, uri).verdict == "differs"
    assert not payload.exists()


@pytest.mark.parametrize("without", [("recipe", "tables"), ("recipe",)], ids=["declared", "with a backtest"])
def test_a_lineage_that_claims_less_than_a_training_does_serves_and_wins_nothing_either(
    routes: Database, store: Store, champion: Trained, tmp_path: Path, without: tuple[str, ...]
):
    place = Path(unquote(urlparse(store.client.get_model_version_download_uri("demand", "1")).path))
    shutil.copytree(place, tmp_path / "model")
    document = yaml.safe_load((tmp_path / "model" / "MLmodel").read_text())
    facts = json.loads(document["metadata"]["feature_lineage"])
    text = canonical_json({name: one for name, one in facts.items() if name not in without})
    document["metadata"]["feature_lineage"] = text
    (tmp_path / "model" / "MLmodel").write_text(yaml.safe_dump(document))
    store.client.create_registered_model("other")
    store.client.create_model_version(
        "other", (tmp_path / "model").as_uri(), champion.version.run_id, tags={LINEAGE_TAG: sha256(text)}
    )
    sync(store, routes)
    with pytest.raises(Refused, match=r"other/1 was not trained by `mlops train`"):
        predict(routes, store, "models:/other/1", as_of=AS_OF)
    with pytest.raises(Refused, match=r"naive: the (lineage|backtest) of version 1 "):
        promote(routes, store, "models:/other/1", "the first", margin=0.02)


@pytest.mark.parametrize("forge", [_pickled, _swapped, _other_code, _code_folder, _own_loader])
def test_files_that_were_put_into_an_anchored_model_are_not_run(
    routes: Database, store: Store, champion: Trained, files: Path, tmp_path: Path, forge
):
    payload = tmp_path / "ran"
    forge(files, payload)
    with pytest.raises(Refused, match=r"its file .*nothing of it was run"):
        predict(routes, store, CHAMPION, as_of=AS_OF)
    assert "its file " in promotion.structure(routes, resolve(store, CHAMPION), None)[2].found
    assert reproduce(routes, store, CHAMPION).verdict == "differs"
    assert not payload.exists()


def test_a_version_that_is_pointed_at_another_model_is_not_loaded(
    routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    place = Path(unquote(urlparse(store.client.get_model_version_download_uri("demand", "1")).path))
    shutil.copytree(place, tmp_path / "other")
    booster = tmp_path / "other" / "artifacts" / "forecaster" / "booster.txt"
    booster.write_text(re.sub(r"(?<=leaf_value=)\S", "9", booster.read_text(), count=1))
    address = store.uri.replace("+psycopg", "").partition("&options=")[0].partition("?options=")[0]
    with psycopg.connect(address) as connection:
        moved = "update mlflow.model_versions set source = %s, storage_location = %s where name = 'demand'"
        connection.execute(moved, [(tmp_path / "other").as_uri()] * 2)
    LOADED.clear()
    before = rows(routes, RECORD)
    assert "booster.txt" in alerts(store, routes)[f"model_changed {CHAMPION}"]
    with pytest.raises(Refused, match=r"its file artifacts/forecaster/booster.txt was "):
        predict(routes, store, CHAMPION, as_of=AS_OF)
    assert rows(routes, RECORD) == before


def test_a_version_of_the_same_files_and_lineage_is_a_copy_of_what_was_anchored(
    routes: Database, store: Store, champion: Trained
):
    first = store.client.get_model_version("demand", "1")
    store.client.create_registered_model("prod")
    store.client.create_model_version("prod", first.source, first.run_id, tags=dict(first.tags))
    sync(store, routes)
    found = "select v.lineage_state, a.anchored_by, a.copy_of is not null from analytics.model_versions v"
    assert rows(routes, f"{found} join analytics.model_anchors a using (version_id) where v.name = 'prod'") == [
        ("complete", "copy", True)
    ]
    assert load_model(routes, resolve(store, "models:/prod/1")) is not None


def test_a_version_that_is_deleted_and_made_again_has_no_anchor_of_the_one_before(
    routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    first = store.client.get_model_version("demand", "1")
    document = {"flavors": {"python_function": {"loader_module": "own_loader"}}}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(document))
    store.client.delete_registered_model("demand")
    store.client.create_registered_model("demand")
    store.client.create_model_version("demand", tmp_path.as_uri(), first.run_id, tags=dict(first.tags))
    LOADED.clear()
    with pytest.raises(ModelNotFound, match=r"models:/demand/1 can't be served: the model carries no lineage"):
        predict(routes, store, "models:/demand/1", as_of=AS_OF)
    assert rows(routes, "select count(*) from analytics.model_anchors where anchored_by = 'training'") == [(1,)]
    assert "model_changed" not in "".join(alerts(store, routes))


def test_a_backtest_whose_outcomes_were_not_observed_is_refused_though_its_digest_agrees(
    routes: Database, store: Store, champion: Trained
):
    with psycopg.connect(routes.url, autocommit=True) as connection:
        connection.execute(
            "update analytics.time_series_metrics set value = 1 where series_id = 2 and observed_at = '2019-12-20'"
        )
    store.client.delete_registered_model_alias("demand", "champion")
    found = {gate.gate: gate.found for gate in check_gates(routes, store, resolve(store, "models:/demand/1"), 0.02)}
    assert re.search(
        r"1 outcomes in the table 'backtest' of version 1 are not what was observed: series 2 on 2019-12-20",
        found["naive"],
    )


@pytest.mark.parametrize(
    "statement",
    [
        "update analytics.model_versions set lineage = '{}'",
        "update analytics.model_versions set lineage_sha256 = null",
        "update analytics.model_versions set as_of = now()",
        "update analytics.model_versions set created_at = now()",
        "delete from analytics.model_versions",
        "truncate analytics.model_versions cascade",
        "truncate analytics.registered_models cascade",
        "update analytics.model_anchors set files = '{}'",
        "delete from analytics.model_anchors",
        "truncate analytics.model_anchors",
    ],
)
def test_the_record_refuses_to_be_changed(routes: Database, champion: Trained, statement: str):
    with (
        psycopg.connect(routes.url) as connection,
        pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState, match=r"stand as they were recorded|is kept for ever"
        ),
    ):
        connection.execute(statement)


def test_what_a_training_anchors_is_what_the_store_holds_to_the_last_file(
    routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    ((files, by),) = rows(routes, "select files, anchored_by from analytics.model_anchors")
    model = mlflow.artifacts.download_artifacts(CHAMPION, dst_path=str(tmp_path))
    assert by == "training"
    assert digests(Path(model)) == files
    assert {"MLmodel", "pyfunc.py", "python_env.yaml", "artifacts/forecaster/booster.txt"} < set(files)


def test_a_sync_never_sees_a_version_of_ours_before_its_anchor(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    seen: list[Thread] = []
    adding = bridge.add_version

    def adds_while_another_syncs(*given: object) -> object:
        added = adding(*given)
        seen.append(Thread(target=sync, args=(store, routes)))
        seen[0].start()
        return added

    monkeypatch.setattr(bridge, "add_version", adds_while_another_syncs)
    spec = TrainingSpec.from_toml(params_file("lightgbm"), {"weeks": "3"}, as_of=datetime(2020, 1, 1, tzinfo=UTC))
    version = train(replace(spec, kind="naive", params={}), routes, store).version
    seen[0].join()
    state = f"select lineage_state from analytics.model_versions where version = {version.version}"
    assert rows(routes, state) == [("complete",)]


def test_the_code_that_models_are_logged_with_is_released():
    digest = digests(Path(pyfunc.__file__).parent)["pyfunc.py"]
    assert list(RELEASED)[-1] == digest, (
        f'pyfunc.py has changed; add "{digest}" to src/mlops/tracking/artifacts/checked.py,'
        " and leave the older digests there"
    )


def test_an_anchor_of_before_whole_models_were_anchored_compares_code_and_artifacts():
    then = {"pyfunc.py": "a" * 64, "artifacts/x": "b" * 64}
    assert list(changed(then, then | {"MLmodel": "c" * 64, "conda.yaml": "d" * 64})) == []
    assert list(changed(then, then | {"more.py": "c" * 64})) == ["more.py has been added to the model"]
    assert list(changed({}, {"MLmodel": "c" * 64})) == []


@pytest.mark.parametrize(
    ("flavors", "why"),
    [
        (None, "tells no flavour python_function"),
        ({"python_function": {"loader_module": "mlflow.sklearn"}}, "its scikit-learn model is pickled"),
        ({"python_function": {"loader_module": "mlflow.spark"}}, "its loader 'mlflow.spark' may run code"),
        ({"python_function": {"loader_module": "mlflow.pyfunc.model"}}, "it is a pickled Python model"),
        (
            {"python_function": {"loader_module": "mlflow.lightgbm", "data": "model.lgb"}},
            None,
        ),
        (
            {"python_function": {"loader_module": "mlflow.lightgbm", "data": "other/model.lgb"}},
            "its data 'other/model.lgb' are not beside its MLmodel",
        ),
        (
            {
                "python_function": {"loader_module": "mlflow.lightgbm", "data": "model.pkl"},
                "lightgbm": {"model_class": "lightgbm.sklearn.LGBMRegressor"},
            },
            "is pickled",
        ),
    ],
)
def test_a_model_is_loaded_when_nothing_of_it_is_run(tmp_path: Path, flavors: object, why: str | None):
    (tmp_path / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    found = load_refusal(tmp_path)
    assert found is why is None or why in found


def test_a_version_with_the_tags_of_a_retraining_that_nobody_made_is_not_taken_for_one(
    routes: Database, store: Store, champion: Trained
):
    first = store.client.get_model_version("demand", "1")
    tags = dict(first.tags) | {"mlops.request": "tuesday", "mlops.wape_challenger": "0.001", "mlops.wape_champion": "1"}
    store.client.create_model_version("demand", first.source, first.run_id, tags=tags)
    assert trained_for(routes, store, "demand", "tuesday") is None
