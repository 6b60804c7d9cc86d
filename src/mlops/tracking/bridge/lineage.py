"""Reads the lineage that model files carry into the mirror: each version's files once, outside of any transaction.

What was read first is the anchor of a version that no training has anchored. A version that has an anchor is compared
with it when it is read again; what is other is recorded, and never takes the place of what was anchored.
"""

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NotRequired, cast
from urllib.parse import urlsplit

from mlops.db import Database
from mlops.domain.canonical import one_line
from mlops.domain.lineage import claims_training
from mlops.errors import ModelNotFound
from mlops.tracking.artifacts.checked import digests, fetch
from mlops.tracking.artifacts.verify import AnchoredVersion, verify_version
from mlops.tracking.lineage import CARRIES_NONE, UNREADABLE, ReadLineage, read_lineage

__all__ = ["mirror_lineage"]

BATCH = 100
"""Versions that claim a lineage are all read, so many in a transaction; chosen, not measured."""
FOREIGN, AGAIN = 25, 5
"""Of versions that claim none so many are read in one sync; of those whose files could not be read, so many again.

Chosen, not measured: a sync is to end soon.
"""
SECONDS = 60
"""Files are waited for so long in one sync; what comes later is tried again, as what can't be read. Chosen."""
SILENT = "its host did not answer in time, or could not answer for another version"
log = logging.getLogger(__name__)


class VersionDocument(ReadLineage):
    """What was read of a version's files, as `set_lineage` takes it.

    `claims` says that the lineage says what only `mlops train` says; `files` are digests by path.
    """

    version_id: int
    seen_at: str
    claims: NotRequired[bool]
    files: NotRequired[dict[str, str]]


@dataclass(frozen=True, slots=True)
class UnreadVersion(AnchoredVersion):
    """A version whose files are to be read, or, with `again`, could not be read before."""

    seen_at: datetime
    again: bool


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

    def read(version: UnreadVersion) -> VersionDocument | None:
        """What a version's files say; None of one that has an anchor, and is compared with it instead."""
        if version.files is None:
            return _carried(version)
        verify_version(database, version)
        return None

    with database.transaction() as transaction:
        asked = {"claiming": claiming, "most": most, "again": again, "unreadable": f"%{UNREADABLE}%"}
        unread = transaction.rows("unread_versions", of=UnreadVersion, **asked)
    # files may be far away: no lock, no transaction is held
    documents = _read_each(unread, read)
    anchored = [row.version_id for row in unread if row.files is not None and row.version_id in documents]
    new = [row for row in unread if row.files is None]
    carried = [documents.get(row.version_id) or _unread(row, SILENT) for row in new]
    news = [document for row, document in zip(new, carried, strict=True) if not row.again or not _unreadable(document)]
    _write(database, anchored, news, touched)
    return len(anchored) + len(new)


def _write(database: Database, anchored: Sequence[int], news: Sequence[VersionDocument], touched: list[int]) -> None:
    with database.transaction() as transaction:
        if anchored:
            transaction.run("mark_versions_read", versions=list(anchored))
        if news:
            transaction.run("anchor_versions_as_found", document={"versions": list(news)})
            transaction.run("set_lineage", document={"versions": list(news)})
        waited = transaction.value("versions_with_definitions_now") or ()
        versions = {*touched, *(row["version_id"] for row in news), *waited}
        if versions:
            transaction.run("update_lineage_edges", versions=sorted(versions))
            transaction.run("update_lineage_state", versions=sorted(versions))
            transaction.run("set_feature_importance")


def _read_each(
    versions: Iterable[UnreadVersion], read: Callable[[UnreadVersion], VersionDocument | None]
) -> dict[int, VersionDocument | None]:
    """What was read of each version within SECONDS, by its id; a host that does not answer holds up its own only.

    After a version of another host that can't be read nothing more is asked of that host.
    """
    hosts: dict[tuple[str, str], list[UnreadVersion]] = {}
    for version in versions:
        hosts.setdefault(urlsplit(version.source or "")[:2], []).append(version)
    documents: dict[int, VersionDocument | None] = {}
    over = threading.Event()

    def read_those_of(host: str, some: Sequence[UnreadVersion]) -> None:
        for version in some:
            document = read(version)
            if over.is_set():
                return
            documents[version.version_id] = document
            if host and document is not None and _unreadable(document):
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
    return dict(documents)


def _carried(unread: UnreadVersion) -> VersionDocument:
    """What a version's model says of itself, and the digests of its files, unless something contradicts it."""
    version = unread.registered
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = fetch(version, Path(folder))
            carried = read_lineage(version, model)
            key = {"version_id": unread.version_id, "seen_at": unread.seen_at.isoformat()}
            document = cast(VersionDocument, {**key, **carried})
            if carried["lineage_state"] == "complete":
                document["claims"], document["files"] = claims_training(carried["lineage"]), digests(model)
            elif carried["lineage_problem"] == CARRIES_NONE:
                document["claims"], document["files"] = False, digests(model)
            return document
    except ModelNotFound as error:
        return _unread(unread, str(error))
    except Exception as error:  # one odd file never stops the others
        log.info("the files of %s version %s", unread.name, unread.version, exc_info=True)
        return _unread(unread, repr(error))


def _unread(version: UnreadVersion, why: str) -> VersionDocument:
    return {
        "version_id": version.version_id,
        "seen_at": version.seen_at.isoformat(),
        "lineage_state": "incomplete",
        "lineage_problem": one_line(f"the model's {UNREADABLE}: {why}"),
    }


def _unreadable(document: VersionDocument) -> bool:
    return UNREADABLE in document.get("lineage_problem", "")
