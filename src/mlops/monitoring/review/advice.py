"""What a reviewer is told to do about one champion, why, and what to run; Pure."""

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from mlops.domain.findings import CARRIED_OUT
from mlops.monitoring.decide.costs import without_placeholders
from mlops.monitoring.review.decisions import Decided, OpenAlert, Promise
from mlops.monitoring.review.document import Drifted, ModelAdvice, NewestCheck
from mlops.monitoring.review.facts import ReviewedChampion

__all__ = ["advice"]

OVERDUE = timedelta(days=8)  # a weekly job and a day of grace
ASKS = (*CARRIED_OUT, "investigate_data")
SHOWN = 3
RUN = re.compile(r"mlops [a-z]+( [a-z]+)?( models:/\S+?)?(?=,|$| shows)")


def advice(
    champion: ReviewedChampion,
    drifted: Sequence[Drifted],
    check: NewestCheck | None,
    as_of: datetime,
    alerts: Sequence[OpenAlert] = (),
    *,
    priced: bool = True,
) -> ModelAdvice:
    """What to do: with a person where a check is overdue or broke, or asks for what nobody has decided against.

    An open alert needs a person, too, whatever is recommended; `priced` is whether money may be shown.
    """
    action, overdue = champion.action or "unchecked", _is_overdue(champion, as_of)
    broken = check is not None and check.state == "failed"
    others = [alert for alert in alerts if alert.kind != "monitor_overdue" and not alert.kind.endswith("_recommended")]
    alarmed, recommended = [alert.message for alert in others], [*_reasons(champion, action)]
    failed = [f"its check of {check.as_of:%Y-%m-%d} failed: {check.problem}"] if check is not None and broken else []
    late = [_lateness(champion, as_of)] if overdue else []
    both = [*alarmed, *recommended] if action in ("none", "watch") else [*recommended, *alarmed]
    reasons = (*failed, *late, *both)
    decision = _decision(champion, action)
    in_alerts = (RUN.match(alert.todo) for alert in others)  # the command of each, where its todo begins with one
    commands = (
        *_commands(champion, action, drifted, overdue=overdue or broken),
        *(command[0] for command in in_alerts if command is not None),
    )
    return ModelAdvice(
        action=action,
        why=_sentence(reasons[0]) if reasons else "",
        reasons=reasons,
        features=_features(drifted),
        needs_person=overdue or broken or bool(others) or (action in ASKS and not _is_held(decision, as_of)),
        commands=tuple(dict.fromkeys(commands)),
        recommendation_id=champion.recommendation_id,
        checked_at=champion.checked_at,
        since=None if action == "none" else champion.since,
        onset=champion.onset,
        expires_at=champion.expires_at,
        promise=_promise(champion, priced=priced),
        decision=decision,
        verdict=champion.verdict,
    )


def _is_overdue(champion: ReviewedChampion, as_of: datetime) -> bool:
    return (champion.checked_at or champion.champion_since) < as_of - OVERDUE


def _is_held(decision: Decided | None, as_of: datetime) -> bool:
    """Whether a person dismissed it, or snoozed it until a time that is still to come."""
    if decision is None:
        return False
    return decision.decision == "dismiss" or (decision.until is not None and decision.until > as_of)


def _reasons(champion: ReviewedChampion, action: str) -> Iterator[str]:
    if champion.verdict is not None and action == "retrain":
        yield f"retraining did not help: {champion.verdict}"
    yield from champion.reasons or ()


def _lateness(champion: ReviewedChampion, as_of: datetime) -> str:
    """Why a check is overdue, as far as it can be told."""
    if champion.lineage_problem:
        return f"it can't be checked: {champion.lineage_problem}"
    if champion.checked_at is None:
        return f"no check has seen it, though it is champion since {champion.champion_since:%Y-%m-%d}"
    days = (as_of - champion.checked_at).days
    return f"its last check was on {champion.checked_at:%Y-%m-%d}, {days} days before this review"


def _commands(champion: ReviewedChampion, action: str, drifted: Sequence[Drifted], *, overdue: bool) -> Iterator[str]:
    """What to run next: catch up, act, look at what drifted; or decide against it."""
    number = champion.recommendation_id
    if overdue and champion.lineage_problem:
        yield f"mlops registry lineage {shlex.quote('models:/' + champion.name + '@champion')}"
    elif overdue:
        yield from ("mlops outcomes match", "mlops monitor run")
    elif action == "retrain" and champion.verdict is not None:
        yield from ("mlops train prophet", "mlops registry list")  # the same recipe lost: try another
    elif action in ASKS:
        yield from (f"mlops retrain {number}",) if action != "investigate_data" else _looks(drifted)
        yield f'mlops recommendations dismiss {number} --reason "WHY"'


def _looks(drifted: Sequence[Drifted]) -> Sequence[str]:
    series = [finding.series_id for finding in drifted if finding.series_id is not None]
    return [f"mlops series show {series_id}" for series_id in series[:SHOWN]] or ["mlops series list"]


def _features(drifted: Sequence[Drifted]) -> tuple[str, ...]:
    """Features and broken columns or series by name, the clearest first; then the slices in which something drifted."""
    kinds = ("feature", "concept", "data", "serving")
    named = (finding.place or finding.subject for finding in drifted if finding.kind in kinds)
    slices = (finding.slice for finding in drifted)
    return tuple(dict.fromkeys(name for name in (*named, *slices) if name))


def _promise(champion: ReviewedChampion, *, priced: bool) -> Promise | None:
    if champion.expected_benefit is None:
        return None
    assert champion.horizon_weeks is not None  # of a recommendation with a benefit
    saving = without_placeholders(champion.expected_benefit, priced=priced)
    return Promise(**saving, weeks=champion.horizon_weeks, cost=champion.cost if saving["currency"] else None)


def _decision(champion: ReviewedChampion, action: str) -> Decided | None:
    if champion.decision is None:
        return None
    # who, when and why come with it
    assert champion.recommendation_id is not None
    assert champion.decided_by is not None
    assert champion.decided_at is not None
    assert champion.decision_reason is not None
    return Decided(
        model=champion.name,
        version=champion.version,
        recommendation_id=champion.recommendation_id,
        action=action,
        decision=champion.decision,
        decided_by=champion.decided_by,
        decided_at=champion.decided_at,
        reason=champion.decision_reason,
        until=champion.decision_until,
        verdict=champion.verdict,
    )


def _sentence(words: str) -> str:
    """With a full stop, and a capital where the first word is no name of something."""
    first = words if "_" in words.split(" ")[0] else words[0].upper() + words[1:]
    return first if first[-1] in ".!?" else f"{first}."
