"""What a server costs that somebody writes in ten lines of FastAPI; and the floor, a bare ASGI callable."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
import pandas as pd
from fastapi import FastAPI

import lightgbm

MODEL = lightgbm.Booster(model_file=os.environ["MODEL_FILE"])
framed = FastAPI()


@framed.post("/invocations")
def invocations(document: dict[str, Any]) -> dict[str, list[float]]:
    table = document["dataframe_split"]
    frame = pd.DataFrame(table["data"], columns=table["columns"])
    return {"predictions": MODEL.predict(frame, num_threads=1).tolist()}


async def floor(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Parses and answers, and computes nothing."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    table = orjson.loads(body)["dataframe_split"]
    answer = orjson.dumps({"predictions": [row[0] for row in table["data"]]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
