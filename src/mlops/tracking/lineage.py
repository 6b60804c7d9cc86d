"""Lineage as models carry it: read back and checked."""

import json
from typing import Any

from mlflow.exceptions import MlflowException

import mlflow
from mlops.domain.canonical import sha256

__all__ = ["LINEAGE_TAG", "read_lineage"]

LINEAGE_TAG = "mlops.lineage_sha256"


def read_lineage(version: Any) -> dict[str, Any]:
    """The lineage that the model of a version carries, as columns of `model_versions`, and what is wrong with it."""
    try:
        text = (mlflow.models.get_model_info(f"models:/{version.name}/{version.version}").metadata or {}).get(
            "feature_lineage"
        )
    except (MlflowException, OSError) as error:
        return _incomplete(f"the model's files can't be read: {error}")
    if text is None:
        return _incomplete("the model carries no lineage")
    if sha256(text) != version.tags.get(LINEAGE_TAG):
        return _incomplete("the lineage in the model and its digest on the version differ")
    lineage = json.loads(text)
    times = {name: lineage[name] for name in ("as_of", "trained_from", "trained_to")}
    return times | {"lineage": lineage, "lineage_sha256": sha256(text), "lineage_state": "complete"}


def _incomplete(problem: str) -> dict[str, Any]:
    return {"lineage_state": "incomplete", "lineage_problem": problem}
