"""What is wrong with the versions that aliases point to: opened when it is found, resolved when it is no longer so.

A review is a transaction of its own, after the sync's: one that fails must not undo what was mirrored, and it reads the
mirror as it is, so it may come late. Looking at model files is apart from it, for that may take a network's time.
"""

from collections.abc import Iterable
from dataclasses import asdict

from mlops.db import Database
from mlops.domain.alerts import Alert, AlertChange, Look, Reviewed, reviewed

__all__ = ["Alert", "Reviewed", "review"]


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
