"""How a yearly budget of alarms trades against delay: the same history and the same changes, replayed at each budget.

Changes are put into the replayed history at random days. One counts as found at the first check in which something
drifted that did not drift in the same week of the history without the change. Pure.
"""

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops import parallel
from mlops.arrays import Floats
from mlops.errors import BadInput, Misused
from mlops.monitoring.decide.costs import money
from mlops.monitoring.replay.inject import CHANGES, UsualSizes, inject, possible, usual_sizes
from mlops.monitoring.replay.replay import (
    WEEK,
    Case,
    Episode,
    Progress,
    Rate,
    ReplayedWeek,
    Watch,
    drifted,
    episodes,
    replayed,
)
from mlops.policy import Costs, Terms, UnitCost

__all__ = [
    "BUDGETS",
    "AtBudget",
    "Best",
    "Detection",
    "PlannedChange",
    "Question",
    "Tradeoff",
    "YearlyCost",
    "check_budgets",
    "envelope",
    "planned_changes",
    "tradeoff",
]

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Alarms a year."""
WATCHED_WEEKS = 8
"""For so long after its onset a change may be found; and a change that is not found costs as much as one found then."""
PRICED_WEEKS = 26
"""On so many weeks before the replay it is measured what a change costs."""
DRAWS = 2_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A change that is put into the history at the start of a day; `seed` draws its column, direction and rows."""

    change: str
    onset: pd.Timestamp
    seed: int


@dataclass(frozen=True)
class Question:
    """What is asked of a case: which budgets, which changes, at what price, and how many true changes a year come."""

    case: Case
    budgets: tuple[float, ...]
    changes: tuple[PlannedChange, ...]
    terms: Terms
    costs: Costs
    unit: UnitCost
    changes_per_year: float = 1.0

    def __post_init__(self) -> None:
        check_budgets(self.budgets)
        if not 0 <= self.changes_per_year < math.inf:
            raise BadInput(f"changes_per_year is {self.changes_per_year}; it may not be below 0")


@dataclass(frozen=True, slots=True)
class Detection:
    """How a kind of change was found at a budget: the share within WATCHED_WEEKS, the median delay in days.

    `median_days` is infinite where less than half were found; `excess` is the money per week that a change costs while
    it lasts, None for one that leaves the errors as they are.
    """

    change: str
    lives: int
    share: float
    low: float
    high: float
    median_days: float
    excess: float | None


@dataclass(frozen=True, slots=True)
class YearlyCost:
    """Money per year: looking at false alarms, waiting until true changes are found, and both with an interval."""

    alarms: float
    waiting: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AtBudget:
    """What a budget of alarms a year would have meant."""

    budget: float
    rate: Rate
    review: float
    """Money for looking at the replay's episodes, per year."""
    found: tuple[Detection, ...]
    total: YearlyCost
    best_in: float
    """The share of resamples in which no other budget costs less."""
    episodes: tuple[Episode, ...]
    weeks: tuple[ReplayedWeek, ...]


@dataclass(frozen=True, slots=True)
class Best:
    """The budget with the lowest total; `as_good` are those that can't be told from it.

    `by_changes`: from so many true changes a year on, which budget costs least.
    """

    budget: float
    best_in: float
    as_good: tuple[float, ...]
    by_changes: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """All budgets, smallest first, and the one that is recommended."""

    budgets: tuple[AtBudget, ...]
    best: Best

    def at(self, budget: float) -> AtBudget:
        """What a budget would have meant."""
        return next(replayed_budget for replayed_budget in self.budgets if replayed_budget.budget == budget)


@dataclass(frozen=True, slots=True)
class _Track:
    """A budget's replay, and the days until each change was found (infinite: not)."""

    weeks: tuple[ReplayedWeek, ...]
    delays: Floats


def check_budgets(budgets: Sequence[float]) -> None:
    """Raise BadInput where there is none, or one is no number above 0."""
    wrong = [budget for budget in budgets if not 0 < budget < math.inf]
    if wrong or not budgets:
        raise Misused(f"a budget is {(*wrong, 'missing')[0]}; expected numbers of alarms a year above 0, as 0.5,1")


def planned_changes(case: Case, per_change: int, seed: int = 0) -> tuple[PlannedChange, ...]:
    """So many of every possible change, at random days that leave WATCHED_WEEKS of the replay behind them."""
    days = (case.weeks - WATCHED_WEEKS) * 7
    if days < 1:
        raise BadInput(f"{case.weeks} weeks are too few to put changes into; replay {WATCHED_WEEKS + 1} at least")
    rng = np.random.default_rng(seed)
    return tuple(
        PlannedChange(change.name, case.start + pd.Timedelta(days=int(rng.integers(days))), int(rng.integers(2**31)))
        for change in possible(case.spec)
        for _ in range(per_change)
    )


