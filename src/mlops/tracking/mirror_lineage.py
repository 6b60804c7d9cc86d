"""Reads the lineage that model files carry into the mirror: each version's files once, outside of any transaction."""

import logging
from typing import Any

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from mlops.db import Database
from mlops.tracking.lineage import UNREADABLE, read_lineage

__all__ = ["mirror_lineage"]

BATCH = 100
"""Versions that claim a lineage are all read, so many in a transaction."""
FOREIGN, AGAIN = 25, 5
"""Of versions that claim none so many are read in one sync; of those whose files could not be read, so many again."""
log = logging.getLogger(__name__)


def mirror_lineage(database: Database, touched: list[int]) -> int:
    """Read what is still to be read, renew the edges of `touched` versions too; how many versions still wait."""
    while _read(database, claiming=True, most=BATCH, again=0, touched=[]) == BATCH:
        pass
    _read(database, claiming=False, most=FOREIGN, again=AGAIN, touched=touched)
    with database.transaction() as transaction:
        return int(transaction.value("mirrored_waiting"))


def _read(database: Database, *, claiming: bool, most: int, again: int, touched: list[int]) -> int:
    with database.transaction() as transaction:
        asked = {"claiming": claiming, "most": most, "again": again, "unreadable": f"%{UNREADABLE}%"}
        unread = transaction.rows("mirrored_unread", **asked)
    read = [_lineage(row) for row in unread]  # files may be far away, so no lock and no transaction is held
    news = [found for row, found in zip(unread, read, strict=True) if not row["again"] or not _unreadable(found)]
    with database.transaction() as transaction:
        if news:
            transaction.run("mirror_lineage", document={"versions": news})
        versions = {
            *touched,
            *(row["version_id"] for row in news),
            *(transaction.value("mirrored_without_edges") or ()),
        }
        if versions:
            transaction.run("mirror_features", versions=sorted(versions))
            transaction.run("mirror_lineage_state", versions=sorted(versions))
            transaction.run("keep_importance")
    return len(read)


def _lineage(row: dict[str, Any]) -> dict[str, Any]:
    key = {"version_id": row["version_id"], "seen_at": row["seen_at"].isoformat()}
    try:
        return key | read_lineage(_version(row))
    except Exception as error:  # one odd file never stops the others
        log.info("the files of %s version %s", row["name"], row["version"], exc_info=True)
        return key | {"lineage_state": "incomplete", "lineage_problem": f"the model's {UNREADABLE}: {error!r}"}


def _unreadable(found: dict[str, Any]) -> bool:
    return UNREADABLE in (found.get("lineage_problem") or "")


def _version(row: dict[str, Any]) -> ModelVersion:
    return ModelVersion(
        row["name"],
        str(row["version"]),
        int(row["created_at"].timestamp() * 1000),
        source=row["source"],
        run_id=row["run_id"],
        status=row["status"],
        tags=[ModelVersionTag(key, value) for key, value in row["tags"].items()],  # type: ignore[no-untyped-call]
    )
