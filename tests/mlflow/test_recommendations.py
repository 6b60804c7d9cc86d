"""Recommendations on a real registry: a bad promotion is rolled back, decisions by commands, what is refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from tests.checks import champion_of

from mlops.db import Database
from mlops.domain.findings import Finding, Findings, Recommendation
from mlops.errors import Refused
from mlops.monitoring.decide.challenge import challenge
from mlops.monitoring.weekly import job
from mlops.monitoring.weekly.history import ServedVersion
from mlops.monitoring.weekly.record import WeeklyCheck, record
from mlops.policy import Policy, RetrainPolicy, read_policy
from mlops.project import policy_file
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store
from mlops.training import TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.retrain import follow, retrain
from mlops.training.spec import params_file

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)


@pytest.fixture
def policy() -> Policy:
    return read_policy(policy_file())


def open_retraining(database: Database, policy: Policy) -> int:
    """A recommendation of New Year to retrain version 1."""
    version = champion_of(database)
    found = Recommendation("retrain", ("a refit wins",), severity=2.0, challenger="same")
    findings = Findings((Finding("performance", "", 8.0, 4.0, True, "the error is 8 sigma above"),))
    return record(database, policy, WeeklyCheck(version, NEW_YEAR, findings, found, {}))[0]


def test_a_promotion_that_made_forecasts_worse_is_rolled_back(routes: Database, store: Store, champion, policy: Policy):
    at = NEW_YEAR + WEEK
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR)
    stump = {"trees": "1", "learning_rate": "0.01", "num_leaves": "2", "weeks": "1", "country": "US"}
    bad = train(TrainingSpec.from_toml(params_file("lightgbm"), stump, as_of=at), routes, store).version
    promote(routes, store, bad.uri, "looks simple", margin=0.02, by="tester", force=True)
    for week in (1, 2):
        predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR + week * WEEK)
    match(routes, at + WEEK)
    early = job.run_checks(routes, store, policy, at + WEEK)[0]
    assert early.recommendation.action != "rollback", "a week is too short to compare"
    match(routes, at + 2 * WEEK)
    (checked,) = job.run_checks(routes, store, policy, at + 2 * WEEK)
    advice = checked.recommendation
    assert (advice.action, advice.predecessor) == ("rollback", 1)
    assert advice.benefit.clear
    assert advice.benefit.days == 14

    asked = [77, checked.recommendation_id]
    refused, verdict = follow(routes, store, asked, RetrainPolicy(), as_of=at + 2 * WEEK, by="policy.toml")
    assert refused.startswith("recommendation 77 is not acted on: there is no recommendation 77")
    done = retrain(routes, store, checked.recommendation_id, RetrainPolicy(), as_of=at + 2 * WEEK)
    assert (done.version.version, done.champion, done.promoted) == (1, 2, True)
    assert resolve(store, "models:/demand@champion").version == 1
    assert done.verdict == verdict, "acting twice is acting once"
    with routes.transaction() as transaction:
        (newest, *_) = transaction.rows("promotion_history", name="demand")
    assert (newest["action"], newest["recommendation_id"]) == ("rollback", checked.recommendation_id)
    assert newest["decided_by"] == "policy.toml"
    (checked,) = job.run_checks(routes, store, policy, at + 2 * WEEK)
    assert (checked.version, checked.recommendation.action) == (1, "none"), "and not back again"


def test_a_champion_that_saw_the_held_out_days_is_not_challenged(
    routes: Database, store: Store, champion, policy: Policy
):
    with routes.transaction() as transaction:
        (row,) = transaction.rows("served_versions", of=ServedVersion, as_of=NEW_YEAR)
    proofs, why = challenge(routes, store, policy, row, NEW_YEAR + WEEK)
    assert proofs == ()
    assert "was itself trained on days after 2019-12-24" in why
    own = replace(row, lineage={name: value for name, value in row.lineage.items() if name != "recipe"})
    assert "not trained by `mlops train`" in challenge(routes, store, policy, own, NEW_YEAR + 3 * WEEK)[1]


def test_several_challengers_have_wider_intervals_than_one(routes: Database, store: Store, champion, policy: Policy):
    with routes.transaction() as transaction:
        (row,) = transaction.rows("served_versions", of=ServedVersion, as_of=NEW_YEAR)
    at = NEW_YEAR + 3 * WEEK
    ((alone,), _), ((among, other), _) = (
        challenge(routes, store, replace(policy, recommend=replace(policy.recommend, challengers=names)), row, at)
        for names in (("naive",), ("naive", "average"))
    )
    assert alone.benefit.wape == among.benefit.wape
    assert among.benefit.wape_low < alone.benefit.wape_low
    assert (alone.challenger, other.challenger) == ("naive", "average")
    assert alone.wape == pytest.approx(alone.naive)


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("dismiss", "--reason", "the depot moves", "--by", "ada"), "was dismissed by ada: the depot moves"),
        (("snooze", "--until", "2020-02-01", "--by", "ada"), "was snoozed by ada until 2020-02-01: snoozed"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_was_decided_against_is_not_acted_on(mlops, routes, store, champion, policy, words, refused: str):
    number = open_retraining(routes, policy)
    code, out, _ = mlops("recommendations", words[0], number, *words[1:])
    assert code == 0
    assert "ada" in out
    with pytest.raises(Refused, match=refused):
        retrain(routes, store, number, RetrainPolicy(), as_of=NEW_YEAR)


def test_an_expired_recommendation_is_refused_with_what_to_do(mlops, routes, store, champion, policy: Policy):
    number = open_retraining(routes, policy)
    code, _, err = mlops("retrain", number)
    assert code == 1
    assert "expired on 2020-01-29: its proof is of 2020-01-01; check again with `mlops monitor run`" in err
    assert "--force" in err
    with pytest.raises(Refused, match="was itself trained on days after 2019-12-17"):
        retrain(routes, store, number, RetrainPolicy(), as_of=NEW_YEAR, by="ada")
    with routes.transaction() as transaction:
        row = transaction.one("recommendation", recommendation_id=number)
    assert (row["status"], row["decided_by"], row["reason"]) == ("accepted", "ada", "acted on")


def test_last_is_the_end_of_the_series_of_the_model_that_a_retraining_is_about(
    mlops, routes: Database, champion, policy: Policy, monkeypatch: pytest.MonkeyPatch
):
    number = open_retraining(routes, policy)
    with psycopg.connect(routes.url) as connection:  # newer, and of another metric type
        connection.execute("select analytics.series_for('revenue')")
        connection.execute(
            "insert into analytics.time_series_staging (series_id, observed_at, value)"
            " select max(series_id), '2021-05-01 00:00Z', 1 from analytics.series"
        )
    asked: list[datetime | None] = []

    def refuse(*_: object, as_of: datetime | None, **__: object) -> None:
        asked.append(as_of)
        raise Refused("enough is known")

    monkeypatch.setattr("mlops.training.retrain.retrain", refuse)
    for when in ((), ("--as-of", "last"), ("--as-of", "last-1w")):
        assert mlops("retrain", number, *when)[0] == 1
    last = datetime(2020, 4, 1, tzinfo=UTC)
    assert asked == [None, last, last - WEEK]


def test_decisions_by_commands(mlops, routes: Database, champion, policy: Policy):
    assert mlops("recommendations", "list")[1].strip() == "no recommendation waits for anybody"
    number = open_retraining(routes, policy)
    code, out, _ = mlops("recommendations", "list")
    assert code == 0
    assert f"mlops retrain {number}   until 2020-01-29" in out
    code, out, _ = mlops("recommendations", "accept", number, "--by", "ada", "--json")
    assert code == 0
    assert json.loads(out)["status"] == "accepted"
    code, out, _ = mlops("recommendations", "show", number)
    assert code == 0
    assert "accept by ada: accepted" in out
    assert "the error is 8 sigma above (8.0 against 4.0)" in out
    mlops("recommendations", "dismiss", number, "--reason", "no", "--by", "bob")
    assert [row["recommendation_id"] for row in json.loads(mlops("recommendations", "list", "--json")[1])] == []
    (row,) = json.loads(mlops("recommendations", "list", "--all", "--json")[1])
    assert (row["status"], row["decided_by"]) == ("dismissed", "bob")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", 77), "there is no recommendation 77; open ones:"),
        (("dismiss", 77, "--reason", "x"), "there is no recommendation 77"),
        (("dismiss", "{}", "--reason", " "), "the reason is empty; it is kept with the decision, so say it"),
        (("snooze", "{}", "--until", "2019-01-01"), "name a later day"),
        (("snooze", "{}", "--until", "soon"), "expected 2020-03-23"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_decision_that_can_not_be_is_refused_in_a_sentence(mlops, routes, champion, policy, words, said):
    number = open_retraining(routes, policy)
    code, out, err = mlops("recommendations", *(str(word).format(number) for word in words))
    assert code in (1, 2), "which of them is said by test_misuse.py"
    assert out == ""
    assert said in err
