"""What a check leaves in the database: findings, their Evidently snapshot, and a recommendation that rests on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mlops.db import Database, Transaction
from mlops.domain.findings import Finding, Findings, Recommendation
from mlops.monitoring import evidently
from mlops.monitoring.policy import Policy
from mlops.monitoring.recommend import RULE_VERSION, Decision, hold

__all__ = ["Check", "record"]

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Check:
    """One week's check of one champion, as it is to be recorded; `champion` is its row in the mirror."""

    champion: Mapping[str, Any]
    as_of: datetime
    findings: Findings
    recommendation: Recommendation
    values: Mapping[str, float]

    @property
    def key(self) -> dict[str, Any]:
        """What the check is about."""
        return {"version_id": self.champion["version_id"], "as_of": self.as_of}


def record(database: Database, policy: Policy, check: Check) -> tuple[int, Recommendation]:
    """Write a check in one transaction; the recommendation that stands now, and its number.

    Repeating a check changes nothing. Where a later check of the same week recommends otherwise, because data came or
    the rules changed, the earlier recommendation is superseded by a new one; what was acted on already stands as it is.
    """
    title = f"{check.champion['name']} v{check.champion['version']}"
    snapshot = evidently.snapshot(check.findings, model=title, as_of=check.as_of, values=check.values)
    with database.transaction() as transaction:
        transaction.lock(f"recommendation {check.champion['version_id']}")
        standing = transaction.one("recommendation_of", **check.key)
        if standing is not None and standing["status"] == "done":
            return standing["recommendation_id"], replace(
                check.recommendation, action=standing["action"], reasons=tuple(standing["reasons"])
            )
        _findings(transaction, check)
        transaction.run("add_snapshot", **check.key, snapshot=snapshot)
        return _recommendation(transaction, policy, check, standing)


def _findings(transaction: Transaction, check: Check) -> None:
    found: Sequence[Finding] = check.findings.details
    for finding in found:
        transaction.run(
            "add_finding",
            **check.key,
            window_start=check.as_of - WEEK,
            window_end=check.as_of,
            kind=finding.kind,
            subject=finding.subject,
            statistic=finding.statistic,
            threshold=finding.threshold,
            drifted=finding.drifted,
            detail=finding.detail,
        )
    kinds, subjects = [one.kind for one in found], [one.subject for one in found]
    transaction.run("withdraw_findings", **check.key, kinds=kinds, subjects=subjects)


def _recommendation(
    transaction: Transaction, policy: Policy, check: Check, standing: Mapping[str, Any] | None
) -> tuple[int, Recommendation]:
    found = check.recommendation
    if standing is None or not _says(standing, found):
        found = hold(found, _decisions(transaction, check), policy.worse)
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


def _decisions(transaction: Transaction, check: Check) -> list[Decision]:
    rows = transaction.rows("decisions_in_force", **check.key)
    return [Decision(**row | {"cause": frozenset(row["cause"] or ())}) for row in rows]


def _row(policy: Policy, check: Check, found: Recommendation) -> dict[str, Any]:
    measured = {name: value for name, value in check.values.items() if value == value}
    return {
        "action": found.action,
        "reasons": list(found.reasons),
        "evidence": found.evidence | measured,
        "rule_version": RULE_VERSION,
        "cause": list(found.cause),
        "severity": found.severity,
        "challenger": found.challenger,
        "predecessor": found.predecessor,
        "onset_at": found.onset,
        "expected_benefit": None if found.benefit is None else found.benefit.to_json(),
        "cost": found.cost,
        "horizon_weeks": found.horizon_weeks,
        "expires_at": check.as_of + timedelta(days=policy.expires_days),
        "held_by": found.held_by,
    }
