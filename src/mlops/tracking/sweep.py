"""One round of the registry: mirror it, review its alerts, and see what is new since the round before."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlops.db import Database
from mlops.tracking.alerts import Reviewed, review
from mlops.tracking.bridge import Synced, sync
from mlops.tracking.model_files import Look
from mlops.tracking.store import Store

__all__ = ["Swept", "differences", "sweep"]


@dataclass(frozen=True, slots=True)
class Swept:
    """What the mirror shows after a round (`aliases` as demand@champion: 3), and which alerts changed."""

    mirror: Synced
    aliases: Mapping[str, int]
    alerts: Reviewed


def sweep(store: Store, database: Database, seen: Callable[[Mapping[str, int]], Iterable[Look]]) -> Swept:
    """Sync, then review the alerts with what was `seen` of the files of these aliases."""
    mirror = sync(store, database)
    with database.transaction() as transaction:
        rows = transaction.rows("aliases_now")
    aliases = {f"{row['name']}@{row['alias']}": row["version"] for row in rows}
    return Swept(mirror, aliases, review(database, seen(aliases)))


def differences(before: Swept | None, after: Swept) -> list[str]:
    """What a person wants to read of a round, one sentence each; nothing when nothing changed."""
    counted = _shown(after.mirror) if before is None else list(_counted(before.mirror, after.mirror))
    moved = [] if before is None else list(_moved(before.aliases, after.aliases))
    return [*counted, *moved, *after.alerts.sentences()]


def _shown(mirror: Synced) -> list[str]:
    return [f"the mirror shows {mirror.models} models, {mirror.versions} versions, {mirror.aliases} aliases"]


def _counted(before: Synced, after: Synced) -> Iterator[str]:
    for name in ("models", "versions"):
        more = getattr(after, name) - getattr(before, name)
        if more:
            yield f"{abs(more)} {name if abs(more) > 1 else name[:-1]} {'more' if more > 0 else 'less'}"


def _moved(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    for alias in sorted(before.keys() | after.keys()):
        was, now = before.get(alias), after.get(alias)
        if now is None:
            yield f"{alias} is gone, it was version {was}"
        elif was != now:
            yield f"{alias} is version {now}" + (f", it was {was}" if was is not None else "")
