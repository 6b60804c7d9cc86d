"""A delivery that is signed, new and of now is a hint; every other is refused with a reason, over real HTTP."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.webhooks import delivery

from mlops.config import Settings
from mlops.db import Database
from mlops.errors import BadInput, Refused
from mlops.tracking.bridge.watch import EVENTS, register_webhook
from mlops.tracking.store import Store, open_store
from mlops.web import server as listening
from mlops.web import webhooks
from mlops.web.server import parse_address, serving
from mlops.web.signature import TOLERANCE_SECONDS, objection, sign
from mlops.web.webhooks import MOST_BYTES, PATH, webhook_app

SECRET = "a secret of many letters"
EVENT = {"entity": "model_version_alias", "action": "created", "timestamp": "2026-11-22T10:00:00+00:00"}
BODY = json.dumps(EVENT | {"data": {"name": "demand", "alias": "champion", "version": "2"}}).encode()


@dataclass
class Endpoint:
    """A served application, and the hints that it gave."""

    url: str
    hints: list[str] = field(default_factory=list)

    def post(self, body: bytes = BODY, **headers: str) -> requests.Response:
        """Deliver, with MLflow's headers unless others are given; an empty one is left out."""
        delivery_id = headers.pop("id", str(uuid.uuid4()))
        timestamp = headers.pop("timestamp", str(int(time.time())))
        signature = headers.pop("signature", sign(SECRET, delivery_id, timestamp, body))
        sent = {
            "Content-Type": headers.pop("kind", "application/json"),
            "X-MLflow-Delivery-Id": delivery_id,
            "X-MLflow-Timestamp": timestamp,
            "X-MLflow-Signature": signature,
        }
        sent = {name: value for name, value in sent.items() if value}
        return requests.post(self.url, data=body, headers=sent, timeout=20)


@contextmanager
def endpoint(database: Database, secret: str = SECRET) -> Iterator[Endpoint]:
    hints: list[str] = []
    with serving(webhook_app(secret, database, hints.append), "127.0.0.1", 0) as address:
        yield Endpoint(address + PATH, hints)


@pytest.fixture(scope="module")
def database(new_database, migrated: str) -> Iterator[Database]:
    """A migrated database for all of these tests; each delivery has an id of its own."""
    with new_database("webhooks", template=migrated) as (_, url):
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def hook(database: Database) -> Iterator[Endpoint]:
    with endpoint(database) as served:
        yield served


