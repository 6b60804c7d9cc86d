"""Evidently's classic presets on two windows of any frame: drift, summary and, where outcomes are known, regression."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from mlops.errors import NothingToDo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what numpy and litestar have deprecated
    from evidently import DataDefinition, Dataset, Regression, Report
    from evidently.core.report import Snapshot
    from evidently.presets import DataDriftPreset, DataSummaryPreset, RegressionPreset

__all__ = ["Classic", "classic"]

PRESETS: Mapping[str, Callable[[], Any]] = {
    "DataDriftPreset": DataDriftPreset,
    "DataSummaryPreset": DataSummaryPreset,
    "RegressionPreset": RegressionPreset,
}
TARGET, PREDICTION = "target", "prediction"
DRIFT = "evidently:metric_v2:ValueDrift"


@dataclass(frozen=True)
class Classic:
    """What the presets said: a snapshot as JSON, the columns that they call drifted, and what was left out and why."""

    snapshot: str
    columns: tuple[str, ...]
    drifted: tuple[str, ...]
    left_out: dict[str, str]


def classic(reference: pd.DataFrame, current: pd.DataFrame, *, name: str, as_of: datetime) -> Classic:
    """The presets on the columns of both windows; `target` and `prediction`, if they are there, are a regression's.

    Columns without a value in a window, and presets that can't be, are left out and named. Values that are not finite
    count as missing. Raises NothingToDo when a window has no rows or no column is left.
    """
    windows = {"reference": _numbers(reference), "current": _numbers(current)}
    for which, rows in windows.items():
        if not len(rows):
            raise NothingToDo(f"the {which} window of {name} has no rows")
    left_out = _empty(windows)
    columns = tuple(str(column) for column in windows["current"] if column not in left_out)
    if not columns:
        raise NothingToDo(f"no column of {name} has values in both windows: {', '.join(left_out)}")
    without = _no_regression(windows["current"], columns)
    wanted = [preset for preset in PRESETS if preset != "RegressionPreset" or not without]
    left_out |= {"RegressionPreset": without} if without else {}
    run, failed = _run(wanted, windows, columns, name, as_of)
    return Classic(_as_json(run), columns, _drifted(run), left_out | failed)


def _numbers(window: pd.DataFrame) -> pd.DataFrame:
    numbers = window.apply(pd.to_numeric, errors="coerce").astype(float)
    finite: pd.DataFrame = numbers.where(np.isfinite(numbers)).reset_index(drop=True)
    return finite


def _empty(windows: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Columns that are nowhere, or empty, in a window."""
    names = dict.fromkeys(str(name) for rows in windows.values() for name in rows)
    blank = {
        name: [which for which, rows in windows.items() if name not in rows or rows[name].isna().all()]
        for name in names
    }
    return {name: f"no value in the {' and the '.join(places)} window" for name, places in blank.items() if places}


def _no_regression(current: pd.DataFrame, columns: Sequence[str]) -> str:
    """Why there can be no regression; empty where there can."""
    if not {TARGET, PREDICTION} <= set(columns):
        return "no outcomes or no forecasts"
    known = current[[TARGET, PREDICTION]].dropna()
    return "" if (known[TARGET] != 0).any() else "no outcome other than 0 belongs to a forecast"


def _run(
    wanted: Sequence[str], windows: Mapping[str, pd.DataFrame], columns: Sequence[str], name: str, as_of: datetime
) -> tuple[Snapshot, dict[str, str]]:
    """One report of the presets that can be run; what a preset broke on is told, and breaks no other."""
    regression = [Regression(target=TARGET, prediction=PREDICTION)] if "RegressionPreset" in wanted else []
    definition = DataDefinition(numerical_columns=list(columns), categorical_columns=[], regression=regression)

    def report(presets: Sequence[str]) -> Snapshot:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            sets = [
                Dataset.from_pandas(windows[which][list(columns)], data_definition=definition)
                for which in ("current", "reference")
            ]
            return Report([PRESETS[preset]() for preset in presets], include_tests=True).run(
                *sets, timestamp=as_of, name=name
            )

    try:
        return report(wanted), {}
    except Exception:  # noqa: BLE001  Evidently raises whatever numpy does on odd columns
        failed = {preset: why for preset in wanted if (why := _failure(report, preset))}
        return report([preset for preset in wanted if preset not in failed]), failed


def _failure(report: Callable[[Sequence[str]], Snapshot], preset: str) -> str:
    try:
        report([preset])
    except Exception as error:  # noqa: BLE001  as above
        return f"Evidently could not: {str(error).splitlines()[0]}"
    return ""


def _drifted(run: Snapshot) -> tuple[str, ...]:
    """The columns whose test of drift fails."""
    tests = [(test["metric_config"]["params"], test["status"].value) for test in run.dict()["tests"]]
    failing = (asked.get("column") for asked, status in tests if asked["type"] == DRIFT and status == "FAIL")
    return tuple(dict.fromkeys(str(column) for column in failing))


def _as_json(run: Snapshot) -> str:
    """Strict JSON: no NaN, no Infinity."""
    return json.dumps(json.loads(run.dumps(), parse_constant=lambda _: None), allow_nan=False)
