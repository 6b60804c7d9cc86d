"""Reads the lineage that model files carry into the mirror: each version's files once, outside of any transaction.

What was read first is the anchor of a version that no training has anchored. A version that has an anchor is compared
with it when it is read again; what is other is recorded, and never takes the place of what was anchored.
"""

import logging
import tempfile
from pathlib import Path
from typing import Any

from mlops.db import Database
from mlops.domain.canonical import one_line
from mlops.domain.lineage import claims_training
from mlops.errors import ModelNotFound
from mlops.tracking.checked import digests, fetch
from mlops.tracking.lineage import CARRIES_NONE, UNREADABLE, read_lineage
from mlops.tracking.registry import ModelVersion
from mlops.tracking.verify import verify

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
    anchored, new = [one for one in unread if one["files"] is not None], [one for one in unread if one["files"] is None]
    for row in anchored:
        verify(database, row)
    read = [_found(row) for row in new]  # files may be far away, so no lock and no transaction is held
    news = [found for row, found in zip(new, read, strict=True) if not row["again"] or not _unreadable(found)]
    with database.transaction() as transaction:
        if anchored:
            transaction.run("mirror_read", versions=[row["version_id"] for row in anchored])
        if news:
            transaction.run("anchor_found", document={"versions": news})
            transaction.run("mirror_lineage", document={"versions": news})
        waited = transaction.value("mirrored_without_edges") or ()
        versions = {*touched, *(row["version_id"] for row in news), *waited}
        if versions:
            transaction.run("mirror_features", versions=sorted(versions))
            transaction.run("mirror_lineage_state", versions=sorted(versions))
            transaction.run("keep_importance")
    return len(unread)


def _found(row: dict[str, Any]) -> dict[str, Any]:
    """What a version's model says of itself, and the digests of its files, unless something contradicts it."""
    key = {"version_id": row["version_id"], "seen_at": row["seen_at"].isoformat()}
    version = ModelVersion(row["name"], row["version"], row["run_id"], row["source"], row["tags"], row["created_at"])
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = fetch(version, Path(folder))
            found = read_lineage(version, model)
            if found["lineage_state"] == "complete":
                return key | found | {"claims": claims_training(found["lineage"]), "files": digests(model)}
            carries_none = found["lineage_problem"] == CARRIES_NONE
            return key | found | ({"claims": False, "files": digests(model)} if carries_none else {})
    except ModelNotFound as error:
        return key | _incomplete(str(error))
    except Exception as error:  # one odd file never stops the others
        log.info("the files of %s version %s", row["name"], row["version"], exc_info=True)
        return key | _incomplete(repr(error))


def _incomplete(why: str) -> dict[str, Any]:
    return {"lineage_state": "incomplete", "lineage_problem": one_line(f"the model's {UNREADABLE}: {why}")}


def _unreadable(found: dict[str, Any]) -> bool:
    return UNREADABLE in (found.get("lineage_problem") or "")
