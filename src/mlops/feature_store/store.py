"""The feature store: definitions by version; a changed definition is a new version, an unchanged one never is."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops.db import Database, Transaction
from mlops.domain.features import FeatureDefinition, Selection
from mlops.errors import UnknownName
from mlops.features.definitions import Declared, declared
from mlops.features.standard import WORDS, formerly, standard

__all__ = ["catalogue", "register_features", "versions", "watched_of"]


def register_features(database: Database, definitions: Sequence[FeatureDefinition]) -> dict[str, dict[str, Any]]:
    """Record definitions that are new; name -> version and definition_sha256 of each.

    Raises UnknownName for a metric type that the database does not know.
    """
    with database.transaction() as transaction:
        known = {row["name"] for row in transaction.rows("metric_types")}
        for metric_type in sorted({one for each in definitions for one in each.source_metric_types} - known):
            raise UnknownName("metric type", metric_type, known)
        found = _recorded(transaction, definitions)
        if len(found) < len(definitions):
            transaction.lock("feature store")
            for definition in sorted(definitions, key=lambda definition: definition.name):
                _add(transaction, definition)
            found = _recorded(transaction, definitions)
    return found


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
    digests = {name: one["definition_sha256"] for name, one in lineage["features"].items() if name in names}
    with database.transaction() as transaction:
        rows = transaction.rows("feature_definitions", digests=list(digests.values()))
        recorded = {row["name"] for row in transaction.rows("list_features")}
    own = {row["name"]: FeatureDefinition.of(row["definition"]) for row in rows}
    found = []
    for name in names:
        if name in own:
            found.append(formerly(own[name], recipe.get("country")))
        elif name in WORDS:
            found += standard(selection, recipe.get("owner", ""), [name], recipe.get("country"))
        elif name not in recorded and name not in declared().definitions:
            raise UnknownName("feature", name, {*WORDS, *recorded})
    return tuple(found)


def catalogue(database: Database, known: Declared) -> list[dict[str, Any]]:
    """Every recorded and every declared feature by name, with the `sets` and models (`used_by`) that it belongs to.

    `state` is "recorded", or "new" or "changed" where the declaration is no recorded version yet; it is shown with the
    version that it is (None for new, the newest one for changed).
    """
    with database.transaction() as transaction:
        rows = {row["name"]: row | {"state": "recorded"} for row in transaction.rows("list_features")}
        recorded = _recorded(transaction, list(known.definitions.values()))
    for name, one in known.definitions.items():
        before = rows.get(name, {"version": None, "used_by": []})
        state = "recorded" if name in recorded else "changed" if name in rows else "new"
        version = recorded.get(name, before)["version"]
        shown = one.document | {"definition_sha256": one.sha256, "version": version, "state": state}
        rows[name] = shown | {"used_by": before["used_by"]}
    sets = {name: [one.name for one in known.sets.values() if name in one.names] for name in rows}
    return [rows[name] | {"sets": sets[name]} for name in sorted(rows)]


def versions(database: Database, name: str, known: Declared) -> list[dict[str, Any]]:
    """The versions of a feature, oldest first, each with its `changes` (key -> before and after) of the one before.

    A declaration that is not recorded yet comes last, without a version. UnknownName for a name that is neither.
    """
    with database.transaction() as transaction:
        rows = transaction.rows("feature_versions", name=name)
        names = [row["name"] for row in transaction.rows("list_features")]
    own = known.definitions.get(name)
    if own is not None and own.sha256 not in {row["definition_sha256"] for row in rows}:
        rows.append({"name": name, "version": None, "definition_sha256": own.sha256, "definition": own.document})
    if not rows:
        raise UnknownName("feature", name, {*names, *known.definitions})
    before = [row["definition"] for row in rows]
    return [
        row | {"changes": _changes(before[place - 1], row["definition"]) if place else {}}
        for place, row in enumerate(rows)
    ]


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """What is said otherwise; None for what is not said."""
    keys = dict.fromkeys([*before, *after])
    return {key: [before.get(key), after.get(key)] for key in keys if before.get(key) != after.get(key)}


def _recorded(transaction: Transaction, definitions: Sequence[FeatureDefinition]) -> dict[str, dict[str, Any]]:
    """In the order of the definitions; those that are not recorded are left out."""
    digests = {definition.name: definition.sha256 for definition in definitions}
    rows = transaction.rows("versions_of_definitions", names=list(digests), digests=list(digests.values()))
    versions = {row["name"]: row["version"] for row in rows}
    return {
        name: {"version": versions[name], "definition_sha256": digest}
        for name, digest in digests.items()
        if name in versions
    }


def _add(transaction: Transaction, definition: FeatureDefinition) -> None:
    columns = ("name", "dtype", "entity", "granularity", "transformation", "owner", "description")
    transaction.run(
        "register_feature",
        **{column: getattr(definition, column) for column in columns},
        source_metric_types=list(definition.source_metric_types),
        definition=definition.document,
        definition_sha256=definition.sha256,
    )
