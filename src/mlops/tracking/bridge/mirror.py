"""What the mirror in Postgres says of versions: which there are, who was champion, what they came from and led to."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, TypedDict

from mlops.db import Database
from mlops.db.archive.read import read_archived
from mlops.domain.canonical import JsonObject
from mlops.domain.lineage import LineageDocument
from mlops.errors import ModelNotFound, NothingToDo, UnknownName
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import ModelVersion, resolve
from mlops.tracking.store import Store

__all__ = [
    "AliasPeriod",
    "EditBehind",
    "FeatureOfVersion",
    "LiveVersion",
    "MonthBehind",
    "RegistryVersion",
    "TracedPrediction",
    "VersionLineage",
    "alias_history",
    "lineage_of",
    "live_version",
    "mirrored_versions",
    "trace",
]


@dataclass(frozen=True, slots=True)
class RegistryVersion:
    """A live version with the aliases that point at it; `changed` says what is other than was recorded of its files."""

    name: str
    version: int
    kind: str | None
    as_of: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    run_id: str | None
    metrics: dict[str, float]
    lineage_state: str
    lineage_problem: str | None
    changed: str | None
    created_at: datetime
    aliases: list[str]


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The row of a live version; `lineage` is its document as anchored, `altered` what the registry says otherwise."""

    version_id: int
    name: str
    version: int
    created_at: datetime
    kind: str | None
    run_id: str | None
    tags: dict[str, str]
    metrics: dict[str, float]
    lineage: LineageDocument | None
    lineage_sha256: str | None
    lineage_state: str
    lineage_problem: str | None
    verified_problem: str | None
    altered: str | None
    as_of: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None


@dataclass(frozen=True, slots=True)
class AliasPeriod:
    """From when until when (None: still) an alias meant a version, and the decision behind it, if one is on record."""

    alias: str
    version: int
    valid_from: datetime
    valid_to: datetime | None
    promotion_id: int | None
    action: str | None
    decided_by: str | None
    reason: str | None
    forced: bool | None
    gates: Any
    decided_at: datetime | None
    recommendation_id: int | None


@dataclass(frozen=True, slots=True)
class FeatureOfVersion:
    """A feature that a version was trained on; `importance` is its share."""

    name: str
    version: int
    definition_sha256: str
    dtype: str
    source_metric_types: list[str]
    transformation: str
    owner: str
    importance: float | None


@dataclass(frozen=True, slots=True)
class VersionLineage:
    """What a live version was made from; `lineage` is its document, in the format of its time."""

    name: str
    version: int
    kind: str | None
    run_id: str | None
    as_of: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    lineage: LineageDocument | None
    lineage_sha256: str | None
    lineage_state: str
    lineage_problem: str | None
    changed: str | None
    metrics: dict[str, float]
    params: dict[str, str]
    features: tuple[FeatureOfVersion, ...] = ()


@dataclass(frozen=True, slots=True)
class MonthBehind:
    """A month of raw observations behind a prediction: how many were known when it was issued, `corrected` and `later`
    how many changed or came since; where they are.
    """

    month: date
    partition: str | None
    known: int
    corrected: int
    later: int
    archive: str | None


@dataclass(frozen=True, slots=True)
class EditBehind:
    """A decision, made after a prediction was issued, to delete or date anew raw observations behind it."""

    edit_id: int
    action: str
    known_at: str | None
    observations: int
    first_at: datetime
    last_at: datetime
    decided_at: datetime
    decided_by: str
    reason: str


class TracedFeature(TypedDict):
    """A feature of the version that made a prediction."""

    feature: str
    version: int
    definition_sha256: str
    importance: float | None


class TracedPromotion(TypedDict):
    """The decision by which the version that made a prediction was champion then; `decided_at` is ISO 8601."""

    promotion_id: int
    decided_at: str
    decided_by: str
    reason: str
    forced: bool


class TracedFinding(TypedDict):
    """A finding that the recommendation rests on."""

    kind: str
    subject: str
    detail: JsonObject