def tradeoff(question: Question, progress: Progress = lambda *_: None) -> Tradeoff:
    """Replay a case at every budget; `progress` hears how many of how many are done."""
    sizes = usual_sizes(question.case.history, question.case.spec)
    budgets, tracks = sorted(set(question.budgets)), {}
    for number, track in parallel.jobs(_track, budgets, shared=(question, sizes)):
        tracks[budgets[number]] = track
        progress(len(tracks), len(budgets))
    excess = np.array(
        [
            _excess(question, sizes, planned) if CHANGES[planned.change].touches == "target" else 0.0
            for planned in question.changes
        ]
    )
    return _weighed(question, {budget: tracks[budget] for budget in budgets}, excess)


def _track(shared: tuple[Question, UsualSizes], budget: float) -> _Track:
    """The replay at a budget, and every change from the week of its onset on."""
    question, sizes = shared
    case = question.case
    watch = case.fit(case, budget)
    steady = watch.steady()
    before, quiet = _branches(question, steady)
    weeks = list(replayed(case, watch, question.terms)) if watch.begins_anew else quiet
    delays = [_delay(case, sizes, planned, before[case.week_of(planned.onset)], quiet) for planned in question.changes]
    return _Track(tuple(weeks), np.array(delays))


def _branches(question: Question, watch: Watch) -> tuple[list[Watch], list[ReplayedWeek]]:
    """The replay of a watch, and what the watch was before each week."""
    before, weeks = list[Watch](), list[ReplayedWeek]()
    replay = replayed(question.case, watch, question.terms)
    for _ in range(question.case.weeks):
        before.append(copy(watch))
        weeks.append(next(replay))
    return before, weeks


def _delay(
    case: Case, sizes: UsualSizes, planned: PlannedChange, before: Watch, quiet: Sequence[ReplayedWeek]
) -> float:
    """Days from the onset to the check that finds the change; infinite where none does in time."""
    rows, watch, first = _changed(case, sizes, planned), copy(before), case.week_of(planned.onset)
    for week in range(first, first + WATCHED_WEEKS):
        end = case.end(week)
        findings = watch.check(case.between(case.start, end, rows), case.between(end - WEEK, end, rows), end)
        if drifted(findings) - drifted(quiet[week].findings):
            return float((end - planned.onset).days)
    return math.inf


def _changed(case: Case, sizes: UsualSizes, planned: PlannedChange) -> pd.DataFrame:
    """The live rows around an onset, changed from it on."""
    before = case.between(planned.onset - case.looks_back * WEEK, planned.onset)
    after = case.between(planned.onset, planned.onset + (WATCHED_WEEKS + 1) * WEEK)
    known = before if len(before) else case.history
    changed = inject(after, known, planned.change, sizes, np.random.default_rng(planned.seed))
    return pd.concat([before, case.settled(changed)], ignore_index=True)


def _excess(question: Question, sizes: UsualSizes, planned: PlannedChange) -> float:
    """Money per week that the errors cost more under a change: on the newest weeks before the replay, which may itself
    have changed.
    """
    case, unit = question.case, question.unit
    rows = case.between(case.start - PRICED_WEEKS * WEEK, case.start, case.history)
    weeks = (case.start - rows[case.spec.time].iloc[0]) / WEEK
    changed = case.settled(inject(rows, rows, planned.change, sizes, np.random.default_rng(planned.seed)))
    cost, without = (np.nansum(money(*case.outcomes(rows_of_case), unit)) for rows_of_case in (changed, rows))
    return float((cost - without) / weeks)


def _weighed(question: Question, tracks: Mapping[float, _Track], excess: Floats) -> Tradeoff:
    """The budgets' costs, from the tracks of all."""
    counts = {budget: episodes(track.weeks) for budget, track in tracks.items()}
    waited = np.array([excess * np.minimum(track.delays / 7, WATCHED_WEEKS) for track in tracks.values()])
    years = question.case.years
    alarms = {budget: _Gamma(1 + len(alarmed), 1 / budget + years) for budget, alarmed in counts.items()}
    drawn = _drawn(question, list(alarms.values()), waited)
    best = drawn.argmin(axis=1)
    made = tuple(
        AtBudget(
            budget=budget,
            rate=Rate.of(len(counts[budget]), question.case.years),
            review=len(counts[budget]) / question.case.years * question.costs.review,
            found=_found(question.changes, tracks[budget].delays, excess),
            total=_total(question, alarms[budget], waited[place], drawn[:, place]),
            best_in=float((best == place).mean()),
            episodes=counts[budget],
            weeks=tracks[budget].weeks,
        )
        for place, budget in enumerate(tracks)
    )
    return Tradeoff(made, _best(question, made, drawn))


