"""The long format as CSV (also gzipped), Parquet or Arrow; the kind is told from the first bytes, not from the name."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from mlops.domain.series import LONG_COLUMNS, NUMBERS
from mlops.errors import BadInput, UnknownName
from mlops.series.adapters import REFUSED_COLUMNS, Chunk

__all__ = ["chunks"]

BLOCK_BYTES = 3 << 20
ROWS = 100_000
SHOWN = 200
TEXT = pa.dictionary(pa.int32(), pa.string())
TEXTS = {pa.string(): pd.ArrowDtype(pa.string())}  # no Python object for each number


def chunks(path: Path, *, by: str | None = None) -> Iterator[Chunk]:
    """The rows as they stand; `line` counts the header as 1, for Parquet and Arrow it is the number of the row."""
    if by is not None:
        raise UnknownName("grouping", by, ())
    try:
        yield from _chunks(path)
    except MemoryError:  # Arrow's own is an ArrowException too, and nothing is wrong with the file
        raise
    except (pa.ArrowException, EOFError, zlib.error, OSError) as error:
        if "Empty CSV" in str(error):
            raise BadInput(f"is empty; expected a header ({', '.join(LONG_COLUMNS)})", where=str(path)) from error
        raise BadInput(f"can't be read to its end: {error}; send it again", where=str(path)) from error


def _chunks(path: Path) -> Iterator[Chunk]:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic[:4] == b"PAR1":
        return _typed(parquet.ParquetFile(path).iter_batches(batch_size=ROWS))
    if magic == b"ARROW1":
        reader = pa.ipc.open_file(path)
        return _typed(reader.get_batch(number) for number in range(reader.num_record_batches))
    return _csv(cast(IO[bytes], gzip.open(path)) if magic[:2] == b"\x1f\x8b" else path.open("rb"))


def _typed(batches: Iterable[Any]) -> Iterator[Chunk]:
    """Batches whose columns have types of their own; everything but numbers becomes text."""
    done = 0
    for batch in batches:
        names = batch.schema.names
        columns = [_plain(name, column) for name, column in zip(names, batch.columns, strict=True)]
        rows = pa.Table.from_arrays(columns, names=names).to_pandas()
        rows["line"] = np.arange(done + 1, done + 1 + len(rows))
        done += len(rows)
        yield Chunk(rows)


def _plain(name: str, column: Any) -> Any:
    if name in NUMBERS and (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column
    if pa.types.is_nested(column.type):
        column = pa.array([value and json.dumps(dict(value)) for value in column.to_pylist()], pa.string())
    elif pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    text = column.cast(pa.string())
    return text if name in NUMBERS else text.dictionary_encode()


def _csv(file: IO[bytes]) -> Iterator[Chunk]:
    """Rows as text; a line with a wrong number of fields is refused by itself, and blank lines are passed over."""
    broken: list[Any] = []
    watched, line, told = _Watched(file), 1, 0
    with file:
        reader = _reader(watched, broken)
        for batch in reader:
            known = broken[:]  # once: Arrow reads ahead, and adds to the list from another thread
            numbers = _next_lines(batch.num_rows, line, [row.number for row in known])
            line = int(numbers.max(initial=line))
            rows = batch.to_pandas(types_mapper=TEXTS.get)
            if all(column.null_count for column in batch.columns):
                rows = rows.dropna(how="all")
            yield Chunk(rows.assign(line=numbers[rows.index]), _refused(known[told:-1]))
            told = max(told, len(known) - 1)
        yield _last(reader.schema.names, broken[told:], line, ended=watched.ended)


def _reader(file: "_Watched", broken: list[Any]) -> Any:
    def keep(row: Any) -> str:
        broken.append(row)
        return "skip"

    return arrow_csv.open_csv(
        pa.PythonFile(file, mode="r"),
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),  # threads lose the line numbers
        parse_options=arrow_csv.ParseOptions(invalid_row_handler=keep, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() if name in NUMBERS else TEXT for name in LONG_COLUMNS},
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
    found = [_entry(row, cut=cut and row is broken[-1]) for row in broken]
    return pd.DataFrame(found, columns=list(REFUSED_COLUMNS))


def _entry(row: Any, *, cut: bool) -> tuple[int, None, str, str, str]:
    return row.number, None, row.text[:SHOWN], _reason(row, cut=cut), json.dumps({"text": row.text})


def _reason(row: Any, *, cut: bool) -> str:
    fields = f"the line has {row.actual_columns} fields where the header has {row.expected_columns}"
    return f"{fields}: the file ends in the middle of it; send the whole file" if cut else f"{fields}; correct the line"


class _Watched:
    """A file that remembers whether the last line that was read from it had an end."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.ended = True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if data:
            self.ended = data.endswith((b"\n", b"\r"))
        return data

    def close(self) -> None:
        self.closed = True
