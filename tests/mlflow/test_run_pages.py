"""What people see in MLflow's pages of a training: names, times, descriptions, tables and links."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities.model_registry import ModelVersion

import mlflow
from mlops.db import Database
from mlops.errors import Refused
from mlops.tracking.registry import add_version
from mlops.tracking.runs import SHOWN_ROWS, Page, ReportRecord, log_report
from mlops.tracking.store import Store
from mlops.training import Trained

LONG_AGO = datetime(2020, 1, 1, 3, 4, 5, tzinfo=UTC)
NOTE = "mlflow.note.content"


def _report(**more: object) -> ReportRecord:
    return ReportRecord(
        "looks", Page("a name", LONG_AGO, "**what** it is"), {"kind": "naive"}, {"wape": 0.1}, {}, **more
    )


def _model_id(version: ModelVersion) -> str:
    return version.source.removeprefix("models:/")


def test_a_run_has_a_name_that_says_what_it_is(store: Store, champion: Trained):
    run = store.client.get_run(champion.version.run_id)
    assert run.info.run_name == f"lightgbm demand 2020-01-01 wape {champion.metrics['wape']:.3f}".replace(" 0.", " .")
    assert {name: run.data.params[name] for name in ("kind", "freq", "country", "metric_type")} == {
        "kind": "lightgbm",
        "freq": "daily",
        "country": "US",
        "metric_type": "collection_weight",
    }
    found = store.client.search_runs(
        [run.info.experiment_id],
        "tags.mlops.kind = 'lightgbm' and tags.mlops.metric_type = 'collection_weight' and tags.mlops.country = 'US'"
        " and tags.mlops.granularity = 'daily' and tags.mlops.trigger = 'command'",
    )
    assert [one.info.run_id for one in found] == [run.info.run_id]


def test_a_run_begins_when_its_work_began(store: Store):
    run = store.client.get_run(log_report(store, _report()))
    assert run.info.start_time == int(LONG_AGO.timestamp() * 1000)
    assert run.info.end_time > run.info.start_time
    assert run.info.status == "FINISHED"
    assert (run.info.run_name, run.data.tags[NOTE]) == ("a name", "**what** it is")
    assert run.data.tags["mlflow.source.type"] == "LOCAL"


def test_a_training_is_described_on_run_model_and_version(store: Store, champion: Trained):
    version = store.client.get_model_version("demand", "1")
    run = store.client.get_run(version.run_id)
    model = store.client.get_logged_model(_model_id(version))
    for text in (run.data.tags[NOTE], model.tags[NOTE], version.description):
        assert "lightgbm forecasts daily `collection_weight`, 28 days ahead, with the holidays of US" in text
        assert f"- this model: **{champion.metrics['wape']:.1%}**" in text
        assert f"- seasonal naive: **{champion.metrics['wape_naive']:.1%}**" in text
        assert "1,460 observations of 4 series from 2019-01-01 to 2019-12-31" in text
        assert "{" not in text.replace('{"series_id"', "")
    assert "mlops predict models:/demand/1 --horizon 7" in version.description
    assert "mlops predict models:/demand@champion" in store.client.get_registered_model("demand").description


def test_the_logged_model_knows_its_version_and_its_data(store: Store, champion: Trained):
    version = store.client.get_model_version("demand", "1")
    model = store.client.get_logged_model(_model_id(version))
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "demand", "version": 1}]
    assert (model.name, model.source_run_id) == ("lightgbm", version.run_id)
    run = store.client.get_run(version.run_id)
    (logged,) = (one.dataset for one in run.inputs.dataset_inputs)
    assert {(one.dataset_name, one.dataset_digest) for one in model.metrics} == {(logged.name, logged.digest)}
    assert {one.key: one.value for one in model.metrics} == run.data.metrics


def test_a_registration_that_breaks_off_names_no_version(store: Store, champion: Trained, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("the disk is full")

    model_id = _model_id(store.client.get_model_version("demand", "1"))
    before = store.client.get_logged_model(model_id).tags
    monkeypatch.setattr(store.client, "set_registered_model_alias", refuse)
    with pytest.raises(Exception, match="the disk is full"):
        add_version(store, "other", champion.version.run_id, f"models:/{model_id}", {}, "about {uri}")
    assert store.client.get_logged_model(model_id).tags == before
    assert not store.client.search_model_versions("name = 'other'")


def test_people_see_tables_and_programs_read_parquet_and_nothing_is_there_twice(
    store: Store, champion: Trained, tmp_path: Path
):
    run_id = champion.version.run_id
    kept = {Path(item.path) for item in store.client.list_artifacts(run_id)}
    assert {path.name for path in kept} - {"monitoring"} == {  # which checks add, and files are shared by the places
        "backtest.html",
        "backtest.parquet",
        "backtest_average.parquet",
        "backtest_naive.parquet",
        "excluded_series.parquet",
        "feature_importance.json",
        "lineage.json",
        "scores_by_series.json",
        "scores_by_step.json",
    }
    listed = json.loads(store.client.get_run(run_id).data.tags["mlflow.loggedArtifacts"])
    assert {one["path"] for one in listed} == {
        "feature_importance.json",
        "scores_by_series.json",
        "scores_by_step.json",
    }
    folder = Path(store.client.download_artifacts(run_id, "", str(tmp_path)))
    scores = pd.read_json(folder / "scores_by_series.json", orient="split")
    assert scores["name"].tolist() == ["R1", "R2", "R3", "R4"]
    page = (folder / "backtest.html").read_text()
    assert "http" not in page
    assert "<script" not in page
    assert page.count("<svg") == 2 + 4


def test_importance_is_a_table_and_stands_in_the_lineage_not_among_the_metrics(
    routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    run_id = champion.version.run_id
    assert not [name for name in store.client.get_run(run_id).data.metrics if "importance" in name]
    table = pd.read_json(
        store.client.download_artifacts(run_id, "feature_importance.json", str(tmp_path)), orient="split"
    )
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["importance"].is_monotonic_decreasing
    with routes.transaction() as transaction:
        lineage = transaction.one("live_version", name="demand", version=1)["lineage"]
        mirrored = {row["feature"]: row["share"] for row in transaction.rows("feature_importance", name=None)}
    declared = {name: one["importance"] for name, one in lineage["features"].items()}
    assert dict(zip(table["feature"], table["importance"], strict=True)) == pytest.approx(declared, abs=1e-8)
    assert mirrored == pytest.approx(declared, abs=1e-6)


def test_an_experiment_opens_as_training_of_models_and_offers_a_view(store: Store, champion: Trained):
    tags = store.client.get_experiment_by_name("demand").tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    view = json.loads(tags["mlflow.sharedViewState.accuracy"])
    columns = json.loads(view["state"])["selectedColumns"]
    run = store.client.get_run(champion.version.run_id).data
    named = [one.replace("`", "").split(".", 1) for one in columns]
    assert {name for kind, name in named if kind == "metrics"} <= set(run.metrics)
    assert {name for kind, name in named if kind == "params"} <= set(run.params)


def test_a_table_too_long_for_a_page_is_parquet(store: Store):
    long = pd.DataFrame({"x": range(SHOWN_ROWS + 1)})
    run_id = log_report(store, _report(shown={"long": long, "short": long.head(2), "empty": long.head(0)}))
    assert {item.path for item in store.client.list_artifacts(run_id)} == {"long.parquet", "short.json"}


def test_what_breaks_a_run_off_is_told_by_it(store: Store):
    class Odd:
        def __len__(self) -> int:
            raise Refused("it can't be counted")

    with pytest.raises(Refused):
        log_report(store, _report(shown={"odd": Odd()}))
    (run,) = store.client.search_runs([store.experiment("looks")])
    assert run.info.status == "FAILED"
    assert run.data.tags["mlops.failed_because"] == "Refused: it can't be counted"


def test_whoever_calls_keeps_the_active_run(store: Store):
    with mlflow.start_run(experiment_id=store.experiment("mine")) as mine:
        run_id = log_report(store, _report())
        assert mlflow.active_run().info.run_id == mine.info.run_id
    assert store.client.get_run(run_id).info.experiment_id == store.experiment("looks")
    assert store.client.get_run(mine.info.run_id).data.metrics == {}
