"""A server whose database has four routes, a champion, its forecasts of January and what became of them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient
from tests.conftest import NEW_YEAR

from mlops.access import LOCAL
from mlops.config import Settings
from mlops.db import Database
from mlops.policy import LimitPolicy, LogPolicy, ServingPolicy, ShadowPolicy
from mlops.series.ingest import ingest
from mlops.serving.online.scorer import scorer_of
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.artifacts.checked import load_model
from mlops.tracking.store import Store, open_store
from mlops.training import Trained
from mlops.web.api.everything import ROUTERS
from mlops.web.app import build_app
from mlops.web.memory import Memory
from mlops.web.parts import Parts
from mlops.web.scoring import Target

LATER = NEW_YEAR + timedelta(days=7)


@pytest.fixture(scope="session")
def served_place(new_database, trained_place: tuple[str, Trained], tmp_path_factory) -> Iterator[str]:
    """A template database in which the champion has forecast twice, the second time a week later."""
    with new_database("served", template=trained_place[0]) as (name, url):
        database = Database(url)
        store = open_store(Settings(home=tmp_path_factory.mktemp("served"), mlflow_tracking_uri=None), url)
        ingest(database, with_jumps(tmp_path_factory.mktemp("jumps")), known_at="observed")
        for as_of in (NEW_YEAR, LATER):
            predict(database, store, "models:/demand@champion", as_of=as_of, horizon=14)
        match(database, LATER)
        database.close()
        yield name


def with_jumps(folder: Path) -> Path:
    """A file of one more route, R9, that jumps every forty days."""
    ds = pd.date_range("2019-01-01", "2019-12-31", tz="UTC")
    value = 100 + np.random.default_rng(5).normal(0, 2, len(ds))
    value[60::40] += 90
    frame = pd.DataFrame({"observed_at": ds.strftime("%Y-%m-%dT00:00:00Z"), "value": value.round(2), "route_id": "R9"})
    path = folder / "jumps.csv"
    frame.assign(metric_type="collection_weight").to_csv(path, index=False)
    return path


@pytest.fixture
def template(served_place: str) -> str:
    """Homes of these tests are copies of it."""
    return served_place


@pytest.fixture
def parts(routes: Database, store: Store, champion: Trained) -> Parts:
    """What the server is made of; everybody may do everything."""
    model = load_model(routes, champion.version)
    live = SimpleNamespace(
        scorer=scorer_of(model),
        version=champion.version,
        version_id=1,
        label=f"demand/{champion.version.version}".encode(),
    )
    return Parts(
        database=routes,
        store=store,
        models=SimpleNamespace(
            find=lambda *_, **__: live, load=lambda *_, **__: live, answered=lambda *_: None, ready=True
        ),
        requests=SimpleNamespace(append=lambda _: True, accepts=True),
        door=SimpleNamespace(admit=lambda *_: LOCAL),
        policy=ServingPolicy(LimitPolicy(), LogPolicy(), ShadowPolicy()),
        observer=SimpleNamespace(answered=lambda *_: None),
        memory=Memory(0),
    )


@pytest.fixture
def client(parts: Parts) -> Iterator[TestClient]:
    """A client of it; a failure of the server is a failure of the test."""
    with TestClient(build_app(parts, Target("demand", "champion"), ROUTERS)) as client:
        yield client
