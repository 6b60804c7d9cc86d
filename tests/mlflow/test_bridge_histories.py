"""Random histories of a real registry, with crashes in the middle of a sync: after a sync the mirror is the registry.

A dozen short ones in the suite. Many, before a change of the bridge is believed:

    MLOPS_LONG=1000 pytest -s tests/mlflow/test_bridge_histories.py
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tests.mlflow.registry_pictures import forget_everything, mirror, registry, rows

from mlflow import MlflowClient
from mlops.config import Settings
from mlops.db import Database
from mlops.db.engine import Transaction
from mlops.tracking import mirror_lineage
from mlops.tracking.bridge import sync
from mlops.tracking.store import Store, open_store

HISTORIES = int(os.environ.get("MLOPS_LONG", "12"))
NAMES = st.sampled_from(["a", "b", "c", "d"])
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
    """What people do to a registry, and the bridge."""

    store: Store
    database: Database

    @initialize()
    def begin(self) -> None:
        forget_everything(self.database.url)
        self.client: MlflowClient = self.store.client
        self.models: dict[str, Model] = {}
        self.ever: list[Model] = []
        self.runs: list[str] = []
        self.facts: dict[str, dict[str, Any]] = {}
        self.history: dict[tuple[Any, ...], datetime | None] = {}
        self.kept: dict[str, set[int]] = {"registered_models": set(), "model_versions": set()}

    # models

    @rule(name=NAMES, text=TEXTS, with_version=st.booleans())
    def create(self, name: str, text: str, with_version: bool) -> None:
        if name in self.models:
            return
        made = self.client.create_registered_model(name, tags={"text": text}, description=text)
        self.models[name] = Model(made.creation_timestamp)
        self.ever.append(self.models[name])
        if with_version:
            self.create_version(name, 0, text)

    @rule(name=NAMES, twin=NAMES)
    def create_in_the_same_ms(self, name: str, twin: str) -> None:
        """Only with a version each can two such models be told apart."""
        if name in self.models or twin not in self.models:
            return
        self.create(name, "twin", with_version=True)
        self.models[name].created_at = self.models[twin].created_at
        with psycopg.connect(self.database.url) as connection:
            connection.execute(
                "update mlflow.registered_models set creation_time = %s where name = %s",
                [self.models[name].created_at, name],
            )

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if self.models.pop(name, None):
            self.client.delete_registered_model(name)

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        if old in self.models and new not in self.models:
            self.client.rename_registered_model(old, new)
            self.models[new] = self.models.pop(old)

    @rule(one=NAMES, two=NAMES)
    def exchange_names(self, one: str, two: str) -> None:
        if one in self.models and two in self.models and one != two:
            for old, new in ((one, "between"), (two, one), ("between", two)):
                self.rename(old, new)

    @rule(name=NAMES, text=TEXTS)
    def describe(self, name: str, text: str) -> None:
        if name in self.models:
            self.client.update_registered_model(name, text)

    @rule(name=NAMES, key=KEYS, text=TEXTS, away=st.booleans())
    def tag(self, name: str, key: str, text: str, away: bool) -> None:
        if name not in self.models:
            return
        if not away:
            self.client.set_registered_model_tag(name, key, text)
        elif key in self.client.get_registered_model(name).tags:
            self.client.delete_registered_model_tag(name, key)

    @rule(name=NAMES, alias=ALIASES, pick=PICKS)
    def point(self, name: str, alias: str, pick: int) -> None:
        version = self._version(name, pick)
        if version:
            self.client.set_registered_model_alias(name, alias, str(version.number))

    @rule(name=NAMES, alias=ALIASES)
    def point_nowhere(self, name: str, alias: str) -> None:
        if name in self.models:
            self.client.delete_registered_model_alias(name, alias)

    # versions

    @rule(name=NAMES, pick=PICKS, text=TEXTS)
    def create_version(self, name: str, pick: int, text: str) -> None:
        if name not in self.models:
            return
        run_id = self.runs[pick % len(self.runs)] if self.runs and pick % 3 else None
        made = self.client.create_model_version(name, f"file:///nowhere/{pick}", run_id, {"t": text}, description=text)
        number = int(made.version)
        self.models[name].versions[number] = Version(number, made.creation_timestamp)

    @rule(name=NAMES, pick=PICKS)
    def delete_version(self, name: str, pick: int) -> None:
        version = self._version(name, pick)
        if version:
            self.client.delete_model_version(name, str(version.number))
            del self.models[name].versions[version.number]

    @rule(name=NAMES, pick=PICKS, key=KEYS, text=TEXTS, away=st.booleans())
    def tag_version(self, name: str, pick: int, key: str, text: str, away: bool) -> None:
        version = self._version(name, pick)
        if not version:
            return
        if not away:
            self.client.set_model_version_tag(name, str(version.number), key, text)
        elif key in self.client.get_model_version(name, str(version.number)).tags:
            self.client.delete_model_version_tag(name, str(version.number), key)

    @rule(name=NAMES, pick=PICKS, text=TEXTS)
    def describe_version(self, name: str, pick: int, text: str) -> None:
        version = self._version(name, pick)
        if version:
            self.client.update_model_version(name, str(version.number), text)

    @rule(name=NAMES, pick=PICKS, stage=st.sampled_from(["Staging", "Production", "Archived", "None"]))
    def stage(self, name: str, pick: int, stage: str) -> None:
        version = self._version(name, pick)
        if version:
            self.client.transition_model_version_stage(name, str(version.number), stage)

    def _version(self, name: str, pick: int) -> Version | None:
        there = list(self.models[name].versions.values()) if name in self.models else []
        return there[pick % len(there)] if there else None

    # runs

    @rule(text=TEXTS)
    def start_run(self, text: str) -> None:
        run_id = self.client.create_run("0", tags={"text": text}).info.run_id
        self.client.log_param(run_id, "depth", text or "3")
        self.runs.append(run_id)

    @rule(pick=PICKS, value=st.floats(-1e6, 1e6))
    def log(self, pick: int, value: float) -> None:
        if self._state(pick) == "active":
            self.client.log_metric(self._run(pick), "wape", value)
            self.client.set_tag(self._run(pick), "mlflow.runName", f"run {value}")

    @rule(pick=PICKS)
    def delete_or_restore_run(self, pick: int) -> None:
        if self._state(pick) == "active":
            self.client.delete_run(self._run(pick))
        elif self._state(pick) == "deleted":
            self.client.restore_run(self._run(pick))

    @rule(pick=PICKS)
    def collect_run(self, pick: int) -> None:
        if self._state(pick) == "deleted":
            self.client._tracking_client.store._hard_delete_run(self._run(pick))
            self.runs.remove(self._run(pick))

    def _run(self, pick: int) -> str:
        return self.runs[pick % len(self.runs)]

    def _state(self, pick: int) -> str | None:
        return self.client.get_run(self._run(pick)).info.lifecycle_stage if self.runs else None

    # the bridge

    @rule(how=HOW, statement=st.integers(1, 25))
    @precondition(lambda self: self.models or self.ever)
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


@pytest.mark.filterwarnings("ignore::FutureWarning")  # stages are an older way, and still there
def test_after_each_sync_of_any_history_the_mirror_is_the_registry(
    place: tuple[Store, Database], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Histories, "store", place[0], raising=False)
    monkeypatch.setattr(Histories, "database", place[1], raising=False)
    monkeypatch.setattr(
        mirror_lineage, "read_lineage", lambda _: {"lineage_state": "incomplete", "lineage_problem": "none"}
    )
    options = settings(
        max_examples=HISTORIES,
        stateful_step_count=25,
        deadline=None,
        derandomize=HISTORIES <= 100,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Histories, settings=options)
