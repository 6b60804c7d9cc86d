"""Random histories of a real registry, with crashes in the middle of a sync: after a sync the mirror is the registry.

A few short ones in the suite. Many, before a change of the bridge is believed: `make campaign`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tests.campaign import examples
from tests.mlflow.registry_pictures import forget_everything, mirror, registry, rows

from mlflow import MlflowClient
from mlops.config import Settings
from mlops.db import Database
from mlops.db.engine import Transaction
from mlops.tracking.bridge import lineage as mirror_lineage
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store, open_store

HISTORIES = examples(6)
NAMES = ["a", "b", "c", "d"]
ALIASES = st.sampled_from(["champion", "challenger"])
TEXTS = st.sampled_from(["", "one", "two", "drei €", 'a "quoted"\n\\N'])
KEYS = st.sampled_from(["x", "mlops.kind", "y/z"])
HOW = st.sampled_from(["api", "sql", None])
PICKS = st.integers(0, 99)


class Crash(Exception):
    """What the test raises in the middle of a sync."""


@dataclass(eq=False)
class Version:
    """One version, whatever its model is called; `row` is the mirror's."""

    number: int
    created_at: int
    row: int | None = None


@dataclass(eq=False)
class Model:
    """One model, whatever it is called; `row` is the mirror's, `shown` the versions of the last sync."""

    created_at: int
    versions: dict[int, Version] = field(default_factory=dict)
    row: int | None = None
    shown: set[Version] = field(default_factory=set)


