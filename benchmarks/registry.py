"""How fast and with how much memory the mirror is made equal to a registry of 1,000 models with 10 versions each.

    python benchmarks/registry.py                       # 1,000 models, then ten times as many
    python benchmarks/registry.py --models 1000 --runs  # every version has a run of its own, with facts

MLflow's tables are filled by SQL: three tags a version, one a model, two aliases a model; with `--runs` ten params,
ten metrics and six tags a run. Each figure comes from a process of its own, which tells its seconds (of `sync` alone,
not of starting; up to 1,000 models the least of three), the peak of its memory, also above that of a process that only
connects, and how many rows of the mirror it wrote. An empty mirror reads the files of 25 versions, too, which can't be
read; afterwards all versions are marked as read.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from mlops.config import Settings
from mlops.db import Database, open_database
from mlops.db.embedded import server_for
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store, open_store

STEPS = (  # what is done, how the registry is read, what changes before
    ("empty mirror", "sql", "empty"),
    ("nothing changed", "sql", ""),
    ("1 % of the versions changed", "sql", "some"),
    ("empty mirror", "api", "empty"),
    ("nothing changed", "api", ""),
    ("1 % of the versions changed", "api", "some"),
)
CHANGES = {
    "empty": """
        set local session_replication_role = replica;  -- the record refuses to be emptied
        truncate analytics.registered_models cascade;
        set local session_replication_role = origin;
        update analytics.registry_mirror set registry = null, adopted_at = null""",
    "some": """
        update mlflow.model_version_tags set value = clock_timestamp()::text
         where (version, key) = (7, 'key 1') and name like '%7'""",
    "": "update analytics.model_versions set lineage_read_at = now() where lineage_read_at is null",
}


def main() -> None:
    """Make the registry, measure each step, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--runs", action="store_true", help="every version has a run of its own")
    parser.add_argument("--one", choices=["sql", "api", "nothing"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(one(chosen.one)))
        return
    print(f"{'models':>7} {'versions':>9}  by   {'':28}{'seconds':>8}{'peak MB':>9}{'above':>7}  rows written")
    for models in chosen.models:
        with tempfile.TemporaryDirectory(prefix=f"mlops-bench-{models}-", ignore_cleanup_errors=True) as folder:
            measure(Path(folder), models, chosen.versions, chosen.runs)


def measure(folder: Path, models: int, versions: int, runs: bool) -> None:
    """All steps on a registry of one size, in a database of its own."""
    folder.chmod(0o755)
    os.environ["MLOPS_HOME"] = str(folder)
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it to whatever was opened last
    settings = Settings()
    database = open_database(settings)
    try:
        open_store(settings, database.url)
        fill(database, models, versions, runs)
        nothing = _process("nothing")["peak_mb"]
        for what, how, change in STEPS:
            repeated = [_step(database, how, change) for _ in range(3 if models <= 1_000 else 1)]
            found = min(repeated, key=lambda one: one["seconds"])
            above = found["peak_mb"] - nothing
            print(
                f"{models:>7,} {models * versions:>9,}  {how:5}{what:28}{found['seconds']:>8.2f}"
                f"{found['peak_mb']:>9.0f}{above:>7.0f}  {found['written']:,}"
            )
    finally:
        server_for(settings.root).stop()


def fill(database: Database, models: int, versions: int, runs: bool) -> None:
    """Insert a registry into MLflow's tables."""
    parameters = {"models": models, "versions": versions, "runs": runs}
    with psycopg.connect(database.url, autocommit=True) as connection:
        for command in FILL.split(";\n"):
            connection.execute(command % parameters)


def one(how: str) -> dict[str, float]:
    """One sync in this process: its seconds, its peak of memory, and how many rows of the mirror it wrote."""
    settings = Settings()
    database = open_database(settings)
    store = Store(open_store(settings, database.url).uri, settings.artifacts)
    before, began = _written(database), time.perf_counter()
    if how != "nothing":
        sync(store, database, how=how)  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    database.close()  # the server counts what a session wrote when it ends
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak, "written": _written(database) - before}


def _step(database: Database, how: str, change: str) -> dict[str, float]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(CHANGES[change])
    return _process(how)


def _process(how: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--one", how], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _written(database: Database) -> int:
    """Rows inserted, updated and deleted in the mirror's tables since the server began."""
    with psycopg.connect(database.url) as connection:
        return int(connection.execute(WRITTEN).fetchone()[0])


WRITTEN = """
select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables
 where relid in ('analytics.registered_models'::regclass, 'analytics.registered_model_names'::regclass,
                 'analytics.model_versions'::regclass, 'analytics.model_aliases'::regclass,
                 'analytics.model_version_features'::regclass)"""
FILL = """
set search_path = mlflow;
insert into registered_models (name, creation_time, last_updated_time, description, workspace)
select 'model ' || g, 1700000000000 + g * 1000, 1700000000000 + g * 1000, 'number ' || g, 'default'
  from generate_series(1, %(models)s) g;
insert into registered_model_tags (name, key, value, workspace)
select name, 'team', 'team ' || creation_time %% 7, 'default' from registered_models;
insert into model_versions
       (name, version, creation_time, last_updated_time, current_stage, source, run_id, status, workspace)
select name, v, creation_time + v, creation_time + v, 'None', 'file:///nowhere/' || creation_time || '/' || v,
       md5(case when %(runs)s then creation_time || '/' || v else 'one' end), 'READY', 'default'
  from registered_models, generate_series(1, %(versions)s) v;
insert into model_version_tags (name, version, key, value, workspace)
select name, version, 'key ' || k, 'value ' || creation_time, 'default' from model_versions, generate_series(1, 3) k;
insert into registered_model_aliases (name, alias, version, workspace)
select name, alias, version, 'default'
  from registered_models, (values ('champion', %(versions)s - 1), ('challenger', %(versions)s)) a (alias, version);
insert into runs
       (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, experiment_id, artifact_uri)
select distinct run_id, 'run', 'LOCAL', 'someone', 'FINISHED', 1, 'active', 0, 'file:///nowhere' from model_versions;
insert into params (key, value, run_uuid) select 'param ' || k, 'value', run_uuid from runs, generate_series(1, 10) k;
insert into tags (key, value, run_uuid) select 'tag ' || k, 'value', run_uuid from runs, generate_series(1, 6) k;
insert into latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
select 'metric ' || k, random(), 1, 0, false, run_uuid from runs, generate_series(1, 10) k;
analyze
"""

if __name__ == "__main__":
    main()
