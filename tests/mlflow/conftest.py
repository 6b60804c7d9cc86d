"""A place in which routes are stored and one model is champion; made once, then copied for every test."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops.config import Settings
from mlops.db import Database
from mlops.series.ingest import ingest
from mlops.tracking.store import Store, open_store
from mlops.training import Trained, TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.spec import params_file

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
CHANGES = {
    "trees": "40",
    "learning_rate": "0.1",
    "num_leaves": "15",
    "weeks": "14",
    "refit_every": "7",
    "country": "US",
}


@pytest.fixture(scope="session")
def trained_place(
    new_database, with_mlflow: str, daily_series: Path, tmp_path_factory
) -> Iterator[tuple[str, Trained]]:
    """A template database with four routes and a LightGBM trained on 2019, champion of `demand`."""
    with new_database("trained", template=with_mlflow) as (name, url):
        database = Database(url)
        ingest(database, daily_series, known_at="observed")
        store = open_store(Settings(home=tmp_path_factory.mktemp("artifacts"), mlflow_tracking_uri=None), url)
        spec = TrainingSpec.from_toml(params_file("lightgbm"), CHANGES, as_of=NEW_YEAR)
        trained = train(spec, database, store)
        promote(database, store, trained.version.uri, "the first", margin=0.02, by="tester", force=True)
        database.close()
        yield name, trained


@pytest.fixture
def template(trained_place: tuple[str, Trained]) -> str:
    """Homes of these tests are copies of the trained place."""
    return trained_place[0]


@pytest.fixture
def champion(trained_place: tuple[str, Trained]) -> Trained:
    """The champion of `demand`."""
    return trained_place[1]


@pytest.fixture
def routes(home: Settings) -> Iterator[Database]:
    """The database of the test."""
    assert home.database_url
    database = Database(home.database_url)
    yield database
    database.close()


@pytest.fixture
def store(home: Settings, routes: Database) -> Store:
    """MLflow's store of the test."""
    return open_store(home, routes.url)
