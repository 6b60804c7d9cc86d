"""Many writers and readers at once, one writer killed: is a row lost, doubled or misplaced, is a reader blocked?

    python benchmarks/store/concurrency.py --seconds 60 --writers 8 --readers 4

Half of the writers ingest files, half copy into time_series_staging; all of them write random days of 24 months (whose
partitions are not there at first) of the same few series, so that their keys overlap all the time. Every value that is
written is written once, so each can be looked for afterwards: it is the current value of its key or one of its
revisions. One writer of each half is killed by SIGKILL in the middle. Maintenance runs meanwhile. The server logs every
lock that somebody waits for longer than 100 ms.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psycopg

from mlops.db import Database
from mlops.db.embedded import Server
from mlops.db.upkeep import maintain
from mlops.series.ingest import ingest

SERIES, MONTHS, ROWS = 60, 24, 400
BLOCKED = re.compile(r"process (\d+) still waiting for (\w+) on (.*?) after (\d+\.\d+) ms")
Row = tuple[str, str, float]


def main() -> int:
    """Run, verify, print one JSON document; 0 when nothing is wrong."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--writers", type=int, default=8)
    options.add_argument("--readers", type=int, default=4)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        watch = {"deadlock_timeout": "100ms", "log_lock_waits": "on"}
        server = Server(folder / "postgres", settings=watch).start()
        try:
            document = run(server, folder, chosen.seconds, chosen.writers, chosen.readers)
        finally:
            server.stop()
    print(json.dumps(document, indent=2))
    return int(bool(document["lost"] or document["doubled"] or document["misplaced"] or document["readers_blocked"]))


