"""Frames out of and into Postgres."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql

__all__ = ["as_frame", "copy_into", "records"]


def as_frame(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """A frame whose aware times are turned into naive UTC."""
    frame = pd.DataFrame([tuple(row) for row in rows], columns=list(columns))
    for name in frame.columns[frame.map(_is_time).any()] if len(frame) else []:
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.tz_localize(None).astype("datetime64[ns]")
    return frame


def copy_into(cursor: psycopg.Cursor[Any], table: str, frame: pd.DataFrame) -> None:
    """COPY; naive times are UTC, missing values become NULL."""
    into = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(sql.Identifier(name) for name in frame.columns)
    )
    with cursor.copy(into) as copy:
        for row in records(frame):
            copy.write_row(row)


def records(frame: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    """Rows as tuples of plain Python values, None where a value is missing."""
    columns = [frame[name].astype(object).where(frame[name].notna(), None) for name in frame.columns]
    return zip(*columns, strict=True)


def _is_time(value: object) -> bool:
    return hasattr(value, "tzinfo") and value.tzinfo is not None
