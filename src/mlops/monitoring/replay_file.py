"""A history to be replayed from a file of anybody's: rows with a time, a target and a forecast that was made for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from mlops.errors import BadInput
from mlops.monitoring.replay import Case, MonitorWatch, split
from mlops.monitoring.spec import MonitorSpec

__all__ = ["of_file"]

ONE_ENTITY = "all rows"


def of_file(path: Path, spec: MonitorSpec, weeks: int) -> Case:
    """The rows of a CSV or Parquet file with the columns of `spec`; its newest `weeks` are replayed.

    Without `spec.entity` ("") all rows are of one entity. Times become naive UTC; a text without zone is UTC. Raises
    BadInput for what can't be read, Refused where fewer than 90 days are left to fit on.
    """
    frame = _read(path)
    if not spec.entity:
        spec = _of_one_entity(spec)
        frame = frame.assign(**{ONE_ENTITY: ONE_ENTITY})
    _refuse_absent(frame, spec, path)
    rows = frame[list(dict.fromkeys(spec.columns))].assign(**{spec.time: _times(frame[spec.time], path)})
    for name in (spec.target, spec.prediction, *spec.numeric):
        rows[name] = _numbers(frame[name], path)
    history, live, start = split(rows.dropna(subset=[spec.time]), spec.time, weeks)
    return Case(path.name, "forecasts of the file", spec, history, live, start, weeks, MonitorWatch.fit)


def _of_one_entity(spec: MonitorSpec) -> MonitorSpec:
    return replace(spec, entity=ONE_ENTITY)


def _read(path: Path) -> pd.DataFrame:
    parquet = path.suffix in (".parquet", ".pq")
    try:
        frame = pd.read_parquet(path) if parquet else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"can't be read: {error}; expected CSV or Parquet", where=str(path)) from error
    if frame.empty:
        raise BadInput("has no rows", where=str(path))
    return frame


def _refuse_absent(frame: pd.DataFrame, spec: MonitorSpec, path: Path) -> None:
    absent = [name for name in spec.columns if name not in frame.columns]
    if absent:
        found = ", ".join(str(name) for name in frame.columns if name != ONE_ENTITY)
        raise BadInput(
            f"has no column {absent[0]!r}; its columns are {found}; name yours with --time, --entity, --target,"
            " --prediction, --numeric, --categorical and --holiday",
            where=str(path),
        )


def _times(given: "pd.Series[pd.Timestamp]", path: Path) -> "pd.Series[pd.Timestamp]":
    """Naive UTC; a missing time stays missing."""
    text = given.dtype == object
    if not text and not pd.api.types.is_datetime64_any_dtype(given):
        raise BadInput(f"{given.name} holds {given.dtype}, which is no time; expected 2020-03-23", where=str(path))
    times = pd.to_datetime(given, utc=True, errors="coerce", format="ISO8601" if text else None)
    _refuse_first(given, times.isna(), "is not a time; expected 2020-03-23 or 2020-03-23T06:00:00+00:00", path)
    return times.dt.tz_localize(None)


def _numbers(given: "pd.Series[float]", path: Path) -> "pd.Series[float]":
    numbers = pd.to_numeric(given, errors="coerce").astype(float)
    _refuse_first(given, numbers.isna(), "is not a number", path)
    return numbers


def _refuse_first(given: "pd.Series[Any]", lost: "pd.Series[bool]", why: str, path: Path) -> None:
    bad = (lost & given.notna()).to_numpy(bool)
    if bad.any():
        row = int(bad.argmax())
        raise BadInput(f"{given.name} = {given.iloc[row]!r} {why}", where=str(path), line=row + 2)
