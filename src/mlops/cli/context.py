"""What a command needs from outside: settings, the database, MLflow's store, a time."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from mlops.errors import Misused, quoted

if TYPE_CHECKING:
    from mlops.config import Settings
    from mlops.db import Database
    from mlops.tracking.store import Store

__all__ = ["LONGEST_DAYS", "check_time", "database", "moment", "settings", "store"]

EARLIEST, LATEST, LONGEST_DAYS = 1900, 2261, 36_525
"""The first and the last year of a time (pandas knows no later one), and the most `--days` before it."""
AHEAD = timedelta(days=1)
"""How far ahead a time may lie and count as now: a date may be the local one, and clocks differ."""


@cache
def settings() -> "Settings":
    """The settings, read once; a home that is a file is refused before anything is done."""
    from mlops.config import Settings

    found = Settings()
    file = next((place for place in (found.root, *found.root.parents) if place.exists()), found.root)
    if file.exists() and not file.is_dir():
        raise Misused(
            f"MLOPS_HOME is {found.root}, but {file} is a file; nothing was done;"
            " set MLOPS_HOME to a folder, or to one that can be made"
        )
    return found


@cache
def database(checked: bool = True) -> "Database":
    """The database, started; with `checked`, of this program's schema version."""
    from mlops.db import open_database

    return open_database(settings(), checked=checked)


@cache
def store() -> "Store":
    """MLflow's store."""
    from mlops.tracking.store import open_store

    return open_store(settings(), database().url)


def moment(text: str | None, *, ahead: bool = False) -> datetime:
    """A time that was typed, aware: a date means its 00:00 UTC, nothing or "now" means now; Misused for another text.

    One that has not come is Misused, unless it may be `ahead`: nothing is known of it.
    """
    now = datetime.now(UTC)
    if text is None or text == "now":
        return now
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        what = "is empty" if not text.strip() else "is not a time"
        raise Misused(f"{quoted(text)} {what}; expected 2020-03-23 or 2020-03-23T06:00:00+00:00, or now") from error
    if found.tzinfo is None and len(text) > 10:
        raise Misused(f"{quoted(text)} has no time zone; expected {text}+00:00 for UTC")
    if not EARLIEST <= found.year <= LATEST:
        raise Misused(f"{quoted(text)} is not of the years {EARLIEST} to {LATEST}; expected a time such as 2020-03-23")
    found = found.replace(tzinfo=found.tzinfo or UTC)
    if not ahead and found > now + AHEAD:
        raise Misused(f"{quoted(text)} has not come yet, so nothing is known of it; it is {now:%Y-%m-%d %H:%M} UTC now")
    return found


def check_time(text: str | None) -> str | None:
    """The text of a time, checked where the command line is read."""
    moment(text)
    return text
