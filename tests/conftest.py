"""A real Postgres (embedded, or MLOPS_TEST_DATABASE_URL) and a real MLflow store, fresh for every test."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psycopg
import pytest
import yaml
from hypothesis import settings
from tests.campaign import USUAL

from mlops.config import Settings
from mlops.db import Database
from mlops.db.embedded import Server

if TYPE_CHECKING:
    from mlops.tracking.store import Store
    from mlops.training import Trained

NewDatabase = Callable[..., AbstractContextManager[tuple[str, str]]]

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
CHANGES = {
    "trees": "40",
    "learning_rate": "0.1",
    "num_leaves": "15",
    "weeks": "14",
    "refit_every": "7",
    "country": "US",
}
NUMBERS = count(1)
SERVER_SETTINGS = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
    "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "0",
}
"""Of the MLflow server of the tests: deliveries to this machine, at once and without trying again."""
MEMORY = Path("/dev/shm")
ROOM = 4 << 30  # bytes that are free there, or the server's files lie on disk
os.environ["MLOPS_PARALLEL"] = "serial"
os.environ["DO_NOT_TRACK"] = "1"
os.environ.pop("COLUMNS", None)  # pytest-xdist sets it; what is no terminal has no width
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each core has a worker of its own
yaml.SafeLoader = yaml.CSafeLoader  # MLflow reads each model's description three times, by a parser written in Python
settings.register_profile("campaign", max_examples=20 * USUAL, deadline=None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole projects first: they take minutes, and at the end one worker would wait for the other."""
    items.sort(key=lambda item: "projects" not in item.path.parts)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a server on which tests may create databases."""
    given = os.environ.get("MLOPS_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="mlops-test-", dir=_roomy(), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the server's own user must be able to enter it when root runs the tests
        server = Server(Path(folder) / "postgres", settings={"fsync": "off", "shared_buffers": "64MB"})
        server.start()
        yield server.url()
        server.stop()


@pytest.fixture(scope="session")
def new_database(server_url: str) -> Iterator[NewDatabase]:
    """Makes a database that lives as long as a block: (name, url)."""

    done: list[str] = []  # databases whose sessions were ended: while one is ending, dropping waits for 0.1 s

    def drop(connection: psycopg.Connection) -> None:
        while done:
            connection.execute(f'drop database "{done.pop()}" with (force)')

    @contextmanager
    def make(what: str, template: str = "template1") -> Iterator[tuple[str, str]]:
        name = f"mlops_{what}_{os.getpid()}_{next(NUMBERS)}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            _free(connection, template)
            connection.execute(f'create database "{name}" template "{template}" strategy file_copy')  # a third cheaper
            drop(connection)
        yield name, _address(server_url, name)
        with psycopg.connect(server_url, autocommit=True) as connection:
            _free(connection, name)
            done.append(name)

    yield make
    with psycopg.connect(server_url, autocommit=True) as connection:
        drop(connection)


@pytest.fixture(scope="session")
def migrated(new_database: NewDatabase) -> Iterator[str]:
    """The name of a migrated template database."""
    with new_database("migrated") as (name, url):
        database = Database(url)
        database.upgrade()
        database.close()
        yield name


@pytest.fixture(scope="session")
def with_mlflow(new_database: NewDatabase, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a migrated template database that has MLflow's tables too."""
    from mlflow.store.db import utils

    from mlops.tracking.store import open_store

    utils._get_latest_schema_revision = cache(utils._get_latest_schema_revision)  # it reads a hundred files each time
    with new_database("mlflow", template=migrated) as (name, url):
        open_store(Settings(home=tmp_path_factory.mktemp("home"), mlflow_tracking_uri=None), url)
        yield name


@pytest.fixture
def database(new_database: NewDatabase, migrated: str) -> Iterator[Database]:
    """A fresh migrated database."""
    with new_database("test", template=migrated) as (_, url):
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def template(with_mlflow: str) -> str:
    """The database that homes are copies of."""
    return with_mlflow


@pytest.fixture
def home(
    new_database: NewDatabase, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings of a fresh place: a database with MLflow's tables and an empty home; commands use it too."""
    from mlops.cli import context

    with new_database("test", template=template) as (_, url):
        monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("MLOPS_DATABASE_URL", url)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        _forget(context)
        yield Settings()
        _forget(context)


@pytest.fixture(scope="session")
def trained_place(
    new_database, with_mlflow: str, daily_series: Path, tmp_path_factory
) -> Iterator[tuple[str, "Trained"]]:
    """A template database with four routes and a LightGBM trained on 2019, champion of `demand`."""
    from mlops.series.ingest import ingest
    from mlops.tracking.store import open_store
    from mlops.training import TrainingSpec, train
    from mlops.training.promote import promote
    from mlops.training.spec import params_file

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
def champion(trained_place: tuple[str, "Trained"]) -> "Trained":
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
def store(home: Settings, routes: Database) -> "Store":
    """MLflow's store of the test."""
    from mlops.tracking.store import open_store

    return open_store(home, routes.url)


@pytest.fixture(scope="session")
def mlflow_server(
    new_database: NewDatabase, with_mlflow: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of an MLflow server of one worker, with a registry of its own; it may deliver webhooks to here."""
    with new_database("server", template=with_mlflow) as (_, url):
        store = "postgresql+psycopg" + url[url.index("://") :] + ("&" if "?" in url else "?")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        folder = tmp_path_factory.mktemp("server")
        options = {
            "--host": "127.0.0.1",
            "--port": str(port),
            "--workers": "1",
            "--backend-store-uri": store + "options=-csearch_path%3Dmlflow",
            "--artifacts-destination": (folder / "artifacts").as_uri(),
        }
        command = [sys.executable, "-m", "mlflow", "server", *(word for option in options.items() for word in option)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | SERVER_SETTINGS, start_new_session=True
            )
        try:
            _wait_for(process, f"http://127.0.0.1:{port}/health", folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def mlops(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: (exit code, stdout, stderr)."""
    from mlops.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mlops", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def daily_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of four daily routes from 2019-01-01 for 15 months, 40 % lower from 2020-02-01."""
    random, ds = np.random.default_rng(3), pd.date_range("2019-01-01", "2020-03-31", tz="UTC")
    parts = []
    for number in range(1, 5):
        weekday = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])[ds.dayofweek]
        fall = np.where(ds >= "2020-02-01", 0.6, 1.0)
        value = (100 * number * weekday * fall * random.normal(1, 0.06, len(ds))).round(2)
        stamps = ds.strftime("%Y-%m-%dT00:00:00Z")
        parts.append(pd.DataFrame({"observed_at": stamps, "value": value, "route_id": f"R{number}"}))
    path = tmp_path_factory.mktemp("series") / "routes.csv"
    pd.concat(parts).assign(metric_type="collection_weight").to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the checkout; tests that need it skip where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/data) is not on this machine")
    return folder


def _wait_for(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Until an MLflow server answers; it imports for half a minute on a busy machine."""
    end = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)


def _roomy() -> Path | None:
    """Where the server's files are to lie: in memory where there is plenty, else with all temporary files."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


def _address(server_url: str, name: str) -> str:
    """The address of another database of the same server."""
    scheme, _, rest = server_url.partition("://")
    place, mark, query = rest.partition("?")
    return f"{scheme}://{place.partition('/')[0]}/{name}{mark}{query}"


def _free(connection: psycopg.Connection, name: str) -> None:
    """End a database's sessions: a template must have none, and MLflow keeps a pool."""
    if name != "template1":
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])


def _forget(context: object) -> None:
    for name in ("settings", "database", "store"):
        getattr(context, name).cache_clear()
