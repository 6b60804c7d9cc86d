"""The model registry: versions, aliases and URIs (`models:/demand@champion`, `models:/demand/3`)."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from mlops.db.failures import one_sentence
from mlops.domain.canonical import one_line
from mlops.domain.model_uri import FORMS, ModelUri, uri_of, version_of
from mlops.errors import DatabaseUnavailable, Misused, MlopsError, ModelNotFound, Refused, nearest, quoted
from mlops.tracking.store import Store

__all__ = [
    "ModelVersion",
    "add_version",
    "alias_of",
    "fail_run",
    "move_champion",
    "resolve",
]

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers for a name, version or alias that is not there."""
AWAY = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
"""What its client says of a server that does not answer, or that fails."""
FAILED_BECAUSE = "mlops.failed_because"
"""The tag of a run that was marked as failed here."""
LOGGED_MODEL = re.compile(r"models:/(?P<model_id>m-[0-9a-f]+)")
MOST_NAMES = 20
ABOUT = """Forecasts of `{name}`, trained by `mlops train`. The version with the alias **@champion** is served:

    mlops predict models:/{name}@champion

**@challenger** is the newest that was trained. The page of each version says what it forecasts, what it learned from,
how good it was on past origins beside the baselines, and how to use it. Every forecast leads back to its version:
`mlops registry trace`, `mlops registry lineage models:/{name}@champion`.
"""
"""The description of a new registered model."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        return uri_of(self.name, self.version)


def resolve(store: Store, uri: str) -> ModelVersion:
    """The version that a URI means now; ModelNotFound names what there is instead."""
    asked = version_of(uri)
    if asked is None:
        raise Misused(f"{quoted(uri)} is not a model URI; expected {FORMS}")
    try:
        if asked.alias:
            return _of(store.client.get_model_version_by_alias(asked.name, asked.alias))
        return _of(store.client.get_model_version(asked.name, str(asked.version)))
    except MlflowException as error:
        _absent(error, uri)
        raise ModelNotFound(f"{uri} leads nowhere; {_what_there_is(store, asked)}") from error


def add_version(
    store: Store, name: str, run_id: str, model_uri: str, tags: Mapping[str, str], description: str = ""
) -> ModelVersion:
    """Register a logged model as the next version of a name and as its challenger; its own page names the version.

    `description` is Markdown, in which {uri} becomes the URI of the version.

    Refused with MLflow's reason when it takes none, DatabaseUnavailable when it does not answer. Then nothing of it is
    left in the registry, and the run is marked as failed with the reason.
    """
    made, added = False, None
    try:
        made = _made(store, name)
        model_id = _logged_model(model_uri)
        added = store.client.create_model_version(name, model_uri, run_id, tags=dict(tags), model_id=model_id)
        if description:
            about = description.replace("{uri}", f"models:/{name}/{added.version}")
            store.client.update_model_version(name, added.version, about)
        store.client.set_registered_model_alias(name, "challenger", added.version)
        if model_id is not None:
            versions = json.dumps([{"name": name, "version": int(added.version)}])
            store.client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: versions})
        return resolve(store, f"models:/{name}/{added.version}")
    except (MlflowException, MlopsError, OSError) as error:
        reason = f"MLflow did not register the model of run {run_id} as {name}: {one_line(str(error))}"
        left = "" if _undone(store, name, added, made=made) else f"; look for what is left of it in {name}"
        fail_run(store, run_id, reason)
        failed = f"{reason}; the run is kept and marked as failed{left}"
        if isinstance(error, MlflowException) and error.error_code not in AWAY:
            raise Refused(failed) from error
        raise DatabaseUnavailable(failed) from error


def fail_run(store: Store, run_id: str, reason: str) -> None:
    """Mark a run as failed, with the reason as its tag `mlops.failed_because`; nothing when MLflow is away."""
    with suppress(MlflowException, OSError):
        store.client.set_tag(run_id, FAILED_BECAUSE, one_line(reason))
        store.client.set_terminated(run_id, "FAILED")


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


def _made(store: Store, name: str) -> bool:
    """Make a registered model unless there is one of this name; whether it is new."""
    try:
        store.client.create_registered_model(name, description=ABOUT.format(name=name))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def _logged_model(model_uri: str) -> str | None:
    """The id in `models:/m-…`: an MLflow server registers such a model only when it is named besides."""
    match = LOGGED_MODEL.fullmatch(model_uri)
    return None if match is None else match["model_id"]


def _undone(store: Store, name: str, added: Any, *, made: bool) -> bool:
    """Take back a registration that broke off; False when that failed, too. A model with other versions stays."""
    try:
        if added is not None:
            store.client.delete_model_version(name, added.version)
        if made and not store.client.search_model_versions(f"name = {_quoted(name)}", max_results=1):
            store.client.delete_registered_model(name)
    except (MlflowException, OSError):
        return False
    return True


def _of(version: Any) -> ModelVersion:
    created_at = EPOCH + timedelta(milliseconds=int(version.creation_timestamp))
    return ModelVersion(
        version.name, int(version.version), version.run_id, version.source, dict(version.tags), created_at
    )


def _quoted(text: str) -> str:
    """A text as MLflow's filters take it; they know no way to write one with both quotes."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def _absent(error: MlflowException, uri: str) -> None:
    """DatabaseUnavailable when an error says anything but that there is no such thing."""
    if error.error_code not in ABSENT:
        raise DatabaseUnavailable(f"the registry can't say what {uri} is: {one_sentence(error)}") from error


def _what_there_is(store: Store, asked: ModelUri) -> str:
    """What was meant perhaps, and what there is: the names, else the versions and aliases of the name."""
    name = asked.name
    try:
        model = store.client.get_registered_model(name)
    except MlflowException:
        names = [model.name for model in store.client.search_registered_models()]
        if not names:
            return "no model is registered yet; train one with `mlops train lightgbm`"
        close = nearest(name, names)
        shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" * (len(names) > MOST_NAMES))
        return f"{f'did you mean {close}? ' if close else ''}registered models: {shown}"
    aliases = [f"@{alias} (version {version})" for alias, version in sorted(model.aliases.items())]
    close = nearest(asked.alias, model.aliases) if asked.alias else None
    meant = f"did you mean models:/{name}@{close}? " if close else ""
    known = ", ".join(aliases) or "no alias; give one with `mlops registry promote`"
    if asked.version is not None:
        newest = store.client.search_model_versions(
            f"name = {_quoted(name)}", max_results=1, order_by=["version_number DESC"]
        )
        known += f"; its newest version is {newest[0].version}" if newest else "; it has no version"
    return f"{meant}{name} has {known}"
