"""Writers, readers and all maintenance at once, two writers killed: is a row lost, doubled or misplaced?

    python benchmarks/store/concurrency.py --seconds 600 --writers 8 --readers 4 [--server postgresql://...]

Half of the writers ingest files, half copy into time_series_staging; all of them write random days of 24 months (whose
partitions are not there at first) of the same few series, so that their keys overlap all the time. Every value that is
written is written once, so each can be looked for afterwards: it is the current value of its key, one of its revisions,
or one of either in the archive of a month that was dropped. One writer of each half is killed by SIGKILL in the middle.
Meanwhile maintenance runs, rollups and views are refreshed, and every so often retention takes one month more, whose
writers are refused from then on. The embedded server logs every lock that somebody waits for longer than 100 ms.
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
from datetime import datetime
from pathlib import Path

import psycopg
import pyarrow.parquet as pq

from mlops.db import Database
from mlops.db.embedded import Server
from mlops.db.upkeep import maintain
from mlops.errors import Refused
from mlops.series.ingest import ingest

HARD = ("plan_cache_mode = force_generic_plan", "enable_hashjoin = off", "enable_mergejoin = off")
SERIES, MONTHS, ROWS = 10, 24, 400
BLOCKED = re.compile(r"process (\d+) still waiting for (\w+) on (.*?) after (\d+\.\d+) ms")
Row = tuple[str, str, float]


def main() -> int:
    """Run, verify, print one JSON document; 0 when nothing is wrong."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--writers", type=int, default=8)
    options.add_argument("--readers", type=int, default=4)
    options.add_argument("--hard", action="store_true", help="ask for the plans after which PostgreSQL 18 forgets rows")
    options.add_argument("--server", help="the address of a server to make a database on; the embedded one if left out")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        if chosen.server:
            document = run(chosen.server, folder, chosen.seconds, chosen.writers, chosen.readers, hard=chosen.hard)
        else:
            watch = {"deadlock_timeout": "100ms", "log_lock_waits": "on"}
            server = Server(folder / "postgres", settings=watch).start()
            try:
                document = run(server.url(), folder, chosen.seconds, chosen.writers, chosen.readers, hard=chosen.hard)
            finally:
                server.stop()
    print(json.dumps(document, indent=2))
    wrong = (document["lost"], document["doubled"], document["misplaced"], document.get("readers_blocked"))
    return int(any(wrong))


