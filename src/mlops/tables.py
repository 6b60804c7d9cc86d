"""Tables that anybody sends: a file told by its first bytes and read whole, and its columns as numbers, times, names.

What can't be taken raises BadInput with the place, what was found, what is expected and what to do.
"""

import codecs
import csv
import gzip
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from mlops.dialect import UTF8, Dialect, Recoded, decimal_of, recognised, with_points
from mlops.domain.series import PLACE
from mlops.errors import BadInput, Misused, nearest

__all__ = [
    "MISSING",
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
]

FileFormat = Literal["csv", "gzip", "parquet", "arrow"]
EXPECTED = "expected CSV (gzipped or not), Parquet or an Arrow file"
PLAIN, LONG = ("series_id", "ds", "y"), ("metric_type", "observed_at", "value")
"""The columns of a plain file of series, and those of the long format."""
ALIKE = {"ds": "observed_at", "y": "value"}
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""How files of others write that a number is not there; a name is never missing but by being empty."""
MIDNIGHT = r"00:00(:00(\.0+)?)?"
HEADER_BYTES = 1 << 16
HEAD = 4096  # bytes of a file that tell what it is

FORMATS: Mapping[bytes, FileFormat] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\x1f\x8b": "gzip"}
UNREAD = {
    b"PK\x03\x04": "is a zip archive (or a workbook): unpack it, or save the sheet as CSV, and send that file",
    b"PK\x05\x06": "is an empty zip archive: send the file that belongs in it",
    b"BZh": "is compressed by bzip2: unpack it, or compress it by gzip",
    b"\xfd7zXZ": "is compressed by xz: unpack it, or compress it by gzip",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd: unpack it, or compress it by gzip",
    b"\xff\xff\xff\xff": "is an Arrow stream, without the end that an Arrow file has: write it by pyarrow.ipc.new_file",
    b"\xff\xfe\x00\x00": "is text in UTF-32: save it as UTF-8",
    b"\x00\x00\xfe\xff": "is text in UTF-32: save it as UTF-8",
}
"""Files that are told from their first bytes and not read, longer marks before shorter ones."""


def file_format(path: Path) -> FileFormat:
    """What a file is, told from its first bytes; BadInput for what is no table that is read here."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        found = _format(head, path)
        if found == "gzip":
            with gzip.open(path) as inner:
                if _format(_some(inner), path) != "csv":
                    raise BadInput(f"is gzipped, but holds no CSV; unpack it; {EXPECTED}", where=str(path))
    except FileNotFoundError as error:
        raise Misused(f"no such file; a path is looked up from {Path.cwd()}", where=str(path)) from error
    except (IsADirectoryError, PermissionError) as error:
        what = f"can't be read: {error.strerror}; name a file that this user may read"
        raise Misused(what, where=str(path)) from error
    except OSError as error:
        raise BadInput(f"can't be read: {error.strerror or error}; {EXPECTED}", where=str(path)) from error
    return found


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
        found = nw.from_native(frame)
    except TypeError as error:
        if not hasattr(frame, "__arrow_c_stream__"):
            what = f"found {type(frame).__name__}, which is no frame; expected one of pandas, polars or Arrow"
            raise BadInput(what) from error
        found = nw.from_native(pa.table(frame), eager_only=True)
    return (found.collect() if isinstance(found, nw.LazyFrame) else found).to_pandas()


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
    made = nw.from_arrow(pa.Table.from_pandas(frame, preserve_index=False), backend=_eager(given))
    dtype = given.collect_schema().get(of)
    if dtype == nw.Date or (isinstance(dtype, nw.Datetime) and dtype.time_zone is None):
        made = made.with_columns(nw.col(name).cast(dtype) for name in times if name in made.columns)
    return made.to_native()


def _eager(frame: Any) -> Any:
    """The library in which narwhals holds the rows of a frame, also of one that is read lazily."""
    import narwhals as nw

    return (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).implementation


