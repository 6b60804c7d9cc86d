"""What monitoring finds, and what it says should be done."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = ["FEWEST_DAYS", "Action", "Benefit", "Finding", "FindingKind", "Findings", "Recommendation"]

FEWEST_DAYS = 90
"""Days of a backtest from which a monitor can be fitted."""
FindingKind = Literal["feature", "concept", "performance", "prediction", "data"]
Action = Literal["none", "watch", "investigate_data", "retrain", "rollback", "fallback"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One statistic of one week against its limit.

    `subject` is a feature, a series, or empty for the model itself; `slice` is the part of the series that it is about,
    as `route_type=urban`, or empty for all of them.
    """

    kind: FindingKind
    subject: str
    statistic: float
    threshold: float
    drifted: bool
    detail: str = ""
    slice: str = ""

    @property
    def key(self) -> tuple[FindingKind, str, str]:
        """What it is about: a check has at most one finding of each key."""
        return self.kind, self.subject, self.slice

    @property
    def name(self) -> str:
        """The key in words: `feature.log_level`, `concept`, `performance.coverage[route_type=urban]`."""
        whole = f"{self.kind}.{self.subject}" if self.subject else self.kind
        return f"{whole}[{self.slice}]" if self.slice else whole

    @property
    def clearness(self) -> float:
        """How many times its limit the statistic is; NaN where nothing was judged."""
        return self.statistic / self.threshold if self.threshold > 0 else self.statistic


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that one check of one week found, drifted or not."""

    details: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, found: Iterable[Finding]) -> "Findings":
        """Findings of which each key is there once: the clearest of it, a drifted one before others."""
        clearest: dict[tuple[FindingKind, str, str], Finding] = {}
        for one in found:
            known = clearest.get(one.key)
            if known is None or _rank(one) > _rank(known):
                clearest[one.key] = one
        return cls(tuple(clearest.values()))

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
    def prediction(self) -> bool:
        """Whether the forecasts, or the loss to be expected of them, have moved: no outcome is needed to see it."""
        return bool(self._drifted("prediction"))

    @property
    def data_faults(self) -> frozenset[str]:
        """Columns or series that are broken rather than different."""
        return self._drifted("data")

    def _drifted(self, kind: FindingKind) -> frozenset[str]:
        return frozenset(finding.subject for finding in self.details if finding.kind == kind and finding.drifted)


def _rank(finding: Finding) -> tuple[bool, float]:
    clear = finding.clearness
    return finding.drifted, -math.inf if math.isnan(clear) else clear


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
    version to roll back to, or the one of whose recipe `same` speaks where the champion stands in for it. `held_by` is
    an earlier recommendation that a person dismissed or put off.
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
