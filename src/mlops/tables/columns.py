"""Columns that anybody sends, as numbers, times and names: taken, or refused with the first value that can't be."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.errors import BadInput
from mlops.tables.dialect import decimal_of, with_points

__all__ = ["MISSING", "days_or_times", "names", "numbers", "refuse_infinite", "times"]

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""How files of others write that a number is not there; a name is never missing but by being empty."""
MIDNIGHT = r"00:00(:00(\.0+)?)?"


def names(given: "pd.Series[Any]", where: str) -> "pd.Series[str]":
    """A column of names as text, and `NA` or `nan` is one; BadInput for the first that is missing."""
    _refuse_nested(given, where)
    missing = (given.isna() | (given.astype(object) == "")).to_numpy(bool)
    _refuse_first(given, missing, "is missing; every row names its series", where)
    return given.astype(str)


def numbers(given: "pd.Series[Any]", where: str) -> "pd.Series[float]":
    """A column as floats, NaN where nothing is there (MISSING); BadInput for the first that is no finite number.

    Of texts decimal commas and thousands separators are recognised, or refused where they may mean either.
    """
    _refuse_nested(given, where)
    texts = _is_text(given)
    if texts:
        given = _with_points(given, where)
    absent = given.isna() | given.isin(MISSING) if texts else given.isna()
    try:
        floats = pd.to_numeric(given.where(~absent) if texts else given, errors="coerce").astype(float)
    except (TypeError, ValueError):  # times, intervals
        floats = pd.Series(np.nan, given.index)
    _refuse_first(given, (floats.isna() & ~absent).to_numpy(bool), "is not a number", where)
    _refuse_first(given, np.isinf(floats.to_numpy()), "is infinite; correct it, or leave it out", where)
    return floats


def times(given: "pd.Series[Any]", where: str = "") -> "pd.Series[pd.Timestamp]":
    """A column of times, or of texts like 2020-03-23T06:00+02:00, as naive UTC; NaT where nothing is there.

    A text without an offset is UTC. Midnights of several offsets are refused: nobody can say of which days they are.
    """
    if pd.api.types.is_datetime64_any_dtype(given):
        return given.dt.tz_convert("UTC").dt.tz_localize(None) if given.dt.tz is not None else given
    if not _is_text(given):
        raise BadInput(f"{given.name} holds {given.dtype}, which is no time; expected 2020-03-23", where=where)
    _refuse_nested(given, where)
    _refuse_two_midnights(given, where)
    parsed = pd.to_datetime(given, utc=True, errors="coerce", format="ISO8601")
    lost = (parsed.isna() & given.notna()).to_numpy(bool)
    _refuse_first(given, lost, "is not a time; expected 2020-03-23 or 2020-03-23T06:00:00+00:00", where)
    return parsed.dt.tz_localize(None)


def days_or_times(given: "pd.Series[Any]", where: str = "") -> "pd.Series[pd.Timestamp]":
    """`times`, but midnights of one time zone or offset, and nothing else, are the local dates: they are days."""
    if isinstance(given.dtype, pd.DatetimeTZDtype):
        shown: pd.Series[pd.Timestamp] = given.dt.tz_localize(None)
        if (shown.isna() | (shown == shown.dt.normalize())).all():
            return shown
    instants = times(given, where)
    if _is_text(given) and len(given):
        clocks, offsets = _offsets(given)
        if len(offsets) == 1 and not clocks.isna().any() and clocks.str.fullmatch(MIDNIGHT).all():
            return times(given.str.slice(0, len("2020-03-23")), where)
    return instants


def refuse_infinite(values: npt.NDArray[Any], frame: pd.DataFrame, name: str, *, of: str, at: str) -> None:
    """BadInput when a value of the frame's column `name` is infinite; `of` and `at` are the columns that say where."""
    bad = np.isinf(values)
    if bad.any():
        row = frame.iloc[int(bad.argmax())]
        whose = f"{of.removesuffix('_id')} {row[of]!r}"
        raise BadInput(f"{whose} has an infinite {name} at {row[at]}; correct it, or leave it out")


def _offsets(given: "pd.Series[Any]") -> tuple["pd.Series[Any]", list[str]]:
    """The time of day of each distinct text that writes an offset (else missing), and the offsets."""
    texts = pd.Series(given.dropna().unique(), dtype=object).astype(str)
    parts = texts.str.extract(r"[T ](?P<clock>[\d:.]+) *(?P<offset>Z|[+-]\d\d(?::?\d\d)?)$")
    return parts["clock"], sorted(parts["offset"].dropna().unique())


def _refuse_two_midnights(given: "pd.Series[Any]", where: str) -> None:
    """Texts of days with an offset are instants: by several offsets they are no calendar of days."""
    clocks, offsets = _offsets(given)
    if len(offsets) > 1 and clocks.dropna().str.fullmatch(MIDNIGHT).all():
        raise BadInput(
            f"{given.name} has midnights of {len(offsets)} offsets ({', '.join(offsets[:3])}), which are no calendar of"
            " days; write a day as its date (2020-03-23), or times in UTC",
            where=where,
        )


def _with_points(given: "pd.Series[Any]", where: str) -> "pd.Series[Any]":
    """Numbers as everybody writes them; the column is as it was where it is written so already."""
    delimiter, distinct = given.attrs.get("delimiter", ","), given.dropna().astype(str)
    odd = distinct[distinct.str.contains(",", regex=False) | (delimiter == ";")].unique()
    if not len(odd):
        return given
    decimal = decimal_of(distinct.unique(), where, str(given.name), delimiter)
    return given.map({text: with_points(text, decimal) for text in distinct.unique()}, na_action="ignore")


def _is_text(given: "pd.Series[Any]") -> bool:
    return bool(pd.api.types.is_object_dtype(given) or pd.api.types.is_string_dtype(given))


def _refuse_nested(given: "pd.Series[Any]", where: str) -> None:
    """Lists, arrays and mappings are no single values."""
    if given.dtype == object:
        nested = given.map(lambda cell: isinstance(cell, list | tuple | dict | set | np.ndarray)).to_numpy(bool)
        if nested.any():
            kind = type(given.iloc[int(nested.argmax())]).__name__
            what = "lists" if kind in ("list", "tuple", "ndarray", "set") else "mappings"
            raise BadInput(f"column {given.name!r} holds {what}; expected one value a row", where=where)


def _refuse_first(given: "pd.Series[Any]", bad: npt.NDArray[np.bool_], why: str, where: str) -> None:
    """BadInput for the first bad row; in a file, which has a header, with its line."""
    if bad.any():
        row = int(bad.argmax())
        raise BadInput(f"{given.name} = {given.iloc[row]!r} {why}", where=where, line=row + 2 if where else None)
