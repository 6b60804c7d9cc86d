"""Feature sets that are written down: built once, read as often as wanted, identical to a build on demand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from mlops.db import Database, Transaction
from mlops.db.binary import Arrays, array_table, elements
from mlops.db.retry import retrying
from mlops.domain.canonical import canonical_json, sha256
from mlops.domain.features import (
    FeatureDefinition,
    FeatureSet,
    NamedFeature,
    RecordedFeature,
    Selection,
    SelectionDocument,
)
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import Misused, NothingToDo, Refused, UnknownName
from mlops.feature_store.build import Built, rows, why_no_rows
from mlops.feature_store.digest import Fingerprint, fingerprint
from mlops.feature_store.sources import series_of
from mlops.feature_store.store import DefinitionRow, register_features
from mlops.features.definitions import checked_set
from mlops.times import aware_utc

__all__ = [
    "FeatureBuild",
    "Kept",
    "ListedBuild",
    "Materialised",
    "builds",
    "drop",
    "keep_builds",
    "materialise",
    "read_build",
]

Tell = Callable[[int, int, int], None]
ROWS, YEARS, FEWEST = 400_000, 2, 200
"""About so many rows are in memory, if a series has so many years, and so many steps at least."""


@dataclass(frozen=True, slots=True)
class FeatureBuild:
    """A feature set that was written down as it was known at `as_of`; a window without an end is None."""

    build_id: int
    build_sha256: str
    feature_set: str
    label: str
    features: list[NamedFeature]
    selection: SelectionDocument
    as_of: datetime
    window_start: datetime | None
    window_end: datetime | None
    rows: int
    series: int
    first_at: datetime
    last_at: datetime
    content_sha256: str
    built_at: datetime


@dataclass(frozen=True, slots=True)
class ListedBuild(FeatureBuild):
    """A build with its size, and the live model versions that were trained on exactly its rows."""

    bytes: int
    used_by: list[str]


@dataclass(frozen=True, slots=True)
class _Made:
    """The number and the table of a build that is being written."""

    build_id: int
    rows_table: str


@dataclass(frozen=True, slots=True)
class _StoredSeries:
    """The rows of a series in a build: an array per column, as `array_send` writes it."""

    series_id: int
    rows: int
    ds: bytes
    y: bytes
    features: bytes


@dataclass(frozen=True)
class Materialised:
    """A build as it is recorded, and whether it was written now or had been before."""

    build: FeatureBuild
    written: bool


@dataclass(frozen=True)
class Kept:
    """Builds that were dropped, and those that would have been but for the models that were trained on them."""

    dropped: list[int]
    spared: dict[int, list[str]]


def materialise(
    database: Database,
    feature_set: FeatureSet,
    as_of: datetime | None = None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    tell: Tell = lambda *_: None,
) -> Materialised:
    """Write down the set as it was known at `as_of` (now if None), from `start` to before `end`.

    The same set, definitions, selection, time and window are one build: it is written once, whoever asks how often.
    `tell` hears how many rows were written, and of how many of the series. Raises NothingToDo without rows and BadInput
    for a time that has not come, because more may be recorded until then.
    """
    checked_set(feature_set)
    with database.transaction() as transaction:
        now: datetime = transaction.value("now")
        if as_of is not None and as_of > now:
            raise Misused(
                f"as_of {as_of:%Y-%m-%d %H:%M} UTC has not come yet; build as of {now:%Y-%m-%d %H:%M} or before"
            )
        request = _Request(feature_set, as_of or now, start, end)
        there = transaction.one("feature_build_by_digest", of=FeatureBuild, build_sha256=request.key)
    if there is not None:
        return Materialised(there, written=False)
    return retrying(lambda: _write(database, request, tell))


def builds(database: Database, feature_set: str | None = None) -> list[ListedBuild]:
    """What is recorded of the builds (of a set), newest first, with `bytes` and the models `used_by` of each."""
    with database.transaction() as transaction:
        return transaction.rows("list_feature_builds", of=ListedBuild, feature_set=feature_set, build_id=None)


def read_build(
    database: Database,
    feature_set: FeatureSet | str,
    as_of: datetime | None = None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Built:
    """What was written down of a set for `as_of` (the newest time if None), from `start` to before `end`.

    A build of a wider window will do. A set given by name is read with the definitions that it was built with, a
    FeatureSet only if they are its own. Raises NothingToDo when there is no such build.
    """
    name = feature_set if isinstance(feature_set, str) else feature_set.name
    with database.transaction() as transaction:
        build = transaction.one(
            "feature_build_covering",
            of=FeatureBuild,
            feature_set=name,
            as_of=as_of,
            start=start or datetime.min.replace(tzinfo=UTC),
            end=end or datetime.max.replace(tzinfo=UTC),
            digests=None
            if isinstance(feature_set, str)
            else [definition.sha256 for definition in feature_set.features],
        )
        if build is None:
            at = f" --as-of {as_of.astimezone(UTC).isoformat()}" if as_of else ""
            raise NothingToDo(
                f"feature set {name!r} was not built with these definitions, time and window; run"
                f" `mlops features build {name}{at}`, or see `mlops features builds`"
            )
        return _read(transaction, build, start, end)


def drop(database: Database, build_id: int, *, force: bool = False) -> ListedBuild:
    """Drop a build and its rows; Refused (without `force`) when a model's lineage names exactly these rows."""

    def once() -> ListedBuild:
        with database.transaction() as transaction:
            build = next(
                iter(transaction.rows("list_feature_builds", of=ListedBuild, feature_set=None, build_id=build_id)), None
            )
            if build is None:
                known = map(str, transaction.values("list_feature_builds", feature_set=None, build_id=None))
                raise UnknownName("build", build_id, known, stored=True)
            if build.used_by and not force:
                raise Refused(
                    f"build {build_id} of {build.feature_set!r} is what {', '.join(build.used_by)} was trained"
                    " on; keep it, or drop it with --force: it can be built again as of the same time"
                )
            transaction.run("drop_feature_build", build_id=build_id)
            transaction.run("point_feature_set_view", feature_set=build.feature_set)
            return build

    return retrying(once)


