"""Features of the database, profiled and kept: what is asked about, its values, its profile, its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from mlops.db import Database, Transaction
from mlops.domain.canonical import JsonObject
from mlops.domain.features import FeatureDefinition, FeatureDocument, FeatureSet, Selection, SelectionDocument
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.metric_types import MetricType
from mlops.domain.profiles import Distribution, FeatureProfile, Pattern, Quality, Window
from mlops.errors import NothingToDo, UnknownName
from mlops.feature_store import offline
from mlops.feature_store.build import rows, why_no_rows
from mlops.feature_store.impact import versioned
from mlops.feature_store.profile import feature_profiles
from mlops.feature_store.store import FeatureVersion, register_features
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


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A recorded version of a feature."""

    name: str
    version: int
    definition: FeatureDocument


@dataclass(frozen=True, slots=True)
class _Using:
    """A live model version that uses a feature, and the series that it was trained on."""

    name: str
    version: int
    selection: SelectionDocument
    country: str | None


@dataclass(frozen=True, slots=True)
class _WithEdges:
    """A recorded version of a feature, with the edges of the histogram of its first profile."""

    feature_id: int
    name: str
    version: int
    edges: list[float] | None


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
        metric_types = {metric.name: metric for metric in transaction.rows("metric_types", of=MetricType)}
        recorded = _recorded(transaction, versions)
    edges = {row.name: row.edges for row in recorded if row.edges and len(row.edges) > FEWEST_EDGES}
    earlier = _earlier(database, asked, window, as_of)
    profiles = feature_profiles(
        frame, asked.definitions, window, as_of, metric_types=metric_types, edges=edges, earlier=earlier
    )
    profiled = [Profiled(profile.name, versions[profile.name], profile) for profile in profiles]
    keep_profiles(database, profiled)
    return profiled


def keep_profiles(database: Database, profiles: Sequence[Profiled]) -> int:
    """Write profiles and show the newest beside the definitions; how many were new or had changed."""
    with database.transaction() as transaction:
        transaction.lock("feature profiles")
        ids = {row.name: row.feature_id for row in _recorded(transaction, {p.name: p.version for p in profiles})}
        document = {"profiles": [_row(ids[profiled.name], profiled.profile) for profiled in profiles]}
        written = transaction.run("add_feature_profiles", document=document)
        transaction.run("set_newest_feature_profiles", feature_ids=list(ids.values()))
        transaction.run("set_feature_importance")
    return written


def request_for(database: Database, known: Declared, name: str) -> ProfileRequest:
    """What a name means: a declared set, a declared or a recorded feature, or a model."""
    if name in known.sets:
        feature_set = known.sets[name]
        return ProfileRequest(feature_set.name, feature_set.selection, feature_set.features, {})
    plain, version = versioned(name)
    if version is None and plain in known.features:
        return _of_declared(database, known, plain)
    with database.transaction() as transaction:
        versions = [
            _Recorded(row.name, row.version, row.definition)
            for row in transaction.rows("feature_versions", of=FeatureVersion, name=plain)
            if row.version is not None and version in (None, row.version)
        ]
        recorded = versions[-1:] or transaction.rows("features_of_model", of=_Recorded, name=name)
        if not recorded:
            choices = {*known.sets, *known.features, *transaction.values("list_features")}
            raise UnknownName("feature set, feature or model", name, choices)
        return _of_recorded(transaction, recorded)


def _of_declared(database: Database, known: Declared, name: str) -> ProfileRequest:
    """A feature for the series of the first set that has it, else of what it is computed from."""
    definition = known.features[name]
    selections = [feature_set.selection for feature_set in known.sets.values() if name in feature_set.names]
    if selections:
        return ProfileRequest(UNNAMED, selections[0], (definition,), {})
    with database.transaction() as transaction:
        return ProfileRequest(UNNAMED, _selection(transaction, definition), (definition,), {})


def _of_recorded(transaction: Transaction, recorded: Sequence[_Recorded]) -> ProfileRequest:
    """Features for the series that a model was trained on with them, else of what they are computed from."""
    definitions = tuple(FeatureDefinition.of(row.definition) for row in recorded)
    first = recorded[0]
    using = transaction.one("newest_version_using_feature", of=_Using, name=first.name, version=first.version)
    selection = Selection(**using.selection) if using else _selection(transaction, definitions[0])
    versions = {row.name: row.version for row in recorded}
    return ProfileRequest(UNNAMED, selection, definitions, versions, using.country if using else None)


def _selection(transaction: Transaction, definition: FeatureDefinition) -> Selection:
    """All series of what a feature is computed from; of a calendar's, those of the first metric type that has any."""
    with_data = transaction.values("metric_types_with_data", granularity=definition.granularity)
    metric_type = next(iter([*definition.source_metric_types, *with_data]), None)
    if metric_type is None:
        raise NothingToDo(
            f"there is no {definition.granularity} series to compute {definition.name!r} for;"
            " bring data in with `mlops series ingest FILE`"
        )
    return Selection(metric_type, definition.granularity)


def _values(
    database: Database, asked: ProfileRequest, window: Window, as_of: datetime
) -> tuple[pd.DataFrame, Mapping[str, int]]:
    """The frame of window and history, and the version of each feature.

    The window is held against the history, which also shows the pattern in time.
    """
    start = window.start - timedelta(days=GRANULARITIES[asked.selection.granularity].profile_days)
    computed = tuple(formerly(definition, asked.country) for definition in asked.definitions)
    feature_set = FeatureSet(asked.name, asked.selection, computed)
    frame = rows(database, feature_set, as_of, start=start, end=window.end)
    if frame.empty:  # series that have all ended before: all there are, to show since when
        frame = rows(database, feature_set, as_of, end=window.end)
    if frame.empty:
        raise why_no_rows(asked.selection, as_of)
    new = register_features(
        database, [definition for definition in asked.definitions if definition.name not in asked.versions]
    )
    return frame.drop(columns="y"), {**asked.versions, **{name: recorded["version"] for name, recorded in new.items()}}


def _earlier(database: Database, asked: ProfileRequest, window: Window, as_of: datetime) -> pd.DataFrame | None:
    """What the newest build of the set until `as_of` holds of the window."""
    there = [build.as_of for build in offline.builds(database, asked.name) if build.as_of <= as_of]
    if not there:
        return None
    feature_set = FeatureSet(asked.name, asked.selection, asked.definitions)
    try:
        return offline.read_build(database, feature_set, there[0], start=window.start, end=window.end).frame
    except NothingToDo:  # other definitions, or another window
        return None


def _recorded(transaction: Transaction, versions: Mapping[str, int]) -> list[_WithEdges]:
    return transaction.rows(
        "features_with_bin_edges", of=_WithEdges, names=list(versions), versions=list(versions.values())
    )


def _row(feature_id: int, profile: FeatureProfile) -> JsonObject:
    """A row of `feature_profiles`."""
    return {
        "feature_id": feature_id,
        "window_start": profile.window.start.astimezone(UTC).isoformat(),
        "window_end": profile.window.end.astimezone(UTC).isoformat(),
        "as_of": profile.as_of.astimezone(UTC).isoformat(),
        "series": profile.series,
        "expected": profile.expected,
        "count": profile.distribution.count,
        **{name: getattr(profile.quality, name) for name in ("completeness", "accuracy", "consistency", "freshness")},
        "quality": _document(profile.quality),
        "profile": _document(profile.distribution),
        "temporal_pattern": _document(profile.pattern),
    }


def _document(part: Quality | Distribution | Pattern) -> JsonObject:
    """A part of a profile as JSON has it."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(part).items()}
