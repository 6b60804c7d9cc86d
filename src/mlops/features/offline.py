"""Feature sets that are written down: built once, read as often as wanted, identical to a build on demand."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from mlops.db import Database, Transaction
from mlops.db.binary import elements, table
from mlops.db.retry import retrying
from mlops.domain.canonical import canonical_json, sha256
from mlops.domain.features import FeatureDefinition, FeatureSet, Selection
from mlops.errors import BadInput, NothingToDo, Refused, UnknownName
from mlops.features.build import Built, build
from mlops.features.definitions import check

__all__ = ["Kept", "Materialised", "builds", "drop", "keep", "materialise", "read", "read_build"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Materialised:
    """A build as it is recorded, and whether it was written now or had been before."""

    build: dict[str, Any]
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
    say: Say = lambda _: None,
) -> Materialised:
    """Write down the set as it was known at `as_of` (now if None), from `start` to before `end`.

    The same set, definitions, selection, time and window are one build: it is written once, whoever asks how often.
    Raises NothingToDo without rows and BadInput for a time that has not come, because more may be recorded until then.
    """
    check(feature_set)
    as_of = _past(database, as_of)
    key = _key(feature_set, as_of, start, end)
    there = _there(database, key)
    if there is not None:
        return Materialised(there, written=False)
    say("reading what was known, and computing")
    built = build(database, feature_set, as_of, start=start, end=end)
    say(f"writing {len(built.frame):,} rows")
    return retrying(lambda: _write(database, built, key))


def builds(database: Database, feature_set: str | None = None) -> list[dict[str, Any]]:
    """What is recorded of the builds (of a set), newest first, with `bytes` and the models `used_by` of each."""
    with database.transaction() as transaction:
        return transaction.rows("feature_builds", feature_set=feature_set, build_id=None)


def read(
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
        found = transaction.one(
            "feature_build_covering",
            feature_set=name,
            as_of=as_of,
            start=start or datetime.min.replace(tzinfo=UTC),
            end=end or datetime.max.replace(tzinfo=UTC),
            digests=None if isinstance(feature_set, str) else [one.sha256 for one in feature_set.features],
        )
        if found is None:
            at = f" --as-of {as_of.astimezone(UTC).isoformat()}" if as_of else ""
            raise NothingToDo(
                f"feature set {name!r} was not built with these definitions, time and window; run"
                f" `mlops features build {name}{at}`, or see `mlops features builds`"
            )
        return _read(transaction, found, start, end)


def read_build(database: Database, build_id: int) -> Built:
    """A build by its number."""
    with database.transaction() as transaction:
        return _read(transaction, _one(transaction, build_id), None, None)


def drop(database: Database, build_id: int, *, force: bool = False) -> dict[str, Any]:
    """Drop a build and its rows; Refused (without `force`) when a model's lineage names exactly these rows."""

    def once() -> dict[str, Any]:
        with database.transaction() as transaction:
            found = _one(transaction, build_id)
            if found["used_by"] and not force:
                raise Refused(
                    f"build {build_id} of {found['feature_set']!r} is what {', '.join(found['used_by'])} was trained"
                    " on; keep it, or drop it with --force: it can be built again as of the same time"
                )
            transaction.run("feature_build_drop", build_id=build_id)
            transaction.run("feature_set_show", feature_set=found["feature_set"])
            return found

    return retrying(once)


def keep(database: Database, feature_set: str, newest: int) -> Kept:
    """Keep the `newest` builds of a set and drop those before, unless a model's lineage names them."""
    older = builds(database, feature_set)[newest:]
    spared = {one["build_id"]: one["used_by"] for one in older if one["used_by"]}
    dropped = [one["build_id"] for one in older if not one["used_by"]]
    for build_id in dropped:
        drop(database, build_id)
    return Kept(dropped, spared)


def _past(database: Database, as_of: datetime | None) -> datetime:
    with database.transaction() as transaction:
        now: datetime = transaction.value("now")
    if as_of is not None and as_of > now:
        raise BadInput(f"as_of {as_of:%Y-%m-%d %H:%M} UTC has not come yet; build as of {now:%Y-%m-%d %H:%M} or before")
    return as_of or now


