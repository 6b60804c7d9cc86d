"""From an alert to what it asks for and back to silence, on a real registry."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from tests.checks import champion_of
from tests.postgres.sinks import Http, http

from mlops.config import Settings
from mlops.db import Database
from mlops.domain.findings import Finding, Findings, Recommendation
from mlops.monitoring.alerting.alerts import deliver_alerts, review_alerts
from mlops.monitoring.weekly.record import WeeklyCheck, record
from mlops.policy import AlertPolicy, Channel, read_policy
from mlops.project import policy_file
from mlops.tracking.registry import add_version, resolve
from mlops.tracking.store import Store
from mlops.training import Trained
from mlops.training.promote import promote

POLICY = policy_file()
NOW = datetime.now(UTC) - timedelta(minutes=1)
FAULT = Findings((Finding("data", "R1", 9.0, 4.0, True, "series R1 is dead"),))


@pytest.fixture
def hook() -> Iterator[Http]:
    with http() as sink:
        yield sink


@pytest.fixture
def rules(hook: Http) -> AlertPolicy:
    """One webhook, and no other alert than those of recommendations."""
    usual = read_policy(POLICY).alerts
    limits = {"health_below": 0.0, "overdue_days": 3650.0, "labels_missing_days": 27.0}
    return replace(usual, limits=limits, channels=(Channel("ops", "webhook", "warning", 7.0, {"url": hook.url}),))


def tell(routes: Database, home: Settings, rules: AlertPolicy) -> None:
    review_alerts(routes, datetime.now(UTC), rules)
    deliver_alerts(routes, home.model_copy(update={"alert_webhook_secret": SecretStr("s3cret")}), rules)


def told(hook: Http) -> list[tuple[str, str, str, str]]:
    documents = [json.loads(body) for _, body in hook.taken]
    names = ("event", "kind", "severity", "todo")
    return [tuple(one[name] for name in names) for one in documents if one["kind"].endswith("_recommended")]


def recommend(routes: Database, version: int, found: Recommendation, findings: Findings = FAULT) -> int:
    row = champion_of(routes, version=version)
    return record(routes, read_policy(POLICY), WeeklyCheck(row, NOW, findings, found, {}))[0]


def test_the_command_in_the_alert_of_a_rollback_rolls_back_and_ends_the_alert(
    routes: Database, store: Store, champion: Trained, home: Settings, hook: Http, rules: AlertPolicy, mlops: Callable
):
    first = champion.version
    second = add_version(store, "demand", first.run_id, first.source, first.tags)
    promote(routes, store, second.uri, "looks good", margin=0.02, by="tester", force=True)
    evidence = {"proof.predecessor.wape": 0.10, "proof.predecessor.wape_champion": 0.20}
    bad = Recommendation("rollback", ("version 1 would have been better",), evidence, predecessor=1)
    number = recommend(routes, 2, bad)
    for _ in range(2):
        tell(routes, home, rules)
    todo = f"mlops retrain {number}, which rolls back; the reasons are in mlops review"
    assert told(hook) == [("opened", "rollback_recommended", "critical", todo)]

    _, _, command = todo.partition("mlops ")
    code, out, _ = mlops(*command.partition(",")[0].split())
    assert (code, resolve(store, "models:/demand@champion").version) == (0, 1), out
    for _ in range(2):
        tell(routes, home, rules)
    assert [event for event, *_ in told(hook)] == ["opened", "resolved"]


def test_a_data_fault_is_told_with_its_owner_and_ends_when_somebody_decides(
    routes: Database, champion: Trained, home: Settings, hook: Http, rules: AlertPolicy, mlops: Callable
):
    number = recommend(routes, 1, Recommendation("investigate_data", ("series R1 is dead",), cause=("R1",)))
    tell(routes, home, replace(rules, owners={"demand": "ann@example.org", "default": "operations"}))
    document = next(one for one in (json.loads(body) for _, body in hook.taken) if one["kind"].startswith("inv"))
    assert (document["kind"], document["severity"]) == ("investigate_data_recommended", "warning")
    assert document["message"] == "version 1: series R1 is dead"
    assert document["todo"] == "look at the data before anything is retrained: mlops review"
    assert document["owner"] == "data science", "the recipe's owner comes before that of the policy"
    code, _, err = mlops("retrain", number)
    assert code == 1
    assert "asks to investigate data first" in err
    assert mlops("recommendations", "accept", number)[0] == 0
    tell(routes, home, rules)
    assert [event for event, *_ in told(hook)] == ["opened", "resolved"]
