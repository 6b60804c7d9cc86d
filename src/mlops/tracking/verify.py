"""Whether a model still is what its lineage says: the document in its metadata, and each file that makes forecasts."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops.db import Database
from mlops.domain.lineage import changed_files
from mlops.errors import ModelNotFound
from mlops.tracking.lineage import UNREADABLE, read_lineage
from mlops.tracking.registry import ModelVersion
from mlops.tracking.runs import file_digests, model_files

__all__ = ["contradiction", "verify"]

log = logging.getLogger(__name__)


def contradiction(version: ModelVersion, lineage_sha256: str) -> str | None:
    """What of a model is other than when its lineage, with this digest, was mirrored; None when nothing is.

    A lineage that names no files says nothing of them. Raises ModelNotFound when the files can't be read.
    """
    now = read_lineage(version)
    if now["lineage_state"] != "complete":
        problem = str(now["lineage_problem"])
        if UNREADABLE in problem:
            raise ModelNotFound(problem)
        return problem
    if now["lineage_sha256"] != lineage_sha256:
        return "the model carries another lineage than when it was mirrored"
    return _changed(version, now["lineage"].get("files") or {})


def verify(database: Database, row: Mapping[str, Any]) -> None:
    """Compare a version, as the mirror shows it, with its lineage, and record the outcome.

    What can't be read says nothing: it is tried again, and that files are gone is another matter.
    """
    version = ModelVersion(row["name"], row["version"], row["run_id"] or "", row["source"] or "", row["tags"])
    try:
        problem = contradiction(version, row["lineage_sha256"])
    except Exception:  # each artifact store has errors of its own
        log.debug("%s can't be compared with its lineage", version.uri, exc_info=True)
        return
    with database.transaction() as transaction:
        transaction.run("version_verified", version_id=row["version_id"], problem=problem)


def _changed(version: ModelVersion, files: Mapping[str, str]) -> str | None:
    if not files:
        return None
    with tempfile.TemporaryDirectory() as folder:
        found = next(changed_files(files, file_digests(model_files(version, Path(folder)))), None)
    return None if found is None else f"its file {found}"
