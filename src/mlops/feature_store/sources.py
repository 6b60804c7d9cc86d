"""What features of some series are computed from, as it was known at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Ints
from mlops.db import Database, Transaction
from mlops.db.archive.read import read_archived
from mlops.db.binary import elements
from mlops.domain.features import FeatureDefinition, FeatureSet, Selection
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import BadInput
from mlops.feature_store.grid import Clock, Grid, Observed, Wanted, anchors_of, step_of, time_of
from mlops.features.transformations import parse, reach, sources

__all__ = ["Sources", "observed_of", "read_sources", "series_of", "wanted"]

Key = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True)
class Sources:
    """The series with their ids, what was observed of them, and the grid of everything that their features need."""

    ids: Ints
    observed: Observed
    grid: Grid

    def labelled(self, start: datetime | None, end: datetime | None) -> Observed:
        """The observations from `start` to before `end`: each is a row."""
        ds = self.observed.ds
        chosen = np.ones(len(ds), dtype=bool)
        if start is not None:
            chosen &= ds >= _utc(start)
        if end is not None:
            chosen &= ds < _utc(end)
        return self.observed if chosen.all() else self.observed.where(chosen)


def wanted(definition: FeatureDefinition) -> Wanted:
    """What has to be computed for a definition."""
    own = definition.source_metric_types[0] if definition.source_metric_types else None
    return parse(definition.transformation), own, definition.entity


def read_sources(
    database: Database,
    feature_set: FeatureSet,
    as_of: datetime,
    *,
    start: datetime | None = None,
    series: Sequence[int] | None = None,
) -> Sources:
    """Everything that rows from `start` on look at; with a window without an end, everything there is."""
    selection, granularity = feature_set.selection, GRANULARITIES[feature_set.selection.granularity]
    asked = [wanted(one) for one in feature_set.features]
    label: Wanted = (parse(feature_set.label), selection.metric_type, "series")
    since = None if start is None else _since(start, granularity, [*asked, label])
    with database.transaction() as transaction:
        places = series_of(transaction, selection, series)
        ids = np.array([place["series_id"] for place in places], dtype=np.int64)

        def known(these: Iterable[int]) -> list[dict[str, Any]]:
            chosen = list(these)
            read_archived(transaction, chosen, start=since)
            return transaction.rows("feature_history", series_ids=chosen, as_of=as_of, start=since)

        own, anchors = _long(known(ids.tolist()), ids, granularity)
        observed: dict[Key, Observed] = {(selection.metric_type, "series", None): own}
        for key in sorted({key for one in asked for key in _keys(one)} - set(observed), key=str):
            metric_type, entity, across = key
            links = transaction.rows("feature_sources", series_ids=ids.tolist(), metric_type=metric_type, entity=entity)
            found = known({link["source_id"] for link in links})
            observed[key] = _linked(found, links, ids, granularity, anchors, across)
    texts = [place["labels"] for place in places]
    clocks = [Clock(int(anchor), place["time_zone"]) for anchor, place in zip(anchors, places, strict=True)]
    grid = Grid(granularity, clocks, observed, lambda key: [_said(one.get(key)) for one in texts])
    return Sources(ids, own, grid)


def series_of(
    transaction: Transaction, selection: Selection, series: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """`series_id, time_zone, labels` (with its place) of a selection's series, or of those of them that are named."""
    return transaction.rows(
        "feature_series",
        metric_type=selection.metric_type,
        granularity=selection.granularity,
        labels=selection.labels or None,
        level=selection.level,
        series_ids=None if series is None else list(series),
    )


def _keys(one: Wanted) -> set[Key]:
    transformation, own, entity = one
    return {(str(of or own), entity, across) for of, across in sources(transformation)}


def _since(start: datetime, granularity: Granularity, asked: Sequence[Wanted]) -> datetime | None:
    back = [reach(transformation) for transformation, _, _ in asked]
    if any(one is None for one in back):
        return None
    more = granularity.anchors > 1  # the step of a series may begin before the usual one
    first = step_of(np.array([_utc(start)]), granularity) - max(one or 0 for one in back) - more
    return pd.Timestamp(time_of(first, granularity)[0], tz="UTC").to_pydatetime()


def _long(found: Sequence[dict[str, Any]], ids: Ints, granularity: Granularity) -> tuple[Observed, Ints]:
    """Histories, an array per series, one after the other, and their anchors; BadInput for two values in one step."""
    ds = [elements(row["ds"], "datetime64[us]").astype("datetime64[ns]") for row in found]
    y = [elements(row["y"], "float64") for row in found]
    place = np.searchsorted(ids, [row["series_id"] for row in found])
    row = np.repeat(place, [len(one) for one in ds]).astype(np.int64)
    times = np.concatenate(ds) if ds else np.array([], dtype="datetime64[ns]")
    values = np.concatenate(y) if y else np.array([])
    anchors = anchors_of(times, row, len(ids), granularity)
    observed = Observed(row, step_of(times, granularity, anchors[row]), times, values)
    return checked(observed, ids, granularity), anchors


