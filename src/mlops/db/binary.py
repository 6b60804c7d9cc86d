"""PostgreSQL's binary formats, from and to numpy arrays: no text is written or parsed on either side.

COPY (its documentation, "Binary Format"): a header; for each row the number of fields, and for each field its length
(-1 for NULL) and its bytes, big-endian; a trailer. An array, as array_send gives it: 20 bytes about its one dimension,
then length and bytes of each element. Times are microseconds, dates are days since 2000-01-01.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Arrays", "array_table", "elements", "encode", "encode_records"]

Arrays = dict[str, npt.NDArray[Any]]
"""Columns by name, all of one length; a column of two dimensions is an array of double precision in each row."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
ABOUT_ARRAY, ABOUT_TABLE = 20, 28
FLOAT8 = 701  # its number in pg_type
EPOCH = np.datetime64("2000-01-01")
ROWS = 16_384  # in one message; chosen, not measured: about a megabyte of a dozen columns
WIRE = {"int64": ">i8", "int32": ">i4", "int16": ">i2", "float64": ">f8", "float32": ">f4", "bool": "i1"}
ELEMENT = np.dtype([("length", ">i4"), ("element", ">f8")])
TIMES = {"datetime64[us]": ("us", ">i8"), "datetime64[D]": ("D", ">i4")}

INTEGER, NULL = struct.Struct(">i").pack, b"\xff\xff\xff\xff"
LONG, REAL = struct.Struct(">q").pack, struct.Struct(">f").pack
EPOCH_US = 946_684_800_000_000  # 2000-01-01 in microseconds of the Unix epoch
SENT: Mapping[str, Callable[[Any], bytes]] = {
    "int4": INTEGER,
    "int8": LONG,
    "float4": REAL,
    "text": str.encode,
    "json": bytes,
    "jsonb": b"\x01".__add__,
    "bytea": bytes,
    "timestamptz": lambda microseconds: LONG(microseconds - EPOCH_US),
}
"""How a value of a type is sent: JSON as its text in UTF-8, a time as microseconds of the Unix epoch."""


def encode(columns: Mapping[str, npt.NDArray[Any]]) -> Iterator[bytes]:
    """The rows of some columns (integers, floats, booleans, datetime64[us] and [D]); NaN and NaT become NULL.

    Inside of arrays NaN stays NaN. Rows with the same columns missing are sent together, for those are of one width;
    within such a group they keep their order.
    """
    rows = len(next(iter(columns.values())))
    missing = {name: absent for name, array in columns.items() if (absent := _absent(array)).any()}
    pattern = np.zeros(rows, dtype=np.int64)
    for bit, absent in enumerate(missing.values()):
        pattern |= absent.astype(np.int64) << bit
    yield HEADER
    for absences in np.unique(pattern):
        gone = {name for bit, name in enumerate(missing) if absences >> bit & 1}
        places = np.flatnonzero(pattern == absences) if len(missing) else np.arange(rows)
        for begin in range(0, len(places), ROWS):
            yield _records(columns, places[begin : begin + ROWS], gone)
    yield TRAILER


def encode_records(types: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Rows of values of these types (those of SENT); None is NULL."""
    makers, fields = [SENT[name] for name in types], struct.pack(">h", len(types))
    yield HEADER
    parts: list[bytes] = []
    for row in rows:
        parts.append(fields)
        for make, value in zip(makers, row, strict=True):
            if value is None:
                parts.append(NULL)
            else:
                sent = make(value)
                parts += (INTEGER(len(sent)), sent)
        if len(parts) > ROWS:
            yield b"".join(parts)
            parts.clear()
    yield b"".join(parts) + TRAILER


def array_table(sent: bytes, width: int) -> npt.NDArray[np.float64]:
    """The rows, `width` numbers each, of an array of arrays without NULLs that array_send gave."""
    return np.frombuffer(sent, dtype=ELEMENT, offset=ABOUT_TABLE)["element"].astype(np.float64).reshape(-1, width)


def elements(sent: bytes, dtype: str) -> npt.NDArray[Any]:
    """The elements of an array without NULLs that array_send gave."""
    wanted = np.dtype(dtype)
    layout = np.dtype([("length", ">i4"), ("element", _wire(wanted))])
    read: npt.NDArray[Any] = np.frombuffer(sent, dtype=layout, offset=ABOUT_ARRAY)["element"]
    if wanted.kind != "M":
        return read.astype(wanted)
    unit, _ = TIMES[wanted.name]
    times: npt.NDArray[Any] = EPOCH.astype(wanted) + read.astype(f"timedelta64[{unit}]")
    return times


def _records(columns: Mapping[str, npt.NDArray[Any]], places: npt.NDArray[np.int64], gone: set[str]) -> bytes:
    layout: list[tuple[str, str | np.dtype[Any]]] = [("fields", ">i2")]
    for name, array in columns.items():
        layout.append((f"length of {name}", ">i4"))
        if name not in gone:
            # of arrays: dimensions, NULLs, type of the elements, their number, the first one's index; then these
            arrays = [("about", ">i4", (5,)), ("elements", ELEMENT, array.shape[1:])]
            layout.append((name, _wire(array.dtype) if array.ndim == 1 else np.dtype(arrays)))
    records = np.empty(len(places), dtype=np.dtype(layout))
    records["fields"] = len(columns)
    for name, array in columns.items():
        if name in gone:
            records[f"length of {name}"] = -1
        else:
            records[f"length of {name}"] = records.dtype[name].itemsize
            if array.ndim == 1:
                records[name] = _foreign(array[places])
            else:
                records[name]["about"] = 1, 0, FLOAT8, array.shape[1], 1
                records[name]["elements"]["length"] = 8
                records[name]["elements"]["element"] = array[places]
    return records.tobytes()


def _wire(dtype: np.dtype[Any]) -> str:
    return TIMES[dtype.name][1] if dtype.name in TIMES else WIRE[dtype.name]


def _absent(array: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    absent: npt.NDArray[np.bool_] = np.zeros(len(array), dtype=bool)
    if array.dtype.kind == "M":
        absent = np.isnat(array)
    elif array.dtype.kind == "f" and array.ndim == 1:
        absent = np.isnan(array)
    return absent


def _foreign(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind != "M":
        return array
    unit, _ = TIMES[array.dtype.name]
    since: npt.NDArray[Any] = (array - EPOCH.astype(f"datetime64[{unit}]")).astype(np.int64)
    return since
