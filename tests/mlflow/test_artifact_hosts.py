"""Files are fetched from the tracking server and from listed hosts; nobody else is asked, or sent a token."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

import mlflow
from mlops.config import Settings
from mlops.db import Database
from mlops.errors import BadInput
from mlops.tracking.artifacts.hosts import ArtifactHosts, guard
from mlops.tracking.bridge import lineage as mirror_lineage
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store, open_store

TRACKING = "http://mlflow.internal:5000/prefix"
FAR = ("93.184.216.34", "2606:2800:220:1::1")
LISTED = (
    "files.internal, other.internal:8443,s3://ours,gs://ours,abfss://acc.dfs.core.windows.net,ftp://files.internal,"
    "dbfs:,127.0.0.1:9,localhost:9"
)


def objection(uri: str, *, addresses: tuple[str, ...] = FAR, listed: str = LISTED) -> str | None:
    return ArtifactHosts.of(listed, TRACKING).objection(uri, lambda _: addresses)


@pytest.mark.parametrize(
    "uri",
    [
        "/srv/models/m",
        "C:\\models",
        "file:///srv/models/m",
        "models:/m-0123",
        "models:/demand/1",
        "runs:/0123/model",
        "mlflow-artifacts:/1/models/m",
        "mlflow-artifacts://mlflow.internal:5000/1/models/m",
        "http://mlflow.internal:5000/api/2.0/mlflow-artifacts/artifacts/1",
        "https://files.internal/x",
        "http://files.internal:81/x",
        "mlflow-artifacts://files.internal/x",
        "https://FILES.internal/x",
        "https://other.internal:8443/x",
        "s3://ours/x",
        "gs://ours/x",
        "abfss://container@acc.dfs.core.windows.net/x",
        "ftp://user:word@files.internal/x",
        "dbfs:/x",
    ],
)
def test_our_own_files_and_those_of_listed_hosts_are_fetched(uri: str):
    assert objection(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.example/x",
        "https://mlflow.internal:5000/x",
        "http://mlflow.internal/x",
        "http://mlflow.internal:5001/x",
        "mlflow-artifacts://evil.example/x",
        "https://other.internal/x",
        "http://files.internal@evil.example/x",
        "http://evil.example\\@files.internal/x",
        "http://files.internal:port/x",
        "http:///x",
        "https://files.internal.evil.example/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x",
        "http://2130706433/x",
        "s3://theirs/x",
        "s3://files.internal/x",
        "r2://ours@evil.example/x",
        "b2://ours@evil.example/x",
        "gs://theirs/x",
        "wasbs://container@theirs.blob.core.windows.net/x",
        "abfss://acc.dfs.core.windows.net@evil.example/x",
        "ftp://evil.example/x",
        "ftp:///x",
        "sftp://files.internal/x",
        "hdfs://files.internal/x",
        "hdfs:/x",
        "viewfs://files.internal/x",
        "dbfs://profile@databricks/x",
        "gopher://files.internal/x",
    ],
)
def test_nothing_is_fetched_from_anywhere_else(uri: str):
    assert objection(uri)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::"]
)
def test_a_listed_name_that_leads_to_this_machine_or_its_link_is_refused(address: str):
    assert "leads to" in str(objection("http://files.internal/x", addresses=(FAR[0], address)))
    assert "leads to" in str(objection("ftp://files.internal/x", addresses=(address,)))


def test_this_machine_is_asked_when_it_is_listed_as_such_or_has_the_tracking_server():
    near = ("127.0.0.1",)
    assert objection("http://127.0.0.1:9/x", addresses=near) is None
    assert objection("http://localhost:9/x", addresses=near) is None
    assert objection("http://127.0.0.1:10/x", addresses=near)
    assert objection("http://mlflow.internal:5000/x", addresses=near) is None


@pytest.mark.parametrize(
    "listed", ["*", "*.internal", "http://", "files.internal/x", "files.internal:port", "a b://", ":"]
)
def test_what_is_no_host_is_refused_at_once(listed: str):
    with pytest.raises(BadInput, match="is no host; expected host, host:port"):
        ArtifactHosts.of(listed, TRACKING)


# over real HTTP ----------------------------------------------------------------------------------------------------


@dataclass
class Stranger:
    """A server on this machine that writes down what it is sent; it hangs, redirects, or has a file."""

    address: str
    asked: list[dict[str, str]] = field(default_factory=list)
    redirect: str = ""
    answer: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            found.answer.wait(60)
            listing = json.dumps({"files": []}).encode()
            self.send_response(302 if found.redirect else 200)
            self.send_header("Location", found.redirect)
            self.send_header("Content-Length", str(len(listing)))
            self.end_headers()
            self.wfile.write(listing)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    found = Stranger(f"http://127.0.0.1:{server.server_port}/api/2.0/mlflow-artifacts/artifacts")
    found.answer.set()
    thread.start()
    yield found
    found.answer.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def template(with_mlflow: str) -> str:
    """These tests need no trained model."""
    return with_mlflow


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "our token")
    return "our token"


def foreign(store: Store, source: str, name: str = "foreign") -> None:
    store.client.create_registered_model(name)
    store.client.create_model_version(name, source)


def problem(database: Database, name: str = "foreign") -> str:
    with database.transaction() as transaction:
        row = transaction.one("live_version", name=name, version=1)
    assert row is not None
    return str(row["lineage_problem"])


def test_a_host_that_is_not_listed_is_sent_nothing(home: Settings, routes: Database, stranger: Stranger, token: str):
    store = open_store(home, routes.url)
    foreign(store, f"{stranger.address}/model")
    sync(store, routes)
    assert "can't be read" in problem(routes)
    assert "127.0.0.1 is not the tracking server" in problem(routes)
    for read in (mlflow.models.get_model_info, mlflow.pyfunc.load_model, mlflow.artifacts.download_artifacts):
        for uri in ("models:/foreign/1", f"{stranger.address}/model"):
            with pytest.raises(MlflowException, match=r"list 127\.0\.0\.1 in MLOPS_ARTIFACT_HOSTS"):
                read(uri)
    assert stranger.asked == []


def test_a_listed_host_is_asked_without_our_token_and_its_redirects_are_not_followed(
    home: Settings, routes: Database, stranger: Stranger, token: str
):
    place = urlsplit(stranger.address).netloc
    store = open_store(home.model_copy(update={"artifact_hosts": place}), routes.url)
    foreign(store, f"{stranger.address}/model")
    sync(store, routes)
    assert "MLmodel" in problem(routes), "it tells of no files"
    assert {asked.get("authorization") for asked in stranger.asked} == {None}
    stranger.redirect = stranger.address.replace("127.0.0.1", "localhost") + "/elsewhere"
    with pytest.raises(MlflowException, match="redirects to another address"):
        mlflow.models.get_model_info("models:/foreign/1")
    assert not [asked for asked in stranger.asked if "elsewhere" in asked["path"]]


def test_a_host_that_hangs_is_waited_for_once_and_holds_no_other_up(
    home: Settings, routes: Database, stranger: Stranger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mirror_lineage, "SECONDS", 2)
    stranger.answer.clear()
    store = open_store(home.model_copy(update={"artifact_hosts": urlsplit(stranger.address).netloc}), routes.url)
    foreign(store, tmp_path.as_uri(), "here")
    for number in range(30):
        foreign(store, f"{stranger.address}/{number}", f"far {number}")
    sync(store, routes, foreign=False)
    assert stranger.asked == [], "on the way to something else nobody is asked"
    first = sync(store, routes)
    assert len(stranger.asked) == 1
    assert first.waiting == 31 - 25, "so many are looked at in one sync"
    assert "its host did not answer in time" in problem(routes, "far 29")
    sync(store, routes)
    assert "MLmodel" in problem(routes, "here"), "what lies here was read"
    stranger.answer.set()


def test_the_tracking_server_is_sent_its_token_and_its_other_ports_are_not(
    tmp_path: Path, stranger: Stranger, token: str
):
    ours = stranger.address
    guard(ArtifactHosts.of("", f"http://{urlsplit(ours).netloc}"))
    get_artifact_repository(f"{ours}/model").list_artifacts()
    assert stranger.asked[-1]["authorization"] == f"Bearer {token}"
    with pytest.raises(MlflowException, match="is not the tracking server"):
        get_artifact_repository("http://127.0.0.1:1/api/2.0/mlflow-artifacts/artifacts/model")
    with pytest.raises(MlflowException, match="is not the tracking server"):
        get_artifact_repository("mlflow-artifacts://evil.example/model", tracking_uri=ours)
