"""Who wins: the one rule by which a model takes another's place. Pure.

Promotion, retraining, the weekly proof, a rollback and a fallback all ask it. What differs between them are the fields
of the rule, for the reasons in docs/decisions/0026-who-wins.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from mlops.domain.forecasts import worse_than_trivial
from mlops.evaluation.paired import Estimate

__all__ = ["Gate", "GateDocument", "Limit", "Losses", "Rule", "Verdict", "failed"]

BETTER = "a WAPE lower than the champion's by more than {:.0%} on the same folds"
CLEAR = "a WAPE lower than the champion's beyond chance"
NAIVE = "a WAPE not above the seasonal naive's"
TRIVIAL = "a WAPE below 1, which forecasting zero has, and not above that of each series' mean"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: whether it holds (None: it does not apply), what was found, and what had to be found."""

    gate: str
    passed: bool | None
    found: str
    expected: str


class GateDocument(TypedDict):
    """A gate as it is recorded: what `Gate` takes."""

    gate: str
    passed: bool | None
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Losses:
    """WAPE of a candidate, of the champion and of baselines on the same forecasts; `on` says on which.

    None where nothing was measured: `champion` when there is none, any when its forecasts are gone, and `on` says why.
    `naive` is the seasonal naive's, `mean` that of forecasting each series' mean before the cutoff; that of forecasting
    zero is 1. `gain` is by how much the candidate's is lower than the champion's, with its interval. `figures` are
    others of the candidate, such as bias and coverage_80, by name.
    """

    candidate: float | None
    champion: float | None
    naive: float | None = None
    mean: float | None = None
    on: str = ""
    first: bool = False
    """Whether the name has no champion but the candidate."""
    gain: Estimate | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limit:
    """Between which values another figure of the candidate has to lie, such as its bias or coverage."""

    figure: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the conditions of a rule found, in the order in which they are asked."""

    gates: tuple[Gate, ...]

    @property
    def won(self) -> bool:
        """Whether none failed."""
        return not failed(self.gates)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a candidate has to show to take the champion's place.

    `margin` is the part of the champion's WAPE by more than which its own has to be lower. With `beyond_chance` the
    whole interval of the gain has to lie above zero; at which probability is for whoever measures the gain. With
    `baselines` the candidate must not be worse than the seasonal naive, than zero or than the mean: of two bad models
    the better one is still bad. Whoever stands in for a model (the naive itself, the version before) is held against
    the champion alone. A WAPE of the candidate or the champion that was not measured fails what needs it; a baseline
    that was not measured is not asked.
    """

    margin: float = 0.0
    beyond_chance: bool = False
    baselines: bool = True
    limits: tuple[Limit, ...] = ()

    def judge(self, losses: Losses) -> Verdict:
        """Every condition of the rule, asked."""
        gates = [self._better(losses)]
        if self.beyond_chance:
            gates.append(_clear(losses))
        if self.baselines:
            gates += [_naive(losses), _trivial(losses)]
        return Verdict((*gates, *(_within(losses, limit) for limit in self.limits)))

    def wins(self, losses: Losses) -> bool:
        """Whether the candidate takes the champion's place."""
        return self.judge(losses).won

    def not_asked(self, why: str) -> tuple[Gate, ...]:
        """The conditions of a candidate that can't be measured, and has not lost by that."""
        gates = self.judge(Losses(None, None)).gates
        return tuple(Gate(gate.gate, None, why, gate.expected) for gate in gates)

    def _better(self, losses: Losses) -> Gate:
        expected = BETTER.format(self.margin)
        if losses.first:
            return Gate("better", True, "there is no other champion", expected)
        if losses.candidate is None or losses.champion is None:
            return Gate("better", False, losses.on, expected)
        on = f" ({losses.on})" if losses.on else ""
        found = f"WAPE {losses.candidate:.3f}, the champion's {losses.champion:.3f}{on}"
        return Gate("better", losses.candidate < losses.champion * (1 - self.margin), found, expected)


def failed(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that do not hold; one that does not apply is none of them."""
    return tuple(gate for gate in gates if gate.passed is False)


def _clear(losses: Losses) -> Gate:
    if losses.gain is None:
        return Gate("clear", False, losses.on or "the gain was not measured", CLEAR)
    found = f"lower by {losses.gain.value:.3f}, from {losses.gain.low:.3f} to {losses.gain.high:.3f}"
    return Gate("clear", losses.gain.low > 0, found, CLEAR)


def _naive(losses: Losses) -> Gate:
    if losses.candidate is None:
        return Gate("naive", False, losses.on, NAIVE)
    if losses.naive is None:
        return Gate("naive", None, "the seasonal naive was not measured", NAIVE)
    found = f"WAPE {losses.candidate:.3f}, the naive's {losses.naive:.3f}"
    return Gate("naive", losses.candidate <= losses.naive, found, NAIVE)


def _trivial(losses: Losses) -> Gate:
    """Whether it is better than no model at all: than forecasting zero, and than forecasting the mean."""
    if losses.candidate is None:
        return Gate("trivial", False, losses.on, TRIVIAL)
    mean = "" if losses.mean is None else f", the mean's {losses.mean:.3f}"
    found, worse = f"WAPE {losses.candidate:.3f}, zero's 1.000{mean}", worse_than_trivial(losses.candidate, losses.mean)
    return Gate("trivial", not worse, f"{found}: {worse}" if worse else found, TRIVIAL)


def _within(losses: Losses, limit: Limit) -> Gate:
    expected = f"{limit.figure} from {limit.low:g} to {limit.high:g}"
    value = losses.figures.get(limit.figure)
    if value is None:
        return Gate(limit.figure, False, losses.on or "it was not measured", expected)
    return Gate(limit.figure, limit.low <= value <= limit.high, f"{limit.figure} {value:.3f}", expected)
