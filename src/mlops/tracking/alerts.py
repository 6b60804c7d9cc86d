"""What is wrong with the versions that aliases point to: opened when it is found, resolved when it is no longer so.

A review is a transaction of its own, after the sync's: one that fails must not undo what was mirrored, and it reads the
mirror as it is, so it may come late. Looking at model files is apart from it, for that may take a network's time.
"""

from collections.abc import Iterable
from dataclasses import asdict

from mlops.db import Database
from mlops.domain.alerts import Alert, AlertChange, Look, Reviewed, reviewed
from mlops.domain.model_uri import alias_uri
from mlops.tracking.aliases import PointedVersion

__all__ = ["Alert", "Reviewed", "report_loaded", "report_not_loaded", "review"]

NOT_LOADED = "version_not_loaded"
"""The kind of alert that servers open and resolve."""


def review(database: Database, files: Iterable[Look]) -> Reviewed:
    """Bring the alerts about aliases up to date with the mirror and with what was seen of model files.

    Alerts about files that nobody looked at stay as they are.
    """
    with database.transaction() as transaction:
        transaction.lock("registry alerts")
        rows = transaction.rows(
            "update_registry_alerts", of=AlertChange, document={"files": [asdict(look) for look in files]}
        )
    return reviewed(rows)


def report_not_loaded(database: Database, pointed: PointedVersion, reason: str, answering: int | None) -> None:
    """Open the alert that an alias means a version which a server can't load, and what it answers with instead."""
    instead = f"version {answering} goes on answering" if answering else "nothing answers for it"
    with database.transaction() as transaction:
        transaction.run(
            "open_alert",
            kind=NOT_LOADED,
            subject=alias_uri(pointed.name, pointed.alias),
            severity="critical" if pointed.alias == "champion" else "warning",
            name=pointed.name,
            version=pointed.version,
            created_at=pointed.created_at,
            message=f"it is version {pointed.version}, which `mlops serve` can't load ({instead}): {reason}",
            todo="do what the reason says, and the server loads it by itself; or let the alias mean another version"
            + (f": mlops registry rollback {pointed.name}" if pointed.alias == "champion" else ""),
        )


def report_loaded(database: Database, name: str, alias: str) -> None:
    """Resolve that alert, if it is open: what the alias means is loaded, or it means nothing any more."""
    with database.transaction() as transaction:
        transaction.run("resolve_alert", kind=NOT_LOADED, subject=alias_uri(name, alias))
