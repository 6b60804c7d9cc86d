"""Who may pass: an API key in `Authorization: Bearer …` or `X-API-Key`, looked at before anything of a request is read.

A server that listens at this machine's own address (127.0.0.1, ::1) needs no key of whoever asks it directly. Nobody
can make himself local by a header: one that proxies add (`X-Forwarded-For`, `Via` …) means that somebody else asks, and
so does a foreign `Host` or `Origin`, with which a page in a browser of this machine would ask. A server that listens
elsewhere needs a key of everybody, also from here: a proxy or a container's network may stand between without a word.
"""

import ipaddress
import json
import math
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.security import APIKeyHeader, HTTPBearer

from mlops.access import LOCAL, Caller, KeyRing, Rejection, Scope
from mlops.db import Database
from mlops.errors import DatabaseUnavailable, Refused

__all__ = ["CALLER", "Denied", "Door", "answer_denied", "caller_with", "is_loopback", "open_door"]

FORWARDED = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-forwarded-for",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
    }
)
"""Headers that proxies add, beside all of `X-Forwarded-…` and `X-Envoy-…`."""
PROXIES = (b"x-forwarded", b"x-envoy-")
STATUS = {"key": (401, "UNAUTHENTICATED"), "scope": (403, "PERMISSION_DENIED"), "rate": (429, "REQUEST_LIMIT_EXCEEDED")}
"""MLflow's codes (`mlflow.exceptions.ERROR_CODE_TO_HTTP_STATUS`)."""
CALLER = "mlops.caller"
"""In an ASGI scope: the Caller, for logs."""
NO_KEY = Rejection("key", "an API key is needed, as `Authorization: Bearer KEY` or `X-API-Key: KEY`")


@dataclass(frozen=True, slots=True)
class Denied:
    """An answer in place of the one that was asked for: 401, 403 or 429, in JSON, in the form of MLflow's errors."""

    status: int
    code: str
    message: str
    retry_after: int = 0
    """Seconds; 0 where waiting would not help."""

    @property
    def body(self) -> bytes:
        """The document."""
        return json.dumps({"error_code": self.code, "message": self.message}).encode()

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What goes with it."""
        more = [(b"www-authenticate", b'Bearer realm="mlops"')] if self.status == 401 else []
        more += [(b"retry-after", str(self.retry_after).encode())] if self.retry_after else []
        return [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode()), *more]

    async def send(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Answer an ASGI request with it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class Door:
    """Who is admitted to a server. `open_to_local`: it listens at a loopback address only."""

    def __init__(self, ring: KeyRing, *, open_to_local: bool) -> None:
        self.ring, self._open_to_local = ring, open_to_local

    def admit(self, scope: MutableMapping[str, Any], needs: Scope) -> Caller | Denied:
        """Who asks, if he may do what needs that scope; `scope` is ASGI's, with header names in lower case.

        Who was admitted stands in it as `mlops.caller`. It costs 2 µs without a key, 4 µs with one
        (benchmarks/door.py).
        """
        secret: bytes | None = None
        direct = self._open_to_local
        host = origin = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                if value[:7].lower() == b"bearer ":
                    secret = value[7:].strip()
            elif name == b"x-api-key":
                secret = value.strip() if secret is None else secret
            elif name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name in FORWARDED or name.startswith(PROXIES):
                direct = False
        if secret is None:
            client = scope.get("client")
            if direct and client is not None and is_loopback(client[0]) and _asks_itself(host, origin):
                scope[CALLER] = LOCAL
                return LOCAL
            return _denied(NO_KEY)
        admitted = self.ring.admit(secret, needs)
        if isinstance(admitted, Rejection):
            return _denied(admitted)
        scope[CALLER] = admitted
        return admitted


@contextmanager
def open_door(database: Database, host: str, *, shared: Path | None = None) -> Iterator[Door]:
    """The door of a server that listens at `host`, with keys that are kept fresh while the block runs.

    Its workers count a key's requests together where they name the same file as `shared`.

    Refused where others can reach it and there is no key that could let anybody in. While the database is away, a
    server for this machine only begins all the same: who has a key is known later.
    """
    local, ring = is_loopback(host), KeyRing(database, shared=shared)
    try:
        ring.read()
    except DatabaseUnavailable:
        if not local:
            raise
    if not local and not len(ring):
        raise Refused(
            f"nobody could ask a server at {host or 'all addresses'}, for there is no API key; make one (`mlops keys"
            " create NAME --role scientist`), or listen at 127.0.0.1, where none is needed"
        )
    with ring:
        yield Door(ring, open_to_local=local)


def caller_with(door: Door, needs: Scope) -> Any:
    """FastAPI's dependency that gives the Caller, and keeps out who may not do what needs that scope."""

    async def admitted(
        request: Request,
        _bearer: Annotated[object, Depends(HTTPBearer(auto_error=False))],  # these two only describe it in OpenAPI
        _header: Annotated[object, Depends(APIKeyHeader(name="X-API-Key", auto_error=False))],
    ) -> Caller:
        caller = door.admit(request.scope, needs)
        if isinstance(caller, Denied):
            raise NotAdmitted(caller)
        return caller

    return Depends(admitted)


def answer_denied(app: FastAPI) -> None:
    """Let an application answer those who are not admitted as the scoring path does."""

    @app.exception_handler(NotAdmitted)
    async def deny(_request: Request, error: NotAdmitted) -> Response:
        response = Response(error.denied.body, error.denied.status)
        response.raw_headers = error.denied.headers
        return response


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether an address (or `localhost`) is this machine's own, which no other can reach."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


class NotAdmitted(Exception):
    """Carries the answer out of a dependency."""

    def __init__(self, denied: Denied) -> None:
        self.denied = denied
        super().__init__(denied.message)


def _denied(rejection: Rejection) -> Denied:
    status, code = STATUS[rejection.reason]
    return Denied(status, code, rejection.message, math.ceil(rejection.seconds))


@lru_cache(maxsize=1024)
def _asks_itself(host: bytes, origin: bytes) -> bool:
    """Whether a request names this machine as its host, and comes from no page of elsewhere."""
    named = [host.decode("latin-1")] if host else []
    if origin:
        named.append(origin.decode("latin-1").partition("://")[2])
    return all(is_loopback(_without_port(text)) for text in named)


def _without_port(authority: str) -> str:
    """`127.0.0.1:5001`, `[::1]:5001` or `localhost` without the port."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]
