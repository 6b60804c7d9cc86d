"""What to do about a model: from the findings of its last weeks, and from what another model would have saved. Pure.

The rules, in their order, are told in docs/how-to/recommendations.md.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mlops.domain.findings import CARRIED_OUT, Benefit, Finding, FindingKind, Findings, Recommendation
from mlops.domain.forecasts import worse_than_trivial
from mlops.evaluation.paired import Estimate
from mlops.evaluation.winning import Losses, Rule
from mlops.policy import SAME, Terms

__all__ = ["RULE_VERSION", "UNLABELLED", "Decision", "Proof", "advise", "asks_for_proof", "hold", "recommend"]

RULE_VERSION = "4"
SHOWN = 10
BREAKS = frozenset({"performance.collapse", "performance.upheaval"})
"""Findings of one week that no chance explains: no second week is waited for."""
UNLABELLED = (
    "outcomes are missing, so the model's errors can't be judged: bring the observations in (mlops series ingest), then"
    " run mlops outcomes match"
)
BEATEN = "performance.naive"
"""The finding that the seasonal naive is better: it rests on four weeks, so no second one is waited for, either."""
NAIVE = "naive"
"""The challenger that is the seasonal naive, which may serve until a model is better again."""
IN_ITS_PLACE = Rule(beyond_chance=True, baselines=False)
"""What the version that served before, or the seasonal naive, has to show: each is held against the champion alone."""
WIDE = 1.1
"""Intervals that are too narrow by less are left alone."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A rival against the champion on the same days: what it saves, and the WAPE of both, of the naive and of the mean.

    The rival is a refit by a recipe (`challenger`: same, or a kind), the seasonal naive (`challenger` is naive), or the
    version that was champion before (`predecessor`); a refit that names a predecessor is one by that version's recipe.
    """

    benefit: Benefit
    wape: float
    champion: float
    naive: float | None = None
    challenger: str | None = None
    predecessor: int | None = None
    mean: float | None = None

    @property
    def rival(self) -> str:
        """The rival in words."""
        if self.challenger is None:
            return f"version {self.predecessor}, which was champion before"
        if self.challenger == NAIVE:
            return "the seasonal naive"
        if self.challenger != SAME:
            return f"a refit as {self.challenger}"
        return "a refit by the same recipe" if self.predecessor is None else f"a refit of version {self.predecessor}"

    @property
    def losses(self) -> Losses:
        """What the rule of winning reads; `Standing` says which rival has to show what."""
        saved = self.benefit
        gain = Estimate(saved.wape, saved.wape_low, saved.wape_high)
        return Losses(self.wape, self.champion, self.naive, self.mean, gain=gain)

    def __str__(self) -> str:
        naive = "" if self.naive is None else f" and {self.naive:.3f} of the seasonal naive"
        trivial = worse_than_trivial(self.wape, self.mean)
        worse = f" ({trivial})" if trivial else ""
        return f"{self.rival} has WAPE {self.wape:.3f} against {self.champion:.3f} of the champion{naive}{worse}"


@dataclass(frozen=True, slots=True)
class Decision:
    """A recommendation that a person dismissed, or put off, until a time; and how clear it was then."""

    recommendation_id: int
    action: str
    cause: frozenset[str]
    severity: float
    money: float | None
    decision: str
    decided_by: str
    reason: str
    until: datetime


def asks_for_proof(weeks: Sequence[Findings], terms: Terms) -> bool:
    """Whether the model drifted in `need` of the last `of` weeks, and in the newest too: one bad week may be chance.

    A break is not, nor is a seasonal naive that was better for four weeks: they ask at once.
    """
    if weeks and (_broke(weeks[-1]) or _beaten(weeks[-1])):
        return True
    return bool(weeks) and _model_drifted(weeks[-1]) and sum(map(_model_drifted, weeks[-terms.of :])) >= terms.need


def advise(
    weeks: Sequence[Findings],
    terms: Terms,
    *,
    shadow: Callable[[], Proof | None],
    challenge: Callable[[], tuple[tuple[Proof, ...], str]],
    old: Callable[[], bool],
    naive: Callable[[], Proof | None] = lambda: None,
    stands_in_for: int | None = None,
    widening: float | None = None,
    labels_missing: bool = False,
) -> Recommendation:
    """Ask for the proofs that may matter, in the order of the rules, and recommend.

    `shadow` compares with the champion before, `old` says whether the champion is challenged without drift, `challenge`
    fits challengers and says why it could not, `naive` compares with the seasonal naive. They cost, so they are called
    only where the answer may depend on them: where the champion stands in for a model, every week. The others are those
    of `recommend`.
    """
    if not weeks or weeks[-1].data_faults:
        return recommend(weeks, terms)
    before = shadow()
    if stands_in_for is None and before is not None and IN_ITS_PLACE.wins(before.losses):
        return recommend(weeks, terms, shadow=before)
    if stands_in_for is None and not asks_for_proof(weeks, terms) and not old():
        return recommend(weeks, terms, shadow=before, widening=widening, labels_missing=labels_missing)
    proofs, unproven = challenge()
    found = recommend(
        weeks,
        terms,
        shadow=before,
        proofs=proofs,
        unproven=unproven,
        naive=naive(),
        stands_in_for=stands_in_for,
        widening=widening,
        labels_missing=labels_missing,
    )
    return replace(found, evidence=found.evidence | {"challenged": float(len(proofs))})


def recommend(
    weeks: Sequence[Findings],
    terms: Terms | None = None,
    *,
    shadow: Proof | None = None,
    proofs: Sequence[Proof] = (),
    unproven: str = "",
    naive: Proof | None = None,
    stands_in_for: int | None = None,
    labels_missing: bool = False,
    widening: float | None = None,
) -> Recommendation:
    """Broken data first, a rollback, a retraining that pays off, a fallback, a break that nothing mends, then a watch.

    `weeks` are oldest first. `shadow` is the champion before, `proofs` are refits, on days that none of them has seen;
    `unproven` says why there is none. `naive` is the seasonal naive against what was served. `stands_in_for` is the
    version in whose place the champion, a naive, serves. `widening` is by how much the 80 % intervals are too narrow.
    """
    terms = terms or Terms()
    if not weeks:
        return Recommendation("none", ("no week has been checked yet",))
    about = Standing(shadow, tuple(proofs), unproven, naive, stands_in_for)
    found = _judged(weeks, terms, about, labels_missing=labels_missing)
    newest = weeks[-1]
    clear = [_clearness(one) for one in _drifted(newest) if math.isfinite(_clearness(one))]
    evidence = _evidence(newest, weeks[-terms.of :]) | _measured(about)
    if widening is not None and widening >= WIDE and _mends_nothing(found, newest):
        found = replace(found, reasons=(*found.reasons, _widen(widening)))
        evidence["widen_80"] = widening
    return replace(found, evidence=evidence, cause=_cause(found, newest), severity=max(clear, default=0.0))


def hold(found: Recommendation, decisions: Sequence[Decision], worse: float) -> Recommendation:
    """Ask for less where a person has dismissed or put off the same, unless it is `worse` times as bad as then.

    The same is the same action for no new cause. What is held is watched; a watch that is held asks for nothing.
    """
    for decision in decisions:
        if _is_same(found, decision) and not _is_worse(found, decision, worse):
            words = "put off" if decision.decision == "snooze" else "dismissed"
            why = (
                f"recommendation {decision.recommendation_id} ({decision.action}) was {words} by {decision.decided_by}"
                f" until {decision.until:%Y-%m-%d}: {decision.reason}"
            )
            less = replace(found, action="none" if found.action == "watch" else "watch", reasons=(why, *found.reasons))
            return replace(
                less,
                held_by=decision.recommendation_id,
                benefit=None,
                cost=None,
                horizon_weeks=None,
                challenger=None,
                predecessor=None,
            )
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """How a champion stands beside its rivals; the fields are the parameters of `recommend`.

    That the naive was better was proven before it came to stand in, so a model need not prove more than that it is
    better again: it comes back when it is, by the margin, on the newest days.
    """

    shadow: Proof | None
    proofs: tuple[Proof, ...]
    unproven: str
    naive: Proof | None
    stands_in_for: int | None

    def brings_back(self, margin: float) -> Proof | None:
        """The version before, where it should serve again; not where a refit is better than that, too."""
        if self.shadow is None:
            return None
        if self.stands_in_for is None:
            return self.shadow if IN_ITS_PLACE.wins(self.shadow.losses) else None
        refits = [refit.wape for refit in self.proofs if Rule(margin).wins(refit.losses)]
        as_good = min(refits, default=math.inf) >= self.shadow.wape * (1 - margin)
        return self.shadow if Rule(margin, baselines=False).wins(self.shadow.losses) and as_good else None

    def winner(self, margin: float) -> Proof | None:
        """The refit that should be promoted: of several the one that saves most."""
        rule = Rule(margin, beyond_chance=self.stands_in_for is None)
        return max((refit for refit in self.proofs if rule.wins(refit.losses)), key=_saved, default=None)

    def falls_back(self, margin: float) -> Proof | None:
        """The seasonal naive, where it should serve."""
        rule = replace(IN_ITS_PLACE, margin=margin)
        return self.naive if self.naive is not None and rule.wins(self.naive.losses) else None


def _judged(weeks: Sequence[Findings], terms: Terms, about: Standing, *, labels_missing: bool) -> Recommendation:
    newest, last, proofs, unproven = weeks[-1], weeks[-terms.of :], about.proofs, about.unproven
    if newest.data_faults:
        return Recommendation("investigate_data", _data_reasons(newest))
    back, winner = about.brings_back(terms.margin), about.winner(terms.margin)
    if back is not None:
        return _rollback(back, terms, stood_in=about.stands_in_for is not None)
    if winner is not None and _saving(winner, terms) > terms.retraining + terms.review:
        return _retrain(winner, newest, last, terms)
    fallback = about.falls_back(terms.margin)
    if fallback is not None and _saving(fallback, terms) > terms.review:
        return _fallback(fallback, newest, last, terms, _no_refit(winner, about, terms))
    if _broke(newest):
        return Recommendation("investigate_data", (*_break(newest), _not_mended(winner, proofs, terms, unproven)))
    if winner is not None:
        return Recommendation("watch", (_too_dear(winner, terms), *_details(newest)))
    if about.stands_in_for is not None:
        return Recommendation("watch", (_still_stands_in(about), *_details(newest)))
    if asks_for_proof(weeks, terms):
        return Recommendation("watch", (_in_vain(proofs, unproven), *_details(newest)))
    unlabelled = (UNLABELLED,) if labels_missing else ()
    drifted = (*_details(newest), *(_as_good(proofs) if proofs else ()))
    if _drifted(newest):
        return Recommendation("watch", (*drifted, *unlabelled))
    return Recommendation("none", unlabelled or drifted or ("nothing has drifted in the newest week",))


def _rollback(shadow: Proof, terms: Terms, *, stood_in: bool) -> Recommendation:
    why = (
        "the model is better than the seasonal naive again" if stood_in else "the newest promotion made forecasts worse"
    )
    reasons = (
        f"{why}: {shadow}, on the same days from the same cutoffs",
        f"{'bringing it' if stood_in else 'rolling'} back saves {shadow.benefit}",
    )
    return Recommendation(
        "rollback",
        reasons,
        benefit=shadow.benefit,
        cost=terms.review,
        horizon_weeks=terms.horizon_weeks,
        predecessor=shadow.predecessor,
    )


def _retrain(winner: Proof, newest: Findings, last: Sequence[Findings], terms: Terms) -> Recommendation:
    cost = terms.retraining + terms.review
    reasons = (
        f"{winner} on the newest {winner.benefit.days} days, which neither has seen",
        f"retraining saves {winner.benefit}{_in_all(winner, terms, cost)}",
        *_drift_reasons(newest, last),
    )
    return Recommendation(
        "retrain",
        reasons,
        benefit=winner.benefit,
        cost=cost,
        horizon_weeks=terms.horizon_weeks,
        challenger=winner.challenger,
        predecessor=winner.predecessor,
    )


def _fallback(naive: Proof, newest: Findings, last: Sequence[Findings], terms: Terms, instead: str) -> Recommendation:
    reasons = (
        f"{naive}, on the newest {naive.benefit.days} days as they were forecast, from the same cutoffs; {instead}",
        f"letting it serve until a model is better again saves {naive.benefit}{_in_all(naive, terms, terms.review)}",
        *(_break(newest) if _broke(newest) else ()),
        *_drift_reasons(newest, last),
    )
    return Recommendation(
        "fallback",
        reasons,
        benefit=naive.benefit,
        cost=terms.review,
        horizon_weeks=terms.horizon_weeks,
        challenger=NAIVE,
    )


def _still_stands_in(about: Standing) -> str:
    """Why the naive goes on serving."""
    also = f"; no refit is better: {_best(about.proofs)}" if about.proofs else ""
    if about.shadow is None:
        return f"the seasonal naive stands in for version {about.stands_in_for}, for too few days to compare them{also}"
    return (
        f"the seasonal naive stands in for version {about.stands_in_for}, which is not better again: WAPE"
        f" {about.shadow.wape:.3f} against {about.shadow.champion:.3f} of the naive{also}"
    )


def _in_all(winner: Proof, terms: Terms, cost: float) -> str:
    """What is saved in all for what, where prices are somebody's."""
    if not winner.benefit.currency:
        return ""
    return f": {_saving(winner, terms):,.2f} in {terms.horizon_weeks} weeks for {cost:,.2f}"


