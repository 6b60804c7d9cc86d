"""What somebody should look at, and what a review changed about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Alert", "AlertChange", "Look", "Reviewed", "reviewed"]


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
class AlertChange(Alert):
    """An alert that a review has opened or resolved."""

    change: Literal["opened", "resolved"]


@dataclass(frozen=True, slots=True)
class Look:
    """Where the files of a version should be, and whether they are there."""

    version_id: int
    place: str
    there: bool


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What changed: alerts that were not open before, and those that are open no longer."""

    opened: tuple[Alert, ...]
    resolved: tuple[Alert, ...]

    def sentences(self) -> list[str]:
        """Each change for a person to read."""
        opened = [f"{alert.severity}: {alert.subject} {alert.kind}: {alert.message}" for alert in self.opened]
        return opened + [f"resolved: {alert.subject} {alert.kind}" for alert in self.resolved]


def reviewed(changes: Iterable[AlertChange]) -> Reviewed:
    """What a review has changed."""
    alerts = [
        (row.change, Alert(row.alert_id, row.kind, row.subject, row.severity, row.message, row.todo)) for row in changes
    ]
    return Reviewed(*(tuple(alert for change, alert in alerts if change == which) for which in ("opened", "resolved")))
