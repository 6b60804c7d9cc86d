"""The rows of one file, checked and on disk: what can be stored in batches, and what was refused."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.domain.series import IDENTITY, NUMBERS, PLACE
from mlops.parallel import ahead
from mlops.series.adapters import Chunk
from mlops.series.refusals import Refusals
from mlops.series.spool import ROW, Rows, Shelf, Spool, settle
from mlops.series.validate import Checked, Rules, check_columns, validate

__all__ = ["Arrivals"]

TOLD = 10


class Arrivals:
    """What a file brought: `batches` of whole series sorted by series and time, and the `refusals`."""

    def __init__(self, source: str, folder: Path | None = None) -> None:
        self._source = source
        self._spool, self.batches, self.refusals = Spool(folder), Shelf(folder), Refusals(folder)
        self._keys: dict[tuple[Any, ...], int] = {}
        self.read = self.repeated = 0
        self.notes: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._spool, self.batches, self.refusals):
            file.__exit__()

    @property
    def good(self) -> int:
        """Different rows that can be stored."""
        return self.read - self.refusals.rows - self.repeated

    @property
    def series(self) -> pd.DataFrame:
        """The series of the file, one row each; the number of the row is the `key` of the rows in `batches`."""
        return pd.DataFrame(list(self._keys), columns=list(IDENTITY))

    def take(self, chunks: Iterable[Chunk], rules: Rules, progress: Callable[[int], None] | None = None) -> None:
        """Check every chunk and keep its rows; the columns of the file must be known."""

        def check(chunk: Chunk) -> tuple[Chunk, Checked | None]:
            check_columns([name for name in chunk.rows.columns if name != "line"], self._source)
            return chunk, validate(chunk.rows, rules) if len(chunk.rows) else None

        for chunk, checked in ahead(check, chunks, threads=2):
            self.notes += chunk.notes
            self._refuse(chunk.refused, len(chunk.refused))
            if checked is not None:
                self._take(checked)
            if progress is not None:
                progress(self.read)

    def settle(self) -> None:
        """Sort all rows into batches; what is there twice is taken once, what disagrees is refused."""
        disagreeing = []
        for kept, settled in ahead(settle, self._spool.batches()):
            self.repeated += settled.repeated
            disagreeing.append(settled.disagreeing)
            if len(kept):
                self.batches.put(kept)
        clash = np.concatenate([*disagreeing, np.empty(0, ROW)])
        if len(clash):
            self.refusals.add(_disagreement(clash, self.series), len(clash))
        if self.repeated:
            self.notes += (f"{self.repeated} rows repeat another row of the file and were taken once",)

    def _take(self, checked: Checked) -> None:
        self._refuse(checked.refused, checked.count)
        self.read += len(checked.good)
        if len(checked.good):
            self._spool.add(_records(checked.good, self._numbered(checked.good)))

    def _refuse(self, refused: pd.DataFrame, rows: int) -> None:
        self.read += rows
        self.refusals.add(refused, rows)

    def _numbered(self, good: pd.DataFrame) -> npt.NDArray[np.int32]:
        """A number for the series of each row, in the order in which series are seen for the first time."""
        codes = np.zeros(len(good), dtype=np.int64)
        for name in IDENTITY:
            column = good[name].cat
            if len(column.categories) > 1 or (column.codes < 0).any():
                codes, _ = pd.factorize(codes * (len(column.categories) + 1) + column.codes + 1)
        _, places = np.unique(codes, return_index=True)
        firsts = good.iloc[places][list(IDENTITY)].astype(object)
        firsts = firsts.where(firsts.notna(), None)
        numbers = np.empty(len(places), dtype=np.int32)
        for place, identity in sorted(zip(places.tolist(), firsts.itertuples(index=False, name=None), strict=True)):
            numbers[codes[place]] = self._keys.setdefault(identity, len(self._keys))
        return numbers[codes]


def _records(good: pd.DataFrame, keys: npt.NDArray[np.int32]) -> Rows:
    rows = np.empty(len(good), dtype=ROW)
    rows["key"], rows["line"], rows["at"] = keys, good["line"], good["observed_at"]
    for name in NUMBERS:
        rows[name] = good[name]
    return rows


def _disagreement(rows: Rows, series: pd.DataFrame) -> pd.DataFrame:
    """One refused entry for each row that disagrees with another about the same series and time."""
    frame = pd.DataFrame({name: rows[name] for name in ("key", "at", "line", "value")})
    saying = frame["line"].astype(str) + " (" + frame["value"].map(_short) + ")"
    sayings = saying.groupby([frame["key"], frame["at"]]).transform(lambda one: ", ".join(one[:TOLD]))
    return pd.DataFrame(
        {
            "line": frame["line"],
            "column_name": "value",
            "found": frame["value"].map(_short),
            "reason": "lines " + sayings + " disagree about the same series and time; keep one of them",
            "raw": [_raw(row, series) for row in rows],
        }
    )


def _raw(row: Any, series: pd.DataFrame) -> str:
    """A row as it was understood, as JSON."""
    identity = series.iloc[int(row["key"])]
    known = {name: identity[name] for name in ("metric_type", "granularity", *PLACE) if identity[name] is not None}
    numbers = {name: float(row[name]) for name in NUMBERS if not np.isnan(row[name])}
    return pd.Series({**known, "observed_at": f"{row['at']}Z", **numbers}).to_json()


def _short(value: float) -> str:
    return repr(value).removesuffix(".0")
