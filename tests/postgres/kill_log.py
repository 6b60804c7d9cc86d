"""Kills server processes and Postgres again and again while requests are logged, and then counts.

    python -m tests.postgres.kill_log --kills 200 [--seed 1] [--debian]

Every request that was acknowledged as durable must be stored exactly once, of the others none twice, and those that are
missing must be counted in `analytics.scoring_gaps`. The suite runs a short form of it.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import psycopg

from mlops.db import Database, embedded
from mlops.db.embedded import Server
from mlops.policy import LogPolicy
from mlops.serving.log.ids import uuid7
from mlops.serving.log.record import ScoringRecord
from mlops.serving.log.writer import open_request_log

WORKERS = 2
BODY = b'{"dataframe_split":{"columns":["a","b"],"data":[[1,2]]}}'
DEBIAN = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True, slots=True)
class Counted:
    """What a campaign came to; `uncounted` are lost and in no gap, `overcounted` in a gap though nobody misses them."""

    server: str
    kills: dict[str, int]
    durable: int
    durable_missing: int
    others: int
    missing: int
    counted_lost: int
    stored: int
    stored_twice: int
    seconds: float

    @property
    def uncounted(self) -> int:
        return max(0, self.missing - self.counted_lost)

    @property
    def overcounted(self) -> int:
        return max(0, self.counted_lost - self.missing)


def campaign(server: Server, folder: Path, kills: int, seed: int) -> Counted:
    """Kill a random victim so many times, repair everything, and count."""
    began, chance = time.monotonic(), random.Random(seed)
    workers = [_begin(server.url(), folder, number, 0) for number in range(WORKERS)]
    done = dict.fromkeys(("worker", "worker while Postgres is away", "Postgres", "Postgres stands still"), 0)
    runs = 0
    for _ in range(kills):
        time.sleep(chance.uniform(0.05, 0.7))
        what = chance.choice(list(done))
        done[what] += 1
        if what.startswith("Postgres") or "away" in what:
            postmaster = server.status().pid
            assert postmaster is not None
            if what == "Postgres stands still":
                _stand_still(server, chance.uniform(0.2, 1))
            os.kill(postmaster, signal.SIGKILL)
        if what.startswith("worker"):
            time.sleep(chance.uniform(0.0, 0.5))
            victim, runs = chance.randrange(WORKERS), runs + 1
            os.kill(workers[victim], signal.SIGKILL)
            os.waitpid(workers[victim], 0)
            workers[victim] = _begin(server.url(), folder, victim, runs)
        time.sleep(chance.uniform(0.0, 0.5))
        server.start()
    for worker in workers:
        os.kill(worker, signal.SIGTERM)
        os.waitpid(worker, 0)
    _take_over(server.url(), folder)
    return _counted(server.url(), folder, done, time.monotonic() - began)


def _stand_still(server: Server, seconds: float) -> None:
    """All processes of the server stop, and answer nobody."""
    pids = server._processes()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            time.sleep(seconds)


def _begin(url: str, folder: Path, number: int, run: int) -> int:
    """A new worker, as a copy of this process: nothing has to be imported."""
    pid = os.fork()
    if pid == 0:
        _work(url, folder, f"{number}-{run}")
    return pid


def _work(url: str, folder: Path, name: str) -> NoReturn:
    """Log requests until we are told to stop, and note each when it is acknowledged."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    acknowledged = os.open(folder / f"{name}.acknowledged", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    chance = random.Random(name)
    try:
        with open_request_log(url, folder / "spool", LogPolicy()) as log:
            while not stopped:
                durable = chance.random() < 0.2
                # every tenth durable one is sent by both workers
                name = f"shared-{int(time.time() * 5)}" if durable and chance.random() < 0.1 else uuid7()
                record = ScoringRecord(
                    name, time.time(), 7, "champion", "", "application/json", BODY, b'{"predictions":[1]}', 1, 0.2, 90.0
                )
                if durable:
                    log.durable(record)
                    os.write(acknowledged, f"d {name}\n".encode())
                elif log.append(record):
                    os.write(acknowledged, f"a {name}\n".encode())
                time.sleep(chance.expovariate(500))
    finally:
        os._exit(0)


def _take_over(url: str, folder: Path) -> None:
    """As the next server would: store what is left on disk, and settle the accounts of the dead."""
    end = time.monotonic() + 120
    with open_request_log(url, folder / "spool", LogPolicy()) as log:
        while [path for path in (folder / "spool").glob("*[.]*") if not path.name.startswith(log.worker)]:
            assert time.monotonic() < end, list((folder / "spool").iterdir())
            time.sleep(0.2)


def _counted(url: str, folder: Path, kills: dict[str, int], seconds: float) -> Counted:
    lines = [line.split() for path in folder.glob("*.acknowledged") for line in path.read_text().splitlines()]
    durable, others = ({name for kind, name in lines if kind == which} for which in "da")
    with psycopg.connect(url) as connection:
        rows = [name for (name,) in connection.execute("select request_id from analytics.scoring_requests")]
        gaps = connection.execute("select coalesce(sum(requests), 0)::bigint from analytics.scoring_gaps").fetchone()
        version = connection.info.server_version
    assert gaps is not None
    stored = set(rows)
    return Counted(
        f"PostgreSQL {version // 10_000}.{version % 10_000}",
        kills,
        len(durable),
        len(durable - stored),
        len(others),
        len(others - stored),
        gaps[0],
        len(rows),
        len(rows) - len(stored),
        round(seconds, 1),
    )


def debian_server(folder: Path) -> Server:
    """A cluster of Debian's PostgreSQL 15 of its own, so that it may be killed."""
    embedded.LOCALE, embedded.CTYPE = ("--locale=C.UTF-8",), "--lc-ctype=C.UTF-8"
    server = Server(folder / "postgres", settings={"fsync": "off"})
    server.__dict__["_bin"] = DEBIAN
    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--debian", action="store_true", help="on Debian's PostgreSQL 15 instead of the embedded one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-kills-") as name:
        place = Path(name)
        place.chmod(0o755)
        own = debian_server(place) if options.debian else Server(place / "postgres", settings={"fsync": "off"})
        own.start()
        try:
            database = Database(own.url())
            database.upgrade()
            database.close()
            result = campaign(own, place, options.kills, options.seed)
        finally:
            own.stop()
    json.dump(asdict(result) | {"uncounted": result.uncounted, "overcounted": result.overcounted}, sys.stdout, indent=1)
    sys.exit(bool(result.durable_missing or result.stored_twice or result.uncounted))
