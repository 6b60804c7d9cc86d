"""What monitoring finds, and what it says should be done."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = ["Action", "Benefit", "Finding", "FindingKind", "Findings", "Recommendation"]

FindingKind = Literal["feature", "concept", "performance", "data"]
Action = Literal["none", "watch", "investigate_data", "retrain", "rollback"]


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
class Benefit:
    """What another model saves on the same days: of the WAPE, and in money per week; each with its interval.

    Below zero is a loss. `days` is over how many days it was measured.
    """

    wape: float
    wape_low: float
    wape_high: float
    money: float
    money_low: float
    money_high: float
    currency: str
    days: int

    @property
    def clear(self) -> bool:
        """Whether the error is smaller beyond chance."""
        return self.wape_low > 0

    def to_json(self) -> dict[str, Any]:
        """The document that `analytics.is_benefit` takes."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"WAPE {self.wape:+.3f} ({self.wape_low:+.3f} to {self.wape_high:+.3f}) and {self.money:,.2f}"
            f" ({self.money_low:,.2f} to {self.money_high:,.2f}) {self.currency} a week, over {self.days} days"
        )


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do about a model version, and why.

    `benefit` is what acting promises, `cost` (in its currency) what it takes and `horizon_weeks` for how long the one
    was held against the other; `challenger` is the recipe to retrain with (`same`, or a model kind), `predecessor` the
    version to roll back to. `held_by` is an earlier recommendation that a person dismissed or put off.
    """

    action: Action
    reasons: tuple[str, ...] = ()
    evidence: dict[str, float] = field(default_factory=dict)
    cause: tuple[str, ...] = ()
    severity: float = 0.0
    benefit: Benefit | None = None
    cost: float | None = None
    horizon_weeks: int | None = None
    challenger: str | None = None
    predecessor: int | None = None
    onset: datetime | None = None
    held_by: int | None = None