def keep_builds(database: Database, feature_set: str, newest: int) -> Kept:
    """Keep the `newest` builds of a set and drop those before, unless a model's lineage names them."""
    older = builds(database, feature_set)[newest:]
    spared = {build.build_id: build.used_by for build in older if build.used_by}
    dropped = [build.build_id for build in older if not build.used_by]
    for build_id in dropped:
        drop(database, build_id)
    return Kept(dropped, spared)


@dataclass(frozen=True)
class _Request:
    feature_set: FeatureSet
    as_of: datetime
    start: datetime | None
    end: datetime | None

    @property
    def key(self) -> str:
        """Digest of everything that decides what is built."""
        whole = {
            "feature_set": self.feature_set.name,
            "label": self.feature_set.label,
            "features": [[definition.name, definition.sha256] for definition in self.feature_set.features],
            "selection": self.feature_set.selection.document,
            "as_of": self.as_of.astimezone(UTC).isoformat(),
            "window": [None if time is None else time.astimezone(UTC).isoformat() for time in (self.start, self.end)],
        }
        return sha256(canonical_json(whole))


def _write(database: Database, request: _Request, tell: Tell) -> Materialised:
    """All of it in one transaction; another process that writes the same build waits, and then finds it."""
    features = register_features(database, request.feature_set.features)
    with database.transaction() as transaction:
        transaction.lock(f"feature build {request.key}")
        there = transaction.one("feature_build_by_digest", of=FeatureBuild, build_sha256=request.key)
        if there is not None:
            return Materialised(there, written=False)
        made = transaction.one("create_feature_build", of=_Made)
        assert made is not None
        parts = []
        for frame in _frames(database, request, tell):
            transaction.copy_arrays(made.rows_table, _columns(frame, request.feature_set.names))
            parts.append(_Part(fingerprint(frame), frame["ds"].min(), frame["ds"].max()))
        if not parts:
            raise why_no_rows(request.feature_set.selection, request.as_of)
        transaction.run("add_feature_build", build_id=made.build_id, **_record(request, features, parts))
        transaction.run("attach_feature_build", build_id=made.build_id)
        transaction.run("point_feature_set_view", feature_set=request.feature_set.name)
        written = transaction.one("feature_build_by_digest", of=FeatureBuild, build_sha256=request.key)
    assert written is not None
    return Materialised(written, written=True)


