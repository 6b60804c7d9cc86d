"""Series from a CSV or Parquet file `series_id, ds, y`: a backtest or a tuning without a database."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mlops.errors import BadInput

__all__ = ["read_frame"]

KEYS = ("series_id", "ds", "y")


def read_frame(path: Path, covariates: Sequence[str] = (), segments: Sequence[str] = ()) -> pd.DataFrame:
    """`series_id` (text), `ds` (naive UTC), `y` and the named further columns, in the order of the file.

    Raises BadInput for what can't be read, a column that is missing, and a time or number that is none, with its line.
    """
    frame = _read(path)
    wanted = [*KEYS, *covariates, *segments]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        found = ", ".join(map(str, frame.columns))
        raise BadInput(
            f"has no column {missing[0]!r}; its columns are {found}; expected series_id, ds, y", where=str(path)
        )
    frame = frame[wanted].assign(ds=_times(frame["ds"], path))
    for name in ("y", *covariates):
        frame[name] = _numbers(frame[name], path)
    for name in ("series_id", *segments):
        frame[name] = frame[name].astype(str)
    return frame


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix in (".parquet", ".pq"):
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"can't be read: {error}; expected CSV or Parquet with series_id, ds, y", where=str(path)
        ) from error


def _times(given: pd.Series, path: Path) -> pd.Series:
    text = given.dtype == object
    times = pd.to_datetime(given, utc=True, errors="coerce", format="ISO8601" if text else None)
    _refuse_first(given, times.isna(), "is not a time; expected 2020-03-23 or 2020-03-23T06:00:00+00:00", path)
    return pd.Series(times.dt.tz_localize(None))


def _numbers(given: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(given, errors="coerce").astype(float)
    _refuse_first(given, numbers.isna() & given.notna(), "is not a number", path)
    return numbers


def _refuse_first(given: pd.Series, bad: pd.Series, why: str, path: Path) -> None:
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise BadInput(f"{given.name} = {given.iloc[row]!r} {why}", where=str(path), line=row + 2)
