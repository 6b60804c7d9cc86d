"""What monitoring many champions costs: one weekly run of 100 models, and 52 weeks of them replayed.

    python -m benchmarks.monitoring.scale --models 100
    MLOPS_PARALLEL=serial python -m benchmarks.monitoring.scale --models 10 --profile

Run it at the root of the repository. The place with its champions and a year of forecasts is made once, below --home
(not counted; an interrupted set-up goes on where it was), and every measurement works on a copy of its database. Models
are small, as most are: the ten routes of a simulated company, two years of history, forecasts of 28 days each week.

`first` is a weekly run whose worker processes have to import everything first, `next` that of the week after, `replay`
52 weeks at once. CPU seconds are those of this process: all but Postgres' with MLOPS_PARALLEL=serial.
"""

import argparse
import cProfile
import json
import os
import pstats
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from mlops.config import Settings
from mlops.db import Database, open_database
from mlops.monitoring.weekly import job
from mlops.policy import read_policy
from mlops.project import policy_file
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
COPY = f"mlops_scale_{os.getpid()}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--models", type=int, default=100)
    options.add_argument("--weeks", type=int, default=52, help="how many are replayed")
    options.add_argument("--only", default="first,next,replay", help="with commas, of: first, next, replay")
    options.add_argument("--kind", default="naive", help="of every champion: naive, lean, …")
    options.add_argument("--home", type=Path, default=Path("/tmp/mlops-scale"), help="where the place is kept")
    options.add_argument("--profile", action="store_true", help="print where the time goes, too")
    chosen = options.parse_args()
    home = Settings(home=chosen.home / chosen.kind, mlflow_tracking_uri=None, database_url=None)
    set_up(home, chosen.kind, chosen.models)
    spans = {"first": [26], "next": [27], "replay": list(range(53 - chosen.weeks, 53))}
    for name in chosen.only.split(","):
        with copied(home, chosen.models) as url:
            found = measure(url, home, spans[name], chosen.models, chosen.profile)
        print(json.dumps({"what": name, "models": chosen.models, "weeks": len(spans[name])} | found), flush=True)


def set_up(home: Settings, kind: str, models: int) -> None:
    """Series, a champion and a year of forecasts with their outcomes for every model, as far as they are not there."""
    done = home.root / "done"
    missing = [number for number in range(models) if not (done / f"{number:03d}").exists()]
    if not missing:
        return
    database = open_database(home, checked=False)
    database.upgrade()
    store = open_store(home, database.url)
    done.mkdir(exist_ok=True)
    for number in missing:
        _model(database, store, home, kind, number)
        (done / f"{number:03d}").touch()
        print(f"set up {number + 1} of {models}", flush=True)
    database.close()


def measure(url: str, home: Settings, weeks: Sequence[int], models: int, profile: bool) -> dict[str, Any]:
    """Seconds of checking every champion in each of the weeks, and what was recommended how often."""
    database, watch = Database(url), cProfile.Profile()
    store, policy = open_store(home, url), read_policy(policy_file())
    times = [TRAINED + week * WEEK for week in weeks]
    began, cpu = time.perf_counter(), time.process_time()
    if profile:
        watch.enable()
    checked = job.replay(database, store, policy, times)
    watch.disable()
    found = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    if profile:
        pstats.Stats(watch).sort_stats("cumulative").print_stats(70)
    database.close()
    assert len(checked) == models * len(weeks), f"{len(checked)} checks of {models} models in {len(weeks)} weeks"
    said = {"actions": Counter(one.asks for one in checked), "states": Counter(one.state for one in checked)}
    return {name: round(value, 1) for name, value in found.items()} | said


@contextmanager
def copied(home: Settings, models: int) -> Iterator[str]:
    """The address of a copy of the database with the first champions alone; what is written into it is gone later."""
    url = open_database(home, checked=False).url
    name = url.rpartition("/")[2].partition("?")[0]
    copy = url.replace(f"/{name}", f"/{COPY}", 1)
    with psycopg.connect(url.replace(f"/{name}", "/postgres", 1), autocommit=True) as connection:
        connection.execute(f'drop database if exists "{COPY}" with (force)')
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        connection.execute(f'create database "{COPY}" template "{name}" strategy file_copy')
        database = Database(copy)
        database.upgrade()
        with psycopg.connect(copy) as kept:
            kept.execute(
                "delete from analytics.model_aliases a using analytics.registered_models m"
                " where m.model_id = a.model_id and (a.alias <> 'champion' or m.name >= %s)",
                [f"demand-{models:03d}"],
            )
        match(database, TRAINED + 53 * WEEK)
        database.close()
        yield copy
        connection.execute(f'drop database "{COPY}" with (force)')


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
