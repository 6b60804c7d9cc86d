"""The bridge on a real registry: what the mirror holds, keeps and refuses."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from mlflow.data.numpy_dataset import from_numpy
from mlflow.entities import DatasetInput, InputTag, Metric
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from tests.mlflow.registry_pictures import forget_everything, mirror, registry, rows

import mlflow
from mlops.cli import context
from mlops.config import Settings
from mlops.db import Database
from mlops.db.engine import Transaction
from mlops.errors import DatabaseUnavailable, Refused
from mlops.tracking.artifacts import checked, verify
from mlops.tracking.bridge import lineage as mirror_lineage
from mlops.tracking.bridge import read
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import ModelVersion
from mlops.tracking.store import Store, open_store, tracking_uri

HOWS = pytest.mark.parametrize("how", ["api", "sql"])
MIRROR = ("registered_models", "registered_model_names", "model_versions", "model_aliases", "model_version_features")


@pytest.fixture(scope="module")
def place(
    new_database: Any, with_mlflow: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Database]]:
    """A database with MLflow's tables, and the store in them."""
    with new_database("bridge", template=with_mlflow) as (_, url):
        database = Database(url)
        yield open_store(Settings(home=tmp_path_factory.mktemp("home"), mlflow_tracking_uri=None), url), database
        database.close()


@pytest.fixture
def database(place: tuple[Store, Database]) -> Database:
    """The database, with an empty registry and an empty mirror."""
    forget_everything(place[1].url)
    return place[1]


@pytest.fixture
def store(place: tuple[Store, Database], database: Database) -> Store:
    """MLflow's store in it; its client is new, so that a test may change it."""
    return Store(place[0].uri, place[0].artifacts)


@pytest.fixture
def client(store: Store) -> mlflow.MlflowClient:
    """MLflow's own client of the registry."""
    return store.client


@pytest.fixture
def model(client: mlflow.MlflowClient) -> str:
    """`a` with two versions, of which the first is champion, and a run with facts."""
    client.create_registered_model("a", tags={"team": "north"}, description="a model")
    client.create_model_version("a", "file:///nowhere/1", new_run(client), tags={"x": "1"})
    client.create_model_version("a", "file:///nowhere/2", description="the second")
    client.set_registered_model_alias("a", "champion", "1")
    return "a"


@HOWS
@pytest.mark.usefixtures("odd_registry")
def test_the_mirror_equals_the_registry(store: Store, database: Database, how: str):
    synced = sync(store, database, how=how)
    found = registry(store.client)
    assert mirror(database.url) == found
    assert (synced.models, synced.versions) == (len(found["models"]), len(found["versions"])) == (3, 7)
    other = "sql" if how == "api" else "api"
    assert sync(store, database, how=other).changed == {}, "both readings give the same rows"


@pytest.fixture
def odd_registry(client: mlflow.MlflowClient) -> None:
    """A registry with all that may stand in one."""
    for name in ("plain", 'Straße \'n "Co" \\ 100 % €', "emptied"):
        client.create_registered_model(name, tags={"a key": 'two\nlines\t, "quoted" \\N', "empty": ""})
    gone, deleted = new_run(client), new_run(client)
    for source in ("file:///x", "models:/m-" + "0" * 32, "s3://b/models/m-" + "a" * 32 + "/artifacts", "x" * 400):
        insert_version(client, "plain", source, new_run(client))
    client.create_model_version("plain", "file:///y", deleted)
    client.create_model_version("plain", "file:///z", gone)
    client.create_model_version("plain", "file:///w", "0" * 32)
    client.create_model_version("emptied", "file:///v")
    client.set_registered_model_alias("plain", "champion", "2")
    client.set_registered_model_alias("plain", "also-champion", "2")
    client.set_registered_model_alias("emptied", "champion", "1")
    with pytest.warns(FutureWarning, match="stage"):
        client.transition_model_version_stage("plain", "3", "Production")
    client.set_model_version_tag("plain", "1", "json", '{"a": [1, null, "\\u0000"]}')
    client.delete_model_version("emptied", "1")
    client.delete_run(deleted)
    collect(client, gone)
    client.register_prompt("a.prompt", "Say {{what}}")


