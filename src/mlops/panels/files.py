"""The series of a file, as they were known at a time, for trainings, comparisons and predictions."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mlops import tables
from mlops.domain.granularity import labels_ends
from mlops.domain.lineage import FileSource
from mlops.domain.series import PLACE, SEPARATOR
from mlops.errors import BadInput, NothingToDo
from mlops.panels.from_frame import Panels
from mlops.panels.timestamps import restamped
from mlops.times import UTC, naive_utc

__all__ = ["FileSeries", "read_file", "read_frame"]

EXPECTED = f"{', '.join(tables.PLAIN)}, or the long format"
NO_SEGMENT = "none"
ZONE = "time_zone"
NUMBER = r"(?i)[-+]?([\d.,'\s]*\d[\d.,'\s]*(e[-+]?\d+)?|inf|infinity)"
"""What may be meant as a number."""


@dataclass(frozen=True)
class FileSeries:
    """The series of a file: `frame` has `series_id` (text), `ds` (naive UTC), `y`, covariates and segments.

    `sha256` is the digest of the file as it was read. `left_out` counts the values of steps that were not over at the
    time that was asked for.
    """

    path: Path
    freq: str
    frame: pd.DataFrame
    panels: Panels
    left_out: int
    sha256: str

    @property
    def facts(self) -> FileSource:
        """Name and SHA-256 of the file, its granularity (an alias that labels ends stays one), how many series."""
        granularity = self.freq if self.freq and labels_ends(self.freq) else self.panels.granularity.name
        count = len(self.panels.ids)
        return {"file": self.path.name, "sha256": self.sha256, "granularity": granularity, "series": count}


def read_file(
    path: Path, as_of: datetime, *, freq: str = "", covariates: Sequence[str] = (), segments: Sequence[str] = ()
) -> FileSeries:
    """The series of a file, without the steps that were not over at a time.

    Of later steps only the covariates are kept, which are known ahead.

    Parameters
    ----------
    path
        CSV, Parquet or Arrow, as `read_frame` takes it.
    as_of
        The time (aware) at which a step must be over.
    freq
        The name of a granularity or pandas' offset alias; empty: inferred.
    covariates, segments
        Further columns that are kept.

    Raises
    ------
    BadInput
        For what can't be read or is written to meanwhile.
    NothingToDo
        When nothing is left.
    """
    digest = _sha256(path)
    frame = read_frame(path, covariates, segments)
    if _sha256(path) != digest:
        raise BadInput("was written to while it was read; nothing was done, try again", where=str(path))
    frame = restamped(frame, freq) if freq and labels_ends(freq) else frame
    panels = Panels.of(frame, freq or None, covariates)
    ends = panels.granularity.over(frame["ds"].to_numpy("datetime64[ns]"))
    open_then = ends > naive_utc(as_of).to_datetime64()
    left_out = int((frame["y"].notna() & open_then).sum())
    if left_out:
        frame = frame.assign(y=frame["y"].mask(open_then)) if covariates else frame[~open_then].reset_index(drop=True)
        if not frame["y"].notna().any():
            raise NothingToDo(
                f"{path}: none of its {left_out:,} values was known by {as_of:%Y-%m-%d %H:%M} UTC; ask for a later time"
                " with --as-of"
            )
        panels = Panels.of(frame, freq or None, covariates)
    return FileSeries(path, freq, frame, panels, left_out, digest)


def read_frame(path: Path, covariates: Sequence[str] = (), segments: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a file, in its order.

    A column `time_zone` is taken without being named, where the file has one; without a value it is UTC.

    Parameters
    ----------
    path
        A file with the columns `series_id, ds, y`, or in the long format: then a series is called by its places and
        labels.
    covariates
        Further columns of numbers, or of text where none of the values is a number.
    segments
        Further columns of text; a missing value is "none".

    Returns
    -------
    pandas.DataFrame
        `series_id` (text), `ds` (naive UTC), `y` (NaN where it is missing) and the further columns.

    Raises
    ------
    BadInput
        For what can't be read, a column that is missing, and a name, time or finite number that is none, with its line.
    """
    frame, where = tables.read_table(path, EXPECTED), str(path)
    if tables.layout(list(frame.columns), where) == "long":
        frame = _plain(frame, where)
    frame = frame.rename(columns={other: name for name, other in tables.ALIKE.items()})
    wanted = [*tables.PLAIN, *covariates, *segments]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        known = ", ".join(map(str, frame.columns))
        raise BadInput(f"has no column {missing[0]!r}; its columns are {known}", where=where)
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


def _sha256(path: Path) -> str:
    """The digest of a file; empty where it can't be read, which is reported when it is parsed."""
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return ""


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
        labels = json.loads(given) if isinstance(given, str) else given
        return SEPARATOR.join(str(value) for _, value in sorted(labels.items()))
    except (ValueError, AttributeError):
        return str(given)
