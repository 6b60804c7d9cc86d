"""Series by the names that people know them by: place and labels in one phrase, as `mlops series list` prints them."""

from collections.abc import Mapping
from typing import Any

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.errors import BadInput, UnknownName

__all__ = ["find", "names"]


def names(database: Database, selection: Selection | None = None) -> dict[int, str]:
    """Every series of a selection (None: of all), by its id."""
    with database.transaction() as transaction:
        rows = transaction.rows(
            "series_names",
            metric_type=selection and selection.metric_type,
            granularity=selection and selection.granularity,
            labels=(selection and selection.labels) or None,
            level=selection and selection.level,
        )
    return {row["series_id"]: row["name"] for row in rows}


def find(series: str, known: Mapping[Any, str]) -> Any:
    """The id of the one series with this name or id among those that are known by id; a name counts first.

    Raises UnknownName with the nearest, and BadInput for a name that several have.
    """
    found = [one for one, name in known.items() if name == series]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(map(str, found))
        raise BadInput(f"{len(found)} series are named {series!r}; say which by its id: {ids}")
    by_id = {str(one): one for one in known}
    if series in by_id:
        return by_id[series]
    raise UnknownName("series", series, known.values(), stored=True)