def _frames(database: Database, request: _Request, tell: Tell) -> Iterator[pd.DataFrame]:
    """The rows, some series at a time: of those the features are the same as of all together."""
    selection = request.feature_set.selection
    with database.transaction() as transaction:
        ids = [place.series_id for place in series_of(transaction, selection)]
    steps = max(YEARS * GRANULARITIES[selection.granularity].per_year, FEWEST)
    written, size = 0, max(int(ROWS / steps), 1)
    for begin in range(0, len(ids), size):
        some = ids[begin : begin + size]
        frame = rows(database, request.feature_set, request.as_of, start=request.start, end=request.end, series=some)
        if not frame.empty:
            yield frame
        written += len(frame)
        tell(written, begin + len(some), len(ids))


@dataclass(frozen=True)
class _Part:
    """What is remembered of some rows that were written."""

    fingerprint: Fingerprint
    first: pd.Timestamp
    last: pd.Timestamp


def _record(request: _Request, features: Mapping[str, RecordedFeature], parts: Sequence[_Part]) -> dict[str, object]:
    whole = Fingerprint(parts[0].fingerprint.columns, pd.concat([part.fingerprint.parts for part in parts]))
    return {
        "build_sha256": request.key,
        "feature_set": request.feature_set.name,
        "label": request.feature_set.label,
        "features": canonical_json([{"name": name, **features[name]} for name in request.feature_set.names]),
        "selection": request.feature_set.selection.document,
        "as_of": request.as_of,
        "window_start": request.start,
        "window_end": request.end,
        "rows": whole.rows,
        "series": whole.parts["series_id"].nunique(),
        "first_at": aware_utc(min(part.first for part in parts)),
        "last_at": aware_utc(max(part.last for part in parts)),
        "content_sha256": whole.sha256,
    }


def _columns(frame: pd.DataFrame, names: Sequence[str]) -> Arrays:
    return {
        "series_id": frame["series_id"].to_numpy(np.int64),
        "observed_at": frame["ds"].to_numpy("datetime64[us]"),
        "y": frame["y"].to_numpy(float),
        "features": frame[list(names)].to_numpy(float),
    }


def _read(transaction: Transaction, build: FeatureBuild, start: datetime | None, end: datetime | None) -> Built:
    feature_set = _feature_set(transaction, build)
    stored = transaction.rows("feature_build_rows", of=_StoredSeries, build_id=build.build_id, start=start, end=end)
    if not stored:
        raise NothingToDo(f"build {build.build_id} of {build.feature_set!r} has no rows in the wanted time")
    width = len(feature_set.features)
    frame = pd.DataFrame(
        np.concatenate([array_table(row.features, width) for row in stored]), columns=list(feature_set.names)
    )
    frame.insert(0, "series_id", np.repeat([row.series_id for row in stored], [row.rows for row in stored]))
    frame.insert(
        1, "ds", np.concatenate([elements(row.ds, "datetime64[us]") for row in stored]).astype("datetime64[ns]")
    )
    frame.insert(2, "y", np.concatenate([elements(row.y, "float64") for row in stored]))
    narrow = {definition.name: definition.dtype for definition in feature_set.features if definition.dtype != "float64"}
    features: dict[str, RecordedFeature] = {
        named["name"]: {"version": named["version"], "definition_sha256": named["definition_sha256"]}
        for named in build.features
    }
    window = start or build.window_start, end or build.window_end
    return Built(feature_set, features, build.as_of, *window, frame.astype(narrow) if narrow else frame)


def _feature_set(transaction: Transaction, build: FeatureBuild) -> FeatureSet:
    """The set as it was declared when it was built, out of the recorded definitions."""
    names = {named["definition_sha256"]: named["name"] for named in build.features}
    recorded = transaction.rows("feature_definitions", of=DefinitionRow, digests=list(names))
    definitions = {row.name: FeatureDefinition.of(row.definition) for row in recorded}
    return FeatureSet(
        build.feature_set,
        Selection(**build.selection),
        tuple(definitions[name] for name in names.values()),
        build.label,
    )
