"""What a command needs from outside: settings, the database, MLflow's store, a time."""

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from mlops.domain import moments
from mlops.errors import Misused, typed

if TYPE_CHECKING:
    from mlops.config import Settings
    from mlops.db import Database
    from mlops.tracking.store import Store

__all__ = ["LONGEST_DAYS", "check_time", "database", "moment", "settings", "store"]

LONGEST_DAYS = 36_525
"""The most `--days` before a time."""


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
    if found.parallel not in ("loky", "serial"):  # else the module of workers is not imported for it
        from mlops.parallel import checked_place

        checked_place(found.parallel)
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


def moment(text: str | None, option: str = "--as-of", *, ahead: bool = False) -> datetime:
    """A time that was typed as the value of an option, aware; Misused for a text that is none (`domain.moments`)."""
    with typed(option):
        return moments.moment(text, ahead=ahead)


def check_time(text: str | None) -> str | None:
    """The text of a time, checked where the command line is read."""
    moment(text)
    return text
