"""One round of the registry: mirror it, review its alerts, and see what is new since the round before."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mlops.db import Database
from mlops.domain.alerts import Look
from mlops.tracking.alerts import Reviewed, review
from mlops.tracking.artifacts.files import look_within
from mlops.tracking.bridge.sync import Synced, sync
from mlops.tracking.store import Store

__all__ = ["Swept", "differences", "repeats_at_once", "review_after_sync", "sweep"]

LOOK_SECONDS = 20
"""For which model files are waited for after a sync. Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What the mirror shows after a round (`aliases` as demand@champion: 3), and which alerts changed."""

    mirror: Synced
    aliases: Mapping[str, int]
    alerts: Reviewed


@dataclass(frozen=True, slots=True)
class CurrentAlias:
    """An alias of a model, and the version that it points to now."""

    name: str
    alias: str
    version: int


def sweep(store: Store, database: Database, seen: Callable[[Mapping[str, int]], Iterable[Look]]) -> Swept:
    """Sync, then review the alerts with what was `seen` of the files of these aliases."""
    mirror = sync(store, database)
    with database.transaction() as transaction:
        rows = transaction.rows("current_aliases", of=CurrentAlias)
    aliases = {f"{row.name}@{row.alias}": row.version for row in rows}
    return Swept(mirror, aliases, review(database, seen(aliases)))


def review_after_sync(store: Store, database: Database) -> Reviewed:
    """Bring the alerts up to date after a sync, with what can be seen of the model files within LOOK_SECONDS."""
    return review(database, look_within(store, database, LOOK_SECONDS))


def differences(before: Swept | None, after: Swept) -> list[str]:
    """What a person wants to read of a round, one sentence each; nothing when nothing changed.

    Aliases are compared with the round before, whoever mirrored that.
    """
    if before is None:
        mirror = after.mirror
        shown = f"the mirror shows {mirror.models} models, {mirror.versions} versions, {mirror.aliases} aliases"
        return [shown, *after.alerts.sentences()]
    counted = [f"{rows} {what}" for what, rows in after.mirror.changed.items() if not what.startswith("aliases ")]
    moved = []
    for alias in sorted(before.aliases.keys() | after.aliases.keys()):
        was, now = before.aliases.get(alias), after.aliases.get(alias)
        if now is None:
            moved.append(f"{alias} is gone, it was version {was}")
        elif was != now:
            moved.append(f"{alias} is version {now}" + (f", it was {was}" if was is not None else ""))
    return [*counted, *moved, *after.alerts.sentences()]


def repeats_at_once(before: Swept | None, after: Swept) -> bool:
    """Whether the next round should begin at once, for this one has read some of the files that wait, but not all."""
    return after.mirror.waiting > 0 and (before is None or after.mirror.waiting != before.mirror.waiting)
