"""Reads the lineage that model files carry into the mirror: each version's files once, outside of any transaction.

What was read first is the anchor of a version that no training has anchored. A version that has an anchor is compared
with it when it is read again; what is other is recorded, and never takes the place of what was anchored.
"""

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlops.db import Database
from mlops.domain.canonical import one_line
from mlops.domain.lineage import claims_training
from mlops.errors import ModelNotFound
from mlops.tracking.artifacts.checked import digests, fetch
from mlops.tracking.artifacts.verify import verify
from mlops.tracking.lineage import CARRIES_NONE, UNREADABLE, read_lineage
from mlops.tracking.registry import ModelVersion

__all__ = ["mirror_lineage"]

BATCH = 100
"""Versions that claim a lineage are all read, so many in a transaction."""
FOREIGN, AGAIN = 25, 5
"""Of versions that claim none so many are read in one sync; of those whose files could not be read, so many again."""
SECONDS = 60
"""For which files are waited for in one sync; what has not come by then is tried again, as what can't be read."""
SILENT = "its host did not answer in time, or could not answer for another version"
log = logging.getLogger(__name__)
Row = dict[str, Any]


def mirror_lineage(database: Database, touched: list[int], *, foreign: bool = True) -> int:
    """Read what is still to be read, renew the edges of `touched` versions too; how many versions still wait."""
    most = BATCH
    while most == BATCH:
        most = _read(database, claiming=True, most=BATCH, again=0, touched=[])
    if foreign:
        _read(database, claiming=False, most=FOREIGN, again=AGAIN, touched=touched)
    elif touched:
        _write(database, [], [], touched)
    with database.transaction() as transaction:
        return int(transaction.value("count_unread_versions"))


def _read(database: Database, *, claiming: bool, most: int, again: int, touched: list[int]) -> int:
    """Read some versions' files within SECONDS; how many were."""
    with database.transaction() as transaction:
        asked = {"claiming": claiming, "most": most, "again": again, "unreadable": f"%{UNREADABLE}%"}
        unread = transaction.rows("unread_versions", **asked)
    found = _of_each(unread, lambda row: _of(database, row))  # files may be far away: no lock, no transaction is held
    anchored = [row for row in unread if row["files"] is not None and row["version_id"] in found]
    new = [row for row in unread if row["files"] is None]
    read = [found.get(row["version_id"]) or _key(row) | _incomplete(SILENT) for row in new]
    news = [one for row, one in zip(new, read, strict=True) if not row["again"] or not _unreadable(one)]
    _write(database, anchored, news, touched)
    return len(anchored) + len(new)


def _write(
    database: Database, anchored: Sequence[Mapping[str, Any]], news: Sequence[dict[str, Any]], touched: list[int]
) -> None:
    with database.transaction() as transaction:
        if anchored:
            transaction.run("mark_versions_read", versions=[row["version_id"] for row in anchored])
        if news:
            transaction.run("anchor_versions_as_found", document={"versions": list(news)})
            transaction.run("set_lineage", document={"versions": list(news)})
        waited = transaction.value("versions_with_definitions_now") or ()
        versions = {*touched, *(row["version_id"] for row in news), *waited}
        if versions:
            transaction.run("update_lineage_edges", versions=sorted(versions))
            transaction.run("update_lineage_state", versions=sorted(versions))
            transaction.run("set_feature_importance")


def _of_each(rows: Iterable[Row], read: Callable[[Row], Row]) -> dict[int, Row]:
    """What was read of each version within SECONDS, by its id; a host that does not answer holds up its own only.

    After a version of another host that can't be read nothing more is asked of that host.
    """
    hosts: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        hosts.setdefault(urlsplit(row["source"] or "")[:2], []).append(row)
    found: dict[int, Row] = {}
    over = threading.Event()

    def read_those_of(host: str, some: Sequence[Row]) -> None:
        for row in some:
            one = read(row)
            if over.is_set():
                return
            found[row["version_id"]] = one
            if host and _unreadable(one):
                return

    threads = [
        threading.Thread(target=read_those_of, args=(host, some), name="read model files", daemon=True)
        for (_, host), some in hosts.items()
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    over.set()
    return dict(found)


def _of(database: Database, row: Row) -> Row:
    """What a version's files say; one that has an anchor is compared with it instead."""
    if row["files"] is None:
        return _found(row)
    verify(database, row)
    return {}


def _found(row: dict[str, Any]) -> dict[str, Any]:
    """What a version's model says of itself, and the digests of its files, unless something contradicts it."""
    key = _key(row)
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


def _key(row: Row) -> Row:
    return {"version_id": row["version_id"], "seen_at": row["seen_at"].isoformat()}


def _incomplete(why: str) -> dict[str, Any]:
    return {"lineage_state": "incomplete", "lineage_problem": one_line(f"the model's {UNREADABLE}: {why}")}


def _unreadable(found: dict[str, Any]) -> bool:
    return UNREADABLE in (found.get("lineage_problem") or "")