def test_a_rename_keeps_the_row_and_its_history(store: Store, database: Database, model: str):
    sync(store, database)
    before = ids(database)
    store.client.rename_registered_model("a", "b")
    changed = sync(store, database).changed
    assert changed == {"models changed": 1, "models renamed": 1, "versions changed": 2}
    assert ids(database) == {("b", number): row for (_, number), row in before.items()}
    names = rows(database.url, "select name, valid_from, valid_to from analytics.registered_model_names order by 2")
    assert [row["name"] for row in names] == ["a", "b"]
    assert names[0]["valid_to"] == names[1]["valid_from"]
    assert names[1]["valid_to"] is None


@HOWS
def test_two_models_exchange_their_names(store: Store, database: Database, model: str, how: str):
    store.client.create_registered_model("b")
    store.client.create_model_version("b", "file:///b")
    sync(store, database)
    before = ids(database)
    exchange(store.client, "a", "b")
    sync(store, database, how=how)
    assert mirror(database.url) == registry(store.client)
    assert ids(database) == {("b", 1): before["a", 1], ("b", 2): before["a", 2], ("a", 1): before["b", 1]}


@HOWS
def test_two_models_made_in_the_same_ms_are_told_apart_by_their_versions(
    store: Store, database: Database, model: str, how: str
):
    store.client.create_registered_model("b")
    store.client.create_registered_model("c")
    store.client.create_model_version("b", "file:///b")
    execute(database, "update mlflow.registered_models set creation_time = 1700000000000")
    sync(store, database)
    before = ids(database)
    exchange(store.client, "a", "b")
    exchange(store.client, "b", "c")
    sync(store, database, how=how)
    assert mirror(database.url) == registry(store.client)
    assert ids(database) == {("c", 1): before["a", 1], ("c", 2): before["a", 2], ("a", 1): before["b", 1]}


def test_a_model_made_again_under_an_old_name_is_another_one(store: Store, database: Database, model: str):
    sync(store, database)
    before = ids(database)
    store.client.delete_registered_model("a")
    store.client.create_registered_model("a")
    store.client.create_model_version("a", "file:///again")
    assert sync(store, database).changed["versions gone"] == 2
    assert set(ids(database).values()).isdisjoint(before.values())
    assert len(rows(database.url, "select from analytics.model_versions")) == 3, "what is gone keeps its row"
    assert not rows(database.url, "select from analytics.model_aliases where valid_to is null")


def test_what_comes_back_takes_its_row_again(store: Store, database: Database, model: str):
    execute(database, "create table kept as select * from mlflow.model_versions")
    sync(store, database)
    before = ids(database)
    store.client.delete_model_version("a", "2")
    sync(store, database)
    assert list(ids(database)) == [("a", 1)]
    execute(
        database,
        "update mlflow.model_versions v set current_stage = 'None', source = k.source, run_id = k.run_id,"
        " description = k.description from kept k where (k.name, k.version) = (v.name, v.version)",
    )
    assert sync(store, database).changed == {"versions returned": 1}
    assert ids(database) == before


def test_the_history_of_an_alias_has_neither_gaps_nor_overlaps(store: Store, database: Database, model: str):
    for version in ("1", "2", "1"):
        store.client.set_registered_model_alias("a", "champion", version)
        sync(store, database)
    store.client.delete_registered_model_alias("a", "champion")
    sync(store, database)
    history = rows(
        database.url,
        "select version, valid_from, valid_to, lead(valid_from) over (order by valid_from) as next"
        " from analytics.model_aliases join analytics.model_versions using (version_id) order by valid_from",
    )
    assert [row["version"] for row in history] == [1, 2, 1]
    assert [row["valid_to"] for row in history[:2]] == [row["next"] for row in history[:2]]
    assert history[2]["valid_to"] is not None


