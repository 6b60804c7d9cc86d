"""Recommendations as they are stored: what a check found that should be done, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from mlops.domain.findings import Action, ShownBenefit
from mlops.domain.lineage import LineageDocument

__all__ = ["OpenRecommendation", "RecommendationState", "StoredRecommendation"]


@dataclass(frozen=True, slots=True)
class OpenRecommendation:
    """A recommendation that is open or accepted, and asks for something."""

    recommendation_id: int
    name: str
    version: int
    as_of: datetime
    action: Action
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationState:
    """A recommendation about a version, with its newest decision (None: nobody has decided) and what came of it.

    `rollback_version` is the version that it would bring back, or that the champion stands in for; `stands` is the
    recommendation that takes the place of a superseded one; `promoted` says that a promotion is on record for it,
    `applied` that it was carried out.
    """

    recommendation_id: int
    as_of: datetime
    action: Action
    reasons: list[str]
    evidence: dict[str, float]
    rule_version: str
    cause: list[str] | None
    severity: float | None
    status: str
    verdict: str | None
    retrained_version_id: int | None
    challenger: str | None
    onset_at: datetime | None
    expected_benefit: ShownBenefit | None
    cost: float | None
    horizon_weeks: int | None
    expires_at: datetime | None
    held_by: int | None
    replaced_by: int | None
    realised_benefit: ShownBenefit | None
    realised_at: datetime | None
    created_at: datetime
    done_at: datetime | None
    version_id: int
    name: str
    version: int
    kind: str | None
    run_id: str | None
    deleted_at: datetime | None
    rollback_version: int | None
    retrained_version: int | None
    promoted: bool
    applied: bool
    decision: str | None
    decided_by: str | None
    reason: str | None
    until: datetime | None
    decided_at: datetime | None
    stands: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecommendation(RecommendationState):
    """The row of a recommendation, with what the version and the rollback's target were made of."""

    lineage: LineageDocument | None
    rollback_lineage: LineageDocument | None
