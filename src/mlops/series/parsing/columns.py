"""One column of text at a time: its typed values, and for each row the reason why it can't be taken.

Whatever can be told once per distinct text is: a file of a million rows holds few different times, places and labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as arrow

from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.times import UTC, local_times

__all__ = ["ParsedColumn", "Stamp", "Verdict", "also", "constant", "parse_numbers", "parse_times", "words"]

PATTERN = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?"
OFFSET = r" ?(?:Z|[+-]\d\d(?::?\d\d)?)$"
AWARE = r".*[T ]\d\d:.*(?:Z|[+-]\d\d(?::?\d\d)?)"
EARLIEST = np.datetime64("1970-01-01", "us")
ANY = Granularity("any", "", ("day", "day"), "any time", seconds=86_400)
"""What times are held against where the granularity is not known: they are as good as a date."""


@dataclass(frozen=True, slots=True)
class ParsedColumn:
    """The typed values of a column, and why a row can't be taken (None where it can; None at all if every row can)."""

    values: Any
    reasons: npt.NDArray[Any] | None = None


Stamp = Literal["begin", "end"]
"""Which end of its step a time names."""
Verdict = tuple[Any, str | None]
"""The value of a text, or the reason why there is none."""


def constant(value: Any, rows: int) -> ParsedColumn:
    """A column that is the same in every row."""
    codes = np.full(rows, -1 if value is None else 0, dtype=np.int8)
    return ParsedColumn(pd.Categorical.from_codes(codes, pd.Index([] if value is None else [value], dtype=object)))


def words(raw: "pd.Series[Any]", verdict: Callable[[str], Verdict], *, absent: Verdict) -> ParsedColumn:
    """A categorical of the `verdict` on each distinct text; `absent` is that on rows without one."""
    codes, distinct = _factorized(raw)
    verdicts = [verdict(str(text)) if str(text) else absent for text in distinct]
    verdicts.append(absent)  # code -1: nothing there
    kept, values = pd.factorize(_objects([value for value, _ in verdicts]), use_na_sentinel=True)
    reasons = _picked(_objects([reason for _, reason in verdicts]), codes)
    return ParsedColumn(pd.Categorical.from_codes(kept[codes], pd.Index(values, dtype=object)), reasons)


def parse_numbers(raw: "pd.Series[Any]", *, required: bool) -> ParsedColumn:
    """Finite floats; NaN where nothing is there."""
    values = _floats(raw)
    bad = ~np.isfinite(values)
    if not bad.any():
        return ParsedColumn(values)
    nothing = (raw.isna() | (raw.astype(object) == "")).to_numpy(dtype=bool)
    return also(
        ParsedColumn(values),
        (nothing & required, "nothing is there; write a number or leave the row out"),
        (np.isnan(values) & ~nothing, "that is not a number; write it like 12.5"),
        (np.isinf(values), "the number must be finite"),
    )


