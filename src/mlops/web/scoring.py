"""Scoring over HTTP: a bare ASGI callable that answers `POST …/invocations` and hands everything else on.

A web framework's routing costs several times what a model of trees does; so requests for predictions do not pass it.
What is computed within microseconds is computed here, on the event loop; the rest in a pool of bounded size.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol

from mlops.access import Caller
from mlops.errors import DatabaseUnavailable, MlopsError, ModelNotFound
from mlops.policy import LimitPolicy
from mlops.serving.log.ids import uuid7
from mlops.serving.log.record import RequestLog, ScoringRecord
from mlops.serving.online.scored import Live, Models
from mlops.tracking.scoring import BAD_REQUEST, NOT_FOUND, Code, Scored, ScoringError
from mlops.web.access import Denied, Door
from mlops.web.memory import Memory

__all__ = ["ASGI", "Observer", "ScoringApp", "Target"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

INVOCATIONS = "/invocations"
MODEL = re.compile(r"/models/(?P<name>[^/]+?)(?:@(?P<alias>[^/@]+)|/(?P<version>[1-9][0-9]{0,17}))/invocations")
REQUEST_ID = re.compile(rb"[!-~]{1,200}")
"""What a client may call its request: printable ASCII without blanks."""
MOST_CONTEXT = 4096
"""Bytes of the header X-Business-Context."""
BUSY = Code("TEMPORARILY_UNAVAILABLE", "KAM00", "TEMPORARILY_UNAVAILABLE")
INTERNAL = Code("INTERNAL_ERROR", "XXM00", "CLIENT_INTERNAL_ERROR")
TOO_LARGE = Code("REQUEST_LIMIT_EXCEEDED", "KAM00", "REQUEST_LIMIT_EXCEEDED")
RETRY_SECONDS = b"1"
LATE = b"Request processing time exceeded limit"
"""MLflow's words for 504."""
JSON_HEADER = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Target:
    """Which version of which model answers: that of an alias, or a numbered one."""

    name: str
    alias: str = ""
    version: int | None = None


class Observer(Protocol):
    """Who counts what was answered."""

    def answered(self, model: str, version: int, status: int, seconds: float) -> None:
        """One request of a model (empty and 0: of none) was answered."""


@dataclass(slots=True)
class Asked:
    """A request as far as its head says: who, for what, by which name, and how it is to be kept."""

    request_id: bytes
    content_type: str
    caller: str
    durable: bool
    context: bytes
    length: int
    began: float


