"""Where MLflow's webhooks arrive: a delivery that is signed, new and of now is a hint that the registry has changed."""

import asyncio
import json
import logging
import time
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from mlops.db import Database
from mlops.errors import DatabaseUnavailable
from mlops.web.signature import DELIVERY_ID, objection

__all__ = ["MOST_BYTES", "PATH", "webhook_app"]

PATH = "/webhooks/mlflow"
MOST_BYTES = 2**20
BODY_SECONDS = 10
"""In which a body must have come; MLflow sends its few hundred bytes with the head."""
LONGEST_ID = 200

log = logging.getLogger(__name__)


class Refusal(Exception):
    """An HTTP status other than 202, with its reason."""

    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(reason)


def webhook_app(
    secret: str, database: Database, hint: Callable[[str], None], *, clock: Callable[[], float] = time.time
) -> FastAPI:
    """One endpoint, `POST /webhooks/mlflow`: 202 calls `hint`; 400, 401, 408, 409, 413, 503 say why not, in JSON.

    A delivery is remembered in the database before it is answered, so none counts twice, even after a restart. When
    the database can't be reached the answer is 503, after which MLflow delivers the same again.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(Refusal)
    async def refuse(_request: Request, refusal: Refusal) -> JSONResponse:
        log.warning("a webhook was refused (%d): %s", refusal.status, refusal.reason)
        return JSONResponse({"error": refusal.reason}, refusal.status)

    @app.post(PATH, status_code=202)
    async def take(request: Request) -> dict[str, str]:
        body = await _body(request)
        reason = objection(secret, request.headers, body, clock())
        if reason is not None:
            raise Refusal(401, reason)
        event = _event(body)
        await run_in_threadpool(_remember, database, request.headers[DELIVERY_ID])
        hint("webhook")
        return {"taken": event}

    return app


async def _body(request: Request) -> bytes:
    """The body, read no further and for no longer than what is allowed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(400, f"the content is {kind or 'of no type'}; expected application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise Refusal(413, f"the body is larger than {MOST_BYTES:,} bytes")
    except TimeoutError as error:
        raise Refusal(408, f"the body did not come within {BODY_SECONDS} seconds") from error
    except ClientDisconnect as error:
        raise Refusal(400, "the connection was closed before the body had come") from error
    return bytes(body)


def _event(body: bytes) -> str:
    """What happened, as MLflow writes it: model_version_alias.created."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    match document:  # JSON can spell half a surrogate pair, which is no text
        case {"entity": str(entity), "action": str(action)} if (entity + action).isprintable():
            return f"{entity}.{action}"
    raise Refusal(400, "the body is not an event of MLflow: a JSON object with entity and action")


def _remember(database: Database, delivery_id: str) -> None:
    if len(delivery_id) > LONGEST_ID:
        raise Refusal(400, f"the delivery's id is longer than {LONGEST_ID} characters")
    try:
        with database.transaction() as transaction:
            new = transaction.run("add_webhook_delivery", delivery_id=delivery_id) == 1
    except DatabaseUnavailable as error:
        raise Refusal(503, "the database can't be reached; deliver it again later") from error
    if not new:
        raise Refusal(409, "this delivery was taken before")
