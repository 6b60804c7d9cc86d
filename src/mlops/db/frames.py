"""Frames out of and into Postgres."""

from collections.abc import Collection, Iterable, Sequence
from io import BytesIO
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql

__all__ = ["as_frame", "copy_into"]


def as_frame(columns: Sequence[str], rows: Iterable[Sequence[Any]], times: Collection[str]) -> pd.DataFrame:
    """A frame; the columns named in `times` are turned into naive UTC."""
    frame = pd.DataFrame([tuple(row) for row in rows], columns=list(columns))
    for name in times:
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.tz_localize(None).astype("datetime64[ns]")
    return frame


def copy_into(cursor: psycopg.Cursor[Any], table: str, frame: pd.DataFrame) -> None:
    """COPY numbers, texts and times; naive times are UTC, missing values become NULL."""
    into = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(sql.Identifier(name) for name in frame.columns)
    )
    with cursor.copy(into) as copy:
        copy.write(_as_csv(frame))


def _as_csv(frame: pd.DataFrame) -> memoryview:
    """An empty text is quoted, a missing value is not: so Postgres tells them apart."""
    written = BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    arrow_csv.write_csv(table, written, arrow_csv.WriteOptions(include_header=False, quoting_style="needed"))
    return written.getbuffer()
