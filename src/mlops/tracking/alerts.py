"""What is wrong with the versions that aliases point to: opened when it is found, resolved when it is no longer so.

A review is a transaction of its own, after the sync's: looking at model files may take a network's time, which must
not hold up the mirror, and a review that fails must not undo it. It reads the mirror as it is, so it may come late.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mlflow.exceptions import MlflowException

import mlflow
from mlops.db import Database
from mlops.tracking.store import Store

__all__ = ["Alert", "Reviewed", "review"]

MODEL_FILE = "MLmodel"


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


def review(store: Store, database: Database, *, aliased_within: timedelta | None = None) -> Reviewed:
    """Bring the alerts about aliases up to date with the mirror and with the model files of aliased versions.

    With `aliased_within` only the files of versions are looked at that got an alias so recently. Alerts about other
    files stay as they are, and so do those where the artifact store does not answer.
    """
    files = _files(store, database, aliased_within)
    with database.transaction() as transaction:
        transaction.lock("registry alerts")
        rows = transaction.rows("review_alerts", document={"files": files})
    changes = [(row.pop("change"), Alert(**row)) for row in rows]
    return Reviewed(*(tuple(alert for change, alert in changes if change == which) for which in ("opened", "resolved")))


def _files(store: Store, database: Database, within: timedelta | None) -> list[dict[str, Any]]:
    """Whether the model files of every version with an alias are there; nothing about those that could not be asked."""
    with database.transaction() as transaction:
        versions = transaction.rows("aliased_versions", within=within)
    looked = [(version["version_id"], *_look(store, version["name"], version["version"])) for version in versions]
    return [
        {"version_id": version_id, "place": place, "there": there}
        for version_id, place, there in looked
        if there is not None
    ]


def _look(store: Store, name: str, version: int) -> tuple[str, bool | None]:
    """Where the files of a version should be, and whether they are there; None when nobody can tell now."""
    place = ""
    try:
        place = store.client.get_model_version_download_uri(name, str(version))
        found = mlflow.artifacts.list_artifacts(artifact_uri=place, tracking_uri=store.uri)
    except MlflowException as error:
        return place, False if place and error.error_code == "RESOURCE_DOES_NOT_EXIST" else None
    except Exception:  # noqa: BLE001  every artifact store has errors of its own; none of them says that files are gone
        return place, None
    return place, any(one.path.rpartition("/")[2] == MODEL_FILE for one in found)