def run(server: Server, folder: Path, seconds: float, writers: int, readers: int) -> dict[str, object]:
    """The whole experiment on a fresh database."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create database bench")
    url = server.url("bench")
    Database(url).upgrade()
    end = time.time() + seconds
    journals = [folder / f"writer-{number}" for number in range(writers)]
    jobs = [
        multiprocessing.Process(target=(write_files, write_staging)[number % 2], args=(url, journal, number, end))
        for number, journal in enumerate(journals)
    ]
    jobs += [multiprocessing.Process(target=read, args=(url, folder / f"reader-{n}", n, end)) for n in range(readers)]
    jobs.append(multiprocessing.Process(target=keep_up, args=(url, folder, end)))
    for job in jobs:
        job.start()
    time.sleep(seconds / 2)
    killed = jobs[: min(2, writers)]
    for job in killed:
        os.kill(job.pid or 0, signal.SIGKILL)
    for job in jobs:
        job.join()
    failed = [job.exitcode for job in jobs if job not in killed and job.exitcode]
    assert not failed, f"a process failed: {failed}"
    log = (folder / "postgres" / "server.log").read_text(errors="replace")
    return verify(url, journals) | waits(log, [folder / f"reader-{number}" for number in range(readers)])


def batch(number: int, sequence: int, chance: random.Random) -> list[Row]:
    """Rows of random series and days, each value unlike any other that is ever written."""
    places = {(chance.randrange(SERIES), chance.randrange(MONTHS * 28)) for _ in range(ROWS)}
    return [
        (f"R{series}", f"{2024 + day // 336}-{1 + day // 28 % 12:02}-{1 + day % 28:02}T00:00:00Z", float(value))
        for value, (series, day) in enumerate(sorted(places), 1 + ROWS * (number + 1000 * sequence))
    ]


def write_files(url: str, journal: Path, number: int, end: float) -> None:
    """Ingest file after file; what is begun and what is done is written down first and afterwards."""
    database, chance, file = Database(url), random.Random(number), journal.with_suffix(".csv")
    for sequence in range(10**6):
        if time.time() > end:
            return
        rows = batch(number, sequence, chance)
        text = "".join(f"collection_weight,{at},{value},{route}\n" for route, at, value in rows)
        file.write_text("metric_type,observed_at,value,route_id\n" + text)
        note(journal, "begun", rows)
        report = ingest(database, file)
        assert report.inserted + report.corrected == len(rows), report
        note(journal, "done", rows)


def write_staging(url: str, journal: Path, number: int, end: float) -> None:
    """COPY batch after batch into the staging table; a deadlock is tried again, as any client must."""
    chance, ids = random.Random(number), {}
    with psycopg.connect(url) as connection:
        for series in range(SERIES):
            make = "select analytics.series_for('collection_weight', route_id => %s)"
            [ids[f"R{series}"]] = connection.execute(make, [f"R{series}"]).fetchone() or [None]
            connection.commit()
        for sequence in range(10**6):
            if time.time() > end:
                return
            rows = batch(number, sequence, chance)
            note(journal, "begun", rows)
            while not staged(connection, [(ids[route], at, value) for route, at, value in rows]):
                pass
            note(journal, "done", rows)


def staged(connection: psycopg.Connection, rows: list[tuple[int, str, float]]) -> bool:
    """Whether the rows went in."""
    try:
        into = "copy analytics.time_series_staging (series_id, observed_at, value) from stdin"
        with connection.cursor().copy(into) as copy:
            for row in rows:
                copy.write_row(row)
        connection.commit()
    except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
        connection.rollback()
        return False
    return True


def read(url: str, journal: Path, number: int, end: float) -> None:
    """Ask for months and latest values again and again; how long each question took."""
    chance, taken = random.Random(number), []
    until = "%s::timestamptz + interval '1 month'"
    month = f"select sum(value) from analytics.time_series where observed_at >= %s and observed_at < {until}"
    with psycopg.connect(url, autocommit=True) as connection:
        journal.with_suffix(".pid").write_text(str(connection.info.backend_pid))
        while time.time() < end:
            at, begun = f"{2024 + chance.randrange(2)}-{1 + chance.randrange(12):02}-01T00:00:00Z", time.perf_counter()
            connection.execute(month, [at, at])
            connection.execute(
                "select * from analytics.latest_values((select array_agg(series_id) from analytics.series))"
            )
            taken.append(time.perf_counter() - begun)
    journal.write_text(json.dumps(taken))


def keep_up(url: str, folder: Path, end: float) -> None:
    """Refresh, and order closed months, over and over; nothing is dropped."""
    database = Database(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update analytics.partition_policy set keep_months = null")
    while time.time() < end:
        maintain(database, folder / "archive")
        time.sleep(1)


def note(journal: Path, what: str, rows: list[Row]) -> None:
    """Append to the journal, and make sure that it is on the disk."""
    with journal.open("a") as file:
        file.write(json.dumps([what, rows]) + "\n")
        file.flush()
        os.fsync(file.fileno())


def verify(url: str, journals: list[Path]) -> dict[str, object]:
    """Every value that was written against every value that is there, current or superseded."""
    written, unsure = {"begun": Counter[Row](), "done": Counter[Row]()}, 0
    for journal in journals:
        for line in journal.read_text().splitlines():
            what, rows = json.loads(line)
            written[what].update(tuple(row) for row in rows)
    stamp = """to_char(observed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
    there = f"""
        select s.route_id, {stamp}, v.value
          from (select series_id, observed_at, value from analytics.time_series_metrics
                union all select series_id, observed_at, value from analytics.time_series_revisions) v
          join analytics.series s using (series_id)"""
    misplaced = """
        select count(*) from analytics.time_series_metrics m
          join analytics.month_partitions('analytics.time_series_metrics') p on p.partition = m.tableoid::regclass
         where m.observed_at < p.lower_bound or m.observed_at >= p.upper_bound"""
    with psycopg.connect(url) as connection:
        found = Counter[Row](connection.execute(there).fetchall())
        [wrong] = connection.execute(misplaced).fetchone() or [None]
        keys = "select count(*), count(distinct (series_id, observed_at)) from analytics.time_series_metrics"
        [rows, distinct] = connection.execute(keys).fetchone() or [None, None]
    unsure = written["begun"] - written["done"]
    return {
        "values_written": written["done"].total(),
        "values_of_killed_writers_in_flight": unsure.total(),
        "of_which_stored": (found & unsure).total(),
        "current_rows": rows,
        "revisions": found.total() - rows,
        "lost": (written["done"] - found).total(),
        "doubled": (found - written["begun"]).total() + rows - distinct,
        "misplaced": wrong,
    }


def waits(log: str, readers: list[Path]) -> dict[str, object]:
    """What the server says of waiting, and how long the readers' questions took."""
    pids = {path.with_suffix(".pid").read_text() for path in readers}
    blocked = [found.groups() for found in BLOCKED.finditer(log) if found.group(1) in pids]
    taken = sorted(seconds for path in readers for seconds in json.loads(path.read_text()))
    return {
        "questions": len(taken),
        "median_ms": round(1000 * taken[len(taken) // 2], 1),
        "p99_ms": round(1000 * taken[int(len(taken) * 0.99)], 1),
        "readers_blocked": blocked,
        "writers_waits_over_100_ms": len(BLOCKED.findall(log)) - len(blocked),
        "deadlocks": len(re.findall("deadlock detected", log)),
    }


if __name__ == "__main__":
    sys.exit(main())
