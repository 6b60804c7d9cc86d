"""What a request may cost, and what is answered when a server can't or won't: JSON, and never a word of the input."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.web.one_model import parts_of

from mlops.policy import LimitPolicy
from mlops.tracking.scoring import Scored
from mlops.web.app import build_app
from mlops.web.scoring import Target

BODY = b'{"inputs": [1]}'
HEAD = {"content-type": "application/json"}


class Model:
    """A scorer that answers in the pool, by what it is given."""

    def __init__(self, answer: Callable[[], Scored]) -> None:
        self.answer = answer

    def inline(self, *_: Any) -> Scored | None:
        return None

    def score(self, *_: Any) -> Scored:
        return self.answer()


def one() -> Scored:
    return Scored(b'{"predictions":[1]}', 1)


def client(model: Any, limits: LimitPolicy | None = None, records: list[Any] | None = None) -> TestClient:
    app = build_app(parts_of(model, limits, records), Target("m", "champion"))
    return TestClient(app, raise_server_exceptions=False)


def test_a_failure_of_the_servers_own_is_json_and_tells_nothing_of_it(caplog: pytest.LogCaptureFixture):
    def broken() -> Scored:
        raise RuntimeError("SECRET")

    answer = client(Model(broken)).post("/invocations", content=BODY, headers=HEAD)
    assert (answer.status_code, answer.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "SECRET" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text


def test_what_a_caller_says_of_its_request_is_logged_or_refused():
    records: list[Any] = []
    asked = client(Model(one), records=records)
    good = asked.post("/invocations", content=BODY, headers=HEAD | {"x-business-context": '{"route": 7}'})
    assert (good.status_code, records[0].context) == (200, b'{"route": 7}')
    for wrong in ("{", "[1]", json.dumps({"a": "x" * 5000})):
        answer = asked.post("/invocations", content=BODY, headers=HEAD | {"x-business-context": wrong})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    assert len(records) == 1


def test_a_request_keeps_the_id_that_its_client_gave_it():
    records: list[Any] = []
    asked = client(Model(one), records=records)
    answer = asked.post("/invocations", content=BODY, headers=HEAD | {"x-request-id": "order-17"})
    assert (answer.headers["x-request-id"], records[0].request_id) == ("order-17", "order-17")
    odd = asked.post("/invocations", content=BODY, headers=HEAD | {"x-request-id": "two words"})
    assert odd.headers["x-request-id"] != "two words"


@pytest.mark.parametrize("parts", [1, 3])
def test_a_body_that_is_too_large_is_refused(parts: int):
    asked = client(Model(one), LimitPolicy(body_mb=0.001))
    content: Any = b"x" * 2000 if parts == 1 else iter([b"x" * 700] * parts)
    answer = asked.post("/invocations", content=content, headers=HEAD)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "REQUEST_LIMIT_EXCEEDED")


def test_more_than_may_wait_are_told_to_come_again():
    go = threading.Event()

    def slow() -> Scored:
        assert go.wait(30)
        return one()

    app = build_app(parts_of(Model(slow), LimitPolicy(concurrency=1, waiting=1)), Target("m", "champion"))
    with TestClient(app) as asked, ThreadPoolExecutor(2) as pool:
        running = [pool.submit(asked.post, "/invocations", content=BODY, headers=HEAD) for _ in range(2)]
        end = time.monotonic() + 30
        while app.running < 2 and time.monotonic() < end:
            time.sleep(0.01)
        answer = asked.post("/invocations", content=BODY, headers=HEAD)
        go.set()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert [each.result().status_code for each in running] == [200, 200]


def test_a_call_that_takes_too_long_is_given_up():
    go = threading.Event()

    def never() -> Scored:
        go.wait(30)
        return one()

    answer = client(Model(never), LimitPolicy(seconds=0.2)).post("/invocations", content=BODY, headers=HEAD)
    go.set()
    assert (answer.status_code, answer.headers["content-type"]) == (504, "application/json")
