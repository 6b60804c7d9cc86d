"""User frames become `series_id, ds, y`; results get the user's column names and kind of frame."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from mlops.errors import BadInput, nearest
from mlops.panels.categories import as_text
from mlops.tables import as_pandas, like, without_rows

__all__ = ["ONE", "Form", "Table", "taken"]

Table = Any
"""A frame of pandas (also a Series of values by time), polars, Arrow or whatever else narwhals takes."""
ONE = "series"
"""The id of a single series that came without one."""
COLUMNS = {"series": "series_id", "time": "ds", "target": "y"}
KEYS = ("series_id", "ds", "y", "time_zone")
ALSO = {"series": ("series_id", "unique_id"), "time": ("ds",), "target": ("y",)}
"""The names by which columns are recognised."""
ARGUMENTS = {"series": "id_col", "time": "time_col", "target": "target_col"}
RESULTS = ("cutoff", "step", "y_hat", "y_hat_what_if", "difference", "closed", "scale", "scale_rms")
"""Columns of results, by which none of a user's can be called."""


@dataclass(frozen=True)
class Form:
    """What the columns of a frame are called, the dtype of its ids, and the frame itself as an example of its kind."""

    series: str | None = "series_id"
    """None: a single series without a column of ids."""
    time: str = "ds"
    target: str = "y"
    ids: Any = None
    example: Any = None

    @property
    def names(self) -> dict[str, str | None]:
        """Its column names where they differ from the library's, as JSON."""
        mine = {"series": self.series, "time": self.time, "target": self.target}
        return {role: name for role, name in mine.items() if name != COLUMNS[role]}

    def back(self, result: pd.DataFrame) -> Any:
        """A frame of the library's, `series_id, ds, …`, in this form."""
        if self.ids is not None and result["series_id"].dtype != self.ids:
            result = result.assign(series_id=result["series_id"].astype(self.ids))
        if self.series is None:
            result = result.drop(columns="series_id")
        mine = {COLUMNS[role]: name for role, name in self.names.items() if name is not None}
        result = result.rename(columns=mine) if mine else result
        return result if self.example is None else like(self.example, result, times=(self.time, "cutoff"), of=self.time)


def taken(
    frame: Table,
    known: Form | None = None,
    *,
    target: bool = True,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
) -> tuple[pd.DataFrame, Form]:
    """A frame as `series_id, ds, y` and its further columns, and its form.

    Its columns are found by the arguments, else as in a `known` form, else as in ALSO; without a column of ids it
    is one series. Times and ids in the index count as columns. Without `target` it needs none.

    Raises BadInput for what is no frame, and for a column that is not there.
    """
    rows = _with_columns(as_pandas(frame))
    twice = rows.columns[rows.columns.duplicated()]
    if len(twice):
        raise BadInput(f"the frame has two columns {twice[0]!r}; drop or rename one")
    arguments = {"series": id_col, "time": time_col, "target": target_col}
    called: dict[str, str | None] = {}
    for role, name in arguments.items():
        if name is not None and name not in rows.columns:
            raise BadInput(f"the frame has no column {name!r} ({ARGUMENTS[role]}){_there(name, rows.columns)}")
        if name in RESULTS:
            raise BadInput(f"{ARGUMENTS[role]} = {name!r} is also a column of results; rename it in the frame")
        choices = (name,) if name is not None else ((getattr(known, role),) if known is not None else ()) + ALSO[role]
        called[role] = next((choice for choice in choices if choice in rows.columns), None)
    lacking = [COLUMNS[role] for role in ("time", *(("target",) if target else ())) if called[role] is None]
    if lacking:
        raise BadInput(
            f"the frame has no column {', '.join(lacking)}; expected series_id, ds, y, or the names that id_col=,"
            f" time_col= and target_col= say{_there(lacking[0], rows.columns)}"
        )
    rows = _renamed(rows, called)
    if called["series"] is None:
        if target:
            _refuse_several(rows)
        rows.insert(0, "series_id", ONE)
    _check_ids(rows["series_id"])
    ids = rows["series_id"].dtype
    form = Form(called["series"], called["time"] or "ds", called["target"] or "y", ids, without_rows(frame))
    if known is not None:
        form = replace(form, target=called["target"] or known.target)
    return rows.assign(**{name: _plain(rows[name], key=name in KEYS) for name in rows.columns}), form


