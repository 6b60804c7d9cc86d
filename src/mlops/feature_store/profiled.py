"""Features of the database, profiled and kept: what is asked about, its values, its profile, its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from mlops.db import Database, Transaction
from mlops.domain.features import FeatureDefinition, FeatureSet, Selection
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.metric_types import MetricType
from mlops.domain.profiles import FeatureProfile, Window
from mlops.errors import NothingToDo, UnknownName
from mlops.feature_store import offline
from mlops.feature_store.build import rows, why_no_rows
from mlops.feature_store.impact import versioned
from mlops.feature_store.profile import feature_profiles
from mlops.feature_store.store import register_features
from mlops.features.definitions import Declared
from mlops.features.standard import formerly

__all__ = ["ProfileRequest", "Profiled", "keep_profiles", "profile_features", "request_for"]

UNNAMED = "features"
FEWEST_EDGES = 2
"""As many are laid around a constant; a later profile that has more values lays its own."""


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """Features to be profiled on a selection of series; `versions` has those that are recorded already, by name.

    `name` is that of their set; features that were asked for by themselves are an unnamed one.
    """

    name: str
    selection: Selection
    definitions: tuple[FeatureDefinition, ...]
    versions: Mapping[str, int]
    country: str | None = None
    """Whose holidays standard features count that were recorded in words."""


@dataclass(frozen=True, slots=True)
class Profiled:
    """A version of a feature with its profile."""

    name: str
    version: int
    profile: FeatureProfile


def profile_features(
    database: Database, known: Declared, name: str, as_of: datetime, *, days: int | None = None
) -> list[Profiled]:
    """The profiles of a feature set, a feature (NAME or NAME@VERSION) or the features of a model's champion; kept.

    The window is the last `days` whole days by `as_of` (None: as many as the granularity needs, 28 for days), and
    values are those that were known then. Repeating it changes nothing. Raises UnknownName with what there is, and
    NothingToDo when nothing at all was recorded by `as_of`.
    """
    asked = request_for(database, known, name)
    window = Window.before(as_of, days or GRANULARITIES[asked.selection.granularity].recent_days)
    frame, versions = _values(database, asked, window, as_of)
    with database.transaction() as transaction:
        metric_types = {row["name"]: MetricType(**row) for row in transaction.rows("metric_types")}
        recorded = _recorded(transaction, versions)
    edges = {row["name"]: row["edges"] for row in recorded if len(row["edges"] or ()) > FEWEST_EDGES}
    earlier = _earlier(database, asked, window, as_of)
    profiles = feature_profiles(
        frame, asked.definitions, window, as_of, metric_types=metric_types, edges=edges, earlier=earlier
    )
    found = [Profiled(one.name, versions[one.name], one) for one in profiles]
    keep_profiles(database, found)
    return found


def keep_profiles(database: Database, profiles: Sequence[Profiled]) -> int:
    """Write profiles and show the newest beside the definitions; how many were new or had changed."""
    with database.transaction() as transaction:
        transaction.lock("feature profiles")
        ids = {row["name"]: row["feature_id"] for row in _recorded(transaction, {p.name: p.version for p in profiles})}
        document = {"profiles": [_row(ids[one.name], one.profile) for one in profiles]}
        written = transaction.run("add_feature_profiles", document=document)
        transaction.run("set_newest_feature_profiles", feature_ids=list(ids.values()))
        transaction.run("set_feature_importance")
    return written


def request_for(database: Database, known: Declared, name: str) -> ProfileRequest:
    """What a name means: a declared set, a declared or a recorded feature, or a model."""
    if name in known.sets:
        return _of_set(known.sets[name])
    plain, version = versioned(name)
    if version is None and plain in known.features:
        return _of_declared(database, known, plain)
    with database.transaction() as transaction:
        known_versions = transaction.rows("feature_versions", name=plain)
        found = [row for row in known_versions if version in (None, row["version"])][-1:]
        found = found or transaction.rows("features_of_model", name=name)
        if not found:
            choices = {*known.sets, *known.features, *(row["name"] for row in transaction.rows("list_features"))}
            raise UnknownName("feature set, feature or model", name, choices)
        return _of_recorded(transaction, found)


def _of_set(found: FeatureSet) -> ProfileRequest:
    return ProfileRequest(found.name, found.selection, found.features, {})


def _of_declared(database: Database, known: Declared, name: str) -> ProfileRequest:
    """A feature for the series of the first set that has it, else of what it is computed from."""
    definition = known.features[name]
    selections = [one.selection for one in known.sets.values() if name in one.names]
    if selections:
        return ProfileRequest(UNNAMED, selections[0], (definition,), {})
    with database.transaction() as transaction:
        return ProfileRequest(UNNAMED, _selection(transaction, definition), (definition,), {})


def _of_recorded(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> ProfileRequest:
    """Features for the series that a model was trained on with them, else of what they are computed from."""
    definitions = tuple(FeatureDefinition.of(row["definition"]) for row in rows)
    used = transaction.one("newest_version_using_feature", name=rows[0]["name"], version=rows[0]["version"])
    selection = Selection(**used["selection"]) if used else _selection(transaction, definitions[0])
    versions = {row["name"]: row["version"] for row in rows}
    return ProfileRequest(UNNAMED, selection, definitions, versions, used["country"] if used else None)


def _selection(transaction: Transaction, definition: FeatureDefinition) -> Selection:
    """All series of what a feature is computed from; of a calendar's, those of the first metric type that has any."""
    there = [
        row["metric_type"] for row in transaction.rows("metric_types_with_data", granularity=definition.granularity)
    ]
    found = next(iter([*definition.source_metric_types, *there]), None)
    if found is None:
        raise NothingToDo(
            f"there is no {definition.granularity} series to compute {definition.name!r} for;"
            " bring data in with `mlops series ingest FILE`"
        )
    return Selection(found, definition.granularity)


