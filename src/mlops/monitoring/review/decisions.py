"""What people decided and what came of it, as a review tells it: savings, promises kept, alarms. Times are UTC."""

from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "Alarm",
    "Budget",
    "Change",
    "Decided",
    "Kept",
    "OpenAlert",
    "Promise",
    "Saving",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What other forecasts save or would have saved, in `currency` per week with its interval; from so many `days`."""

    money: float
    money_low: float
    money_high: float
    currency: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise(Saving):
    """What acting saves for `weeks` weeks, and what it costs once."""

    weeks: int
    cost: float

    @property
    def total(self) -> float:
        """What is saved over all the weeks."""
        return self.money * self.weeks


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What somebody decided about a recommendation, and why."""

    model: str
    version: int
    recommendation_id: int
    action: str
    decision: str
    decided_by: str
    decided_at: datetime
    reason: str
    until: datetime | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was different at the review a week earlier."""

    model: str
    kind: str
    before: str | None
    after: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What acting saved in the weeks after, beside what was promised: money per week, each with its interval."""

    model: str
    recommendation_id: int
    action: str
    replaced: int
    version: int | None
    realised_at: datetime
    currency: str
    promised: float
    promised_low: float
    promised_high: float
    realised: float
    realised_low: float
    realised_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An unbroken run of weekly checks in which a model drifted: whether somebody was called, and what became of it.

    `verdict` is acted, accepted, dismissed, nothing (it went without anybody doing anything), or open.
    """

    model: str
    began: datetime
    last: datetime
    checks: int
    called: bool
    verdict: str

    @property
    def false(self) -> bool:
        """Whether it is spent from the budget."""
        return self.verdict in ("dismissed", "nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """False alarms of the calendar year that began at `since`, against what the policy allows for all its models."""

    since: datetime
    per_model: float
    allowed: float
    spent: int
    dismissed: int
    without_consequence: int
    justified: int
    open: int
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlert:
    """An alert that was open, and who answers for it."""

    alert_id: int
    kind: str
    subject: str
    model: str | None
    severity: str
    message: str
    todo: str
    owner: str | None
    opened_at: datetime
