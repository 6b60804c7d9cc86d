"""Series by the names that people know them by: place and labels in one phrase, as `mlops series list` prints them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.forecasting.called import ids_of

__all__ = ["find", "series_names"]


@dataclass(frozen=True, slots=True)
class NamedSeries:
    """A series and its readable name."""

    series_id: int
    name: str


def series_names(database: Database, selection: Selection | None = None) -> dict[int, str]:
    """Every series of a selection (None: of all), by its id."""
    with database.transaction() as transaction:
        rows = transaction.rows(
            "names_of_selected_series",
            of=NamedSeries,
            metric_type=selection and selection.metric_type,
            granularity=selection and selection.granularity,
            labels=(selection and selection.labels) or None,
            level=selection and selection.level,
        )
    return {series.series_id: series.name for series in rows}


def find(series: str, known: Mapping[Any, str]) -> Any:
    """The id of the one series with this name or id among those that are known by id; a name counts first.

    Raises UnknownName with the nearest, and BadInput for a name that several have.
    """
    return ids_of([series], known)[series]
