"""Lineage as OpenLineage events (the only door to openlineage)."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops.config import Settings
from mlops.db import Database
from mlops.errors import Refused

__all__ = ["Exported", "export_lineage"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported to `to`: how many events, of how many versions and calls of predict.

    `without_lineage` are the versions (NAME/VERSION) that carry none.
    """

    events: int
    versions: int
    requests: int
    without_lineage: tuple[str, ...]
    to: str


def export_lineage(
    database: Database,
    settings: Settings,
    target: str,
    *,
    name: str | None = None,
    since: datetime | None = None,
    api_key: str | None = None,
) -> Exported:
    """Write the lineage of a model's versions (of all without a `name`) to a file, or send it to an http(s) endpoint.

    With `since` also what was forecast with them from that time on. Refused where the client is not installed.
    """
    try:
        from mlops.tracking.openlineage.events import Place, events, recorded_versions
        from mlops.tracking.openlineage.send import send_events, write_events
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "openlineage":
            raise
        raise Refused("the OpenLineage client is not installed; run `pip install 'mlops[openlineage]'`") from error
    from mlops.tracking.store import tracking_uri

    recorded = recorded_versions(database, name, since)
    told = events(recorded, Place.of(database.url, tracking_uri(settings, database.url)))
    remote = target.startswith(("http://", "https://"))
    count = send_events(told, target, api_key) if remote else write_events(told, Path(target))
    lacking = tuple(f"{row.name}/{row.version}" for row in recorded.versions if not row.lineage)
    return Exported(count, len(recorded.versions), len(recorded.requests), lacking, target)
