"""A server from its first line to its last: opened, run in one process or several, and ended when nothing is asked."""

import gc
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from uvicorn.supervisors import Multiprocess

from mlops.config import Settings
from mlops.db import Database, open_database
from mlops.domain.model_uri import FORMS, ModelUri, version_of
from mlops.errors import Misused, Refused, quoted
from mlops.policy import read_serving_policy
from mlops.serving.log.writer import PostgresLog, open_request_log
from mlops.serving.online.models import LiveModels
from mlops.serving.shadow.runner import ShadowRunner, beside_champion
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store, open_store
from mlops.web.access import open_door
from mlops.web.app import build_app
from mlops.web.figures import log_figures, model_figures, server_figures
from mlops.web.logs import log_as_json
from mlops.web.memory import Memory
from mlops.web.metrics import Metrics
from mlops.web.parts import Parts
from mlops.web.scoring import ScoringApp, Target

__all__ = ["Order", "application", "check", "listener", "run"]

ORDER = "MLOPS_SERVE"
"""The variable by which worker processes know what to serve."""
SWITCH_SECONDS = 0.0005
"""After which the event loop gets the interpreter back from a thread that computes; Python's 5 ms are its p99."""
STOP_SECONDS = 30
"""For which requests that are being answered may go on when the server is told to end."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to serve and where; `uris` are registry URIs, none of them means the champion of every model."""

    uris: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 5001
    workers: int = 1
    folder: str = ""
    """In which its workers meet, new for each server: what they count, and how often a key was used."""

    @property
    def models(self) -> tuple[ModelUri, ...]:
        """The URIs, read."""
        return tuple(model for model in map(version_of, self.uris) if model is not None)

    def check(self) -> None:
        """Misused when one of the URIs is none."""
        for uri in self.uris:
            if version_of(uri) is None:
                raise Misused(f"{quoted(uri)} is not a model URI; expected {FORMS}")

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
        why = os.strerror(error.errno) if error.errno else error
        raise Refused(f"can't listen at {order.host}:{order.port}: {why}; give another --listen") from error
    with opened:
        opened.set_inheritable(True)
        yield opened


def run(order: Order, opened: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; then no more is accepted, and what is being answered is answered."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # uvicorn hears them while it runs, and raises them again afterwards
        signal.signal(ending, lambda *_: None)
    with tempfile.TemporaryDirectory(prefix="mlops-serve-") as folder:
        _run(replace(order, folder=folder), opened)


def _run(order: Order, opened: socket.socket) -> None:
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
    log_as_json()
    stack = ExitStack()
    try:
        parts = stack.enter_context(_opened(order))
    except BaseException:
        stack.close()
        raise

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.freeze()  # what is there now stays: it is not looked through for garbage again and again
        yield
        await run_in_threadpool(stack.close)

    app = build_app(parts, order.default, lifespan=lifespan)
    parts.metrics.watch(*server_figures(lambda: app.running, parts.memory))
    return app


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
        requests = stack.enter_context(open_request_log(database.url, folder / "spool", policy.log))
        runner = stack.enter_context(ShadowRunner(requests))
        memory, shared = Memory(), Path(order.folder)
        metrics = stack.enter_context(Metrics(shared if order.workers > 1 else None))
        metrics.watch(*log_figures(requests.counts), *model_figures(models.state))
        yield Parts(
            database=database,
            store=store,
            models=models,
            requests=requests,
            door=stack.enter_context(open_door(database, order.host)),
            policy=policy,
            metrics=metrics,
            shadows=beside_champion(runner, models, policy.shadow.aliases),
            memory=memory,
            details=lambda: _details(models, requests),
        )


def _details(models: LiveModels, requests: PostgresLog) -> dict[str, object]:
    """What /health says."""
    state = models.state()
    return {
        "models": [_shown(asdict(model)) for model in state.models],
        "not_loaded": [_shown(asdict(failure)) for failure in state.failures],
        "registry": {"seen_at": _text(state.registry_seen_at), "problem": _text(state.registry_problem)},
        "database": {"problem": _text(state.database_problem)},
        "log": asdict(requests.counts()),
    }


def _shown(row: dict[str, object]) -> dict[str, object]:
    return {name: _text(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _text(value: object) -> str | None:
    """A time or a problem as JSON has it."""
    if value is None:
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value)
