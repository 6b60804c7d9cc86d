"""What features of some series are computed from, as it was known at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from mlops.arrays import Ints
from mlops.db import Database, Transaction
from mlops.db.archive.read import read_archived
from mlops.db.binary import elements
from mlops.domain.canonical import JsonObject, Parameters
from mlops.domain.features import FeatureSet, Selection
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.features.definitions import sources_of
from mlops.features.grid import Clock, FeatureGrid, SourceValues, anchors_of, checked, step_of, time_of
from mlops.features.point import Source
from mlops.features.transformations import Column, column_of, parse_transformation, reach, sources_in

__all__ = ["SeriesPlace", "Sources", "read_sources", "series_of", "sets_of", "with_sources"]


@dataclass(frozen=True, slots=True)
class SeriesPlace:
    """A series that features are computed for; its `labels` have its place, too."""

    series_id: int
    time_zone: str
    labels: JsonObject

    def label(self, key: str) -> str | None:
        """A label as text."""
        value = self.labels.get(key)
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class _History:
    """The observations of a series: an array of times and one of values, as `array_send` writes it."""

    series_id: int
    ds: bytes
    y: bytes


@dataclass(frozen=True, slots=True)
class _Link:
    """A series whose values are a source of another's features; `wholes` measure the whole that it is a part of."""

    series_id: int
    source_id: int
    wholes: list[int] | None


@dataclass(frozen=True, slots=True)
class Sources:
    """The series with their ids, what was observed of them, and the grid of everything that their features need."""

    ids: Ints
    observed: SourceValues
    grid: FeatureGrid

    def labelled(self, start: datetime | None, end: datetime | None) -> SourceValues:
        """The observations from `start` to before `end`: each is a row."""
        ds = self.observed.ds
        chosen = np.ones(len(ds), dtype=bool)
        if start is not None:
            chosen &= ds >= _utc(start)
        if end is not None:
            chosen &= ds < _utc(end)
        return self.observed if chosen.all() else self.observed.where(chosen)


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
    asked = [column_of(definition) for definition in feature_set.features]
    label: Column = parse_transformation(feature_set.label), Source(selection.metric_type)
    since = None if start is None else _since(start, granularity, [*asked, label])
    with database.transaction() as transaction:
        places = series_of(transaction, selection, series)
        ids = np.array([place.series_id for place in places], dtype=np.int64)

        def known(these: Iterable[int]) -> list[_History]:
            chosen = list(these)
            read_archived(transaction, chosen, start=since)
            return transaction.rows("feature_history", of=_History, series_ids=chosen, as_of=as_of, start=since)

        own, anchors = _long(known(ids.tolist()), ids, granularity)
        observed = {Source(selection.metric_type): own}
        for source in sorted({source for column in asked for source in sources_in(*column)} - set(observed), key=str):
            links = transaction.rows(
                "feature_sources",
                of=_Link,
                series_ids=ids.tolist(),
                metric_type=source.metric_type,
                entity=source.entity,
            )
            histories = known({link.source_id for link in links})
            observed[source] = _linked(histories, links, ids, granularity, anchors, source.across)
    clocks = [Clock(int(anchor), place.time_zone) for anchor, place in zip(anchors, places, strict=True)]
    grid = FeatureGrid(granularity, clocks, observed, lambda key: [place.label(key) for place in places])
    return Sources(ids, own, grid)


def with_sources(
    database: Database, frame: pd.DataFrame, feature_sets: Iterable[FeatureSet], as_of: datetime
) -> pd.DataFrame:
    """A frame `series_id, ds, y` with a column for each other source that features of its series are computed from.

    The values are those known at `as_of`, each at the beginning of its series' step (naive UTC). Steps that only a
    source has a value of are further rows, in which y is missing. Nothing changes where the series' own values are all.
    """
    for feature_set in feature_sets:
        columns = sources_of(feature_set)
        if frame.empty or set(columns) <= set(frame.columns):
            continue
        series = sorted(int(series_id) for series_id in frame["series_id"].unique())
        sources = read_sources(database, feature_set, as_of, series=series)
        for source, values in sources.grid.observed.items():
            if source.column in columns and source.column not in frame.columns:
                frame = frame.merge(_column(sources, source, values, frame), on=["series_id", "ds"], how="outer")
        frame = frame.sort_values(["series_id", "ds"], ignore_index=True)
    return frame


def sets_of(params: Parameters) -> list[FeatureSet]:
    """The feature sets that the parameters of a recipe declare, wherever they stand."""
    declared = [FeatureSet.of(params["features"])] if isinstance(params.get("features"), Mapping) else []
    inner = (given for name, given in params.items() if name != "features" and isinstance(given, Mapping))
    return declared + [feature_set for given in inner for feature_set in sets_of(given)]


