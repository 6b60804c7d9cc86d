"""How soon a moved alias is served, whether anything is answered wrongly meanwhile, and what watching costs.

    python benchmarks/serving/swap.py                        # 200 changes in one process, asked by three threads
    python benchmarks/serving/swap.py --workers 3            # the same by several processes, which have to agree
    python benchmarks/serving/swap.py --cold                 # no version is in memory before it is promoted
    python benchmarks/serving/swap.py --restarts 2           # Postgres is restarted so often meanwhile
    python benchmarks/serving/swap.py --watch 10             # CPU of watching 10 champions, loading them, and memory

Models are LightGBM of 100 trees whose answer tells the number of their version. Of several processes one client asks in
turn, so that it would see the new version and then the old one; a change is served when all of them answer with it.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import orjson
import pandas as pd
from mlflow.models import infer_signature

import lightgbm
import mlflow
from mlops.config import Settings
from mlops.db import Database, open_database
from mlops.db.embedded import server_for
from mlops.policy.serving import LimitPolicy, LogPolicy, ServingPolicy, ShadowPolicy
from mlops.serving.online.models import LiveModels
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store, open_store
from mlops.training.promote import promote

NAMES = [f"c{number}" for number in range(20)]
X = pd.DataFrame(np.random.default_rng(5).normal(size=(2000, 20)), columns=NAMES)
BODY = orjson.dumps({"dataframe_split": {"columns": NAMES, "data": [[0.5] * 20]}})
POLICY = ServingPolicy(LimitPolicy(), LogPolicy(), ShadowPolicy())
PARAMETERS = {"verbose": -1, "num_threads": 1, "num_leaves": 31}


def main() -> None:
    """Make a registry, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--restarts", type=int, default=0)
    parser.add_argument("--watch", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        os.environ["MLOPS_HOME"] = folder
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        settings = Settings()
        database = open_database(settings)
        try:
            store = open_store(settings, database.url)
            if chosen.watch:
                watch(database, store, chosen.watch)
            else:
                swap(settings, database, store, chosen)
        finally:
            database.close()
            server_for(settings.root).stop()


def register(store: Store, database: Database, name: str, number: int) -> None:
    """A version whose answer is about 1,000 times its number, decided on."""
    model = lightgbm.train(PARAMETERS, lightgbm.Dataset(X, 1000 * number + 10 * X["c0"]), num_boost_round=100)
    mlflow.set_experiment(experiment_id=store.experiment("bench"))
    with mlflow.start_run():
        signature = infer_signature(X, model.predict(X))
        logged = mlflow.lightgbm.log_model(model, name="m", signature=signature, pip_requirements=[])
    mlflow.register_model(logged.model_uri, name)
    sync(store, database)
    promote(database, store, f"models:/{name}/{number}", "bench", margin=0.02, force=True)


def swap(settings: Settings, database: Database, store: Store, chosen: argparse.Namespace) -> None:
    """Move the alias again and again while it is asked for."""
    versions = chosen.changes + 1 if chosen.cold else 2
    for number in range(1, versions + 1):
        register(store, database, "demand", number)
    store.client.set_registered_model_alias("demand", "champion", "1")
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes = []
    for _ in range(chosen.workers):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=worker, args=(theirs,)))
        processes[-1].start()
        assert ours.recv() == "ready"
        pipes.append(ours)
    took, wrong, back, asked = [], 0, 0, 0
    restart_at = {(chosen.changes * (turn + 1)) // (chosen.restarts + 1) for turn in range(chosen.restarts)}
    seen = 1
    for turn in range(chosen.changes):
        number = turn + 2 if chosen.cold else 2 - turn % 2
        if turn in restart_at:
            server = server_for(settings.root)
            threading.Thread(target=lambda server=server: (server.stop(), server.start())).start()
            time.sleep(0.5)
        began = move(store, number)
        served: set[int] = set()
        while len(served) < len(pipes):
            for place, pipe in enumerate(pipes):
                pipe.send("ask")
                answered, meant = pipe.recv()
                asked += 1
                wrong += answered != meant
                back += seen == number and answered != number
                seen = answered
                if answered == number:
                    served.add(place)
        took.append(time.monotonic() - began)
    states = []
    for pipe in pipes:
        pipe.send("end")
        states.append(pipe.recv())
    for process in processes:
        process.join()
    figures = {
        "changes": chosen.changes,
        "processes": chosen.workers,
        "cold": chosen.cold,
        "restarts": chosen.restarts,
        "served after ms, median, p99, most": [round(float(np.quantile(took, q)) * 1000) for q in (0.5, 0.99, 1)],
        "asked by the client": asked,
        "not the number of its version": wrong,
        "the old version after the new one": back,
        "in each process": states,
    }
    print(json.dumps(figures, indent=1))


def move(store: Store, number: int) -> float:
    """Move the alias as MLflow's client does; when that was done."""
    while True:
        try:
            store.client.set_registered_model_alias("demand", "champion", str(number))
        except Exception:  # noqa: BLE001  Postgres is being restarted
            time.sleep(0.1)
        else:
            return time.monotonic()


def worker(pipe: Connection) -> None:
    """A process that serves: it answers the client, and three threads of its own ask all the time."""
    settings = Settings()
    database = Database(open_database(settings).url)
    models = LiveModels(database, open_store(settings, database.url), POLICY)
    models.start()
    while not models.ready:
        time.sleep(0.01)
    ended, counts = threading.Event(), {"answers": 0, "wrong": 0, "errors": 0}

    def ask() -> tuple[int, int]:
        model = models.find("demand")
        assert model is not None
        scored = model.scorer.inline(BODY, "application/json")
        assert scored is not None
        return round(orjson.loads(scored.body)["predictions"][0] / 1000), model.version.version

    def go_on() -> None:
        while not ended.is_set():
            try:
                answered, meant = ask()
                counts["wrong"] += answered != meant
                counts["answers"] += 1
            except Exception:  # noqa: BLE001  whatever it is, it is counted
                counts["errors"] += 1
            time.sleep(0.001)

    threads = [threading.Thread(target=go_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    pipe.send("ready")
    while pipe.recv() == "ask":
        pipe.send(ask())
    ended.set()
    for thread in threads:
        thread.join()
    state = models.state()
    pipe.send(counts | {"swaps": state.swaps, "models_mb": round(state.memory / 2**20, 1)})
    models.close()


def watch(database: Database, store: Store, many: int) -> None:
    """What it takes to load so many champions, and then to watch them."""
    for number in range(many):
        register(store, database, f"m{number}", 1)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=idle, args=(theirs,))
    process.start()
    print(json.dumps({"champions": many} | ours.recv(), indent=1))
    process.join()


def idle(pipe: Connection) -> None:
    """Load, and watch for ten seconds."""
    settings = Settings()
    database = open_database(settings)
    store = open_store(settings, database.url)
    before, began = resident(), time.monotonic()
    models = LiveModels(database, store, POLICY)
    models.start()
    while not models.ready:
        time.sleep(0.005)
    loaded = time.monotonic() - began
    time.sleep(1)
    cpu, at = time.process_time(), time.monotonic()
    time.sleep(10)
    share = (time.process_time() - cpu) / (time.monotonic() - at)
    reader: Any = models._watch._reader
    cpu = time.process_time()
    for _ in range(200):
        reader.read()
    figures = {
        "ready after s": round(loaded, 2),
        "idle, % of a core": round(100 * share, 2),
        "one reading, ms CPU": round((time.process_time() - cpu) * 5, 2),
        "resident MB before and after": [round(before), round(resident())],
        "estimated MB of models": round(models.state().memory / 2**20, 1),
    }
    models.close()
    pipe.send(figures)


def resident() -> float:
    """Memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


if __name__ == "__main__":
    main()
