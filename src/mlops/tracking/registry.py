"""The model registry: versions, aliases and URIs (`models:/demand@champion`, `models:/demand/3`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException

import mlflow
from mlops.errors import BadInput, ModelNotFound
from mlops.tracking.store import Store

__all__ = ["ModelVersion", "add_version", "find_by_tag", "load_model", "promote", "resolve"]

URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model, as MLflow knows it."""

    name: str
    version: int
    run_id: str
    source: str
    tags: Mapping[str, str]

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
        raise ModelNotFound(f"{uri} leads nowhere; {_what_there_is(store, found['name'])}") from error


def add_version(store: Store, name: str, run_id: str, model_uri: str, tags: Mapping[str, str]) -> ModelVersion:
    """Register a logged model as the next version of a name and as its challenger."""
    if not store.client.search_registered_models(f"name = '{name}'"):
        try:
            store.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster
                raise
    added = store.client.create_model_version(name, model_uri, run_id, tags=dict(tags))
    store.client.set_registered_model_alias(name, "challenger", added.version)
    return resolve(store, f"models:/{name}/{added.version}")


def promote(store: Store, version: ModelVersion, reason: str) -> ModelVersion:
    """Make a version the champion of its name and say why on the version."""
    store.client.set_model_version_tag(version.name, str(version.version), "mlops.promoted_because", reason)
    store.client.set_registered_model_alias(version.name, "champion", str(version.version))
    model = store.client.get_registered_model(version.name)
    if str(model.aliases.get("challenger")) == str(version.version):
        store.client.delete_registered_model_alias(version.name, "challenger")
    return resolve(store, f"models:/{version.name}/{version.version}")


def find_by_tag(store: Store, name: str, key: str, value: str) -> ModelVersion | None:
    """The newest version of a name with this tag."""
    found = store.client.search_model_versions(f"name = '{name}' and tags.`{key}` = '{value}'")
    newest = max(found, key=lambda version: int(version.version), default=None)
    return None if newest is None else _of(newest)


def load_model(version: ModelVersion) -> Any:
    """The model as MLflow's pyfunc."""
    try:
        return mlflow.pyfunc.load_model(version.uri)
    except (MlflowException, OSError) as error:
        raise ModelNotFound(f"{version.uri} is registered, but its files can't be read: {error}") from error


def _of(found: Any) -> ModelVersion:
    return ModelVersion(found.name, int(found.version), found.run_id, found.source, dict(found.tags))


def _what_there_is(store: Store, name: str) -> str:
    try:
        model = store.client.get_registered_model(name)
    except MlflowException:
        names = [model.name for model in store.client.search_registered_models()]
        return f"registered models: {', '.join(names) or 'none; train one with `mlops train lightgbm`'}"
    aliases = [f"@{alias} is version {version}" for alias, version in sorted(model.aliases.items())]
    return f"{name} has {', '.join(aliases) or 'no alias; give one with `mlops registry promote`'}"
