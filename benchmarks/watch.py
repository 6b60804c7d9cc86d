"""How long after a client's call a promotion is in the mirror: by triggers, by webhooks, and by the clock alone.

Run by hand: python benchmarks/watch.py --promotions 50 --versions 1000. It makes an embedded server of its own, an
MLflow registry of so many versions in it, and for webhooks an MLflow server; each way has a watcher of its own, the
command itself as a process. A promotion is what `mlops registry promote` calls: a tag, an alias, an alias gone.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from cryptography.fernet import Fernet

MODEL = "promoted"
SHOWN = """select v.version from analytics.model_aliases a join analytics.registered_models m using (model_id)
             join analytics.model_versions v using (version_id)
            where m.name = %s and a.alias = 'champion' and a.valid_to is null"""
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Way:
    """A way to hear of changes: options of the command, and whether the client writes through an MLflow server."""

    name: str
    options: tuple[str, ...]
    by_server: bool


WAYS = (
    Way("triggers", ("--every", "3600"), by_server=False),
    Way("triggers, written by a server", ("--every", "3600"), by_server=True),
    Way("webhooks", ("--every", "3600", "--no-triggers", "--listen", "127.0.0.1:{hook}"), by_server=True),
    Way("the clock, every 5 s", ("--every", "5", "--no-triggers"), by_server=False),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--promotions", type=int, default=50)
    arguments.add_argument("--versions", type=int, default=1000, help="Versions of other models in the registry.")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-watch-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o755)
        os.environ |= {"MLOPS_HOME": folder, "MLOPS_WEBHOOK_SECRET": "measured", "MLFLOW_WEBHOOK_CACHE_TTL": "0"}
        database, store = opened()
        stack.callback(stop)
        fill(store.client, asked.versions)
        ports = {"server": free_port(), "hook": free_port()}
        server = stack.enter_context(mlflow_server(store.uri, folder, ports["server"]))
        for way in WAYS:
            seconds = measure(way, store, server, database.url, ports, asked.promotions)
            print(
                f"{way.name:32} median {median(seconds):6.2f} s  worst {max(seconds):6.2f} s"
                f"  within 2 s {sum(one <= 2 for one in seconds)} of {len(seconds)}",
                flush=True,
            )


def opened() -> tuple[Any, Any]:
    from mlops.config import Settings
    from mlops.db import open_database
    from mlops.tracking.store import open_store

    database = open_database(Settings())
    store = open_store(Settings(), database.url)
    del os.environ["MLFLOW_TRACKING_URI"]  # MLflow has set it, and the watcher would take it for somebody's wish
    return database, store


def fill(client: Any, versions: int) -> None:
    """Ten versions for each model, and one more model to promote."""
    for model in range(versions // 10):
        client.create_registered_model(f"other_{model}")
        for _ in range(10):
            client.create_model_version(f"other_{model}", "file:///nowhere")
        client.set_registered_model_alias(f"other_{model}", "champion", "1")
    client.create_registered_model(MODEL)
    for _ in range(2):
        client.create_model_version(MODEL, "file:///nowhere")


def measure(way: Way, store: Any, server: str, url: str, ports: dict[str, int], promotions: int) -> list[float]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=server, registry_uri=server) if way.by_server else store.client
    options = [option.format(**ports) for option in way.options]
    with watcher(options), psycopg.connect(url, autocommit=True) as connection, webhook(way, client, ports["hook"]):
        seen_after(client, connection, 0)  # the first is for the watcher to be there
        return [seen_after(client, connection, one) for one in range(1, promotions + 1)]


def seen_after(client: Any, connection: psycopg.Connection, number: int) -> float:
    """Seconds from the end of the client's calls until the mirror shows the new champion; then a moment of quiet."""
    version = str(1 + number % 2)
    client.set_registered_model_alias(MODEL, "challenger", version)
    client.set_model_version_tag(MODEL, version, "mlops.promoted_because", f"promotion {number}")
    client.set_registered_model_alias(MODEL, "champion", version)
    called = time.monotonic()
    client.delete_registered_model_alias(MODEL, "challenger")
    while connection.execute(SHOWN, [MODEL]).fetchone() != (int(version),):
        if time.monotonic() - called > PATIENCE_SECONDS:
            raise TimeoutError(f"promotion {number} was not mirrored")
        time.sleep(0.005)
    seconds = time.monotonic() - called
    time.sleep(random.uniform(0.2, 0.8))
    return seconds


@contextmanager
def watcher(options: list[str]) -> Iterator[None]:
    command = [sys.executable, "-m", "mlops", "registry", "sync", "--watch", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
    assert process.stdout is not None
    json.loads(process.stdout.readline())  # the first sync is done
    threading.Thread(target=process.stdout.read, daemon=True).start()
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def webhook(way: Way, client: Any, port: int) -> Iterator[None]:
    if way.name != "webhooks":
        yield
        return
    from mlops.tracking.bridge.watch import EVENTS

    made = client.create_webhook(
        "measured", f"http://127.0.0.1:{port}/webhooks/mlflow", list(EVENTS), secret=os.environ["MLOPS_WEBHOOK_SECRET"]
    )
    yield
    client.delete_webhook(made.webhook_id)


@contextmanager
def mlflow_server(store: str, folder: str, port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(port)]
    command += ["--default-artifact-root", f"{folder}/artifacts", "--workers", "1"]
    environment = os.environ | {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("the MLflow server did not start")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def stop() -> None:
    from mlops.config import Settings
    from mlops.db.embedded import server_for

    server_for(Settings().root).stop()


if __name__ == "__main__":
    main()
