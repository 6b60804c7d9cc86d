"""Which rows of the long format can be taken: typed, or refused with a reason. Pure; a whole chunk at a time."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.domain.granularity import named
from mlops.domain.metric_types import MetricType, declare_command
from mlops.domain.series import LONG_COLUMNS, NUMBERS, PLACE, REQUIRED
from mlops.errors import BadInput, UnknownName, nearest
from mlops.panels.timestamps import no_granularity, zone_meant
from mlops.series.adapters import REFUSED_COLUMNS
from mlops.series.parsing.columns import ParsedColumn, Stamp, Verdict, also, constant, parse_numbers, parse_times, words
from mlops.times import NOT_A_ZONE, zone_named

__all__ = ["Bounds", "Checked", "Rules", "check_columns", "validate"]

Bounds = dict[str, tuple[float, float]]
"""The declared metric types with the smallest and the largest possible value."""

LONGEST_NAME, LONGEST_LABELS = 200, 500  # bytes; together they must fit into one entry of the index series_identity
NUL = "\0"
ENDLESS = (math.inf, -math.inf)


@dataclass(frozen=True, slots=True)
class Rules:
    """What rows are held against; `timezone` is of rows that name none, `stamp` is which end of a step is named."""

    bounds: Bounds
    latest: np.datetime64
    timezone: str | None = None
    closed: Mapping[Any, str] = field(default_factory=dict)
    """Months that are archived and gone, with the file that would bring them back."""
    stamp: Stamp = "begin"
    clocks: tuple[str, ...] = ()
    """Time zones of stored series, by whose clocks hours may be full where a row names none."""

    @classmethod
    def of(
        cls,
        metrics: Iterable[MetricType],
        latest: np.datetime64,
        closed: Mapping[datetime, str],
        timezone: str | None,
        stamp: Stamp = "begin",
        clocks: Iterable[str] = (),
    ) -> "Rules":
        """The rules of these metric types; `closed` maps the beginnings of archived months to their files."""
        months = {np.datetime64(f"{month.astimezone(UTC):%Y-%m}", "M"): path for month, path in closed.items()}
        bounds = {
            metric.name: (
                -math.inf if metric.min_value is None else metric.min_value,
                math.inf if metric.max_value is None else metric.max_value,
            )
            for metric in metrics
        }
        return cls(bounds, latest.astype("datetime64[us]"), timezone, months, stamp, tuple(clocks))


@dataclass(frozen=True, slots=True)
class Checked:
    """The rows that can be taken, and one entry for each reason not to take one of the `count` others."""

    good: pd.DataFrame
    refused: pd.DataFrame = field(repr=False)
    count: int


def check_columns(names: Sequence[str], where: str) -> None:
    """Raise BadInput unless these are columns of the long format and the required ones are among them."""
    for name in names:
        if name not in LONG_COLUMNS:
            raise BadInput(str(UnknownName("column", name, LONG_COLUMNS)), where=where, line=1)
    for name in REQUIRED:
        if name not in names:
            raise BadInput(f"column {name!r} is missing; found {', '.join(names)}", where=where, line=1)
    if len(set(names)) < len(names):
        raise BadInput(f"a column is there twice; found {', '.join(names)}", where=where, line=1)


def validate(frame: pd.DataFrame, rules: Rules) -> Checked:
    """A chunk (columns of the long format and `line`) divided into typed rows and refused ones.

    Typed rows have every column of a series' identity and `time_zone` as a categorical, `observed_at` as UTC without a
    zone in microseconds, and floats.
    """
    frame = frame.reset_index(drop=True)
    missing = np.full(len(frame), np.nan)
    columns = _identity(frame, rules)
    for name in NUMBERS:
        columns[name] = (
            parse_numbers(frame[name], required=name == "value") if name in frame.columns else ParsedColumn(missing)
        )
    quality = columns["quality_score"]
    outside = (quality.values < 0) | (quality.values > 1)
    columns["quality_score"] = also(quality, (outside, "a quality score is from 0 to 1"))
    columns["observed_at"] = parse_times(
        frame["observed_at"],
        columns["granularity"].values,
        columns["time_zone"].values,
        latest=rules.latest,
        stamp=rules.stamp,
        clocks=rules.clocks,
    )
    if rules.closed:
        columns["observed_at"] = _of_open_months(columns["observed_at"], rules)
    columns["value"] = _bounded(columns["value"], columns["metric_type"].values, rules.bounds)
    value, lower, upper = (columns[name] for name in ("value", "value_lower", "value_upper"))
    above, below = lower.values > value.values, upper.values < value.values
    columns["value_lower"] = also(lower, (above, "value_lower is above value; it must not be"))
    columns["value_upper"] = also(upper, (below, "value_upper is below value; it must not be"))
    refused = [pd.notna(column.reasons) for column in columns.values() if column.reasons is not None]
    typed = {"line": frame["line"].to_numpy(), **{name: column.values for name, column in columns.items()}}
    if not refused:
        return Checked(pd.DataFrame(typed, copy=False), pd.DataFrame(columns=list(REFUSED_COLUMNS)), 0)
    bad = np.any(refused, axis=0)
    good = pd.DataFrame({name: values[~bad] for name, values in typed.items()})
    return Checked(good, _refused(frame, columns, bad), int(bad.sum()))


def _identity(frame: pd.DataFrame, rules: Rules) -> dict[str, ParsedColumn]:
    def metric_type(text: str) -> tuple[str | None, str | None]:
        return (text, None) if text in rules.bounds else (None, _undeclared(text, rules.bounds))

    missing = (None, "nothing is there; write one of analytics.metric_types")
    return {
        "tenant_id": _words(frame, "tenant_id", _tenant, absent=(1, None)),
        "metric_type": _words(frame, "metric_type", metric_type, absent=missing),
        "granularity": _words(frame, "granularity", _granularity, absent=("daily", None)),
        **{name: _words(frame, name, _name, absent=(None, None)) for name in PLACE},
        "labels": _words(frame, "labels", _labels, absent=("{}", None)),
        "time_zone": _words(frame, "time_zone", _zone, absent=(rules.timezone, None)),
    }


def _words(frame: pd.DataFrame, name: str, verdict: Callable[[str], Verdict], *, absent: Verdict) -> ParsedColumn:
    if name in frame.columns:
        return words(frame[name], verdict, absent=absent)
    return constant(absent[0], len(frame))


def _of_open_months(times: ParsedColumn, rules: Rules) -> ParsedColumn:
    """The times, without those of months that are archived: what is only partly there can't be added to."""
    months = times.values.astype("datetime64[M]")
    restore = "is archived and no longer in the database; bring it back with: mlops db restore-archive"
    return also(
        times,
        *((months == month, f"the month {month} {restore} {path}") for month, path in sorted(rules.closed.items())),
    )


