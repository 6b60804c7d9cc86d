"""The registry bridge: makes Postgres an exact mirror of MLflow's registry.

It compares everything on every run (aliases and tags move no timestamp in MLflow, so nothing else is reliable), in one
transaction and under one lock: repeated and concurrent runs are safe. What disappears from the registry keeps its row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow.exceptions import MlflowException

from mlops.db import Database
from mlops.tracking.lineage import read_lineage
from mlops.tracking.store import Store

__all__ = ["Synced", "sync"]

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Synced:
    """How many models, versions and aliases the mirror shows as live."""

    models: int
    versions: int
    aliases: int


def sync(store: Store, database: Database) -> Synced:
    """Mirror the whole registry: models, versions, aliases, and the features that versions were trained with."""
    with database.transaction() as transaction:
        transaction.lock("registry mirror")  # before reading, or a slower reader would write back an older state
        known = {(row["name"], row["version"], row["created_at"]) for row in transaction.rows("mirrored_versions")}
        registry = _read(store, known)
        for query in (
            "forget_models",
            "mirror_models",
            "forget_versions",
            "mirror_versions",
            "forget_aliases",
            "mirror_aliases",
            "mirror_features",
        ):
            transaction.run(query, document=registry)
    return Synced(len(registry["models"]), len(registry["versions"]), len(registry["aliases"]))


def _read(store: Store, known: set[tuple[str, int, datetime]]) -> dict[str, list[dict[str, Any]]]:
    """The registry as rows; a version in `known` comes without its lineage, which can't change."""
    models = list(_pages(store.client.search_registered_models))
    versions = list(_pages(store.client.search_model_versions))
    return {
        "models": [
            {
                "name": model.name,
                "created_at": _time(model.creation_timestamp),
                "description": model.description,
                "tags": model.tags,
            }
            for model in models
        ],
        "versions": [_version(store, version, known) for version in versions],
        "aliases": [
            {"name": model.name, "alias": alias, "version": int(version)}
            for model in models
            for alias, version in model.aliases.items()
        ],
    }


def _version(store: Store, version: Any, known: set[tuple[str, int, datetime]]) -> dict[str, Any]:
    created_at = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    row = {
        "name": version.name,
        "version": int(version.version),
        "created_at": created_at.isoformat(),
        "kind": version.tags.get("mlops.kind"),
        "run_id": version.run_id,
        "source": version.source,
        "status": version.status,
        "tags": dict(version.tags),
    }
    if (version.name, int(version.version), created_at) in known:
        return row
    return row | _run(store, version.run_id) | read_lineage(version)


def _run(store: Store, run_id: str | None) -> dict[str, Any]:
    """Parameters and metrics, copied so that they outlive the run."""
    try:
        data = store.client.get_run(run_id or "").data
    except MlflowException:
        return {"params": {}, "metrics": {}}
    return {"params": data.params, "metrics": {name: value for name, value in data.metrics.items() if value == value}}


def _pages(search: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
