"""`mlops serve` over HTTP while everything happens to it: promotions, rollbacks, Postgres restarted, workers killed.

    python benchmarks/serving/under_load.py [--changes 200] [--workers 2] [--restarts 2] [--kills 4]

Four clients ask all the time by connections that stay open. An answer has to be that of the version which its header
names. A connection that a killed worker drops is counted apart; every other failure is one.
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from servers import processes
from swap import BODY, move, register

from mlops.config import Settings
from mlops.db import open_database
from mlops.db.embedded import server_for
from mlops.tracking.store import open_store

PORT, CLIENTS = 18777, 4
PATH = "/models/demand@champion/invocations"


class Clients:
    """Ask until they are told to end, and count what they were answered."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.served = {"version": 0, "at": 0.0}
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        while not self._end.is_set():
            try:
                line.request("POST", PATH, BODY, {"content-type": "application/json"})
                answer = line.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                self.counts["dropped connections"] += 1
                line.close()
                time.sleep(0.02)
                continue
            self.counts["answered"] += 1
            if answer.status != 200:
                self.counts[f"status {answer.status}"] += 1
                continue
            version = int(str(answer.headers["x-model-version"]).rpartition("/")[2])
            if round(json.loads(body)["predictions"][0] / 1000) != version:
                self.counts["not that of its version"] += 1
            self.served = {"version": version, "at": time.monotonic()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("changes", 200), ("workers", 2), ("restarts", 2), ("kills", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        os.environ["MLOPS_HOME"] = folder
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        settings = Settings()
        database = open_database(settings)
        store = open_store(settings, database.url)
        for number in (1, 2):
            register(store, database, "demand", number)
        store.client.set_registered_model_alias("demand", "champion", "1")
        command = [sys.executable, "-m", "mlops", "serve", "--listen", f"127.0.0.1:{PORT}"]
        server = subprocess.Popen([*command, "--workers", str(chosen.workers)], stdout=subprocess.DEVNULL)
        try:
            wait_until_ready()
            print(json.dumps(hunted(chosen, settings, store, server), indent=1))
        finally:
            server.send_signal(signal.SIGTERM)
            print("ended with", server.wait(90))
            database.close()
            server_for(settings.root).stop()


def hunted(chosen: argparse.Namespace, settings: Settings, store: object, server: "subprocess.Popen[bytes]") -> object:
    """Change the champion again and again; between some changes kill a worker or restart Postgres."""
    restart_at = {chosen.changes * (turn + 1) // (chosen.restarts + 1) for turn in range(chosen.restarts)}
    kill_at = {chosen.changes * (2 * turn + 1) // (2 * chosen.kills) for turn in range(chosen.kills)} - restart_at
    took: list[float] = []
    with Clients() as clients:
        for turn in range(chosen.changes):
            number = 2 - turn % 2
            if turn in restart_at:
                postgres = server_for(settings.root)
                postgres.stop()
                postgres.start()
            if turn in kill_at:
                os.kill(workers(server.pid)[-1], signal.SIGKILL)
                clients.counts["workers killed"] += 1
            began = move(store, number)  # type: ignore[arg-type]
            while clients.served["version"] != number and time.monotonic() < began + 60:
                time.sleep(0.002)
            took.append(time.monotonic() - began)
            time.sleep(0.2)
    quiet = [second for turn, second in enumerate(took) if not {turn, turn - 1, turn - 2} & (restart_at | kill_at)]
    return {
        "changes": chosen.changes,
        "workers": chosen.workers,
        "Postgres restarted": chosen.restarts,
        "first answer by the new version after ms, median, p99, most": quantiles(took),
        "of these, those more than two changes after a kill or a restart": quantiles(quiet),
        **clients.counts,
    }


def quantiles(seconds: list[float]) -> list[int]:
    return [round(float(np.quantile(seconds, at)) * 1000) for at in (0.5, 0.99, 1)]


def workers(pid: int) -> list[int]:
    """The processes that answer: children of the server that are no helper of multiprocessing."""
    children = processes(pid)[1:]
    return [child for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def wait_until_ready() -> None:
    for _ in range(600):
        try:
            line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
            line.request("GET", "/ping")
            if line.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the server did not become ready")


if __name__ == "__main__":
    main()