def _with_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what its index names as columns; an index of times without a name is `ds`."""
    index = frame.index
    if index.names == [None]:
        timed = isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) and "ds" not in frame.columns
        return frame.rename_axis("ds").reset_index() if timed else frame.reset_index(drop=True)
    levels = [name for name in index.names if name is not None and name not in frame.columns]
    return frame.reset_index(level=levels).reset_index(drop=True) if levels else frame.reset_index(drop=True)


def _renamed(frame: pd.DataFrame, called: dict[str, str | None]) -> pd.DataFrame:
    mine = {name: COLUMNS[role] for role, name in called.items() if name is not None and name != COLUMNS[role]}
    taken_by = [
        COLUMNS[role] for role, name in called.items() if COLUMNS[role] in frame.columns and name != COLUMNS[role]
    ]
    for name in taken_by:
        if name in mine.values():
            other = next(column for column, to in mine.items() if to == name)
            raise BadInput(f"the frame has both columns {other!r} and {name!r}; drop or rename the second")
    return frame.rename(columns=mine)


def _refuse_several(rows: pd.DataFrame) -> None:
    """BadInput where a frame without ids has more than one series."""
    seen = rows.loc[rows["y"].notna(), "ds"]
    twice = seen[seen.duplicated() & seen.notna()]
    if len(twice):
        raise BadInput(
            f"without a column series_id the frame is one series, but it has two rows for {twice.iloc[0]}; name the"
            f" column of ids by id_col=, or keep one row. Its columns are {', '.join(map(str, rows.columns))}"
        )


def _check_ids(ids: "pd.Series[Any]") -> None:
    """BadInput for ids that no file can hold: of several types, or made of several values."""
    if ids.dtype != object or not pd.api.types.infer_dtype(ids).startswith("mixed"):
        return
    kinds = {type(value): value for value in ids.dropna()}
    if len(kinds) > 1 or isinstance(next(iter(kinds.values()), None), tuple | list | dict | set):
        some = " and ".join(repr(value) for value in list(kinds.values())[:2])
        raise BadInput(f"series_id holds {some}; expected ids of one type, text or numbers: turn them into text")


def _plain(column: "pd.Series[Any]", *, key: bool) -> "pd.Series[Any]":
    """A column of categories, periods, Arrow's or nullable types as numpy has it; categories of numbers are text.

    But for a key, which is what its categories are.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) and not key and pd.api.types.is_numeric_dtype(dtype.categories.dtype):
        return as_text(column)
    if isinstance(dtype, pd.CategoricalDtype):
        return column.astype(dtype.categories.dtype)
    if isinstance(dtype, pd.PeriodDtype):
        return pd.Series(column.dt.to_timestamp())
    if not pd.api.types.is_extension_array_dtype(dtype) or isinstance(dtype, pd.DatetimeTZDtype):
        return column
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_integer_dtype(dtype):
        return pd.Series(column.to_numpy(float, na_value=float("nan")), column.index, name=column.name)
    if pd.api.types.is_integer_dtype(dtype) and column.isna().any():
        return pd.Series(column.to_numpy(float, na_value=float("nan")), column.index, name=column.name)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return pd.Series(pd.to_datetime(column.to_numpy(object)), column.index, name=column.name)
    return column.astype(object).infer_objects()


def _there(wanted: str, columns: Iterable[object]) -> str:
    names = [str(column) for column in columns]
    close = nearest(wanted, names)
    return f"; did you mean {close!r}?" if close else f"; its columns are {', '.join(names) or 'none'}"