@dataclass(frozen=True, slots=True)
class TracedPrediction:
    """A stored prediction with the version that made it, the raw observations behind it, and what came of it."""

    prediction_id: int
    series_id: int
    metric_type: str
    issued_at: datetime
    cutoff: datetime
    target_at: datetime
    horizon: int
    y_hat: float
    lo_80: float | None
    hi_80: float | None
    outcome: float | None
    outcome_recorded_at: datetime | None
    error: float | None
    request_id: Any
    parts: int | None
    summed: list[int] | None
    """The series whose forecasts a total sums."""
    version_id: int
    model: str
    version: int
    kind: str | None
    run_id: str | None
    registered_at: datetime
    deleted_at: datetime | None
    known_at: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    lineage_state: str
    lineage_problem: str | None
    changed: str | None
    lineage_sha256: str | None
    training_data_sha256: str | None
    training_rows: int | None
    training_series: int | None
    code_version: str | None
    features: list[TracedFeature]
    promotion: TracedPromotion | None
    recommendation_id: int | None
    recommended_at: datetime | None
    recommendation: str | None
    reasons: list[str] | None
    status: str | None
    verdict: str | None
    drift_findings: list[TracedFinding]
    retrained_version: int | None
    retrained_run: str | None
    months: tuple[MonthBehind, ...] = ()
    edits: tuple[EditBehind, ...] = ()


def mirrored_versions(database: Database) -> list[RegistryVersion]:
    """The versions in the mirror, by name and number."""
    with database.transaction() as transaction:
        return transaction.rows("list_versions", of=RegistryVersion)


def live_version(database: Database, version: ModelVersion) -> LiveVersion | None:
    """The row of a version; None where the mirror does not have it, or has an earlier one of its number."""
    with database.transaction() as transaction:
        row = transaction.one("live_version", of=LiveVersion, name=version.name, version=version.version)
    return row if row is not None and row.created_at == version.created_at else None


def alias_history(database: Database, name: str) -> list[AliasPeriod]:
    """Every period of a model's aliases, newest first; UnknownName where it had none."""
    with database.transaction() as transaction:
        periods = transaction.rows("promotion_history", of=AliasPeriod, name=name)
    if not periods:
        raise UnknownName(
            "model with an alias", name, {version.name for version in mirrored_versions(database)}, stored=True
        )
    return periods


def lineage_of(database: Database, store: Store, uri: str) -> VersionLineage:
    """What a live version was made from; the mirror is brought up to date first."""
    version = resolve(store, uri)
    sync(store, database, foreign=False)
    key = {"name": version.name, "version": version.version}
    with database.transaction() as transaction:
        lineage = transaction.one("lineage_of_version", of=VersionLineage, **key)
        features = transaction.rows("lineage_features", of=FeatureOfVersion, **key)
    if lineage is None:
        raise ModelNotFound(f"{uri} is not in the mirror; run `mlops registry sync`")
    return replace(lineage, features=tuple(features))


def trace(database: Database, prediction_id: int) -> TracedPrediction:
    """A prediction back to its raw observations, also those in archives, and on to what it caused.

    NothingToDo where there is no such prediction.
    """
    with database.transaction() as transaction:
        traced = transaction.one("trace_prediction", of=TracedPrediction, prediction_id=prediction_id)
        if traced is None:
            newest = transaction.value("newest_prediction")
            there = f"the newest is {newest}" if newest else "none is stored; make some with `mlops predict URI`"
            raise NothingToDo(f"there is no prediction {prediction_id}; {there}")
        since = min(traced.trained_from or traced.cutoff, traced.cutoff).astimezone(UTC)
        first = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        read_archived(transaction, traced.summed or [traced.series_id], start=first, end=traced.cutoff)
        months = transaction.rows("months_behind_prediction", of=MonthBehind, prediction_id=prediction_id)
        edits = transaction.rows("edits_behind_prediction", of=EditBehind, prediction_id=prediction_id)
    return replace(traced, months=tuple(months), edits=tuple(edits))
