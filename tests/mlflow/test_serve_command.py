"""`mlops serve` as people run it: it answers by registry URI, logs what it answered, and ends well when told to."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import psycopg

from mlops.config import Settings
from mlops.db import Database

ASKED = json.dumps({"dataframe_records": [{"series_id": "R1"}], "params": {"horizon": 3}}).encode()


def answer(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as given:
        return bytes(given.read())


def test_a_served_champion_answers_logs_and_ends_well(home: Settings, routes: Database, store, champion):
    environment = {**os.environ, "MLOPS_HOME": str(home.home), "MLOPS_DATABASE_URL": str(home.database_url)}
    command = [sys.executable, "-m", "mlops", "serve", "models:/demand@champion", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = re.match(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert said is not None
        predictions = json.loads(answer(f"{said[0]}/invocations?durable=true", ASKED))["predictions"]
        assert [row["series_id"] for row in predictions] == ["R1"] * 3
        assert json.loads(answer(f"{said[0]}/health"))["ready"] is True
        end = time.monotonic() + 30
        stored: list[tuple[str]] = []
        while not stored and time.monotonic() < end:
            with psycopg.connect(routes.url) as connection:
                stored = connection.execute("select request_id from analytics.scoring_requests").fetchall()
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert (code, len(stored)) == (0, 1)
