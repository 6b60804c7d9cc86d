"""Bridges in processes of their own: killed at any moment, and two at once."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.mlflow.registry_pictures import mirror, registry, rows

from mlflow import MlflowClient
from mlops.config import Settings
from mlops.db import Database
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store, open_store

KILLS = 12
NURSERY = """
import os, random, signal, sys, time

from mlops.db import Database
from mlops.tracking.bridge import sync as bridge

class Place:
    "What sync takes of a store when it reads by SQL; MLflow's own has threads, which a fork would not have."
    uri = sys.argv[2]

bridge.mirror_lineage = lambda database, touched, foreign: 0
random.seed(7)
for _ in range(int(sys.argv[3])):
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        database = Database(sys.argv[1])
        while True:
            with database.autocommit() as cursor:
                cursor.execute("update mlflow.model_versions set description = clock_timestamp()::text")
                cursor.execute("update mlflow.registered_model_aliases set version = 1 + mod(version, 5)")
                cursor.execute("update mlflow.registered_models set name = 'x' || name where length(name) < 200")
            os.write(1, b"<")
            bridge.sync(Place(), database, how="sql")
            os.write(1, b">")
            os.write(tell, b"one is done")
    os.close(tell)  # or nobody would hear that the child has died
    assert os.read(told, 1), "the first sync failed"
    time.sleep(random.uniform(0.01, 0.15))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
os.write(1, b"killed")
"""


@pytest.fixture
def place(new_database: Any, with_mlflow: str, tmp_path: Path) -> Iterator[tuple[Store, Database]]:
    """A registry of 20 models with 5 versions each, mirrored."""
    with new_database("processes", template=with_mlflow) as (_, url):
        with psycopg.connect(url, autocommit=True) as connection:
            for command in FILL.split(";\n"):
                connection.execute(command)
        database = Database(url)
        store = open_store(Settings(home=tmp_path, mlflow_tracking_uri=None), url)
        sync(store, database)
        yield store, database
        database.close()


FILL = """
insert into mlflow.registered_models (name, creation_time, last_updated_time)
select 'm' || g, 1700000000000 + g, 1 from generate_series(1, 20) g;
insert into mlflow.model_versions (name, version, creation_time, last_updated_time, current_stage, source, status)
select name, v, creation_time + v, 1, 'None', 'file:///nowhere', 'READY'
  from mlflow.registered_models, generate_series(1, 5) v;
insert into mlflow.registered_model_aliases (name, alias, version)
select name, 'champion', 1 from mlflow.registered_models
"""


def test_after_a_bridge_was_killed_at_any_moment_the_next_sync_is_exact(place: tuple[Store, Database]):
    store, database = place
    before = rows(database.url, "select model_id, version_id from analytics.model_versions order by 2")
    done = subprocess.run(
        [sys.executable, "-c", NURSERY, database.url, store.uri, str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("killed"), done.stderr
    begun, ended = done.stdout.count("<"), done.stdout.count(">")
    assert ended >= KILLS, "each had done one"
    assert begun - ended > KILLS / 3, "many were killed in the middle of another"
    sync(store, database)
    assert mirror(database.url) == registry(store.client)
    assert rows(database.url, "select model_id, version_id from analytics.model_versions order by 2") == before
    assert not rows(database.url, OVERLAPS)


OVERLAPS = """
select from analytics.model_aliases a join analytics.model_aliases b using (model_id, alias)
 where a.ctid <> b.ctid
   and a.valid_from < coalesce(b.valid_to, 'infinity') and b.valid_from < coalesce(a.valid_to, 'infinity')"""


def test_two_bridges_at_once_are_as_one(place: tuple[Store, Database]):
    store, database = place
    others = [Database(database.url), Database(database.url)]

    def synchronise(number: int) -> None:
        for turn in range(4):
            store.client.set_registered_model_alias(f"m{1 + number}", "champion", str(1 + turn))
            sync(store, others[number], how=("sql", "api")[(number + turn) % 2])

    with ThreadPoolExecutor(2) as both:
        list(both.map(synchronise, range(2)))
    sync(store, database)
    assert mirror(database.url) == registry(store.client)
    assert not rows(database.url, OVERLAPS)
    for one in others:
        one.close()


def test_a_stored_prediction_never_loses_its_version(place: tuple[Store, Database]):
    store, database = place
    with psycopg.connect(database.url) as connection:
        connection.execute(PREDICTED)
    client: MlflowClient = store.client
    client.rename_registered_model("m1", "another")
    client.delete_registered_model("m2")
    client.delete_registered_model("m3")
    client.create_registered_model("m3")
    client.create_model_version("m3", "file:///again")
    sync(store, database)
    found = rows(
        database.url,
        "select v.name, v.version, v.deleted_at is null as live from analytics.model_prediction_results"
        " join analytics.model_versions v using (version_id) order by 1",
    )
    assert found == [
        {"name": "another", "version": 4, "live": True},
        {"name": "m2", "version": 4, "live": False},
        {"name": "m3", "version": 4, "live": False},
    ]


PREDICTED = """
do $$ begin
    perform analytics.create_monthly_partition('2020-01-01', 'analytics.model_prediction_results');
    insert into analytics.series (metric_type, granularity) values ('collection_weight', 'daily');
    insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat)
    select v.version_id, s.series_id, '2020-01-01', '2020-01-01', '2020-01-02', 1, 5
      from analytics.model_versions v, analytics.series s where v.name in ('m1', 'm2', 'm3') and v.version = 4;
end $$"""
