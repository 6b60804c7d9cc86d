"""`mlflow run . -e NAME` trains what `mlops train NAME` trains."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.main import get_command

import mlflow
from mlops.cli import app
from mlops.config import Settings
from mlops.db import Database
from mlops.series.ingest import ingest
from mlops.tracking.store import open_store
from mlops.training.spec import experiments, params_file

ROOT = Path(__file__).parents[2]
COMMANDS = ("backtest", "tune")
MONITORING = ("monitor", "weekly_review")
COMMAND = get_command(app)
CHANGES = {
    "auto": "members=smoothing",
    "lean": "members=smoothing",
    "lightgbm": "trees=20",
    "prophet": "changepoint_prior_scale=0.1",
}
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())


def test_every_experiment_is_an_entry_point():
    assert set(PROJECT["entry_points"]) == {*experiments(), *COMMANDS, *MONITORING}


def test_the_weekly_job_is_an_entry_point_in_parts_and_whole():
    commands = {name: PROJECT["entry_points"][name]["command"] for name in MONITORING}
    assert commands == {
        "monitor": "python -m mlops monitor run --as-of {as_of}",
        "weekly_review": "python monitoring/weekly_review.py --as-of {as_of}",
    }
    assert "--as-of" in {option for one in COMMAND.commands["monitor"].commands["run"].params for option in one.opts}
    assert {PROJECT["entry_points"][name]["parameters"]["as_of"]["default"] for name in MONITORING} == {"now"}


@pytest.mark.parametrize("name", COMMANDS)
def test_parameters_of_a_command_are_its_options(name: str):
    entry = PROJECT["entry_points"][name]
    options = {option for parameter in COMMAND.commands[name].params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", entry["command"])) <= options
    assert set(re.findall(r"{(\w+)}", entry["command"])) == set(entry["parameters"])


@pytest.mark.parametrize("name", experiments())
def test_parameters_of_an_entry_point_have_their_value_in_params_toml_only(name: str):
    entry = PROJECT["entry_points"][name]
    keys = params_file(name).read_text()
    for parameter, declared in entry["parameters"].items():
        assert declared["default"] == ""
        assert parameter == "as_of" or f"\n{parameter} = " in keys


@pytest.mark.parametrize("name", experiments())
def test_a_project_run_registers_a_version_with_its_run(
    home: Settings, daily_series: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    database = Database(home.database_url)
    ingest(database, daily_series, known_at="observed")
    store = open_store(home, database.url)
    changed, value = CHANGES[name].split("=")
    for variable, found in _environment(store.uri).items():
        monkeypatch.setenv(variable, found)
    submitted = mlflow.projects.run(  # what `mlflow run` calls; its own process is that of the test below
        str(ROOT),
        entry_point=name,
        parameters={"as_of": "last-13w", "weeks": "1", changed: value},  # known on the first of January
        experiment_name="demand",
        env_manager="local",
    )
    assert submitted.get_status() == "FINISHED"
    version = store.client.get_model_version_by_alias("demand", "challenger")
    run = store.client.get_run(version.run_id)
    assert run.info.run_id == submitted.run_id
    assert run.info.status == "FINISHED"
    assert run.data.params["kind"] == name
    assert run.data.params[changed].strip("[]'") == value
    assert run.data.metrics["wape"] < 0.3
    with database.transaction() as transaction:
        assert [row["lineage_state"] for row in transaction.rows("list_versions")] == ["complete"]
    database.close()


def test_a_backtest_and_a_tuning_as_project_runs_fill_the_run_that_mlflow_began(
    home: Settings, daily_series: Path, tmp_path: Path
):
    routes = pd.read_csv(daily_series).rename(columns={"route_id": "series_id", "observed_at": "ds", "value": "y"})
    routes.to_csv(tmp_path / "routes.csv", index=False)
    assert home.database_url
    store = open_store(home, home.database_url)
    small = ("-P", f"file={tmp_path / 'routes.csv'}", "-P", "horizon=7", "-P", "origins=2")
    for name, more in (("backtest", ("-P", "kind=smoothing")), ("tune", ("-P", "kind=prophet", "-P", "trials=2"))):
        done = _mlflow_run(store.uri, name, *small, *more)
        assert done.returncode == 0, done.stderr
    runs = store.client.search_runs([store.experiment("demand")])
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert {run.data.tags["mlops.report"] for run in runs} == {"backtest", "tuning"}
    assert all(run.data.metrics["wape"] < 0.5 for run in runs)


def test_a_parameter_that_does_not_exist_is_refused_with_the_choices(home: Settings, tmp_path: Path):
    script = ROOT / "training" / "lightgbm" / "train.py"
    done = subprocess.run(
        [sys.executable, script, "--tree", "5"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert "did you mean 'trees'" in done.stderr
    assert "Traceback" not in done.stderr


def _mlflow_run(uri: str, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", name, "--env-manager", "local"]
    command += ["--experiment-name", "demand", *arguments]
    return subprocess.run(command, env=os.environ | _environment(uri), capture_output=True, text=True, check=False)


def _environment(uri: str) -> dict[str, str]:
    """What the project's own process is to find: the store, and the python of this one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"MLFLOW_TRACKING_URI": uri, "PATH": path}
