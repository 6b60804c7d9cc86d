"""Traces by OpenTelemetry, off unless its own variables name a collector: a span for each request.

While it is off, nothing stands before the application. A trace that a client has begun
(`traceparent`, W3C) goes on here. Spans hold method, path, status, the request's id and the model's version; no header
beside those, no query, no body.
"""

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from mlops.errors import Misused
from mlops.version import __version__
from mlops.web.scoring import ASGI, Receive, Send

__all__ = ["traced"]

COLLECTOR = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Any of these turns tracing on; the library reads them, and all its other variables, itself."""

CONTEXT = frozenset({b"traceparent", b"tracestate"})
ANSWERED = {b"x-request-id": "mlops.request_id", b"x-model-version": "mlops.model_version"}
"""Headers of an answer that a span holds, with the attribute's name."""


@contextmanager
def traced(app: ASGI) -> Iterator[ASGI]:
    """The application with a span for each of its requests; the same one while tracing is off.

    Spans leave in batches, by a thread of the library's; those that wait are sent when the block ends. Misused where a
    collector is named and the library is not installed.
    """
    named = [name for name in COLLECTOR if os.environ.get(name)]
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    if not named or off:
        yield app
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        what = "the extra tracing is not installed (opentelemetry-exporter-otlp-proto-http)"
        raise Misused(f"{named[0]} is set, but {what}; install it, or unset that") from None
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    names = {SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "mlops"), SERVICE_VERSION: __version__}
    provider = TracerProvider(resource=Resource.create(names))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield Traced(app, provider.get_tracer("mlops", __version__))
    finally:
        provider.shutdown()


class Traced:
    """An ASGI application in front of another one."""

    def __init__(self, app: ASGI, tracer: Any) -> None:
        from opentelemetry.trace import SpanKind, StatusCode, use_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app, self._tracer, self._use = app, tracer, use_span
        self._extract = TraceContextTextMapPropagator().extract
        self._server, self._failed = SpanKind.SERVER, StatusCode.ERROR

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        given = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CONTEXT}
        span = self._tracer.start_span(
            f"{method} {_route(path)}",
            context=self._extract(given),
            kind=self._server,
            attributes={"http.request.method": method, "url.path": path},
        )

        async def seen(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                for name, value in message.get("headers", ()):
                    if name in ANSWERED:
                        span.set_attribute(ANSWERED[name], value.decode("latin-1"))
                if message["status"] >= 500:
                    span.set_status(self._failed)
            await send(message)

        # the text of an exception may repeat what was sent
        with self._use(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                await self._app(scope, receive, seen)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(self._failed)
                raise


def _route(path: str) -> str:
    """A name that many paths share, as spans are grouped by it: names of models and numbers are left out."""
    return "/invocations" if path.endswith("/invocations") else "/" + path.lstrip("/").partition("/")[0]