def _values(
    database: Database, asked: ProfileRequest, window: Window, as_of: datetime
) -> tuple[pd.DataFrame, Mapping[str, int]]:
    """The frame of window and history, and the version of each feature.

    The window is held against the history, which also shows the pattern in time.
    """
    start = window.start - timedelta(days=GRANULARITIES[asked.selection.granularity].profile_days)
    computed = tuple(formerly(one, asked.country) for one in asked.definitions)
    feature_set = FeatureSet(asked.name, asked.selection, computed)
    frame = rows(database, feature_set, as_of, start=start, end=window.end)
    if frame.empty:  # series that have all ended before: all there are, to show since when
        frame = rows(database, feature_set, as_of, end=window.end)
    if frame.empty:
        raise why_no_rows(asked.selection, as_of)
    new = register_features(database, [one for one in asked.definitions if one.name not in asked.versions])
    return frame.drop(columns="y"), {**asked.versions, **{name: one["version"] for name, one in new.items()}}


def _earlier(database: Database, asked: ProfileRequest, window: Window, as_of: datetime) -> pd.DataFrame | None:
    """What the newest build of the set until `as_of` holds of the window."""
    there = [row["as_of"] for row in offline.builds(database, asked.name) if row["as_of"] <= as_of]
    if not there:
        return None
    feature_set = FeatureSet(asked.name, asked.selection, asked.definitions)
    try:
        return offline.read_build(database, feature_set, there[0], start=window.start, end=window.end).frame
    except NothingToDo:  # other definitions, or another window
        return None


def _recorded(transaction: Transaction, versions: Mapping[str, int]) -> list[dict[str, Any]]:
    return transaction.rows("features_with_bin_edges", names=list(versions), versions=list(versions.values()))


def _row(feature_id: int, found: FeatureProfile) -> dict[str, Any]:
    return {
        "feature_id": feature_id,
        "window_start": found.window.start.astimezone(UTC).isoformat(),
        "window_end": found.window.end.astimezone(UTC).isoformat(),
        "as_of": found.as_of.astimezone(UTC).isoformat(),
        "series": found.series,
        "expected": found.expected,
        "count": found.distribution.count,
        **{name: getattr(found.quality, name) for name in ("completeness", "accuracy", "consistency", "freshness")},
        "quality": _document(found.quality),
        "profile": _document(found.distribution),
        "temporal_pattern": _document(found.pattern),
    }


def _document(part: Any) -> dict[str, Any]:
    """A part of a profile as JSON has it."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(part).items()}
