"""What a training may learn from: usable history, and why the rest was left out."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.errors import BadInput, NothingToDo
from mlops.features.build import history
from mlops.features.names import names
from mlops.forecasting.stamps import granularity_of
from mlops.series.quality import Exclusion, usable
from mlops.series.read import nothing_current

__all__ = ["TrainingData", "read_data", "select"]


@dataclass(frozen=True)
class TrainingData:
    """Usable observations `series_id, ds, y`, and the series that were left out with the reason."""

    selection: Selection
    frame: pd.DataFrame
    excluded: tuple[Exclusion, ...]

    names: dict[int, str]

    @property
    def excluded_frame(self) -> pd.DataFrame:
        """The excluded series as a table."""
        rows = [(one.series_id, self.names.get(one.series_id, ""), one.reason) for one in self.excluded]
        return pd.DataFrame(rows, columns=["series_id", "name", "reason"])


def select(database: Database, metric_type: str, granularity: str, labels: dict[str, str]) -> Selection:
    """A selection of series; an empty metric type means the only one that has data.

    `granularity` is a name or pandas' alias; BadInput for another text.
    """
    granularity = granularity_of(granularity).name
    with database.transaction() as transaction:
        there = [row["metric_type"] for row in transaction.rows("metric_types_with_data", granularity=granularity)]
    if metric_type and metric_type in there:
        return Selection(metric_type, granularity, labels)
    if not there:
        raise NothingToDo(f"there is no {granularity} series yet; bring data in with `mlops series ingest FILE`")
    if metric_type:
        raise NothingToDo(f"there is no {granularity} series of {metric_type!r}; there is {', '.join(there)}")
    if len(there) > 1:
        raise BadInput(f"which metric type? choose one with --metric-type: {', '.join(there)}")
    return Selection(there[0], granularity, labels)


def read_data(database: Database, selection: Selection, as_of: datetime, *, ended: bool = False) -> TrainingData:
    """What was known at `as_of`, without outages and without series that can't be trained on.

    Of a history that has `ended`, series are stale when they stop before the others, not before `as_of`.
    """
    observed = history(database, selection, as_of)
    end = observed["ds"].max() if ended else pd.Timestamp(as_of).tz_convert("UTC").tz_localize(None)
    frame, excluded = usable(observed, selection.granularity, end=end)
    known, found = set(observed["series_id"]), names(database, selection)
    unknown = [series for series in found if series not in known]
    why = f"nothing was known of it by {as_of:%Y-%m-%d}"
    excluded = (*excluded, *(Exclusion(series, why) for series in unknown))
    if frame.empty:
        message = f"none of {len(excluded)} series can be trained on; the first: {excluded[0].reason}"
        raise nothing_current(database, selection.metric_type, selection.granularity, as_of, message)
    return TrainingData(selection, frame, excluded, found)
