"""CPU a request: `mlops serve` beside MLflow's own server and ten lines of FastAPI, with the same models.

    python benchmarks/serving/speed.py [--seconds 5] [--omp 1] [--only trees-20]

Needs `wrk`. One worker each, eight connections on loopback, one after the other; the log of requests is on.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from servers import Load, Server, measured, uvicorn

import lightgbm
import mlflow
from mlops.config import Settings
from mlops.db import Database, open_database
from mlops.series.ingest import ingest
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store, open_store
from mlops.training import TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.spec import params_file

SERIES, DAYS, HORIZON = 30, 800, 28
HEAD = """| server | CPU, µs a request | × ours | requests a CPU second | requests a second | p99, ms | MiB | first answer, s | failed |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""  # noqa: E501


@dataclass(frozen=True)
class Case:
    """A model by its name in the registry, and a request to it; trees have a file that the opponents read."""

    name: str
    model: str
    body: bytes
    trees: Path | None = None
    rows: int = 1


@contextmanager
def place() -> Iterator[tuple[Path, Settings, Database, Store]]:
    """A home of its own, with a server of Postgres in it."""
    with tempfile.TemporaryDirectory(prefix="mlops-serving-") as folder:
        settings = Settings(home=Path(folder) / "home", database_url=None, mlflow_tracking_uri=None)
        database = open_database(settings)
        yield Path(folder), settings, database, open_store(settings, database.url)
        database.close()


def trees(folder: Path, database: Database, store: Store, columns: int) -> Path:
    """A LightGBM of 100 trees in the registry, champion of its name."""
    random = np.random.default_rng(columns)
    x = pd.DataFrame(random.normal(size=(20_000, columns)), columns=[f"c{place}" for place in range(columns)])
    y = 2 * x["c0"] + np.sin(3 * x["c1"]) + x["c2"] * x["c3"]
    settings = {"objective": "regression", "num_leaves": 31, "learning_rate": 0.05, "verbose": -1}
    model = lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=100)
    mlflow.set_experiment(experiment_id=store.experiment("serving"))
    with mlflow.start_run():
        mlflow.lightgbm.log_model(
            model,
            name="m",
            signature=infer_signature(x.head(), model.predict(x.head())),
            pip_requirements=[],
            registered_model_name=f"trees-{columns}",
        )
    promoted(database, store, f"models:/trees-{columns}/1")
    file = folder / f"trees-{columns}.txt"
    model.save_model(file)
    return file


def prophet(folder: Path, database: Database, store: Store) -> None:
    """Prophet of 30 routes, champion of `demand`."""
    days = pd.date_range("2024-01-01", periods=DAYS)
    random = np.random.default_rng(5)
    frame = pd.concat(
        pd.DataFrame(
            {
                "route_id": f"R{number}",
                "metric_type": "waste_volume",
                "granularity": "daily",
                "observed_at": days,
                "value": 20
                + 5 * np.sin(2 * np.pi * days.dayofyear / 365)
                + 3 * (days.dayofweek < 5)
                + random.normal(size=DAYS),
            }
        )
        for number in range(SERIES)
    )
    file = folder / "routes.csv"
    frame.to_csv(file, index=False)
    ingest(database, file, known_at="observed")
    now = datetime(2024, 1, 1, tzinfo=UTC) + pd.Timedelta(days=DAYS)
    spec = TrainingSpec.from_toml(params_file("prophet"), {"horizon": str(HORIZON)}, as_of=now)
    promoted(database, store, train(spec, database, store).version.uri)


def promoted(database: Database, store: Store, uri: str) -> None:
    sync(store, database)
    promote(database, store, uri, "to be measured", margin=0.0, by="benchmark", force=True)
    resolve(store, uri)


def table(columns: int, rows: int = 1) -> bytes:
    values = np.round(np.random.default_rng(7).normal(size=(rows, columns)), 3).tolist()
    return json.dumps(
        {"dataframe_split": {"columns": [f"c{place}" for place in range(columns)], "data": values}}
    ).encode()