def _too_dear(winner: Proof, terms: Terms) -> str:
    cost, saving, currency = terms.retraining + terms.review, _saving(winner, terms), winner.benefit.currency
    if not currency:
        why = "by the placeholder prices of policy.toml that is not worth a retraining; set [costs] there"
        return f"{winner}, but {why}"
    if saving < 0:
        return f"{winner}, but its errors cost {-saving:,.2f} {currency} more in {terms.horizon_weeks} weeks"
    return (
        f"{winner}, but saves {saving:,.2f} {currency} in {terms.horizon_weeks} weeks and retraining costs {cost:,.2f}"
    )


def _in_vain(proofs: Sequence[Proof], unproven: str) -> str:
    """Why a model with larger errors is not to be retrained."""
    if not proofs:
        return f"whether retraining would help is not proven: {unproven or 'no challenger was fitted'}"
    return f"nothing beats the champion, so errors stay as large: {_best(proofs)}"


def _not_mended(winner: Proof | None, proofs: Sequence[Proof], terms: Terms, unproven: str) -> str:
    """Why a break asks for a person and not for a retraining."""
    return _in_vain(proofs, unproven) if winner is None else _too_dear(winner, terms)


def _no_refit(winner: Proof | None, about: Standing, terms: Terms) -> str:
    """Why the seasonal naive is to serve and not a refit."""
    if winner is not None:
        return _too_dear(winner, terms)
    if not about.proofs:
        return f"whether a refit would help is not proven: {about.unproven or 'no challenger was fitted'}"
    return f"no refit wins: {_best(about.proofs)}"


