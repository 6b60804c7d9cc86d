"""The rows of one file in temporary tables, until it is known what can be stored; gone with the transaction."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.db import Database, Transaction
from mlops.domain.series import IDENTITY, NUMBERS
from mlops.series.adapters import Chunk
from mlops.series.quality import WINDOW, score
from mlops.series.validate import Rules, check_columns, validate

__all__ = ["Arrivals", "make_partitions", "rescore", "store"]

SERIES_AT_ONCE = 500


class Arrivals:
    """What a file brought: its good rows in `incoming` under a number per series, the others in `incoming_refused`."""

    def __init__(self, transaction: Transaction, source: str) -> None:
        transaction.run("ingest_tables")
        self._transaction, self._source = transaction, source
        self._series: dict[tuple[Any, ...], int] = {}
        self._months: set[np.datetime64] = set()
        self.read = self.refused = self.repeated = 0
        self.notes: tuple[str, ...] = ()

    @property
    def good(self) -> int:
        """Different rows that can be stored."""
        return self.read - self.refused - self.repeated

    @property
    def months(self) -> list[date]:
        """The months into which the good rows fall, oldest first."""
        return [month.astype("datetime64[D]").item() for month in sorted(self._months)]

    def take(self, chunks: Iterable[Chunk], rules: Rules, progress: Callable[[int], None] | None = None) -> None:
        """Check every chunk and copy its rows; the columns of the file must be known."""
        for chunk in chunks:
            check_columns([name for name in chunk.rows.columns if name != "line"], self._source)
            self.notes += chunk.notes
            self._refuse(chunk.refused, len(chunk.refused))
            if len(chunk.rows):
                self._take(chunk.rows, rules)
            if progress is not None:
                progress(self.read)

    def settle_repeated(self) -> None:
        """Take rows that are there twice once, and refuse all that disagree about the same series and time."""
        self._transaction.run("ingest_analyze")
        if self._transaction.run("ingest_repeated") == 0:
            return
        disagreeing = self._transaction.run("ingest_refuse_disagreeing")
        self.repeated = self._transaction.run("ingest_drop_repeated") - disagreeing
        self.refused += disagreeing
        if self.repeated:
            self.notes += (f"{self.repeated} rows repeat another row of the file and were taken once",)

    def _take(self, rows: pd.DataFrame, rules: Rules) -> None:
        checked = validate(rows, rules)
        self.read += len(rows) - checked.count
        self._refuse(checked.refused, checked.count)
        good = checked.good
        numbers, new = _numbered(good, self._series)
        self._transaction.copy("incoming_series", new)
        self._transaction.copy("incoming", good[["line", "observed_at", *NUMBERS]].assign(series_key=numbers))
        self._months.update(np.unique(good["observed_at"].to_numpy().astype("datetime64[M]")))

    def _refuse(self, refused: pd.DataFrame, rows: int) -> None:
        self.read += rows
        self.refused += rows
        self._transaction.copy("incoming_refused", _storable(refused))


def make_partitions(database: Database, months: list[date]) -> None:
    """Make the months' partitions in a transaction of their own, because their lock makes other writers wait."""
    with database.transaction() as transaction:
        transaction.run("ingest_months", months=months)


def store(transaction: Transaction, arrivals: Arrivals, known_at: str) -> tuple[int, int]:
    """How many of the arrived rows were new and how many corrected what was stored; the others were there."""
    transaction.run("ingest_series_ids")
    transaction.run("ingest_series")
    transaction.run("ingest_series_ids")
    transaction.run("ingest_insert", known_at=known_at)
    inserted = transaction.value("ingest_inserted")
    if inserted == arrivals.good:
        return inserted, 0
    transaction.run("ingest_changed")
    transaction.run("ingest_correct")
    return inserted, transaction.value("ingest_corrected")


def rescore(transaction: Transaction) -> int:
    """Bring the quality scores of the touched series up to date; how many changed."""
    touched = transaction.rows("ingest_touched")
    transaction.run("quality_plan")
    for begin in range(0, len(touched), SERIES_AT_ONCE):
        transaction.copy("scores", _changed_scores(transaction, touched[begin : begin + SERIES_AT_ONCE]))
    return transaction.run("quality_update")


def _changed_scores(transaction: Transaction, touched: list[dict[str, Any]]) -> pd.DataFrame:
    ids, since = [row["series_id"] for row in touched], [row["since"] for row in touched]
    rows = transaction.rows("quality_values", series_ids=ids, since=since, window=WINDOW)
    lengths = [len(row["y"]) for row in rows]
    seconds = np.concatenate([row["at"] for row in rows])
    frame = pd.DataFrame(
        {
            "series_id": np.repeat([row["series_id"] for row in rows], lengths),
            "ds": (seconds * 1e6).astype("int64").astype("datetime64[us]"),
            "y": np.concatenate([row["y"] for row in rows]),
            "stored": np.concatenate([np.array(row["quality_score"], dtype=float) for row in rows]),
        }
    )
    first = pd.DataFrame({"series_id": ids, "since": pd.to_datetime(since, utc=True).tz_localize(None)})
    frame["quality_score"] = score(frame)
    changed = frame.merge(first, on="series_id").query("ds >= since and quality_score != stored")
    return changed[["series_id", "ds", "quality_score"]].rename(columns={"ds": "observed_at"})


def _numbered(good: pd.DataFrame, known: dict[tuple[Any, ...], int]) -> tuple[npt.NDArray[np.int64], pd.DataFrame]:
    """A number for the series of each row, and the series that are seen for the first time; `known` is extended."""
    codes = np.zeros(len(good), dtype=np.int64)
    for name in IDENTITY:
        own, distinct = pd.factorize(good[name])
        codes, _ = pd.factorize(codes * (len(distinct) + 1) + own + 1)
    _, places = np.unique(codes, return_index=True)
    before, firsts = len(known), good.iloc[places][list(IDENTITY)]
    numbers = np.array(
        [known.setdefault(key, len(known)) for key in firsts.itertuples(index=False, name=None)], dtype=np.int64
    )
    return numbers[codes], firsts.assign(series_key=numbers)[numbers >= before]


def _storable(refused: pd.DataFrame) -> pd.DataFrame:
    """Postgres holds no NUL character, neither in text nor in JSON."""
    texts = {
        name: refused[name].str.replace("\0", "�").str.replace("\\u0000", "�") for name in ("found", "reason", "raw")
    }
    return refused.assign(**texts)
