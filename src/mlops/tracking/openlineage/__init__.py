"""Lineage as OpenLineage events (the only door to openlineage)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from mlops.config import Settings
from mlops.db import Database
from mlops.domain.lineage import LineageDocument
from mlops.errors import ModelNotFound, NothingToDo, Refused

__all__ = ["Exported", "ExportedVersion", "Recorded", "Request", "UsedFeature", "export_lineage", "recorded_versions"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported to `to`: how many events, of how many versions and calls of predict.

    `without_lineage` are the versions (NAME/VERSION) that carry none.
    """

    events: int
    versions: int
    requests: int
    without_lineage: tuple[str, ...]
    to: str


class UsedFeature(TypedDict):
    """A feature of a version, as it was defined."""

    name: str
    version: int
    dtype: str
    owner: str | None
    source_metric_types: list[str]
    transformation: str
    description: str | None
    importance: float | None


@dataclass(frozen=True, slots=True)
class ExportedVersion:
    """A live version with its run, its lineage and its features."""

    version_id: int
    name: str
    version: int
    created_at: datetime
    began_at: datetime
    ended_at: datetime
    kind: str | None
    run_id: str | None
    tags: dict[str, str]
    run_tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    lineage: LineageDocument | None
    lineage_sha256: str | None
    lineage_problem: str | None
    as_of: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    description: str | None
    database: str
    features: list[UsedFeature]


@dataclass(frozen=True, slots=True)
class Request:
    """A call of `predict`: how much it forecast, for which times, and when it was at work."""

    version_id: int
    request_id: str
    issued_at: datetime
    began_at: datetime
    ended_at: datetime
    forecasts: int
    series: int
    cutoff: datetime
    first_target: datetime
    last_target: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is to be reported: live versions with their features, and the calls of `predict` that used them."""

    versions: Sequence[ExportedVersion]
    requests: Sequence[Request]


def recorded_versions(database: Database, name: str | None = None, since: datetime | None = None) -> Recorded:
    """The versions of a model (of all if None) and, with `since`, what was forecast with them from that time on."""
    with database.transaction() as transaction:
        versions = transaction.rows("export_versions", of=ExportedVersion, name=name)
        known = versions or (transaction.rows("export_versions", of=ExportedVersion, name=None) if name else [])
        ids = [row.version_id for row in versions]
        requests = transaction.rows("export_requests", of=Request, version_ids=ids, since=since) if since else []
    if not known:
        raise NothingToDo("no version is in the mirror; train one, or run `mlops registry sync`")
    if not versions:
        there = ", ".join(sorted({row.name for row in known}))
        raise ModelNotFound(f"no version of {name!r} is in the mirror; there is {there}")
    return Recorded(versions, requests)


def export_lineage(
    database: Database,
    settings: Settings,
    target: str,
    *,
    name: str | None = None,
    since: datetime | None = None,
    api_key: str | None = None,
) -> Exported:
    """Write the lineage of a model's versions (of all without a `name`) to a file, or send it to an http(s) endpoint.

    With `since` also what was forecast with them from that time on. Refused where the client is not installed.
    """
    try:
        from mlops.tracking.openlineage.events import Place, events, send_events, write_events
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "openlineage":
            raise
        raise Refused("the OpenLineage client is not installed; run `pip install 'mlops[openlineage]'`") from error
    from mlops.tracking.store import tracking_uri

    recorded = recorded_versions(database, name, since)
    told = events(recorded, Place.of(database.url, tracking_uri(settings, database.url)))
    remote = target.startswith(("http://", "https://"))
    count = send_events(told, target, api_key) if remote else write_events(told, Path(target))
    lacking = tuple(f"{row.name}/{row.version}" for row in recorded.versions if not row.lineage)
    return Exported(count, len(recorded.versions), len(recorded.requests), lacking, target)
