"""What people decided and what came of it, as a review tells it: savings, promises kept, alarms. Times are UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = [
    "Alarm",
    "AlarmBudget",
    "AlarmRow",
    "Decided",
    "OpenAlert",
    "Promise",
    "RealisedSaving",
    "Saving",
    "StateChange",
    "budget",
    "year_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What other forecasts save or would have saved: of the WAPE, and in `currency` per week; from so many `days`.

    Each with its interval. Money is None while prices are placeholders.
    """

    wape: float
    wape_low: float
    wape_high: float
    money: float | None
    money_low: float | None
    money_high: float | None
    currency: str | None
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise(Saving):
    """What acting saves for `weeks` weeks, and what it costs once."""

    weeks: int
    cost: float | None

    @property
    def total(self) -> float | None:
        """What is saved over all the weeks."""
        return None if self.money is None else self.money * self.weeks


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
class StateChange:
    """Something that was different at the review a week earlier."""

    model: str
    kind: str
    before: str | None
    after: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RealisedSaving:
    """What acting saved in the weeks after, beside what was promised: money per week and WAPE, each with its interval.

    Money is None while prices are placeholders.
    """

    model: str
    recommendation_id: int
    action: str
    replaced: int
    version: int | None
    realised_at: datetime
    currency: str | None
    promised: float | None
    promised_low: float | None
    promised_high: float | None
    realised: float | None
    realised_low: float | None
    realised_high: float | None
    promised_wape: float
    promised_wape_low: float
    promised_wape_high: float
    realised_wape: float
    realised_wape_low: float
    realised_wape_high: float


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
class AlarmRow:
    """An alarm with everything that became of it; `over` says that a later check did not find it any more."""

    model: str
    began: datetime
    last: datetime
    checks: int
    called: bool
    over: bool
    promoted: bool
    accepted: bool
    dismissed: bool

    @property
    def verdict(self) -> str:
        """A promotion says more than a dismissal before it, and that more than an acceptance that came to nothing."""
        if self.promoted:
            return "acted"
        if self.dismissed:
            return "dismissed"
        if self.accepted:
            return "accepted"
        return "nothing" if self.over else "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBudget:
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
    """An alert that was open, since when by the facts, and who answers for it; `alert_id` once it was recorded."""

    alert_id: int | None
    kind: str
    subject: str
    model: str | None
    severity: str
    message: str
    todo: str
    owner: str | None
    since: datetime
    opened_at: datetime | None


def year_of(as_of: datetime) -> datetime:
    """When the calendar year of a time began."""
    return datetime(as_of.year, 1, 1, tzinfo=UTC)


def budget(rows: Sequence[AlarmRow], as_of: datetime, *, models: int, per_model: float) -> AlarmBudget:
    """What the alarms of `review_alarms` have spent of what `models` models may have in a year.

    An alarm is spent when somebody dismissed it, or when it is over and nobody did anything: it called for nothing. It
    is justified when a version was promoted or rolled back because of it, or when somebody accepted it. One that is
    neither yet is open.
    """
    alarms = tuple(
        Alarm(
            model=row.model,
            began=row.began,
            last=row.last,
            checks=row.checks,
            called=row.called,
            verdict=row.verdict,
        )
        for row in rows
    )
    verdicts = [alarm.verdict for alarm in alarms]
    return AlarmBudget(
        since=year_of(as_of),
        per_model=per_model,
        allowed=models * per_model,
        spent=sum(alarm.false for alarm in alarms),
        dismissed=verdicts.count("dismissed"),
        without_consequence=verdicts.count("nothing"),
        justified=verdicts.count("acted") + verdicts.count("accepted"),
        open=verdicts.count("open"),
        alarms=alarms,
    )
