"""An application served from a thread of this process, to whoever can reach it: idle connections hold nobody up."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from mlops.errors import Misused, Refused, quoted

__all__ = ["parse_address", "serving"]

STOP_SECONDS = 5
IDLE_SECONDS = 10
"""For which a connection may stay without having sent the head of a request; a delivery sends it at once."""
MOST_CONNECTIONS = 64
"""At most so many stay open: a new one takes the place of the one that has been waited for longest."""


def parse_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:8808`, `[::1]:8808` or `:8808` (this machine only) as host and port."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Misused(f"{quoted(text)} is not an address to listen at; expected HOST:PORT, as 127.0.0.1:8808")
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
        timeout_graceful_shutdown=STOP_SECONDS,
        http=Impatient,
        headers=[("Connection", "close")],
        ws="none",
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


class Impatient(H11Protocol):
    """A connection for one request, which is closed when that does not come, or when newer ones need its place."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and give it its time."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self._deadline = self.loop.call_later(IDLE_SECONDS, self._give_up)
        if len(self.connections) > MOST_CONNECTIONS:
            waiting = [other for other in self.connections if isinstance(other, Impatient) and other.waits]
            min(waiting, key=lambda other: other.since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its time."""
        self._deadline.cancel()
        super().connection_lost(exc)

    @property
    def waits(self) -> bool:
        """Whether some of its request has still to come; what has come whole is answered."""
        return self.cycle is None or self.cycle.more_body

    def _give_up(self) -> None:
        if self.cycle is None:  # else the application knows how long it waits for the body
            self.transport.abort()
