"""Whether a model still is what was anchored: its document, what is recorded of it, and each file."""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mlops.db import Database
from mlops.errors import ModelNotFound
from mlops.tracking.artifacts.checked import changed, digests, fetch
from mlops.tracking.lineage import UNREADABLE, read_lineage
from mlops.tracking.registry import ModelVersion

__all__ = ["AnchoredVersion", "contradiction", "verify_version"]

log = logging.getLogger(__name__)


class Anchored(Protocol):
    """What is on record of a version: the digest of its lineage, and those of its files by path."""

    @property
    def lineage_sha256(self) -> str | None: ...

    @property
    def files(self) -> Mapping[str, str] | None: ...


@dataclass(frozen=True, slots=True)
class AnchoredVersion:
    """A version as the mirror shows it, with what is anchored of it; `files` is None when nothing is."""

    version_id: int
    name: str
    version: int
    created_at: datetime
    run_id: str | None
    source: str | None
    tags: dict[str, str]
    lineage_sha256: str | None
    files: dict[str, str] | None

    @property
    def registered(self) -> ModelVersion:
        """The version as the registry has it."""
        return ModelVersion(self.name, self.version, self.run_id or "", self.source or "", self.tags, self.created_at)


def contradiction(version: ModelVersion, anchor: Anchored) -> str | None:
    """What of a model is other than in its anchor (`lineage_sha256`, `files`); None when nothing is.

    Raises ModelNotFound when the files can't be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = fetch(version, Path(folder))
        if anchor.lineage_sha256 is not None and (problem := _of_lineage(version, anchor.lineage_sha256, model)):
            return problem
        other = next(changed(anchor.files or {}, digests(model)), None)
    return None if other is None else f"its file {other}"


def verify_version(database: Database, mirrored: AnchoredVersion) -> None:
    """Compare a version, as the mirror shows it, with its anchor, and record the outcome.

    What can't be read says nothing: it is tried again, and that files are gone is another matter.
    """
    version = mirrored.registered
    try:
        problem = contradiction(version, mirrored)
    except Exception:  # each artifact store has errors of its own
        log.debug("%s can't be compared with its anchor", version.uri, exc_info=True)
        return
    with database.transaction() as transaction:
        transaction.run("set_version_verified", version_id=mirrored.version_id, problem=problem)


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