def parse_times(
    raw: "pd.Series[Any]",
    granularity: pd.Categorical,
    zone: pd.Categorical,
    *,
    latest: np.datetime64,
    stamp: Stamp = "begin",
    clocks: Sequence[str] = (),
) -> ParsedColumn:
    """The UTC times at which steps begin, without a zone of their own, in microseconds.

    Where no `zone` is named a stamp must say its offset, and hours are full by the clock that it writes or by one of
    `clocks`. With one an hour without offset is local time, and hours are full by the zone's clock; without offset a
    day or longer means its date as it is written.
    """
    codes, distinct = _factorized(raw)
    steps, zones = [*granularity.categories, None], [*zone.categories, None]
    of_step, of_zone, codes = (np.asarray(x, dtype=np.int64) for x in (granularity.codes, zone.codes, codes))
    kinds = of_step % len(steps) * len(zones) + of_zone % len(zones)  # -1 counts from the end
    there = np.flatnonzero(np.bincount(kinds, minlength=1))
    kind = np.searchsorted(there, np.arange(len(steps) * len(zones)))[kinds]
    columns = [
        _times_of([*distinct, None], steps[number // len(zones)], zones[number % len(zones)], latest, stamp, clocks)
        for number in there
    ]
    rows = kind * (len(distinct) + 1) + codes % (len(distinct) + 1)
    values = np.concatenate([np.empty(0, "datetime64[us]"), *(values for values, _ in columns)])
    return ParsedColumn(
        values[rows], _picked(np.concatenate([np.empty(0, object), *(why for _, why in columns)]), rows)
    )


def also(column: ParsedColumn, *rules: tuple[npt.NDArray[Any], str]) -> ParsedColumn:
    """The column with more rules; a reason that is there goes first, then the first rule that holds."""
    held = [(holds, text) for holds, text in rules if holds.any()]
    if not held:
        return column
    reasons = np.full(len(held[0][0]), None, dtype=object) if column.reasons is None else column.reasons.copy()
    for holds, text in held:
        reasons[holds & pd.isna(reasons)] = text
    return ParsedColumn(column.values, reasons)


def _times_of(
    texts: Sequence[Any],
    name: str | None,
    zone: str | None,
    latest: np.datetime64,
    stamp: Stamp,
    clocks: Sequence[str],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The time of each text for series of a granularity and zone, or the reason why it is none."""
    raw, step = pd.Series(texts, dtype=object), GRANULARITIES.get(name or "", ANY)
    formed, aware = (raw.str.fullmatch(form, na=False).to_numpy(dtype=bool) for form in (PATTERN, AWARE))
    written = _parse(raw.where(formed))
    values = _localized(written, zone) if zone is not None and not step.dated else written
    values = np.where(aware, written, values)
    begins, real = values.copy(), ~np.isnat(values)
    if stamp == "end" and step is not ANY:
        begins[real] = step.begun(values[real])
    years = pd.to_numeric(raw.str[:4], errors="coerce")  # one like 9999 can't even be parsed
    far = ((years < 1970) | (years > int(str(latest)[:4]))).to_numpy(dtype=bool)
    outside = (begins < EARLIEST) | (values < EARLIEST) | (values > latest) | (np.isnat(values) & far)
    own = np.where(aware, _parse(raw.where(formed & aware).str.replace(OFFSET, "", regex=True)), written)
    shown = [local_times(begins, clock) for clock in ([zone] if zone else clocks)] if not step.dated else []
    unaligned, carries = _unaligned(begins, step, zone, shown if zone else [own, *shown])
    nowhere = np.isnat(values)
    standing = np.zeros(len(written), dtype=bool)  # of a time that comes twice, the second
    twice = nowhere & ~np.isnat(_localized(written, zone, ambiguous=standing)) if zone else nowhere
    column = also(
        ParsedColumn(begins),
        (raw.isna().to_numpy(), "nothing is there; write a time like 2024-01-31T00:00:00Z"),
        (~formed, "that is not a time; write the year first, like 2024-01-31 or 2024-01-31T00:00:00Z"),
        (outside, f"the time is outside 1970-01-01 to {latest.astype('datetime64[D]')}; correct it"),
        (
            formed & ~aware & (zone is None) & ~(step.dated & (written == written.astype("datetime64[D]"))),
            "the time has no zone; write it like 2024-01-31T00:00:00Z, or name the zone (--timezone UTC)",
        ),
        (np.isnat(written), "there is no such date or time; correct it"),
        (twice, f"that time comes twice in {zone}: the clock is set back; write its offset"),
        (nowhere, f"that time never comes in {zone}: the clock is set forward; write its offset"),
        (
            np.isnat(begins),
            f"no step of granularity {step.name} ends on that date; a time is read as the end of its step",
        ),
        (unaligned, carries),
    )
    reasons = column.reasons
    return begins, np.full(len(begins), None, dtype=object) if reasons is None else reasons


def _unaligned(
    values: npt.NDArray[Any], step: Granularity, zone: str | None, shown: Sequence[npt.NDArray[Any]]
) -> tuple[npt.NDArray[Any], str]:
    """Times that begin no step of that granularity, whichever the anchor of its series; and what one carries.

    Hours are full as one of the clocks has `shown` them.
    """
    carries = f"a value of granularity {step.name} carries {step.begins}"
    if step is ANY:
        return np.zeros(len(values), dtype=bool), carries
    if not step.dated:
        ask = "name that zone (--timezone, or the column time_zone)" if zone in (None, UTC) else f"here that of {zone}"
        over = [clock.astype("datetime64[us]").astype(np.int64) % (step.seconds * 1_000_000) for clock in shown]
        return np.all([left != 0 for left in over], axis=0), f"{carries}; {ask}"
    dates = values.astype("datetime64[D]")
    off = values != dates
    if step.months:
        off |= dates != dates.astype("datetime64[M]")
    elif not step.seconds:
        off |= ~np.isnat(dates) & ~np.is_busday(np.where(np.isnat(dates), EARLIEST.astype("datetime64[D]"), dates))
    return off, carries if not step.counted else f"{carries}; --stamp end takes times that name the last date instead"


def _factorized(raw: "pd.Series[Any]") -> tuple[npt.NDArray[Any], "pd.Index[Any]"]:
    """A code for each row, -1 where nothing is there, and the text of each code."""
    if isinstance(raw.dtype, pd.CategoricalDtype):
        return raw.cat.codes.to_numpy(), raw.cat.categories
    codes, distinct = pd.factorize(raw)
    return codes, pd.Index(distinct)


def _floats(raw: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    """Numbers as floats, texts as the numbers that they spell, NaN for anything else."""
    if isinstance(raw.dtype, pd.ArrowDtype):
        try:
            spelled = arrow.cast(pa.array(raw), pa.float64())
            return np.asarray(spelled.to_numpy(zero_copy_only=False), dtype=np.float64)
        except pa.ArrowInvalid:  # some text is no number: find out which
            raw = raw.astype(object)
    values: npt.NDArray[Any] = pd.to_numeric(raw, errors="coerce").astype("float64").to_numpy()
    return values


def _picked(reasons: npt.NDArray[Any], codes: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """The reasons of the rows, or None when no row has one."""
    refused = ~pd.isna(reasons)
    return reasons[codes] if refused.any() and refused[codes].any() else None


def _parse(texts: "pd.Series[Any]") -> npt.NDArray[Any]:
    return _naive(pd.Series(pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")))


def _localized(written: npt.NDArray[Any], timezone: str, *, ambiguous: Any = "NaT") -> npt.NDArray[Any]:
    local = pd.DatetimeIndex(written).tz_localize(timezone, ambiguous=ambiguous, nonexistent="NaT")
    return _naive(local.tz_convert("UTC").to_series())


def _naive(stamps: "pd.Series[Any]") -> npt.NDArray[Any]:
    naive: npt.NDArray[Any] = stamps.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    return naive


def _objects(items: list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array
