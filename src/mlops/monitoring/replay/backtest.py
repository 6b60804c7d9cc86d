"""A monitor's backtest: the replay at the policy's budget, the trade-off of budgets, and both in words."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TypedDict

import numpy as np
import pandas as pd

from mlops.monitoring.decide.costs import SET_COSTS
from mlops.monitoring.replay.inject import CHANGES
from mlops.monitoring.replay.replay import WEEK, Case, Progress, ReplayedWeek
from mlops.monitoring.replay.tradeoff import (
    BUDGETS,
    WATCHED_WEEKS,
    AtBudget,
    Question,
    Tradeoff,
    planned_changes,
    tradeoff,
)
from mlops.policy import Policy, UnitCost

__all__ = ["ACTIONS", "Backtest", "backtest_monitor"]

ACTIONS = {"investigate_data": "investigate the data", "prove": "try a refit", "watch": "watch", "none": "nothing"}
"""What an alarm asks for, in words; the most urgent first."""
MOSTLY_CALM = 0.25  # of the weeks in alarm: what is found beyond them is then hardly disturbed


class WeekDocument(TypedDict):
    """A week of the replay at the policy's budget; `drifted` are findings."""

    end: pd.Timestamp
    action: str
    needs_person: bool
    loss: float
    drifted: list[dict[str, object]]


BacktestDocument = TypedDict(
    "BacktestDocument",
    {
        "title": str,
        "source": str,
        "fitted_from": pd.Timestamp,
        "from": pd.Timestamp,
        "to": pd.Timestamp,
        "weeks": int,
        "currency": str | None,
        "policy_budget": float,
        "changes_per_year": float,
        "budgets": list[dict[str, object]],
        "best": dict[str, object] | None,
        "checks": list[WeekDocument],
        "usual_loss": float,
    },
)
"""A backtest as data: each budget as `AtBudget` without its weeks, the best as `Best`, None where nothing is priced."""


@dataclass(frozen=True)
class Backtest:
    """What was replayed, at the budget of the policy and at others; `losses` has the mean absolute error by week."""

    case: Case
    budget: float
    question: Question
    tradeoff: Tradeoff
    losses: tuple[float, ...]
    usual_loss: float

    @property
    def now(self) -> AtBudget:
        """The replay at the policy's budget."""
        return self.tradeoff.at(self.budget)

    @property
    def currency(self) -> str:
        """What costs are in."""
        return self.question.costs.currency

    @property
    def priced(self) -> bool:
        """Whether costs may be told: the prices are somebody's."""
        return self.question.costs.priced

    def words(self, change: str) -> str:
        """A change for people."""
        return CHANGES[change].words

    def changes(self) -> str:
        """How many true changes a year are expected."""
        count = self.question.changes_per_year
        return f"{_number(count)} true {'change' if count == 1 else 'changes'}"

    def scope(self) -> str:
        """What was replayed, on what."""
        case = self.case
        first = case.history[case.spec.time].min()
        return (
            f"{case.weeks} weeks from {case.start:%Y-%m-%d} to {case.end(case.weeks - 1):%Y-%m-%d}, by a monitor fitted"
            f" on {first:%Y-%m-%d} to {case.start:%Y-%m-%d}; {case.source}"
        )

    def summary(self) -> Iterator[str]:
        """The replay at the policy's budget in sentences."""
        now, rate = self.now, self.now.rate
        people = sum(episode.needs_person for episode in now.episodes)
        yield (
            f"At the policy's budget of {_alarms(self.budget)} a year it would have had {_alarms(rate.count)}:"
            f" {rate.per_year:.1f} a year (95 % interval {rate.low:.1f} to {rate.high:.1f}), {people} for a person."
        )
        hours, price = self.question.costs.review_hours, self.question.costs.review_hour
        if not self.priced:
            yield f"Looking at each costs {hours:g} hours; {SET_COSTS}."
            return
        yield (
            f"Looking at each costs {hours:g} hours of {price:,.2f} {self.currency}:"
            f" {now.review:,.2f} {self.currency} a year."
        )

    def advice(self) -> Iterator[str]:
        """Which budget costs least, how sure that is, and what it rests on; no costs where prices are placeholders."""
        if self.priced:
            yield from self._cheapest()
        alarmed = sum(week.alarmed for week in self.now.weeks)
        if alarmed > MOSTLY_CALM * self.case.weeks:
            yield (
                f"{alarmed} of the {self.case.weeks} weeks are in alarm without any of these changes, which hides them:"
                " replay a calmer time before you choose."
            )
        if self.priced:
            yield self._rests_on()

    def _cheapest(self) -> Iterator[str]:
        best = self.tradeoff.best
        yield (
            f"With {self.changes()} a year a budget of {best.budget:g} costs"
            f" least, in {best.best_in:.0%} of resamples{_as_good(best.as_good)}."
        )
        if len(best.by_changes) > 1:
            (_, first), *later = best.by_changes
            steps = ", ".join(f"{budget:g} from {changes:.2g} a year on" for changes, budget in later)
            yield f"It depends on how many changes you expect: {first:g} costs least for none, {steps}."

    def _rests_on(self) -> str:
        budgets = self.tradeoff.budgets
        excess = [
            detection.excess
            for detection in budgets[0].found
            if CHANGES[detection.change].avoidable and detection.excess is not None
        ]
        return (
            f"Waiting is priced at what errors cost more under a target's change, {np.mean(excess):,.2f}"
            f" {self.currency} a week, until it is found and for {WATCHED_WEEKS} weeks at most. Alarms of the replay"
            " count as false, though some may have been true."
        )

    def document(self) -> BacktestDocument:
        """Everything as data."""
        case = self.case
        return {
            "title": case.title,
            "source": case.source,
            "fitted_from": case.history[case.spec.time].min(),
            "from": case.start,
            "to": case.end(case.weeks - 1),
            "weeks": case.weeks,
            "currency": self.currency or None,
            "policy_budget": self.budget,
            "changes_per_year": self.question.changes_per_year,
            "budgets": [_at(budget, priced=self.priced) for budget in self.tradeoff.budgets],
            "best": asdict(self.tradeoff.best) if self.priced else None,
            "checks": [_check(week, loss) for week, loss in zip(self.now.weeks, self.losses, strict=True)],
            "usual_loss": self.usual_loss,
        }


