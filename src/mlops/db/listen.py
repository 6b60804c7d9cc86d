"""What a PostgreSQL server notifies of, for as long as somebody wants to hear it."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

__all__ = ["address", "listening", "notifications"]

POLL_SECONDS = 0.5  # how soon a stopped listener ends; chosen, not measured
PAUSES_SECONDS = (1, 2, 5, 10, 30)  # after one failure, two, …; chosen, not measured
CONNECT_SECONDS = 5  # chosen, not measured

log = logging.getLogger(__name__)


@contextmanager
def listening(url: str, channel: str, heard: Callable[[str], None]) -> Iterator[None]:
    """Call `heard`, in a thread of its own, with the payload of every notification while the block runs."""
    stopped = threading.Event()

    def listen() -> None:
        for payload in notifications(url, channel, stopped):
            heard(payload)

    thread = threading.Thread(target=listen, name=f"listen {channel}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(CONNECT_SECONDS + POLL_SECONDS)


def notifications(url: str, channel: str, stopped: threading.Event) -> Iterator[str]:
    """The payloads on a channel, until `stopped` is set; a lost connection is made again.

    Each time listening begins an empty payload comes first: what was sent before was not received.
    """
    failures = 0
    while not stopped.is_set():
        try:
            # a server that vanished without a word is noticed within a minute
            with psycopg.connect(
                address(url),
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
                application_name="mlops listener",
            ) as connection:
                connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                failures = 0
                yield ""
                while not stopped.is_set():
                    for notice in connection.notifies(timeout=POLL_SECONDS):
                        yield notice.payload
        except psycopg.Error as error:
            log.debug("listening on %s ended: %s", channel, error)
            stopped.wait(PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)])
            failures += 1


def address(url: str) -> str:
    """An address as libpq takes it; SQLAlchemy's names the driver too."""
    return "postgresql://" + url.partition("://")[2]
