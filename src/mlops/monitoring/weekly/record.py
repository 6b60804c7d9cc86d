"""What a check leaves in the database: findings, their Evidently snapshot, and a recommendation that rests on them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mlops.db import Database, Transaction
from mlops.domain.findings import Benefit, Findings, Recommendation
from mlops.monitoring.decide.recommend import RULE_VERSION, Decision, hold
from mlops.policy import Policy

__all__ = ["WeeklyCheck", "record", "record_failure"]

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class WeeklyCheck:
    """One week's check of one served version, as it is to be recorded; `version` is its row in the mirror.

    A champion has a recommendation; another version may have a comparison with the champion, `compared_with`.
    `problem` says why nothing was judged, where `state` is not judged.
    """

    version: Mapping[str, Any]
    as_of: datetime
    findings: Findings
    recommendation: Recommendation | None
    values: Mapping[str, float]
    state: str = "judged"
    problem: str = ""
    comparison: Benefit | None = None
    compared_with: int | None = None

    @property
    def key(self) -> dict[str, Any]:
        """What the check is about."""
        return {"version_id": self.version["version_id"], "as_of": self.as_of}

    @property
    def measured(self) -> dict[str, float]:
        """The values that are known."""
        return {name: value for name, value in self.values.items() if value == value}


def record(database: Database, policy: Policy, check: WeeklyCheck) -> tuple[int | None, Recommendation | None]:
    """Write a check in one transaction; the recommendation that stands now, and its number (None for no champion).

    Repeating a check changes nothing. Where a later check of the same week recommends otherwise, because data came or
    the rules changed, the earlier recommendation is superseded by a new one; what was acted on already stands as it is.
    """
    from mlops.monitoring import evidently

    title = f"{check.version['name']} v{check.version['version']}"
    snapshot = evidently.to_snapshot(check.findings, model=title, as_of=check.as_of, values=check.values)
    with database.transaction() as transaction:
        transaction.lock(f"recommendation {check.version['version_id']}")
        standing = transaction.one("recommendation_of_week", **check.key)
        if standing is not None and standing["status"] == "done" and check.recommendation is not None:
            return standing["recommendation_id"], replace(
                check.recommendation, action=standing["action"], reasons=tuple(standing["reasons"])
            )
        _check(transaction, check)
        _findings(transaction, check)
        transaction.run("add_snapshot", **check.key, snapshot=snapshot)
        if check.recommendation is None:
            return None, None
        return _recommendation(transaction, policy, check, check.recommendation, standing)


def record_failure(database: Database, version: Mapping[str, Any], as_of: datetime, problem: str) -> None:
    """Write that a check broke; what an earlier check of the same week found stays."""
    check = WeeklyCheck(version, as_of, Findings(), None, {}, "failed", problem)
    with database.transaction() as transaction:
        transaction.lock(f"recommendation {version['version_id']}")
        _check(transaction, check)


def _check(transaction: Transaction, check: WeeklyCheck) -> None:
    transaction.run(
        "add_check",
        **check.key,
        alias=check.version.get("alias", "champion"),
        state=check.state,
        problem=check.problem,
        measured=check.measured,
        compared_with=check.compared_with,
        comparison=None if check.comparison is None else check.comparison.to_json(),
    )


def _findings(transaction: Transaction, check: WeeklyCheck) -> None:
    found = sorted(check.findings.details, key=lambda one: one.key)
    about = {
        "kinds": [one.kind for one in found],
        "subjects": [one.subject for one in found],
        "slices": [one.slice for one in found],
    }
    transaction.run(
        "add_findings",
        **check.key,
        **about,
        window_start=check.as_of - WEEK,
        window_end=check.as_of,
        statistics=[float(one.statistic) for one in found],
        thresholds=[float(one.threshold) for one in found],
        drifted=[bool(one.drifted) for one in found],
        details=[one.detail for one in found],
        changes=[json.dumps(one.change.to_json() if one.change else None) for one in found],
    )
    transaction.run("withdraw_findings", **check.key, **about)


def _recommendation(
    transaction: Transaction,
    policy: Policy,
    check: WeeklyCheck,
    found: Recommendation,
    standing: Mapping[str, Any] | None,
) -> tuple[int, Recommendation]:
    if standing is None or not _says(standing, found):
        found = hold(found, _decisions(transaction, check), policy.recommend.worse)
    if standing is not None and _says(standing, found):
        return standing["recommendation_id"], found
    number = None
    if standing is not None:
        number = transaction.value("replace_recommendation", recommendation_id=standing["recommendation_id"])
    number = transaction.value(
        "add_recommendation", **check.key, recommendation_id=number, **_row(policy, check, found)
    )
    transaction.run("link_findings", **check.key)
    return int(number), found


def _says(standing: Mapping[str, Any], found: Recommendation) -> bool:
    """Whether a stored recommendation says the same; figures are told in its reasons."""
    said = (standing["action"], tuple(standing["reasons"]), standing["rule_version"])
    return said == (found.action, found.reasons, RULE_VERSION)


def _decisions(transaction: Transaction, check: WeeklyCheck) -> list[Decision]:
    rows = transaction.rows("decisions_in_force", **check.key)
    return [Decision(**row | {"cause": frozenset(row["cause"] or ())}) for row in rows]


def _row(policy: Policy, check: WeeklyCheck, found: Recommendation) -> dict[str, Any]:
    return {
        "action": found.action,
        "reasons": list(found.reasons),
        "evidence": found.evidence | check.measured,
        "rule_version": RULE_VERSION,
        "cause": list(found.cause),
        "severity": found.severity,
        "challenger": found.challenger,
        "predecessor": found.predecessor,
        "onset_at": found.onset,
        "expected_benefit": None if found.benefit is None else found.benefit.to_json(),
        "cost": found.cost,
        "horizon_weeks": found.horizon_weeks,
        "expires_at": check.as_of + timedelta(days=policy.recommend.expires_days),
        "held_by": found.held_by,
    }