class ScoringApp:
    """ASGI: scores, logs and counts; `rest` answers all other requests.

    `default` is what `/invocations` asks; `rest` is reached by every other path and method.
    """

    def __init__(
        self,
        models: Models,
        requests: RequestLog,
        rest: ASGI,
        *,
        door: Door,
        limits: LimitPolicy,
        default: Target | None,
        observer: Observer,
        shadows: Callable[[ScoringRecord, Live], None],
        memory: Memory,
    ) -> None:
        self.models, self.requests, self.rest, self.door = models, requests, rest, door
        self.default, self.observer, self.shadows, self.memory = default, observer, shadows, memory
        self.seconds, self.most_bytes = limits.seconds, int(limits.body_mb * 2**20)
        self.most_running = limits.concurrency + limits.waiting
        self.pool = ThreadPoolExecutor(limits.concurrency, thread_name_prefix="scoring")
        self.running = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith(INVOCATIONS):
            await self.rest(scope, receive, send)
            return
        path = scope["path"]
        target = self.default if path == INVOCATIONS else _target(path)
        if target is None and path != INVOCATIONS:
            await self.rest(scope, receive, send)
            return
        caller = self.door.admit(scope, "score")
        if isinstance(caller, Denied):
            await caller.send(send)
            self.observer.answered("", 0, caller.status, 0.0)
            return
        asked = _asked(scope, caller)
        try:
            await self._answer(target, asked, receive, send)
        except ScoringError as error:
            await self._refused(error, target, asked, send)
        except Exception:
            log.exception("request %s failed", asked.request_id.decode())
            broken = "the server failed on this request; its log says why, under the id of the request"
            await self._refused(ScoringError(broken, INTERNAL, 500), target, asked, send)

    async def _refused(self, error: ScoringError, target: Target | None, asked: Asked, send: Send) -> None:
        await _refuse(send, error, asked.request_id)
        seconds = time.perf_counter() - asked.began
        self.observer.answered(target.name if target else "", 0, error.status, seconds)

    async def _answer(self, target: Target | None, asked: Asked, receive: Receive, send: Send) -> None:
        if target is None:
            names = "this server has several models; ask one by POST /models/NAME@ALIAS/invocations"
            raise ScoringError(names, NOT_FOUND, 404)
        context = _context(asked.context)
        body = await self._body(asked, receive)
        asked.began = began = time.perf_counter()
        live = self.models.find(target.name, alias=target.alias, version=target.version)
        if live is None:
            live = await self._loaded(target)
        scored = live.scorer.inline(body, asked.content_type)
        if scored is None:
            scored = await self._computed(live, body, asked)
        seconds = time.perf_counter() - began
        record = ScoringRecord(
            asked.request_id.decode("ascii"),
            time.time() - seconds,
            live.version_id,
            target.alias,
            asked.caller,
            asked.content_type,
            body,
            scored.body,
            scored.rows,
            seconds * 1000,
            self.memory.resident_mb,
            context,
        )
        if asked.durable:
            await self._kept(record)
        else:
            self.requests.append(record)
        await _send(send, scored, live, asked.request_id)
        self.observer.answered(target.name, live.version.version, 200, seconds)
        self.shadows(record, live)

    async def _body(self, asked: Asked, receive: Receive) -> bytes:
        """The body, read no further and for no longer than is allowed."""
        if asked.length > self.most_bytes:
            raise self._too_large()
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(self.seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ScoringError("the connection was closed before the body had come", BAD_REQUEST, 400)
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.most_bytes:
                        raise self._too_large()
                    more = message.get("more_body", False)
        except TimeoutError:
            raise ScoringError("the body did not come in time", BAD_REQUEST, 408) from None
        return b"".join(parts)

    def _too_large(self) -> ScoringError:
        return ScoringError(f"the body is larger than {self.most_bytes:,} bytes; send fewer rows", TOO_LARGE, 413)

    async def _loaded(self, target: Target) -> Live:
        """The model of a target that was not asked for before."""
        try:
            live: Live = await self._pooled(
                partial(self.models.load, target.name, alias=target.alias, version=target.version)
            )
            return live
        except ModelNotFound as error:
            raise ScoringError(str(error), NOT_FOUND, 404) from error
        except DatabaseUnavailable as error:
            raise ScoringError(str(error), BUSY, 503) from error
        except MlopsError as error:
            if isinstance(error, ScoringError):
                raise
            raise ScoringError(str(error), Code("INVALID_STATE", "KAM00", "INVALID_STATE"), 409) from error

    async def _computed(self, live: Live, body: bytes, asked: Asked) -> Scored:
        try:
            scored: Scored = await self._pooled(live.scorer.score, body, asked.content_type)
            return scored
        except ScoringError as error:
            if error.unexpected is not None:
                name = asked.request_id.decode()
                log.error("%s failed on request %s", live.version.uri, name, exc_info=error.unexpected)
            raise

    async def _pooled(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a call in the pool; 503 when too many wait or memory runs out, 504 when it takes too long.

        A call that takes too long goes on in its thread, which others get only when it has ended: it counts as running.
        """
        if self.running >= self.most_running or self.memory.low:
            raise ScoringError("the server is busy; ask again in a second", BUSY, 503)
        self.running += 1
        future = asyncio.get_running_loop().run_in_executor(self.pool, call, *arguments)
        future.add_done_callback(self._ended)
        done, _ = await asyncio.wait([future], timeout=self.seconds)
        if not done:
            raise ScoringError(LATE.decode(), Code("", "", ""), 504)
        return future.result()

    def _ended(self, future: "asyncio.Future[Any]") -> None:
        self.running -= 1
        if not future.cancelled():
            future.exception()  # of a call that nobody waits for any more: not to be told as never retrieved

    async def _kept(self, record: ScoringRecord) -> None:
        """On disk before the answer."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.requests.durable, record)
        except MlopsError as error:
            raise ScoringError(f"the answer can't be kept: {error}", BUSY, 503) from error


@lru_cache(1024)
def _target(path: str) -> Target | None:
    """What a path asks for: /models/NAME@ALIAS/invocations or /models/NAME/VERSION/invocations."""
    matched = MODEL.fullmatch(path)
    if matched is None:
        return None
    version = matched["version"]
    return Target(matched["name"], matched["alias"] or "", int(version) if version else None)


def _asked(scope: MutableMapping[str, Any], caller: Caller) -> Asked:
    """What the head of a request says."""
    request_id = content_type = context = b""
    length = 0
    durable = bool(scope["query_string"]) and b"durable=true" in scope["query_string"].split(b"&")
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            length = int(value)
        elif name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            request_id = value
        elif name == b"x-business-context":
            context = value
    kind = content_type.decode("latin-1").strip()
    known = (
        kind
        if kind == "application/json"
        else kind.lower()
        if kind.lower().startswith(JSON_HEADER[1].decode())
        else kind
    )
    return Asked(request_id or uuid7().encode(), known, caller.label, durable, context, length, time.perf_counter())


def _context(given: bytes) -> bytes:
    """The caller's own words as a JSON object, or nothing; ScoringError for anything else."""
    if not given:
        return given
    try:
        if len(given) <= MOST_CONTEXT and isinstance(json.loads(given), dict):
            return given
    except ValueError:
        pass
    raise ScoringError(f"X-Business-Context is not a JSON object of at most {MOST_CONTEXT:,} bytes", BAD_REQUEST, 400)


async def _send(send: Send, scored: Scored, live: Live, request_id: bytes) -> None:
    headers = [
        JSON_HEADER,
        (b"content-length", str(len(scored.body)).encode()),
        (b"x-request-id", request_id),
        (b"x-model-version", f"{live.version.name}/{live.version.version}".encode()),
    ]
    if scored.ignored:
        headers.append((b"x-ignored-params", json.dumps(scored.ignored).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scored.body})


async def _refuse(send: Send, error: ScoringError, request_id: bytes) -> None:
    """Answer with an error as MLflow's clients read it."""
    code, status = error.code, error.status
    if code.error_code:
        body = json.dumps(
            {
                "error_code": code.error_code,
                "message": str(error),
                "sqlstate": code.sqlstate,
                "error_class": code.error_class,
            }
        ).encode()
        kind = b"application/json"
    else:
        body = str(error).encode()
        kind = b"application/json" if status == 504 else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"x-request-id", request_id)]
    if status in (429, 503):
        headers.append((b"retry-after", RETRY_SECONDS))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
