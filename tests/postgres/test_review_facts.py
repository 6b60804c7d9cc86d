"""What a review says of alarms, decisions, money, challengers and alerts, against what was put into the database."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.postgres.served import DAY, NOW, Served, priced

from mlops.db import Database
from mlops.errors import UnknownName
from mlops.monitoring.review import Model, Review, build_review, write_review
from mlops.monitoring.review.decisions import Alarm
from mlops.monitoring.review.history import Accuracy
from mlops.policy import read_policy
from mlops.project import policy_file

POLICY = priced(read_policy(policy_file()))
WEEK = 7 * DAY
BEATEN = SimpleNamespace(kind="performance", subject="naive")
BENEFIT = {"wape": 0.1, "wape_low": 0.05, "wape_high": 0.15, "currency": "EUR", "days": 14}


def review(database: Database, as_of: datetime = NOW, **only: Any) -> Review:
    return build_review(database, POLICY, as_of, **only)


def model(database: Database, as_of: datetime = NOW) -> Model:
    (found,) = review(database, as_of).models
    return found


def benefit(money: float) -> str:
    return json.dumps(BENEFIT | {"money": money, "money_low": money - 5, "money_high": money + 5})


def decide(served: Served, number: int, decision: str, *, at: datetime = NOW, until: datetime | None = None) -> None:
    served.one(
        "insert into analytics.recommendation_decisions (recommendation_id, decision, decided_by, reason, until,"
        " decided_at) values (%s, %s, 'mere', 'the <i>depot</i> moves', %s, %s)",
        number,
        decision,
        until,
        at,
    )


def retrained(served: Served, number: int, *, promoted: bool, at: datetime) -> int:
    """A recommendation that was acted on: a new version, and a promotion of it if it won; its id."""
    version = served.model(alias=f"challenger-{number}", as_of=at)
    served.one(
        "update analytics.retraining_recommendations set status = 'done', decided_at = %s, retrained_version_id = %s,"
        " verdict = 'told' where recommendation_id = %s",
        at,
        version,
        number,
    )
    if promoted:
        served.one(
            "insert into analytics.promotions (model_id, alias, version_id, action, decided_by, reason, gates,"
            " recommendation_id, decided_at, applied_at) select model_id, 'champion', version_id, 'promote', 'mere',"
            " 'it won', '[]', %s, %s, %s from analytics.model_versions where version_id = %s",
            number,
            at,
            at,
            version,
        )
    return version


# The budget for false alarms


def history(served: Served, actions: str, *, newest: datetime = NOW) -> list[int]:
    """A champion with one weekly check per letter, the last at `newest`: r(etrain), w(atch) or a dot; their ids."""
    version = served.healthy()
    served.one("delete from analytics.retraining_recommendations")
    served.one("delete from analytics.model_performance_tracking")
    names = {"r": "retrain", "w": "watch", ".": "none"}
    return [
        served.check(version, names[letter], at=newest - (len(actions) - 1 - week) * WEEK, drifted=int(letter != "."))
        for week, letter in enumerate(actions)
    ]


def alarms(database: Database, as_of: datetime = NOW) -> list[tuple[str, int, bool]]:
    return [(one.verdict, one.checks, one.called) for one in review(database, as_of).budget.alarms]


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        ("....", []),
        ("..w.", [("nothing", 1, False)]),
        (".wr.", [("nothing", 2, True)]),
        (".wrr", [("open", 3, True)]),
        ("w.r.", [("nothing", 1, True), ("nothing", 1, False)]),
    ],
    ids=["quiet", "a watch that went", "one that asked and went", "one that stands", "two"],
)
def test_an_alarm_is_an_unbroken_run_of_checks_that_drifted(
    served: Served, served_database: Database, actions: str, found: list[tuple[str, int, bool]]
):
    history(served, actions)
    budget = review(served_database).budget
    assert alarms(served_database) == found
    assert (budget.spent, budget.open) == (
        sum(verdict == "nothing" for verdict, _, _ in found),
        sum(verdict == "open" for verdict, _, _ in found),
    )
    assert (budget.allowed, budget.per_model) == (1.0, 1.0)


def test_a_dismissed_alarm_is_spent_at_once(served: Served, served_database: Database):
    _, _, number = history(served, "..r")
    decide(served, number, "dismiss", at=NOW + timedelta(hours=2))
    assert alarms(served_database) == [("open", 1, True)]  # it was not known yet
    after = review(served_database, NOW + timedelta(hours=3)).budget
    assert [one.verdict for one in after.alarms] == ["dismissed"]
    assert (after.spent, after.dismissed, after.open) == (1, 1, 0)


def test_an_alarm_that_somebody_accepted_or_that_brought_a_version_is_justified(
    served: Served, served_database: Database
):
    numbers = history(served, "r.r.r.")
    decide(served, numbers[0], "accept", at=NOW - 30 * DAY)
    retrained(served, numbers[2], promoted=True, at=NOW - 20 * DAY)
    decide(served, numbers[4], "accept", at=NOW - 6 * DAY)
    retrained(served, numbers[4], promoted=False, at=NOW - 6 * DAY)
    assert [verdict for verdict, _, _ in alarms(served_database)] == ["nothing", "acted", "accepted"]
    budget = review(served_database).budget
    assert (budget.spent, budget.without_consequence, budget.justified) == (1, 1, 2)


def test_an_alarm_counts_for_the_year_in_which_it_began(served: Served, served_database: Database):
    newest = datetime(2025, 1, 6, tzinfo=NOW.tzinfo)
    history(served, "rr.", newest=newest)
    assert alarms(served_database, newest) == []
    assert [one.began.year for one in review(served_database, newest - 8 * DAY).budget.alarms] == [2024]


def test_what_did_not_drift_is_no_alarm(served: Served, served_database: Database):
    """A champion that is watched because it is old, or because its backtest is too short, says nothing false."""
    version = served.healthy()
    served.check(version, "watch", at=NOW - WEEK)
    assert alarms(served_database) == []


def test_a_false_alarm_is_one_that_is_spent():
    when = {"model": "m", "began": NOW, "last": NOW, "checks": 1, "called": True}
    spent = {verdict: Alarm(**when, verdict=verdict).false for verdict in ("acted", "accepted", "open", "nothing")}
    assert spent == {"acted": False, "accepted": False, "open": False, "nothing": True}


# Who is needed, and what was decided


@pytest.mark.parametrize(
    ("decision", "until", "needed"),
    [("dismiss", None, False), ("snooze", 3, False), ("snooze", 1, True), ("accept", None, True)],
    ids=["dismissed", "put off", "put off until yesterday", "accepted and not carried out"],
)
def test_a_decision_says_whether_somebody_is_still_needed(
    served: Served, served_database: Database, decision: str, until: int | None, needed: bool
):
    (number,) = history(served, "r")
    decide(served, number, decision, at=NOW + DAY / 2, until=until and NOW + until * DAY)
    before, after = (model(served_database, NOW + days * DAY).advice for days in (0, 2))
    assert (before.needs_person, before.decision) == (True, None)
    assert after.needs_person is needed
    assert after.decision is not None
    assert (after.decision.decision, after.decision.decided_by) == (decision, "mere")


def test_decisions_are_those_of_the_week(served: Served, served_database: Database):
    numbers = history(served, "rrr")
    for number, days in zip(numbers, (8, 3, -1), strict=True):
        decide(served, number, "dismiss", at=NOW - days * DAY)
    (found,) = review(served_database).decisions
    assert (found.recommendation_id, found.action, found.reason) == (numbers[1], "retrain", "the <i>depot</i> moves")
    assert found.decided_at == NOW - 3 * DAY


def test_a_check_that_broke_needs_a_person(served: Served, served_database: Database):
    version = served.healthy()
    served.one(
        "insert into analytics.model_checks (version_id, as_of, alias, state, problem)"
        " values (%s, %s, 'champion', 'failed', 'the backtest of its run is gone')",
        version,
        NOW,
    )
    found = model(served_database).advice
    assert found.needs_person
    assert found.why == "Its check of 2024-06-03 failed: the backtest of its run is gone."
    assert "mlops monitor run" in found.commands


def test_a_promise_is_what_is_saved_with_its_interval_and_its_cost(served: Served, served_database: Database):
    (number,) = history(served, "r")
    served.one(
        "update analytics.retraining_recommendations set expected_benefit = %s, cost = 35, horizon_weeks = 8,"
        " onset_at = %s where recommendation_id = %s",
        benefit(120),
        NOW - 17 * DAY,
        number,
    )
    found = model(served_database).advice
    assert found.promise is not None
    assert (found.promise.money, found.promise.money_low, found.promise.money_high) == (120, 115, 125)
    assert (found.promise.total, found.promise.cost, found.promise.weeks) == (960, 35, 8)
    assert found.onset == NOW - 17 * DAY


def test_a_promise_is_held_to_for_four_weeks_after_it_was_measured(served: Served, served_database: Database):
    numbers = history(served, "r......")
    retrained(served, numbers[0], promoted=True, at=NOW - 40 * DAY)
    served.one(
        "update analytics.retraining_recommendations set expected_benefit = %s, realised_benefit = %s, cost = 35,"
        " horizon_weeks = 8, realised_at = %s where recommendation_id = %s",
        benefit(120),
        benefit(90),
        NOW - DAY,
        numbers[0],
    )
    (kept,) = review(served_database).kept
    assert (kept.promised, kept.promised_low, kept.realised, kept.realised_high) == (120, 115, 90, 95)
    assert review(served_database, NOW - 2 * DAY).kept == ()
    assert review(served_database, NOW + 28 * DAY).kept == ()


# Figures


@pytest.mark.parametrize("off", [0.1, -0.1], ids=["too many", "too few"])
def test_errors_cost_what_the_policy_says_of_too_few_and_too_many(
    served: Served, served_database: Database, off: float
):
    version, series = served.model(), served.series()
    served.forecasts(version, series, off=off)
    found = model(served_database).impact
    assert found is not None
    units = 0.1 * 3 * sum(90 if (NOW - day * DAY).timetuple().tm_yday % 2 == 0 else 110 for day in range(1, 8))
    unit = POLICY.costs.default
    want = (0, unit.over * units) if off > 0 else (unit.under * units, 0)
    assert (found.week_under, found.week_over) == pytest.approx(want)
    assert found.usual == pytest.approx(sum(want), rel=0.02)  # odd and even days alternate
    assert (found.currency, found.weeks) == ("EUR", 4)


def test_what_a_challenger_forecasts_is_compared_and_counts_for_nothing_else(served: Served, served_database: Database):
    champion, series = served.model(), served.series()
    served.forecasts(champion, series, off=0.10)
    alone = model(served_database)
    challenger = served.model(alias="challenger", kind="lean")
    served.forecasts(challenger, series, off=0.05)
    both = model(served_database)
    assert (both.impact, both.last_7_days, both.waiting) == (alone.impact, alone.last_7_days, alone.waiting)
    assert both.detail is not None
    assert alone.detail is not None
    assert both.detail.totals == alone.detail.totals
    assert both.detail.largest == alone.detail.largest
    assert both.detail.weeks == alone.detail.weeks
    assert alone.challenger is None
    assert both.challenger is not None
    assert (both.challenger.version, both.challenger.kind, both.challenger.forecasts) == (2, "lean", 28 * 3)
    assert (both.challenger.wape, both.challenger.wape_champion) == pytest.approx((0.05, 0.10))


def test_what_a_challenger_would_have_saved_is_against_the_champion_of_now(served: Served, served_database: Database):
    champion = served.healthy()
    challenger = served.model(alias="challenger")
    served.one(
        "insert into analytics.model_checks (version_id, as_of, alias, state, compared_with, comparison)"
        " values (%s, %s, 'challenger', 'judged', %s, %s)",
        challenger,
        NOW,
        champion,
        benefit(40),
    )
    found = model(served_database).challenger
    assert found is not None
    assert found.saves is not None
    assert (found.saves.money, found.saves.money_low, found.saves.money_high) == (40, 35, 45)
    other = served.model("other", alias="champion")
    served.one("update analytics.model_checks set compared_with = %s where version_id = %s", other, challenger)
    (again,) = (one.challenger for one in review(served_database).models if one.name == "demand")
    assert again is not None
    assert again.saves is None


def test_the_loss_is_held_against_the_same_calendar_where_that_was_measured(served: Served, served_database: Database):
    version = served.healthy()
    assert model(served_database).times == pytest.approx(1.0)  # 10 % off, as the whole backtest
    measured = {"loss_ratio": 1.9, "loss_ratio_low": 1.6, "loss_ratio_high": 2.3, "expected_wape": 0.12}
    served.one(
        "insert into analytics.model_checks (version_id, as_of, alias, state, measured)"
        " values (%s, %s, 'champion', 'judged', %s)",
        version,
        NOW,
        json.dumps(measured),
    )
    found = model(served_database)
    assert (found.times, found.expected.ratio_low, found.expected.ratio_high) == (1.9, 1.6, 2.3)
    assert (found.expected.estimate, found.expected.wape) == (0.12, 0.1)
    assert model(served_database, NOW - DAY).expected.ratio is None  # it was not known yet


def test_a_slice_that_drifted_is_named(served: Served, served_database: Database):
    version = served.healthy()
    served.one(
        "insert into analytics.model_performance_tracking (version_id, as_of, window_start, window_end, kind, subject,"
        " slice, statistic, threshold, drifted, detail) values (%s, %s, %s, %s, 'concept', '', 'route_type=urban', 5,"
        " 4, true, 'predictions are too low')",
        version,
        NOW,
        NOW - WEEK,
        NOW,
    )
    found = model(served_database)
    assert [(one.kind, one.slice) for one in found.drifted] == [("concept", "route_type=urban")]
    assert found.advice.features == ("route_type=urban",)


def test_a_champion_that_has_forecast_nothing_has_a_page_that_says_so(
    served: Served, served_database: Database, tmp_path: Path
):
    served.model()
    found = review(served_database)
    write_review(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert found.models[0].advice.why == "No check has seen it, though it is champion since 2024-03-01."
    assert found.impact is None
    assert "No outcome of the last weeks is known." in page
    assert "demand needs you" in page


def test_when_nothing_needs_anybody_the_page_says_so(served: Served, served_database: Database, tmp_path: Path):
    served.healthy("glass")
    served.healthy("paper")
    write_review(review(served_database), tmp_path / "page.html")
    assert "<h1>Nothing needs you this week</h1>" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("change", "headline"),
    [
        ({}, "Nothing needs you this week"),
        ({"stands_in_for": 1}, "Nothing to decide while the seasonal naive stands in for glass"),
        (
            {"last_28_days": Accuracy(wape=0.1, wape_naive=0.15, wape_beside_naive=0.2)},
            "Nothing to decide, but the seasonal naive was better than glass: a WAPE of 15.0 % against 20.0 %",
        ),
        (
            {"last_28_days": Accuracy(wape=0.2, wape_naive=0.15, wape_beside_naive=0.1)},
            "Nothing needs you this week",
        ),
        (
            {"drifted": (SimpleNamespace(kind="performance", subject="naive"),)},
            "Nothing to decide, but the seasonal naive was better than glass",
        ),
    ],
)
def test_that_nothing_needs_you_is_never_said_beside_a_naive_that_is_better(
    served: Served, served_database: Database, change: dict[str, Any], headline: str
):
    served.healthy("glass")
    served.healthy("paper")
    found = review(served_database)
    glass, paper = found.models
    assert replace(found, models=(replace(glass, **change), paper)).headline == headline


def test_health_comes_with_its_parts(served: Served, served_database: Database):
    served.healthy()
    found = model(served_database).health
    assert found is not None
    assert found.status == "good"
    assert {part.part for part in found.parts} >= {"accuracy", "coverage", "labels"}


def test_alerts_are_those_that_were_open_then(served: Served, served_database: Database):
    version = served.healthy()
    for kind, opened, resolved in (("one", 3, None), ("two", 3, 1), ("three", -1, None)):
        served.one(
            "insert into analytics.alerts (kind, subject, severity, version_id, message, todo, owner, opened_at,"
            " seen_at, resolved_at) values (%s, 'models:/demand@champion', 'warning', %s, 'm', 't', 'ops', %s, now(),"
            " %s)",
            kind,
            version,
            NOW - opened * DAY,
            resolved and NOW - resolved * DAY,
        )
    assert [(one.kind, one.model, one.owner) for one in review(served_database).alerts] == [("one", "demand", "ops")]
    then = review(served_database, NOW - 2 * DAY).alerts
    assert [one.kind for one in then if one.kind != "monitor_overdue"] == ["one", "two"]


# One model, and what lies beside the page


def test_a_review_of_one_model_is_about_it_alone(served: Served, served_database: Database):
    served.healthy("glass")
    version = served.healthy("paper")
    decide(served, served.check(version, "watch", at=NOW - DAY, drifted=1), "dismiss", at=NOW - DAY / 2)
    found = review(served_database, model="glass")
    assert [one.name for one in found.models] == ["glass"]
    assert (found.decisions, found.budget.alarms, found.budget.allowed) == ((), (), 1.0)
    with pytest.raises(UnknownName, match=r"'gloss'.*glass"):
        review(served_database, model="gloss")


def test_evidently_s_page_is_linked_where_it_lies_beside_the_review(
    served: Served, served_database: Database, tmp_path: Path
):
    served.healthy("glass & paper")
    found = review(served_database)
    write_review(found, tmp_path / "page.html")
    assert "Evidently" not in (tmp_path / "page.html").read_text()
    (tmp_path / "drift-glass & paper-2024-06-03.html").write_text("")
    write_review(found, tmp_path / "page.html")
    assert 'href="drift-glass%20%26%20paper-2024-06-03.html"' in (tmp_path / "page.html").read_text()


def test_the_json_has_the_schema_that_is_documented(served: Served, served_database: Database, tmp_path: Path):
    served.healthy()
    write_review(review(served_database), tmp_path / "page.html")
    document = json.loads((tmp_path / "page.json").read_text())
    described = (Path(__file__).parents[2] / "docs" / "how-to" / "weekly-review.md").read_text()
    assert document["schema"] == "mlops.review/3"
    for path in [*paths(document), *paths(document["models"][0], "models[].")]:
        assert f"`{path}`" in described, f"docs/how-to/weekly-review.md does not say what {path} is"


def paths(document: dict[str, Any], prefix: str = "") -> list[str]:
    return [f"{prefix}{name}" for name in document]


def test_verdicts_of_a_week_are_told_in_the_order_of_its_checks(served: Served, served_database: Database):
    """Whatever the order in which their rows lie; of two versions checked at once the newer one is the week's."""
    older, newer = served.model(alias="challenger"), served.model()
    told = {(newer, NOW): "third", (older, NOW): "second", (older, NOW - DAY): "first"}
    for (version, at), verdict in told.items():
        served.one(
            "update analytics.retraining_recommendations set status = 'done', decided_at = as_of, verdict = %s"
            " where recommendation_id = %s",
            verdict,
            served.check(version, "retrain", at=at),
        )
    with served_database.transaction() as transaction:
        ids = [served.one("select model_id from analytics.registered_models")]
        (week,) = transaction.rows("review_checks", model_ids=ids, replayed=[], as_of=NOW)
    assert (week["verdict"], week["version"]) == ("first; second; third", 2)
