"""One digest for the same data, and which part of the data is other when the digests differ.

The rows are cut into parts, one for each series and month; each part has a SHA-256 over all its cells, and the digest
of the frame is that of its columns' names and types and of all parts in order. So the parts prove themselves by the
digest, and a difference is found by comparing parts.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from mlops.arrays import Ints
from mlops.domain.canonical import canonical_json
from mlops.errors import BadInput

__all__ = ["Fingerprint", "digest", "fingerprint"]

Words = npt.NDArray[np.uint64]

KEYS = ("series_id", "ds")
BLOCK_ROWS = 65_536
MISSING = np.float64("nan").view(np.uint64)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
WORD_BYTES = 8
NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


class DataFacts(TypedDict):
    """What a lineage says of the training data."""

    rows: int
    columns: dict[str, str]
    content_sha256: str


@dataclass(frozen=True)
class Fingerprint:
    """What tells a frame from every other: names and types of its columns, and its parts.

    `parts` has a row for each series and month, `series_id, month, rows, sha256` (32 bytes); a frame without
    `series_id` and `ds` is one part.
    """

    columns: dict[str, str]
    parts: pd.DataFrame

    @property
    def rows(self) -> int:
        """How many rows the frame has."""
        return int(self.parts["rows"].sum())

    @property
    def sha256(self) -> str:
        """The digest of the whole frame, hexadecimal."""
        whole = hashlib.sha256(canonical_json(self.columns).encode())
        for part in self.parts["sha256"]:
            whole.update(part)
        return whole.hexdigest()

    @property
    def facts(self) -> DataFacts:
        """What a lineage says of the data."""
        return {"rows": self.rows, "columns": self.columns, "content_sha256": self.sha256}


def digest(frame: pd.DataFrame) -> str:
    """SHA-256 over every row and column of a frame, its columns' names and types, whatever the order of either."""
    return fingerprint(frame).sha256


def fingerprint(frame: pd.DataFrame) -> Fingerprint:
    """The fingerprint of a frame of numbers, times, flags and texts; its index does not count, all missing are alike.

    Raises BadInput for two columns of one name, and for a column of objects that have no lasting text.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise BadInput(f"two columns are named {max(names, key=names.count)!r}; rename one")
    named = {name: frame.iloc[:, place] for place, name in enumerate(names)}
    columns = {name: str(named[name].dtype) for name in sorted(names)}
    if set(KEYS) <= set(named) and types.is_datetime64_any_dtype(named["ds"]):
        return Fingerprint(columns, _by_series_and_month(named))
    cells = [words for name in sorted(names) for words in _words(named[name])]
    rows = len(frame) if cells else 0
    order = _order([_mixed(cells, rows)], cells)
    one = pd.DataFrame({"rows": [rows]}).loc[lambda part: part["rows"] > 0]
    return Fingerprint(columns, one.assign(sha256=list(_digests(cells, order, np.array([rows])))))


def _by_series_and_month(named: dict[str, pd.Series]) -> pd.DataFrame:
    series, times = _words(named["series_id"]), _words(named["ds"])
    others = [words for name in sorted(set(named) - set(KEYS)) for words in _words(named[name])]
    cells = [*series, *times, *others]
    order = _order([*series, *times], cells)
    months = pd.DatetimeIndex(named["ds"]).tz_localize(None).to_numpy().astype("datetime64[M]")[order]
    first = np.any([values[1:] != values[:-1] for values in (months, *(words[order] for words in series))], axis=0)
    starts = np.flatnonzero(np.r_[True, first][: len(order)])
    found = pd.DataFrame(
        {
            "series_id": named["series_id"].to_numpy()[order[starts]],
            "month": np.datetime_as_string(months[starts]),
            "rows": np.diff(np.r_[starts, len(order)]),
        }
    )
    return found.assign(sha256=list(_digests(cells, order, found["rows"].cumsum().to_numpy())))


def _words(column: pd.Series) -> list[Words]:
    """The cells of a column as whole numbers of 64 bits, one or two arrays of them; equal cells are equal numbers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if types.is_datetime64_any_dtype(column):
        return [_ticks(pd.DatetimeIndex(column))]
    if types.is_timedelta64_dtype(column):
        return [_ticks(pd.TimedeltaIndex(column))]
    exact = getattr(column.dtype, "numpy_dtype", column.dtype)
    if not isinstance(exact, np.dtype) or exact.kind not in "iufb" or exact.itemsize > WORD_BYTES:
        return _texts(column)
    if exact is column.dtype:
        return [_numbers(column.to_numpy())]
    there = column.notna().to_numpy()
    return [there.astype(np.uint64), _numbers(column.array.to_numpy(dtype=exact, na_value=exact.type(0)))]


