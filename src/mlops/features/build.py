"""Frames for training and serving; one point-in-time rule: nothing that was recorded after `as_of`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import numpy as np
import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.errors import NothingToDo
from mlops.forecasting.calendar import Calendar
from mlops.forecasting.design import Design
from mlops.forecasting.panel import Panel
from mlops.series import read

__all__ = ["history", "values"]


def history(
    database: Database, selection: Selection, as_of: datetime, *, series: Sequence[int] | None = None
) -> pd.DataFrame:
    """Observations `series_id, ds, y, quality_score` as they were known at `as_of`, oldest first."""
    frame = read.history(
        database,
        series_ids=series,
        metric_type=selection.metric_type,
        granularity=selection.granularity,
        labels=selection.labels,
        as_of=as_of,
    )
    if frame.empty:
        raise NothingToDo(
            f"no {selection.granularity} {selection.metric_type} was recorded by {as_of:%Y-%m-%d %H:%M} UTC;"
            " bring data in with `mlops series ingest FILE`, or see `mlops series list`"
        )
    return frame


def values(observed: pd.DataFrame, wanted: pd.DataFrame, names: Sequence[str], country: str | None) -> pd.DataFrame:
    """`wanted` (series_id, cutoff, ds) with a column per feature and `holiday`; each row sees up to its cutoff only."""
    panel, calendar = Panel.of(observed), Calendar.of(country)
    farthest = max((_steps(panel, *pair) for pair in set(zip(wanted["cutoff"], wanted["ds"], strict=True))), default=1)
    design, rows = Design(panel, calendar, farthest), []
    if "smoothed" in names:
        design.smooth(np.array([_origin(panel, cutoff) for cutoff in wanted["cutoff"].unique()]))
    for key, group in wanted.groupby(["cutoff", "ds"]):
        cutoff, ds = (pd.Timestamp(time) for time in cast("tuple[Any, Any]", key))
        origin = _origin(panel, cutoff)
        matrix = design.matrix(names, np.array([origin]), _steps(panel, cutoff, ds))
        found = panel.ids.get_indexer(pd.Index(group["series_id"]))
        rows.append(pd.DataFrame(matrix[found], columns=list(names), index=group.index))
    table = pd.concat(rows).reindex(wanted.index).astype(float)
    flags = calendar.count(pd.DatetimeIndex(wanted["ds"]), panel.freq) > 0
    return wanted.assign(**{name: table[name] for name in names}, holiday=flags)


def _origin(panel: Panel, cutoff: pd.Timestamp) -> int:
    return int(panel.index.searchsorted(cutoff, side="right")) - 1


def _steps(panel: Panel, cutoff: pd.Timestamp, ds: pd.Timestamp) -> int:
    return len(pd.date_range(cutoff, ds, freq=panel.freq)) - 1
