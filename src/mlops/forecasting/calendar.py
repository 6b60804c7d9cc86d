"""What is known of a day ahead of time: public holidays, and the user's own events (strikes, storms, festivals)."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import holidays
import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.errors import BadInput, UnknownName
from mlops.tables import check_text, file_format, refuse_nul

__all__ = ["Calendar", "Event", "read_events"]

COLUMNS = "event,first[,last[,announced]]"


@dataclass(frozen=True, slots=True)
class Event:
    """A named stretch of days, both ends included; nobody knew of it before `announced` (None: planned long ahead)."""

    name: str
    first: date
    last: date
    announced: date | None = None

    @classmethod
    def of(cls, given: "Event | Mapping[str, Any]") -> "Event":
        """An event, or the mapping that `to_json` made of one."""
        if isinstance(given, Event):
            return given
        first = _date(given.get("first") or given.get("date"), "first")
        announced = given.get("announced")
        return cls(
            str(given.get("name") or given["event"]),
            first,
            _date(given.get("last") or first, "last"),
            _date(announced, "announced") if announced else None,
        )

    def to_json(self) -> dict[str, str]:
        """A mapping of texts."""
        return {key: str(value) for key, value in asdict(self).items() if value is not None}

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise BadInput(f"event {self.name!r} ends on {self.last}, before it begins on {self.first}; swap the dates")


def read_events(path: Path) -> tuple[Event, ...]:
    """The events of a CSV file with the header `event,first[,last[,announced]]`, dates as 2020-03-26."""
    if file_format(path) != "csv":
        raise BadInput(f"is no plain CSV; expected CSV with {COLUMNS}", where=str(path))
    try:
        data = path.read_bytes()
        check_text(data, str(path))
        refuse_nul(data, str(path))
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"event", "first"} - set(reader.fieldnames or ())
            if missing:
                found = ",".join(reader.fieldnames or ()) or "nothing"
                raise BadInput(f"the header is {found}; expected {COLUMNS}", where=str(path))
            return tuple(_event(row, path, line) for line, row in enumerate(reader, start=2))
    except (OSError, csv.Error) as error:
        raise BadInput(f"can't be read: {error}; expected CSV with {COLUMNS}", where=str(path)) from error


@dataclass(frozen=True)
class Calendar:
    """Named days: the public holidays of a country (ISO code; None for none) and events."""

    country: str | None = None
    events: tuple[Event, ...] = ()

    @classmethod
    def of(cls, country: str | None, events: Iterable[Event | Mapping[str, Any]] = ()) -> "Calendar":
        """A calendar; raises UnknownName for a country without known holidays."""
        _public(country, 2024, 2024)
        return cls(country, tuple(Event.of(event) for event in events))

    def announced_by(self, cutoff: pd.Timestamp) -> "Calendar":
        """What was known at the end of the day of `cutoff`."""
        known = tuple(event for event in self.events if event.announced is None or event.announced <= cutoff.date())
        return replace(self, events=known)

    def days(self, first: date, last: date) -> pd.DataFrame:
        """`ds, name` of every named day from `first` to `last`, in order."""
        rows = [(day, name) for day, name in _public(self.country, first.year, last.year) if first <= day <= last]
        for event in self.events:
            span = pd.date_range(max(event.first, first), min(event.last, last))
            rows += [(day.date(), event.name) for day in span]
        frame = pd.DataFrame(sorted(set(rows)), columns=["ds", "name"])
        return frame.assign(ds=pd.to_datetime(frame["ds"]))

    def counts(self, index: pd.DatetimeIndex, freq: str) -> dict[str, npt.NDArray[np.float64]]:
        """Per name, how many of its days lie in each step of `index` (for days and hours: 0 or 1)."""
        if not len(index):
            return {}
        return dict(_counts(self, freq, index.to_numpy().astype("datetime64[ns]").tobytes()))

    def count(self, index: pd.DatetimeIndex, freq: str) -> npt.NDArray[np.float64]:
        """How many named days lie in each step."""
        return np.asarray(sum(self.counts(index, freq).values(), np.zeros(len(index))))


@lru_cache(maxsize=256)
def _counts(calendar: Calendar, freq: str, times: bytes) -> Mapping[str, npt.NDArray[np.float64]]:
    """What `Calendar.counts` says of the times; models ask for the same steps again and again."""
    index = pd.DatetimeIndex(np.frombuffer(times, dtype="datetime64[ns]"))
    named = calendar.days(*_span(index, freq))
    found = {str(name): _per_step(index, freq, pd.DatetimeIndex(days)) for name, days in named.groupby("name")["ds"]}
    for count in found.values():
        count.setflags(write=False)
    return {name: count for name, count in found.items() if count.any()}


def _per_step(index: pd.DatetimeIndex, freq: str, days: pd.DatetimeIndex) -> npt.NDArray[np.float64]:
    if freq.split("-")[0] not in ("W", "MS"):
        return np.asarray(index.normalize().isin(days), dtype=float)
    starts = _starts(index, freq)
    place = np.searchsorted(starts.to_numpy(), days.to_numpy(), side="right") - 1
    inside = (place >= 0) & (days < _ends(starts[-1:], freq)[0])
    return np.bincount(place[inside], minlength=len(index)).astype(float)


def _starts(index: pd.DatetimeIndex, freq: str) -> pd.DatetimeIndex:
    """The first day of each step: a Monday names the week that it begins, another weekday the week that it ends."""
    ends_week = freq.startswith("W") and freq != "W-MON"
    return index.normalize() - pd.Timedelta(days=6) if ends_week else index.normalize()


def _ends(starts: pd.DatetimeIndex, freq: str) -> pd.DatetimeIndex:
    return starts + (pd.Timedelta(days=7) if freq.startswith("W") else pd.offsets.MonthBegin(1))


def _span(index: pd.DatetimeIndex, freq: str) -> tuple[date, date]:
    first, last = _starts(index[:1], freq)[0], index[-1]
    if freq.split("-")[0] in ("W", "MS"):
        last = _ends(_starts(index[-1:], freq), freq)[0] - pd.Timedelta(days=1)
    return first.date(), last.date()


@lru_cache(maxsize=64)
def _public(country: str | None, first: int, last: int) -> Sequence[tuple[date, str]]:
    if country is None:
        return ()
    try:
        found = holidays.country_holidays(country, years=range(first, last + 1))
    except NotImplementedError as error:
        raise UnknownName("country", country, holidays.list_supported_countries()) from error
    return tuple(sorted(found.items()))


def _event(row: Mapping[str, str | None], path: Path, line: int) -> Event:
    if not row.get("event") or not row.get("first"):
        raise BadInput(f"has no event or no first day; expected {COLUMNS}", where=str(path), line=line)
    try:
        return Event.of(row)
    except BadInput as error:
        raise BadInput(str(error), where=str(path), line=line) from error


def _date(given: Any, column: str) -> date:
    if isinstance(given, date):
        return given
    try:
        return date.fromisoformat(str(given).strip())
    except ValueError as error:
        raise BadInput(f"{column} = {given!r} is not a date; expected one like 2020-03-26") from error