def _found(changes: Sequence[PlannedChange], delays: Floats, excess: Floats) -> tuple[Detection, ...]:
    names = [planned.change for planned in changes]
    places = {name: np.flatnonzero([other == name for other in names]) for name in dict.fromkeys(names)}
    return tuple(
        _found_of(name, delays[chosen], excess[chosen] if CHANGES[name].touches == "target" else None)
        for name, chosen in places.items()
    )


def _found_of(change: str, delays: Floats, excess: Floats | None) -> Detection:
    """The share with its exact interval (Clopper and Pearson, 1934)."""
    count, of = int(np.isfinite(delays).sum()), len(delays)
    tail = (1 - CONFIDENCE) / 2
    low = float(stats.beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(stats.beta.isf(tail, count + 1, of - count)) if count < of else 1.0
    middle = np.sort(delays)[[(of - 1) // 2, of // 2]]
    median = float(middle.mean()) if np.isfinite(middle).all() else math.inf
    return Detection(change, of, count / of, low, high, median, None if excess is None else float(excess.mean()))


@dataclass(frozen=True, slots=True)
class _Gamma:
    """What is believed of a rate per year: the budget's promise, worth one alarm, and the replay's count."""

    shape: float
    years: float

    @property
    def mean(self) -> float:
        return self.shape / self.years


def _drawn(question: Question, alarms: Sequence[_Gamma], waited: Floats) -> Floats:
    """Totals as they might be as well, draws × budgets.

    Lives are resampled within each kind of change. The rates of all budgets go up and down together, as they are
    counted on the same weeks.
    """
    rng = np.random.default_rng(0)
    luck = rng.random(DRAWS)
    rates = np.column_stack([stats.gamma.ppf(luck, rate.shape, scale=1 / rate.years) for rate in alarms])
    groups = [rng.choice(group, (DRAWS, len(group))) for group in _avoidable(question.changes)]
    waiting = waited[:, np.concatenate(groups, axis=1)].mean(axis=2).T
    return np.asarray(rates * question.costs.review + question.changes_per_year * waiting)


def _avoidable(changes: Sequence[PlannedChange]) -> list[NDArray[np.intp]]:
    """The places of the changes for which waiting costs money, by their change."""
    names = np.array([planned.change for planned in changes])
    return [np.flatnonzero(names == name) for name in dict.fromkeys(names) if CHANGES[name].avoidable]


def _total(question: Question, alarms: _Gamma, waited: Floats, drawn: Floats) -> YearlyCost:
    per_wait = float(waited[np.concatenate(_avoidable(question.changes))].mean())  # money that one change costs so
    looking, waiting = alarms.mean * question.costs.review, question.changes_per_year * per_wait
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return YearlyCost(looking, waiting, looking + waiting, float(low), float(high))


def _best(question: Question, budgets: Sequence[AtBudget], drawn: Floats) -> Best:
    values = np.array([budget.total.value for budget in budgets])
    place = int(values.argmin())
    gap = np.quantile(drawn - drawn[:, [place]], (1 - CONFIDENCE) / 2, axis=0)
    as_good = tuple(budget.budget for number, budget in enumerate(budgets) if number != place and gap[number] <= 0)
    alarms = np.array([budget.total.alarms for budget in budgets])
    per_change = np.array([budget.total.waiting for budget in budgets]) / max(question.changes_per_year, 1e-9)
    steps = tuple((begins, budgets[number].budget) for begins, number in envelope(alarms, per_change))
    return Best(budgets[place].budget, budgets[place].best_in, as_good, steps)


def envelope(level: Floats, slope: Floats) -> list[tuple[float, int]]:
    """Which of the lines `level + slope × x` is lowest from which x ≥ 0 on: pairs (x, place of the line)."""
    place = int(np.lexsort([slope, level])[0])
    lowest = [(0.0, place)]
    while (slope < slope[place]).any():
        flatter = np.flatnonzero(slope < slope[place])
        with np.errstate(over="ignore"):  # almost parallel lines cross at infinity
            crossings = (level[flatter] - level[place]) / (slope[place] - slope[flatter])
        if not np.isfinite(crossings).any():
            break
        place = int(flatter[np.lexsort([slope[flatter], crossings])[0]])
        lowest.append((float(crossings.min()), place))
    return lowest
