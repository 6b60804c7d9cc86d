"""A server whose database has four routes, a champion, its forecasts of January and what became of them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient
from tests.checks import as_champion
from tests.conftest import NEW_YEAR

from mlops.access import LOCAL
from mlops.analytics.refresh import refresh_views
from mlops.config import Settings
from mlops.db import Database
from mlops.domain.findings import Benefit, Finding, Findings, Recommendation
from mlops.monitoring.decide.decisions import record_decision
from mlops.monitoring.weekly.record import WeeklyCheck, record
from mlops.policy import LimitPolicy, LogPolicy, ServingPolicy, ShadowPolicy, read_policy
from mlops.project import policy_file
from mlops.series.ingest import ingest
from mlops.serving.online.scorer import scorer_of
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.artifacts.checked import load_model
from mlops.tracking.bridge.mirror import live_version
from mlops.tracking.store import Store, open_store
from mlops.training import Trained
from mlops.web.app import build_app
from mlops.web.memory import Memory
from mlops.web.metrics import Metrics
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
        checked(database, trained_place[1])
        refresh_views(database, force=True)
        database.close()
        yield name


def with_jumps(folder: Path) -> Path:
    """A file of one more route, R9, that jumps every forty days, and of a customer who does the same."""
    ds = pd.date_range("2019-01-01", "2019-12-31", tz="UTC")
    value = 100 + np.random.default_rng(5).normal(0, 2, len(ds))
    value[60::40] += 90
    frame = pd.DataFrame({"observed_at": ds.strftime("%Y-%m-%dT00:00:00Z"), "value": value.round(2), "route_id": "R9"})
    path = folder / "jumps.csv"
    customer = frame.assign(customer_id="C1", route_id=None)
    pd.concat([frame, customer]).assign(metric_type="collection_weight").to_csv(path, index=False)
    return path


def checked(database: Database, champion: "Trained") -> None:
    """A weekly check that found drift and recommends to retrain, which somebody snoozed."""
    mirrored = live_version(database, champion.version)
    assert mirrored is not None
    benefit = Benefit(0.05, 0.02, 0.08, 10.0, 5.0, 15.0, "EUR", 14)
    worse = Finding("performance", "", 8.0, 4.0, True, "the error is 8 sigma above")
    found = Recommendation("retrain", ("a refit wins",), {"weeks": 3.0}, benefit=benefit, cost=35.0, horizon_weeks=8)
    row = as_champion(mirrored.version_id, version=champion.version.version)
    check = WeeklyCheck(row, LATER, Findings((worse,)), found, {"wape": 0.2})
    number, _ = record(database, read_policy(policy_file()), check)
    assert number is not None
    record_decision(database, number, "snooze", "the depot moves", by="ada", until=LATER + timedelta(weeks=2))


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
        metrics=Metrics(),
        shadows=lambda *_: None,
        memory=Memory(0),
    )


@pytest.fixture
def client(parts: Parts) -> Iterator[TestClient]:
    """A client of it; a failure of the server is a failure of the test."""
    with TestClient(build_app(parts, Target("demand", "champion"))) as client:
        yield client
