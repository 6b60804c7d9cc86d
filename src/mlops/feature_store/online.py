"""The newest values of a feature set, for serving: the row of the first time after each series' newest observation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from mlops.db import Database, Transaction
from mlops.db.archive.read import border, read_archived
from mlops.db.binary import Arrays, array_table, elements
from mlops.domain.canonical import canonical_json
from mlops.domain.features import FeatureSet, NamedFeature, SelectionDocument
from mlops.errors import NothingToDo, Refused
from mlops.feature_store.build import why_no_rows
from mlops.feature_store.sources import read_sources, series_of
from mlops.feature_store.store import register_features
from mlops.features.definitions import checked_set
from mlops.features.grid import SourceValues, framed, step_of
from mlops.times import aware_utc, naive_utc

__all__ = ["OnlineRefresh", "latest_features", "next_rows", "refresh"]

TOGETHER = 500
SHOWN = 5
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class OnlineRefresh:
    """How many series a set has now, and how many rows had to be written and forgotten for that."""

    feature_set: str
    as_of: datetime
    series: int
    written: int
    forgotten: int


@dataclass(frozen=True, slots=True)
class _Served:
    """What is served of a set: an array per column, as `array_send` writes it; None where no series has values."""

    definitions: list[NamedFeature]
    selection: SelectionDocument
    as_of: datetime
    series_id: bytes | None
    observed_at: bytes | None
    target_at: bytes | None
    features: bytes | None


def next_rows(
    database: Database, feature_set: FeatureSet, as_of: datetime, tell: Tell = lambda *_: None
) -> pd.DataFrame:
    """`series_id, observed_at, ds` and the features of the first time `ds` after each series' newest observation.

    It is the row that a build would have once that time is observed, from what was recorded by `as_of`. Raises
    NothingToDo when no series has an observation.
    """
    with database.transaction() as transaction:
        newest = _newest(
            transaction, [place.series_id for place in series_of(transaction, feature_set.selection)], as_of
        )
    if newest.empty:
        raise why_no_rows(feature_set.selection, as_of)
    parts = []
    for some in _alike(newest):
        parts.append(_next(database, feature_set, as_of, some))
        tell(sum(map(len, parts)), len(newest))
    return pd.concat(parts).sort_values("series_id", kind="stable", ignore_index=True)


def refresh(
    database: Database, feature_set: FeatureSet, as_of: datetime | None = None, tell: Tell = lambda *_: None
) -> OnlineRefresh:
    """Make the online values those of `as_of` (now if None); only what is other is written.

    Raises Refused when the values of a later time are there already.
    """
    checked_set(feature_set)
    as_of = as_of or datetime.now(UTC)
    features = register_features(database, feature_set.features)
    rows = next_rows(database, feature_set, as_of, tell)
    with database.transaction() as transaction:
        transaction.lock(f"online features {feature_set.name}")
        put = transaction.run(
            "set_online_feature_set",
            feature_set=feature_set.name,
            features=canonical_json([{"name": name, **features[name]} for name in feature_set.names]),
            selection=feature_set.selection.document,
            as_of=as_of,
        )
        if not put:
            raise Refused(
                f"the online values of {feature_set.name!r} are of a later time than {as_of:%Y-%m-%d %H:%M} UTC;"
                " nothing was changed"
            )
        transaction.run("create_online_arriving")
        transaction.copy_arrays("online_arriving", _columns(rows, feature_set))
        written = transaction.run("upsert_online_features", feature_set=feature_set.name)
        forgotten = transaction.run("delete_online_features", feature_set=feature_set.name)
    return OnlineRefresh(feature_set.name, as_of, len(rows), written, forgotten)


def latest_features(
    database: Database,
    feature_set: FeatureSet | str,
    series: Sequence[int],
    *,
    now: datetime | None = None,
    oldest: timedelta | None = None,
) -> pd.DataFrame:
    """`series_id, ds, observed_at, age` and the features of some series, in one indexed query.

    `ds` is the time that they are for, `age` how long before `now` the newest observation was. A series without values
    has no row. With `oldest`, Refused when a series has none or older ones; always when the set's definitions are
    other than those that the values were computed with.
    """
    name = feature_set if isinstance(feature_set, str) else feature_set.name
    with database.transaction() as transaction:
        served = transaction.one("online_features", of=_Served, feature_set=name, series_ids=list(series))
    if served is None:
        raise NothingToDo(f"feature set {name!r} has no online values; run `mlops features build {name} --online`")
    if not isinstance(feature_set, str):
        _same(feature_set, served.definitions)
    frame = _frame(served)
    frame.insert(3, "age", naive_utc(now or datetime.now(UTC)) - frame["observed_at"])
    if not isinstance(feature_set, str):
        frame = frame.astype({definition.name: definition.dtype for definition in feature_set.features})
    if oldest is not None:
        _fresh(frame, series, oldest, name)
    return frame


def _newest(transaction: Transaction, series: list[int], as_of: datetime) -> pd.DataFrame:
    """`series_id, observed_at` of the newest observation of each series, wherever it ended."""
    newest, until = (
        transaction.frame("feature_newest_observations", series_ids=series, as_of=as_of),
        border(transaction),
    )
    if until is None:
        return newest
    done = newest[newest["observed_at"] >= pd.Timestamp(until).tz_localize(None)]
    ended = sorted(set(series) - set(done["series_id"]))
    if not ended:
        return newest
    read_archived(transaction, ended)
    return pd.concat(
        [done, transaction.frame("feature_newest_observations", series_ids=ended, as_of=as_of)], ignore_index=True
    )


def _alike(newest: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Series that ended at about the same time together: for those that go on little has to be read."""
    ordered = newest.sort_values(["observed_at", "series_id"], ascending=[False, True])
    for begin in range(0, len(ordered), TOGETHER):
        yield ordered.iloc[begin : begin + TOGETHER].sort_values("series_id", kind="stable")


