"""What a check leaves in the database: findings, their Evidently snapshot, and a recommendation that rests on them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mlops.db import Database, Transaction
from mlops.domain.findings import Action, Benefit, Findings, Recommendation
from mlops.monitoring.decide.recommend import RULE_VERSION, Decision, hold
from mlops.monitoring.weekly.history import ServedVersion
from mlops.policy import Policy

__all__ = ["WeeklyCheck", "record", "record_failure"]

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class WeeklyCheck:
    """One week's check of one served version, as it is to be recorded.

    A champion has a recommendation; another version may have a comparison with the champion, `compared_with`.
    `problem` says why nothing was judged, where `state` is not judged.
    """

    version: ServedVersion
    as_of: datetime
    findings: Findings
    recommendation: Recommendation | None
    values: Mapping[str, float]
    state: str = "judged"
    problem: str = ""
    comparison: Benefit | None = None
    compared_with: int | None = None

    @property
    def key(self) -> dict[str, int | datetime]:
        """What the check is about."""
        return {"version_id": self.version.version_id, "as_of": self.as_of}

    @property
    def measured(self) -> dict[str, float]:
        """The values that are known."""
        return {name: value for name, value in self.values.items() if value == value}


@dataclass(frozen=True, slots=True)
class _Standing:
    """The recommendation that a check of the same week has made."""

    recommendation_id: int
    action: Action
    reasons: list[str]
    rule_version: str
    status: str

    def says(self, advice: Recommendation) -> bool:
        """Whether it says the same; figures stand in its reasons."""
        said = (self.action, tuple(self.reasons), self.rule_version)
        return said == (advice.action, advice.reasons, RULE_VERSION)


def record(database: Database, policy: Policy, check: WeeklyCheck) -> tuple[int | None, Recommendation | None]:
    """Write a check in one transaction; the recommendation that stands now, and its number (None for no champion).

    Repeating a check changes nothing. Where a later check of the same week recommends otherwise, because data came or
    the rules changed, the earlier recommendation is superseded by a new one; what was acted on already stands as it is.
    """
    from mlops.monitoring import evidently

    title = f"{check.version.name} v{check.version.version}"
    snapshot = evidently.to_snapshot(check.findings, model=title, as_of=check.as_of, values=check.values)
    with database.transaction() as transaction:
        transaction.lock(f"recommendation {check.version.version_id}")
        standing = transaction.one("recommendation_of_week", of=_Standing, **check.key)
        if standing is not None and standing.status == "done" and check.recommendation is not None:
            return standing.recommendation_id, replace(
                check.recommendation, action=standing.action, reasons=tuple(standing.reasons)
            )
        _check(transaction, check)
        _findings(transaction, check)
        transaction.run("add_snapshot", **check.key, snapshot=snapshot)
        if check.recommendation is None:
            return None, None
        return _recommendation(transaction, policy, check, check.recommendation, standing)


def record_failure(database: Database, version: ServedVersion, as_of: datetime, problem: str) -> None:
    """Write that a check broke; what an earlier check of the same week found stays."""
    check = WeeklyCheck(version, as_of, Findings(), None, {}, "failed", problem)
    with database.transaction() as transaction:
        transaction.lock(f"recommendation {version.version_id}")
        _check(transaction, check)


def _check(transaction: Transaction, check: WeeklyCheck) -> None:
    transaction.run(
        "add_check",
        **check.key,
        alias=check.version.alias,
        state=check.state,
        problem=check.problem,
        measured=check.measured,
        compared_with=check.compared_with,
        comparison=None if check.comparison is None else check.comparison.to_json(),
    )


def _findings(transaction: Transaction, check: WeeklyCheck) -> None:
    findings = sorted(check.findings.details, key=lambda finding: finding.key)
    about = {
        "kinds": [finding.kind for finding in findings],
        "subjects": [finding.subject for finding in findings],
        "slices": [finding.slice for finding in findings],
    }
    transaction.run(
        "add_findings",
        **check.key,
        **about,
        window_start=check.as_of - WEEK,
        window_end=check.as_of,
        statistics=[float(finding.statistic) for finding in findings],
        thresholds=[float(finding.threshold) for finding in findings],
        drifted=[bool(finding.drifted) for finding in findings],
        details=[finding.detail for finding in findings],
        changes=[json.dumps(finding.change.to_json() if finding.change else None) for finding in findings],
    )
    transaction.run("withdraw_findings", **check.key, **about)


def _recommendation(
    transaction: Transaction, policy: Policy, check: WeeklyCheck, advice: Recommendation, standing: _Standing | None
) -> tuple[int, Recommendation]:
    if standing is None or not standing.says(advice):
        advice = hold(advice, transaction.rows("decisions_in_force", of=Decision, **check.key), policy.recommend.worse)
    if standing is not None and standing.says(advice):
        return standing.recommendation_id, advice
    number = None
    if standing is not None:
        number = transaction.value("replace_recommendation", recommendation_id=standing.recommendation_id)
    number = transaction.value(
        "add_recommendation",
        **check.key,
        recommendation_id=number,
        action=advice.action,
        reasons=list(advice.reasons),
        evidence=advice.evidence | check.measured,
        rule_version=RULE_VERSION,
        cause=list(advice.cause),
        severity=advice.severity,
        challenger=advice.challenger,
        predecessor=advice.predecessor,
        onset_at=advice.onset,
        expected_benefit=None if advice.benefit is None else advice.benefit.to_json(),
        cost=advice.cost,
        horizon_weeks=advice.horizon_weeks,
        expires_at=check.as_of + timedelta(days=policy.recommend.expires_days),
        held_by=advice.held_by,
    )
    transaction.run("link_findings", **check.key)
    return int(number), advice