def _numbers(values: npt.NDArray[Any]) -> Words:
    if values.dtype.kind == "f":
        wide = np.ascontiguousarray(values, dtype=np.float64)
        return np.where(np.isnan(wide), MISSING, wide.view(np.uint64))
    return np.ascontiguousarray(values, dtype=np.uint64 if values.dtype.kind in "ub" else np.int64).view(np.uint64)


def _ticks(times: pd.DatetimeIndex | pd.TimedeltaIndex) -> Words:
    """Nanoseconds (in UTC) modulo 2**64, which no two times of one unit share."""
    ticks = times.asi8.view(np.uint64) * np.uint64(NANOSECONDS[times.unit])
    return np.where(times.isna(), MISSING, ticks)


def _texts(column: pd.Series) -> list[Words]:
    """Each value by 128 bits of its text's digest; a number and its text are two values."""
    if types.infer_dtype(column, skipna=True) not in ("string", "empty"):
        column = column.map(lambda value: _told(value, str(column.name)), na_action="ignore")
    codes, values = pd.factorize(column)
    digests = b"".join(
        hashlib.blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=16).digest() for value in values
    )
    table = np.frombuffer(digests + bytes(16), dtype="<u8").astype(np.uint64).reshape(-1, 2)  # the last: missing
    return [table[codes, 0], table[codes, 1]]


def _told(value: object, column: str) -> str:
    """Type and text of a value of an object column."""
    if isinstance(value, set | frozenset):  # the order of its values is another in every process
        return f"{type(value).__name__}({','.join(sorted(_told(entry, column) for entry in value))})"
    if isinstance(value, dict | list | tuple):
        inner = value.items() if isinstance(value, dict) else value
        return f"{type(value).__name__}({','.join(_told(entry, column) for entry in inner)})"
    if value is not None and type(value).__repr__ is object.__repr__:
        raise BadInput(f"column {column!r} holds a {type(value).__name__}, whose text is another in every process")
    return f"{type(value).__name__}:{value!r}"


def _mixed(cells: list[Words], rows: int) -> Words:
    """One number for each row, almost surely another for another row: sorting by it is sorting by one column."""
    mixed = np.zeros(rows, dtype=np.uint64)
    for words in cells:
        mixed = (mixed ^ words) * GOLDEN
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _order(keys: list[Words], cells: list[Words]) -> Ints:
    """The rows by their keys, and by all cells where keys are equal; as they are when they are so already."""
    places = np.arange(len(keys[0]))
    if _distinct(keys, places, ascending=True):
        return places
    order = np.lexsort(keys[::-1])
    return order if _distinct(keys, order) else np.lexsort([*cells[::-1], *keys[::-1]])


def _distinct(keys: list[Words], order: Ints, *, ascending: bool = False) -> bool:
    """Whether no two neighbours are equal; with `ascending`, whether each is above the one before."""
    equal = np.ones(max(len(order) - 1, 0), dtype=bool)
    above = ~equal
    for words in keys:
        ordered = words[order]
        above |= equal & (ordered[1:] > ordered[:-1])
        equal &= ordered[1:] == ordered[:-1]
    return bool(above.all()) if ascending else not equal.any()


def _digests(cells: list[Words], order: Ints, ends: Ints) -> Iterator[bytes]:
    """SHA-256 of the cells up to each end, row by row; only a block of rows is copied at a time."""
    part = hashlib.sha256()
    for start in range(0, len(order), BLOCK_ROWS):
        places = order[start : start + BLOCK_ROWS]
        block = np.column_stack([words[places] for words in cells]).astype("<u8", copy=False)
        begin = 0
        for end in ends[(ends > start) & (ends <= start + len(places))] - start:
            part.update(block[begin:end].data)
            yield part.digest()
            part, begin = hashlib.sha256(), end
        part.update(block[begin:].data)
