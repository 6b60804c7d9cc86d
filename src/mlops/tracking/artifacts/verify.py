"""Whether a model still is what was anchored: its document, what is told of it, and each file."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops.db import Database
from mlops.errors import ModelNotFound
from mlops.tracking.artifacts.checked import changed, digests, fetch
from mlops.tracking.lineage import UNREADABLE, read_lineage
from mlops.tracking.registry import ModelVersion

__all__ = ["contradiction", "verify"]

log = logging.getLogger(__name__)


def contradiction(version: ModelVersion, anchor: Mapping[str, Any]) -> str | None:
    """What of a model is other than in its anchor (`lineage_sha256`, `files`); None when nothing is.

    Raises ModelNotFound when the files can't be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = fetch(version, Path(folder))
        if anchor["lineage_sha256"] is not None and (problem := _of_lineage(version, anchor["lineage_sha256"], model)):
            return problem
        found = next(changed(anchor["files"] or {}, digests(model)), None)
    return None if found is None else f"its file {found}"


def verify(database: Database, row: Mapping[str, Any]) -> None:
    """Compare a version, as the mirror shows it, with its anchor, and record the outcome.

    What can't be read says nothing: it is tried again, and that files are gone is another matter.
    """
    version = ModelVersion(
        row["name"], row["version"], row["run_id"] or "", row["source"] or "", row["tags"], row["created_at"]
    )
    try:
        problem = contradiction(version, row)
    except Exception:  # each artifact store has errors of its own
        log.debug("%s can't be compared with its anchor", version.uri, exc_info=True)
        return
    with database.transaction() as transaction:
        transaction.run("set_version_verified", version_id=row["version_id"], problem=problem)


def _of_lineage(version: ModelVersion, lineage_sha256: str, model: Path) -> str | None:
    """What contradicts the anchored document; None when the model, its tag, signature and run agree with it."""
    now = read_lineage(version, model)
    if now["lineage_state"] == "complete":
        other = now["lineage_sha256"] != lineage_sha256
        return "the model carries another lineage than was anchored" if other else None
    problem = str(now["lineage_problem"])
    if UNREADABLE in problem:
        raise ModelNotFound(problem)
    return problem
