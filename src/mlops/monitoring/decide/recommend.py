"""What to do about a model: from the findings of its last weeks, and from what another model would have saved. Pure.

The rules, in their order, are told in docs/how-to/recommendations.md.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mlops.domain.findings import CARRIED_OUT, Finding, FindingKind, Findings, Recommendation
from mlops.monitoring.decide.proof import IN_ITS_PLACE, NAIVE, Proof, Standing
from mlops.policy import Terms

__all__ = ["RULE_VERSION", "UNLABELLED", "Decision", "advise", "asks_for_proof", "hold", "recommend"]

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
WIDE = 1.1
"""Intervals that are too narrow by less are left alone."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A recommendation that a person dismissed or snoozed until a time; and how clear it was then."""

    recommendation_id: int
    action: str
    cause: list[str]
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
    if not weeks:
        return False
    if _broke(weeks[-1]) or any(finding.name == BEATEN for finding in _drifted(weeks[-1])):
        return True
    return _model_drifted(weeks[-1]) and sum(map(_model_drifted, weeks[-terms.of :])) >= terms.need


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
    advice = recommend(
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
    return replace(advice, evidence=advice.evidence | {"challenged": float(len(proofs))})


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
    advice = _decided(weeks, terms, about, labels_missing=labels_missing)
    newest = weeks[-1]
    clear = [finding.clearness for finding in _drifted(newest) if math.isfinite(finding.clearness)]
    evidence = _evidence(newest, weeks[-terms.of :], about)
    # errors are larger, and nothing is recommended that makes them smaller: say how to plan meanwhile
    stays = advice.action in ("watch", "investigate_data") and _model_drifted(newest) and not newest.data_faults
    if widening is not None and widening >= WIDE and stays:
        wider = (
            f"intervals are too narrow: the 80 % ones, made {widening:.2f} times as wide, would hold 80 % of the newest"
            " four weeks' outcomes; plan with that until they have widened by themselves"
        )
        advice = replace(advice, reasons=(*advice.reasons, wider))
        evidence["widen_80"] = widening
    return replace(advice, evidence=evidence, cause=_cause(advice, newest), severity=max(clear, default=0.0))


def hold(found: Recommendation, decisions: Sequence[Decision], worse: float) -> Recommendation:
    """Ask for less where a person has dismissed or snoozed the same, unless it is `worse` times as bad as then.

    The same is the same action for no new cause. What is held is watched; a watch that is held asks for nothing.
    """
    for decision in decisions:
        same = found.action == decision.action and set(found.cause) <= set(decision.cause)
        is_worse = found.severity > worse * decision.severity
        if found.benefit is not None and decision.money is not None:
            is_worse = is_worse or found.benefit.money > worse * max(decision.money, 0)
        if same and not is_worse:
            words = "snoozed" if decision.decision == "snooze" else "dismissed"
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


def _decided(weeks: Sequence[Findings], terms: Terms, about: Standing, *, labels_missing: bool) -> Recommendation:
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
        return Recommendation(
            "investigate_data",
            (*_break(newest), _in_vain(proofs, unproven) if winner is None else _too_dear(winner, terms)),
        )
    if winner is not None:
        return Recommendation("watch", (_too_dear(winner, terms), *_details(newest)))
    if about.stands_in_for is not None:
        return Recommendation("watch", (_still_stands_in(about), *_details(newest)))
    if asks_for_proof(weeks, terms):
        return Recommendation("watch", (_in_vain(proofs, unproven), *_details(newest)))
    unlabelled = (UNLABELLED,) if labels_missing else ()
    as_good = (f"the champion is old, and no refit beats it: {_best(proofs)}",) if proofs else ()
    drifted = (*_details(newest), *as_good)
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


def _no_refit(winner: Proof | None, about: Standing, terms: Terms) -> str:
    """Why the seasonal naive is to serve and not a refit."""
    if winner is not None:
        return _too_dear(winner, terms)
    if not about.proofs:
        return f"whether a refit would help is not proven: {about.unproven or 'no challenger was fitted'}"
    return f"no refit wins: {_best(about.proofs)}"


def _best(proofs: Sequence[Proof]) -> str:
    best = min(proofs, key=lambda one: one.wape)
    saved = best.benefit
    return (
        f"{best} on the newest {saved.days} days"
        f" (saved {saved.wape:+.3f}, from {saved.wape_low:+.3f} to {saved.wape_high:+.3f})"
    )


def _saving(proof: Proof, terms: Terms) -> float:
    """Money over the horizon."""
    return proof.benefit.money * terms.horizon_weeks


def _broke(week: Findings) -> bool:
    return any(finding.name in BREAKS for finding in _drifted(week))


def _break(week: Findings) -> tuple[str, ...]:
    """What broke, and what a person has to find out."""
    broken = (finding.words for finding in _drifted(week) if finding.name in BREAKS)
    return (
        *broken,
        "that is beyond anything that the backtest has seen: find out whether the feed or the world has changed;"
        " name an event of the world as such, so that the next one is foreseen",
    )


def _cause(found: Recommendation, newest: Findings) -> tuple[str, ...]:
    """What a decision against the recommendation holds for."""
    if found.action in CARRIED_OUT:
        return ()
    if found.action == "investigate_data" and not newest.data_faults:
        return tuple(sorted({finding.name for finding in _drifted(newest)} & BREAKS))
    kinds: tuple[FindingKind, ...] = ("data",) if found.action == "investigate_data" else ()
    return tuple(sorted(finding.name for finding in _drifted(newest, *kinds)))


def _model_drifted(week: Findings) -> bool:
    return week.concept or week.performance


def _drifted(week: Findings, *kinds: FindingKind) -> list[Finding]:
    """The drifted findings, of these kinds if any are named, the clearest first."""
    drifted = [finding for finding in week.details if finding.drifted and (not kinds or finding.kind in kinds)]
    return sorted(drifted, key=lambda finding: finding.clearness, reverse=True)


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


def _evidence(newest: Findings, last: Sequence[Findings], about: Standing) -> dict[str, float]:
    """Counts, the statistics of what drifted in the newest week by kind and subject, all finite; and of every rival its
    WAPE, the champion's on the same days, and what it saves.
    """
    evidence = {"weeks": float(len(last)), "weeks_drifted": float(sum(map(_model_drifted, last)))}
    evidence |= {finding.name: finding.statistic for finding in _drifted(newest) if math.isfinite(finding.statistic)}
    rivals = (about.shadow, *about.proofs, about.naive)
    for name, rival in {rival.challenger or "predecessor": rival for rival in rivals if rival is not None}.items():
        evidence |= {
            f"proof.{name}.wape": rival.wape,
            f"proof.{name}.wape_champion": rival.champion,
            f"proof.{name}.wape_saved_low": rival.benefit.wape_low,
            f"proof.{name}.money_saved": rival.benefit.money,
        }
    return evidence
