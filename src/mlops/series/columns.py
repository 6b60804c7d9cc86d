"""One column of text at a time: its typed values, and for each row the reason why it can't be taken."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Column", "Rows", "numbers", "reasons", "times", "words"]

Rows = npt.NDArray[Any]
"""One entry per row."""

PATTERN = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?"
AWARE = r".*[T ]\d\d:.*(?:Z|[+-]\d\d(?::?\d\d)?)"
EARLIEST = np.datetime64("1970-01-01", "us")


@dataclass(frozen=True, slots=True)
class Column:
    """The typed values of a column, and why a row can't be taken (None where it can)."""

    values: Rows
    reasons: Rows


Verdict = tuple[Any, str | None]
"""The value of a text, or the reason why there is none."""


def words(raw: "pd.Series[Any]", judge: Callable[[str], Verdict], *, absent: Verdict) -> Column:
    """`judge` gives the value of a text, or why there is none; `absent` does so for rows without one."""
    codes, distinct = pd.factorize(raw)
    judged = [judge(str(text)) if str(text) else absent for text in distinct]
    judged.append(absent)  # code -1: nothing there
    return Column(_objects([value for value, _ in judged])[codes], _objects([reason for _, reason in judged])[codes])


def numbers(raw: "pd.Series[Any]", *, required: bool) -> Column:
    """Finite floats; NaN where nothing is there."""
    values = pd.to_numeric(raw, errors="coerce").astype("float64").to_numpy()
    nothing = (raw.isna() | (raw == "")).to_numpy(dtype=bool)
    return Column(
        values,
        reasons(
            (nothing & required, "nothing is there; write a number or leave the row out"),
            (np.isnan(values) & ~nothing, "that is not a number; write it like 12.5"),
            (np.isinf(values), "the number must be finite"),
        ),
    )


def times(raw: "pd.Series[Any]", granularity: Rows, *, latest: np.datetime64, timezone: str | None = None) -> Column:
    """UTC times without a zone of their own, in microseconds.

    Without `timezone` a stamp must say its offset. With it an hourly stamp without offset is local time, and a daily,
    weekly or monthly one means its date as it is written.
    """
    codes, distinct = pd.factorize(raw)
    texts = pd.Series([*distinct, None], dtype=object)  # code -1: nothing there
    formed, aware = (texts.str.fullmatch(form, na=False).to_numpy(dtype=bool) for form in (PATTERN, AWARE))
    written = _parse(texts.where(formed))
    local = written if timezone is None else _localized(written, timezone)
    values = np.where((granularity == "hourly") & ~aware[codes], local[codes], written[codes])
    unzoned = (formed & ~aware)[codes] if timezone is None else np.zeros(len(codes), dtype=bool)
    outside = (values < EARLIEST) | (values > latest) | (np.isnat(values) & _far(texts, latest)[codes])
    return Column(
        values,
        reasons(
            (texts.isna().to_numpy()[codes], "nothing is there; write a time like 2024-01-31T00:00:00Z"),
            (~formed[codes], "that is not a time; write it like 2024-01-31T00:00:00Z"),
            (outside, f"the time is outside 1970-01-01 to {latest.astype('datetime64[D]')}; correct it"),
            (unzoned, "the time has no zone; write it like 2024-01-31T00:00:00Z, or name the zone (--timezone UTC)"),
            (np.isnat(written)[codes], "there is no such date or time; correct it"),
            (np.isnat(values), f"that time comes twice or never in {timezone}; write its offset"),
            *_unaligned(values, granularity),
        ),
    )


def reasons(*rules: tuple[Rows, str]) -> Rows:
    """For each row what the first rule that holds says, None where none does."""
    found = np.full(len(rules[0][0]), None, dtype=object)
    for holds, text in reversed(rules):
        found[holds] = text
    return found


def _unaligned(values: Rows, granularity: Rows) -> list[tuple[Rows, str]]:
    """Stamps that are not the beginning of their hour, day or month."""
    hourly, monthly = granularity == "hourly", granularity == "monthly"
    starts = {unit: values == values.astype(f"datetime64[{unit}]") for unit in "hDM"}
    return [
        (hourly & ~starts["h"], "an hourly value carries the full hour (minutes and seconds 00)"),
        (monthly & ~starts["M"], "a monthly value carries 00:00 UTC of the first day of its month"),
        (~hourly & ~starts["D"], "a daily or weekly value carries 00:00 UTC of its (first) date"),
    ]


def _parse(texts: "pd.Series[Any]") -> Rows:
    return _naive(pd.Series(pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")))


def _localized(written: Rows, timezone: str) -> Rows:
    local = pd.DatetimeIndex(written).tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    return _naive(local.tz_convert("UTC").to_series())


def _naive(stamps: "pd.Series[Any]") -> Rows:
    naive: Rows = stamps.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    return naive


def _far(texts: "pd.Series[Any]", latest: np.datetime64) -> Rows:
    """Whether the written year is out of range; years like 9999 can't even be parsed."""
    years = pd.to_numeric(texts.str[:4], errors="coerce")
    return ((years < 1970) | (years > int(str(latest)[:4]))).to_numpy(dtype=bool)


def _objects(items: list[Any]) -> Rows:
    found = np.empty(len(items), dtype=object)
    found[:] = items
    return found