@HOWS
def test_facts_of_a_run_are_followed_while_it_is_there_and_kept_when_it_is_gone(
    store: Store, database: Database, model: str, how: str
):
    client, facts = store.client, {}
    run_id = client.get_model_version("a", "1").run_id
    states = []
    for step in (
        lambda: client.log_metric(run_id, "added later", 7.0),
        lambda: client.set_tag(run_id, "mlflow.runName", "renamed"),
        lambda: client.delete_run(run_id),
        lambda: client.restore_run(run_id),
        lambda: collect(client, run_id),
    ):
        step()
        sync(store, database, how=how)
        shown = mirror(database.url)
        assert shown == registry(client, facts)
        states.append(shown["versions"]["a", 1]["run_state"])
    assert states == ["there", "there", "deleted", "there", "gone"]
    assert shown["versions"]["a", 1]["metrics"]["added later"] == 7.0
    assert shown["versions"]["a", 1]["datasets"][0]["tags"] == {"mlflow.data.context": "training"}


@HOWS
def test_when_nothing_changed_nothing_is_written(store: Store, database: Database, model: str, how: str):
    sync(store, database)
    execute(database, "delete from analytics.dirty_sources")
    before = {table: rows(database.url, f"select ctid, xmin, xmax, * from analytics.{table}") for table in MIRROR}
    assert sync(store, database, how=how).changed == {}
    assert before == {
        table: rows(database.url, f"select ctid, xmin, xmax, * from analytics.{table}") for table in MIRROR
    }
    assert not rows(database.url, "select from analytics.dirty_sources"), "no view has to be made anew"


def test_another_registry_is_refused_until_it_is_adopted(store: Store, database: Database, model: str, other: Store):
    sync(store, database)
    before = mirror(database.url)
    with pytest.raises(Refused, match=r"experiment 0 of .*another one.*--adopt"):
        sync(other, database)
    assert mirror(database.url) == before
    assert sync(other, database, adopt=True).changed == {
        "models new": 1,
        "models gone": 1,
        "versions gone": 2,
        "aliases ended": 1,
    }
    assert sync(other, database).changed == {}, "from now on this one is followed"
    with pytest.raises(Refused):
        sync(store, database)
    sync(store, database, adopt=True)
    assert mirror(database.url) == before, "the rows of the first one are live again"


def test_an_empty_mirror_follows_whatever_it_is_given(store: Store, database: Database, other: Store):
    assert sync(store, database).models == 0
    assert sync(other, database).models == 1


@pytest.fixture
def other(another_place: Store) -> Store:
    """Another registry, with one model."""
    forget_everything(another_place.uri.replace("+psycopg", "").partition("&options=")[0])
    another_place.client.create_registered_model("another")
    return another_place


