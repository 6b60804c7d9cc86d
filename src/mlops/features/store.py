"""The feature store: definitions by version; a changed definition is a new version, an unchanged one never is."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mlops.db import Database
from mlops.domain.features import FeatureDefinition, Selection
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
    """Record definitions that are new; name -> version and definition_sha256 of each."""
    found = {}
    with database.transaction() as transaction:
        transaction.lock("feature store")
        for definition in sorted(definitions, key=lambda definition: definition.name):
            row = asdict(definition)
            transaction.run(
                "register_feature",
                **{name: row[name] for name in row if name != "source_metric_types"},
                source_metric_types=list(definition.source_metric_types),
                definition=row | {"source_metric_types": list(definition.source_metric_types)},
                definition_sha256=definition.sha256,
            )
            version = transaction.value("feature_version", name=definition.name, definition_sha256=definition.sha256)
            found[definition.name] = {"version": version, "definition_sha256": definition.sha256}
    return found
