"""The rows of one file, checked and on disk: what can be stored in batches, and what was refused."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.domain.series import IDENTITY, NUMBERS, PLACE
from mlops.parallel import ahead
from mlops.series.adapters import Chunk
from mlops.series.parsing.external_sort import ROW, ExternalSort, Rows, RunFile, deduplicate
from mlops.series.parsing.refusals import Refusals
from mlops.series.parsing.steps import FileClock, off_step
from mlops.series.parsing.validate import Checked, Rules, check_columns, validate

__all__ = ["ParsedRows"]

LINES_NAMED = 10
"""Of rows that disagree; chosen, not measured."""


class ParsedRows:
    """What a file brought: `batches` of whole series sorted by series and time, and the `refusals`."""

    def __init__(self, source: str, folder: Path | None = None) -> None:
        self._source = source
        self._sort, self.batches, self.refusals = ExternalSort(folder), RunFile(folder), Refusals(folder)
        self._keys: dict[tuple[Any, ...], int] = {}
        self._zones: dict[int, str] = {}
        self.read = self.repeated = 0
        self.notes: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._sort, self.batches, self.refusals):
            file.__exit__()

    @property
    def good(self) -> int:
        """Different rows that can be stored."""
        return self.read - self.refusals.rows - self.repeated

    @property
    def series(self) -> pd.DataFrame:
        """The series of the file, one row each; the number of the row is the `key` of the rows in `batches`.

        `time_zone` is the zone that the file names for it, or None.
        """
        series = pd.DataFrame(list(self._keys), columns=list(IDENTITY))
        zones = [self._zones.get(key) for key in range(len(series))]
        return series.assign(time_zone=np.array([*zones, None], dtype=object)[:-1])

    @property
    def metric_types(self) -> tuple[str, ...]:
        """The metric types of the file, in alphabetical order."""
        place = IDENTITY.index("metric_type")
        return tuple(sorted({identity[place] for identity in self._keys}))

    def take(self, chunks: Iterable[Chunk], rules: Rules, progress: Callable[[int], None] | None = None) -> None:
        """Check every chunk and keep its rows; the columns of the file must be known."""

        def check(chunk: Chunk) -> tuple[Chunk, Checked | None]:
            check_columns([name for name in chunk.rows.columns if name != "line"], self._source)
            return chunk, validate(chunk.rows, rules) if len(chunk.rows) else None

        for chunk, checked in ahead(check, chunks, threads=2):
            self.notes += chunk.notes
            self.read += len(chunk.refused)
            self.refusals.add(chunk.refused, len(chunk.refused))
            if checked is not None:
                self.read += checked.count + len(checked.good)
                self.refusals.add(checked.refused, checked.count)
                if len(checked.good):
                    self._take(checked.good)
            if progress is not None:
                progress(self.read)

    def sort(self, clocks: Sequence[FileClock] | None = None) -> None:
        """Sort all rows into batches; what is there twice is taken once, what disagrees is refused.

        So are rows that begin no step by the clock of their series, one for each of `series`.
        """
        disagreeing = []
        for kept, others in ahead(deduplicate, self._sort.batches()):
            self.repeated += others.repeated
            disagreeing.append(others.disagreeing)
            if clocks is not None and len(kept):
                bad, reasons = off_step(kept, clocks)
                if reasons:
                    self._refuse_rows(kept[bad], reasons)
                    kept = kept[~bad]
            if len(kept):
                self.batches.put(kept)
        clash = np.concatenate([*disagreeing, np.empty(0, ROW)])
        if len(clash):
            self.refusals.add(_disagreement(clash, self.series), len(clash))
        if self.repeated:
            self.notes += (f"{self.repeated} rows repeat another row of the file and were taken once",)

    def _take(self, good: pd.DataFrame) -> None:
        """Keep typed rows; of a series that has another zone in an earlier row they are refused."""
        keys = self._numbered(good)
        rows = np.empty(len(good), dtype=ROW)
        rows["key"], rows["line"], rows["at"] = keys, good["line"], good["observed_at"]
        for name in NUMBERS:
            rows[name] = good[name]
        other = self._otherwise_zoned(good["time_zone"].cat, keys)
        if other.any():
            zones = [self._zones[key] for key in keys[other].tolist()]
            here = good["time_zone"].astype(object)[other].tolist()
            why = "the file says {} and {} for the same series; a series has one time zone"
            self._refuse_rows(rows[other], [why.format(*both) for both in zip(zones, here, strict=True)], "time_zone")
            rows = rows[~other]
        self._sort.add(rows)

    def _otherwise_zoned(self, zone: Any, keys: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Which rows name another zone than the first row of their series that names one."""
        codes, names = np.asarray(zone.codes, dtype=np.int64), list(zone.categories)
        pairs = keys * np.int64(len(names) + 1) + codes + 1
        wrong = []
        for pair in np.unique(pairs).tolist() if names else ():
            key, code = divmod(pair, len(names) + 1)
            if code and self._zones.setdefault(key, names[code - 1]) != names[code - 1]:
                wrong.append(pair)
        return np.isin(pairs, wrong)

    def _refuse_rows(self, rows: Rows, reasons: Sequence[str], column: str = "observed_at") -> None:
        """Refuse rows that have been understood, each for its reason."""
        series = self.series
        found = np.datetime_as_string(rows["at"].astype("datetime64[s]"), timezone="UTC")
        raw = [_raw(row, series) for row in rows]
        entries = {"line": rows["line"], "column_name": column, "found": found, "reason": reasons, "raw": raw}
        self.refusals.add(pd.DataFrame(entries), len(rows))

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


def _disagreement(rows: Rows, series: pd.DataFrame) -> pd.DataFrame:
    """One refused entry for each row that disagrees with another about the same series and time."""
    frame = pd.DataFrame({name: rows[name] for name in ("key", "at", "line", "value")})
    text = frame["line"].astype(str) + " (" + frame["value"].map(_short) + ")"
    texts = text.groupby([frame["key"], frame["at"]]).transform(lambda rows: ", ".join(rows[:LINES_NAMED]))
    return pd.DataFrame(
        {
            "line": frame["line"],
            "column_name": "value",
            "found": frame["value"].map(_short),
            "reason": "lines " + texts + " disagree about the same series and time; keep one of them",
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
