"""A fallback on a real registry: the seasonal naive serves while it is better, and the model comes back when it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from mlops.db import Database
from mlops.monitoring import review
from mlops.monitoring.alerting.alerts import review_alerts
from mlops.monitoring.decide.realise import realise
from mlops.monitoring.weekly import job
from mlops.policy import Policy, RetrainPolicy, read_policy
from mlops.project import policy_file
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store
from mlops.training.promote import promote, rollback
from mlops.training.retrain import challenger_spec, retrain

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)
CHAMPION = "models:/demand@champion"


@pytest.fixture
def policy() -> Policy:
    """One challenger that the naive beats after the fall of the level, so that no refit is in its way."""
    policy = read_policy(policy_file())
    return replace(policy, recommend=replace(policy.recommend, challengers=("average",)))


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        found = connection.execute(query)
        return found.fetchall() if found.description else []


def live(database: Database, store: Store, first: int, last: int) -> datetime:
    """Forecast on each Wednesday of these weeks, and let outcomes come; the Wednesday after."""
    for week in range(first, last + 1):
        predict(database, store, CHAMPION, as_of=NEW_YEAR + week * WEEK, decompose=False)
    match(database, NEW_YEAR + (last + 1) * WEEK)
    return NEW_YEAR + (last + 1) * WEEK


def advised(database: Database, store: Store, policy: Policy, at: datetime) -> job.CheckResult:
    (checked,) = (one for one in job.run_checks(database, store, policy, at) if one.champion)
    return checked


def test_the_naive_serves_while_it_is_better_and_the_model_comes_back(
    routes: Database, store: Store, champion, policy: Policy
):
    at = live(routes, store, 5, 7)
    checked = advised(routes, store, policy, at)
    advice, number = checked.recommendation, checked.recommendation_id
    assert (advice.action, advice.challenger) == ("fallback", "naive"), advice.reasons
    assert advice.benefit.clear
    assert "the seasonal naive has WAPE" in advice.reasons[0]
    assert "no refit wins" in advice.reasons[0]
    assert (advice.cost, advice.horizon_weeks) == (policy.costs.review, policy.costs.horizon_weeks)
    told = review.build_review(routes, policy, at)
    assert told.models[0].advice.needs_person
    assert f"mlops retrain {number}" in told.models[0].advice.commands
    review_alerts(routes, at, read_policy(policy_file()).alerts)
    kinds = "select kind, todo from analytics.alerts where resolved_at is null and kind like '%_recommended'"
    ((kind, todo),) = rows(routes, kinds)
    assert kind == "fallback_recommended"
    assert "lets the seasonal naive serve" in todo

    done = retrain(routes, store, number, RetrainPolicy(), as_of=at, by="ada")
    assert (done.version.version, done.champion, done.promoted) == (2, 1, True)
    assert (done.wape_challenger, done.wape_champion) == pytest.approx(
        (advice.evidence["proof.naive.wape"], advice.evidence["proof.naive.wape_champion"])
    )
    assert retrain(routes, store, number, RetrainPolicy(), as_of=at).verdict == done.verdict, (
        "acting twice is acting once"
    )
    assert resolve(store, CHAMPION).version == 2
    with routes.transaction() as transaction:
        (decision, *_) = transaction.rows("promotion_history", name="demand")
        versions = {row["version"]: row for row in transaction.rows("list_versions")}
    assert (decision["action"], decision["version"], decision["recommendation_id"]) == ("promote", 2, number)
    assert {gate["gate"]: gate["passed"] for gate in decision["gates"]} == dict.fromkeys(
        ("better", "naive", "trivial", "lineage", "signature", "loads"), True
    )
    assert (versions[2]["kind"], versions[2]["lineage_state"]) == ("naive", "complete")

    at = live(routes, store, 8, 9)
    waits = advised(routes, store, policy, at).recommendation
    assert waits.action == "watch"
    assert "the seasonal naive stands in for version 1, which is not better again" in waits.reasons[0]
    headline = review.build_review(routes, policy, at)
    assert headline.naive_serves == ("demand",)

    rows(
        routes,
        "update analytics.model_prediction_results p set y_hat = 9 * y_hat, hi_80 = 9 * hi_80, hi_95 = 9 * hi_95"
        " from analytics.model_versions v where v.version_id = p.version_id and v.version = 2",
    )
    back = advised(routes, store, policy, at)
    assert (back.recommendation.action, back.recommendation.predecessor) == ("rollback", 1)
    assert "the model is better than the seasonal naive again" in back.recommendation.reasons[0]
    assert retrain(routes, store, back.recommendation_id, RetrainPolicy(), as_of=at).version.version == 1
    assert resolve(store, CHAMPION).version == 1

    promote(routes, store, "models:/demand/2", "by hand", margin=0.0, by="bob", force=True)
    with routes.transaction() as transaction:
        again = transaction.one("live_version", name="demand", version=2)
        stood_in = transaction.one("recent_promotion", version_id=again["version_id"], as_of=datetime.now(UTC), weeks=1)
    assert (stood_in["stands_in"], stood_in["version"]) == (True, 1), "whoever brought it back, it is a stand-in"

    at = NEW_YEAR + 12 * WEEK
    match(routes, at)
    (came_true, *_) = realise(routes, store, policy, at)
    assert (came_true.action, came_true.version, came_true.replaced) == ("fallback", 2, 1)
    assert came_true.benefit.days == 14, "the naive served for two weeks, and only they count"
    assert came_true.benefit.wape < 0, "for its forecasts were spoilt"
    assert came_true.promised == advice.benefit
    ((replaced, new, promised, realised, paid_off),) = rows(
        routes,
        "select replaced_version, new_version, promised_wape, realised_wape, paid_off from analytics.realised_benefits"
        " where action = 'fallback'",
    )
    assert (replaced, new, paid_off) == (1, 2, False)
    assert (promised, realised) == pytest.approx((advice.benefit.wape, came_true.benefit.wape))


def test_a_fallback_that_was_interrupted_is_finished_and_not_done_again_where_somebody_took_it_back(
    routes: Database, store: Store, champion, policy: Policy, monkeypatch
):
    at = live(routes, store, 5, 7)
    number = advised(routes, store, policy, at).recommendation_id

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("_promote", "_close"):
        with monkeypatch.context() as patch:
            patch.setattr(f"mlops.training.retrain.{step}", interrupted)
            with pytest.raises(KeyboardInterrupt):
                retrain(routes, store, number, RetrainPolicy(), as_of=at, by="ada")
    assert resolve(store, CHAMPION).version == 2, "the version of the first call, promoted by the second"
    rollback(routes, store, "demand", "customers complained", by="bob")
    assert retrain(routes, store, number, RetrainPolicy(), as_of=at, by="ada").version.version == 2
    assert resolve(store, CHAMPION).version == 1
    decided = rows(routes, "select action, decided_by from analytics.promotions order by promotion_id desc limit 1")
    assert decided == [("rollback", "bob")]
    status = rows(routes, f"select status from analytics.retraining_recommendations where recommendation_id = {number}")
    assert status == [("done",)]


def test_a_refit_of_the_model_that_the_naive_stands_in_for_is_by_its_recipe():
    recipe = {"kind": "lightgbm", "owner": "", "country": None, "horizon": 28, "params": {"trees": 5}}
    recipe |= {"backtest_weeks": 20, "refit_every": 5}
    selection = {"metric_type": "tonnage", "granularity": "daily", "labels": {}}
    told = {"selection": selection, "series": [1], "recipe": recipe}
    naive = told | {"recipe": recipe | {"kind": "naive", "params": {}}}
    row = SimpleNamespace(name="demand", lineage=naive, challenger="same", rollback_version=None)
    assert challenger_spec(row, NEW_YEAR, "again").kind == "naive"
    row.rollback_version, row.rollback_lineage = 1, told
    spec = challenger_spec(row, NEW_YEAR, "again")
    assert (spec.kind, spec.params) == ("lightgbm", {"trees": 5})