def _next(database: Database, feature_set: FeatureSet, as_of: datetime, newest: pd.DataFrame) -> pd.DataFrame:
    start = aware_utc(newest["observed_at"].min())
    ids = [int(series_id) for series_id in newest["series_id"]]
    sources = read_sources(database, feature_set, as_of, start=start, series=ids)
    observed = newest["observed_at"].to_numpy("datetime64[ns]")
    granularity, place = sources.grid.granularity, np.searchsorted(sources.ids, newest["series_id"])
    step = step_of(observed, granularity, np.array([clock.anchor for clock in sources.grid.clocks])[place])
    ds = granularity.moved(observed, 1).astype("datetime64[ns]")
    rows = SourceValues(place, step + 1, ds, np.full(len(ds), np.nan))
    frame = framed(sources.ids, sources.grid, rows, replace(feature_set, label="value"), labelled=False).drop(
        columns="y"
    )
    frame.insert(1, "observed_at", observed)
    return frame


def _columns(rows: pd.DataFrame, feature_set: FeatureSet) -> Arrays:
    return {
        "series_id": rows["series_id"].to_numpy(np.int64),
        "observed_at": rows["observed_at"].to_numpy("datetime64[us]"),
        "target_at": rows["ds"].to_numpy("datetime64[us]"),
        "features": rows[list(feature_set.names)].to_numpy(float),
    }


def _frame(served: _Served) -> pd.DataFrame:
    names = [named["name"] for named in served.definitions]
    if not (served.series_id and served.target_at and served.observed_at and served.features):
        return pd.DataFrame(columns=["series_id", "ds", "observed_at", *names]).astype(
            {"observed_at": "datetime64[ns]"}
        )
    frame = pd.DataFrame(array_table(served.features, len(names)), columns=names)
    frame.insert(0, "series_id", elements(served.series_id, "int64"))
    frame.insert(1, "ds", elements(served.target_at, "datetime64[us]").astype("datetime64[ns]"))
    frame.insert(2, "observed_at", elements(served.observed_at, "datetime64[us]").astype("datetime64[ns]"))
    return frame


def _same(feature_set: FeatureSet, definitions: Sequence[NamedFeature]) -> None:
    wanted = [(definition.name, definition.sha256) for definition in feature_set.features]
    stored = [(named["name"], named["definition_sha256"]) for named in definitions]
    if wanted != stored:
        other = {name for name, _ in {*wanted, *stored} if dict(wanted).get(name) != dict(stored).get(name)}
        raise Refused(
            f"the online values of {feature_set.name!r} were computed with other definitions"
            f" ({', '.join(sorted(other)) or 'in another order'});"
            f" run `mlops features build {feature_set.name} --online`"
        )


def _fresh(frame: pd.DataFrame, series: Sequence[int], oldest: timedelta, name: str) -> None:
    age = dict(zip(frame["series_id"], frame["age"], strict=True))
    stale = [series_id for series_id in series if series_id not in age or age[series_id] > oldest]
    if stale:
        told = [
            f"{series_id} ({f'{age[series_id]} old' if series_id in age else 'no values'})"
            for series_id in stale[:SHOWN]
        ]
        more = f" and {len(stale) - SHOWN} more" if len(stale) > SHOWN else ""
        raise Refused(
            f"online values of {name!r} are older than {oldest} for series {', '.join(told)}{more};"
            f" bring newer data in and run `mlops features build {name} --online`"
        )
