"""Logs of the server: one JSON object a line, with the request's id; never a body, never a key.

The text of an exception may repeat what was sent (`could not convert string to float: 'Ann'`), so it is left out unless
the exception is one of ours, which never do; its type and where it was raised are always there.
"""

import json
import logging
import sys
import time
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

from mlops.errors import MlopsError
from mlops.web.access import CALLER
from mlops.web.scoring import ASGI, Receive, Send

__all__ = ["JsonLines", "RequestLines", "log_as_json"]

FIELDS = ("request_id", "method", "path", "status", "milliseconds", "model_version", "caller")
"""What a record may carry beside its message (`extra=`), in this order."""
HEADERS = {b"x-request-id": "request_id", b"x-model-version": "model_version"}
FRAMES = 20
"""Of a traceback, the innermost. Chosen, not measured."""

requests = logging.getLogger("mlops.requests")


class JsonLines(logging.Formatter):
    """A record as one line of JSON. `whole`: with the text of every exception, for whoever looks for a fault."""

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__()
        self._whole = whole

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self._error(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)

    def _error(self, error: BaseException) -> dict[str, object]:
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        shown: dict[str, object] = {
            "type": type(error).__qualname__,
            "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if self._whole or isinstance(error, MlopsError):
            shown["message"] = str(error)
        if error.__cause__ is not None:
            shown["cause"] = self._error(error.__cause__)
        return shown


class RequestLines:
    """An ASGI application in front of another one: a line for each request when it has been answered.

    It costs as much as the line does, so it stands there only where these lines are wanted.
    """

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        answer: dict[str, object] = {"method": scope["method"], "path": scope["path"]}

        async def seen(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                for name, value in message.get("headers", ()):
                    if name in HEADERS:
                        answer[HEADERS[name]] = value.decode("latin-1")
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            answer["milliseconds"] = round(1000 * (time.perf_counter() - began), 3)
            answer["caller"] = scope[CALLER].label if CALLER in scope else None
            status = answer.get("status", 500)
            level = logging.ERROR if isinstance(status, int) and status >= 500 else logging.INFO
            requests.log(level, "%s %s: %s", scope["method"], scope["path"], status, extra=answer)


def log_as_json(level: int = logging.INFO, *, stream: TextIO | None = None, whole: bool = False) -> logging.Handler:
    """Let everything of this process be logged as JSON lines (on stderr), in place of how it was; the handler.

    Libraries are heard from warnings on.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(whole=whole))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("mlops").setLevel(level)
    logging.setLogRecordFactory(logging.LogRecord)  # commands have one that puts an exception's text into the message
    return handler
