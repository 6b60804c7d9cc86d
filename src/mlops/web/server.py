"""An application served from a thread of this process."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from mlops.errors import BadInput, Refused

__all__ = ["parse_address", "serving"]

STOP_SECONDS = 5


def parse_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:8808`, `[::1]:8808` or `:8808` (this machine only) as host and port."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadInput(f"{text!r} is not an address to listen at; expected HOST:PORT, as 127.0.0.1:8808")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextmanager
def serving(app: FastAPI, host: str, port: int) -> Iterator[str]:
    """Serve while the block runs; gives the address (port 0 takes a free one). Refused when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise Refused(f"can't listen at {host}:{port}: {error.strerror or error}; give another --listen") from error
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=64,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="webhooks", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()
