"""The feature store: definitions by version; a changed definition is a new version, an unchanged one never is."""

from collections.abc import Sequence
from typing import Any

from mlops.db import Database, Transaction
from mlops.domain.features import FeatureDefinition, Selection
from mlops.errors import UnknownName
from mlops.forecasting.design import FEATURES

__all__ = ["define", "register"]


def define(names: Sequence[str], selection: Selection, owner: str) -> list[FeatureDefinition]:
    """The definitions of features as they are computed from a selection of series."""
    return [
        FeatureDefinition(
            name=name,
            dtype="float32" if name != "value" else "float64",
            entity="series",
            granularity=selection.granularity,
            source_metric_types=(selection.metric_type,) if FEATURES[name].source else (),
            transformation=FEATURES[name].transformation,
            owner=owner,
            description=f"{FEATURES[name].transformation}, per series, origin and step",
        )
        for name in names
    ]


def register(database: Database, definitions: Sequence[FeatureDefinition]) -> dict[str, dict[str, Any]]:
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


def _recorded(transaction: Transaction, definitions: Sequence[FeatureDefinition]) -> dict[str, dict[str, Any]]:
    """In the order of the definitions; those that are not recorded are left out."""
    digests = {definition.name: definition.sha256 for definition in definitions}
    rows = transaction.rows("feature_version", names=list(digests), digests=list(digests.values()))
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
