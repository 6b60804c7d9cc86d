"""A server from its first line to its last: opened, run in one process or several, and ended when nothing is asked."""

import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass

import uvicorn
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from uvicorn.supervisors import Multiprocess

from mlops.config import Settings
from mlops.db import Database, open_database
from mlops.domain.model_uri import FORMS, ModelUri, version_of
from mlops.errors import Misused, Refused, quoted
from mlops.policy import read_serving_policy
from mlops.serving.log.writer import open_request_log
from mlops.serving.online.models import LiveModels
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store, open_store
from mlops.web.access import open_door
from mlops.web.app import build_app
from mlops.web.memory import Memory
from mlops.web.metrics import Metrics
from mlops.web.parts import Parts
from mlops.web.scoring import ScoringApp, Target

__all__ = ["Order", "application", "check", "listener", "run"]

ORDER = "MLOPS_SERVE"
"""The variable by which worker processes know what to serve."""
STOP_SECONDS = 30
"""For which requests that are being answered may go on when the server is told to end."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to serve and where; `uris` are registry URIs, none of them means the champion of every model."""

    uris: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 5001
    workers: int = 1

    @property
    def models(self) -> tuple[ModelUri, ...]:
        """The URIs, read. Misused when one is none."""
        read = {uri: version_of(uri) for uri in self.uris}
        for uri, model in read.items():
            if model is None:
                raise Misused(f"{quoted(uri)} is not a model URI; expected {FORMS}")
        return tuple(model for model in read.values() if model is not None)

    @property
    def default(self) -> Target | None:
        """What `/invocations` asks: the only model that was named."""
        if len(self.models) != 1:
            return None
        model = self.models[0]
        return Target(model.name, model.alias or "", model.version)


def check(order: Order, database: Database, store: Store) -> None:
    """Refuse before anything listens what no worker could serve: a URI that leads nowhere, a door without keys."""
    read_serving_policy()
    for uri in order.uris:
        resolve(store, uri)
    with open_door(database, order.host):
        pass


@contextmanager
def listener(order: Order) -> Iterator[socket.socket]:
    """The socket that all workers accept from. Refused when the address is taken."""
    family = socket.AF_INET6 if ":" in order.host else socket.AF_INET
    try:
        opened = socket.create_server((order.host, order.port), family=family, backlog=2048)
    except OSError as error:
        why = error.strerror or error
        raise Refused(f"can't listen at {order.host}:{order.port}: {why}; give another --listen") from error
    with opened:
        opened.set_inheritable(True)
        yield opened


def run(order: Order, opened: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; then no more is accepted, and what is being answered is answered."""
    os.environ[ORDER] = json.dumps(asdict(order))
    config = uvicorn.Config(
        "mlops.web.serve:application",
        factory=True,
        workers=order.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is who is connected: nobody becomes local by a header
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    if order.workers > 1:
        Multiprocess(config, [opened]).run()
    else:
        uvicorn.Server(config).run(sockets=[opened])


def application() -> ScoringApp:
    """The application of one worker, by the order in its environment; it is closed when its server ends."""
    document = json.loads(os.environ[ORDER])
    order = Order(**document | {"uris": tuple(document["uris"])})
    stack = ExitStack()
    try:
        parts = stack.enter_context(_opened(order))
    except BaseException:
        stack.close()
        raise

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(stack.close)

    return build_app(parts, order.default, lifespan=lifespan)


@contextmanager
def _opened(order: Order) -> Iterator[Parts]:
    settings, policy = Settings(), read_serving_policy()
    with ExitStack() as stack:
        database = open_database(settings)
        stack.callback(database.close)
        store = open_store(settings, database.url)
        models = LiveModels(database, store, policy, uris=order.models)
        models.start()
        stack.callback(models.close)
        folder = settings.root / "serving"
        yield Parts(
            database=database,
            store=store,
            models=models,
            requests=stack.enter_context(open_request_log(database.url, folder / "spool", policy.log)),
            door=stack.enter_context(open_door(database, order.host)),
            policy=policy,
            metrics=stack.enter_context(Metrics(folder / "metrics" if order.workers > 1 else None)),
            shadows=lambda _record, _live: None,
            memory=Memory(),
        )
