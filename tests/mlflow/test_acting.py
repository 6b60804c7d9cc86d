"""Acting on a recommendation is acting once: interrupted anywhere, begun twice, and whatever others do meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.checks import champion_of

from mlops.db import Database
from mlops.domain.findings import Finding, Findings, Recommendation
from mlops.errors import NothingToDo, Refused
from mlops.monitoring.weekly.record import WeeklyCheck, record
from mlops.policy import RetrainPolicy, read_policy
from mlops.project import policy_file
from mlops.tracking.registry import add_version, resolve
from mlops.tracking.store import Store
from mlops.training import Trained
from mlops.training import promote as promotion
from mlops.training import retrain as acting
from mlops.training.promote import promote
from mlops.training.retrain import retrain

CHAMPION = "models:/demand@champion"
AFTER_THE_FALL = datetime(2020, 2, 17, tzinfo=UTC)
"""The champion of New Year is bad enough by then that the naive beats it."""


class Killed(BaseException):
    """The process ends here."""


def recommend(database: Database, at: datetime = AFTER_THE_FALL) -> int:
    """A recommendation to replace version 1 by a naive, which is quick to train."""
    version = champion_of(database)
    findings = Findings((Finding("performance", "", 8.0, 4.0, True, "the error is 8 sigma above"),))
    found = Recommendation("retrain", ("a naive wins",), severity=2.0, challenger="naive")
    return record(database, read_policy(policy_file()), WeeklyCheck(version, at, findings, found, {}))[0]


def decide(database: Database, number: int, decision: str, until: datetime | None = None) -> None:
    with database.transaction() as transaction:
        told = {"decided_by": "bob", "reason": "the depot moves", "until": until}
        transaction.run("add_recommendation_decision", recommendation_id=number, decision=decision, **told)


def act(database: Database, store: Store, number: int, **options: Any) -> acting.Retrained:
    return retrain(database, store, number, RetrainPolicy(), **{"as_of": AFTER_THE_FALL, "by": "ada"} | options)


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url) as connection:
        return connection.execute(query).fetchall()


def test_killed_at_any_point_it_is_finished_by_the_same_command(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    def kill(*_: object, **__: object) -> None:
        raise Killed

    number = recommend(routes)
    for module, name in (
        (acting, "_compare"),
        (acting, "judge"),  # when the version is registered
        (promotion, "move_champion"),  # when the decision is on record
        (promotion, "_promotion"),  # when the alias is moved
        (acting, "_close"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, kill)
            with pytest.raises(Killed):
                act(routes, store, number)
    assert resolve(store, CHAMPION).version == 2
    late = act(routes, store, number, as_of=AFTER_THE_FALL + timedelta(days=99))
    assert (late.version.version, late.promoted) == (2, True), "expired by now, but it was decided in time"
    assert act(routes, store, number) == late
    assert rows(routes, "select version from analytics.model_versions order by 1") == [(1,), (2,)]
    assert rows(routes, "select decision, decided_by from analytics.recommendation_decisions") == [("accept", "ada")]
    assert len(rows(routes, f"select from analytics.promotions where recommendation_id = {number}")) == 1

    store.client.delete_registered_model_alias("demand", "champion")
    store.client.delete_model_version("demand", "2")
    with pytest.raises(NothingToDo, match=r"was acted on: version 2 promoted: .*; the version is gone"):
        act(routes, store, number)


def test_two_do_not_act_on_one_at_once(routes: Database, store: Store, champion: Trained):
    number = recommend(routes)
    with routes.alone(f"recommendation {number}"), pytest.raises(Refused, match="somebody else is acting on"):
        act(routes, store, number)
    assert rows(routes, "select count(*) from analytics.recommendation_decisions") == [(0,)]


def test_a_decision_against_it_while_it_trains_counts(routes: Database, store: Store, champion: Trained):
    number = recommend(routes)

    def meanwhile(note: str) -> None:
        if note == "logging and registering":
            decide(routes, number, "dismiss")

    with pytest.raises(Refused, match="was dismissed by bob: the depot moves; --force acts on it all the same"):
        act(routes, store, number, say=meanwhile)
    assert resolve(store, CHAMPION).version == 1
    done = act(routes, store, number, force=True)
    assert (done.version.version, resolve(store, CHAMPION).version) == (2, 2), "what was trained is not trained again"


def test_a_champion_that_somebody_moved_while_it_trains_stays(routes: Database, store: Store, champion: Trained):
    number, first = recommend(routes), champion.version

    def meanwhile(note: str) -> None:
        if note == "logging and registering":
            other = add_version(store, "demand", first.run_id, first.source, first.tags)
            promote(routes, store, other.uri, "by hand", margin=0.02, by="bob", force=True)

    for _ in range(2):
        with pytest.raises(Refused, match="was compared with version 1, but demand@champion is version 2 now"):
            act(routes, store, number, say=meanwhile)
    assert resolve(store, CHAMPION).version == 2


def test_what_was_put_off_is_acted_on_from_its_day_on(routes: Database, store: Store, champion: Trained):
    at = datetime(2020, 1, 1, tzinfo=UTC)
    number = recommend(routes, at)
    decide(routes, number, "snooze", until=at + timedelta(days=5))
    with pytest.raises(Refused, match="was snoozed by bob until 2020-01-06"):
        act(routes, store, number, as_of=at + timedelta(days=4))
    with pytest.raises(Refused, match="was itself trained on days after"):
        act(routes, store, number, as_of=at + timedelta(days=5))


def test_a_model_of_the_same_name_is_not_retrained_for_one_that_was_deleted(
    routes: Database, store: Store, champion: Trained
):
    number, first = recommend(routes), champion.version
    store.client.delete_registered_model("demand")
    with pytest.raises(Refused, match="demand version 1, which recommendation 1 is about, is deleted"):
        act(routes, store, number)
    again = add_version(store, "demand", first.run_id, first.source, first.tags)
    store.client.set_registered_model_alias("demand", "champion", str(again.version))
    assert again.version == 1
    with pytest.raises(Refused, match="demand version 1, which recommendation 1 is about, is deleted"):
        act(routes, store, number)


def test_what_can_not_be_kept_with_a_decision_is_refused_in_a_sentence(
    mlops: Callable[..., tuple[int, str, str]], routes: Database, champion: Trained
):
    number = recommend(routes)
    for words, said in (
        (("--reason", "a\udcffb"), "the reason is 'a\\udcffb', which is no text (UTF-8)"),
        (("--reason", "x", "--by", "\udcff"), "the name of who decides is"),
        (("--reason", "x", "--by", " "), "the name of who decides is empty"),
    ):
        code, out, err = mlops("recommendations", "dismiss", number, *words)
        assert (code, out) == (2, "")
        assert said in err
    assert rows(routes, "select count(*) from analytics.recommendation_decisions") == [(0,)]
