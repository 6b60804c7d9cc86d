"""Series from a file `series_id, ds, y`: a backtest or a tuning without a database."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mlops import tables
from mlops.domain.series import PLACE, SEPARATOR
from mlops.errors import BadInput
from mlops.times import UTC

__all__ = ["read_frame"]

EXPECTED = f"{', '.join(tables.PLAIN)}, or the long format"
NO_SEGMENT = "none"
ZONE = "time_zone"
NUMBER = r"(?i)[-+]?([\d.,'\s]*\d[\d.,'\s]*(e[-+]?\d+)?|inf|infinity)"
"""What may be meant as a number."""


def read_frame(path: Path, covariates: Sequence[str] = (), segments: Sequence[str] = ()) -> pd.DataFrame:
    """`series_id` (text), `ds` (naive UTC), `y` and the named further columns, in the order of the file.

    The file has these columns, or is in the long format: then a series is called by its places and labels.
    A column `time_zone` is taken without being named, where the file has one; without a value it is UTC. A missing `y`
    is NaN, a missing segment is "none"; a covariate is of numbers, or of text where none of its values is one.

    Raises BadInput for what can't be read, a column that is missing, and a name, time or finite number that is none,
    with its line.
    """
    frame, where = tables.read_table(path, EXPECTED), str(path)
    if tables.layout(list(frame.columns), where) == "long":
        frame = _plain(frame, where)
    frame = frame.rename(columns={other: one for one, other in tables.ALIKE.items()})
    wanted = [*tables.PLAIN, *covariates, *segments]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        found = ", ".join(map(str, frame.columns))
        raise BadInput(f"has no column {missing[0]!r}; its columns are {found}", where=where)
    columns = {
        "series_id": tables.names(frame["series_id"], where),
        "ds": tables.days_or_times(frame["ds"], where),
        "y": tables.numbers(frame["y"], where),
        **{name: _covariate(frame[name], where) for name in covariates},
        **{name: tables.names(frame[name].astype(object).fillna(NO_SEGMENT), where) for name in segments},
    }
    if ZONE in frame.columns:
        columns[ZONE] = tables.names(frame[ZONE].astype(object).fillna(UTC), where)
    return pd.DataFrame(columns)


def _covariate(column: "pd.Series[Any]", where: str) -> "pd.Series[Any]":
    """Text where none of its values is a number, else numbers; a text among numbers is refused."""
    column = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    there = column[column.notna() & ~column.isin(tables.MISSING)]
    if pd.api.types.infer_dtype(there) != "string" or there.str.fullmatch(NUMBER).any():
        return tables.numbers(column, where)
    return column.where(column != "")


def _plain(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """The long format as a plain table; BadInput for several metric types, which are no series of one kind."""
    if "metric_type" in frame.columns:
        kinds = sorted(frame["metric_type"].dropna().astype(str).unique())
        if len(kinds) > 1:
            raise BadInput(
                f"holds {len(kinds)} metric types ({', '.join(kinds[:5])}); leave one in the file, or"
                " ingest it (mlops series ingest) and choose by --metric-type",
                where=where,
            )
    parts = [frame[name].astype(object).where(frame[name].notna(), "").astype(str) for name in PLACE if name in frame]
    if "labels" in frame.columns:
        parts.append(frame["labels"].map(_label_values))
    called = pd.Series("", index=frame.index, dtype=object)
    for part in parts:
        called = called + ((called != "") & (part != "")).map({True: SEPARATOR, False: ""}) + part
    kind = frame["metric_type"].astype(object) if "metric_type" in frame.columns else "all"
    return frame.assign(series_id=called.where(called != "", kind))


def _label_values(given: Any) -> str:
    """The values of a row's labels, as `series list` shows them; text that is no JSON object is its own name."""
    if not isinstance(given, str | dict):
        return ""
    try:
        found = json.loads(given) if isinstance(given, str) else given
        return SEPARATOR.join(str(value) for _, value in sorted(found.items()))
    except (ValueError, AttributeError):
        return str(given)
