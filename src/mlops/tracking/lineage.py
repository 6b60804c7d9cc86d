"""Lineage as models carry it: declared by whoever trains, read back and checked by the bridge.

A model of your own declares its lineage in three steps, all in one run:

    lineage = declare(signature, label="y", features=…, as_of=…, trained_from=…, trained_to=…, **content(frame))
    log_dataset("my model", lineage)
    logged = mlflow.sklearn.log_model(model, name="model", signature=signature, metadata=lineage.metadata())
    mlflow.register_model(logged.model_uri, "my model", tags=lineage.tags())
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import Schema

import mlflow
from mlops.domain.canonical import canonical_json, one_line, sha256
from mlops.domain.features import RecordedFeature, Selection
from mlops.domain.lineage import LINEAGE_KEY, LINEAGE_TAG, FileSource, Lineage, LineageDocument, Recipe, parse_lineage
from mlops.errors import BadInput
from mlops.tracking.artifacts.model_card import mlflow_model
from mlops.tracking.dataset import DIGEST_DIGITS, log_dataset, logged_digests
from mlops.tracking.environment import environment, source_code
from mlops.version import __version__

__all__ = ["CARRIES_NONE", "LINEAGE_TAG", "UNREADABLE", "Lineage", "declare_lineage", "log_dataset", "read_lineage"]

UNREADABLE = "files can't be read"
CARRIES_NONE = "the model carries no lineage"
logger = logging.getLogger(__name__)


class Declaration(TypedDict):
    """What `declare_lineage` takes of a training, apart from what the model, its files and tables say themselves."""

    features: dict[str, RecordedFeature]
    label: str
    as_of: datetime
    trained_from: datetime
    trained_to: datetime
    rows: int
    columns: dict[str, str]
    content_sha256: str
    recipe: Recipe
    selection: NotRequired[Selection]
    series: NotRequired[tuple[int, ...]]
    source: NotRequired[FileSource]


class ReadLineage(TypedDict):
    """A lineage that was read, as columns of `model_versions`; `inferred` are names of inputs that nobody declared."""

    lineage_state: Literal["complete", "incomplete"]
    lineage_problem: NotRequired[str]
    lineage: NotRequired[LineageDocument]
    lineage_sha256: NotRequired[str]
    as_of: NotRequired[str]
    trained_from: NotRequired[str]
    trained_to: NotRequired[str]
    inferred: NotRequired[list[str]]


def declare_lineage(
    signature: ModelSignature,
    *,
    features: Mapping[str, RecordedFeature],
    label: str,
    as_of: datetime,
    trained_from: datetime,
    trained_to: datetime,
    rows: int,
    columns: Mapping[str, str],
    content_sha256: str,
    code_version: str = __version__,
    code_folder: Path | None = None,
    **more: Any,
) -> Lineage:
    """The lineage of a model with this signature; code and environment are those of this process.

    `features` maps names to `version` and `definition_sha256`; `rows`, `columns` and `content_sha256` are what
    `features.digest.fingerprint(frame)` says of the training data; `code_folder` is where your own code lies (None:
    this package). Raises BadInput for what could not be read back, such as a window that ends after `as_of`.
    """
    try:
        return Lineage(
            features=features,
            as_of=as_of,
            trained_from=trained_from,
            trained_to=trained_to,
            label=label,
            rows=rows,
            columns=columns,
            content_sha256=content_sha256,
            inputs=_columns(signature.inputs),
            outputs=_columns(signature.outputs),
            code_version=code_version,
            code=source_code() if code_folder is None else source_code(code_folder),
            environment=environment(),
            **more,
        )
    except ValueError as error:
        raise BadInput(str(error)) from error


def read_lineage(version: Any, model: Path | None = None) -> ReadLineage:
    """The lineage that the model of a version carries, and what is wrong with it.

    It is complete when it is whole, has the digest that the version's tag says, and agrees with the model's signature
    and with the dataset of its run. A model without lineage whose inputs are named has them as `inferred`: names that
    may be those of features, which nobody declared. `model` is where its files lie, when they have been brought here.
    Never raises, whatever the model holds.
    """
    try:
        carried = _carried(f"models:/{version.name}/{version.version}" if model is None else model)
    except (MlflowException, OSError) as error:
        return _incomplete(f"the model's {UNREADABLE}: {error}")
    except Exception as error:  # anything may stand in a file that somebody else wrote
        why = one_line(f"{type(error).__name__}: {error}")
        logger.warning("the model of %s version %s can't be read: %s", version.name, version.version, why)
        logger.debug("where it could not be read", exc_info=True)
        return _incomplete(f"the model's {UNREADABLE}: {why}")
    if carried.text is None:
        none = _incomplete(CARRIES_NONE)
        return {**none, "inferred": list(carried.names)} if carried.names else none
    try:
        document = parse_lineage(carried.text)
        _agrees(document, carried, version)
    except ValueError as error:
        return _incomplete(str(error))
    return {
        "as_of": document["as_of"],
        "trained_from": document["trained_from"],
        "trained_to": document["trained_to"],
        "lineage": document,
        "lineage_sha256": carried.sha256,
        "lineage_state": "complete",
    }


@dataclass(frozen=True)
class _Carried:
    """What a model says of itself; `names` are those of its inputs, when all have one that a database takes."""

    text: Any
    inputs: dict[str, str]
    outputs: dict[str, str]
    names: tuple[str, ...]

    @property
    def sha256(self) -> str:
        return sha256(self.text)


def _carried(place: str | Path) -> _Carried:
    model = mlflow.models.get_model_info(place) if isinstance(place, str) else mlflow_model(place)
    text = model.metadata.get(LINEAGE_KEY) if isinstance(model.metadata, dict) else None
    inputs, outputs = (model.signature.inputs, model.signature.outputs) if model.signature else (None, None)
    names = [column.name for column in inputs.inputs] if inputs else []
    named = all(isinstance(name, str) and name.isprintable() for name in names)
    return _Carried(text, _columns(inputs), _columns(outputs), tuple(names) if named else ())


def _agrees(document: LineageDocument, carried: _Carried, version: Any) -> None:
    """ValueError when the tag, the signature or the run says something else than the document."""
    tag = version.tags.get(LINEAGE_TAG)
    if tag != carried.sha256:
        tagged = "has no tag of it" if tag is None else f"says {tag[:12]}…"
        raise ValueError(f"the lineage in the model has the digest {carried.sha256[:12]}…, but the version {tagged}")
    for name, said, signed in (
        ("inputs", document.get("inputs", carried.inputs), carried.inputs),
        ("outputs", document.get("outputs", carried.outputs), carried.outputs),
    ):
        if said != signed:
            first = next(column for column in sorted({*said, *signed}) if said.get(column) != signed.get(column))
            raise ValueError(
                f"the lineage's {name} are not those of the model's signature: {first!r} is"
                f" {said.get(first, 'not there')} in the lineage, {signed.get(first, 'not there')} in the signature"
            )
    try:
        logged = logged_digests(mlflow.get_run(version.run_id)) if version.run_id else set()
    except MlflowException:  # the run is gone
        logged = set()
    if logged and document["content_sha256"][:DIGEST_DIGITS] not in logged:
        raise ValueError("the lineage's 'content_sha256' is not the digest of the data that its run was logged with")


def _columns(schema: Schema | None) -> dict[str, str]:
    """Names and types of a signature's side; what has no name is known by its place."""
    kinds = {}
    for place, spec in enumerate([] if schema is None else schema.to_dict()):
        name = spec.pop("name", None) or str(place)
        spec.pop("required", None)
        # a plain type by its name, a tensor or a nested one by its JSON
        kinds[name] = str(spec["type"]) if set(spec) == {"type"} else canonical_json(spec)
    return kinds


def _incomplete(problem: str) -> ReadLineage:
    return {"lineage_state": "incomplete", "lineage_problem": one_line(problem)}