class Histories(RuleBasedStateMachine):
    """What people do to a registry, and the bridge; a pick chooses among what there is."""

    store: Store
    database: Database

    @initialize(counts=st.lists(st.integers(0, 3), min_size=1, max_size=3))
    def begin(self, counts: list[int]) -> None:
        forget_everything(self.database.url)
        self.client: MlflowClient = self.store.client
        self.models: dict[str, Model] = {}
        self.ever: list[Model] = []
        self.runs: list[str] = []
        self.facts: dict[str, dict[str, Any]] = {}
        self.history: dict[tuple[Any, ...], datetime | None] = {}
        self.kept: dict[str, set[int]] = {"registered_models": set(), "model_versions": set()}
        self.start_run("two")
        for model, versions in enumerate(counts):
            self.create("")
            for version in range(versions):
                self.create_version(model, version, "one")
            self.point(model, "champion", 0)

    # models

    @precondition(lambda self: self._free())
    @rule(text=TEXTS)
    def create(self, text: str) -> None:
        name = self._free()[0]
        made = self.client.create_registered_model(name, tags={"text": text}, description=text)
        self.models[name] = Model(made.creation_timestamp)
        self.ever.append(self.models[name])

    @precondition(lambda self: self.models and self._free())
    @rule(pick=PICKS)
    def create_in_the_same_ms(self, pick: int) -> None:
        """With a version, without which two such models can't be told apart."""
        name, twin = self._free()[0], self._name(pick)
        self.create("twin")
        self.models[name].created_at = self.models[twin].created_at
        with psycopg.connect(self.database.url) as connection:
            connection.execute(
                "update mlflow.registered_models set creation_time = %s where name = %s",
                [self.models[name].created_at, name],
            )
        self.create_version(sorted(self.models).index(name), 0, "twin")

    @precondition(lambda self: self.models)
    @rule(pick=PICKS)
    def delete(self, pick: int) -> None:
        name = self._name(pick)
        self.client.delete_registered_model(name)
        del self.models[name]

    @precondition(lambda self: self.models)
    @rule(pick=PICKS, text=TEXTS)
    def make_again(self, pick: int, text: str) -> None:
        name = self._name(pick)
        self.delete(pick)
        self.create(text)
        if name in self._free():
            self._rename(next(one for one in self.models if self.models[one] is self.ever[-1]), name)

    @precondition(lambda self: self.models and self._free())
    @rule(pick=PICKS, last=st.booleans())
    def rename(self, pick: int, last: bool) -> None:
        self._rename(self._name(pick), self._free()[-1 if last else 0])

    @precondition(lambda self: len(self.models) > 1)
    @rule(pick=PICKS)
    def exchange_names(self, pick: int) -> None:
        one, two = self._name(pick), self._name(pick + 1)
        for old, new in ((one, "between"), (two, one), ("between", two)):
            self._rename(old, new)

    @precondition(lambda self: self.models)
    @rule(pick=PICKS, key=KEYS, text=TEXTS, what=st.sampled_from(["description", "tag", "no tag"]))
    def annotate(self, pick: int, key: str, text: str, what: str) -> None:
        name = self._name(pick)
        if what == "description":
            self.client.update_registered_model(name, text)
        elif what == "tag":
            self.client.set_registered_model_tag(name, key, text)
        elif key in self.client.get_registered_model(name).tags:
            self.client.delete_registered_model_tag(name, key)

    @precondition(lambda self: self.models)
    @rule(pick=PICKS, alias=ALIASES, number=PICKS)
    def point(self, pick: int, alias: str, number: int) -> None:
        version = self._version(pick, number)
        if version:
            self.client.set_registered_model_alias(self._name(pick), alias, str(version.number))

    @precondition(lambda self: self.models)
    @rule(pick=PICKS, alias=ALIASES)
    def point_nowhere(self, pick: int, alias: str) -> None:
        self.client.delete_registered_model_alias(self._name(pick), alias)

    def _free(self) -> list[str]:
        return [name for name in NAMES if name not in self.models]

    def _name(self, pick: int) -> str:
        return sorted(self.models)[pick % len(self.models)]

    def _rename(self, old: str, new: str) -> None:
        self.client.rename_registered_model(old, new)
        self.models[new] = self.models.pop(old)

    # versions

    @precondition(lambda self: self.models)
    @rule(pick=PICKS, run=PICKS, text=TEXTS)
    def create_version(self, pick: int, run: int, text: str) -> None:
        name = self._name(pick)
        run_id = self._run(run) if self.runs and run % 3 else None
        made = self.client.create_model_version(name, f"file:///nowhere/{run}", run_id, {"t": text}, description=text)
        number = int(made.version)
        self.models[name].versions[number] = Version(number, made.creation_timestamp)

    @precondition(lambda self: self.models)
    @rule(pick=PICKS, number=PICKS)
    def delete_version(self, pick: int, number: int) -> None:
        version = self._version(pick, number)
        if version:
            self.client.delete_model_version(self._name(pick), str(version.number))
            del self.models[self._name(pick)].versions[version.number]

    @precondition(lambda self: self.models)
    @rule(
        pick=PICKS, number=PICKS, key=KEYS, text=TEXTS, what=st.sampled_from(["description", "tag", "no tag", "stage"])
    )
    def annotate_version(self, pick: int, number: int, key: str, text: str, what: str) -> None:
        version = self._version(pick, number)
        if not version:
            return
        one = self._name(pick), str(version.number)
        if what == "description":
            self.client.update_model_version(*one, text)
        elif what == "stage":
            self.client.transition_model_version_stage(*one, "Archived" if text else "Staging")
        elif what == "tag":
            self.client.set_model_version_tag(*one, key, text)
        elif key in self.client.get_model_version(*one).tags:
            self.client.delete_model_version_tag(*one, key)

    def _version(self, pick: int, number: int) -> Version | None:
        there = list(self.models[self._name(pick)].versions.values())
        return there[number % len(there)] if there else None

    # runs

    @rule(text=TEXTS)
    def start_run(self, text: str) -> None:
        run_id = self.client.create_run("0", tags={"text": text}).info.run_id
        self.client.log_param(run_id, "depth", text or "3")
        self.runs.append(run_id)

    @precondition(lambda self: self.runs)
    @rule(run=PICKS, value=st.floats(-1e6, 1e6), what=st.sampled_from(["log", "delete", "restore", "collect"]))
    def change_run(self, run: int, value: float, what: str) -> None:
        run_id = self._run(run)
        active = self.client.get_run(run_id).info.lifecycle_stage == "active"
        if what == "log" and active:
            self.client.log_metric(run_id, "wape", value)
            self.client.set_tag(run_id, "mlflow.runName", f"run {value}")
        elif what == "restore" and not active:
            self.client.restore_run(run_id)
        elif what in ("delete", "collect") and active:
            self.client.delete_run(run_id)
        if what == "collect":
            self.client._tracking_client.store._hard_delete_run(run_id)
            self.runs.remove(run_id)

    def _run(self, pick: int) -> str:
        return self.runs[pick % len(self.runs)]

    # the bridge

    @rule(how=HOW, statement=st.integers(1, 25))
    def crash(self, how: Any, statement: int) -> None:
        """A sync that is stopped in the middle of its transaction; it may also be done before that."""
        with pytest.MonkeyPatch.context() as patch:
            crash_at(patch, statement)
            try:
                sync(self.store, self.database, how=how)
            except Crash:
                return
        self._check()

    @rule(how=HOW)
    def synchronise(self, how: Any) -> None:
        synced = sync(self.store, self.database, how=how)
        self._check()
        assert synced.models == len(self.models)
        assert sync(self.store, self.database, how="api" if synced.how == "sql" else "sql").changed == {}

    def teardown(self) -> None:
        if hasattr(self, "ever"):
            self.synchronise(None)

    def _check(self) -> None:
        assert mirror(self.database.url) == registry(self.client, self.facts)
        self._check_identity()
        self._check_history()
        self._check_tombstones()

    def _check_identity(self) -> None:
        """A model keeps its row under any name; another one made under that name has another."""
        shown = rows(self.database.url, "select * from analytics.model_versions where deleted_at is null")
        models = rows(self.database.url, "select * from analytics.registered_models where deleted_at is null")
        found = {row["name"]: row["model_id"] for row in models}
        for name, model in self.models.items():
            twins = [other for other in self.ever if other.created_at == model.created_at]
            told_apart = len(twins) == 1 or model.shown & set(model.versions.values())
            if model.row is not None and told_apart:
                assert found[name] == model.row, f"{name} has another row than it had"
            if len(twins) == 1:
                assert found[name] not in {other.row for other in self.ever if other is not model}, f"{name} is new"
            model.row = found[name]
        for row in shown:
            version = self.models[row["name"]].versions[row["version"]]
            assert row["model_id"] == found[row["name"]]
            if version in self.models[row["name"]].shown:
                assert row["version_id"] == version.row, "a version keeps its row"
            version.row = row["version_id"]
        for model in self.models.values():
            model.shown = set(model.versions.values())

    def _check_history(self) -> None:
        """Nobody has two names, nothing an alias twice, at one time; what was written stays as it was."""
        for table, key in (("model_aliases", "model_id, alias"), ("registered_model_names", "model_id")):
            overlaps = (
                f"select from analytics.{table} a join analytics.{table} b using ({key})"
                " where a.ctid <> b.ctid and a.valid_from < coalesce(b.valid_to, 'infinity')"
                " and b.valid_from < coalesce(a.valid_to, 'infinity')"
            )
            assert not rows(self.database.url, overlaps), f"{table} overlap"
        names = rows(self.database.url, "select * from analytics.registered_model_names")
        now = {row["model_id"]: row["name"] for row in names if row["valid_to"] is None}
        assert now == {model.row: name for name, model in self.models.items()}
        aliases = rows(self.database.url, "select * from analytics.model_aliases")
        found = {
            tuple(value for key, value in row.items() if key != "valid_to"): row["valid_to"] for row in names + aliases
        }
        assert found.keys() >= self.history.keys(), "no history is lost"
        assert all(found[key] == end for key, end in self.history.items() if end), "what has ended does not change"
        news = {self._what(key) for key in found.keys() - self.history.keys()}
        lasting = {self._what(key) for key, end in self.history.items() if not end and not found[key]}
        assert not news & lasting, "what lasts is not begun again"
        self.history = found

    @staticmethod
    def _what(key: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value for value in key if not isinstance(value, datetime))

    def _check_tombstones(self) -> None:
        """No row is ever lost."""
        for table, key in (("registered_models", "model_id"), ("model_versions", "version_id")):
            found = {row[key] for row in rows(self.database.url, f"select {key} from analytics.{table}")}
            assert found >= self.kept[table], f"{table} has lost rows"
            self.kept[table] = found


