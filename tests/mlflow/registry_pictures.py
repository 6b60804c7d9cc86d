"""The registry as MLflow's client shows it, and the mirror as SQL shows it, in one shape, to be compared."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from mlflow.exceptions import MlflowException
from psycopg.rows import dict_row

from mlflow import MlflowClient

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERSION = "description, stage, status, source, run_id, tags, run_state"
RUN = "run_name, run_user, experiment, run_began_at, run_ended_at, params, metrics, run_tags, datasets"
Picture = dict[Any, Any]


def registry(client: MlflowClient, facts: dict[str, Picture] | None = None) -> Picture:
    """Models by name, versions by name and number; `facts` of runs that are gone are what was seen of them before."""
    models = {
        model.name: {
            "created_at": _time(model.creation_timestamp),
            "description": model.description or None,
            "tags": dict(model.tags),
            "aliases": {alias: int(version) for alias, version in model.aliases.items()},
        }
        for model in _all(client.search_registered_models)
    }
    versions = {
        (version.name, int(version.version)): {
            "created_at": _time(version.creation_timestamp),
            "description": version.description or None,
            "stage": version.current_stage,
            "status": version.status,
            "source": version.source,
            "run_id": version.run_id or None,
            "tags": dict(version.tags),
        }
        | run(client, version.run_id, facts if facts is not None else {})
        for version in _all(client.search_model_versions)
    }
    return {"models": models, "versions": versions}


def run(client: MlflowClient, run_id: str | None, facts: dict[str, Picture]) -> Picture:
    """State and facts of a run; when it is gone, the facts that were noted in `facts` when it was there."""
    nothing = dict.fromkeys(RUN.split(", ")[:5]) | {"params": {}, "metrics": {}, "run_tags": {}, "datasets": []}
    if not run_id:
        return nothing | {"run_state": "none"}
    try:
        found = client.get_run(run_id)
    except MlflowException:
        return nothing | facts.get(run_id, {}) | {"run_state": "gone"}
    datasets = [
        {
            "name": one.dataset.name,
            "digest": one.dataset.digest,
            "source_type": one.dataset.source_type,
            "source": one.dataset.source,
            "tags": {tag.key: tag.value for tag in one.tags},
        }
        for one in found.inputs.dataset_inputs
    ]
    facts[run_id] = {
        "run_name": found.info.run_name,
        "run_user": found.info.user_id,
        "experiment": client.get_experiment(found.info.experiment_id).name,
        "run_began_at": _moment(found.info.start_time),
        "run_ended_at": _moment(found.info.end_time),
        "params": dict(found.data.params),
        "metrics": {name: value for name, value in found.data.metrics.items() if math.isfinite(value)},
        "run_tags": dict(found.data.tags),
        "datasets": sorted(datasets, key=lambda one: one["name"]),
    }
    return facts[run_id] | {"run_state": "deleted" if found.info.lifecycle_stage == "deleted" else "there"}


def mirror(url: str) -> Picture:
    """What of the mirror is live, in the same shape."""
    models = rows(
        url,
        "select m.name, m.created_at, m.description, m.tags, coalesce(jsonb_object_agg(a.alias, v.version)"
        " filter (where a.alias is not null), '{}') as aliases"
        " from analytics.registered_models m"
        " left join analytics.model_aliases a on a.model_id = m.model_id and a.valid_to is null"
        " left join analytics.model_versions v on v.version_id = a.version_id and v.deleted_at is null"
        " where m.deleted_at is null group by m.model_id",
    )
    versions = rows(
        url,
        f"select m.name, v.version, v.created_at, {', '.join('v.' + one for one in f'{VERSION}, {RUN}'.split(', '))}"
        " from analytics.model_versions v join analytics.registered_models m using (model_id, name)"
        " where v.deleted_at is null and m.deleted_at is null",
    )
    for row in versions:  # a large float is an integer of 309 digits in jsonb
        row["metrics"] = {name: float(value) for name, value in row["metrics"].items()}
    return {
        "models": {row.pop("name"): row for row in models},
        "versions": {(row.pop("name"), row.pop("version")): row for row in versions},
    }


def rows(url: str, query: str, parameters: Any = None) -> list[dict[str, Any]]:
    """All rows of a query."""
    with psycopg.connect(url, options="-ctimezone=UTC", row_factory=dict_row) as connection:
        return connection.execute(query, parameters).fetchall()


def forget_everything(url: str) -> None:
    """Empty the registry, its runs and the mirror; much faster than a new database."""
    with psycopg.connect(url) as connection:
        connection.execute("set local session_replication_role = replica")  # the record refuses to be emptied
        connection.execute("; ".join(f"delete from {table}" for table in TABLES))
        connection.execute("update analytics.registry_mirror set registry = null, adopted_at = null, synced_at = null")


TABLES = [
    *(f"mlflow.{name}" for name in ("registered_model_aliases", "registered_model_tags", "model_version_tags")),
    *(f"mlflow.{name}" for name in ("model_versions", "registered_models", "input_tags", "inputs", "datasets")),
    *(f"mlflow.{name}" for name in ("metrics", "latest_metrics", "params", "tags", "runs")),
    *(f"analytics.{name}" for name in ("model_anchors", "model_version_features", "model_aliases", "model_versions")),
    *(f"analytics.{name}" for name in ("registered_model_names", "registered_models", "model_feature_store")),
    "analytics.dirty_sources",
]


def _all(search: Any) -> list[Any]:
    found, token = [], None
    while True:
        page = search(max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _moment(milliseconds: int | None) -> datetime | None:
    return _time(milliseconds) if milliseconds else None


def _time(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)
