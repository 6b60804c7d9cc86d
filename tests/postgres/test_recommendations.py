"""What is recorded of a check and of people's decisions: repeated, superseded, held, and never lost."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.checks import as_champion

from mlops.db import Database
from mlops.domain.findings import Benefit, Finding, Findings, Recommendation
from mlops.errors import Refused
from mlops.monitoring.weekly.record import WeeklyCheck, record
from mlops.policy import Policy, read_policy
from mlops.project import policy_file

MONDAY = datetime(2020, 3, 2, tzinfo=UTC)
WEEK = timedelta(weeks=1)
BENEFIT = Benefit(0.05, 0.02, 0.08, 10.0, 5.0, 15.0, "EUR", 14)
RETRAIN = Recommendation(
    "retrain",
    ("a refit wins",),
    {"weeks": 3.0},
    severity=2.0,
    benefit=BENEFIT,
    cost=35.0,
    horizon_weeks=8,
    challenger="same",
    onset=datetime(2020, 2, 20, tzinfo=UTC),
)
WATCH = Recommendation("watch", ("log_level moved",), cause=("feature.log_level",), severity=1.2)
DRIFTED = Finding("performance", "", 8.0, 4.0, True, "the error is 8 sigma above")
QUIET = replace(DRIFTED, statistic=1.0, drifted=False, detail="the error is 1 sigma above")
FAULT = Finding("data", "7", 9.0, 4.0, True, "series 7 is silent")


class World:
    """Two versions of a model, of which the second is champion."""

    def __init__(self, database: Database, connection: psycopg.Connection[Any]) -> None:
        self.database, self.connection = database, connection
        self.policy: Policy = read_policy(policy_file())
        model = self.value(
            "insert into analytics.registered_models (name, created_at) values ('demand', now()) returning model_id"
        )
        self.before, self.champion = (
            self.value(
                "insert into analytics.model_versions (model_id, name, version, created_at, status, lineage_state)"
                " values (%s, 'demand', %s, now(), 'READY', 'complete') returning version_id",
                model,
                version,
            )
            for version in (1, 2)
        )

    def check(self, found: Recommendation, *findings: Finding, monday: datetime = MONDAY) -> tuple[int, Recommendation]:
        row = as_champion(self.champion, version=2)
        return record(
            self.database, self.policy, WeeklyCheck(row, monday, Findings(findings or (DRIFTED,)), found, {"wape": 0.2})
        )

    def decide(self, number: int, decision: str, until: datetime | None = None, by: str = "ada") -> None:
        with self.database.transaction() as transaction:
            transaction.run(
                "add_recommendation_decision",
                recommendation_id=number,
                decision=decision,
                decided_by=by,
                reason="the depot moves",
                until=until,
            )

    def row(self, number: int) -> dict[str, Any]:
        with self.database.transaction() as transaction:
            found = transaction.one("recommendation", recommendation_id=number)
        assert found is not None
        return found

    def value(self, statement: str, *values: Any) -> Any:
        row = self.connection.execute(statement, values).fetchone()
        return None if row is None else next(iter(row.values()))


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with psycopg.connect(database.url, autocommit=True, row_factory=dict_row) as connection:
        yield World(database, connection)


# Repeated checks


def test_a_check_is_kept_with_its_promise_its_price_and_until_when_it_holds(world: World):
    number, _ = world.check(RETRAIN)
    row = world.row(number)
    assert (row["action"], row["status"], row["challenger"]) == ("retrain", "open", "same")
    assert row["expected_benefit"] == BENEFIT.to_json()
    assert (row["cost"], row["horizon_weeks"], row["onset_at"]) == (35.0, 8, RETRAIN.onset)
    assert row["expires_at"] == MONDAY + timedelta(days=28)
    assert row["evidence"] == {"weeks": 3.0, "wape": 0.2}


def test_repeating_a_check_changes_nothing(world: World):
    first, again = world.check(RETRAIN), world.check(RETRAIN)
    assert first == again
    assert world.value("select count(*) from analytics.retraining_recommendations") == 1
    assert world.value("select count(*) from analytics.model_performance_tracking") == 1


def test_a_check_of_the_same_week_with_newer_data_supersedes_what_it_said_before(world: World):
    first, _ = world.check(RETRAIN, DRIFTED, FAULT)
    second, _ = world.check(WATCH, QUIET)
    assert (world.row(first)["status"], world.row(first)["replaced_by"]) == ("superseded", second)
    assert (world.row(second)["status"], world.row(second)["action"]) == ("open", "watch")
    assert world.row(first)["expected_benefit"] == BENEFIT.to_json(), "what was said stays as it was"
    rows = world.connection.execute(
        "select subject, drifted, detail from analytics.model_performance_tracking order by subject"
    ).fetchall()
    assert [(row["subject"], row["drifted"]) for row in rows] == [("", False), ("7", False)]
    assert rows[0]["detail"] == QUIET.detail
    assert rows[1]["detail"] == f"no longer so: {FAULT.detail}"
    third, _ = world.check(RETRAIN)
    assert (world.row(second)["replaced_by"], world.row(third)["status"]) == (third, "open")


def test_what_was_acted_on_stands_whatever_a_later_check_says(world: World):
    number, _ = world.check(RETRAIN)
    with world.database.transaction() as transaction:
        transaction.run(
            "set_recommendation_done", recommendation_id=number, verdict="won", run_id="r", name="demand", version=2
        )
    assert world.check(WATCH, QUIET) == (number, replace(WATCH, action="retrain", reasons=RETRAIN.reasons))
    assert world.value("select detail from analytics.model_performance_tracking") == DRIFTED.detail


def test_a_newer_week_closes_the_older_and_a_repeated_older_week_stays_closed(world: World):
    first, _ = world.check(RETRAIN)
    second, _ = world.check(RETRAIN, monday=MONDAY + WEEK)
    assert (world.row(first)["status"], world.row(second)["status"]) == ("superseded", "open")
    assert world.row(first)["stands"] == second
    other, _ = world.check(WATCH)
    assert world.row(other)["status"] == "superseded"
    assert world.row(second)["status"] == "open"


def test_a_rollback_names_the_version_that_comes_back(world: World):
    found = replace(RETRAIN, action="rollback", challenger=None, predecessor=1)
    number, _ = world.check(found)
    assert world.row(number)["rollback_version"] == 1


# Decisions


@pytest.mark.parametrize(
    ("decision", "until", "status"),
    [("accept", None, "accepted"), ("dismiss", None, "dismissed"), ("snooze", MONDAY + 2 * WEEK, "snoozed")],
)
def test_a_decision_gives_the_recommendation_its_state_and_is_kept(world: World, decision, until, status):
    number, _ = world.check(RETRAIN)
    world.decide(number, decision, until)
    row = world.row(number)
    assert (row["status"], row["decided_by"], row["reason"], row["until"]) == (status, "ada", "the depot moves", until)
    world.decide(number, "accept", by="bob")
    assert world.row(number)["status"] == "accepted", "the newest counts"
    assert world.value("select count(*) from analytics.recommendation_decisions") == 2


@pytest.mark.parametrize(
    "statement",
    ["update analytics.recommendation_decisions set reason = 'x'", "delete from analytics.recommendation_decisions"],
)
def test_a_decision_is_never_rewritten(world: World, statement: str):
    number, _ = world.check(RETRAIN)
    world.decide(number, "dismiss")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="stands as it was made"):
        world.connection.execute(statement)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"action": "none"}, "asks for nothing"),
        ({"status": "superseded"}, "is superseded; decide about an open one"),
        ({"status": "done", "decided_at": MONDAY}, "is done"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_past_can_not_be_decided(world: World, change: dict[str, Any], words: str):
    number, _ = world.check(WATCH)
    for column, value in change.items() if "status" not in change else [("status", change["status"])]:
        extra = ", decided_at = now()" if value == "done" else ""
        world.connection.execute(f"update analytics.retraining_recommendations set {column} = %s{extra}", [value])
    with pytest.raises(Refused, match=words):
        world.decide(number, "dismiss")
    assert world.value("select count(*) from analytics.recommendation_decisions") == 0


def test_a_snooze_that_ends_before_its_recommendation_is_refused(world: World):
    number, _ = world.check(RETRAIN)
    with pytest.raises(Refused, match="can't be put off until"):
        world.decide(number, "snooze", MONDAY - WEEK)


@pytest.mark.parametrize(
    "wrong",
    [
        ("dismiss", "", "why", None),
        ("dismiss", "ada", "", None),
        ("dismiss", "ada", "why", MONDAY + WEEK),
        ("snooze", "ada", "why", None),
        ("forget", "ada", "why", None),
    ],
    ids=str,
)
def test_the_database_refuses_a_decision_without_who_why_and_until_when(world: World, wrong):
    number, _ = world.check(RETRAIN)
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.CaseNotFound)):
        world.connection.execute(
            "insert into analytics.recommendation_decisions (recommendation_id, decision, decided_by, reason, until)"
            " values (%s, %s, %s, %s, %s)",
            [number, *wrong],
        )


@pytest.mark.parametrize(
    "change",
    [
        "expected_benefit = jsonb_set(expected_benefit, '{wape}', '9')",
        "expected_benefit = expected_benefit - 'currency'",
        "expected_benefit = '[]'",
        "cost = null",
        "cost = -1",
        "expires_at = as_of",
        "realised_benefit = expected_benefit",
        "action = 'rollback'",
        "replaced_by = recommendation_id",
    ],
)
def test_the_database_refuses_a_recommendation_that_contradicts_itself(world: World, change: str):
    world.check(RETRAIN)
    with pytest.raises(psycopg.errors.CheckViolation):
        world.connection.execute(f"update analytics.retraining_recommendations set {change}")


# What was decided against is not made anew


def test_a_dismissed_recommendation_is_held_until_it_expires(world: World):
    number, _ = world.check(RETRAIN)
    world.decide(number, "dismiss")
    for week in (1, 2, 3):
        held, said = world.check(RETRAIN, monday=MONDAY + week * WEEK)
        assert (said.action, said.held_by) == ("watch", number)
        assert "dismissed by ada until 2020-03-30: the depot moves" in said.reasons[0]
        assert world.row(held)["held_by"] == number
    _, said = world.check(RETRAIN, monday=MONDAY + 4 * WEEK)
    assert said == RETRAIN


def test_a_snooze_ends_on_its_day_and_an_acceptance_afterwards_ends_it_at_once(world: World):
    number, _ = world.check(RETRAIN)
    world.decide(number, "snooze", MONDAY + 2 * WEEK)
    assert world.check(RETRAIN, monday=MONDAY + WEEK)[1].action == "watch"
    assert world.check(RETRAIN, monday=MONDAY + 2 * WEEK)[1].action == "retrain"
    world.decide(number, "accept")
    assert world.check(replace(RETRAIN, reasons=("again",)), monday=MONDAY + WEEK)[1].action == "retrain"


def test_a_check_of_the_same_week_does_not_undo_a_decision(world: World):
    number, _ = world.check(RETRAIN)
    world.decide(number, "dismiss")
    assert world.check(RETRAIN) == (number, RETRAIN), "the same check says nothing new"
    other, said = world.check(replace(RETRAIN, reasons=("a refit wins by other figures",)))
    assert (said.action, said.held_by) == ("watch", number)
    assert world.row(number)["replaced_by"] == other
    assert world.row(number)["decision"] == "dismiss", "a decision is never lost"


def test_what_is_clearly_worse_is_made_anew(world: World):
    number, _ = world.check(RETRAIN)
    world.decide(number, "dismiss")
    assert world.check(replace(RETRAIN, severity=3.1), monday=MONDAY + WEEK)[1].action == "retrain"


def test_two_checks_at_once_leave_one_recommendation(world: World):
    from concurrent.futures import ThreadPoolExecutor

    says = [replace(RETRAIN, reasons=(f"reason {number % 2}",)) for number in range(6)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(world.check, says))
    standing = "select count(*) from analytics.retraining_recommendations where replaced_by is null"
    assert world.value(standing) == 1
    assert world.value("select count(*) from analytics.retraining_recommendations where status = 'open'") == 1


def test_what_is_open_about_a_replaced_champion_is_closed_unless_its_promotion_was_interrupted(world: World):
    numbers = [world.check(RETRAIN, monday=MONDAY + week * WEEK)[0] for week in range(3)]
    for number in numbers:
        world.connection.execute(
            "update analytics.retraining_recommendations set status = 'open' where recommendation_id = %s", [number]
        )
    world.decide(numbers[1], "accept")
    world.decide(numbers[2], "accept")
    world.connection.execute(
        "insert into analytics.promotions"
        " (model_id, alias, version_id, action, decided_by, reason, gates, recommendation_id)"
        " select model_id, 'champion', version_id, 'promote', 'ada', 'won', '[]', %s from analytics.model_versions"
        " where version_id = %s",
        [numbers[2], world.before],
    )
    with world.database.transaction() as transaction:
        transaction.run("close_recommendations_of_replaced")
    assert [world.row(number)["status"] for number in numbers] == ["superseded", "superseded", "accepted"]
