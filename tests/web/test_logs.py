"""Logs of the server: a JSON object a line, with the request's id, and without what was sent."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from mlops.access import LOCAL
from mlops.errors import Refused
from mlops.web.access import CALLER
from mlops.web.logs import RequestLines, log_as_json


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as the server logs it; afterwards logging is as it was."""
    root, ours = logging.getLogger(), logging.getLogger("mlops")
    before = root.handlers, root.level, ours.level, logging.getLogRecordFactory()
    stream = io.StringIO()
    log_as_json(stream=stream)
    yield stream
    root.handlers, root.level, ours.level = before[:3]
    logging.setLogRecordFactory(before[3])


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def ask(status: int | None) -> None:
    """One request, answered with a status or not at all."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope[CALLER] = LOCAL
        if status is None:
            raise ValueError("could not convert string to float: 'Ann'")
        headers = [(b"x-request-id", b"r-1"), (b"x-model-version", b"demand/3"), (b"set-cookie", b"s3cret")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"Ann"})

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": "/in\nvocations", "query_string": b"key=s3cret", "headers": []}
    asyncio.run(RequestLines(app)(scope, send, send))


def test_a_request_is_one_line_with_its_id(lines: io.StringIO):
    ask(200)
    (line,) = read(lines)
    assert line.pop("milliseconds") >= 0
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "mlops.requests",
        "message": "POST /in\nvocations: 200",
        "request_id": "r-1",
        "method": "POST",
        "path": "/in\nvocations",
        "status": 200,
        "model_version": "demand/3",
        "caller": "local",
    }
    assert "s3cret" not in lines.getvalue()


def test_a_request_that_broke_is_an_error(lines: io.StringIO):
    with pytest.raises(ValueError, match="Ann"):
        ask(None)
    ask(503)
    assert [line["level"] for line in read(lines)] == ["error", "error"]
    assert "Ann" not in lines.getvalue()


def test_the_text_of_an_exception_is_left_out_unless_it_is_ours(lines: io.StringIO):
    log = logging.getLogger("mlops.web.scoring")
    try:
        try:
            float("Ann")
        except ValueError as error:
            raise Refused("the model failed on this input") from error
    except Refused:
        log.exception("models:/demand/3 failed on request r-1")
    (line,) = read(lines)
    assert (line["message"], line["level"]) == ("models:/demand/3 failed on request r-1", "error")
    assert (line["error"]["type"], line["error"]["message"]) == ("Refused", "the model failed on this input")
    assert line["error"]["cause"]["type"] == "ValueError"
    assert "test_logs.py:" in line["error"]["cause"]["at"][-1]
    assert "Ann" not in lines.getvalue()


def test_who_looks_for_a_fault_sees_it_all(lines: io.StringIO):
    log_as_json(stream=lines, whole=True)
    try:
        float("Ann")
    except ValueError:
        logging.getLogger("mlops").exception("it failed")
    assert read(lines)[0]["error"]["message"] == "could not convert string to float: 'Ann'"


def test_libraries_are_heard_from_warnings_on(lines: io.StringIO):
    for name in ("mlops.serving", "httpx", "opentelemetry"):
        logging.getLogger(name).info("chatter of %s", name)
        logging.getLogger(name).warning("trouble of %s", name)
    assert [line["message"] for line in read(lines)] == [
        "chatter of mlops.serving", "trouble of mlops.serving", "trouble of httpx", "trouble of opentelemetry",
    ]  # fmt: skip
