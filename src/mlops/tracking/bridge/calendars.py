"""Mirrors the named days that versions reckon with, so that SQL sees the holidays and events that a model knew."""

import logging
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Any, Literal, TypedDict

from mlops.db import Database

__all__ = ["calendar_days", "mirror_calendars"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unmirrored:
    """A version whose named days are to be mirrored from the first day to the last; `events` are its recipe's."""

    version_id: int
    country: str | None
    events: list[Any]
    first_day: date
    last_day: date


class CalendarDay(TypedDict):
    """A named day as `mirror_calendar` takes it: `share` of its effect, `series` (None: all) that an event is about."""

    day: str
    name: str
    kind: Literal["holiday", "event"]
    share: float
    announced: str | None
    series: list[str] | None


def mirror_calendars(database: Database) -> int:
    """Add the holidays and events of versions that say what they were made from; of how many versions.

    Holidays are those of the library that is installed here. Repeating it changes nothing, until a new year begins for
    versions that an alias points to.
    """
    with database.transaction() as transaction:
        wanted = transaction.rows("calendars_to_mirror", of=Unmirrored)
    done = 0
    for row in wanted:
        try:
            days = calendar_days(row.country, row.events, row.first_day, row.last_day)
        except Exception:  # a lineage may claim anything; one odd calendar never stops the others
            log.info("the calendar of model version %s", row.version_id, exc_info=True)
            continue
        with database.transaction() as transaction:
            transaction.run(
                "mirror_calendar",
                version_id=row.version_id,
                country=row.country,
                first_day=row.first_day,
                last_day=row.last_day,
                document={"days": days},
                library=f"holidays {version('holidays')}",
            )
        done += 1
    return done


def calendar_days(country: str | None, events: list[Any], first: date, last: date) -> list[CalendarDay]:
    """The holidays and events of a country and a model's own, `first` and `last` included, as rows."""
    from mlops.panels.calendar import Calendar  # the library of holidays is read when there is something to find

    calendar, rows = Calendar.of(country, events), list[CalendarDay]()
    for day, name, share in calendar.days(first, last).itertuples(index=False):
        of_day = [event for event in calendar.events if event.name == name and event.first <= day.date() <= event.last]
        event = of_day[0] if of_day else None
        about = {name for event in of_day for name in event.series} if all(event.series for event in of_day) else set()
        row: CalendarDay = {
            "day": str(day.date()),
            "name": name,
            "kind": "holiday" if event is None else "event",
            "share": share,
            "announced": str(event.announced) if event and event.announced else None,
            "series": sorted(about) or None,
        }
        rows.append(row)
    return rows
