"""What is known of a day ahead of time: public holidays, and the user's own events (strikes, storms, festivals)."""

import csv
import io
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

from mlops.domain.granularity import Granularity
from mlops.errors import BadInput, UnknownName
from mlops.tables import file_format, read_text, refuse_nul

__all__ = ["Calendar", "Event", "read_events"]

Floats = npt.NDArray[np.float64]
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
        data, dialect = read_text(path)
        refuse_nul(data, str(path))
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=dialect.delimiter)
        missing = {"event", "first"} - set(reader.fieldnames or ())
        if missing:
            found = ",".join(reader.fieldnames or ()) or "nothing"
            raise BadInput(f"the header is {found}; expected {COLUMNS}", where=str(path))
        return tuple(_event(row, path, line) for line, row in enumerate(reader, start=2))
    except (OSError, csv.Error) as error:
        raise BadInput(f"can't be read: {error}; expected CSV with {COLUMNS}", where=str(path)) from error


@lru_cache(maxsize=64)
def check_country(country: str) -> tuple[str, str | None]:
    """The ISO code, and the part after a dash (`US-CA`) or None; UnknownName for one without public holidays."""
    code, dash, part = country.partition("-")
    known = holidays.list_supported_countries()
    if code not in known:
        raise UnknownName("country", country, (one for one in known if len(one) == 2), known_as=_other_names(known))
    if dash:
        try:
            holidays.country_holidays(code, subdiv=part or "none", years=())
        except NotImplementedError as error:
            raise UnknownName(f"part of {code}", part, known[code]) from error
    return code, part or None


def _other_names(known: Iterable[str]) -> dict[str, str]:
    """Countries by their English names and their codes of three letters."""
    from holidays.registry import COUNTRIES

    return {
        other: code
        for name, (_, *codes) in COUNTRIES.items()
        for code in codes[:1]
        if code in known
        for other in (name, *codes[1:])
    }


@dataclass(frozen=True)
class Calendar:
    """Named days: events, and the public holidays of a country (ISO code, also of a subdivision: `US-CA`; None: none).

    A day on which several public holidays fall is one day off: each of its names counts for a share of it, so that
    their effects are not added up. An event comes on top of a holiday.
    """

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

    @property
    def own(self) -> frozenset[str]:
        """The names of the events."""
        return frozenset(event.name for event in self.events)

    def days(self, first: date, last: date) -> pd.DataFrame:
        """`ds, name, share` of every name of every day from `first` to `last`, in order; the share is 1 for events."""
        shares: dict[tuple[date, str], float] = {}
        for day, names in _public(self.country, first.year, last.year):
            if first <= day <= last:
                shares |= {(day, name): 1 / len(names) for name in names}
        for event in self.events:
            span = pd.date_range(max(event.first, first), min(event.last, last))
            shares |= {(day.date(), event.name): 1.0 for day in span}
        rows = [(day, name, share) for (day, name), share in sorted(shares.items())]
        frame = pd.DataFrame(rows, columns=["ds", "name", "share"])
        return frame.assign(ds=pd.to_datetime(frame["ds"]), share=frame["share"].astype(float))

    def counts(self, index: pd.DatetimeIndex, granularity: Granularity) -> dict[str, Floats]:
        """Per name, how many of its days (or shares of days) lie in each of the steps of `index`.

        Of days and shorter steps it is 1, the share of the name, or 0.
        """
        return dict(self._found(index, granularity)[0]) if len(index) else {}

    def count(self, index: pd.DatetimeIndex, granularity: Granularity) -> Floats:
        """How many named days lie in each of the steps; a day with several names is one."""
        return self._found(index, granularity)[1] if len(index) else np.zeros(0)

    def _found(self, index: pd.DatetimeIndex, granularity: Granularity) -> "tuple[Mapping[str, Floats], Floats]":
        return _counts(self, granularity, index.to_numpy().astype("datetime64[ns]").tobytes())


@lru_cache(maxsize=256)
def _counts(calendar: Calendar, granularity: Granularity, times: bytes) -> tuple[Mapping[str, Floats], Floats]:
    """What `Calendar.counts` and `count` say of the times; models ask for the same steps again and again."""
    starts = np.frombuffer(times, dtype="datetime64[ns]")
    end = granularity.after(starts.max(), 1)[0] - np.timedelta64(1, "us")
    named = calendar.days(*(pd.Timestamp(one).date() for one in (starts.min(), end)))
    found = {}
    for name, days in named.groupby("name"):
        at, share = days["ds"].to_numpy(), days["share"].to_numpy()
        found[str(name)] = sum(
            (size * granularity.per_step(starts, at[share == size]) for size in np.unique(share)), np.zeros(len(starts))
        )
    together = granularity.per_step(starts, np.unique(named["ds"].to_numpy()))
    for count in (*found.values(), together):
        count.setflags(write=False)
    return {name: count for name, count in found.items() if count.any()}, together


@lru_cache(maxsize=64)
def _public(country: str | None, first: int, last: int) -> Sequence[tuple[date, tuple[str, ...]]]:
    """The public holidays of years, by day in order, each with its names: in English where they are translated."""
    if country is None:
        return ()
    code, part = check_country(country)
    found = holidays.country_holidays(code, subdiv=part, years=range(first, last + 1), expand=False, language="en_US")
    return tuple((day, tuple(sorted(set(found.get_list(day))))) for day in sorted(found))


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
