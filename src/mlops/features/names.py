"""Series by the names that people know them by."""

from mlops.db import Database
from mlops.domain.features import Selection

__all__ = ["names"]


def names(database: Database, selection: Selection) -> dict[int, str]:
    """Every series of a selection: its id, and its place and labels in one phrase."""
    with database.transaction() as transaction:
        rows = transaction.rows(
            "series_names",
            metric_type=selection.metric_type,
            granularity=selection.granularity,
            labels=selection.labels or None,
        )
    return {row["series_id"]: row["name"] for row in rows}
