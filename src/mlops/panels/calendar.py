"""Named days that are known ahead: public holidays, and the user's own events (strikes, storms, festivals)."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import holidays
import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.canonical import JsonObject, Parameters
from mlops.domain.granularity import Granularity
from mlops.errors import BadInput, UnknownName
from mlops.tables import as_pandas, file_format, read_text, refuse_nul

__all__ = ["Calendar", "Event", "Events", "about", "events_of", "read_events"]

Rows: TypeAlias = npt.NDArray[np.int64] | slice
COLUMNS = "event,first[,last[,announced[,series]]]"
EXAMPLE = "{'name': 'strike', 'first': '2020-03-26', 'last': '2020-03-27'}"
ALSO = MappingProxyType(
    {
        **{"name": "name", "event": "name", "holiday": "name"},
        **{"first": "first", "date": "first", "start": "first", "begin": "first", "ds": "first"},
        **{"last": "last", "end": "last"},
        "announced": "announced",
        **{"series": "series", "series_id": "series", "unique_id": "series"},
    }
)
"""The keys of an event, each with what it stands for."""


@dataclass(frozen=True, slots=True)
class Event:
    """A named stretch of days, both ends included; nobody knew of it before `announced` (None: planned long ahead).

    `series` are the ids (as text) of those that it is about; none are all of them.
    """

    name: str
    first: date
    last: date
    announced: date | None = None
    series: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: "Event | Mapping[str, object]") -> "Event":
        """An event, or a mapping with the keys `name` and `first`, and perhaps `last`, `announced` and `series`.

        Further names of the keys are those of ALSO. Days are dates, times or texts like 2020-03-26; what is missing
        (None, NaN, NaT, empty) is as if it were not there. UnknownName for another key.
        """
        if isinstance(given, Event):
            return given
        if not isinstance(given, Mapping):
            raise BadInput(f"events holds {given!r}; expected mappings such as {EXAMPLE}")
        items = [(_key(key), value) for key, value in given.items() if not _missing(value)]
        values: JsonObject = dict(items)
        if len(values) < len(items):
            raise BadInput(f"event {dict(given)!r} says one thing under two keys; leave one of them out")
        for key in ("name", "first"):
            if key not in values:
                raise BadInput(f"event {dict(given)!r} has no {key}; expected a mapping such as {EXAMPLE}")
        values = {"last": values["first"], "announced": None, "series": None} | values
        series = _ids(values["series"], values["name"])
        return cls(str(values["name"]), values["first"], values["last"], values["announced"], series)

    def to_json(self) -> JsonObject:
        """A mapping of texts, and perhaps a list of them."""
        texts = {key: str(value) for key, value in asdict(self).items() if value is not None and key != "series"}
        return texts | ({"series": list(self.series)} if self.series else {})

    def __post_init__(self) -> None:
        for key in ("first", "last", "announced"):
            given = getattr(self, key)
            if key != "announced" or given is not None:
                object.__setattr__(self, key, _date(given, key))
        if self.last < self.first:
            raise BadInput(f"event {self.name!r} ends on {self.last}, before it begins on {self.first}; swap the dates")


Events: TypeAlias = Iterable[Event | Mapping[str, object]] | pd.DataFrame
"""What may be given as events: a list of them or of mappings, or a frame with a row for each."""


def events_of(given: Events) -> tuple[Event, ...]:
    """The events of a list of them or of mappings, or of a frame that has a row for each."""
    if hasattr(given, "columns") or hasattr(given, "column_names"):
        given = cast("list[dict[str, object]]", as_pandas(given).to_dict("records"))
    if isinstance(given, Event | Mapping | str) or not isinstance(given, Iterable):
        raise BadInput(f"events = {given!r} is no list; expected a list of mappings such as {EXAMPLE}, or a frame")
    return tuple(Event.of(event) for event in given)


def about(params: Parameters, frame: pd.DataFrame) -> JsonObject:
    """A constructor's arguments with the events of series that have a value in the frame `series_id, y`.

    Events of other series alone are left out: of those that are too short to be trained on, or begin later.
    """
    if params.get("events") is None:
        return dict(params)
    ids = pd.Index(frame.loc[frame["y"].notna(), "series_id"].unique())
    return {**params, "events": [event.to_json() for event in Calendar.of(None, params["events"]).about(ids).events]}


def read_events(path: Path | str) -> tuple[Event, ...]:
    """The events of a CSV file with the header `event,first[,last[,announced[,series]]]`, dates as 2020-03-26.

    `series` is the id of one series; an event of several has a row for each.
    """
    path = Path(path)
    if file_format(path) != "csv":
        raise BadInput(f"is no plain CSV; expected CSV with {COLUMNS}", where=str(path))
    try:
        data, dialect = read_text(path)
        refuse_nul(data, str(path))
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=dialect.delimiter)
        missing = {"event", "first"} - set(reader.fieldnames or ())
        if missing:
            header = ",".join(reader.fieldnames or ()) or "nothing"
            raise BadInput(f"the header is {header}; expected {COLUMNS}", where=str(path))
        for column in reader.fieldnames or ():
            _key(column, str(path))
        return tuple(_event(row, path, line) for line, row in enumerate(reader, start=2))
    except (OSError, csv.Error) as error:
        raise BadInput(f"can't be read: {error}; expected CSV with {COLUMNS}", where=str(path)) from error


@lru_cache(maxsize=64)
def check_country(country: str) -> tuple[str, str | None]:
    """The ISO code, and the part after a dash (`US-CA`) or None; UnknownName for one without public holidays."""
    code, dash, part = country.partition("-")
    known = holidays.list_supported_countries()
    if code not in known:
        raise UnknownName("country", country, (name for name in known if len(name) == 2), known_as=_other_names(known))
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
    def of(cls, country: str | None, events: Events = ()) -> "Calendar":
        """A calendar; raises UnknownName for a country without known holidays."""
        _public(country, 2024, 2024)
        return cls(country, events_of(events))

    def announced_by(self, cutoff: pd.Timestamp) -> "Calendar":
        """The calendar with the events that were announced by the end of the day of `cutoff`."""
        known = tuple(event for event in self.events if event.announced is None or event.announced <= cutoff.date())
        return replace(self, events=known)

    @property
    def own(self) -> frozenset[str]:
        """The names of the events."""
        return frozenset(event.name for event in self.events)

    def about(self, ids: pd.Index) -> "Calendar":
        """The calendar with the events of these series, each with these series alone."""
        known = set(ids.astype(str))
        kept = (
            replace(event, series=tuple(series_id for series_id in event.series if series_id in known))
            for event in self.events
            if not event.series or not known.isdisjoint(event.series)
        )
        return replace(self, events=tuple(kept))

    def check_series(self, ids: pd.Index) -> None:
        """UnknownName for a series that an event names and that is none of these."""
        known = set(ids.astype(str))
        for event in self.events:
            for series_id in event.series:
                if series_id not in known:
                    raise UnknownName(f"series of the event {event.name!r}", series_id, known)

    def by_series(self, ids: pd.Index) -> "list[tuple[Rows, Calendar]]":
        """The calendars that series have, none of whose events names series, each with the places of its series."""
        named = [event for event in self.events if event.series]
        if not named:
            return [(slice(None), self)]
        texts = ids.astype(str)
        about = np.array([texts.isin(event.series) for event in named])
        patterns, which = np.unique(about, axis=1, return_inverse=True)
        parts: list[tuple[Rows, Calendar]] = []
        for number, pattern in enumerate(patterns.T):
            others = {id(event) for event, here in zip(named, pattern, strict=True) if not here}
            mine = (replace(event, series=()) for event in self.events if id(event) not in others)
            parts.append((np.flatnonzero(which.ravel() == number), replace(self, events=tuple(mine))))
        return parts

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

    def count_of(self, ids: pd.Index, index: pd.DatetimeIndex, granularity: Granularity) -> Floats:
        """`count` of each series (series × steps; one row where it is the same for all)."""
        parts = self.by_series(ids)
        if len(parts) == 1:
            return parts[0][1].count(index, granularity)[None, :]
        counts = np.zeros((len(ids), len(index)))
        for rows, calendar in parts:
            counts[rows] = calendar.count(index, granularity)
        return counts

    def counts_of(self, name: str, ids: pd.Index, index: pd.DatetimeIndex, granularity: Granularity) -> Floats:
        """`counts` of one name, for each series (series × steps)."""
        counts = np.zeros((len(ids), len(index)))
        for rows, calendar in self.by_series(ids):
            counts[rows] = calendar.counts(index, granularity).get(name, 0.0)
        return counts

    @property
    def of_some(self) -> frozenset[str]:
        """The names of events that are about some series only, once at least."""
        return frozenset(event.name for event in self.events if event.series)

    def _found(self, index: pd.DatetimeIndex, granularity: Granularity) -> "tuple[Mapping[str, Floats], Floats]":
        return _counts(self, granularity, index.to_numpy().astype("datetime64[ns]").tobytes())


@lru_cache(maxsize=256)
def _counts(calendar: Calendar, granularity: Granularity, times: bytes) -> tuple[Mapping[str, Floats], Floats]:
    """`Calendar.counts` and `count` of the times, cached: models ask for the same steps again and again."""
    starts = np.frombuffer(times, dtype="datetime64[ns]")
    end = granularity.after(starts.max(), 1)[0] - np.timedelta64(1, "us")
    named = calendar.days(*(pd.Timestamp(time).date() for time in (starts.min(), end)))
    counts = {}
    for name, days in named.groupby("name"):
        at, share = days["ds"].to_numpy(), days["share"].to_numpy()
        counts[str(name)] = sum(
            (size * granularity.per_step(starts, at[share == size]) for size in np.unique(share)), np.zeros(len(starts))
        )
    together = granularity.per_step(starts, np.unique(named["ds"].to_numpy()))
    for count in (*counts.values(), together):
        count.setflags(write=False)
    return {name: count for name, count in counts.items() if count.any()}, together


@lru_cache(maxsize=64)
def _public(country: str | None, first: int, last: int) -> Sequence[tuple[date, tuple[str, ...]]]:
    """The public holidays of years, by day in order, each with its names: in English where they are translated."""
    if country is None:
        return ()
    code, part = check_country(country)
    public = holidays.country_holidays(code, subdiv=part, years=range(first, last + 1), expand=False, language="en_US")
    return tuple((day, tuple(sorted(set(public.get_list(day))))) for day in sorted(public))


def _event(row: Mapping[str, str | None], path: Path, line: int) -> Event:
    if not row.get("event") or not row.get("first"):
        raise BadInput(f"has no event or no first day; expected {COLUMNS}", where=str(path), line=line)
    if None in row:
        raise BadInput(f"has more fields than the header; expected {COLUMNS}", where=str(path), line=line)
    try:
        return Event.of(row)
    except BadInput as error:
        raise BadInput(str(error), where=str(path), line=line) from error


def _date(given: Any, column: str) -> date:
    if isinstance(given, np.datetime64):
        given = pd.Timestamp(given)
    if isinstance(given, datetime):
        return given.date()
    if isinstance(given, date):
        return given
    try:
        return datetime.fromisoformat(str(given).strip()).date()
    except ValueError as error:
        raise BadInput(f"{column} = {given!r} is not a date; expected one like 2020-03-26") from error


def _key(given: object, where: str = "") -> str:
    """What a key of an event, or a column of a file of events, stands for."""
    meant = ALSO.get(str(given).strip())
    if meant is None:
        raise UnknownName(f"column of {where}" if where else "key of an event", given, ALSO)
    return meant


def _ids(given: Any, name: object) -> tuple[str, ...]:
    """The ids of series as text; empty for None, BadInput for an empty list."""
    if given is None:
        return ()
    several = isinstance(given, Iterable) and not isinstance(given, str)
    ids = tuple(dict.fromkeys(str(series_id) for series_id in (given if several else [given])))
    if not ids:
        raise BadInput(f"event {name!r} is about no series; name some, or leave series out for all")
    return ids


def _missing(given: Any) -> bool:
    if isinstance(given, str):
        return not given.strip()
    none = given is None or given is pd.NaT or given is pd.NA
    return none or (isinstance(given, float | np.floating | np.datetime64) and bool(given != given))
