"""What a request costs beside its answer: its key, its count, and a span or a line of the log where these are wanted.

    python -m benchmarks.serving.door

CPU microseconds a request in one thread, the least of five rounds; no network, no database, an answer that is ready.
"""

import asyncio
import io
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from mlops.access import Caller, KeyRing
from mlops.access.keys import digest_of
from mlops.access.rate import RateLimit
from mlops.access.ring import HeldKey
from mlops.access.roles import scopes_of
from mlops.web.access import Door
from mlops.web.logs import RequestLines, log_as_json
from mlops.web.metrics import Metrics
from mlops.web.tracing import traced

REQUESTS, ROUNDS = 20_000, 5
KEY_ID = "0a" * 6
KEY = f"mlops_{KEY_ID}_{'1b' * 32}".encode()
HEADERS = [
    (b"host", b"127.0.0.1:8808"),
    (b"user-agent", b"python-requests/2.32"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept", b"*/*"),
    (b"connection", b"keep-alive"),
    (b"content-type", b"application/json"),
    (b"content-length", b"300"),
]


def main() -> None:
    limit = RateLimit(10_000_000, 1_000_000)
    with_key = [*HEADERS, (b"authorization", b"Bearer " + KEY)]
    doors = {
        "local, without a key": (door(None, open_to_local=True), HEADERS),
        "a key": (door(None, open_to_local=False), with_key),
        "a key with a limit": (door(limit, open_to_local=False), with_key),
        "refused: no key": (door(None, open_to_local=False), HEADERS),
        "refused: an unknown key": (door(None, open_to_local=False), [*HEADERS, (b"x-api-key", b"mlops_x")]),
    }
    for name, (guard, headers) in doors.items():
        scope: dict[str, Any] = {"client": ("127.0.0.1", 5), "headers": headers}
        show(name, cost(lambda guard=guard, scope=scope: guard.admit(scope, "score")))
    counting = Metrics()
    show("counted", cost(lambda: counting.answered("demand", 3, 200, 0.0002)))
    bare = answers(answer)
    show("a span, above the bare answer", answers(stack=traced) - bare)
    log_as_json(stream=io.StringIO())
    show("a line of the log, above the bare answer", answers(RequestLines(answer)) - bare)
    logging.getLogger("mlops").setLevel(logging.WARNING)
    show("the same, when the level hides it", answers(RequestLines(answer)) - bare)


def door(limit: RateLimit | None, *, open_to_local: bool) -> Door:
    """A door that knows one key."""
    ring = KeyRing(None)  # type: ignore[arg-type]  # it reads none
    caller = Caller("bench", KEY_ID, "scientist", scopes_of("scientist"))
    ring._held = {KEY_ID: HeldKey(caller, digest_of(KEY), math.inf, limit)}
    return Door(ring, open_to_local=open_to_local)


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    """An answer that costs nothing."""
    headers = [(b"x-request-id", b"0197-1"), (b"x-model-version", b"demand/3")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


def answers(app: Any = answer, stack: Any = None) -> float:
    """CPU seconds a request of an application, with what stands before it."""
    scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": HEADERS}

    async def send(_message: Any) -> None:
        pass

    async def ask(app: Any) -> None:
        for _ in range(REQUESTS // 4):
            await app(dict(scope), send, send)

    with ExitStack() as opened:
        if stack is not None:
            opened.enter_context(collector())
            app = opened.enter_context(stack(app))
        return min(spent(lambda: asyncio.run(ask(app))) for _ in range(ROUNDS)) / (REQUESTS // 4)


@contextmanager
def collector() -> Iterator[None]:
    """Takes spans, and has tracing switched on."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    yield
    server.shutdown()


def cost(act: Callable[[], object]) -> float:
    """CPU seconds an act."""

    def repeat() -> None:
        for _ in range(REQUESTS):
            act()

    return min(spent(repeat) for _ in range(ROUNDS)) / REQUESTS


def spent(act: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    act()
    return time.process_time() - began


def show(name: str, seconds: float) -> None:
    print(f"{name:<42} {1e6 * seconds:6.1f} µs")


if __name__ == "__main__":
    main()
