"""The long format as CSV (also gzipped), Parquet or Arrow; the kind is told from the first bytes, not from the name."""

import csv
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from mlops.domain.series import LONG_COLUMNS, NUMBERS
from mlops.errors import BadInput, UnknownName
from mlops.series.adapters import REFUSED_COLUMNS, Chunk
from mlops.tables import PLAIN, check_text, file_format, opened
from mlops.tables.dialect import Dialect, Recoded, decimal_of, recognised, with_points

__all__ = ["chunks"]

BLOCK_BYTES = 3 << 20
ROWS = 100_000
SAMPLE_BYTES = 1 << 20
SHOWN = 200
COUNTED = (*NUMBERS, "y")
TEXT = pa.dictionary(pa.int32(), pa.string())
TEXTS = {pa.string(): pd.ArrowDtype(pa.string())}  # no Python object for each number


def chunks(path: Path, *, by: str | None = None) -> Iterator[Chunk]:
    """The rows as they stand; `line` counts the header as 1, for Parquet and Arrow it is the number of the row."""
    if by is not None:
        raise UnknownName("grouping", by, ())
    try:
        yield from _chunks(path)
    except UnicodeDecodeError as error:  # Arrow shows a broken line as text before it is known to be any
        raise BadInput("holds bytes that are not UTF-8; save the file as UTF-8", where=str(path)) from error
    except MemoryError:  # Arrow's own is an ArrowException too, and nothing is wrong with the file
        raise
    except (pa.ArrowException, EOFError, zlib.error, OSError) as error:
        if "Empty CSV" in str(error):
            raise BadInput(f"is empty; expected a header ({', '.join(LONG_COLUMNS)})", where=str(path)) from error
        raise BadInput(f"can't be read to its end: {error}; send it again", where=str(path)) from error


def _chunks(path: Path) -> Iterator[Chunk]:
    form = file_format(path)
    if form == "parquet":
        return _typed(parquet.ParquetFile(path).iter_batches(batch_size=ROWS), str(path))
    if form == "arrow":
        reader = pa.ipc.open_file(path)
        return _typed((reader.get_batch(number) for number in range(reader.num_record_batches)), str(path))
    unpacked = partial(opened, path, compressed=form == "gzip")
    dialect = recognised(unpacked, str(path))
    return _csv(unpacked, dialect, str(path))


def _typed(batches: Iterable[Any], where: str) -> Iterator[Chunk]:
    """Batches whose columns have types of their own; everything but numbers becomes text."""
    done = 0
    for batch in batches:
        names = batch.schema.names
        columns = [_plain(name, column, where) for name, column in zip(names, batch.columns, strict=True)]
        rows = pa.Table.from_arrays(columns, names=names).to_pandas()
        rows["line"] = np.arange(done + 1, done + 1 + len(rows))
        done += len(rows)
        yield Chunk(rows)


