"""Traces: off and free unless a collector is named; then a span for each request, over real HTTP, without secrets."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.postgres.sinks import Http, http

from mlops.errors import Misused
from mlops.web.tracing import traced

KEY = "mlops_" + "0a" * 6 + "_" + "5e" * 32
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Http]:
    """A collector of this machine, named in the environment."""
    with http() as sink:
        sink.status = 200
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{sink.port}/v1/traces")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        yield sink


def spans(sink: Http) -> list[Span]:
    """What the collector was sent."""
    requests = [ExportTraceServiceRequest.FromString(body) for _, body in sink.taken]
    return [span for sent in requests for part in sent.resource_spans for of in part.scope_spans for span in of.spans]


def attributes(span: Span) -> dict[str, Any]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


def answering(status: int, error: Exception | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-request-id", b"r-1"), (b"x-model-version", b"demand/3"), (b"set-cookie", b"s3cret")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})
        if error is not None:
            raise error

    return app


def ask(app: Any, path: str = "/models/demand@champion/invocations", **headers: str) -> list[Any]:
    """What one request is answered."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"Ann's secret", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"key=s3cret", "headers": given}
    with ThreadPoolExecutor(1) as pool:  # this thread may have a loop that a browser's tests have begun
        pool.submit(asyncio.run, app(scope, receive, send)).result()
    return sent


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_tracing_that_is_off_leaves_the_application_as_it_is(environment: dict[str, str], monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = answering(200)
    with traced(app) as same:
        assert same is app


def test_tracing_that_is_off_imports_no_exporter():
    script = "import mlops.web.tracing, sys; print('opentelemetry.exporter' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_request_is_a_span_of_the_clients_trace(collector: Http):
    with traced(answering(200)) as app:
        sent = ask(app, traceparent=PARENT)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    (span,) = spans(collector)
    assert (span.name, span.kind) == ("POST /invocations", Span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (PARENT[3:35], PARENT[36:52])
    assert attributes(span) == {
        "http.request.method": "POST",
        "url.path": "/models/demand@champion/invocations",
        "http.response.status_code": 200,
        "mlops.request_id": "r-1",
        "mlops.model_version": "demand/3",
    }


def test_a_trace_that_is_not_sampled_stays_so(collector: Http):
    with traced(answering(200)) as app:
        ask(app, traceparent=PARENT[:-1] + "0")
    assert spans(collector) == []


def test_a_header_that_is_no_trace_begins_a_new_one(collector: Http):
    with traced(answering(200)) as app:
        ask(app, path="/forecasts/17", traceparent="nonsense")
    (span,) = spans(collector)
    assert (span.name, span.parent_span_id) == ("POST /forecasts", b"")


def test_a_failure_is_marked_and_its_text_stays_here(collector: Http):
    error = ValueError("could not convert string to float: 'Ann'")
    with traced(answering(500, error)) as app, pytest.raises(ValueError, match="Ann"):
        ask(app, authorization=f"Bearer {KEY}")
    (span,) = spans(collector)
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "ValueError"
    everything = b"".join(body for _, body in collector.taken)
    for secret in (b"Ann", KEY.encode(), b"s3cret", b"Bearer"):
        assert secret not in everything


def test_a_collector_that_is_away_costs_no_request(monkeypatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with caplog.at_level(logging.CRITICAL), traced(answering(200)) as app:
        assert len(ask(app)) == 2


def test_a_collector_without_the_library_is_refused_before_anything_is_served(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(Misused, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT is set, but the extra tracing is not installed"):
        traced(answering(200)).__enter__()