def crash_at(patch: pytest.MonkeyPatch, number: int) -> None:
    """Raise Crash before a statement of the transaction that mirrors, by its number."""
    execute, counted = Transaction._execute, itertools.count(1)

    def executing(self: Transaction, query: str, parameters: dict[str, Any]) -> Any:
        if next(counted) == number:
            raise Crash
        return execute(self, query, parameters)

    patch.setattr(Transaction, "_execute", executing)


@pytest.fixture(scope="module")
def place(
    new_database: Any, with_mlflow: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Database]]:
    """A database with MLflow's tables, and the store in them."""
    with new_database("histories", template=with_mlflow) as (_, url):
        database = Database(url)
        yield open_store(Settings(home=tmp_path_factory.mktemp("home"), mlflow_tracking_uri=None), url), database
        database.close()


@pytest.mark.hypothesis
@pytest.mark.filterwarnings("ignore::FutureWarning")  # stages are an older way, and still there
def test_after_each_sync_of_any_history_the_mirror_is_the_registry(
    place: tuple[Store, Database], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Histories, "store", place[0], raising=False)
    monkeypatch.setattr(Histories, "database", place[1], raising=False)
    monkeypatch.setattr(mirror_lineage, "fetch", lambda *_: Path())
    monkeypatch.setattr(
        mirror_lineage, "read_lineage", lambda *_: {"lineage_state": "incomplete", "lineage_problem": "none"}
    )
    options = settings(
        max_examples=HISTORIES,
        stateful_step_count=25,
        deadline=None,
        derandomize=HISTORIES <= 100,
        database=None,
        phases=[Phase.generate, Phase.shrink] if HISTORIES > 100 else [Phase.generate],  # shrinking takes minutes
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Histories, settings=options)
