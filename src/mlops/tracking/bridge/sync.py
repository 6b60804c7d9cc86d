"""The registry bridge: makes Postgres an exact mirror of MLflow's registry.

It compares everything on every run (aliases and tags move no timestamp in MLflow, so nothing else is reliable), in one
transaction and under one lock, and writes only what differs: repeated, concurrent and killed runs are safe. What
disappears from the registry keeps its row. The files of new versions are read afterwards, when the lock is free. A
version that is registered here is anchored in the transaction that mirrors it: nobody sees it without its anchor.
"""

import math
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, Protocol, TypedDict

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES

from mlops.db import Database, Transaction
from mlops.db.retry import again_when_lost
from mlops.db.snapshot import open_snapshot
from mlops.domain.lineage import LineageDocument
from mlops.errors import Refused
from mlops.tracking.bridge.calendars import mirror_calendars
from mlops.tracking.bridge.lineage import mirror_lineage
from mlops.tracking.bridge.read import ByApi, ByQuery, reachable
from mlops.tracking.registry import ModelVersion, add_version
from mlops.tracking.runs import Logged
from mlops.tracking.store import Store

__all__ = ["How", "MirroredModel", "RegistryModel", "Synced", "recognise", "register_version", "sync"]

How = Literal["api", "sql"]
PASSWORD = re.compile(r"(?<=://)[^/@]*@|(?<=[?&])password=[^&]*&?")
MODELS = ("close_model_names", "mark_models_deleted", "mirror_models", "open_model_names")
VERSIONS = ("mark_versions_deleted", "mirror_versions")
ALIASES = ("close_aliases", "open_aliases")