def _mends_nothing(found: Recommendation, newest: Findings) -> bool:
    """Whether errors are larger and nothing is recommended that makes them smaller."""
    return found.action in ("watch", "investigate_data") and _model_drifted(newest) and not newest.data_faults


def _widen(factor: float) -> str:
    return (
        f"intervals are too narrow: the 80 % ones, made {factor:.2f} times as wide, would hold 80 % of the newest"
        " four weeks' outcomes; plan with that until they have widened by themselves"
    )


def _as_good(proofs: Sequence[Proof]) -> tuple[str, ...]:
    return (f"the champion is old, and no refit beats it: {_best(proofs)}",)


def _best(proofs: Sequence[Proof]) -> str:
    best = min(proofs, key=lambda one: one.wape)
    saved = best.benefit
    return (
        f"{best} on the newest {saved.days} days"
        f" (saved {saved.wape:+.3f}, from {saved.wape_low:+.3f} to {saved.wape_high:+.3f})"
    )


def _saved(proof: Proof) -> float:
    return proof.benefit.money


def _saving(proof: Proof, terms: Terms) -> float:
    """Money over the horizon."""
    return proof.benefit.money * terms.horizon_weeks


def _broke(week: Findings) -> bool:
    return any(_name(one) in BREAKS for one in _drifted(week))