def _plain(name: str, column: Any, where: str) -> Any:
    if name in COUNTED and (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column
    try:
        if name == "labels" and (pa.types.is_struct(column.type) or pa.types.is_map(column.type)):
            texts = [value and json.dumps(dict(value)) for value in column.to_pylist()]
            column = pa.array(texts, pa.string())
        elif pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        text = column.cast(pa.string())
    except (TypeError, pa.ArrowException) as error:
        expected = "a JSON object, a struct or a map" if name == "labels" else "one text, number or time a row"
        raise BadInput(f"column {name!r} holds {column.type}; expected {expected}", where=where) from error
    return text if name in COUNTED else text.dictionary_encode()


def _csv(unpacked: Callable[[], IO[bytes]], dialect: Dialect, where: str) -> Iterator[Chunk]:
    """Rows as text; a line with a wrong number of fields is refused by itself, and blank lines are passed over."""
    broken: list[Any] = []
    with Recoded(unpacked(), dialect.encoding, where) as file:
        decimals = _decimals(file.read(SAMPLE_BYTES), dialect, where)
    with Recoded(unpacked(), dialect.encoding, where) as file:
        watched, line, told = _Watched(file, where), 1, 0
        reader = _reader(watched, broken, dialect.delimiter)
        for batch in reader:
            known = broken[:]  # once: Arrow reads ahead, and adds to the list from another thread
            numbers = _next_lines(batch.num_rows, line, [row.number for row in known])
            line = int(numbers.max(initial=line))
            rows = batch.to_pandas(types_mapper=TEXTS.get)
            if all(column.null_count for column in batch.columns):
                rows = rows.dropna(how="all")
            for name, decimal in decimals.items():
                rows[name] = rows[name].astype(object).map(partial(with_points, decimal=decimal), na_action="ignore")
            yield Chunk(rows.assign(line=numbers[rows.index]), _refused(known[told:-1]))
            told = max(told, len(known) - 1)
        last = _last(reader.schema.names, broken[told:], line, ended=watched.ended)
        yield replace(last, notes=(*dialect.notes, *last.notes))


def _decimals(sample: bytes, dialect: Dialect, where: str) -> dict[str, str]:
    """The decimal sign of each column of numbers that is not written as everybody's, by the first rows."""
    lines = sample.decode("utf-8", "replace").removeprefix("\ufeff").splitlines(keepends=True)
    rows = csv.DictReader(lines[:-1] if len(sample) == SAMPLE_BYTES else lines, delimiter=dialect.delimiter)
    texts: dict[str, list[str]] = {name: [] for name in rows.fieldnames or () if name in COUNTED}
    for row in rows:
        for name, found in texts.items():
            found.append(row[name] or "")
    odd = {
        name: found for name, found in texts.items() if dialect.delimiter == ";" or any("," in text for text in found)
    }
    return {name: decimal_of(found, where, name, dialect.delimiter) for name, found in odd.items()}


def _reader(file: "_Watched", broken: list[Any], delimiter: str) -> Any:
    def keep(row: Any) -> str:
        broken.append(row)
        return "skip"

    return arrow_csv.open_csv(
        pa.PythonFile(file, mode="r"),
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),  # threads lose the line numbers
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=keep, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() if name in COUNTED else TEXT for name in (*LONG_COLUMNS, *PLAIN)},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _next_lines(count: int, after: int, broken: Sequence[int]) -> npt.NDArray[np.int64]:
    """The numbers of the next `count` lines that are not broken."""
    skipped = np.asarray([number for number in broken if number > after], dtype=np.int64)
    lines = np.arange(after + 1, after + 1 + count + len(skipped))
    return lines[~np.isin(lines, skipped)][:count]


def _last(names: Sequence[str], broken: Sequence[Any], line: int, *, ended: bool) -> Chunk:
    """What is left at the end: the last broken lines, and a remark when the last line was not ended."""
    cut = not ended and bool(broken) and broken[-1].number > line
    note = f"line {line} has no line end; it is complete and was taken, but check that the file was sent to its end"
    return Chunk(pd.DataFrame(columns=list(names)), _refused(broken, cut=cut), () if ended or cut else (note,))


def _refused(broken: Sequence[Any], *, cut: bool = False) -> pd.DataFrame:
    """Lines that are not rows; with `cut` the last of them is where the file breaks off."""
    refused = []
    for row in broken:
        reason = f"the line has {row.actual_columns} fields where the header has {row.expected_columns}"
        if cut and row is broken[-1]:
            reason += ": the file ends in the middle of it; send the whole file"
        else:
            reason += "; correct the line"
        refused.append((row.number, None, row.text[:SHOWN], reason, json.dumps({"text": row.text})))
    return pd.DataFrame(refused, columns=list(REFUSED_COLUMNS))


class _Watched:
    """A file that is UTF-8 as far as it was read, and whether the last line of that had an end."""

    closed = False

    def __init__(self, file: Recoded, where: str) -> None:
        self._file, self._where = file, where
        self._line, self._cut = 1, b""
        self.ended = True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        # whole lines are checked at once: a character that a block cuts in two is no fault
        text = self._cut + data
        whole = text.rfind(b"\n") + 1 if data else len(text)
        check_text(text[:whole], self._where, line=self._line)
        self._line += text.count(b"\n", 0, whole)
        self._cut = text[whole:]
        if data:
            self.ended = data.endswith((b"\n", b"\r"))
        return data

    def close(self) -> None:
        self.closed = True
