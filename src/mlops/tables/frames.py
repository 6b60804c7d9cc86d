"""Frames of pandas, polars, Arrow or whatever else narwhals takes: as those of pandas, and back."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from mlops.errors import BadInput

__all__ = ["as_pandas", "like", "without_rows"]


def as_pandas(frame: Any) -> pd.DataFrame:
    """A frame of pandas, polars, Arrow or whatever else narwhals takes, as one of pandas; BadInput for another thing.

    A Series has its name for a column, else `y`. What is read lazily is read.
    """
    if isinstance(frame, pd.DataFrame):
        return frame
    if isinstance(frame, pd.Series):
        return frame.to_frame(frame.name if frame.name is not None else "y")
    import narwhals as nw

    try:
        wrapped = nw.from_native(frame)
    except TypeError as error:
        if not hasattr(frame, "__arrow_c_stream__"):
            what = f"found {type(frame).__name__}, which is no frame; expected one of pandas, polars or Arrow"
            raise BadInput(what) from error
        wrapped = nw.from_native(pa.table(frame), eager_only=True)
    return (wrapped.collect() if isinstance(wrapped, nw.LazyFrame) else wrapped).to_pandas()


def without_rows(frame: Any) -> Any:
    """A frame of another kind than pandas as an example of its kind; None for one of pandas."""
    import narwhals as nw

    if isinstance(frame, pd.DataFrame | pd.Series):
        return None
    try:
        return nw.from_native(frame).head(0).to_native()
    except TypeError:
        return frame


def like(example: Any, frame: pd.DataFrame, *, times: Sequence[str], of: str) -> Any:
    """A frame of pandas as one of the kind of `example`, its `times` of the type of the example's column `of`."""
    import narwhals as nw

    try:
        given = nw.from_native(example)
    except TypeError:  # only Arrow's own interface is known of it
        return pa.Table.from_pandas(frame, preserve_index=False)
    # the library that holds the rows, also of a frame that is read lazily
    library = (given.collect() if isinstance(given, nw.LazyFrame) else given).implementation
    made = nw.from_arrow(pa.Table.from_pandas(frame, preserve_index=False), backend=library)
    dtype = given.collect_schema().get(of)
    if dtype == nw.Date or (isinstance(dtype, nw.Datetime) and dtype.time_zone is None):
        made = made.with_columns(nw.col(name).cast(dtype) for name in times if name in made.columns)
    return made.to_native()
