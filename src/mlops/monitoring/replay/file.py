"""A history to be replayed from a file of anybody's: rows with a time, a target and a forecast that was made for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from mlops import tables
from mlops.errors import BadInput
from mlops.monitoring.detect.spec import MonitorSpec
from mlops.monitoring.replay.replay import Case, MonitorWatch, split

__all__ = ["of_file"]

ONE_ENTITY = "all rows"


def of_file(path: Path, spec: MonitorSpec, weeks: int) -> Case:
    """The rows of a CSV or Parquet file with the columns of `spec`; its newest `weeks` are replayed.

    Without `spec.entity` ("") all rows are of one entity. Times become naive UTC; a text without zone is UTC. Raises
    BadInput for what can't be read or is no finite number, Refused where fewer than 90 days are left to fit on.
    """
    frame, where = tables.read_table(path, "a time, a target and a forecast"), str(path)
    if frame.empty:
        raise BadInput("has no rows", where=where)
    if not spec.entity:
        spec = _of_one_entity(spec)
        frame = frame.assign(**{ONE_ENTITY: ONE_ENTITY})
    _refuse_absent(frame, spec, path)
    rows = frame[list(dict.fromkeys(spec.columns))].assign(**{spec.time: tables.times(frame[spec.time], where)})
    for name in (spec.target, spec.prediction, *spec.numeric):
        rows[name] = tables.numbers(frame[name], where)
    if spec.holiday is not None:
        rows[spec.holiday] = _flags(frame[spec.holiday])
    history, live, start = split(rows.dropna(subset=[spec.time]), spec.time, weeks)
    return Case(path.name, "forecasts of the file", spec, history, live, start, weeks, MonitorWatch.fit)


def _of_one_entity(spec: MonitorSpec) -> MonitorSpec:
    return replace(spec, entity=ONE_ENTITY)


def _refuse_absent(frame: pd.DataFrame, spec: MonitorSpec, path: Path) -> None:
    absent = [name for name in spec.columns if name not in frame.columns]
    if absent:
        columns = ", ".join(str(name) for name in frame.columns if name != ONE_ENTITY)
        raise BadInput(
            f"has no column {absent[0]!r}; its columns are {columns}; name yours with --time, --entity, --target,"
            " --prediction, --numeric, --categorical and --holiday",
            where=str(path),
        )


def _flags(given: "pd.Series[Any]") -> "pd.Series[Any]":
    """Texts of flags and numbers as what they spell; a name stays one."""
    if given.dtype != object:
        return given
    spelled = given.where(~given.isin(tables.MISSING))
    numbers = pd.to_numeric(spelled, errors="coerce")
    flags = spelled.map({"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0})
    return spelled.where(numbers.isna(), numbers).where(flags.isna(), flags)
