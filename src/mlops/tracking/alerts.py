"""What is wrong with the versions that aliases point to: opened when it is found, resolved when it is no longer so.

A review is a transaction of its own, after the sync's: one that fails must not undo what was mirrored, and it reads the
mirror as it is, so it may come late. Looking at model files is apart from it, for that may take a network's time.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from mlops.db import Database
from mlops.tracking.model_files import Look

__all__ = ["Alert", "Reviewed", "review"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that somebody should look at; `subject` as commands take it, `todo` is what would resolve it."""

    alert_id: int
    kind: str
    subject: str
    severity: str
    message: str
    todo: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What changed: alerts that were not open before, and those that are open no longer."""

    opened: tuple[Alert, ...]
    resolved: tuple[Alert, ...]

    def sentences(self) -> list[str]:
        """Each change for a person to read."""
        opened = [f"{alert.severity}: {alert.subject} {alert.kind}: {alert.message}" for alert in self.opened]
        return opened + [f"resolved: {alert.subject} {alert.kind}" for alert in self.resolved]


def review(database: Database, files: Iterable[Look]) -> Reviewed:
    """Bring the alerts about aliases up to date with the mirror and with what was seen of model files.

    Alerts about files that nobody looked at stay as they are.
    """
    with database.transaction() as transaction:
        transaction.lock("registry alerts")
        rows = transaction.rows("review_alerts", document={"files": [asdict(one) for one in files]})
    changes = [(row.pop("change"), Alert(**row)) for row in rows]
    return Reviewed(*(tuple(alert for change, alert in changes if change == which) for which in ("opened", "resolved")))