def run(server: str, folder: Path, seconds: float, writers: int, readers: int, *, hard: bool) -> dict[str, object]:
    """The whole experiment on a fresh database."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("drop database if exists mlops_bench with (force)")
        connection.execute("create database mlops_bench")
        for setting in HARD if hard else ():
            connection.execute(f"alter database mlops_bench set {setting}")
    place, _, query = server.partition("?")
    url = f"{place.rpartition('/')[0]}/mlops_bench" + (f"?{query}" if query else "")
    Database(url).upgrade()
    end = time.time() + seconds
    journals = [folder / f"writer-{number}" for number in range(writers)]
    jobs = [
        multiprocessing.Process(target=(write_files, write_staging)[number % 2], args=(url, journal, number, end))
        for number, journal in enumerate(journals)
    ]
    jobs += [multiprocessing.Process(target=read, args=(url, folder / f"reader-{n}", n, end)) for n in range(readers)]
    others = ((maintenance, (url, folder, end)), (refresh, (url, end)), (retention, (url, seconds / MONTHS, end)))
    jobs += [multiprocessing.Process(target=work, args=arguments) for work, arguments in others]
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
    maintain(Database(url), folder / "archive")  # whatever they kept it from doing
    found = verify(url, journals)
    log = folder / "postgres" / "server.log"
    if log.exists():
        found |= waits(log.read_text(errors="replace"), [folder / f"reader-{number}" for number in range(readers)])
    return found


def batch(number: int, sequence: int, chance: random.Random, gone: int) -> list[Row]:
    """Rows of random series and days, each value unlike any other that is ever written; `gone` months are over."""
    places = {(chance.randrange(SERIES), chance.randrange(gone * 28, MONTHS * 28)) for _ in range(ROWS)}
    return [
        (f"R{series}", f"{2024 + day // 336}-{1 + day // 28 % 12:02}-{1 + day % 28:02}T00:00:00Z", float(value))
        for value, (series, day) in enumerate(sorted(places), 1 + ROWS * (number + 1000 * sequence))
    ]


def write_files(url: str, journal: Path, number: int, end: float) -> None:
    """Ingest file after file; what is begun and what is done is written down first and afterwards."""
    database, chance, file, gone = Database(url), random.Random(number), journal.with_suffix(".csv"), 0
    for sequence in range(10**6):
        if time.time() > end:
            return
        rows = batch(number, sequence, chance, gone)
        text = "".join(f"collection_weight,{at},{value},{route}\n" for route, at, value in rows)
        file.write_text("metric_type,observed_at,value,route_id\n" + text)
        note(journal, "begun", rows)
        try:
            report = ingest(database, file)
        except Refused:
            gone += 1
            continue
        assert report.inserted + report.corrected == len(rows), report
        note(journal, "done", rows)


def write_staging(url: str, journal: Path, number: int, end: float) -> None:
    """COPY batch after batch into the staging table; a deadlock is tried again, as any client must."""
    chance, ids, gone = random.Random(number), {}, 0
    with psycopg.connect(url) as connection:
        for series in range(SERIES):
            make = "select analytics.series_for('collection_weight', route_id => %s)"
            [ids[f"R{series}"]] = connection.execute(make, [f"R{series}"]).fetchone() or [None]
            connection.commit()
        for sequence in range(10**6):
            if time.time() > end:
                return
            rows = batch(number, sequence, chance, gone)
            note(journal, "begun", rows)
            try:
                while not staged(connection, [(ids[route], at, value) for route, at, value in rows]):
                    pass
            except psycopg.errors.ObjectNotInPrerequisiteState:
                connection.rollback()
                gone += 1
                continue
            note(journal, "done", rows)


def staged(connection: psycopg.Connection, rows: list[tuple[int, str, float]]) -> bool:
    """Whether the rows went in; an error that asks for another attempt is answered as any client must."""
    try:
        into = "copy analytics.time_series_staging (series_id, observed_at, value) from stdin"
        with connection.cursor().copy(into) as copy:
            for row in rows:
                copy.write_row(row)
        connection.commit()
    except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable, psycopg.errors.SerializationFailure):
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


def maintenance(url: str, folder: Path, end: float) -> None:
    """Maintenance over and over, which archives and drops what retention takes."""
    database = Database(url)
    while time.time() < end:
        maintain(database, folder / "archive")
        time.sleep(1)


def refresh(url: str, end: float) -> None:
    """Rollups and views over and over."""
    with psycopg.connect(url, autocommit=True) as connection:
        while time.time() < end:
            connection.execute("select analytics.refresh_predictive_views(true)")


def retention(url: str, pause: float, end: float) -> None:
    """Keep every month at first, then one less after every pause, until half of them are left."""
    table = "'analytics.time_series_metrics'::regclass"
    keep = f"update analytics.partition_policy set keep_months = %s where parent = {table}"
    with psycopg.connect(url, autocommit=True) as connection:
        for gone in range(MONTHS // 2):
            connection.execute(keep, [MONTHS - 1 - gone])
            connection.execute("select analytics.agree_to_retention()")
            time.sleep(max(0, min(pause, end - time.time())))


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
    misplaced = """
        select count(*) from analytics.time_series_metrics m
          join analytics.month_partitions('analytics.time_series_metrics') p on p.partition = m.tableoid::regclass
         where m.observed_at < p.lower_bound or m.observed_at >= p.upper_bound"""
    with psycopg.connect(url) as connection:
        connection.execute("set timezone = 'UTC'")
        routes = dict(connection.execute("select series_id, route_id from analytics.series").fetchall())
        current, superseded = (
            everything(connection, f"analytics.time_series_{name}") for name in ("metrics", "revisions")
        )
        [wrong] = connection.execute(misplaced).fetchone() or [None]
        [dropped] = connection.execute("select count(*) from analytics.partition_archives where dropped_at is not null")
    keys = [row[:2] for row in current]
    found = Counter((routes[key], f"{at:%Y-%m-%dT%H:%M:%SZ}", value) for key, at, value in [*current, *superseded])
    unsure = written["begun"] - written["done"]
    return {
        "values_written": written["done"].total(),
        "values_of_killed_writers_in_flight": unsure.total(),
        "of_which_stored": (found & unsure).total(),
        "current_rows": len(current),
        "revisions": len(superseded),
        "months_dropped": dropped[0],
        "lost": (written["done"] - found).total(),
        "doubled": (found - written["begun"]).total() + len(keys) - len(set(keys)),
        "misplaced": wrong,
    }


def everything(connection: psycopg.Connection, table: str) -> list[tuple[int, datetime, float]]:
    """Series, time and value of all rows of a table, and of its archived months."""
    names = ["series_id", "observed_at", "value"]
    rows = connection.execute(f"select {', '.join(names)} from {table}").fetchall()
    newest = """
        select path from (select distinct on (lower_bound) path, dropped_at, restored_at
                            from analytics.partition_archives where parent = %s::regclass
                           order by lower_bound, archive_id desc) newest
         where dropped_at is not null and restored_at is null"""
    for [path] in connection.execute(newest, [table]).fetchall():
        archived = pq.read_table(path, columns=names).to_pydict()
        rows += zip(*(archived[name] for name in names), strict=True)
    return rows


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
