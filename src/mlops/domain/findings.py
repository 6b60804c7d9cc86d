"""What monitoring finds, and what it says should be done."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Finding", "FindingKind", "Findings", "Recommendation"]

FindingKind = Literal["feature", "concept", "performance", "data"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One statistic of one week against its limit; `subject` is a feature, a series, or empty for the model itself."""

    kind: FindingKind
    subject: str
    statistic: float
    threshold: float
    drifted: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that one check of one week found, drifted or not."""

    details: tuple[Finding, ...] = ()

    @property
    def features(self) -> frozenset[str]:
        """Features whose distribution, given the calendar, has moved."""
        return self._drifted("feature")

    @property
    def concept(self) -> bool:
        """Whether the relation of features and target has moved."""
        return bool(self._drifted("concept"))

    @property
    def performance(self) -> bool:
        """Whether the loss is worse than the backtest promised."""
        return bool(self._drifted("performance"))

    @property
    def data_faults(self) -> frozenset[str]:
        """Columns or series that are broken rather than different."""
        return self._drifted("data")

    def _drifted(self, kind: FindingKind) -> frozenset[str]:
        return frozenset(finding.subject for finding in self.details if finding.kind == kind and finding.drifted)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do about a model version, and why."""

    action: Literal["none", "watch", "investigate_data", "retrain"]
    reasons: tuple[str, ...] = ()
    evidence: dict[str, float] = field(default_factory=dict)
