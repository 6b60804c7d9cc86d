"""Many rows at once: COPY of numbers and times, several times as fast as row by row."""

from io import BytesIO

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql

from mlops.db.engine import Transaction

__all__ = ["copy_numbers"]


def copy_numbers(transaction: Transaction, table: str, frame: pd.DataFrame) -> None:
    """COPY a frame of numbers and naive UTC times into `table`; NaN and NaT become NULL."""
    into = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(sql.Identifier(name) for name in frame.columns)
    )
    with transaction._driver().cursor() as cursor, cursor.copy(into) as copy:
        copy.write(_as_csv(frame))


def _as_csv(frame: pd.DataFrame) -> memoryview:
    written = BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    arrow_csv.write_csv(table, written, arrow_csv.WriteOptions(include_header=False, quoting_style="needed"))
    return written.getbuffer()
