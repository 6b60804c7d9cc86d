"""What a weekly review says, as frozen data; the page and the JSON are made of nothing else. Times are UTC."""

from dataclasses import dataclass
from datetime import datetime

from mlops.monitoring.health import Part

__all__ = [
    "ACTIONS",
    "SCHEMA",
    "Accuracy",
    "Advice",
    "Alarm",
    "AliasMove",
    "Budget",
    "Challenger",
    "Change",
    "Check",
    "Decided",
    "Detail",
    "Drifted",
    "Expected",
    "HealthNow",
    "Impact",
    "Kept",
    "Model",
    "OpenAlert",
    "Place",
    "Promise",
    "Review",
    "Saving",
    "Step",
    "Version",
    "Waiting",
    "Week",
]

SCHEMA = "mlops.review/2"
"""The shape of the JSON; docs/how-to/weekly-review.md has its table."""
ACTIONS = {
    "rollback": "roll back",
    "retrain": "retrain",
    "investigate_data": "investigate the data",
    "watch": "watch",
    "unchecked": "not checked yet",
    "none": "nothing to do",
}
"""What may be recommended, in words, the most urgent first; `unchecked` is a champion that no check has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How good forecasts were beside the seasonal naive; None where nothing is known."""

    forecasts: int | None = None
    wape: float | None = None
    wape_naive: float | None = None
    coverage_80: float | None = None
    coverage_95: float | None = None

    @property
    def beaten(self) -> bool:
        """Whether the seasonal naive was better."""
        return self.wape is not None and self.wape_naive is not None and self.wape_naive < self.wape


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the loss is held against, as far as it was measured; each with its interval.

    `wape` is the whole backtest's. `ratio` is how many times the loss of the last four weeks is that of the backtest on
    the same weekdays and holidays. `estimate` is the WAPE that the newest week's forecasts are expected to have, for
    which no outcome is needed.
    """

    wape: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    estimate: float | None = None
    estimate_low: float | None = None
    estimate_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The newest check as of its time: judged, unlabelled, unjudged or failed; and if not judged, why."""

    as_of: datetime
    state: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Week(Accuracy):
    """The week that begins on the Monday `week`: all versions that were served, the newest check, what came of it."""

    week: datetime
    version: int | None = None
    checked_at: datetime | None = None
    checked: int = 0
    drifted: int = 0
    onset: bool = False
    action: str | None = None
    verdict: str | None = None
    retrained_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A registered version: what it was trained on, what its backtest promised, and the aliases that point at it."""

    version: int
    kind: str | None
    known_at: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    registered_at: datetime
    wape: float | None
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """From `moved_at` until `until` (None: still) an alias points at `version`; before that it pointed at `before`."""

    alias: str
    version_id: int
    version: int
    before: int | None
    moved_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A finding of the newest check beyond its limit; `series_id` and `place` when it is about a series.

    `slice` is the part of the series that it is about, as `route_type=urban`; empty for all of them.
    """

    kind: str
    subject: str
    slice: str
    detail: str
    statistic: float | None
    threshold: float | None
    series_id: int | None
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Of `due` forecasts whose time is past, `forecasts` in `series` series have no outcome, the first for `oldest`."""

    due: int = 0
    forecasts: int = 0
    series: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A forecast and its outcome; a total has no interval, for the sum of bounds is no bound of the sum."""

    ds: datetime
    outcome: float | None
    y_hat: float
    lo_80: float | None = None
    hi_80: float | None = None
    lo_95: float | None = None
    hi_95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Accuracy):
    """One of the largest series: how good its freshest forecasts were, step by step."""

    series_id: int
    place: str
    steps: tuple[Step, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The newest recommendation: the sentence why, since when, what acting is worth, what was decided, what to run.

    `since` is the first check of the unbroken run of this action; `onset` is when errors began to be larger, as
    estimated. `features` are what drifted, by name.
    """

    action: str
    why: str
    reasons: tuple[str, ...]
    features: tuple[str, ...]
    needs_person: bool
    commands: tuple[str, ...]
    recommendation_id: int | None
    checked_at: datetime | None
    since: datetime | None
    onset: datetime | None
    expires_at: datetime | None
    promise: Promise | None
    decision: Decided | None
    verdict: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What forecast errors cost, in `currency`: of units too few (`under`) and too many (`over`).

    Of the last seven days, and per week of the last `weeks`.
    """

    currency: str
    weeks: int
    week_under: float
    week_over: float
    usual_under: float
    usual_over: float

    @property
    def week(self) -> float:
        """Of the last seven days."""
        return self.week_under + self.week_over

    @property
    def usual(self) -> float:
        """Of a usual week."""
        return self.usual_under + self.usual_over


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthNow:
    """From 0 to 100 (None: unknown), the part that costs most in words, and all parts."""

    score: int | None
    status: str
    weakest: str | None
    weakest_words: str | None
    parts: tuple[Part, ...]

    @property
    def order(self) -> int:
        """The unknown first, then the worst."""
        return -1 if self.score is None else self.score


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger:
    """The version beside the champion: its backtest, how both did on the same days, and what it would have saved."""

    version: int
    kind: str | None
    since: datetime
    promised: float | None
    forecasts: int = 0
    wape: float | None = None
    wape_champion: float | None = None
    saves: Saving | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """The history of a model, and its forecasts against outcomes."""

    weeks: tuple[Week, ...]
    versions: tuple[Version, ...]
    aliases: tuple[AliasMove, ...]
    totals: tuple[Step, ...]
    largest: tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One champion: what it is, what should be done and why, how good it was, and its history."""

    name: str
    version: int
    kind: str | None
    metric_type: str | None
    unit: str | None
    aggregate: str | None
    series: int | None
    known_at: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    champion_since: datetime
    advice: Advice
    check: Check | None
    expected: Expected
    promised: Accuracy
    last_7_days: Accuracy
    last_28_days: Accuracy
    waiting: Waiting
    checked: int
    drifted: tuple[Drifted, ...]
    health: HealthNow | None
    impact: Impact | None
    challenger: Challenger | None
    detail: Detail | None

    @property
    def times(self) -> float | None:
        """How many times the backtest's its loss is: on the same calendar where that was measured, else in all."""
        if self.expected.ratio is not None:
            return self.expected.ratio
        if self.last_28_days.wape is None or not self.expected.wape:
            return None
        return self.last_28_days.wape / self.expected.wape


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Everything that was known at `as_of`; models that need a person come first, changes are since `since`."""

    as_of: datetime
    since: datetime
    counts: dict[str, int]
    changes: tuple[Change, ...]
    models: tuple[Model, ...]
    decisions: tuple[Decided, ...]
    kept: tuple[Kept, ...]
    budget: Budget
    impact: Impact | None
    alerts: tuple[OpenAlert, ...]
    schema: str = SCHEMA
