"""A challenger that has answered beside the champion and is better: compared, recommended, promoted."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mlops.db import Database
from mlops.errors import Refused
from mlops.monitoring.weekly import job
from mlops.policy import Policy, RetrainPolicy, ShadowPolicy, read_policy
from mlops.project import policy_file
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.serving.shadow.verdict import compare_live
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store
from mlops.training import TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.retrain import retrain
from mlops.training.spec import params_file

NEW_YEAR, FOUR_WEEKS_LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 29, tzinfo=UTC)
STUMP = {"trees": "1", "learning_rate": "0.01", "num_leaves": "2", "weeks": "4", "country": "US"}


@pytest.fixture
def policy() -> Policy:
    """As it is shipped, but that no promotion is recent: the version before is now the challenger."""
    policy = read_policy(policy_file())
    return replace(policy, recommend=replace(policy.recommend, rollback_weeks=0))


@pytest.fixture
def beside(routes: Database, store: Store, champion) -> None:
    """Version 1 answers as challenger beside version 2, a stump: four weeks of forecasts with their outcomes."""
    stump = train(TrainingSpec.from_toml(params_file("lightgbm"), STUMP, as_of=NEW_YEAR), routes, store).version
    promote(routes, store, stump.uri, "looks simple", margin=0.02, by="tester", force=True)
    store.client.set_registered_model_alias("demand", "challenger", 1)
    sync(store, routes)
    for alias in ("champion", "challenger"):
        predict(routes, store, f"models:/demand@{alias}", as_of=NEW_YEAR)
    match(routes, FOUR_WEEKS_LATER)


def test_what_wins_live_is_recommended_and_promoted(routes: Database, store: Store, beside, policy: Policy):
    (compared,) = compare_live(routes, FOUR_WEEKS_LATER, ShadowPolicy())
    assert compared.verdict is not None
    assert (compared.verdict.verdict, compared.verdict.weeks) == ("better", 4)
    checks = {check.alias: check for check in job.run_checks(routes, store, policy, FOUR_WEEKS_LATER)}
    advice, number = checks["champion"].recommendation, checks["champion"].recommendation_id
    assert advice is not None
    assert number is not None
    assert (advice.action, advice.predecessor) == ("promote", 1)
    assert advice.benefit is not None
    assert (advice.benefit.wape, advice.benefit.wape_low) == (compared.verdict.gain, compared.verdict.gain_low)

    done = retrain(routes, store, number, RetrainPolicy(), as_of=FOUR_WEEKS_LATER)
    assert (done.version.version, done.champion, done.promoted) == (1, 2, True)
    assert resolve(store, "models:/demand@champion").version == 1
    again = retrain(routes, store, number, RetrainPolicy(), as_of=FOUR_WEEKS_LATER)
    assert (again.version.version, again.verdict) == (1, done.verdict), "acting twice is acting once"
    with routes.transaction() as transaction:
        (newest, *_) = transaction.rows("promotion_history", name="demand")
    assert (newest["action"], newest["recommendation_id"]) == ("promote", number)


def test_a_promotion_that_somebody_dismissed_is_refused(routes: Database, store: Store, beside, policy: Policy, mlops):
    compare_live(routes, FOUR_WEEKS_LATER, ShadowPolicy())
    (number,) = [
        check.recommendation_id
        for check in job.run_checks(routes, store, policy, FOUR_WEEKS_LATER)
        if check.alias == "champion"
    ]
    assert mlops("recommendations", "dismiss", str(number), "--reason", "wait for spring")[0] == 0
    with pytest.raises(Refused, match="wait for spring"):
        retrain(routes, store, number, RetrainPolicy(), as_of=FOUR_WEEKS_LATER)
    assert resolve(store, "models:/demand@champion").version == 2


def test_the_command_shows_what_it_records(routes: Database, beside, mlops):
    code, out, _ = mlops("registry", "compare", "--as-of", "2020-01-29", "--json")
    (row,) = json.loads(out)
    assert (code, row["challenger"]["challenger"], row["verdict"]["verdict"]) == (0, 1, "better")
    code, out, _ = mlops("registry", "compare", "--as-of", "2020-01-29")
    assert code == 0
    assert "demand version 1 (@challenger) beside version 2 (@champion): better" in out
    assert "over 4 weeks, 4 series" in out
    assert "first decided by 2020-01-29" in out
    code, out, _ = mlops("registry", "compare", "--as-of", "2020-01-16", "--model", "demand")
    assert "too few weeks for an interval" in out


def test_without_a_challenger_there_is_nothing_to_compare(routes: Database, champion, mlops):
    code, _, err = mlops("registry", "compare")
    assert code == 1
    assert "no version is beside a champion as @challenger" in err