def servers(case: Case, settings: Settings, store: Store, omp: dict[str, str]) -> list[Server]:
    uri = f"models:/{case.model}@champion"
    scripts = Path(sys.executable).parent
    path = f"{scripts}:{os.environ['PATH']}"  # MLflow begins uvicorn by its name
    environment = {"MLOPS_HOME": str(settings.home), "MLFLOW_TRACKING_URI": store.uri, "PATH": path, **omp}
    mlflow_ = (
        str(scripts / "mlflow"),
        "models",
        "serve",
        "-m",
        uri,
        "--env-manager",
        "local",
        "--workers",
        "1",
        "-p",
        "18701",
    )
    ours = (str(scripts / "mlops"), "serve", uri, "--listen", "127.0.0.1:18700")
    home = {key: value for key, value in environment.items() if key != "MLFLOW_TRACKING_URI"}
    compared = [
        Server("mlops serve, logging", ours, 18700, environment=home),
        Server("mlops serve, durable", ours, 18700, "/invocations?durable=true", environment=home),
        Server("mlflow models serve", mlflow_, 18701, environment=environment),
    ]
    if case.trees is not None:
        of_file = {"MODEL_FILE": str(case.trees), **omp}
        compared += [
            uvicorn("FastAPI with a DataFrame", "opponents:framed", 18702, of_file),
            uvicorn("bare ASGI, computes nothing", "opponents:floor", 18703, of_file),
        ]
    return compared


def alone(case: Case) -> float:
    """CPU of the prediction itself on one thread, without any request: microseconds."""
    assert case.trees is not None
    model = lightgbm.Booster(model_file=str(case.trees))
    rows = np.array(json.loads(case.body)["dataframe_split"]["data"])
    model.predict(rows, num_threads=1)
    began, times = time.process_time(), 200 if case.rows == 1 else 20
    for _ in range(times):
        model.predict(rows, num_threads=1)
    return (time.process_time() - began) / times * 1e6


def row(label: str, load: Load, first: Load) -> str:
    return (
        f"| {label} | {load.cpu_us:,.0f} | {load.cpu_us / first.cpu_us:.1f} | {1e6 / load.cpu_us:,.0f} |"
        f" {load.rate:,.0f} | {load.p99_ms:.1f} | {load.memory_mb:.0f} | {load.first_seconds:.1f} | {load.failed} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of load for each server")
    parser.add_argument("--omp", help="OMP_NUM_THREADS of every server; unset when left out")
    parser.add_argument("--only", help="cases whose name has this in it")
    given = parser.parse_args()
    omp = {"OMP_NUM_THREADS": given.omp} if given.omp else {}
    os.environ.pop("OMP_NUM_THREADS", None)
    with place() as (folder, settings, database, store):
        narrow, wide = (trees(folder, database, store, columns) for columns in (20, 100))
        prophet(folder, database, store)
        names = [{"series_id": "R1"}]
        cases = [
            Case("trees-20, a row", "trees-20", table(20), narrow),
            Case("trees-100, a row", "trees-100", table(100), wide),
            Case("trees-20, 1,000 rows", "trees-20", table(20, 1000), narrow, 1000),
            Case("prophet, 28 days", "demand", json.dumps({"dataframe_records": names}).encode()),
        ]
        print(f"OMP_NUM_THREADS={given.omp or 'unset'}, {given.seconds} s each, 8 connections, one worker")
        for case in cases:
            if given.only and given.only not in case.name:
                continue
            print(f"\n### {case.name}\n")
            if case.trees is not None:
                print(f"Prediction alone: {alone(case):,.0f} µs CPU\n")
            print(HEAD)
            first: Load | None = None
            for server in servers(case, settings, store, omp):
                load = measured(server, case.body, folder, seconds=given.seconds)
                first = first or load
                print(row(server.label, load, first), flush=True)


if __name__ == "__main__":
    main()
