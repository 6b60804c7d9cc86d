"""How soon an answered request is a row of the log, alone and while four clients ask as fast as they can.

python benchmarks/serving/visible.py [--requests 100]
"""

import argparse
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psycopg
from swap import BODY, register
from under_load import PATH, PORT, Clients, quantiles, wait_until_ready

from mlops.config import Settings
from mlops.db import open_database
from mlops.db.embedded import server_for
from mlops.tracking.store import open_store

STORED = "select 1 from analytics.scoring_requests where request_id = %s and requested_at > now() - interval '1 minute'"


def visible_after(database_url: str, requests: int) -> list[float]:
    """Seconds from each answer until its row is there."""
    took = []
    line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for _ in range(requests):
            name = uuid4().hex
            line.request("POST", PATH, BODY, {"content-type": "application/json", "x-request-id": name})
            line.getresponse().read()
            began = time.monotonic()
            while connection.execute(STORED, (name,)).fetchone() is None:
                time.sleep(0.005)
            took.append(time.monotonic() - began)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        os.environ["MLOPS_HOME"] = folder
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        settings = Settings()
        database = open_database(settings)
        store = open_store(settings, database.url)
        register(store, database, "demand", 1)
        command = [sys.executable, "-m", "mlops", "serve", "--listen", f"127.0.0.1:{PORT}"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_until_ready()
            print("alone, ms, median, p99, most", quantiles(visible_after(database.url, requests)))
            with Clients() as clients:
                print("under load, ms, median, p99, most", quantiles(visible_after(database.url, requests)))
            print(dict(clients.counts))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(90)
            database.close()
            server_for(settings.root).stop()


if __name__ == "__main__":
    main()
