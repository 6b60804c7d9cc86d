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

__all__ = ["AS_OF", "LONGEST_DAYS", "check_time", "database", "moment", "settings", "store"]

AS_OF = (
    "Know only what was recorded by this date or time (UTC); last: the end of the newest observation, last-4w: four"
    " weeks before."
)
LONGEST_DAYS = 36_525
"""The most `--days` before a time."""


@cache
def settings() -> "Settings":
    """The settings, read once; a home that is a file is refused before anything is done."""
    from mlops.config import Settings

    read = Settings()
    file = next((place for place in (read.root, *read.root.parents) if place.exists()), read.root)
    if file.exists() and not file.is_dir():
        raise Misused(
            f"MLOPS_HOME is {read.root}, but {file} is a file; nothing was done;"
            " set MLOPS_HOME to a folder, or to one that can be made"
        )
    if read.parallel not in ("loky", "serial"):  # else the module of workers is not imported for it
        from mlops.parallel import checked_place

        checked_place(read.parallel)
    return read


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


def moment(
    text: str | None,
    option: str = "--as-of",
    *,
    ahead: bool = False,
    metric_type: str = "",
    granularity: str = "",
    model: str = "",
    file: object = None,
) -> datetime:
    """A time that was typed as the value of an option, aware; Misused for a text that is none (`domain.moments`).

    "last" means the end of the newest observation, "last-4w" and "last-28d" four weeks before it: of the metric type
    and granularity, where they are named, or of those that a model (its name or URI) was trained on; else of all
    series. With a `file` in place of the database the last of its values are meant, which are all known now.
    """
    with typed(option):
        before = moments.before_last(text)
        if before is None or file:
            return moments.moment(text, ahead=ahead, of_file=bool(file))
    from mlops.series.read import newest_end

    return newest_end(database(), metric_type, granularity, model=model) - before


def check_time(text: str | None, *, ahead: bool = False) -> str | None:
    """The text of a time, checked where the command line is read; no database is asked what "last" is.

    ValueError says what is wrong with it.
    """
    if moments.before_last(text) is None:
        moments.moment(text, ahead=ahead)
    return text