def backtest_monitor(
    case: Case,
    policy: Policy,
    unit: UnitCost,
    *,
    budgets: tuple[float, ...] = BUDGETS,
    per_change: int = 10,
    changes_per_year: float = 1.0,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> Backtest:
    """Replay a case at the policy's budget and at others; the same arguments give the same numbers."""
    question = Question(
        case=case,
        budgets=(policy.drift.alarms_per_year, *budgets),
        changes=planned_changes(case, per_change, seed),
        terms=policy.terms,
        costs=policy.costs,
        unit=unit,
        changes_per_year=changes_per_year,
    )
    losses = tuple(_loss(case, case.between(case.end(week) - WEEK, case.end(week))) for week in range(case.weeks))
    return Backtest(
        case, policy.drift.alarms_per_year, question, tradeoff(question, progress), losses, _loss(case, case.history)
    )


def _loss(case: Case, rows: pd.DataFrame) -> float:
    """The mean absolute error, in the unit of the outcome; NaN without outcomes."""
    y, y_hat = case.outcomes(rows)
    size = np.abs(y - y_hat)
    return float(np.nanmean(size)) if np.isfinite(size).any() else math.nan


def _at(one: AtBudget, *, priced: bool) -> dict[str, object]:
    """A budget without its weeks, which only that of the policy shows, and without costs that nobody set."""
    left_out = {"weeks"} if priced else {"weeks", "review", "total", "best_in"}
    shown: dict[str, object] = {name: value for name, value in asdict(one).items() if name not in left_out}
    if not priced:
        shown["found"] = [{**asdict(change), "excess": None} for change in one.found]
    return shown


def _check(week: ReplayedWeek, loss: float) -> WeekDocument:
    drifted = [asdict(finding) for finding in week.findings.details if finding.drifted]
    return {"end": week.end, "action": week.action, "needs_person": week.needs_person, "loss": loss, "drifted": drifted}


def _alarms(count: float) -> str:
    return f"{_number(count)} {'alarm' if count == 1 else 'alarms'}"


def _number(value: float) -> str:
    return "no" if value == 0 else f"{value:g}"


def _as_good(budgets: tuple[float, ...]) -> str:
    if not budgets:
        return ", beyond chance"
    return f"; {_listed(budgets)} can't be told from it"


def _listed(budgets: tuple[float, ...]) -> str:
    *most, last = (f"{budget:g}" for budget in budgets)
    return f"{', '.join(most)} and {last}" if most else last