def _key(feature_set: FeatureSet, as_of: datetime, start: datetime | None, end: datetime | None) -> str:
    whole = {
        "feature_set": feature_set.name,
        "label": feature_set.label,
        "features": [[one.name, one.sha256] for one in feature_set.features],
        "selection": asdict(feature_set.selection),
        "as_of": as_of.astimezone(UTC).isoformat(),
        "window": [None if time is None else time.astimezone(UTC).isoformat() for time in (start, end)],
    }
    return sha256(canonical_json(whole))


def _there(database: Database, key: str) -> dict[str, Any] | None:
    with database.transaction() as transaction:
        return transaction.one("feature_build_there", build_sha256=key)


def _write(database: Database, built: Built, key: str) -> Materialised:
    """All of it in one transaction; another process that writes the same build waits, and then finds it."""
    with database.transaction() as transaction:
        transaction.lock(f"feature build {key}")
        there = transaction.one("feature_build_there", build_sha256=key)
        if there is not None:
            return Materialised(there, written=False)
        made = transaction.one("feature_build_add", build_sha256=key, **_record(built))
        assert made is not None
        transaction.copy_arrays(made["rows_table"], _columns(built))
        transaction.run("feature_build_attach", build_id=made["build_id"])
        transaction.run("feature_set_show", feature_set=built.feature_set.name)
        written = transaction.one("feature_build_there", build_sha256=key)
    assert written is not None
    return Materialised(written, written=True)


def _record(built: Built) -> dict[str, Any]:
    fields = built.lineage_fields()
    return {
        "feature_set": built.feature_set.name,
        "label": built.feature_set.label,
        "features": canonical_json([{"name": name, **built.features[name]} for name in built.feature_set.names]),
        "selection": asdict(built.feature_set.selection),
        "as_of": built.as_of,
        "window_start": built.start,
        "window_end": built.end,
        "rows": fields["rows"],
        "series": len(fields["series"]),
        "first_at": fields["trained_from"],
        "last_at": fields["trained_to"],
        "content_sha256": fields["content_sha256"],
    }


def _columns(built: Built) -> dict[str, Any]:
    frame = built.frame
    return {
        "series_id": frame["series_id"].to_numpy(np.int64),
        "observed_at": frame["ds"].to_numpy("datetime64[us]"),
        "y": frame["y"].to_numpy(float),
        "features": frame[list(built.feature_set.names)].to_numpy(float),
    }


def _one(transaction: Transaction, build_id: int) -> dict[str, Any]:
    found = transaction.one("feature_builds", feature_set=None, build_id=build_id)
    if found is None:
        rows = transaction.rows("feature_builds", feature_set=None, build_id=None)
        raise UnknownName("build", build_id, [str(row["build_id"]) for row in rows])
    return found


def _read(transaction: Transaction, found: dict[str, Any], start: datetime | None, end: datetime | None) -> Built:
    feature_set = _feature_set(transaction, found)
    rows = transaction.rows("feature_build_rows", build_id=found["build_id"], start=start, end=end)
    if not rows:
        raise NothingToDo(f"build {found['build_id']} of {found['feature_set']!r} has no rows in the wanted time")
    width = len(feature_set.features)
    frame = pd.DataFrame(
        np.concatenate([table(row["features"], width) for row in rows]), columns=list(feature_set.names)
    )
    frame.insert(0, "series_id", np.repeat([row["series_id"] for row in rows], [row["rows"] for row in rows]))
    frame.insert(
        1, "ds", np.concatenate([elements(row["ds"], "datetime64[us]") for row in rows]).astype("datetime64[ns]")
    )
    frame.insert(2, "y", np.concatenate([elements(row["y"], "float64") for row in rows]))
    narrow = {one.name: one.dtype for one in feature_set.features if one.dtype != "float64"}
    features = {one["name"]: {key: one[key] for key in one if key != "name"} for one in found["features"]}
    window = start or found["window_start"], end or found["window_end"]
    return Built(feature_set, features, found["as_of"], *window, frame.astype(narrow) if narrow else frame)


def _feature_set(transaction: Transaction, found: dict[str, Any]) -> FeatureSet:
    """The set as it was declared when it was built, out of the recorded definitions."""
    names = {one["definition_sha256"]: one["name"] for one in found["features"]}
    recorded = transaction.rows("feature_definitions", digests=list(names))
    definitions = {row["name"]: FeatureDefinition.of(row["definition"]) for row in recorded}
    return FeatureSet(
        found["feature_set"],
        Selection(**found["selection"]),
        tuple(definitions[name] for name in names.values()),
        found["label"],
    )
