"""Series from a file `series_id, ds, y`: a backtest or a tuning without a database."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mlops import tables
from mlops.domain.clock import UTC
from mlops.errors import BadInput

__all__ = ["read_frame"]

KEYS = ("series_id", "ds", "y")
EXPECTED = ", ".join(KEYS)
NO_SEGMENT = "none"
ZONE = "time_zone"


def read_frame(path: Path, covariates: Sequence[str] = (), segments: Sequence[str] = ()) -> pd.DataFrame:
    """`series_id` (text), `ds` (naive UTC), `y` and the named further columns, in the order of the file.

    A column `time_zone` is taken without being named, where the file has one; without a value it is UTC. A missing `y`
    is NaN, a missing segment is "none". Raises BadInput for what can't be read, a column that is missing, and a name,
    time or finite number that is none, with its line.
    """
    frame, where = tables.read_table(path, EXPECTED), str(path)
    wanted = [*KEYS, *covariates, *segments]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        found = ", ".join(map(str, frame.columns))
        raise BadInput(f"has no column {missing[0]!r}; its columns are {found}; expected {EXPECTED}", where=where)
    columns = {
        "series_id": tables.names(frame["series_id"], where),
        "ds": tables.days_or_times(frame["ds"], where),
        **{name: tables.numbers(frame[name], where) for name in ("y", *covariates)},
        **{name: tables.names(frame[name].astype(object).fillna(NO_SEGMENT), where) for name in segments},
    }
    if ZONE in frame.columns:
        columns[ZONE] = tables.names(frame[ZONE].astype(object).fillna(UTC), where)
    return pd.DataFrame(columns)
