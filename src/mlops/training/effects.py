"""By how much named days change the values of stored series."""

from collections.abc import Iterable
from datetime import datetime

import pandas as pd

from mlops.db import Database
from mlops.errors import NothingToDo
from mlops.feature_store.build import selection_history
from mlops.panels.calendar import Calendar, Event
from mlops.panels.effects import measure
from mlops.panels.from_frame import Panels
from mlops.series.names import series_names
from mlops.series.quality import usable
from mlops.training.data import select

__all__ = ["effects"]


def effects(
    database: Database,
    events: Iterable[Event],
    *,
    country: str | None = None,
    metric_type: str = "",
    granularity: str = "daily",
    as_of: datetime,
) -> pd.DataFrame:
    """The table of `panels.effects.Effects` over the usable history that was known at `as_of`, series by name.

    A series without recent data is left out, measured from the newest observation of all; of series that begin their
    weeks on different days, or live by different clocks, the largest group that agrees is measured. Empty when none of
    the days lies in the data, as for months.

    Raises NothingToDo, BadInput (which metric type?) and UnknownName (a country).
    """
    selection = select(database, metric_type, granularity, {})
    observed = selection_history(database, selection, as_of)
    frame, excluded = usable(observed, selection.granularity, end=observed["ds"].max())
    if frame.empty:
        raise NothingToDo(f"none of {len(excluded)} series can be measured; the first: {excluded[0].reason}")
    panel, known = Panels.of(frame, selection.granularity).main, series_names(database, selection)
    found = measure(panel, Calendar.of(country, events)).table()
    named = {column: found[column].map(known) for column in ("lowest_series", "highest_series")}
    return found.assign(**named)
