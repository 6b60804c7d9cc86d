"""Small models whose every answer is the number of their version, registered and decided on; and servers of them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import orjson
import pandas as pd
from mlflow.models import infer_signature

import lightgbm
import mlflow
from mlops.db import Database
from mlops.domain.model_uri import ModelUri
from mlops.policy.serving import LimitPolicy, LogPolicy, ServingPolicy, ShadowPolicy
from mlops.serving.online.models import LiveModel, LiveModels
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store
from mlops.training import promote as promotion

__all__ = ["BODY", "POLICY", "answer", "files", "live_models", "register", "until"]

PATIENCE_SECONDS = 30
POLICY = ServingPolicy(LimitPolicy(seconds=PATIENCE_SECONDS), LogPolicy(), ShadowPolicy())
X = pd.DataFrame(np.random.default_rng(5).normal(size=(60, 2)), columns=["load", "rain"])
BODY = orjson.dumps({"dataframe_split": {"columns": ["load", "rain"], "data": [[1.5, 2.5]]}})
FAST = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 1}


def register(
    store: Store, database: Database, name: str, number: int, *, signed: bool = True, decided: bool = True
) -> str:
    """Log and register the next version of a model, which has to be that number; its URI.

    Where it is `decided` it is promoted, so that it may be loaded.
    """
    model = lightgbm.train(FAST, lightgbm.Dataset(X, np.full(len(X), float(number))), num_boost_round=1)
    mlflow.set_experiment(experiment_id=store.experiment("live"))
    with mlflow.start_run():
        logged = mlflow.lightgbm.log_model(
            model, name="m", signature=infer_signature(X, model.predict(X)) if signed else None, pip_requirements=[]
        )
    version = mlflow.register_model(logged.model_uri, name).version
    assert int(version) == number
    sync(store, database)
    uri = f"models:/{name}/{number}"
    if decided:
        promotion.promote(database, store, uri, "for the test", margin=0.02, force=True)
    return uri


def files(store: Store, name: str, number: int) -> Path:
    """Where a version's model lies."""
    return Path(unquote(urlparse(store.client.get_model_version_download_uri(name, str(number))).path))


@contextmanager
def live_models(
    database: Database, store: Store, *uris: str, on_demand: bool = True, memory_mb: float = 1024.0, **more: Any
) -> Iterator[LiveModels]:
    """Models that are live while the block runs; ready when it begins."""
    limits = replace(POLICY.limits, on_demand=on_demand, memory_mb=memory_mb)
    given = [ModelUri(*uri.split("@")) for uri in uris]
    models = LiveModels(database, store, replace(POLICY, limits=limits), uris=given, **more)
    models.start()
    try:
        until(lambda: models.ready)
        yield models
    finally:
        models.close()


def answer(model: LiveModel | None) -> int:
    """The number that a model answers."""
    assert model is not None
    scored = model.scorer.inline(BODY, "application/json")
    assert scored is not None
    return round(orjson.loads(scored.body)["predictions"][0])


def until(true: Callable[[], bool]) -> float:
    """Wait until something is so, for as long as it may take on a busy machine; how long it took, in seconds."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + PATIENCE_SECONDS, "it did not come to be so"
        time.sleep(0.005)
    return time.monotonic() - began


@contextmanager
def asking(ask: Callable[[], Any], threads: int = 3) -> Iterator[list[Any]]:
    """Ask again and again from several threads while the block runs; what went wrong in any of them is raised."""
    ended, wrong, answers = threading.Event(), [], []

    def run() -> None:
        while not ended.is_set():
            try:
                answers.append(ask())
            except BaseException as error:  # noqa: BLE001  whatever it is, the test is to see it
                wrong.append(error)
                return
            time.sleep(0.0005)

    many = [threading.Thread(target=run) for _ in range(threads)]
    for thread in many:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in many:
            thread.join()
    if wrong:
        raise wrong[0]