def check_text(data: bytes, where: str, *, line: int = 1) -> None:
    """Raise BadInput unless the bytes, which begin on that line, are UTF-8."""
    if data.isascii():
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise BadInput(
            f"found the byte 0x{data[error.start]:02x}, which is not UTF-8 (it may be Latin-1 or Windows-1252);"
            " save the file as UTF-8",
            where=where,
            line=line + data.count(b"\n", 0, error.start),
        ) from error


def refuse_nul(data: bytes, where: str) -> None:
    """Raise BadInput where a text holds the character NUL."""
    at = data.find(b"\0")
    if at >= 0:
        line = 1 + data.count(b"\n", 0, at)
        raise BadInput("found the character NUL, which no text holds; take it out", where=where, line=line)


def read_table(path: Path, expected: str) -> pd.DataFrame:
    """A file read whole: of CSV every cell is text (NaN where it is empty), else columns have the file's own types.

    `expected` says in a refusal which columns there should be.
    """
    found = file_format(path)
    try:
        if found == "parquet":
            return pd.DataFrame(parquet.read_table(path).to_pandas())
        if found == "arrow":
            return pd.DataFrame(pa.ipc.open_file(path).read_all().to_pandas())
        return _csv(path, compressed=found == "gzip")
    except BadInput:
        raise
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(f"can't be read: {said[0]}; {EXPECTED} with {expected}", where=str(path)) from error


def header(path: Path) -> list[str]:
    """The names of the columns of a file."""
    found = file_format(path)
    if found == "parquet":
        return list(parquet.read_schema(path).names)
    if found == "arrow":
        return list(pa.ipc.open_file(path).schema.names)
    unpacked = partial(opened, path, compressed=found == "gzip")
    dialect = recognised(unpacked, str(path), whole=False)
    with Recoded(unpacked(), dialect.encoding, str(path)) as file:
        first = file.read(HEADER_BYTES).decode("utf-8-sig", "replace").splitlines()[:1]
    return next(csv.reader(first, delimiter=dialect.delimiter), [])


def opened(path: Path, *, compressed: bool) -> IO[bytes]:
    """The bytes of a text file, unpacked."""
    return cast(IO[bytes], gzip.open(path)) if compressed else path.open("rb")


def read_text(path: Path, *, compressed: bool = False) -> tuple[bytes, Dialect]:
    """A text file read whole as UTF-8, and how it was written; BadInput for bytes that are no text."""
    dialect = recognised(partial(opened, path, compressed=compressed), str(path))
    with opened(path, compressed=compressed) as file:
        data = file.read()
    if dialect.encoding == UTF8:
        check_text(data, str(path))
        return data, dialect
    return b"".join(iter(Recoded(BytesIO(data), dialect.encoding, str(path)).read, b"")), dialect


def layout(columns: Sequence[str], where: str) -> Literal["plain", "long"]:
    """Whether a table of series is a plain one (`series_id, ds, y`) or in the long format; else BadInput with both.

    The long format may lack `metric_type` where somebody else says it.
    """
    found, given = ", ".join(map(str, columns)), {ALIKE.get(name, name) for name in columns}
    for one, other in ALIKE.items():
        if {one, other} <= set(columns):
            raise BadInput(
                f"has both columns {one!r} and {other!r}, which mean the same; drop one", where=where, line=1
            )
    whose = {"series_id", "metric_type", *PLACE, "labels"}
    if set(LONG[1:]) <= given and (whose & given or set(PLAIN[1:]) - set(columns) or set(columns) <= set(PLAIN)):
        return "plain" if "series_id" in given else "long"
    wanted = PLAIN if {"series_id", *ALIKE} & set(columns) else LONG[1:]
    missing = next(name for name in wanted if ALIKE.get(name, name) not in given)
    close = nearest(missing, map(str, columns))
    hint = f" (is {close!r} meant?)" if close else ""
    raise BadInput(
        f"column {missing!r} is missing{hint}; found {found}; expected {', '.join(PLAIN)}, or the long format:"
        f" {', '.join(LONG)}",
        where=where,
        line=1,
    )


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
        found = pd.to_numeric(given.where(~absent) if texts else given, errors="coerce").astype(float)
    except (TypeError, ValueError):  # times, intervals
        found = pd.Series(np.nan, given.index)
    _refuse_first(given, (found.isna() & ~absent).to_numpy(bool), "is not a number", where)
    _refuse_first(given, np.isinf(found.to_numpy()), "is infinite; correct it, or leave it out", where)
    return found


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
    found = pd.to_datetime(given, utc=True, errors="coerce", format="ISO8601")
    lost = (found.isna() & given.notna()).to_numpy(bool)
    _refuse_first(given, lost, "is not a time; expected 2020-03-23 or 2020-03-23T06:00:00+00:00", where)
    return found.dt.tz_localize(None)


