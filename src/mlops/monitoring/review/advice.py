"""What a reviewer is told to do about one champion, why, and what to run; from its row of `review_champions`. Pure."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mlops.domain.findings import CARRIED_OUT
from mlops.monitoring.review.decisions import Decided, OpenAlert, Promise
from mlops.monitoring.review.document import Drifted, ModelAdvice, NewestCheck

__all__ = ["advice", "without_placeholders"]

OVERDUE = timedelta(days=8)  # a weekly job and a day of grace
ASKS = (*CARRIED_OUT, "investigate_data")
SHOWN = 3
RUN = re.compile(r"mlops [a-z]+( [a-z]+)?( models:/\S+?)?(?=,|$| shows)")
Row = Mapping[str, Any]


def advice(
    row: Row,
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
    action, overdue = row["action"] or "unchecked", _is_overdue(row, as_of)
    broken = check is not None and check.state == "failed"
    told = [one for one in alerts if one.kind != "monitor_overdue" and not one.kind.endswith("_recommended")]
    alarmed, said = [one.message for one in told], [*_reasons(row, action)]
    late = [_lateness(row, as_of)] if overdue else []
    both = [*alarmed, *said] if action in ("none", "watch") else [*said, *alarmed]
    reasons = (*_broken(check), *late, *both)
    decision = _decision(row, action)
    commands = (*_commands(row, action, drifted, overdue=overdue or broken), *_of_alerts(told))
    return ModelAdvice(
        action=action,
        why=_sentence(reasons[0]) if reasons else "",
        reasons=reasons,
        features=_features(drifted),
        needs_person=overdue or broken or bool(told) or (action in ASKS and not _is_held(decision, as_of)),
        commands=tuple(dict.fromkeys(commands)),
        recommendation_id=row["recommendation_id"],
        checked_at=row["checked_at"],
        since=None if action == "none" else row["since"],
        onset=row["onset"],
        expires_at=row["expires_at"],
        promise=_promise(row, priced=priced),
        decision=decision,
        verdict=row["verdict"],
    )


def _of_alerts(alerts: Sequence[OpenAlert]) -> Iterator[str]:
    """The command of each alert, where its `todo` begins with one."""
    for one in alerts:
        command = RUN.match(one.todo)
        if command is not None:
            yield command.group(0)


def _broken(check: NewestCheck | None) -> Iterator[str]:
    if check is not None and check.state == "failed":
        yield f"its check of {check.as_of:%Y-%m-%d} failed: {check.problem}"


def _is_overdue(row: Row, as_of: datetime) -> bool:
    return bool((row["checked_at"] or row["champion_since"]) < as_of - OVERDUE)


def _is_held(decision: Decided | None, as_of: datetime) -> bool:
    """Whether a person dismissed it, or put it off until a time that is still to come."""
    if decision is None:
        return False
    return decision.decision == "dismiss" or (decision.until is not None and decision.until > as_of)


def _reasons(row: Row, action: str) -> Iterator[str]:
    if row["verdict"] is not None and action == "retrain":
        yield f"retraining did not help: {row['verdict']}"
    yield from row["reasons"] or ()


def _lateness(row: Row, as_of: datetime) -> str:
    """Why a check is overdue, as far as it can be told."""
    if row["lineage_problem"]:
        return f"it can't be checked: {row['lineage_problem']}"
    if row["checked_at"] is None:
        return f"no check has seen it, though it is champion since {row['champion_since']:%Y-%m-%d}"
    days = (as_of - row["checked_at"]).days
    return f"its last check was on {row['checked_at']:%Y-%m-%d}, {days} days before this review"


def _commands(row: Row, action: str, drifted: Sequence[Drifted], *, overdue: bool) -> Iterator[str]:
    """What to run next: catch up, act, look at what drifted; or decide against it."""
    number = row["recommendation_id"]
    if overdue and row["lineage_problem"]:
        yield f"mlops registry lineage {shlex.quote('models:/' + row['name'] + '@champion')}"
    elif overdue:
        yield from ("mlops outcomes match", "mlops monitor run")
    elif action == "retrain" and row["verdict"] is not None:
        yield from ("mlops train prophet", "mlops registry list")  # the same recipe lost: try another
    elif action in ASKS:
        yield from (f"mlops retrain {number}",) if action != "investigate_data" else _looks(drifted)
        yield f'mlops recommendations dismiss {number} --reason "WHY"'


def _looks(drifted: Sequence[Drifted]) -> Sequence[str]:
    series = [finding.series_id for finding in drifted if finding.series_id is not None]
    return [f"mlops series show {one}" for one in series[:SHOWN]] or ["mlops series list"]


def _features(drifted: Sequence[Drifted]) -> tuple[str, ...]:
    """Features and broken columns or series by name, the clearest first; then the slices in which something drifted."""
    named = (one.place or one.subject for one in drifted if one.kind in ("feature", "concept", "data", "serving"))
    slices = (one.slice for one in drifted)
    return tuple(dict.fromkeys(name for name in (*named, *slices) if name))


def _promise(row: Row, *, priced: bool) -> Promise | None:
    found = row["expected_benefit"]
    if found is None:
        return None
    saving = without_placeholders(found, priced=priced)
    return Promise(**saving, weeks=row["horizon_weeks"], cost=row["cost"] if saving["currency"] else None)


def without_placeholders(benefit: Row, *, priced: bool) -> dict[str, Any]:
    """A benefit as it is shown: without money where prices are, or were, placeholders."""
    money = ("money", "money_low", "money_high", "currency")
    hidden = {} if priced and benefit["currency"] else dict.fromkeys(money)
    return {name: benefit[name] for name in (*money, "wape", "wape_low", "wape_high", "days")} | hidden


def _decision(row: Row, action: str) -> Decided | None:
    if row["decision"] is None:
        return None
    return Decided(
        model=row["name"],
        version=row["version"],
        recommendation_id=row["recommendation_id"],
        action=action,
        decision=row["decision"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        reason=row["decision_reason"],
        until=row["decision_until"],
        verdict=row["verdict"],
    )


def _sentence(words: str) -> str:
    """With a full stop, and a capital where the first word is no name of something."""
    first = words if "_" in words.split(" ")[0] else words[0].upper() + words[1:]
    return first if first[-1] in ".!?" else f"{first}."