@pytest.fixture(scope="module")
def another_place(new_database: Any, with_mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A second database with MLflow's tables, made at another time."""
    with new_database("other", template=with_mlflow) as (_, url):
        with psycopg.connect(url) as connection:
            connection.execute("update mlflow.experiments set creation_time = creation_time + 1")
        settings = Settings(home=tmp_path_factory.mktemp("other"), mlflow_tracking_uri=None)
        yield Store(tracking_uri(settings, url), settings.artifacts)


def test_the_same_registry_by_another_address_is_the_same(store: Store, database: Database, model: str):
    sync(store, database, how="sql")
    address = store.uri.replace("postgresql+psycopg://", "postgresql://", 1) + "&application_name=bridge"
    assert sync(Store(address.replace("postgresql://", "postgresql+psycopg://"), store.artifacts), database, how="api")
    assert sync(Store(address, store.artifacts), database, how="sql").changed == {}


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://someone:secret@127.0.0.1:1/none?options=-csearch_path%3Dmlflow",
        "http://someone:secret@127.0.0.1:1",
    ],
)
def test_a_registry_that_is_away_is_said_so_and_nothing_is_written(
    store: Store, database: Database, model: str, monkeypatch: pytest.MonkeyPatch, address: str
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    sync(store, database)
    before = mirror(database.url)
    away = Store("http://someone:secret@127.0.0.1:1", store.artifacts)
    away.uri = address  # one of PostgreSQL can't be made; it is as if it had gone away after it was opened
    with pytest.raises(DatabaseUnavailable, match=r"can't read the registry at .*:1.*nothing was written") as told:
        sync(away, database)
    assert "secret" not in str(told.value)
    assert mirror(database.url) == before
    (noted,) = rows(database.url, "select failed_at, failure, synced_at from analytics.registry_mirror")
    assert noted["failed_at"] > noted["synced_at"]
    assert noted["failure"] == str(told.value)
    sync(store, database)
    assert rows(database.url, "select failure from analytics.registry_mirror") == [{"failure": None}]


def test_a_registry_that_is_away_can_not_be_opened_which_is_known_at_once(database: Database, tmp_path: Path):
    settings = Settings(home=tmp_path, mlflow_tracking_uri="postgresql://127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable, match=r"can't read the registry at postgresql://127\.0\.0\.1:1/none"):
        open_store(settings, database.url)


def test_a_registry_that_can_be_read_in_half_only_tombstones_nothing(
    store: Store, database: Database, model: str, monkeypatch: pytest.MonkeyPatch
):
    sync(store, database)
    before = mirror(database.url)
    monkeypatch.setattr(read, "PAGE", 1)
    between_pages(monkeypatch, store, 2, lambda: fail(ConnectionError("the server went away")))
    with pytest.raises(DatabaseUnavailable, match="the server went away"):
        sync(store, database, how="api")
    assert mirror(database.url) == before


@pytest.mark.parametrize("page", [1, 3, 5])
def test_what_is_deleted_between_two_pages_hides_nothing_that_lives(
    store: Store, database: Database, model: str, monkeypatch: pytest.MonkeyPatch, page: int
):
    client = store.client
    for number in range(3, 7):
        client.create_model_version("a", f"file:///nowhere/{number}")
    sync(store, database)
    monkeypatch.setattr(read, "PAGE", 1)
    between_pages(monkeypatch, store, page, lambda: client.delete_model_version("a", "2"))
    synced = sync(store, database, how="api")
    assert mirror(database.url) == registry(client)
    assert synced.changed == {"versions gone": 1}


def test_a_registry_that_never_rests_is_refused(
    store: Store, database: Database, model: str, monkeypatch: pytest.MonkeyPatch
):
    before = sync(store, database)
    monkeypatch.setattr(read, "PATIENCE_SECONDS", 0)
    between_pages(monkeypatch, store, 0, lambda: store.client.create_model_version("a", "file:///more"))
    with pytest.raises(Refused, match="changed during each of 3 readings"):
        sync(store, database, how="api")
    assert len(mirror(database.url)["versions"]) == before.versions


def test_tables_of_a_shape_that_is_not_known_are_read_by_the_api(store: Store, database: Database, model: str):
    execute(database, "alter table mlflow.input_tags rename column value to content")
    with pytest.raises(Refused, match="can be read by its API only"):
        sync(store, database, how="sql")
    execute(database, "alter table mlflow.input_tags rename column content to value")
    assert sync(store, database).how == "sql"


@pytest.mark.parametrize("statement", ["mirror_models", "open_aliases", "set_mirror_synced"])
def test_a_backend_that_is_terminated_is_replaced_and_the_sync_done_again(
    store: Store, database: Database, model: str, monkeypatch: pytest.MonkeyPatch, statement: str
):
    terminated = terminate_before(monkeypatch, database, statement, times=1)
    sync(store, database, how="sql")
    assert terminated
    assert mirror(database.url) == registry(store.client)


def test_a_sync_whose_backend_is_terminated_again_and_again_fails_and_the_next_is_exact(
    store: Store, database: Database, model: str, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        terminate_before(patch, database, "open_aliases", times=9)
        with pytest.raises(Exception, match="terminating connection"):
            sync(store, database)
    assert mirror(database.url) == {"models": {}, "versions": {}}
    sync(store, database)
    assert mirror(database.url) == registry(store.client)


def test_files_of_a_version_that_claims_nothing_are_read_once(
    store: Store, database: Database, client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    read = counting(monkeypatch)
    client.create_registered_model("foreign")
    mlflow.models.Model(artifact_path="m").save(tmp_path / "MLmodel")
    client.create_model_version("foreign", tmp_path.as_uri())
    sync(store, database)
    sync(store, database)
    client.set_model_version_tag("foreign", "1", "some", "tag")
    sync(store, database)
    assert read == [("foreign", 1)]
    (row,) = rows(database.url, "select lineage_state, lineage_problem from analytics.model_versions")
    assert row["lineage_state"] == "incomplete"
    client.set_model_version_tag("foreign", "1", "mlops.lineage_sha256", "now it claims one")
    sync(store, database)
    assert read == [("foreign", 1)] * 2


def test_files_that_could_not_be_read_are_tried_again_a_few_in_a_sync(
    store: Store, database: Database, client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(mirror_lineage, "FOREIGN", 3)
    monkeypatch.setattr(mirror_lineage, "AGAIN", 2)
    read = counting(monkeypatch)
    client.create_registered_model("foreign")
    for number in range(1, 6):
        client.create_model_version("foreign", (tmp_path / str(number)).as_uri())
    assert sync(store, database).waiting == 2
    assert read == [("foreign", 5), ("foreign", 4), ("foreign", 3)], "the newest first"
    assert sync(store, database).waiting == 0
    assert len(read) == 3 + 2 + 2
    for number in range(1, 6):
        (tmp_path / str(number)).mkdir()
        mlflow.models.Model(artifact_path="m").save(tmp_path / str(number) / "MLmodel")
    for _ in range(3):
        sync(store, database)
    settled = len(read)
    sync(store, database)
    assert len(read) == settled, "all were read at last"


FEATURE = """
insert into analytics.model_feature_store (name, version, definition_sha256, definition, dtype, entity, granularity,
       source_metric_types, transformation, owner, description)
values ('lag_7', %s, %s, '{}', 'float64', 'series', 'daily', '{}', 'lag', 'me', '')"""
EDGES = """
select s.version, e.origin, e.importance, v.lineage_state from analytics.model_versions v
  left join analytics.model_version_features e using (version_id)
  left join analytics.model_feature_store s using (feature_id)"""


@pytest.mark.parametrize("inputs", [["lag_7"], ["lag_7", "no feature"]], ids=len)
def test_features_are_inferred_from_a_signature_when_all_inputs_are_features(
    store: Store, database: Database, client: mlflow.MlflowClient, tmp_path: Path, inputs: list[str]
):
    signature = ModelSignature(Schema([ColSpec("double", name) for name in inputs]))
    mlflow.models.Model(artifact_path="m", signature=signature).save(tmp_path / "MLmodel")
    execute(database, FEATURE % ("1", "'one'"))
    client.create_registered_model("foreign")
    client.create_model_version("foreign", tmp_path.as_uri())
    execute(database, FEATURE % ("2", "'two'"))
    execute(
        database, "update analytics.model_feature_store set created_at = now() + interval '1 day' where version = 2"
    )
    sync(store, database)
    found = {"version": 1, "origin": "inferred", "importance": None, "lineage_state": "incomplete"}
    if len(inputs) > 1:
        found |= {"version": None, "origin": None}
    assert rows(database.url, EDGES) == [found], "the definition of the time"


def test_a_definition_that_arrives_later_completes_the_lineage_and_importance_follows_the_run(
    store: Store, database: Database, model: str
):
    store.client.delete_model_version("a", "2")
    sync(store, database)
    execute(
        database,
        "update analytics.model_versions set lineage ="
        """ '{"features": {"lag_7": {"version": 3, "definition_sha256": "three"}}}',"""
        " lineage_problem = 'a declared feature is not in the feature store'",
    )
    execute(database, FEATURE % ("3", "'three'"))
    sync(store, database)
    found = {"version": 3, "origin": "declared", "importance": None, "lineage_state": "complete"}
    assert rows(database.url, EDGES) == [found]
    store.client.log_metric(store.client.get_model_version("a", "1").run_id, "importance.lag_7", 0.25)
    sync(store, database)
    assert rows(database.url, EDGES) == [found | {"importance": 0.25}]


def test_mlops_registry_sync_says_what_changed(
    database: Database, model: str, mlops: Callable[..., Any], command_line: None
):
    code, out, _ = mlops("registry", "sync")
    assert code == 0
    assert "the mirror shows 1 models, 2 versions, 1 aliases" in out
    assert "1 models new, 2 versions new, 1 aliases set (read by sql in" in " ".join(out.split())
    assert "changed: nothing" in mlops("registry", "sync")[1]


@pytest.fixture
def command_line(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands use this place."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setenv("MLOPS_DATABASE_URL", database.url)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for one in (context.settings, context.database, context.store):
        one.cache_clear()
    yield
    context.database().close()
    for one in (context.settings, context.database, context.store):
        one.cache_clear()


def new_run(client: mlflow.MlflowClient) -> str:
    """A run with params, metrics of all sorts, tags and a dataset."""
    run_id = client.create_run("0", tags={"some": "tag"}, run_name="first").info.run_id
    client.log_param(run_id, "depth", "3")
    values = (0.1, -0.0, 1e300, 3, math.nan, math.inf)
    metrics = [Metric(f"metric {number}", value, 1, 0) for number, value in enumerate(values)]
    client.log_batch(run_id, metrics=metrics)
    dataset = from_numpy(np.arange(3), source="file:///data.npy", name="data")
    client.log_inputs(
        run_id, [DatasetInput(dataset._to_mlflow_entity(), [InputTag("mlflow.data.context", "training")])]
    )
    return str(run_id)


def insert_version(client: mlflow.MlflowClient, name: str, source: str, run_id: str) -> None:
    """A version of any source: MLflow looks up `models:/…` when one is created, and does not when it is read."""
    made = client.create_model_version(name, "file:///for now", run_id)
    with client._get_registry_client().store.ManagedSessionMaker(read_only=False) as session:
        row = client._get_registry_client().store._get_sql_model_version(session, name, made.version)
        row.source = source


def collect(client: mlflow.MlflowClient, run_id: str) -> None:
    """Delete a run for good, as `mlflow gc` does."""
    client.delete_run(run_id)
    client._tracking_client.store._hard_delete_run(run_id)


def exchange(client: mlflow.MlflowClient, one: str, two: str) -> None:
    for old, new in ((one, "between"), (two, one), ("between", two)):
        client.rename_registered_model(old, new)


def ids(database: Database) -> dict[tuple[str, int], int]:
    """The rows of live versions."""
    found = rows(
        database.url,
        "select name, version, version_id, model_id from analytics.model_versions where deleted_at is null",
    )
    return {(row["name"], row["version"]): (row["model_id"], row["version_id"]) for row in found}


def execute(database: Database, command: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(command)


def fail(error: Exception) -> None:
    raise error


def between_pages(monkeypatch: pytest.MonkeyPatch, store: Store, page: int, act: Callable[[], object]) -> None:
    """Do something before the given page of versions is asked for; before every one when it is 0."""
    asked, search = [], store.client.search_model_versions

    def searching(*args: Any, **options: Any) -> Any:
        asked.append(1)
        if page in (0, len(asked)):
            act()
        return search(*args, **options)

    monkeypatch.setattr(store.client, "search_model_versions", searching)


def terminate_before(monkeypatch: pytest.MonkeyPatch, database: Database, query: str, *, times: int) -> list[int]:
    """Terminate the backend of the bridge when it is about to run a query; the pids."""
    run, terminated = Transaction._execute, []

    def running(self: Transaction, name: str, parameters: dict[str, Any]) -> Any:
        if name == query and len(terminated) < times:
            pid = self.cursor().connection.info.backend_pid
            terminated.append(pid)
            rows(database.url, "select pg_terminate_backend(%s, 5000)", [pid])
        return run(self, name, parameters)

    monkeypatch.setattr(Transaction, "_execute", running)
    return terminated


def counting(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which versions' files were read, in order."""
    read, reading = [], checked.fetch

    def noting(version: ModelVersion, folder: Path) -> Path:
        read.append((version.name, version.version))
        return reading(version, folder)

    for module in (mirror_lineage, verify):
        monkeypatch.setattr(module, "fetch", noting)
    return read
