"""Health is never better than what is known: no part that gets worse, and none that goes missing, raises a score."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples
from tests.postgres.served import DAY, NOW, Served

from mlops.config import Settings
from mlops.db import Database
from mlops.errors import BadInput
from mlops.monitoring.detect.performance_drift import against_naive
from mlops.monitoring.health import Health, health
from mlops.policy import HEALTH_PARTS, Weight, read_policy
from mlops.project import policy_file

POLICY = policy_file()
NO_LABELS = (
    "model_prediction_results set outcome = null, outcome_recorded_at = null, matched_at = null"
    " where series_id = (select min(series_id) from analytics.series)"
)
LAWS = settings(max_examples=examples(60), deadline=None)
value = st.none() | st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
parts = st.lists(st.tuples(value, st.sampled_from([0.0, 1.0, 2.5]), st.booleans()), min_size=1, max_size=6)


@pytest.fixture
def database(served_database: Database) -> Database:
    return served_database


@pytest.fixture(scope="module")
def connection(served_database: Database) -> Iterator[psycopg.Connection]:
    """For the rule, which reads no table."""
    with psycopg.connect(served_database.url, autocommit=True) as connection:
        yield connection


def look(database: Database, name: str = "demand", alias: str = "champion", **changed: Weight) -> Health:
    found = health(database, read_policy(POLICY).health | changed, NOW)
    return next(one for one in found if (one.name, one.alias) == (name, alias))


def values(one: Health) -> dict[str, float | None]:
    return {part.part: part.value for part in one.parts}


# The rule


def score(connection: psycopg.Connection, parts: list[tuple[float | None, float, bool]]) -> float | None:
    columns = [list(column) for column in zip(*parts, strict=True)]
    return connection.execute(
        "select analytics.health_score(%s::float8[], %s::float8[], %s::boolean[])", columns
    ).fetchone()[0]


@LAWS
@given(parts=parts, data=st.data())
def test_a_part_that_gets_worse_or_goes_missing_never_raises_the_score(connection, parts, data):
    place = data.draw(st.integers(0, len(parts) - 1))
    before, weight, decisive = parts[place]
    worse = (
        data.draw(st.none() | st.integers(0, int(before * 1000)).map(lambda part: part / 1000))
        if before is not None
        else None
    )
    found, after = (
        score(connection, parts),
        score(connection, [*parts[:place], (worse, weight, decisive), *parts[place + 1 :]]),
    )
    assert after is None or (found is not None and after <= found + 1e-9)


@LAWS
@given(parts=parts)
def test_a_score_is_from_0_to_100_and_unknown_exactly_when_something_decisive_is(connection, parts):
    found = score(connection, parts)
    weighing = [(value, decisive) for value, weight, decisive in parts if weight > 0]
    unknown = not weighing or any(value is None and decisive for value, decisive in weighing)
    assert (found is None) == unknown
    assert found is None or 0 <= found <= 100


@LAWS
@given(
    figure=st.none() | st.floats(-1e6, 1e6) | st.just(float("nan")),
    good=st.floats(-100, 100),
    gap=st.floats(0.01, 50),
    sign=st.sampled_from([-1, 1]),
)
def test_a_part_is_worth_1_at_its_good_figure_0_at_its_bad_one_and_nothing_known_when_not_a_number(
    connection, figure, good, gap, sign
):
    bad = good + sign * gap
    row = connection.execute(
        "select " + ", ".join(["analytics.health_value(%s::float8, %s, %s)"] * 3),
        [figure, good, bad, good, good, bad, bad, good, bad],
    ).fetchone()
    assert row[1:] == (1, 0)
    assert (row[0] is None) == (figure is None or figure != figure)
    assert row[0] is None or 0 <= row[0] <= 1


def test_the_weights_of_the_policy_are_those_that_a_new_database_has(new_database, migrated: str):
    with new_database("new", template=migrated) as (_, url), psycopg.connect(url) as fresh:
        rows = fresh.execute("select part, weight, good, bad from analytics.health_policy order by position").fetchall()
    assert tuple(row[0] for row in rows) == HEALTH_PARTS
    assert {part: Weight(*numbers) for part, *numbers in rows} == read_policy(POLICY).health


# The parts


def test_a_model_that_keeps_its_promises_has_100(served: Served, database: Database):
    served.healthy()
    found = look(database)
    assert values(found) == dict.fromkeys(HEALTH_PARTS, 1.0)
    assert (found.score, found.status, found.weakest) == (100, "good", None)
    assert found.wape == pytest.approx(0.10)
    assert found.coverage_80 == pytest.approx(0.8, abs=0.05)
    assert (found.forecasts, found.labelled) == (84, 84), "28 days of 3 series, and nothing that is still to come"


def test_without_outcomes_health_is_unknown_however_good_the_rest_is(served: Served, database: Database):
    version = served.model()
    served.forecasts(version, served.series(), labelled_until=NOW - 60 * DAY)
    served.check(version)
    found = look(database)
    assert (found.score, found.status) == (None, "unknown")
    assert (values(found)["accuracy"], values(found)["coverage"]) == (None, None)
    assert values(found)["labels"] == 0
    assert (found.weakest, found.weakest_words) == (
        "accuracy",
        "0 of 84 forecasts have an outcome, which is too few to judge",
    )


def test_a_few_outcomes_of_long_ago_are_no_proof(served: Served, database: Database):
    version = served.model()
    served.forecasts(version, served.series(), labelled_until=NOW - 20 * DAY)
    served.check(version)
    found = look(database)
    assert (found.labelled, found.score, found.status) == (24, None, "unknown")


def test_what_was_recorded_later_is_not_known_yet(served: Served, database: Database):
    served.healthy()
    served.one("update analytics.model_prediction_results set outcome_recorded_at = '2024-07-01+00' where outcome > 0")
    assert look(database).labelled == 0


def test_an_error_twice_the_promise_is_bad_although_all_else_is_well(served: Served, database: Database):
    version = served.model()
    served.forecasts(version, served.series(), off=0.2, width=0.3)
    served.check(version)
    found = look(database)
    assert values(found)["accuracy"] == pytest.approx(0, abs=1e-9)
    assert (found.score, found.status, found.weakest) == (40, "bad", "accuracy")
    assert found.weakest_words == "the WAPE of the freshest forecasts is 2.00 times the backtest's"


@pytest.mark.parametrize(
    ("part", "worse", "words"),
    [
        ("coverage", "model_prediction_results set lo_95 = y_hat, lo_80 = y_hat, hi_80 = y_hat", "0 %"),
        ("naive", "model_performance_tracking set statistic = 2 where subject = 'naive'", "0.50 times"),
        ("drift", "model_performance_tracking set drifted = true where kind = 'concept'", "3 findings"),
        ("data", "model_performance_tracking set drifted = true where kind = 'data'", "3 columns or"),
        ("labels", NO_LABELS, "outcome"),
        ("issued", "model_prediction_results set issued_at = target_at + interval '30 hours'", "in time"),
        ("lineage", "model_versions set run_state = 'gone'", "its run is gone"),
        ("age", "model_versions set as_of = '2023-07-01+00'", "338 days ago"),
    ],
)  # fmt: skip
def test_each_part_falls_with_what_it_watches_and_takes_the_score_with_it(
    served: Served, database: Database, part: str, worse: str, words: str
):
    served.healthy()
    served.one("set session_replication_role = replica")  # as if it had been recorded so
    served.one(f"update analytics.{worse}")
    found = look(database)
    fallen = {name for name, value in values(found).items() if value is None or value < 1}
    assert fallen == {part}
    assert found.score is not None
    assert found.score < 100
    assert found.weakest == part
    assert words in (found.weakest_words or "")


def test_the_comparison_with_the_naive_is_found_by_the_names_that_the_check_gives_it():
    finding = against_naive(pd.DataFrame({"ds": [], "outcome": [], "y_hat": [], "naive": []}), 1.0)
    assert (finding.kind, finding.subject) == ("performance", "naive")


def test_lineage_that_was_not_read_yet_is_unknown(served: Served, database: Database):
    served.healthy(lineage_state="incomplete", lineage_problem="not read", lineage_read_at=None)
    assert (values(look(database))["lineage"], look(database).score) == (None, 93)


def test_a_check_of_long_ago_is_no_proof(served: Served, database: Database):
    version = served.model()
    served.forecasts(version, served.series())
    served.check(version, at=NOW - 15 * DAY)
    found = look(database)
    assert (values(found)["drift"], values(found)["data"], values(found)["naive"]) == (None, None, None)
    assert found.score == 62, "three parts of weight 2 in 16 count nothing"


def test_a_champion_that_forecasts_nothing_is_unknown_and_its_part_issued_is_worth_nothing(
    served: Served, database: Database
):
    served.model()
    found = look(database)
    assert (found.score, values(found)["issued"], found.forecast_until) == (None, 0, None)


def test_a_challenger_is_judged_when_it_forecasts_by_the_same_parts_as_a_champion(served: Served, database: Database):
    served.healthy()
    challenger = served.model("demand", "challenger")
    assert [one.alias for one in health(database, {}, NOW)] == ["champion"]
    served.forecasts(challenger, served.series())
    unchecked = look(database, alias="challenger")
    assert (unchecked.score, unchecked.weakest) == (62, "naive"), "what is not known never helps"
    served.check(challenger)
    found = look(database, alias="challenger")
    assert (found.score, [part.part for part in found.parts if part.weight == 0]) == (100, [])


def test_a_drift_of_the_whole_and_of_its_slices_counts_once_and_slices_say_nothing_of_the_naive(
    served: Served, database: Database
):
    version = served.healthy()
    served.one(
        "insert into analytics.model_performance_tracking (version_id, as_of, window_start, window_end, kind, subject,"
        " slice, statistic, threshold, drifted) select %s, %s, %s, %s, 'performance', subject, slice, 9, 1, true"
        " from (values ('', ''), ('', 'type=urban'), ('', 'type=rural'), ('naive', 'type=rural')) v (subject, slice)",
        version, NOW, NOW - 7 * DAY, NOW,
    )  # fmt: skip
    found = {part.part: part.figure for part in look(database).parts}
    assert found["drift"] == 1
    assert found["naive"] == pytest.approx(-1.2)


def test_a_check_that_judged_nothing_but_data_does_not_say_that_nothing_drifted(served: Served, database: Database):
    served.healthy()
    served.one("update analytics.model_performance_tracking set statistic = null where kind <> 'data'")
    assert (values(look(database))["drift"], values(look(database))["data"]) == (None, 1)


def test_a_version_with_odd_metrics_stops_no_other(served: Served, database: Database):
    served.healthy()
    served.model(
        "odd", metrics=json.dumps({"wape": "NaN"}), lineage=None, lineage_state="incomplete", lineage_problem="no"
    )
    assert [(one.name, one.score) for one in health(database, {}, NOW)] == [("odd", None), ("demand", 100)]


def test_weekly_series_are_judged_on_eight_weeks(served: Served, database: Database):
    lineage = json.dumps({"selection": {"granularity": "weekly"}})
    version = served.model(lineage=lineage)
    served.forecasts(version, served.series(), days=90)
    served.check(version)
    found = look(database)
    assert found.forecasts == 3 * 50, "56 days, and the week that is not over does not count"


def test_the_view_says_to_everybody_what_the_function_says_now(served: Served, database: Database):
    served.healthy()
    weights = read_policy(POLICY).health
    health(database, weights | {"age": replace(weights["age"], bad=1000.0)}, NOW)
    assert served.one("select bad from analytics.health_policy where part = 'age'") == 1000
    assert served.one(
        "select to_jsonb(h) - 'as_of' = (select to_jsonb(f) - 'as_of' from analytics.health_of_models(now()) f)"
        " from analytics.model_health h"
    )
    assert served.one("select array_agg(part) from analytics.model_health_parts") == list(HEALTH_PARTS)
    before = served.one("select array_agg(xmin::text) from analytics.health_policy")
    health(database, weights | {"age": replace(weights["age"], bad=1000.0)}, NOW)
    assert served.one("select array_agg(xmin::text) from analytics.health_policy") == before, "nothing new is no write"
    health(database, weights, NOW)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("acuracy = { weight = 1, good = 1, bad = 2 }", BadInput, "did you mean 'accuracy'"),
        ("accuracy = 4", BadInput, r"\[health\] accuracy: 4 is not the weight of a part; expected \{ weight"),
        ("accuracy = { weight = -1, good = 1, bad = 2 }", BadInput, "0 or more"),
        ("accuracy = { weight = 1, good = 1, bad = 1 }", BadInput, "good differs from bad"),
        ("accuracy = { weight = 1, good = true, bad = 1 }", BadInput, "not a number"),
        ("accuracy = { weight = inf, good = 2, bad = 1 }", BadInput, "not a number"),
        ("accuracy = {", BadInput, "can't be read"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(tmp_path: Path, text: str, error: type[Exception], says: str):
    (tmp_path / "policy.toml").write_text(f"[health]\n{text}\n")
    with pytest.raises(error, match=says):
        read_policy(tmp_path / "policy.toml")


def test_the_command_prints_a_table_and_the_weakest_part_in_words(home: Settings, mlops):
    code, _, err = mlops("monitor", "health")
    assert code == 1
    assert "no model is served" in err
    with psycopg.connect(home.database_url, autocommit=True) as connection:
        served = Served(connection)
        served.healthy("paper", run_state="gone")
        served.model("glass")
    code, out, _ = mlops("monitor", "health", "--as-of", "2024-06-03")
    assert code == 0
    assert "glass 1@champion: accuracy: 0 of 0 forecasts have an outcome, which is too few to judge" in out
    assert "paper 1@champion: lineage: its run is gone" in out
    found = json.loads(mlops("monitor", "health", "--as-of", "2024-06-03", "--json")[1])
    assert [(one["name"], one["score"], one["status"]) for one in found] == [
        ("glass", None, "unknown"),
        ("paper", 96, "good"),
    ]
