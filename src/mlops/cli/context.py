"""What a command needs from outside: settings, the database, MLflow's store, a time."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from mlops.errors import BadInput, NothingToDo

if TYPE_CHECKING:
    from mlops.config import Settings
    from mlops.db import Database
    from mlops.tracking.store import Store

__all__ = ["AS_OF", "LONGEST_DAYS", "database", "moment", "settings", "store"]

AS_OF = (
    "Know only what was recorded by this date or time (UTC); last: the end of the newest observation, last-4w: four"
    " weeks before."
)
LAST = re.compile(r"last(-(?P<count>\d{1,4})(?P<unit>[dw]))?")
"""The `--as-of` that means the end of the newest observation, or so many days or weeks before it."""
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


def moment(text: str | None, *, metric_type: str = "", granularity: str = "", model: str = "") -> datetime:
    """`--as-of` as an aware time: a date means its 00:00 UTC, nothing or "now" means now.

    "last" means the end of the newest observation, "last-4w" and "last-28d" four weeks before it: of the metric type
    and granularity, where they are named, or of those that a model (its name or URI) was trained on; else of all
    series.
    """
    if text is None or text in ("", "now"):
        return datetime.now(UTC)
    if (last := LAST.fullmatch(text)) is not None:
        days = int(last["count"] or 0) * (7 if last["unit"] == "w" else 1)
        return _last(metric_type, granularity, model) - timedelta(days=days)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"{text!r} is not a time; expected 2020-03-23, 2020-03-23T06:00:00+00:00, or last (last-4w) for the end of"
            " the newest observation (four weeks before)"
        ) from error
    if found.tzinfo is None and len(text) > 10:
        raise BadInput(f"{text!r} has no time zone; expected {text}+00:00 for UTC")
    if found.year < EARLIEST:
        raise BadInput(f"{text!r} is before {EARLIEST}; expected a time such as 2020-03-23")
    return found.replace(tzinfo=found.tzinfo or UTC)


def _last(metric_type: str, granularity: str, model: str) -> datetime:
    from mlops.forecasting.stamps import granularity_of
    from mlops.series.read import ended

    step = granularity_of(granularity).name if granularity else None
    wanted = (metric_type or None, step)
    if model:
        with database().transaction() as transaction:
            name = model.removeprefix("models:/").split("/")[0].split("@")[0]
            trained = transaction.one("model_selection", name=name)
        wanted = wanted if trained is None else (trained["metric_type"], trained["granularity"])
    found = ended(database(), *wanted)
    if found is None:
        of = f" of {wanted[0]!r}" if wanted[0] else ""
        raise NothingToDo(
            f"there is no observation{of} yet, so none is the last; bring data in with `mlops series ingest FILE`"
        )
    return found