def _beaten(week: Findings) -> bool:
    return any(_name(one) == BEATEN for one in _drifted(week))


def _break(week: Findings) -> tuple[str, ...]:
    """What broke, and what a person has to find out."""
    told = (one.words for one in _drifted(week) if _name(one) in BREAKS)
    return (
        *told,
        "that is beyond anything that the backtest has seen: find out whether the feed or the world has changed;"
        " name an event of the world as such, so that the next one is foreseen",
    )


def _cause(found: Recommendation, newest: Findings) -> tuple[str, ...]:
    """What a decision against the recommendation holds for."""
    if found.action in CARRIED_OUT:
        return ()
    if found.action == "investigate_data" and not newest.data_faults:
        return tuple(sorted({_name(one) for one in _drifted(newest)} & BREAKS))
    kinds: tuple[FindingKind, ...] = ("data",) if found.action == "investigate_data" else ()
    return tuple(sorted(map(_name, _drifted(newest, *kinds))))


def _model_drifted(week: Findings) -> bool:
    return week.concept or week.performance


def _drifted(week: Findings, *kinds: FindingKind) -> list[Finding]:
    """The drifted findings, of these kinds if any are named, the clearest first."""
    found = [finding for finding in week.details if finding.drifted and (not kinds or finding.kind in kinds)]
    return sorted(found, key=_clearness, reverse=True)


