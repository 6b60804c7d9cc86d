"""Observations out, in the long format that `ingest` takes."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from mlops.db import Database
from mlops.db.archive.read import read_archived
from mlops.domain.series import LONG_COLUMNS, NUMBERS
from mlops.errors import BadInput, Misused, NothingToDo, UnknownName
from mlops.series.filters import check_filters, selected_series

__all__ = ["export_series"]

ENDINGS = (".csv", ".csv.gz", ".parquet")
SERIES_AT_ONCE = 100
TYPES = {"tenant_id": pa.int32(), "observed_at": pa.timestamp("us", tz="UTC"), **dict.fromkeys(NUMBERS, pa.float64())}
SCHEMA = pa.schema([(name, TYPES.get(name, pa.string())) for name in LONG_COLUMNS])


def export_series(
    database: Database, path: Path | str, *, metric_type: str | None = None, series_ids: Sequence[int] | None = None
) -> int:
    """Write the selected series to a CSV (also .csv.gz) or Parquet file; how many rows.

    The file appears when it is complete. It holds what is known now; when it became known is not part of the format.
    """
    target = Path(path)
    write = _writer(target)
    ids = _selected(database, metric_type, series_ids)
    part = target.with_name(target.name + ".part")
    try:
        rows = write(part, _frames(database, ids))
        part.replace(target)
    except OSError as error:
        raise BadInput(f"can't be written: {error.strerror}", where=str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    return rows


class Writer(Protocol):
    """Writes frames into one file; how many rows."""

    def __call__(self, path: Path, frames: Iterator[pd.DataFrame]) -> int: ...


def _writer(path: Path) -> Writer:
    writers: tuple[Writer, ...] = (_write_csv, partial(_write_csv, opener=gzip.open), _write_parquet)
    for ending, writer in zip(ENDINGS, writers, strict=True):
        if path.name.lower().endswith(ending):
            return writer
    raise Misused(f"the name must end in {', '.join(ENDINGS)}", where=str(path))


def _selected(database: Database, metric_type: str | None, wanted: Sequence[int] | None) -> list[int]:
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type)
        rows = selected_series(transaction, metric_type=metric_type, series_ids=wanted)
    ids = [row.series_id for row in rows]
    unknown = sorted(set(wanted or ()) - set(ids))
    if unknown:
        raise UnknownName("series", unknown[0], map(str, ids), stored=True)
    if not ids:
        what = "" if metric_type is None else f" of {metric_type!r}"
        raise NothingToDo(f"there is no series{what}; see `mlops series list`")
    return ids


def _frames(database: Database, ids: list[int]) -> Iterator[pd.DataFrame]:
    with database.transaction() as transaction:
        for begin in range(0, len(ids), SERIES_AT_ONCE):
            some = ids[begin : begin + SERIES_AT_ONCE]
            read_archived(transaction, some)
            yield transaction.frame("export_observations", series_ids=some)[list(LONG_COLUMNS)]


def _write_csv(path: Path, frames: Iterator[pd.DataFrame], opener: Callable[..., Any] = open) -> int:
    rows = 0
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        for number, frame in enumerate(frames):
            stamps = np.datetime_as_string(frame["observed_at"].to_numpy("datetime64[s]"))
            written = frame.assign(observed_at=np.char.add(stamps, "Z"))
            written.to_csv(file, index=False, header=number == 0, lineterminator="\n")
            rows += len(frame)
    return rows


def _write_parquet(path: Path, frames: Iterator[pd.DataFrame]) -> int:
    rows = 0
    with parquet.ParquetWriter(path, SCHEMA) as writer:
        for frame in frames:
            stamps = frame["observed_at"].astype("datetime64[us]").dt.tz_localize("UTC")
            writer.write_table(pa.Table.from_pandas(frame.assign(observed_at=stamps), SCHEMA, preserve_index=False))
            rows += len(frame)
    return rows
