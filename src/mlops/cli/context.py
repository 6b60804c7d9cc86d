"""What a command needs from outside: settings, the database, MLflow's store, a time."""

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from mlops.errors import BadInput

if TYPE_CHECKING:
    from mlops.config import Settings
    from mlops.db import Database
    from mlops.tracking.store import Store

__all__ = ["LONGEST_DAYS", "database", "moment", "settings", "store"]

EARLIEST, LONGEST_DAYS = 1900, 36_525
"""The first year of an `--as-of`, and the most `--days` before it: together they stay within Python's calendar."""


@cache
def settings() -> "Settings":
    """The settings, read once; a home that is a file is refused before anything is done."""
    from mlops.config import Settings

    found = Settings()
    file = next((place for place in (found.root, *found.root.parents) if place.exists()), found.root)
    if file.exists() and not file.is_dir():
        raise BadInput(
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


def moment(text: str | None) -> datetime:
    """`--as-of` as an aware time: a date means its 00:00 UTC, nothing or "now" means now."""
    if text is None or text in ("", "now"):
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is not a time; expected 2020-03-23 or 2020-03-23T06:00:00+00:00") from error
    if found.tzinfo is None and len(text) > 10:
        raise BadInput(f"{text!r} has no time zone; expected {text}+00:00 for UTC")
    if found.year < EARLIEST:
        raise BadInput(f"{text!r} is before {EARLIEST}; expected a time such as 2020-03-23")
    return found.replace(tzinfo=found.tzinfo or UTC)
