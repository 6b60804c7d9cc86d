"""What a weekly review says, as frozen data; the page and the JSON are made of nothing else. Times are UTC."""

from dataclasses import dataclass
from datetime import datetime

from mlops.domain.findings import Change
from mlops.monitoring.health import HealthPart
from mlops.monitoring.review.decisions import (
    AlarmBudget,
    Decided,
    OpenAlert,
    Promise,
    RealisedSaving,
    Saving,
    StateChange,
)
from mlops.monitoring.review.history import Accuracy, Detail

__all__ = [
    "ACTIONS",
    "SCHEMA",
    "Challenger",
    "Drifted",
    "ErrorCost",
    "Expected",
    "HealthNow",
    "Model",
    "ModelAdvice",
    "NewestCheck",
    "Review",
    "Waiting",
]

SCHEMA = "mlops.review/3"
"""The shape of the JSON; docs/how-to/weekly-review.md has its table."""
ACTIONS = {
    "rollback": "roll back",
    "retrain": "retrain",
    "fallback": "let the seasonal naive serve",
    "investigate_data": "investigate the data",
    "alert": "see the alert",
    "watch": "watch",
    "unchecked": "not checked yet",
    "none": "nothing to do",
}
"""What may be recommended, in words, the most urgent first.

`unchecked` is a champion that no check has seen, `alert` one that needs somebody although nothing is recommended.
"""
NUMERALS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the loss is held against, as far as it was measured; each with its interval.

    `wape` is that of the backtest, of its freshest forecasts where they were logged alone. `ratio` is how many times
    the loss of the last four weeks is that of the backtest on the same weekdays and holidays, by a check of the last 14
    days. `estimate` is the WAPE that the newest week's forecasts are expected to have, for which no outcome is needed.
    """

    wape: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    estimate: float | None = None
    estimate_low: float | None = None
    estimate_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestCheck:
    """The newest check as of its time: judged, unlabelled, unjudged or failed; and if not judged, why."""

    as_of: datetime
    state: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A finding of the newest check beyond its limit; `series_id` and `place` when it is about a series.

    `words` say what changed, by how much and since when, `todo` what to do about it or why nothing; `detail` has the
    statistics. `slice` is the part of the series that it is about, as `route_type=urban`; empty for all of them.
    """

    kind: str
    subject: str
    slice: str
    detail: str
    statistic: float | None
    threshold: float | None
    series_id: int | None
    place: str | None
    words: str
    todo: str
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Of `due` forecasts whose time is past, `forecasts` in `series` series have no outcome, the first for `oldest`."""

    due: int = 0
    forecasts: int = 0
    series: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAdvice:
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

    @property
    def shown(self) -> str:
        """The action as it is shown: nobody reads that there is nothing to do beside what needs them."""
        return "alert" if self.needs_person and self.action in ("none", "watch") else self.action


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCost:
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
    parts: tuple[HealthPart, ...]

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
    advice: ModelAdvice
    check: NewestCheck | None
    expected: Expected
    promised: Accuracy
    promised_of: str
    """Of which forecasts of the backtest: `freshest`, or `all` where an older training logged no others."""
    last_7_days: Accuracy
    """Of the freshest forecasts, as are the 28 days and the weeks."""
    last_28_days: Accuracy
    recent_days: int
    """How many the 28 days are: more where steps are longer than a day."""
    waiting: Waiting
    checked: int
    drifted: tuple[Drifted, ...]
    health: HealthNow | None
    impact: ErrorCost | None
    challenger: Challenger | None
    alerts: tuple[OpenAlert, ...]
    detail: Detail | None
    stands_in_for: int | None = None
    """The version in whose place this one, a seasonal naive, serves."""

    @property
    def beaten(self) -> bool:
        """Whether the seasonal naive was better, over the newest four weeks or beyond chance."""
        naive_better = any(finding.kind == "performance" and finding.subject == "naive" for finding in self.drifted)
        return naive_better or self.last_28_days.beaten

    @property
    def times(self) -> float | None:
        """How many times the backtest's its loss is: on the same calendar where that was measured, else in all."""
        if self.expected.ratio is not None:
            return self.expected.ratio
        if self.last_28_days.wape is None or not self.expected.wape:
            return None
        return self.last_28_days.wape / self.expected.wape


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Everything that was known at `as_of`; models that need a person come first, changes are since `since`."""

    as_of: datetime
    since: datetime
    counts: dict[str, int]
    changes: tuple[StateChange, ...]
    models: tuple[Model, ...]
    decisions: tuple[Decided, ...]
    kept: tuple[RealisedSaving, ...]
    budget: AlarmBudget
    impact: ErrorCost | None
    priced: bool
    """Whether money is shown: not while the prices of [costs] are placeholders."""
    alerts: tuple[OpenAlert, ...]
    schema: str = SCHEMA

    @property
    def naive_serves(self) -> tuple[str, ...]:
        """The models in whose place the seasonal naive serves."""
        return tuple(model.name for model in self.models if model.stands_in_for is not None)

    @property
    def naive_better(self) -> tuple[str, ...]:
        """The models that the seasonal naive was better than, over the newest four weeks or beyond chance."""
        return tuple(model.name for model in self.models if model.beaten)

    @property
    def headline(self) -> str:
        """The week in a sentence: who needs somebody; if nobody does, whether a naive is better or serves."""
        urgent = [model.name for model in self.models if model.advice.needs_person]
        if urgent and len(self.models) == 1:
            return f"{urgent[0]} needs you"
        if urgent:
            need = "needs" if len(urgent) == 1 else "need"
            return f"{_number(len(urgent)).capitalize()} of {_number(len(self.models))} models {need} you"
        if self.naive_better:
            figures = _beside(next(model for model in self.models if model.beaten).last_28_days)
            by_how_much = figures if len(self.naive_better) == 1 else ""
            return f"Nothing to decide, but the seasonal naive was better than {_some(self.naive_better)}{by_how_much}"
        if self.naive_serves:
            return f"Nothing to decide while the seasonal naive stands in for {_some(self.naive_serves)}"
        return "Nothing needs you this week"


def _number(count: int) -> str:
    return NUMERALS[count] if count < len(NUMERALS) else f"{count:,}"


def _beside(accuracy: Accuracy) -> str:
    """By how much the naive was better, where it was in four weeks."""
    if not accuracy.beaten:
        return ""
    return (
        f": a WAPE of {100 * (accuracy.wape_naive or 0):.1f} % against {100 * (accuracy.wape_beside_naive or 0):.1f} %"
    )


def _some(names: tuple[str, ...]) -> str:
    """One model by its name, several by how many they are."""
    return names[0] if len(names) == 1 else f"{_number(len(names))} models"
