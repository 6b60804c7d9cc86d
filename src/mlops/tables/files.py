"""Files that hold a table: told by their first bytes, read whole, and written whole."""

import codecs
import csv
import gzip
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Literal, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from mlops.domain.series import PLACE
from mlops.errors import BadInput, Misused, nearest
from mlops.files import whole_file
from mlops.tables.dialect import UTF8, Dialect, Recoded, recognised

__all__ = [
    "ALIKE",
    "ENDINGS",
    "PLAIN",
    "check_text",
    "file_format",
    "header",
    "layout",
    "opened",
    "read_table",
    "read_text",
    "refuse_nul",
    "write_frame",
]

ENDINGS = (".csv", ".csv.gz", ".parquet")
"""Of a file that is written: they say its format."""
FileFormat = Literal["csv", "gzip", "parquet", "arrow"]
EXPECTED = "expected CSV (gzipped or not), Parquet or an Arrow file"
PLAIN, LONG = ("series_id", "ds", "y"), ("metric_type", "observed_at", "value")
"""The columns of a plain file of series, and those of the long format."""
ALIKE = {"ds": "observed_at", "y": "value"}
"""Columns of the plain format that mean the same as one of the long format."""
HEADER_BYTES = 1 << 16
"""In which a header line ends. Chosen, not measured."""
HEAD = 4096
"""Bytes of a file that tell what it is. Chosen, not measured; the longest mark has 6."""
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
        kind = _format(head, path)
        if kind == "gzip":
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
    return kind


def header(path: Path) -> list[str]:
    """The names of the columns of a file."""
    kind = file_format(path)
    if kind == "parquet":
        return list(parquet.read_schema(path).names)
    if kind == "arrow":
        return list(pa.ipc.open_file(path).schema.names)
    unpacked = partial(opened, path, compressed=kind == "gzip")
    dialect = recognised(unpacked, str(path), whole=False)
    with Recoded(unpacked(), dialect.encoding, str(path)) as file:
        first = file.read(HEADER_BYTES).decode("utf-8-sig", "replace").splitlines()[:1]
    return next(csv.reader(first, delimiter=dialect.delimiter), [])


def read_table(path: Path, expected: str) -> pd.DataFrame:
    """A file read whole: of CSV every cell is text (NaN where it is empty), else columns have the file's own types.

    `expected` says in a refusal which columns there should be.
    """
    kind = file_format(path)
    try:
        if kind == "parquet":
            return pd.DataFrame(parquet.read_table(path).to_pandas())
        if kind == "arrow":
            return pd.DataFrame(pa.ipc.open_file(path).read_all().to_pandas())
        return _csv(path, compressed=kind == "gzip")
    except BadInput:
        raise
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(f"can't be read: {said[0]}; {EXPECTED} with {expected}", where=str(path)) from error


def read_text(path: Path, *, compressed: bool = False) -> tuple[bytes, Dialect]:
    """A text file read whole as UTF-8, and how it was written; BadInput for bytes that are no text."""
    dialect = recognised(partial(opened, path, compressed=compressed), str(path))
    with opened(path, compressed=compressed) as file:
        data = file.read()
    if dialect.encoding == UTF8:
        check_text(data, str(path))
        return data, dialect
    return b"".join(iter(Recoded(BytesIO(data), dialect.encoding, str(path)).read, b"")), dialect


def opened(path: Path, *, compressed: bool) -> IO[bytes]:
    """The bytes of a text file, unpacked."""
    return cast(IO[bytes], gzip.open(path)) if compressed else path.open("rb")


def write_frame(path: Path, frame: pd.DataFrame) -> int:
    """Write a frame as .csv, .csv.gz or .parquet; it appears when it is complete. How many rows.

    Naive times are UTC and are written so. BadInput for another ending.
    """
    ending = next((end for end in ENDINGS if path.name.lower().endswith(end)), None)
    if ending is None:
        raise BadInput(f"the name must end in {', '.join(ENDINGS)}", where=str(path))
    times = {name: frame[name].dt.tz_localize("UTC") for name in frame.select_dtypes("datetime").columns}
    written = frame.assign(**times)
    with whole_file(path) as unfinished:
        if ending == ".parquet":
            written.to_parquet(unfinished, index=False)
        else:
            texts = {name: times[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in times}
            gzipped: Literal["gzip"] | None = "gzip" if ending == ".csv.gz" else None
            written.assign(**texts).to_csv(unfinished, index=False, compression=gzipped, lineterminator="\n")
    return len(frame)


def layout(columns: Sequence[str], where: str) -> Literal["plain", "long"]:
    """Whether a table of series is a plain one (`series_id, ds, y`) or in the long format; else BadInput with both.

    The long format may lack `metric_type` where somebody else says it.
    """
    there, given = ", ".join(map(str, columns)), {ALIKE.get(name, name) for name in columns}
    for short, long in ALIKE.items():
        if {short, long} <= set(columns):
            raise BadInput(
                f"has both columns {short!r} and {long!r}, which mean the same; drop one", where=where, line=1
            )
    whose = {"series_id", "metric_type", *PLACE, "labels"}
    if set(LONG[1:]) <= given and (whose & given or set(PLAIN[1:]) - set(columns) or set(columns) <= set(PLAIN)):
        return "plain" if "series_id" in given else "long"
    wanted = PLAIN if {"series_id", *ALIKE} & set(columns) else LONG[1:]
    missing = next(name for name in wanted if ALIKE.get(name, name) not in given)
    close = nearest(missing, map(str, columns))
    hint = f" (is {close!r} meant?)" if close else ""
    raise BadInput(
        f"column {missing!r} is missing{hint}; found {there}; expected {', '.join(PLAIN)}, or the long format:"
        f" {', '.join(LONG)}",
        where=where,
        line=1,
    )


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


def _format(head: bytes, path: Path) -> FileFormat:
    for mark, kind in FORMATS.items():
        if head.startswith(mark):
            return kind
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
