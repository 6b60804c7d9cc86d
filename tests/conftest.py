"""A real Postgres (embedded, or MLOPS_TEST_DATABASE_URL) and a real MLflow store, fresh for every test."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from mlops.config import Settings
from mlops.db import Database
from mlops.db.embedded import Server

NUMBERS = count(1)
os.environ["MLOPS_PARALLEL"] = "serial"
os.environ["DO_NOT_TRACK"] = "1"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a server on which tests may create databases."""
    given = os.environ.get("MLOPS_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="mlops-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the server's own user must be able to enter it when root runs the tests
        server = Server(Path(folder) / "postgres", settings={"fsync": "off", "shared_buffers": "64MB"})
        server.start()
        yield server.url()
        server.stop()


@pytest.fixture(scope="session")
def migrated(server_url: str) -> Iterator[str]:
    """The name of a migrated template database."""
    with _database(server_url, "migrated") as name:
        database = Database(_address(server_url, name))
        database.upgrade()
        database.close()
        yield name


@pytest.fixture(scope="session")
def with_mlflow(server_url: str, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a migrated template database that has MLflow's tables too."""
    from mlops.tracking.store import open_store

    with _database(server_url, "mlflow", template=migrated) as name:
        settings = Settings(home=tmp_path_factory.mktemp("home"))
        open_store(settings, _address(server_url, name))
        _disconnect(server_url, name)
        yield name


@pytest.fixture
def database(server_url: str, migrated: str) -> Iterator[Database]:
    """A fresh migrated database."""
    with _database(server_url, "test", template=migrated) as name:
        database = Database(_address(server_url, name))
        yield database
        database.close()


@pytest.fixture
def home(server_url: str, with_mlflow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a fresh place: a database with MLflow's tables and an empty home; commands use it too."""
    from mlops.cli import context

    with _database(server_url, "test", template=with_mlflow) as name:
        monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("MLOPS_DATABASE_URL", _address(server_url, name))
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        _forget(context)
        yield Settings()
        _forget(context)


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
def shared_data() -> Path:
    """Real data beside the checkout; tests that need it skip where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/data) is not on this machine")
    return folder


class _database:  # noqa: N801  reads as a function
    """A database that lives as long as the block."""

    def __init__(self, server_url: str, what: str, template: str = "template1") -> None:
        self.server_url, self.template = server_url, template
        self.name = f"{what}_{os.getpid()}_{next(NUMBERS)}"

    def __enter__(self) -> str:
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(f'create database "{self.name}" template "{self.template}"')
        return self.name

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(f'drop database "{self.name}" with (force)')


def _address(server_url: str, name: str) -> str:
    """The address of another database of the same server."""
    scheme, _, rest = server_url.partition("://")
    place, mark, query = rest.partition("?")
    return f"{scheme}://{place.partition('/')[0]}/{name}{mark}{query}"


def _disconnect(server_url: str, name: str) -> None:
    """A template must have no connections; MLflow keeps its pool."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])


def _forget(context: object) -> None:
    for name in ("settings", "database", "store"):
        getattr(context, name).cache_clear()