@dataclass(frozen=True, slots=True)
class Synced:
    """How many models, versions and aliases the mirror shows as live, and what it took.

    `changed` counts the rows that differed, as "models new", "versions gone", "aliases set" …; empty when none did.
    `waiting` versions still have to be read for their lineage, which the next syncs do.
    """

    models: int
    versions: int
    aliases: int
    how: How
    seconds: float
    changed: dict[str, int] = field(default_factory=dict)
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Followed:
    """Which registry the mirror follows, and whether it holds anything of it."""

    registry: str | None
    address: str | None
    synced_at: datetime | None
    filled: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """How many rows of a kind differed in one way."""

    what: str
    change: str
    rows: int


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A model of the registry (without `model_id`), or a row of the mirror that it may be; `versions` are by number."""

    model_id: int | None
    name: str
    created_at: datetime
    live: bool
    versions: dict[int, object]


@dataclass(frozen=True, slots=True)
class Live:
    """How many rows of each kind the mirror shows as live."""

    models: int
    versions: int
    aliases: int


class Registry(Protocol):
    """A registry that can be read whole."""

    @property
    def how(self) -> How: ...

    def identity(self) -> tuple[str, int] | None:
        """The oldest experiment and when it was made, in ms."""

    def read(self, into: Transaction) -> None:
        """Fill the temporary tables seen_models, seen_versions and seen_runs."""


def sync(
    store: Store, database: Database, *, how: How | None = None, adopt: bool = False, foreign: bool = True
) -> Synced:
    """Mirror the whole registry: models, versions, aliases, runs, and the features that versions were trained with.

    It is read by SQL where its tables can be reached, else by MLflow's API; `how` asks for one of them. Refused when
    this is another registry than the mirror follows, unless `adopt`; DatabaseUnavailable when it can't be read. Either
    way nothing was written. Without `foreign` no files are read of versions that claim no lineage: what is done on the
    way to something else waits for no stranger's store.
    """
    return _sync(store, database, how, adopt, None, foreign=foreign)


def register_version(
    store: Store, database: Database, name: str, logged: Logged, tags: Mapping[str, str]
) -> ModelVersion:
    """Register a model that was logged here as the next version of a name and its challenger, mirror and anchor it.

    What is anchored is what this process knows of it; nothing is read back from the store. Raises what `sync` raises:
    then the version may be registered without an anchor, which is a claim that nobody here can vouch for.
    """
    new = _New(store, name, logged, {**tags, **logged.lineage.tags()})
    _sync(store, database, None, False, new, foreign=False)
    return new.version()


@dataclass(frozen=True, slots=True)
class RegistryModel:
    """A model as the registry has it: when it was made, and when each of its versions was, by number."""

    name: str
    created_at: object
    versions: Mapping[int, object]


@dataclass(frozen=True, slots=True)
class MirroredModel:
    """A row of the mirror: also which versions it ever had, and whether it was there at the last sync."""

    model_id: int
    name: str
    created_at: object
    versions: Mapping[int, object]
    live: bool


class AnchorDocument(TypedDict):
    """What is anchored of a version that was trained here, as `anchor_trained_version` takes it."""

    name: str
    version: int
    created_at: str
    lineage: LineageDocument
    lineage_sha256: str
    files: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


@dataclass(slots=True)
class _New:
    """A version to be registered, once, however often the transaction around it has to be tried."""

    store: Store
    name: str
    logged: Logged
    tags: Mapping[str, str]
    added: ModelVersion | None = None

    def version(self) -> ModelVersion:
        if self.added is None:
            logged = self.logged
            self.added = add_version(
                self.store, self.name, logged.run_id, logged.model_uri, self.tags, logged.description
            )
        return self.added

    def anchor(self) -> AnchorDocument:
        """What its training says of it; nothing is read back."""
        version, logged = self.version(), self.logged
        return {
            "name": version.name,
            "version": version.version,
            "created_at": version.created_at.isoformat(),
            "lineage": logged.lineage.document,
            "lineage_sha256": logged.lineage.sha256,
            "files": dict(logged.files),
            "metrics": {name: value for name, value in logged.metrics.items() if math.isfinite(value)},
            "tags": dict(self.tags),
        }


def _sync(store: Store, database: Database, how: How | None, adopt: bool, new: _New | None, *, foreign: bool) -> Synced:
    try:
        synced, touched = again_when_lost(lambda: _mirror(store, database, how, adopt, new))
        waiting = mirror_lineage(database, touched, foreign=foreign)
        mirror_calendars(database)
    except Exception as error:
        with suppress(Exception), database.transaction() as transaction:
            transaction.run("set_mirror_failed", failure=str(error)[:1000])
        raise
    return replace(synced, waiting=waiting)


def _mirror(
    store: Store, database: Database, how: How | None, adopt: bool, new: _New | None
) -> tuple[Synced, list[int]]:
    began = time.monotonic()
    with database.transaction() as transaction:
        transaction.lock("registry mirror")  # before reading, or a slower reader would write back an older state
        transaction.run("create_registry_tables")
        if new is not None:
            with _registry(store, how) as registry:
                _guard(transaction, _identity(registry, store), store, adopt)
            new.version()
        with _registry(store, how) as registry:
            identity = _identity(registry, store)
            _guard(transaction, identity, store, adopt)
            registry.read(transaction)
        at = transaction.value("registry_read_time")
        _recognise(transaction)
        touched = _write(transaction, at)
        if new is not None:
            anchored: int | None = transaction.value("anchor_trained_version", document=new.anchor(), at=at)
            touched = touched if anchored is None else [*touched, anchored]
        changes = transaction.rows("count_registry_changes", of=Changed)
        live = transaction.one(
            "set_mirror_synced",
            of=Live,
            registry=identity,
            address=_shown(store.uri),
            how=registry.how,
            at=at,
            seconds=time.monotonic() - began,
        )
    assert live is not None
    changed = {f"{change.what} {change.change}": change.rows for change in changes}
    seconds = time.monotonic() - began
    return Synced(live.models, live.versions, live.aliases, registry.how, seconds, changed), touched


@contextmanager
def _registry(store: Store, how: How | None) -> Iterator[Registry]:
    """The registry of a store, by SQL where that can be."""
    # with workspaces MLflow shows a part of its registry only, and does not say which one
    workspaces = bool(MLFLOW_ENABLE_WORKSPACES.get())  # type: ignore[no-untyped-call]
    if how != "api" and store.uri.startswith("postgres") and not workspaces:
        with open_snapshot(store.uri) as tables:
            if tables.one("registry_tables_known") == (True,):
                yield ByQuery(tables)
                return
    if how == "sql":
        raise Refused(
            f"the tables of the registry at {_shown(store.uri)} can't be reached; it can be read by its API only"
        )
    with reachable(_shown(store.uri)):
        yield ByApi(store.client)


def _identity(registry: Registry, store: Store) -> str:
    oldest = registry.identity()
    if oldest is None:
        return f"without experiments, at {_shown(store.uri)}"
    experiment, milliseconds = oldest
    return f"experiment {experiment} of {datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _guard(transaction: Transaction, identity: str, store: Store, adopt: bool) -> None:
    followed = transaction.one("mirror_state", of=Followed)
    if adopt or followed is None or not followed.filled or followed.registry in (None, identity):
        return
    raise Refused(
        f"the mirror follows the registry with {followed.registry} ({followed.address}); MLFLOW_TRACKING_URI now"
        f" leads to another one, with {identity} ({_shown(store.uri)}), and every model would be marked as deleted;"
        " correct MLFLOW_TRACKING_URI, or run `mlops registry sync --adopt` to follow this one from now on"
    )


def _recognise(transaction: Transaction) -> None:
    """Give every model that was read its row in the mirror, or a new number."""
    transaction.run("recognise_models_by_name")
    rows = transaction.rows("models_not_recognised", of=Unrecognised)
    models = [RegistryModel(row.name, row.created_at, row.versions) for row in rows if row.model_id is None]
    mirrored = [
        MirroredModel(row.model_id, row.name, row.created_at, row.versions, row.live)
        for row in rows
        if row.model_id is not None
    ]
    recognised = recognise(models, mirrored)
    if recognised:
        transaction.run("set_recognised_models", names=list(recognised), model_ids=list(recognised.values()))
    transaction.run("number_new_models")


def recognise(models: Iterable[RegistryModel], mirrored: Iterable[MirroredModel]) -> dict[str, int]:
    """The rows of models by name; a model that is none of the mirrored rows is left out.

    MLflow gives models no number. What a rename never changes is the time in ms at which a model was made, and the
    numbers and times of its versions. Among models of the same ms the most shared versions decide, then the name, then
    whether the row is live, then the newer row; a number that both have from different times excludes.
    """
    rows = defaultdict(list)
    for row in mirrored:
        rows[row.created_at].append(row)
    pairs = []
    for model in models:
        for row in rows[model.created_at]:
            both = model.versions.keys() & row.versions.keys()
            if all(model.versions[number] == row.versions[number] for number in both):
                pairs.append((len(both), model.name == row.name, row.live, row.model_id, model.name))
    pairs.sort(reverse=True)
    recognised: dict[str, int] = {}
    taken: set[int] = set()
    for *_, model_id, name in pairs:
        if name not in recognised and model_id not in taken:
            recognised[name] = model_id
            taken.add(model_id)
    return recognised


def _write(transaction: Transaction, at: datetime) -> list[int]:
    """Write what differs; the versions whose edges may have other importances now."""
    if transaction.run("find_model_changes"):
        _run(transaction, MODELS, at)
    touched: list[int] = []
    if transaction.run("find_version_changes"):
        touched = transaction.value("versions_with_changed_runs") or []
        _run(transaction, VERSIONS, at)
    if transaction.run("find_alias_changes"):
        _run(transaction, ALIASES, at)
    return touched


def _run(transaction: Transaction, queries: tuple[str, ...], at: datetime) -> None:
    for query in queries:
        transaction.run(query, at=at)


def _shown(address: str) -> str:
    """An address without its password."""
    return PASSWORD.sub("", address)
