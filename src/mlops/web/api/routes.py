"""Endpoints that refuse in the form of MLflow's errors: the one place that says which of ours has which status."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from mlops.access import Scope
from mlops.db.failures import explained
from mlops.errors import (
    BadInput,
    DatabaseUnavailable,
    MlopsError,
    ModelNotFound,
    NothingToDo,
    NotMigrated,
    Refused,
    UnknownName,
)
from mlops.tracking.scoring import ScoringError
from mlops.web.access import NotAdmitted, caller_with
from mlops.web.api.protocol import CAUSES, ERROR
from mlops.web.parts import Parts

__all__ = ["OF_BODIES", "REFUSALS", "Route", "router", "status_of"]

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[MlopsError], int, str], ...] = (
    (UnknownName, 404, "RESOURCE_DOES_NOT_EXIST"),
    (ModelNotFound, 404, "RESOURCE_DOES_NOT_EXIST"),
    (NothingToDo, 404, "RESOURCE_DOES_NOT_EXIST"),
    (BadInput, 400, "INVALID_PARAMETER_VALUE"),
    (Refused, 409, "INVALID_STATE"),
    (DatabaseUnavailable, 503, "TEMPORARILY_UNAVAILABLE"),
    (NotMigrated, 503, "TEMPORARILY_UNAVAILABLE"),
    (MlopsError, 400, "INVALID_PARAMETER_VALUE"),
)
"""The first that fits counts; codes are MLflow's."""
RETRY_SECONDS = 1
MOST_RUNNING = 40
"""Requests that are answered at once: as many as the framework has threads; more are told to come back."""
REPEATED = ("series", "ids")
"""Parameters of an address that may be there more than once."""
MOST_BYTES = 2**20
"""Of a body. What these endpoints take names things, it is no table: a megabyte is a list of 50,000 series."""
BODY_SECONDS = 10
MEANT = {
    400: "what was asked",
    404: "nothing that is called so, or nothing to show",
    409: "the state does not allow it",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": MEANT.get(status, CAUSES[status]), "content": {"application/json": {"schema": ERROR}}}
    for status in (400, 401, 403, 404, 409, 429, 503)
}
"""What OpenAPI says of every endpoint beside its good answer."""
OF_BODIES: dict[int | str, dict[str, Any]] = {
    status: {**REFUSALS[400], "description": CAUSES[status]} for status in (408, 413)
}


class Route(APIRoute):
    """An endpoint that is given bodies of bounded size, and whose errors are answers."""

    running = 0

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, and what it raises as an answer."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if Route.running >= MOST_RUNNING:
                return _refusal(DatabaseUnavailable("the server is busy; ask again in a second"))
            Route.running += 1
            try:
                names = [name for name, _ in request.query_params.multi_items() if name not in REPEATED]
                if len(set(names)) < len(names):
                    return _refusal(BadInput(f"a parameter is there twice; only {' and '.join(REPEATED)} may be"))
                refused = await _unread(request) if self.body_field is not None else None
                return refused or await inner(request)
            except NotAdmitted:
                raise
            except Exception as error:  # noqa: BLE001  the edge of a request
                return _answered(request, error)
            finally:
                Route.running -= 1

        return handle


def router(parts: Parts, tag: str, needs: Scope = "read") -> APIRouter:
    """For the endpoints of a subject: all need a scope."""
    return APIRouter(route_class=Route, tags=[tag], responses=REFUSALS, dependencies=[caller_with(parts.door, needs)])


def status_of(error: MlopsError) -> tuple[int, str]:
    """The status of a refusal, and MLflow's code."""
    if isinstance(error, ScoringError):
        return error.status, error.code.error_code
    return next((status, code) for kind, status, code in STATUS if isinstance(error, kind))


async def _unread(request: Request) -> Response | None:
    """The refusal of a body that is too large or does not come; None when it has come, and is kept for who reads it."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    message = f"the body is larger than {MOST_BYTES:,} bytes; ask for less at once"
                    return _document(413, "REQUEST_LIMIT_EXCEEDED", message, "BadInput")
    except TimeoutError:
        return _document(408, "BAD_REQUEST", f"the body did not come within {BODY_SECONDS} seconds", "BadInput")
    request._body = b"".join(parts)  # where Starlette keeps it for whoever reads it again
    return None


def _answered(request: Request, error: Exception) -> Response:
    match error:
        case RequestValidationError():
            return _refusal(BadInput("; ".join(_said(one) for one in error.errors())))
        case HTTPException(status_code=400):
            return _refusal(BadInput("the body is no JSON that can be read"))
        case HTTPException():
            raise error
    known = explained(error)
    if known is not None:
        return _refusal(known)
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _document(500, "INTERNAL_ERROR", "the server failed; its log says why", "MlopsError")


def _said(fault: Any) -> str:
    """What a parameter should have been; what was given is not repeated."""
    where = ".".join(str(part) for part in fault["loc"][1:]) or fault["loc"][0]
    return f"{where}: {fault['msg']}"


def _refusal(error: MlopsError) -> Response:
    status, code = status_of(error)
    return _document(status, code, str(error), type(error).__name__)


def _document(status: int, code: str, message: str, kind: str) -> Response:
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
    return JSONResponse({"error_code": code, "message": message, "error_class": kind}, status, headers=headers)