def _bounded(value: ParsedColumn, metric_types: pd.Categorical, bounds: Bounds) -> ParsedColumn:
    """The values within the bounds of their metric type."""
    names, codes = metric_types.categories, np.asarray(metric_types.codes)
    low, high = (np.array([*(bounds[name][side] for name in names), np.nan])[codes] for side in (0, 1))
    outside = (value.values < low) | (value.values > high)
    if not outside.any():
        return value
    rules = [(outside & (codes == code), _out_of_bounds(name, bounds[name])) for code, name in enumerate(names)]
    return also(value, *rules)


def _refused(frame: pd.DataFrame, columns: dict[str, ParsedColumn], bad: npt.NDArray[Any]) -> pd.DataFrame:
    """One entry per refused row and column, in the order of the lines."""
    rows = frame[bad].astype(object)
    texts = [_as_json(row) for row in rows.drop(columns="line").to_dict("records")]
    raw = pd.Series(texts, index=rows.index, dtype=object)
    entries = []
    for name, column in columns.items():
        if column.reasons is None:
            continue
        reason = pd.Series(column.reasons, index=frame.index)[bad].dropna()
        found = rows[name].loc[reason.index] if name in rows else pd.Series(None, index=reason.index, dtype=object)
        entries.append(
            pd.DataFrame(
                {
                    "line": frame["line"].loc[reason.index],
                    "column_name": name,
                    "found": found.where(found.notna(), None).map(lambda text: None if text is None else str(text)),
                    "reason": reason,
                    "raw": raw.loc[reason.index],
                }
            )
        )
    return pd.concat(entries).sort_values("line", kind="stable", ignore_index=True)


def _as_json(row: dict[Any, Any]) -> str:
    """JSON knows no infinite numbers: they are texts in it."""
    there = {name: value for name, value in row.items() if pd.notna(value)}
    return json.dumps({name: str(value) if value in ENDLESS else value for name, value in there.items()}, default=str)


def _tenant(text: str) -> tuple[int, str | None]:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    whole = number.is_integer() and 1 <= number < 2**31
    return (int(number), None) if whole else (0, "a tenant is a whole number from 1 on")


def _granularity(text: str) -> Verdict:
    granularity = named(text)
    return (None, no_granularity(text)) if granularity is None else (granularity.name, None)


def _zone(text: str) -> Verdict:
    zone = zone_named(text)
    return zone, f"that {NOT_A_ZONE}{zone_meant(text)}" if zone is None else None


def _name(text: str) -> tuple[str, str | None]:
    if NUL in text:
        return text, "a name can't hold the character NUL"
    return text, None if len(text.encode()) <= LONGEST_NAME else f"a name has at most {LONGEST_NAME} bytes; shorten it"


def _labels(text: str) -> tuple[str, str | None]:
    """The object in one writing, so that equal labels are equal texts."""
    try:
        labels = json.loads(text, parse_float=_whole_if_whole, parse_constant=_refuse_constant)
        written = json.dumps(labels, sort_keys=True, ensure_ascii=False, allow_nan=False)
        size = len(written.encode())
    except (ValueError, RecursionError):
        return text, 'labels are a JSON object like {"stream": "paper"}'
    if not isinstance(labels, dict) or "\\u0000" in written:
        return text, 'labels are a JSON object like {"stream": "paper"}'
    return written, None if size <= LONGEST_LABELS else f"labels have at most {LONGEST_LABELS} bytes; shorten them"


def _whole_if_whole(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def _refuse_constant(text: str) -> float:
    raise ValueError(text)


def _undeclared(text: str, bounds: Bounds) -> str:
    close = nearest(text, bounds)
    hint = f"did you mean {close!r}? else " if close else ""
    command = f"{declare_command(text)} --aggregate sum"
    return (
        f"this metric type is not declared; {hint}declare it with: {command}; mlops series metric list shows the others"
    )


def _out_of_bounds(name: str, bounds: tuple[float, float]) -> str:
    low, high = (f"{side:g}" if math.isfinite(side) else "no limit" for side in bounds)
    bounds_are = f"the value is outside the bounds of {name} ({low} to {high})"
    return f"{bounds_are}; correct it, or the bounds in analytics.metric_types"