def test_a_signed_delivery_is_taken_and_is_one_hint(hook: Endpoint):
    answer = hook.post()
    assert (answer.status_code, answer.json()) == (202, {"taken": "model_version_alias.created"})
    assert hook.hints == ["webhook"]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"signature": ""}, 401, "no header x-mlflow-signature"),
        ({"id": "", "signature": "v1,x"}, 401, "no header x-mlflow-delivery-id"),
        ({"timestamp": "", "signature": "v1,x"}, 401, "no header x-mlflow-timestamp"),
        ({"signature": "v1,AAAA"}, 401, "does not match"),
        ({"signature": sign("another secret", "1", "1", BODY)}, 401, "does not match"),
        ({"timestamp": "1700000000"}, 401, "5 minutes"),
        ({"timestamp": "4102444800"}, 401, "5 minutes"),
        ({"timestamp": "now"}, 401, "5 minutes"),
        ({"timestamp": "9" * 5000}, 401, "5 minutes"),
        ({"kind": "text/plain"}, 400, "text/plain; expected application/json"),
        ({"kind": ""}, 400, "of no type; expected application/json"),
        ({"body": b"{"}, 400, "not an event"),
        ({"body": b"[" * 100_000}, 400, "not an event"),
        ({"body": b"\xff"}, 400, "not an event"),
        ({"body": b'{"entity": "\\ud800", "action": "created"}'}, 400, "not an event"),
        ({"body": b'{"entity": "model\\u0000", "action": "created"}'}, 400, "not an event"),
        ({"body": b'{"entity": "model_version"}'}, 400, "not an event"),
        ({"body": b'{"entity": 1, "action": {}}'}, 400, "not an event"),
        ({"id": "x" * 201}, 400, "longer than 200"),
        ({"body": b"x" * (MOST_BYTES + 1)}, 413, "larger than 1,048,576 bytes"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_refused_says_why_and_is_no_hint(hook: Endpoint, change: dict, status: int, reason: str):
    answer = hook.post(**change)
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    assert hook.hints == []


def test_idle_connections_hold_no_delivery_up_and_are_closed(hook: Endpoint, monkeypatch: pytest.MonkeyPatch):
    place = hook.url.removeprefix("http://").partition("/")[0].split(":")
    monkeypatch.setattr(listening, "IDLE_SECONDS", 1)
    head = b"POST /webhooks/mlflow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    begun = [b"", b"POST /webhooks/mlflow HTT", head, head + b'{"entity":']
    with ExitStack() as stack:
        for number in range(listening.MOST_CONNECTIONS + 10):
            idle = stack.enter_context(socket.create_connection((place[0], int(place[1])), timeout=20))
            idle.sendall(begun[number % 2])
        assert hook.post().status_code == 202
        assert idle.recv(1) == b"", "the newest is closed, too, when nothing comes"
        for number in range(listening.MOST_CONNECTIONS + 10):
            half = stack.enter_context(socket.create_connection((place[0], int(place[1])), timeout=20))
            half.sendall(begun[2 + number % 2])
        assert hook.post().status_code == 202
    assert hook.hints == ["webhook"] * 2


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_ten_seconds(
    hook: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhooks, "BODY_SECONDS", 0.1)
    place = hook.url.removeprefix("http://").partition("/")[0].split(":")
    with socket.create_connection((place[0], int(place[1])), timeout=20) as slow:
        slow.sendall(b"POST /webhooks/mlflow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        slow.sendall(b"Content-Length: 100\r\n\r\n{")
        answer = b"".join(iter(lambda: slow.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not come within" in answer


def test_a_replay_is_refused_after_a_restart_and_by_another_process_too(database: Database):
    with endpoint(database) as before:
        assert before.post(id="once").status_code == 202
        assert before.post(id="once").status_code == 409
    again = Database(database.url)
    with endpoint(again) as after:
        answer = after.post(id="once")
        assert (answer.status_code, answer.json()) == (409, {"error": "this delivery was taken before"})
        assert after.post(id="twice").status_code == 202
    again.close()
    assert (before.hints, after.hints) == (["webhook"], ["webhook"])


def test_a_refused_delivery_may_come_again_in_order(hook: Endpoint):
    assert hook.post(id="one", signature="v1,AAAA").status_code == 401
    assert hook.post(id="one").status_code == 202, "a forger can't use up the id of another's delivery"


def test_deliveries_are_forgotten_when_their_timestamp_refuses_them(hook: Endpoint, database: Database):
    assert hook.post(id="old").status_code == 202
    with psycopg.connect(database.url) as connection:
        connection.execute("update analytics.webhook_deliveries set received_at = now() - interval '2 hours'")
    assert hook.post(id="new").status_code == 202
    with psycopg.connect(database.url) as connection:
        assert connection.execute("select delivery_id from analytics.webhook_deliveries").fetchall() == [("new",)]
    assert TOLERANCE_SECONDS * 2 < 3600


def test_without_the_database_the_answer_asks_for_another_delivery():
    with endpoint(Database("postgresql://x@127.0.0.1:1/none")) as hook:
        assert hook.post().status_code == 503
        assert hook.hints == []


def test_there_is_one_door_and_it_tells_nothing_about_itself(hook: Endpoint):
    assert requests.get(hook.url, timeout=20).status_code == 405
    for path in ("/", "/docs", "/openapi.json"):
        assert requests.get(hook.url.replace(PATH, path), timeout=20).status_code == 404
    assert "server" not in requests.get(hook.url, timeout=20).headers


def test_the_secret_is_never_logged(hook: Endpoint, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("DEBUG"):
        hook.post()
        hook.post(signature="v1,AAAA")
    assert "does not match" in caplog.text
    assert SECRET not in caplog.text


# the signature -----------------------------------------------------------------------------------------------------

HEADERS = {"x-mlflow-delivery-id": "a-1", "x-mlflow-timestamp": "1700000000"}
SIGNED = HEADERS | {"x-mlflow-signature": sign(SECRET, "a-1", "1700000000", BODY)}
NOW = 1_700_000_000.0


def test_the_signature_is_mlflow_s():
    assert sign(SECRET, "a-1", "1700000000", BODY) == delivery._generate_hmac_signature(
        SECRET, "a-1", "1700000000", BODY.decode()
    )
    assert objection(SECRET, SIGNED, BODY, NOW) is None


@given(place=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_any_change_of_one_byte_of_the_body_is_refused(place: int, byte: int):
    changed = BODY[:place] + bytes([byte]) + BODY[place + 1 :]
    assert (objection(SECRET, SIGNED, changed, NOW) is None) == (changed == BODY)


@given(name=st.sampled_from(sorted(SIGNED)), place=st.integers(0, 100), letter=st.characters(max_codepoint=255))
@example(name="x-mlflow-signature", place=46, letter="=")
@example(name="x-mlflow-timestamp", place=9, letter="²")
def test_any_change_of_one_letter_of_a_header_is_refused(name: str, place: int, letter: str):
    value = SIGNED[name]
    place %= len(value)
    changed = value[:place] + letter + value[place + 1 :]
    assert (objection(SECRET, SIGNED | {name: changed}, BODY, NOW) is None) == (changed == value)


@given(body=st.binary(max_size=200), cut=st.integers(1, 200))
def test_a_body_that_is_cut_or_added_to_is_refused(body: bytes, cut: int):
    headers = HEADERS | {"x-mlflow-signature": sign(SECRET, "a-1", "1700000000", body)}
    assert objection(SECRET, headers, body, NOW) is None
    assert objection(SECRET, headers, body + b"x" * cut, NOW)
    assert not body or objection(SECRET, headers, body[:-cut], NOW)


@given(late=st.floats(-1e6, 1e6))
def test_a_delivery_counts_for_five_minutes_around_its_timestamp(late: float):
    assert (objection(SECRET, SIGNED, BODY, NOW + late) is None) == (abs(late) <= TOLERANCE_SECONDS)


# listening ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:8808", ("127.0.0.1", 8808)),
        (":8808", ("127.0.0.1", 8808)),
        ("[::1]:80", ("::1", 80)),
        ("mlops.internal:0", ("mlops.internal", 0)),
    ],
)
def test_an_address_is_host_and_port(text: str, place: tuple[str, int]):
    assert parse_address(text) == place


@pytest.mark.parametrize("text", ["", "8808", "localhost", "localhost:", "localhost:http", "h:65536", "h:²", "h:-1"])
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(BadInput, match="expected HOST:PORT"):
        parse_address(text)


def test_a_port_that_is_taken_is_refused(database: Database):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(Refused, match=rf"can't listen at 127.0.0.1:{port}: Address already in use"),
            serving(webhook_app(SECRET, database, print), "127.0.0.1", port),
        ):
            pass


# MLflow's own deliveries -------------------------------------------------------------------------------------------


@pytest.fixture
def server(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store behind an MLflow server that may deliver to this machine, by HTTP and without trying again."""
    from mlflow.server import app, handlers
    from werkzeug.serving import make_server

    assert home.database_url
    direct = open_store(home, home.database_url)
    for name, value in {
        "_MLFLOW_SERVER_FILE_STORE": direct.uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": direct.uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": home.artifacts.as_uri(),
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    for module, names in {
        delivery: ("_webhook_session", "_webhook_cache"),
        handlers: ("_tracking_store", "_model_registry_store"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, None)
    served = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield open_store(
        home.model_copy(update={"mlflow_tracking_uri": f"http://127.0.0.1:{served.port}"}), home.database_url
    )
    served.shutdown()
    thread.join()
    served.server_close()


def test_what_happens_in_mlflow_arrives_here_signed(server: Store, home: Settings):
    database = Database(str(home.database_url))
    with endpoint(database) as hook:
        first, again = register_webhook(server, hook.url, SECRET), register_webhook(server, hook.url, SECRET)
        assert (first.new, first.delivered, again.new, again.delivered) == (True, True, False, True), first.answer
        assert first.webhook_id == again.webhook_id
        del hook.hints[:]
        client = server.client
        client.create_registered_model("demand")
        client.create_model_version("demand", "s3://bucket/model")
        client.set_model_version_tag("demand", "1", "k", "v")
        client.delete_model_version_tag("demand", "1", "k")
        client.set_registered_model_alias("demand", "champion", "1")
        client.delete_registered_model_alias("demand", "champion")
        end = time.monotonic() + 20
        while len(hook.hints) < len(EVENTS) and time.monotonic() < end:
            time.sleep(0.02)
        assert hook.hints == ["webhook"] * len(EVENTS)
        wrong = register_webhook(server, hook.url, "another secret")
        assert (wrong.delivered, wrong.answer[:4]) == (False, "401 ")
    with pytest.raises(Refused, match=r"MLflow refuses the webhook: .*scheme: 'ftp'"):
        register_webhook(server, "ftp://127.0.0.1/webhooks/mlflow", SECRET)
    database.close()


def test_without_a_server_there_are_no_webhooks(home: Settings):
    store = open_store(home, str(home.database_url))
    with pytest.raises(Refused, match="set MLFLOW_TRACKING_URI to its address"):
        register_webhook(store, "https://mlops.internal/webhooks/mlflow", SECRET)
