"""Frames for training and serving; one point-in-time rule: nothing that was recorded after `as_of`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats, Times
from mlops.db import Database
from mlops.domain.features import FeatureDefinition, FeatureSet, RecordedFeature, Selection
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import BadInput, NothingToDo
from mlops.feature_store.digest import DataFacts, Fingerprint, fingerprint
from mlops.feature_store.sources import read_sources
from mlops.feature_store.store import register_features
from mlops.features.definitions import checked_set, sources_of
from mlops.features.grid import framed
from mlops.features.panel import PanelInputs
from mlops.features.transformations import column_of
from mlops.panels.calendar import Calendar
from mlops.panels.from_frame import Panels
from mlops.panels.panel import Panel
from mlops.series import read
from mlops.times import aware_utc, local_times

__all__ = ["Built", "build", "on_holiday", "selection_history", "values"]


class DataLineage(DataFacts):
    """What the lineage of a model says of its data: which series, features and times, and the digest of the rows."""

    selection: Selection
    features: dict[str, RecordedFeature]
    as_of: datetime
    trained_from: datetime
    trained_to: datetime
    series: tuple[int, ...]
    label: str


@dataclass(frozen=True)
class Built:
    """A feature set as it was known at `as_of`.

    `frame` has `series_id, ds, y` and a column per feature, one row per observation, sorted by series and time;
    `features` names the version and definition digest of each.
    """

    feature_set: FeatureSet
    features: Mapping[str, RecordedFeature]
    as_of: datetime
    start: datetime | None
    end: datetime | None
    frame: pd.DataFrame

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """The digest of every row and column, and of its parts."""
        return fingerprint(self.frame)

    @property
    def content_sha256(self) -> str:
        """The digest of every row and column."""
        return self.fingerprint.sha256

    @property
    def series(self) -> tuple[int, ...]:
        """The ids of the series that have rows."""
        return tuple(int(series_id) for series_id in self.frame["series_id"].unique())

    def lineage_fields(self) -> DataLineage:
        """What the lineage of a model that is trained on the frame says of its data.

        `mlops.tracking.lineage.declare_lineage` takes it as it is: `declare(signature, **built.lineage_fields())`.
        """
        return {
            **self.fingerprint.facts,
            "selection": self.feature_set.selection,
            "features": dict(self.features),
            "as_of": self.as_of,
            "trained_from": aware_utc(self.frame["ds"].min()),
            "trained_to": aware_utc(self.frame["ds"].max()),
            "series": self.series,
            "label": self.feature_set.label,
        }


def build(
    database: Database,
    feature_set: FeatureSet,
    as_of: datetime,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    series: Sequence[int] | None = None,
) -> Built:
    """The set's rows from `start` to before `end`, of some series or all, from what was recorded by `as_of`.

    Of fewer series or times the rows are the same, bit for bit. Definitions that are new are recorded. Raises
    NothingToDo without rows, BadInput and UnknownName for a set that can't be computed.
    """
    features = register_features(database, checked_set(feature_set).features)
    frame = rows(database, feature_set, as_of, start=start, end=end, series=series)
    if frame.empty:
        raise why_no_rows(feature_set.selection, as_of)
    return Built(feature_set, features, as_of, start, end, frame)


def rows(
    database: Database,
    feature_set: FeatureSet,
    as_of: datetime,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    series: Sequence[int] | None = None,
) -> pd.DataFrame:
    """The frame of `build` alone; it may be empty."""
    if start is not None and end is not None and end <= start:
        raise BadInput(
            f"the window ends ({end:%Y-%m-%d %H:%M} UTC) before it begins ({start:%Y-%m-%d %H:%M}); swap them"
        )
    sources = read_sources(database, feature_set, as_of, start=start, series=series)
    return framed(sources.ids, sources.grid, sources.labelled(start, end), feature_set)


def why_no_rows(selection: Selection, as_of: datetime) -> NothingToDo:
    """What to say when there are no rows."""
    return NothingToDo(
        f"no {selection.granularity} {selection.metric_type} of these series and times was recorded by"
        f" {as_of:%Y-%m-%d %H:%M} UTC; bring data in with `mlops series ingest FILE`, or see `mlops series list`"
    )


def selection_history(
    database: Database, selection: Selection, as_of: datetime, *, series: Sequence[int] | None = None
) -> pd.DataFrame:
    """Observations `series_id, ds, y, quality_score` as they were known at `as_of`, oldest first."""
    frame = read.observed(
        database,
        series_ids=series,
        metric_type=selection.metric_type,
        granularity=selection.granularity,
        labels=selection.labels,
        level=selection.level,
        as_of=as_of,
    )
    if frame.empty:
        raise NothingToDo(
            f"no {selection.granularity} {selection.metric_type} was recorded by {as_of:%Y-%m-%d %H:%M} UTC;"
            " bring data in with `mlops series ingest FILE`, or see `mlops series list`"
        )
    return frame


def values(
    observed: pd.DataFrame,
    wanted: pd.DataFrame,
    features: Sequence[FeatureDefinition],
    country: str | None,
    selection: Selection,
) -> pd.DataFrame:
    """`wanted` (series_id, cutoff, ds) with a column per feature and `holiday`; each row sees up to its cutoff only.

    `observed` is `series_id, ds, y` of the selection, with a column for each other source of the features. Times are
    naive UTC. A feature that is of the row's own time is that, too.
    """
    calendar, local = Calendar.of(country), wanted["ds"].to_numpy("datetime64[ns]").copy()
    table = np.full((len(wanted), len(features)), np.nan)
    asked = FeatureSet("", selection, tuple(features))
    for panel in Panels.of(observed, selection.granularity, sources=sources_of(asked)).parts:
        rows = np.flatnonzero(wanted["series_id"].isin(panel.ids))
        if len(rows):
            local[rows] = local_times(local[rows], panel.zone)
            cutoff = local_times(wanted["cutoff"].to_numpy("datetime64[ns]")[rows], panel.zone)
            table[rows] = _values(panel, wanted["series_id"].iloc[rows], local[rows], cutoff, asked, calendar)
    flags = on_holiday(local, GRANULARITIES[selection.granularity], calendar)
    names = {name: table[:, place] for place, name in enumerate(asked.names)}
    return wanted.assign(**names, holiday=flags)


def _values(
    panel: Panel, ids: "pd.Series[int]", ds: Times, cutoff: Times, asked: FeatureSet, calendar: Calendar
) -> Floats:
    """A row per series, time and cutoff, by the clock of the panel."""
    number = panel.granularity.number
    first = int(number(panel.index[:1].to_numpy())[0])
    origin = np.clip(number(cutoff) - first, -1, len(panel.index) - 1)
    steps = number(ds) - number(cutoff)
    inputs = PanelInputs(panel, calendar, int(max(steps)), target=asked.selection.metric_type)
    columns = [column_of(definition) for definition in asked.features]
    inputs.smooth(columns, np.unique(origin))
    table, series = np.full((len(ds), len(columns)), np.nan), panel.ids.get_indexer(pd.Index(ids))
    for step in np.unique(steps):
        rows = np.flatnonzero(steps == step)
        origins, place = np.unique(origin[rows], return_inverse=True)
        table[rows] = inputs.matrix(columns, origins, int(step))[series[rows] * len(origins) + place]
    return table


def on_holiday(begin: Times, granularity: Granularity, calendar: Calendar) -> npt.NDArray[np.bool_]:
    """Whether each step has a named day; steps begin at these local times, in any order and more than once."""
    if not len(begin):
        return np.zeros(0, dtype=bool)
    end = granularity.moved(begin, 1) - np.timedelta64(1, "us") if granularity.counted else begin
    first, last = begin.astype("datetime64[D]"), end.astype("datetime64[D]")
    days = np.unique(calendar.days(first.min().item(), last.max().item())["ds"].to_numpy("datetime64[D]"))
    return np.asarray(np.searchsorted(days, last, side="right") > np.searchsorted(days, first))
