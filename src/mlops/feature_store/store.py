"""The feature store: definitions by version; a changed definition is a new version, an unchanged one never is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from mlops.db import Database, Transaction
from mlops.domain.features import FeatureDefinition, FeatureDocument, RecordedFeature, Selection
from mlops.errors import UnknownName
from mlops.features.definitions import Declared, declared
from mlops.features.standard import WORDS, formerly, standard

__all__ = [
    "CataloguedFeature",
    "DefinitionRow",
    "FeatureVersion",
    "catalogue",
    "register_features",
    "versions",
    "watched_of",
]


@dataclass(frozen=True, slots=True)
class CataloguedFeature:
    """A feature as it was recorded last, or as it is declared: `state` says which.

    It is "recorded", or "new" or "changed" where the declaration is no recorded version yet; `version` is the one that
    it is (None for new, the newest one for changed).
    """

    name: str
    version: int | None
    definition_sha256: str
    dtype: str
    entity: str
    granularity: str
    source_metric_types: Sequence[str]
    transformation: str
    owner: str
    description: str
    min_value: float | None
    max_value: float | None
    used_by: list[str]
    """Live model versions, as NAME/VERSION."""
    state: Literal["recorded", "new", "changed"] = "recorded"
    sets: list[str] = field(default_factory=list)
    """Declared feature sets that it belongs to."""


@dataclass(frozen=True, slots=True)
class FeatureVersion:
    """A version of a feature; without a number, and a time, it is declared and not recorded yet."""

    name: str
    version: int | None
    definition_sha256: str
    definition: FeatureDocument
    created_at: datetime | None
    changes: dict[str, list[Any]] = field(default_factory=dict)
    """What is said otherwise than in the version before: key -> before and after, None for what is not said."""


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """A recorded definition."""

    name: str
    definition_sha256: str
    definition: FeatureDocument


@dataclass(frozen=True, slots=True)
class _Numbered:
    """The number of a version."""

    name: str
    version: int


def register_features(database: Database, definitions: Sequence[FeatureDefinition]) -> dict[str, RecordedFeature]:
    """Record definitions that are new; name -> version and definition_sha256 of each.

    Raises UnknownName for a metric type that the database does not know.
    """
    with database.transaction() as transaction:
        known = set(transaction.values("metric_types"))
        for metric_type in sorted(
            {metric_type for each in definitions for metric_type in each.source_metric_types} - known
        ):
            raise UnknownName("metric type", metric_type, known)
        recorded = _recorded(transaction, definitions)
        if len(recorded) < len(definitions):
            transaction.lock("feature store")
            for definition in sorted(definitions, key=lambda definition: definition.name):
                columns = ("name", "dtype", "entity", "granularity", "transformation", "owner", "description")
                transaction.run(
                    "register_feature",
                    **{column: getattr(definition, column) for column in columns},
                    source_metric_types=list(definition.source_metric_types),
                    definition=definition.document,
                    definition_sha256=definition.sha256,
                )
            recorded = _recorded(transaction, definitions)
    return recorded


def watched_of(
    database: Database, lineage: Mapping[str, Any] | None, names: Sequence[str]
) -> tuple[FeatureDefinition, ...]:
    """What a version's own features of these names mean, as they were recorded, and the standard ones beside them.

    A name that is another version's only is left out, UnknownName is raised for one that nobody ever recorded or
    declared.
    """
    if not lineage or "selection" not in lineage:
        return ()
    selection, recipe = Selection(**lineage["selection"]), lineage.get("recipe") or {}
    digests = {name: recorded["definition_sha256"] for name, recorded in lineage["features"].items() if name in names}
    with database.transaction() as transaction:
        rows = transaction.rows("feature_definitions", of=DefinitionRow, digests=list(digests.values()))
        recorded = set(transaction.values("list_features"))
    own = {row.name: FeatureDefinition.of(row.definition) for row in rows}
    watched = []
    for name in names:
        if name in own:
            watched.append(formerly(own[name], recipe.get("country")))
        elif name in WORDS:
            watched += standard(selection, recipe.get("owner", ""), [name], recipe.get("country"))
        elif name not in recorded and name not in declared().definitions:
            raise UnknownName("feature", name, {*WORDS, *recorded})
    return tuple(watched)


def catalogue(database: Database, known: Declared) -> list[CataloguedFeature]:
    """Every recorded and every declared feature by name; what is declared counts, where the two differ."""
    with database.transaction() as transaction:
        rows = {row.name: row for row in transaction.rows("list_features", of=CataloguedFeature)}
        recorded = _recorded(transaction, list(known.definitions.values()))
    for name, definition in known.definitions.items():
        before = rows.get(name)
        newest = before.version if before else None
        rows[name] = CataloguedFeature(
            name=name,
            version=recorded[name]["version"] if name in recorded else newest,
            definition_sha256=definition.sha256,
            dtype=definition.dtype,
            entity=definition.entity,
            granularity=definition.granularity,
            source_metric_types=definition.source_metric_types,
            transformation=definition.transformation,
            owner=definition.owner,
            description=definition.description,
            min_value=definition.min_value,
            max_value=definition.max_value,
            used_by=before.used_by if before else [],
            state="recorded" if name in recorded else "changed" if before else "new",
        )
    sets = {name: [each.name for each in known.sets.values() if name in each.names] for name in rows}
    return [replace(rows[name], sets=sets[name]) for name in sorted(rows)]


def versions(database: Database, name: str, known: Declared) -> list[FeatureVersion]:
    """The versions of a feature, oldest first, each with its `changes` of the one before.

    A declaration that is not recorded yet comes last, without a version. UnknownName for a name that is neither.
    """
    with database.transaction() as transaction:
        rows = transaction.rows("feature_versions", of=FeatureVersion, name=name)
        names = transaction.values("list_features")
    own = known.definitions.get(name)
    if own is not None and own.sha256 not in {row.definition_sha256 for row in rows}:
        rows.append(FeatureVersion(name, None, own.sha256, own.document, None))
    if not rows:
        raise UnknownName("feature", name, {*names, *known.definitions})
    later = (replace(after, changes=_changes(before.definition, after.definition)) for before, after in pairwise(rows))
    return [rows[0], *later]


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, list[Any]]:
    keys = dict.fromkeys([*before, *after])
    return {key: [before.get(key), after.get(key)] for key in keys if before.get(key) != after.get(key)}


def _recorded(transaction: Transaction, definitions: Sequence[FeatureDefinition]) -> dict[str, RecordedFeature]:
    """In the order of the definitions; those that are not recorded are left out."""
    digests = {definition.name: definition.sha256 for definition in definitions}
    names, wanted = list(digests), list(digests.values())
    rows = transaction.rows("versions_of_definitions", of=_Numbered, names=names, digests=wanted)
    versions = {row.name: row.version for row in rows}
    return {
        name: {"version": versions[name], "definition_sha256": digest}
        for name, digest in digests.items()
        if name in versions
    }
