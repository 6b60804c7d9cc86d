"""The terminal, the page, the JSON and SQL say the same of one model: its alerts, and how good its forecasts were."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlops.config import Settings
from mlops.db import Database
from mlops.monitoring.decide.costs import SET_COSTS
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.store import Store
from mlops.training import Trained

NEW_YEAR, WEEK = datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=7)
AFTER_THE_FALL = NEW_YEAR + 8 * WEEK
Mlops = Callable[..., tuple[int, str, str]]


@pytest.fixture
def served(routes: Database, store: Store, champion: Trained) -> None:
    """Eight weeks of forecasts for four weeks each, so that most days have several; outcomes fell in the last three."""
    for week in range(8):
        predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR + week * WEEK, decompose=False)
    match(routes, AFTER_THE_FALL)


def ask(mlops: Mlops, *arguments: object) -> Any:
    code, out, err = mlops(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_the_list_of_alerts_the_check_and_the_review_agree_in_whichever_order_they_are_asked(
    served: None, routes: Database, mlops: Mlops
):
    def alerts(time: datetime) -> set[tuple[str, str]]:
        rows = ask(mlops, "alerts", "list", "--as-of", time.isoformat())
        return {(row["kind"], row["message"]) for row in rows}

    def run(time: datetime) -> set[tuple[str, str]]:
        ask(mlops, "monitor", "run", "--as-of", time.isoformat())
        with psycopg.connect(routes.url) as connection:
            query = "select kind, message from analytics.alerts where resolved_at is null"
            return set(connection.execute(query).fetchall())

    def review(time: datetime) -> set[tuple[str, str]]:
        document = ask(mlops, "review", "--as-of", time.isoformat())
        assert [one["name"] for one in document["models"] if one["advice"]["needs_person"]] == ["demand"]
        return {(one["kind"], one["message"]) for one in document["alerts"]}

    end = AFTER_THE_FALL + 3 * WEEK  # the last forecasts of all reach to there
    for place, order in enumerate(permutations((alerts, run, review))):
        time = end + timedelta(days=5 + place)
        said = {one.__name__: one(time) for one in order}
        said |= {"alerts, again": alerts(time), "review, again": review(time)}
        before = [one.__name__ for one in order[: order.index(run)]]  # these could not know what the check found
        after = {name: found for name, found in said.items() if name not in before}
        assert len({frozenset(found) for found in after.values()}) == 1, (time, said)
        assert "forecasts_missing" in {kind for kind, _ in said["alerts, again"]}


def test_a_number_of_one_name_is_one_number_in_terminal_page_json_and_sql(
    served: None, routes: Database, mlops: Mlops, home: Settings
):
    time = AFTER_THE_FALL.isoformat()
    (checked,) = ask(mlops, "monitor", "run", "--as-of", time)
    document = ask(mlops, "review", "--as-of", time)
    (model,) = document["models"]
    (health,) = ask(mlops, "monitor", "health", "--as-of", time)
    with psycopg.connect(routes.url) as connection:
        rows = connection.execute(
            "select days, wape, coverage_80 from analytics.forecast_accuracy(array[%s]::bigint[], %s)",
            [checked["version_id"], AFTER_THE_FALL],
        )
        accuracy = {days: (wape, coverage) for days, wape, coverage in rows}
        (measured,) = connection.execute("select measured from analytics.model_checks").fetchone()
        (metrics,) = connection.execute("select metrics from analytics.model_versions").fetchone()
        (everything,) = connection.execute(
            "select sum(abs(y_hat - outcome)) / sum(abs(outcome)) from analytics.model_prediction_results"
            " where target_at >= %s and target_at < %s",
            [AFTER_THE_FALL - WEEK, AFTER_THE_FALL],
        ).fetchone()
    week, month = model["last_7_days"], model["last_28_days"]
    assert week["wape"] != pytest.approx(everything), "older forecasts of the same days were others"
    for name in ("wape", "coverage_80"):
        place = ("wape", "coverage_80").index(name)
        assert [measured[name], checked["values"][name], accuracy[7][place]] == pytest.approx([week[name]] * 3)
        assert [health[name], accuracy[28][place]] == pytest.approx([month[name]] * 2)
    promised = model["promised"]["wape"]
    told = [measured["promised_wape"], metrics["wape_freshest"], health["wape_promised"], model["expected"]["wape"]]
    assert told == pytest.approx([promised] * 4)
    assert model["promised_of"] == "freshest"

    ratio = model["expected"]["ratio"]
    (part,) = [one for one in health["parts"] if one["part"] == "accuracy"]
    assert [part["figure"], measured["loss_ratio"]] == pytest.approx([ratio] * 2)
    assert part["words"] == f"errors are {ratio:.2f} times the backtest's on the same weekdays and holidays"

    page = Path(document["page"]).read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page.partition("</style>")[2]))
    _, terminal, _ = mlops("review", "--as-of", time)
    assert f"freshest forecasts of 7 days: WAPE {week['wape']:.1%}" in terminal
    assert f"{week['coverage_80']:.1%} inside 80 %" in terminal
    assert f"WAPE {100 * week['wape']:.1f} % of the freshest forecasts of 7 days" in text
    assert f"Freshest forecasts of 7 days{100 * week['wape']:.1f} %" in text.replace("> ", "")
    assert {float(one) for one in re.findall(r"(\d+\.\d) ×", text)} <= {
        round(model["expected"][name], 1) for name in ("ratio", "ratio_low", "ratio_high")
    }, "one ratio stands on the page"
    assert "times what the backtest promised" not in text

    assert document["priced"] is False
    assert SET_COSTS in terminal
    for said in (text, terminal, mlops("recommendations", "list", "--all")[1]):
        assert "EUR" not in said, "prices are placeholders"
    assert not re.search(r"\bseries \d+\b|\bv?ersion_id\b", text), "numbers do not stand where names should"


def test_what_drifted_is_told_in_its_unit_with_what_to_do_and_a_picture(served: None, routes: Database, mlops: Mlops):
    time = AFTER_THE_FALL.isoformat()
    ask(mlops, "monitor", "run", "--as-of", time)
    document = ask(mlops, "review", "--as-of", time)
    (model,) = document["models"]
    error = next(one for one in model["drifted"] if one["kind"] in ("performance", "concept") and one["change"])
    told = re.fullmatch(
        r"the mean .* is (-?[\d.,]+) kg over the last \d+ days, where (-?[\d.,]+) kg is usual.*"
        r" since about (2020-0[12]-\d\d)",
        error["words"],
    )
    assert told, error["words"]
    assert "2020-01-25" < told[3] < "2020-02-12", "values fell on 1 February"
    assert all(one["todo"] for one in model["drifted"])
    assert not [one["words"] for one in model["drifted"] if "sigma" in one["words"]]
    assert not [one for one in model["advice"]["reasons"] if "sigma" in one]
    assert any("sigma" in one["detail"] for one in model["drifted"])
    page = Path(document["page"]).read_text()
    assert page.count('class="spark"') == len([one for one in model["drifted"][:6] if one["change"]])
    with psycopg.connect(routes.url) as connection:
        (change,) = connection.execute(
            "select change from analytics.model_performance_tracking where kind = %s and subject = %s and slice = ''",
            [error["kind"], error["subject"]],
        ).fetchone()
    assert change["unit"] == "kg"
    assert 8 <= len(change["weeks"]) <= 26


def test_a_watch_that_goes_on_is_told_once(served: None, mlops: Mlops, routes: Database):
    for week in (6, 7, 8):
        mlops("monitor", "run", "--as-of", (NEW_YEAR + week * WEEK).isoformat())
    with psycopg.connect(routes.url, autocommit=True) as connection:
        connection.execute("update analytics.retraining_recommendations set action = 'watch', cause = '{performance}'")
    _, out, _ = mlops("recommendations", "list", "--all")
    assert out.count("watch") == 1
    assert "2 checks before it say the same, since 2020-02-12" in out
    assert len(json.loads(mlops("recommendations", "list", "--all", "--json")[1])) == 3