def observed_of(frame: pd.DataFrame, granularity: Granularity) -> tuple[npt.NDArray[Any], Observed, Ints]:
    """The series ids of a frame `series_id, ds, y`, its observations in order, and the anchors of the series."""
    codes, ids = _codes(frame["series_id"].to_numpy())
    ds, y = frame["ds"].to_numpy("datetime64[ns]"), frame["y"].to_numpy(float)
    observed = Observed(codes, granularity.number(ds), ds, y)
    if np.isnan(y.sum()):
        observed = observed.where(~np.isnan(y))
    key = (observed.row << 32) + observed.step
    ordered = len(key) < 2 or np.diff(key).min() > 0
    if not ordered:
        observed = observed.where(np.argsort(key, kind="stable"))
    anchors = anchors_of(observed.ds, observed.row, len(ids), granularity)
    if anchors.any():
        observed = replace(observed, step=step_of(observed.ds, granularity, anchors[observed.row]))
    return ids, observed if ordered else checked(observed, ids, granularity), anchors


def _codes(series: npt.NDArray[Any]) -> tuple[Ints, npt.NDArray[Any]]:
    """The place of each row's series among all, and all series in order."""
    begins = np.flatnonzero(np.r_[True, series[1:] != series[:-1]][: len(series)])
    ids, place = np.unique(series[begins], return_inverse=True)
    return np.repeat(place.astype(np.int64), np.diff(np.r_[begins, len(series)])), ids


def checked(observed: Observed, ids: npt.NDArray[Any], granularity: Granularity) -> Observed:
    """The same, unless a series has two values in one step."""
    twice = np.flatnonzero((np.diff(observed.row) == 0) & (np.diff(observed.step) == 0))
    if len(twice):
        first, second = observed.ds[twice[0]], observed.ds[twice[0] + 1]
        raise BadInput(
            f"series {ids[observed.row[twice[0]]]} is {granularity} and has two values in one step, at {first} and"
            f" {second} UTC; give it its own granularity, or remove one"
        )
    return observed


def _linked(
    found: Sequence[dict[str, Any]],
    links: Sequence[dict[str, Any]],
    ids: Ints,
    granularity: Granularity,
    anchors: Ints,
    across: str | None,
) -> Observed:
    """Of each series, what the series that measure its place say together, in the order of their ids.

    Where one measures the whole place, those that measure parts of it say nothing on its steps. What a source says of
    its step belongs to the series' step in which that ends, so that no lag sees ahead.
    """
    own = np.array(sorted({link["source_id"] for link in links}), dtype=np.int64)
    sources, begin_with = _long(found, own, granularity)
    closed = time_of(sources.step + 1, granularity, begin_with[sources.row]) - np.timedelta64(1, "us")
    ends = np.searchsorted(sources.row, np.arange(len(own) + 1))
    said: dict[tuple[int, int], tuple[slice, Ints]] = {}
    for link in links:
        begin, end = ends[place := int(np.searchsorted(own, link["source_id"]))], ends[place + 1]
        anchor = int(anchors[int(np.searchsorted(ids, link["series_id"]))])
        said[link["series_id"], link["source_id"]] = slice(begin, end), step_of(closed[begin:end], granularity, anchor)
    if not said:
        return sources
    parts = []
    for link in links:
        rows, steps = said[link["series_id"], link["source_id"]]
        wholes = [said[key][1] for whole in link["wholes"] or () if (key := (link["series_id"], whole)) in said]
        counts = ~np.isin(steps, np.concatenate(wholes)) if wholes else np.ones(len(steps), dtype=bool)
        series = np.full(int(counts.sum()), np.searchsorted(ids, link["series_id"]))
        parts.append((series, steps[counts], sources.ds[rows][counts], sources.y[rows][counts]))
    row, step, ds, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Observed(row, step, ds, y) if across is None else _together(Observed(row, step, ds, y), across)


def _together(rows: Observed, across: str) -> Observed:
    """One value per series and step; values are added in the order that they come in."""
    rows = rows.where(np.lexsort([rows.step, rows.row]))  # stable: the order within a step stays
    new = np.r_[True, (np.diff(rows.row) != 0) | (np.diff(rows.step) != 0)][: len(rows.row)]
    group, first = np.cumsum(new) - 1, rows.where(new)
    y = first.y.copy()
    _JOINED[across].at(y, group[~new], rows.y[~new])
    return replace(first, y=y / np.bincount(group) if across == "mean" else y)


_JOINED = {"sum": np.add, "mean": np.add, "min": np.minimum, "max": np.maximum}


def _said(value: Any) -> str | None:
    return None if value is None else str(value)


def _utc(time: datetime) -> np.datetime64:
    stamp = pd.Timestamp(time)
    return (stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp).to_datetime64()
