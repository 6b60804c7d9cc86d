"""Frames and arrays out of and into Postgres."""

from collections.abc import Collection, Iterable, Sequence
from io import BytesIO
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql

from mlops.db.binary import Arrays, encode

__all__ = ["as_frame", "copy_arrays", "copy_into"]


def as_frame(columns: Sequence[str], rows: Iterable[Sequence[Any]], times: Collection[str]) -> pd.DataFrame:
    """A frame; the columns named in `times` are turned into naive UTC."""
    frame = pd.DataFrame([tuple(row) for row in rows], columns=list(columns))
    for name in times:
        frame[name] = pd.to_datetime(frame[name], utc=True, cache=False).dt.tz_localize(None).astype("datetime64[ns]")
    return frame


def copy_into(cursor: psycopg.Cursor[Any], table: str, frame: pd.DataFrame) -> None:
    """COPY numbers, texts and times; naive times are UTC, missing values become NULL."""
    into = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(sql.Identifier(name) for name in frame.columns)
    )
    with cursor.copy(into) as copy:
        copy.write(_as_csv(frame))


def copy_arrays(cursor: psycopg.Cursor[Any], table: str, columns: Arrays, *, freeze: bool = False) -> None:
    """COPY arrays in the binary format, which neither side has to spell or parse."""
    into = sql.SQL("copy {} ({}) from stdin (format binary{})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(sql.Identifier(name) for name in columns),
        sql.SQL(", freeze" if freeze else ""),
    )
    with cursor.copy(into) as copy:
        for data in encode(columns):
            copy.write(data)


def _as_csv(frame: pd.DataFrame) -> memoryview:
    """An empty text is quoted, a missing value is not: so Postgres tells them apart."""
    written = BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    arrow_csv.write_csv(table, written, arrow_csv.WriteOptions(include_header=False, quoting_style="needed"))
    return written.getbuffer()
