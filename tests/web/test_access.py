"""Who passes the door of a server, on the bare ASGI path and through FastAPI alike."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from mlops.access import LOCAL, Caller, KeyRing, NewKey, create_key, revoke_key
from mlops.access.rate import RateLimit
from mlops.db import Database
from mlops.errors import DatabaseUnavailable, Refused
from mlops.web.access import Denied, Door, answer_denied, caller_with, is_loopback, open_door

HERE = ("127.0.0.1", 50_000)
HOST = (b"host", b"127.0.0.1:8808")


@pytest.fixture(scope="module")
def database(new_database, migrated: str) -> Iterator[Database]:
    """A migrated database for all of these tests."""
    with new_database("access", template=migrated) as (_, url):
        database = Database(url)
        yield database
        database.close()


@pytest.fixture(scope="module")
def scientist(database: Database) -> NewKey:
    return create_key(database, "the web shop", "scientist")


@pytest.fixture(scope="module")
def viewer(database: Database) -> NewKey:
    return create_key(database, "a dashboard", "viewer")


@pytest.fixture(scope="module")
def ring(database: Database, scientist: NewKey, viewer: NewKey) -> KeyRing:
    ring = KeyRing(database)
    ring.read()
    return ring


@pytest.fixture(scope="module")
def local(ring: KeyRing) -> Door:
    """The door of a server that listens at 127.0.0.1."""
    return Door(ring, open_to_local=True)


@pytest.fixture(scope="module")
def public(ring: KeyRing) -> Door:
    """The door of a server that listens at all addresses."""
    return Door(ring, open_to_local=False)


def scope(*headers: tuple[bytes, bytes], client: tuple[str, int] | None = HERE) -> dict[str, Any]:
    return {"type": "http", "client": client, "headers": [HOST, *headers]}


def bearer(key: NewKey) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + key.secret.encode()


def status(answer: Caller | Denied) -> int:
    return answer.status if isinstance(answer, Denied) else 200


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_who_asks_from_this_machine_needs_no_key(local: Door, client: str):
    assert local.admit(scope(client=(client, 1)), "administer") is LOCAL


@pytest.mark.parametrize(
    "client", [("10.0.0.7", 1), ("::ffff:10.0.0.7", 1), ("fe80::1%eth0", 1), ("testclient", 1), None]
)
def test_who_asks_from_elsewhere_needs_one(local: Door, client: tuple[str, int] | None):
    assert status(local.admit(scope(client=client), "read")) == 401


@pytest.mark.parametrize("value", [b"127.0.0.1", b"::1", b"10.0.0.7", b"", b"for=127.0.0.1"])
@pytest.mark.parametrize(
    "name",
    [b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-client-cert", b"forwarded", b"via",
     b"x-real-ip", b"true-client-ip", b"cf-connecting-ip", b"x-envoy-external-address"],
)  # fmt: skip
def test_what_came_through_a_proxy_is_not_local(local: Door, name: bytes, value: bytes):
    assert status(local.admit(scope((name, value)), "read")) == 401
    assert status(local.admit(scope((name, value), client=("10.0.0.7", 1)), "read")) == 401


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        (b"localhost:8808", b"", 200),
        (b"[::1]:8808", b"http://localhost:3000", 200),
        (b"LOCALHOST", b"", 200),
        (b"evil.example:8808", b"", 401),
        (b"127.0.0.1.evil.example", b"", 401),
        (b"127.0.0.1:8808", b"https://evil.example", 401),
        (b"127.0.0.1:8808", b"null", 401),
    ],
)
def test_a_page_of_elsewhere_in_a_browser_of_this_machine_is_not_local(
    local: Door, host: bytes, origin: bytes, expected: int
):
    headers = [(b"host", host), *([(b"origin", origin)] if origin else [])]
    assert status(local.admit({"client": HERE, "headers": headers}, "read")) == expected


def test_a_server_that_others_reach_wants_a_key_of_everybody(public: Door, scientist: NewKey):
    assert status(public.admit(scope(), "read")) == 401
    assert status(public.admit(scope(bearer(scientist)), "score")) == 200


@pytest.mark.parametrize(
    "header",
    [
        lambda key: (b"authorization", b"Bearer " + key),
        lambda key: (b"authorization", b"bearer   " + key),
        lambda key: (b"x-api-key", key),
    ],
)
def test_a_key_is_taken_from_either_header(public: Door, scientist: NewKey, header: Any):
    caller = public.admit(scope(header(scientist.secret.encode()), client=("10.0.0.7", 1)), "score")
    assert isinstance(caller, Caller)
    assert caller.label == f"the web shop ({scientist.key.key_id})"


def test_a_proxys_own_password_beside_the_key_does_no_harm(public: Door, scientist: NewKey):
    basic = (b"authorization", b"Basic dXNlcjpwYXNz")
    assert status(public.admit(scope(basic), "score")) == 401
    assert status(public.admit(scope(basic, (b"x-api-key", scientist.secret.encode())), "score")) == 200


def test_a_key_that_is_shown_is_looked_at_here_too(local: Door, viewer: NewKey):
    assert status(local.admit(scope(bearer(viewer)), "read")) == 200
    assert status(local.admit(scope(bearer(viewer)), "score")) == 403
    assert status(local.admit(scope((b"authorization", b"Bearer wrong")), "read")) == 401
    assert status(local.admit(scope((b"authorization", b"Bearer ")), "read")) == 401
    assert status(local.admit(scope((b"x-api-key", b"")), "read")) == 401


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"x-api-key", b"host", b"origin", b"x-forwarded-for", b"accept"]),
            st.one_of(
                st.binary(max_size=90),
                st.sampled_from([b"Bearer ", b"127.0.0.1", b"Bearer mlops_" + b"0" * 12 + b"_" + b"0" * 64]),
            ),
        ),
        max_size=6,
    )
)
def test_no_headers_break_the_door_or_open_it(headers: list[tuple[bytes, bytes]]):
    door = Door(KeyRing(None), open_to_local=False)  # type: ignore[arg-type]  # it holds no key
    answer = door.admit({"client": HERE, "headers": headers}, "read")
    assert isinstance(answer, Denied)
    assert answer.status == 401
    assert json.loads(answer.body)["error_code"] == "UNAUTHENTICATED"


# what is answered


@pytest.fixture
def limited(database: Database) -> NewKey:
    return create_key(database, "a loop", "scientist", limit=RateLimit(1, 1))


def test_each_refusal_has_its_status_its_code_and_its_headers(database: Database, viewer: NewKey, limited: NewKey):
    ring = KeyRing(database, clock=lambda: 1_800_000_000.0)
    ring.read()
    door = Door(ring, open_to_local=False)
    assert isinstance(door.admit(scope(bearer(limited)), "score"), Caller)
    answers = [
        door.admit(scope(), "score"),
        door.admit(scope(bearer(viewer)), "score"),
        door.admit(scope(bearer(limited)), "score"),
    ]
    shown = []
    for answer in answers:
        assert isinstance(answer, Denied)
        headers = dict(answer.headers)
        assert int(headers[b"content-length"]) == len(answer.body)
        assert headers[b"content-type"] == b"application/json"
        document = json.loads(answer.body)
        assert set(document) == {"error_code", "message"}
        shown.append(
            (answer.status, document["error_code"], headers.get(b"www-authenticate"), headers.get(b"retry-after"))
        )
    assert shown == [
        (401, "UNAUTHENTICATED", b'Bearer realm="mlops"', None),
        (403, "PERMISSION_DENIED", None, None),
        (429, "REQUEST_LIMIT_EXCEEDED", None, b"60"),
    ]


def both(door: Door) -> Any:
    """An application whose /bare is answered without FastAPI, and the rest with it."""
    app = FastAPI()
    answer_denied(app)

    @app.get("/read")
    async def read(caller: Annotated[Caller, caller_with(door, "read")]) -> dict[str, str]:
        return {"caller": caller.name}

    @app.post("/score")
    async def score(caller: Annotated[Caller, caller_with(door, "score")]) -> dict[str, str]:
        return {"caller": caller.name}

    async def front(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/bare":
            await app(scope, receive, send)
            return
        admitted = door.admit(scope, "score")
        if isinstance(admitted, Denied):
            await admitted.send(send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    front.openapi = app.openapi  # type: ignore[attr-defined]
    return front


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Over real HTTP, as a server of the product runs: no header makes a client somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", proxy_headers=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_both_paths_answer_alike_over_http(public: Door, scientist: NewKey, viewer: NewKey):
    with served(both(public)) as address, httpx.Client(base_url=address) as client:
        for headers, expected in (({}, 401), ({"X-API-Key": viewer.secret}, 403), ({"X-API-Key": "mlops_x"}, 401)):
            bare, routed = client.post("/bare", headers=headers), client.post("/score", headers=headers)
            assert bare.status_code == routed.status_code == expected
            assert bare.content == routed.content
            ours = ("content-type", "content-length", "www-authenticate", "retry-after")
            assert [bare.headers.get(name) for name in ours] == [routed.headers.get(name) for name in ours]
        assert client.get("/read", headers={"Authorization": f"Bearer {viewer.secret}"}).json() == {
            "caller": "a dashboard"
        }
        assert client.post("/bare", headers={"X-API-Key": scientist.secret}).status_code == 200


def test_locally_over_http_a_forwarded_request_needs_a_key(local: Door, viewer: NewKey):
    with served(both(local)) as address, httpx.Client(base_url=address) as client:
        assert client.get("/read").json() == {"caller": "local"}
        for name, value in (("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"), ("Via", "1.1 x")):
            assert client.get("/read", headers={name: value}).status_code == 401
            keyed = client.get("/read", headers={name: value, "X-API-Key": viewer.secret})
            assert keyed.json() == {"caller": "a dashboard"}


def test_the_openapi_document_says_how_a_key_is_sent(public: Door):
    document = both(public).openapi()
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}
    assert document["paths"]["/read"]["get"]["security"]


def test_no_secret_reaches_a_log_or_an_answer(public: Door, viewer: NewKey, caplog: pytest.LogCaptureFixture):
    wrong = "mlops_" + viewer.key.key_id + "_" + "5eadbeef" * 8
    with caplog.at_level(logging.DEBUG), served(both(public)) as address, httpx.Client(base_url=address) as client:
        answers = [
            client.post(path, headers={header: value})
            for path in ("/bare", "/score", "/nowhere")
            for secret in (viewer.secret, wrong)
            for header, value in (("X-API-Key", secret), ("Authorization", f"Bearer {secret}"))
        ]
    said = caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)
    assert viewer.secret[-64:] not in said
    assert wrong[-64:] not in said


# whether a server may begin


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.1.2.3", True), ("0.0.0.0", False), ("::", False),
     ("", False), ("192.168.1.5", False), ("mlops.example", False), ("localhost.example", False)],
)  # fmt: skip
def test_which_address_only_this_machine_reaches(host: str, expected: bool):
    assert is_loopback(host) is expected


def test_a_server_that_others_reach_does_not_begin_without_keys(new_database, migrated: str):
    with new_database("nokeys", template=migrated) as (_, url):
        database = Database(url)
        with pytest.raises(Refused, match=r"at 0\.0\.0\.0, for there is no API key; make one \(`mlops keys create"):
            open_door(database, "0.0.0.0").__enter__()
        with open_door(database, "127.0.0.1") as door:
            assert door.admit(scope(), "read") is LOCAL
        new = create_key(database, "a", "viewer")
        with open_door(database, "0.0.0.0") as door:
            assert status(door.admit(scope(bearer(new)), "read")) == 200
        revoke_key(database, new.key.key_id)
        with pytest.raises(Refused):
            open_door(database, "0.0.0.0").__enter__()
        database.close()


def test_without_a_database_only_a_server_for_this_machine_begins():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = Database(f"postgresql://nobody@127.0.0.1:{port}/nowhere")
    with open_door(nowhere, "127.0.0.1") as door:
        assert door.admit(scope(), "read") is LOCAL
        assert status(door.admit(scope((b"x-api-key", b"mlops_x")), "read")) == 401
    with pytest.raises(DatabaseUnavailable):
        open_door(nowhere, "0.0.0.0").__enter__()


def test_a_refusal_is_sent_whole(public: Door):
    denied, sent = public.admit(scope(), "read"), []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    assert isinstance(denied, Denied)
    asyncio.run(denied.send(send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
