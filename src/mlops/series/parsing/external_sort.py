"""External sort of the parsed rows of a file, so that memory stays flat: partitioned by series, given back sorted.

The partitions are blocks of series, because all that is told about a row (is it new, is it an outlier) is told beside
the other rows of its series. The files have no name: whatever ends this process, nothing is left behind.
"""

import errno
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlops.files import placed

__all__ = ["ROW", "SECOND_BITS", "Deduplicated", "ExternalSort", "Rows", "RunFile", "deduplicate"]

Rows = npt.NDArray[Any]
"""Records of ROW: `key` numbers the series of the file, `at` is UTC in microseconds, missing numbers are NaN."""

ROW = np.dtype(
    [
        ("key", "<i4"),
        ("line", "<i8"),
        ("at", "<M8[us]"),
        ("value", "<f8"),
        ("value_lower", "<f8"),
        ("value_upper", "<f8"),
        ("quality_score", "<f4"),
    ]
)
BLOCK_BITS = 5
"""32 series to a block: two years of hourly values of all of them fit into memory many times."""
BATCH_ROWS = 160_000
"""About 8 MB of records; larger ones were not faster (chosen on two cores)."""
SECOND_BITS = 34
"""Of a key of series and second: the seconds from 1970 to 2514."""


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """What became of rows of the same series and time: `disagreeing` are all of those that say different things."""

    disagreeing: Rows
    repeated: int


class RunFile:
    """Arrays of rows in a file without a name, got back by the number under which they were put."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        with placed(self._folder):
            self._file = tempfile.TemporaryFile(prefix="mlops-sort-", dir=folder)  # noqa: SIM115  closed by __exit__
        self._places: list[tuple[int, int]] = []
        self._end = 0

    def __len__(self) -> int:
        return len(self._places)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, rows: Rows) -> int:
        """Keep rows; their number."""
        left, at = memoryview(rows.tobytes()), self._end
        while left:  # a disk that fills up takes a part of it, and refuses only the rest
            with placed(self._folder):
                done = os.pwrite(self._file.fileno(), left, at)
            left, at = left[done:], at + done
        self._places.append((self._end, rows.nbytes))
        self._end += rows.nbytes
        return len(self._places) - 1

    def get(self, number: int, part: slice = slice(None)) -> Rows:
        """Rows that were put, or a part of them."""
        offset, size = self._places[number]
        begin, end, _ = part.indices(size // ROW.itemsize)
        rows = np.empty(max(end - begin, 0), dtype=ROW)
        left, at = rows.view(np.uint8).data, offset + begin * ROW.itemsize
        while left:
            with placed(self._folder):
                done = os.preadv(self._file.fileno(), [left], at)
            if not done:
                raise OSError(errno.EIO, "rows that were written are gone", str(self._folder))
            left, at = left[done:], at + done
        return rows


class ExternalSort(RunFile):
    """Rows as they come, then batches of whole series."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._blocks: defaultdict[int, list[tuple[int, slice]]] = defaultdict(list)

    def add(self, rows: Rows) -> None:
        """Put rows to those of their series."""
        blocks = rows["key"] >> BLOCK_BITS
        if (blocks[1:] < blocks[:-1]).any():
            order = np.argsort(blocks, kind="stable")
            rows, blocks = rows[order], blocks[order]
        number = self.put(rows)
        starts = np.flatnonzero(np.r_[True, blocks[1:] != blocks[:-1]]).tolist()
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            self._blocks[int(blocks[start])].append((number, slice(start, stop)))

    def batches(self) -> Iterator[Rows]:
        """All rows, in batches of whole series of about BATCH_ROWS, each sorted by series, time and line."""
        blocks, parts = sorted(self._blocks), list[Rows]()
        for block in blocks:
            parts += [self.get(number, part) for number, part in self._blocks[block]]
            if block != blocks[-1] and sum(map(len, parts)) < BATCH_ROWS:
                continue
            rows, parts = np.concatenate(parts), []
            seconds = rows["at"].astype("datetime64[s]").astype(np.int64)
            key = (rows["key"].astype(np.int64) << SECOND_BITS) | seconds
            yield rows if (key[1:] >= key[:-1]).all() else rows[np.argsort(key, kind="stable")]


def deduplicate(rows: Rows) -> tuple[Rows, Deduplicated]:
    """Sorted rows with one row for each series and time, and what became of the others.

    Rows that agree are taken once, the first of them; rows that disagree are not taken at all.
    """
    same = (rows["key"][1:] == rows["key"][:-1]) & (rows["at"][1:] == rows["at"][:-1])
    if not same.any():
        return rows, Deduplicated(np.empty(0, ROW), 0)  # not a view, which would keep all rows in memory
    group = np.cumsum(np.r_[True, ~same]) - 1
    first = np.flatnonzero(np.r_[True, ~same])
    equal, others = np.ones(len(rows), dtype=bool), rows[first[group]]
    for name in ("value", "value_lower", "value_upper", "quality_score"):
        equal &= (rows[name] == others[name]) | (np.isnan(rows[name]) & np.isnan(others[name]))
    agrees = np.logical_and.reduceat(equal, first)
    kept = rows[first[agrees]]
    return kept, Deduplicated(rows[~agrees[group]], int(agrees[group].sum()) - len(kept))
