"""The model registry: versions, aliases and URIs (`models:/demand@champion`, `models:/demand/3`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mlflow.exceptions import MlflowException

from mlops.db.failures import one_sentence
from mlops.errors import BadInput, DatabaseUnavailable, ModelNotFound
from mlops.tracking.store import Store

__all__ = [
    "ModelVersion",
    "add_version",
    "alias_of",
    "move_champion",
    "resolve",
]

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers for a name, version or alias that is not there."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]{1,9}))")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model, as MLflow knows it.

    A name that was deleted and made again counts from 1 again, so it is `created_at` that tells versions apart.
    """

    name: str
    version: int
    run_id: str
    source: str
    tags: Mapping[str, str]
    created_at: datetime

    @property
    def uri(self) -> str:
        """The URI that always means this version."""
        return f"models:/{self.name}/{self.version}"


def resolve(store: Store, uri: str) -> ModelVersion:
    """The version that a URI means now; ModelNotFound names what there is instead."""
    found = URI.fullmatch(uri)
    if found is None:
        raise BadInput(f"{uri!r} is not a model URI; expected models:/NAME@ALIAS or models:/NAME/VERSION")
    try:
        if found["alias"]:
            return _of(store.client.get_model_version_by_alias(found["name"], found["alias"]))
        return _of(store.client.get_model_version(found["name"], found["version"]))
    except MlflowException as error:
        _absent(error, uri)
        raise ModelNotFound(f"{uri} leads nowhere; {_what_there_is(store, found['name'])}") from error


def add_version(store: Store, name: str, run_id: str, model_uri: str, tags: Mapping[str, str]) -> ModelVersion:
    """Register a logged model as the next version of a name and as its challenger."""
    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    added = store.client.create_model_version(name, model_uri, run_id, tags=dict(tags))
    store.client.set_registered_model_alias(name, "challenger", added.version)
    return resolve(store, f"models:/{name}/{added.version}")


def move_champion(store: Store, version: ModelVersion, reason: str) -> None:
    """Let @champion of its name mean this version, and say why on the version; it is no challenger any more."""
    name, number = version.name, str(version.version)
    store.client.set_model_version_tag(name, number, "mlops.promoted_because", reason)
    store.client.set_registered_model_alias(name, "champion", number)
    if str(store.client.get_registered_model(name).aliases.get("challenger")) == number:
        store.client.delete_registered_model_alias(name, "challenger")


def alias_of(store: Store, name: str, alias: str) -> ModelVersion | None:
    """The version that an alias means now, if it means one."""
    try:
        return _of(store.client.get_model_version_by_alias(name, alias))
    except MlflowException as error:
        _absent(error, f"models:/{name}@{alias}")
        return None


def _of(found: Any) -> ModelVersion:
    created_at = EPOCH + timedelta(milliseconds=int(found.creation_timestamp))
    return ModelVersion(found.name, int(found.version), found.run_id, found.source, dict(found.tags), created_at)


def _absent(error: MlflowException, uri: str) -> None:
    """DatabaseUnavailable when an error says anything but that there is no such thing."""
    if error.error_code not in ABSENT:
        raise DatabaseUnavailable(f"the registry can't say what {uri} is: {one_sentence(error)}") from error


def _what_there_is(store: Store, name: str) -> str:
    try:
        model = store.client.get_registered_model(name)
    except MlflowException:
        names = [model.name for model in store.client.search_registered_models()]
        return f"registered models: {', '.join(names) or 'none; train one with `mlops train lightgbm`'}"
    aliases = [f"@{alias} is version {version}" for alias, version in sorted(model.aliases.items())]
    return f"{name} has {', '.join(aliases) or 'no alias; give one with `mlops registry promote`'}"
