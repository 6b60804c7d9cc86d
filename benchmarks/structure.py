"""How many functions of ours, in how many files, a number passes on its way.

    python benchmarks/structure.py [--only check] [--list]

Functions of `src/mlops` that are called are counted once each, by `sys.setprofile` in all threads; comprehensions and
generated methods of dataclasses are not. Each job is run a second time and counted then, when what is kept after its
first use (compiled patterns, parsed queries) is there.
"""

import argparse
import logging
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType, FrameType

import numpy as np
import pandas as pd

import mlops
from mlops.config import Settings
from mlops.db import Database
from mlops.db.embedded import Server
from mlops.monitoring.weekly.job import run_checks
from mlops.policy import read_policy
from mlops.project import policy_file
from mlops.series.ingest import ingest
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.store import open_store
from mlops.training import TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.spec import params_file

PACKAGE = str(Path(mlops.__file__).parent)
LONG = "metric_type,observed_at,value,route_id\n"


def main() -> None:
    """Run the jobs and print a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="Only the jobs whose names contain this.")
    options.add_argument("--list", action="store_true", help="Print every function, too.")
    chosen = options.parse_args()
    logging.disable(logging.WARNING)
    print("| job | functions | files |\n| --- | --- | --- |")
    for name, job in JOBS.items():
        if chosen.only in name:
            with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as folder:
                report(name, passed(job, Path(folder)), names=chosen.list)


def report(name: str, codes: set[CodeType], *, names: bool) -> None:
    """One line of the table, and with `names` the functions by file."""
    files = Counter(Path(code.co_filename).relative_to(PACKAGE).as_posix() for code in codes)
    print(f"| {name} | {len(codes)} | {len(files)} |")
    for file, count in sorted(files.items()) if names else ():
        print(f"    {file}: {count}")
        own = (code for code in codes if code.co_filename == f"{PACKAGE}/{file}")
        for code in sorted(own, key=lambda code: code.co_firstlineno):
            print(f"        {code.co_firstlineno} {code.co_qualname}")


def passed(job: Callable[[Path, Callable[[], object]], None], folder: Path) -> set[CodeType]:
    """The functions that the second run of a job calls."""
    codes: set[CodeType] = set()

    @contextmanager
    def counted() -> Iterator[None]:
        def note(frame: FrameType, event: str, _: object) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename.startswith(PACKAGE) and not code.co_name.startswith("<"):
                codes.add(code)

        threading.setprofile(note)
        sys.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    job(folder, counted)
    return codes


def two_rows(folder: Path, counted: Callable[[], object]) -> None:
    """Ingest a file of two rows, after one of two other rows of the same series."""
    folder.chmod(0o755)
    server = Server(folder / "postgres").start()
    try:
        database = Database(server.url())
        database.upgrade()
        for number, month in enumerate(("01", "02")):
            file = folder / f"{number}.csv"
            rows = (f"collection_weight,2024-{month}-0{day}T00:00:00Z,{day},R1\n" for day in (1, 2))
            file.write_text(LONG + "".join(rows))
            if number == 0:
                ingest(database, file)
            else:
                with counted():
                    ingest(database, file)
        database.close()
    finally:
        server.stop()


def weekly_check(folder: Path, counted: Callable[[], object]) -> None:
    """The second weekly check of a LightGBM of four daily routes, after nothing has happened."""
    folder.chmod(0o755)
    server = Server(folder / "postgres").start()
    try:
        database = Database(server.url())
        database.upgrade()
        ingest(database, routes(folder / "routes.csv"), known_at="observed")
        store = open_store(Settings(home=folder, mlflow_tracking_uri=None), database.url)
        changes = {
            "trees": "40",
            "weeks": "14",
            "metric_type": "collection_weight",
            "granularity": "daily",
            "name": "demand",
        }
        trained = train(TrainingSpec.from_toml(params_file("lightgbm"), changes, as_of=NEW_YEAR), database, store)
        promote(database, store, trained.version.uri, "the first", margin=0.0, by="benchmark", force=True)
        for week in range(3):
            predict(database, store, "models:/demand@champion", as_of=NEW_YEAR + week * WEEK)
        policy = read_policy(policy_file())
        for week in (2, 3):
            match(database, NEW_YEAR + week * WEEK)
            if week == 2:
                run_checks(database, store, policy, NEW_YEAR + week * WEEK)
            else:
                with counted():
                    run_checks(database, store, policy, NEW_YEAR + week * WEEK)
        database.close()
    finally:
        server.stop()


def routes(path: Path) -> Path:
    """A file of four daily routes of 2019 and of January 2020."""
    random, ds = np.random.default_rng(3), pd.date_range("2019-01-01", "2020-01-31", tz="UTC")
    weekday = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])[ds.dayofweek]
    frames = [
        pd.DataFrame(
            {
                "observed_at": ds,
                "value": 100 * number * weekday * random.normal(1, 0.06, len(ds)),
                "route_id": f"R{number}",
            }
        )
        for number in range(1, 5)
    ]
    pd.concat(frames).assign(metric_type="collection_weight").to_csv(
        path, index=False, date_format="%Y-%m-%dT00:00:00Z"
    )
    return path


NEW_YEAR, WEEK = datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=7)
JOBS = {"ingest two rows": two_rows, "weekly check": weekly_check}

if __name__ == "__main__":
    main()