def days_or_times(given: "pd.Series[Any]", where: str = "") -> "pd.Series[pd.Timestamp]":
    """`times`, but midnights of one time zone or offset, and nothing else, are the local dates: they are days."""
    if isinstance(given.dtype, pd.DatetimeTZDtype):
        shown: pd.Series[pd.Timestamp] = given.dt.tz_localize(None)
        if (shown.isna() | (shown == shown.dt.normalize())).all():
            return shown
    found = times(given, where)
    if _is_text(given) and len(given):
        clocks, offsets = _offsets(given)
        if len(offsets) == 1 and not clocks.isna().any() and clocks.str.fullmatch(MIDNIGHT).all():
            return times(given.str.slice(0, len("2020-03-23")), where)
    return found


def refuse_infinite(values: npt.NDArray[Any], frame: pd.DataFrame, name: str, *, of: str, at: str) -> None:
    """BadInput when a value of the frame's column `name` is infinite; `of` and `at` are the columns that say where."""
    bad = np.isinf(values)
    if bad.any():
        row = frame.iloc[int(bad.argmax())]
        whose = f"{of.removesuffix('_id')} {row[of]!r}"
        raise BadInput(f"{whose} has an infinite {name} at {row[at]}; correct it, or leave it out")


def _format(head: bytes, path: Path) -> FileFormat:
    for mark, found in FORMATS.items():
        if head.startswith(mark):
            return found
    for mark, what in UNREAD.items():
        if head.startswith(mark):
            raise BadInput(f"{what}; {EXPECTED}", where=str(path))
    zeros = [place % 2 for place, byte in enumerate(head) if not byte]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "csv"
    if len(zeros) > len(head) / 4 and len(set(zeros)) == 1:  # UTF-16 without a mark
        return "csv"
    if zeros and not _begins_in_utf8(head):
        raise BadInput(f"is no text; {EXPECTED}", where=str(path))
    return "csv"


def _begins_in_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _some(inner: gzip.GzipFile) -> bytes:
    """The first bytes of what is compressed; what breaks off is told by who reads it to its end."""
    try:
        return inner.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""


def _csv(path: Path, *, compressed: bool) -> pd.DataFrame:
    data, dialect = read_text(path, compressed=compressed)
    refuse_nul(data, str(path))
    frame = pd.read_csv(
        BytesIO(data), sep=dialect.delimiter, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig"
    )
    frame.attrs["delimiter"] = dialect.delimiter
    if not isinstance(frame.index, pd.RangeIndex):
        raise BadInput("its lines have more fields than its header; name every column", where=str(path))
    return frame


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
        nested = given.map(lambda one: isinstance(one, list | tuple | dict | set | np.ndarray)).to_numpy(bool)
        if nested.any():
            kind = type(given.iloc[int(nested.argmax())]).__name__
            what = "lists" if kind in ("list", "tuple", "ndarray", "set") else "mappings"
            raise BadInput(f"column {given.name!r} holds {what}; expected one value a row", where=where)


def _refuse_first(given: "pd.Series[Any]", bad: npt.NDArray[np.bool_], why: str, where: str) -> None:
    """BadInput for the first bad row; in a file, which has a header, with its line."""
    if bad.any():
        row = int(bad.argmax())
        raise BadInput(f"{given.name} = {given.iloc[row]!r} {why}", where=where, line=row + 2 if where else None)
