"""`mlflow run . -e NAME` trains what `mlops train NAME` trains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlops.config import Settings
from mlops.db import Database
from mlops.series.ingest import ingest
from mlops.tracking.store import open_store
from mlops.training.spec import experiments, params_file

ROOT = Path(__file__).parents[2]
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())


def test_every_experiment_is_an_entry_point():
    assert set(PROJECT["entry_points"]) == set(experiments())


@pytest.mark.parametrize("name", sorted(PROJECT["entry_points"]))
def test_parameters_of_an_entry_point_have_their_value_in_params_toml_only(name: str):
    entry = PROJECT["entry_points"][name]
    keys = params_file(name).read_text()
    for parameter, declared in entry["parameters"].items():
        assert declared["default"] == ""
        assert parameter == "as_of" or f"\n{parameter} = " in keys


@pytest.mark.parametrize("name", sorted(PROJECT["entry_points"]))
def test_a_project_run_registers_a_version_with_its_run(home: Settings, daily_series: Path, name: str):
    database = Database(home.database_url)
    ingest(database, daily_series, known_at="observed")
    store = open_store(home, database.url)
    change = ["-P", "trees=5"] if name == "lightgbm" else ["-P", "changepoint_prior_scale=0.1"]
    done = _mlflow_run(store.uri, name, "-P", "as_of=2020-01-01", "-P", "weeks=1", *change)
    assert done.returncode == 0, done.stderr
    version = store.client.get_model_version_by_alias("demand", "challenger")
    run = store.client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["kind"] == name
    assert run.data.params[change[1].split("=")[0]] == change[1].split("=")[1]
    assert run.data.metrics["wape"] < 0.3
    with database.transaction() as transaction:
        assert [row["lineage_state"] for row in transaction.rows("list_versions")] == ["complete"]
    database.close()


def test_a_parameter_that_does_not_exist_is_refused_with_the_choices(home: Settings, tmp_path: Path):
    script = ROOT / "training" / "lightgbm" / "train.py"
    done = subprocess.run(
        [sys.executable, script, "--tree", "5"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "did you mean 'trees'" in done.stderr
    assert "Traceback" not in done.stderr


def _mlflow_run(uri: str, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", name, "--env-manager", "local"]
    command += ["--experiment-name", "demand", *arguments]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri, "PATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
