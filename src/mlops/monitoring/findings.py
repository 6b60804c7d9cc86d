"""What weekly checks compared and found, read back: of a model or of all, drifted or not."""

from dataclasses import dataclass
from datetime import datetime

from mlops.db import Database
from mlops.domain.findings import ChangeDocument, FindingKind

__all__ = ["StoredFinding", "findings"]


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One comparison of a weekly check: the statistic beyond the threshold is drift; `detail` says it in words."""

    finding_id: int
    model: str
    version: int
    as_of: datetime
    window_start: datetime
    window_end: datetime
    kind: FindingKind
    subject: str
    slice: str
    statistic: float | None
    threshold: float | None
    drifted: bool
    detail: str
    change: ChangeDocument | None


def findings(
    database: Database,
    *,
    model: str | None = None,
    kind: FindingKind | None = None,
    drifted: bool = True,
    as_of: datetime,
    before: tuple[datetime, int] | None = None,
    most: int,
) -> list[StoredFinding]:
    """At most so many findings of checks until `as_of`, the newest first, older than `before` (as_of, finding_id).

    Of a model by name (None: of all); with `drifted` only those that are drift.
    """
    with database.transaction() as transaction:
        return transaction.rows(
            "findings_page",
            of=StoredFinding,
            name=model,
            kind=kind,
            drifted=drifted,
            as_of=as_of,
            before=before and before[0],
            before_id=before and before[1],
            most=most,
        )
