"""Tables that anybody sends or takes: files told by their first bytes, their columns as numbers, times and names.

What can't be taken raises BadInput with the place, what was found, what is expected and what to do.
"""

from mlops.tables.columns import MISSING, days_or_times, names, numbers, refuse_infinite, times
from mlops.tables.files import (
    ALIKE,
    ENDINGS,
    PLAIN,
    check_text,
    file_format,
    header,
    layout,
    opened,
    read_table,
    read_text,
    refuse_nul,
    write_frame,
)
from mlops.tables.frames import as_pandas, like, without_rows

__all__ = [
    "ALIKE",
    "ENDINGS",
    "MISSING",
    "PLAIN",
    "as_pandas",
    "check_text",
    "days_or_times",
    "file_format",
    "header",
    "layout",
    "like",
    "names",
    "numbers",
    "opened",
    "read_table",
    "read_text",
    "refuse_infinite",
    "refuse_nul",
    "times",
    "without_rows",
    "write_frame",
]
