"""What monitoring many champions costs: one weekly run of 100 models, and 52 weeks of them replayed.

    python -m benchmarks.monitoring.scale --models 100 --weeks 52
    python -m benchmarks.monitoring.scale --models 100 --weeks 1 --profile

Run it at the root of the repository. The place with its champions and a year of forecasts is made once, below --home
(not counted; an interrupted set-up goes on where it was), and every measurement works on a copy of its database. Models
are small, as most are: the ten routes of a simulated company, two years of history, forecasts of 28 days each week.
"""

import argparse
import cProfile
import json
import pstats
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import psycopg

from mlops.config import Settings, room
from mlops.db import Database, open_database
from mlops.monitoring import job
from mlops.monitoring.policy import read_policy
from mlops.series.ingest import ingest
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.simulation.company import Company, simulate_company
from mlops.tracking.registry import alias_of
from mlops.tracking.store import Store, open_store
from mlops.training import TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.spec import params_file

TRAINED = datetime(2025, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)
COMPANY = Company(customers=60, routes=10, years=3.0, country="NZ")
COPY = "mlops_scale_copy"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--models", type=int, default=100)
    options.add_argument("--weeks", type=int, default=52, help="how many weeks are replayed; the last is of --week")
    options.add_argument("--week", type=int, default=52, help="the last week, counted from the training on")
    options.add_argument("--kind", default="naive", help="the experiment's kind: naive, lean, …")
    options.add_argument("--home", type=Path, default=Path("/tmp/mlops-scale"), help="where the place is kept")
    options.add_argument("--profile", action="store_true", help="print where the time goes, too")
    chosen = options.parse_args()
    home = Settings(home=chosen.home / chosen.kind, mlflow_tracking_uri=None, database_url=None)
    database = open_database(home, checked=False)
    database.upgrade()
    set_up(database, home, chosen.kind, chosen.models)
    with copied(database) as url:
        seconds = replay(
            url, home, chosen.models, range(chosen.week - chosen.weeks + 1, chosen.week + 1), chosen.profile
        )
    print(json.dumps({"models": chosen.models, "weeks": chosen.weeks, "kind": chosen.kind, **seconds}))


def set_up(database: Database, home: Settings, kind: str, models: int) -> None:
    """Series, a champion and a year of forecasts with their outcomes for every model, as far as they are not there."""
    store = open_store(home, database.url)
    done = home.root / "done"
    done.mkdir(exist_ok=True)
    for number in range(models):
        mark = done / f"{number:03d}"
        if not mark.exists():
            _model(database, store, home, kind, number)
            mark.touch()
            print(f"set up {mark.name}", flush=True)
    match(database, TRAINED + 53 * WEEK)


def replay(url: str, home: Settings, models: int, weeks: range, profile: bool) -> dict[str, float]:
    """Seconds of `mlops monitor run`, without its imports, for every week in turn."""
    database = Database(url)
    store = open_store(home, url)
    policy = read_policy(room("monitoring") / "policy.toml")
    watch, actions = cProfile.Profile(), pd.Series(dtype=float)
    began, cpu = time.perf_counter(), time.process_time()
    if profile:
        watch.enable()
    for week in weeks:
        checked = job.run(database, store, policy, TRAINED + week * WEEK)
        assert len(checked) == models, f"{len(checked)} of {models} models were checked in week {week}"
        actions = actions.add(pd.Series([one.recommendation.action for one in checked]).value_counts(), fill_value=0)
    watch.disable()
    found = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    if profile:
        pstats.Stats(watch).sort_stats("cumulative").print_stats(70)
    database.close()
    return {name: round(value, 1) for name, value in found.items()} | {"actions": actions.astype(int).to_dict()}


@contextmanager
def copied(database: Database) -> Iterator[str]:
    """The address of a copy of the database, so that what a measurement writes is gone afterwards."""
    name, other = (database.url.rpartition("/")[2].partition("?")[0], COPY)
    database.close()
    place = database.url.replace(f"/{name}", "/postgres", 1)
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute(f'drop database if exists "{other}" with (force)')
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        connection.execute(f'create database "{other}" template "{name}" strategy file_copy')
        yield database.url.replace(f"/{name}", f"/{other}", 1)
        connection.execute(f'drop database "{other}" with (force)')


def _model(database: Database, store: Store, home: Settings, kind: str, number: int) -> None:
    name, labels = f"demand-{number:03d}", {"model": f"m{number:03d}"}
    ingest(database, _file(home, number, labels), known_at="observed")
    if alias_of(store, name, "champion") is None:
        changes = {"name": name, "kind": kind, "metric_type": "collection_weight", "country": "NZ", "weeks": "52"}
        changes |= {"refit_every": "26", "members": "smoothing"}
        spec = TrainingSpec.from_toml(
            params_file("lean"), changes, as_of=TRAINED, labels=labels, request=f"scale {number}"
        )
        if kind != "lean":
            spec.params.clear()  # type: ignore[attr-defined]
        version = train(spec, database, store).version
        promote(database, store, version.uri, "the benchmark's", margin=0.02, force=True)
    for week in range(53):
        predict(database, store, f"models:/{name}@champion", as_of=TRAINED + week * WEEK, decompose=False)


def _file(home: Settings, number: int, labels: dict[str, str]) -> Path:
    """The daily weights of one company's routes, as they came in time."""
    rows = simulate_company(COMPANY, number).arrivals.observations
    routes = rows[(rows["metric_type"] == "collection_weight") & rows["customer_id"].isna()]
    path = home.root / f"routes-{number:03d}.parquet"
    routes.assign(labels=json.dumps(labels)).to_parquet(path, index=False)
    return path


if __name__ == "__main__":
    main()