def _clearness(finding: Finding) -> float:
    return finding.statistic / finding.threshold if finding.threshold > 0 else finding.statistic


def _name(finding: Finding) -> str:
    return finding.name


def _details(newest: Findings) -> tuple[str, ...]:
    return tuple(finding.words for finding in _drifted(newest)[:SHOWN])


def _data_reasons(newest: Findings) -> tuple[str, ...]:
    faults = _drifted(newest, "data")
    names = ", ".join(sorted({finding.place or finding.subject for finding in faults}))
    details = (finding.words for finding in faults[:SHOWN] if finding.detail)
    return (f"the data of {names} looks broken; look there before anything is retrained", *details)


def _drift_reasons(newest: Findings, last: Sequence[Findings]) -> tuple[str, ...]:
    broken = sum(map(_model_drifted, last))
    if not broken:
        return ()
    summary = f"the model drifted in {broken} of the last {len(last)} weeks"
    numbers = (finding.words or finding.kind for finding in _drifted(newest, "concept", "performance")[:SHOWN])
    return (summary, *numbers)


def _evidence(newest: Findings, last: Sequence[Findings]) -> dict[str, float]:
    """Counts, and the statistics of what drifted in the newest week by kind and subject; all finite."""
    clear = [finding for finding in _drifted(newest) if math.isfinite(finding.statistic)]
    statistics = {_name(finding): finding.statistic for finding in clear}
    return {"weeks": float(len(last)), "weeks_drifted": float(sum(map(_model_drifted, last))), **statistics}


def _measured(about: Standing) -> dict[str, float]:
    """The WAPE of every rival, and of the champion on the same days."""
    rivals = (about.shadow, *about.proofs, about.naive)
    named = {one.challenger or "predecessor": one for one in rivals if one is not None}
    found: dict[str, float] = {}
    for name, one in named.items():
        found |= {
            f"proof.{name}.wape": one.wape,
            f"proof.{name}.wape_champion": one.champion,
            f"proof.{name}.wape_saved_low": one.benefit.wape_low,
            f"proof.{name}.money_saved": one.benefit.money,
        }
    return found


def _is_same(found: Recommendation, decision: Decision) -> bool:
    return found.action == decision.action and set(found.cause) <= decision.cause


def _is_worse(found: Recommendation, decision: Decision, worse: float) -> bool:
    if found.severity > worse * decision.severity:
        return True
    if found.benefit is None or decision.money is None:
        return False
    return found.benefit.money > worse * max(decision.money, 0)
