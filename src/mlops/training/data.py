"""What a training may learn from: usable history of the database or of a file, and why the rest was left out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from mlops.db import Database
from mlops.domain.features import FeatureSet, Selection
from mlops.domain.lineage import FileSource
from mlops.domain.series import LEVELS
from mlops.errors import Misused, NothingToDo
from mlops.feature_store.build import selection_history
from mlops.feature_store.sources import with_sources
from mlops.panels.files import FileSeries
from mlops.panels.timestamps import granularity_of
from mlops.series.names import series_names
from mlops.series.quality import Exclusion, usable
from mlops.series.read import check_labels, nothing_current
from mlops.times import naive_utc

__all__ = ["TrainingData", "learned", "needs_file", "of_level", "read_data", "select"]


@dataclass(frozen=True, slots=True)
class MetricTypeWithData:
    """A metric type that has series of a granularity, and the levels of these."""

    metric_type: str
    granularity: str
    levels: list[str]


@dataclass(frozen=True)
class TrainingData:
    """Usable observations `series_id, ds, y` (and covariates), and the series that were left out with the reason.

    `selection` is None of a file, and `source` says then which file it was: what a lineage keeps in its place.
    """

    selection: Selection | None
    frame: pd.DataFrame
    excluded: tuple[Exclusion, ...]

    names: Mapping[Any, str]
    source: FileSource | None = None

    @property
    def what(self) -> str:
        """What is forecast, in a word: the metric type, or the name of the file."""
        if self.selection is not None:
            return self.selection.metric_type
        assert self.source is not None
        return self.source["file"]

    @property
    def excluded_frame(self) -> pd.DataFrame:
        """The excluded series as a table."""
        rows = [(series.series_id, self.names.get(series.series_id, ""), series.reason) for series in self.excluded]
        return pd.DataFrame(rows, columns=["series_id", "name", "reason"])


def learned(series: FileSeries, covariates: Sequence[str]) -> TrainingData:
    """What a training takes of a file: every series that has a value."""
    there = series.frame["y"].notna()
    empty = sorted(set(series.frame["series_id"]) - set(series.frame.loc[there, "series_id"]))
    chosen = ~series.frame["series_id"].isin(empty) if covariates else there
    frame = series.frame[chosen].reset_index(drop=True)
    excluded = tuple(Exclusion(name, "it has no value") for name in empty)
    names = {name: str(name) for name in (*series.panels.ids, *empty)}
    return TrainingData(None, frame, excluded, names, series.facts)


def needs_file(covariates: Sequence[str], segments: Sequence[str] = ()) -> None:
    """Misused for columns of a file where there is none."""
    for option, columns in (("--covariate", covariates), ("--segment", segments)):
        if columns:
            raise Misused(
                f"{option} {columns[0]} names a column of a file, and series of the database have no such columns;"
                " pass --file FILE"
            )


def select(
    database: Database, metric_type: str, granularity: str, labels: dict[str, str], level: str = ""
) -> Selection:
    """A selection of series; an empty metric type means the only one that has data, an empty level all of them.

    `granularity` is a name or pandas' alias; Misused for another text. NothingToDo without any such series.
    """
    granularity = granularity_of(granularity).name
    with database.transaction() as transaction:
        rows = transaction.rows("metric_types_with_data", of=MetricTypeWithData, granularity=None)
    there = {row.metric_type: row.levels for row in rows if row.granularity == granularity}
    if metric_type not in there and (metric_type or not there):
        raise NothingToDo(_no_series(rows, metric_type, granularity, list(there)))
    if not metric_type and len(there) > 1:
        raise Misused(f"which metric type? choose one with --metric-type: {', '.join(there)}")
    metric_type = metric_type or next(iter(there))
    if level and level not in there[metric_type]:
        others = " or ".join(f"--level {other}" for other in LEVELS if other in there[metric_type])
        raise NothingToDo(f"no {granularity} series of {metric_type!r} is {of_level(level)}; there are: {others}")
    check_labels(database, metric_type, granularity, labels)
    return Selection(metric_type, granularity, labels, level or None)


def of_level(level: str | None) -> str:
    """Whose series are chosen, in words; nothing for those of all levels."""
    return "" if not level else "of the company" if level == "company" else f"of a {level}"


def _no_series(rows: Sequence[MetricTypeWithData], metric_type: str, granularity: str, there: list[str]) -> str:
    """Why nothing of a granularity is selected, and which steps the series have, where they have others."""
    wanted = f"there is no {granularity} series" + (f" of {metric_type!r}" if metric_type else "")
    steps = {row.granularity for row in rows if metric_type in ("", row.metric_type)}
    if steps:
        return f"{wanted}; others are there: {' or '.join(f'--granularity {step}' for step in sorted(steps))}"
    if there:
        return f"{wanted}; there is {', '.join(there)}"
    return f"{wanted} yet; bring data in with `mlops series ingest FILE`"


def read_data(
    database: Database,
    selection: Selection,
    as_of: datetime,
    *,
    ended: bool = False,
    feature_sets: Iterable[FeatureSet] = (),
) -> TrainingData:
    """What was known at `as_of`, without outages and without series that can't be trained on.

    There is a column for each other source that `feature_sets` are computed from. Of a history that has `ended`, series
    are stale when they stop before the others, not before `as_of`.
    """
    observed = selection_history(database, selection, as_of)
    end = observed["ds"].max() if ended else naive_utc(as_of)
    frame, excluded = usable(observed, selection.granularity, end=end)
    known, names = set(observed["series_id"]), series_names(database, selection)
    unknown = [series for series in names if series not in known]
    why = f"nothing was known of it by {as_of:%Y-%m-%d}"
    excluded = (*excluded, *(Exclusion(series, why) for series in unknown))
    if frame.empty:
        message = f"none of {len(excluded)} series can be trained on; the first: {excluded[0].reason}"
        raise nothing_current(database, selection.metric_type, selection.granularity, as_of, message)
    return TrainingData(selection, with_sources(database, frame, feature_sets, as_of), excluded, names)