def series_of(transaction: Transaction, selection: Selection, series: Sequence[int] | None = None) -> list[SeriesPlace]:
    """The series of a selection, or those of them that are named."""
    return transaction.rows(
        "feature_series",
        of=SeriesPlace,
        metric_type=selection.metric_type,
        granularity=selection.granularity,
        labels=selection.labels or None,
        level=selection.level,
        series_ids=None if series is None else list(series),
    )


def _column(sources: Sources, source: Source, values: SourceValues, like: pd.DataFrame) -> pd.DataFrame:
    anchors = np.array([clock.anchor for clock in sources.grid.clocks], dtype=np.int64)
    ds = time_of(values.step, sources.grid.granularity, anchors[values.row])
    column = pd.DataFrame({"series_id": sources.ids[values.row], "ds": ds, source.column: values.y})
    return column.astype({key: like[key].dtype for key in ("series_id", "ds")})


def _since(start: datetime, granularity: Granularity, asked: Sequence[Column]) -> datetime | None:
    back = [reach(transformation) for transformation, _ in asked]
    if any(steps is None for steps in back):
        return None
    more = granularity.anchors > 1  # the step of a series may begin before the usual one
    first = step_of(np.array([_utc(start)]), granularity) - max(steps or 0 for steps in back) - more
    return pd.Timestamp(time_of(first, granularity)[0], tz="UTC").to_pydatetime()


def _long(histories: Sequence[_History], ids: Ints, granularity: Granularity) -> tuple[SourceValues, Ints]:
    """Histories, an array per series, one after the other, and their anchors; BadInput for two values in one step."""
    ds = [elements(history.ds, "datetime64[us]").astype("datetime64[ns]") for history in histories]
    y = [elements(history.y, "float64") for history in histories]
    place = np.searchsorted(ids, [history.series_id for history in histories])
    row = np.repeat(place, [len(times) for times in ds]).astype(np.int64)
    times = np.concatenate(ds) if ds else np.array([], dtype="datetime64[ns]")
    values = np.concatenate(y) if y else np.array([])
    anchors = anchors_of(times, row, len(ids), granularity)
    observed = SourceValues(row, step_of(times, granularity, anchors[row]), times, values)
    return checked(observed, ids, granularity), anchors


def _linked(
    histories: Sequence[_History],
    links: Sequence[_Link],
    ids: Ints,
    granularity: Granularity,
    anchors: Ints,
    across: str | None,
) -> SourceValues:
    """Of each series, what the series that measure its place say together, in the order of their ids.

    Where one measures the whole place, those that measure parts of it say nothing on its steps. What a source says of
    its step belongs to the series' step in which that ends, so that no lag sees ahead.
    """
    own = np.array(sorted({link.source_id for link in links}), dtype=np.int64)
    sources, begin_with = _long(histories, own, granularity)
    closed = time_of(sources.step + 1, granularity, begin_with[sources.row]) - np.timedelta64(1, "us")
    ends = np.searchsorted(sources.row, np.arange(len(own) + 1))
    steps_of: dict[tuple[int, int], tuple[slice, Ints]] = {}
    for link in links:
        begin, end = ends[place := int(np.searchsorted(own, link.source_id))], ends[place + 1]
        anchor = int(anchors[int(np.searchsorted(ids, link.series_id))])
        steps_of[link.series_id, link.source_id] = slice(begin, end), step_of(closed[begin:end], granularity, anchor)
    if not steps_of:
        return sources
    parts = []
    for link in links:
        rows, steps = steps_of[link.series_id, link.source_id]
        wholes = [steps_of[key][1] for whole in link.wholes or () if (key := (link.series_id, whole)) in steps_of]
        counts = ~np.isin(steps, np.concatenate(wholes)) if wholes else np.ones(len(steps), dtype=bool)
        series = np.full(int(counts.sum()), np.searchsorted(ids, link.series_id))
        parts.append((series, steps[counts], sources.ds[rows][counts], sources.y[rows][counts]))
    row, step, ds, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    return SourceValues(row, step, ds, y) if across is None else _together(SourceValues(row, step, ds, y), across)


def _together(rows: SourceValues, across: str) -> SourceValues:
    """One value per series and step; values are added in the order that they come in."""
    rows = rows.where(np.lexsort([rows.step, rows.row]))  # stable: the order within a step stays
    new = np.r_[True, (np.diff(rows.row) != 0) | (np.diff(rows.step) != 0)][: len(rows.row)]
    group, first = np.cumsum(new) - 1, rows.where(new)
    y = first.y.copy()
    _JOINED[across].at(y, group[~new], rows.y[~new])
    return replace(first, y=y / np.bincount(group) if across == "mean" else y)


_JOINED = {"sum": np.add, "mean": np.add, "min": np.minimum, "max": np.maximum}


def _utc(time: datetime) -> np.datetime64:
    stamp = pd.Timestamp(time)
    return (stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp).to_datetime64()
