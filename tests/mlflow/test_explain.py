"""Stored components, explanations, what-ifs and effects, on a place in which one model is champion."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest
from psycopg.rows import dict_row

from mlops.config import Settings
from mlops.db import Database
from mlops.forecasting.kind import COMPONENTS
from mlops.forecasting.whatif import what_if
from mlops.panels.calendar import Calendar, Event
from mlops.serving.explain import explain, suppose
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.serving.served import served_model
from mlops.tracking.store import Store
from mlops.training import Trained

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
AT = ("--as-of", "2020-01-01")
CHAMPION = "models:/demand@champion"
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "explain.md"


def rows(database: Database, sql: str) -> list[dict]:
    with psycopg.connect(database.url, row_factory=dict_row) as connection:
        return connection.execute(sql).fetchall()


def test_every_stored_forecast_carries_components_that_sum_to_it(routes: Database, store: Store, champion: Trained):
    issued = predict(routes, store, CHAMPION, as_of=NEW_YEAR)
    stored = rows(routes, "select series_id, target_at, y_hat, decomposition from analytics.model_prediction_results")
    assert len(stored) == issued.stored == 4 * 28
    for row in stored:
        assert set(row["decomposition"]) == set(COMPONENTS)
        assert sum(row["decomposition"].values()) == pytest.approx(row["y_hat"], rel=5e-5)
    assert issued.frame["weekly"].std() > 0


def test_storing_components_changes_no_forecast(routes: Database, store: Store, champion: Trained):
    plain = predict(routes, store, CHAMPION, as_of=NEW_YEAR, decompose=False)
    assert {
        row["decomposition"] for row in rows(routes, "select decomposition from analytics.model_prediction_results")
    } == {None}
    whole = predict(routes, store, CHAMPION, as_of=NEW_YEAR)
    assert whole.stored == 0, "the first issue stands"
    for column in ("y_hat", "lo_80", "hi_80", "lo_95", "hi_95"):
        np.testing.assert_allclose(whole.frame[column], plain.frame[column], rtol=1e-9)


def test_the_example_of_the_documentation_reads_components_and_outcome(
    routes: Database, store: Store, champion: Trained
):
    predict(routes, store, CHAMPION, as_of=NEW_YEAR)
    match(routes, datetime(2020, 1, 8, tzinfo=UTC))
    example = HOW_TO.read_text().split("```sql\n")[1].split("```")[0].replace(":series_id", "1")
    found = rows(routes, example)
    assert len(found) == 28
    first = found[0]
    assert first["trend"] + first["weekly"] + first["yearly"] + first["holidays"] + first["residual"] == pytest.approx(
        first["y_hat"], rel=5e-5
    )
    assert first["outcome"] - first["y_hat"] == pytest.approx(first["missed"])
    assert found[-1]["missed"] is None


def test_a_loaded_model_gives_components_when_asked(home: Settings, store: Store, champion: Trained):
    import mlflow

    model = mlflow.pyfunc.load_model(CHAMPION).unwrap_python_model()
    names = pd.DataFrame({"series_id": [1]})
    found = model.predict(None, names, {"horizon": 7, "decompose": True})
    assert list(found.columns[-5:]) == list(COMPONENTS)
    np.testing.assert_allclose(found[list(COMPONENTS)].sum(axis=1), found["y_hat"], rtol=1e-9)
    assert list(model.predict(None, names, {"horizon": 7}).columns) == list(found.columns[:-5])


def test_contributions_sum_to_the_forecast_the_largest_first(routes: Database, store: Store, champion: Trained):
    issued = predict(routes, store, CHAMPION, as_of=NEW_YEAR)
    found = explain(routes, store, CHAMPION, as_of=NEW_YEAR)
    assert found.forecast == pytest.approx(issued.frame["y_hat"].sum())
    assert found.contributions["contribution"].sum() == pytest.approx(found.forecast)
    assert found.contributions["share"].sum() == pytest.approx(1)
    assert found.contributions["contribution"].abs().is_monotonic_decreasing
    assert set(found.contributions["component"]) <= set(COMPONENTS)
    assert found.series == ("R1", "R2", "R3", "R4")


@pytest.mark.parametrize("series", ["R2", "2"], ids=["by name", "by id"])
def test_one_series_on_one_day_is_explained(mlops, routes: Database, champion: Trained, series: str):
    code, out, _ = mlops("explain", CHAMPION, "--series", series, "--date", "2020-01-03", *AT, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["series"] == ["R2"]
    assert (found["first"], found["last"]) == ("2020-01-03T00:00:00+00:00",) * 2
    assert found["forecast"] == pytest.approx(200 * 1.4, rel=0.1), "a Friday of route R2"
    assert sum(row["contribution"] for row in found["contributions"]) == pytest.approx(found["forecast"])


def test_a_changed_calendar_without_a_known_event_is_told_to_change_nothing(
    mlops, routes: Database, champion: Trained, tmp_path: Path
):
    events = tmp_path / "events.csv"
    events.write_text("event,first,last\nstrike,2020-01-06,2020-01-07\n")
    code, out, _ = mlops("what-if", CHAMPION, "--events", events, *AT, "--json")
    assert code == 0
    found = json.loads(out)
    assert [row["name"] for row in found["totals"]] == ["R1", "R2", "R3", "R4"]
    assert {row["difference"] for row in found["totals"]} == {0.0}
    assert "never seen 'strike'" in found["notes"][0]
    code, out, _ = mlops("what-if", CHAMPION, "--events", events, *AT)
    assert code == 0
    assert "never seen 'strike'" in " ".join(out.split())
    assert rows(routes, "select from analytics.model_prediction_results") == []


def test_totals_of_a_supposition_are_the_sums_of_the_what_if(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    """The champion was trained without events; here it is told of one that fell on a day of its history."""
    found = served_model(routes, store, CHAMPION, as_of=NEW_YEAR)
    told = Calendar.of("US", [Event("strike", date(2019, 11, 26), date(2019, 11, 26))])
    monkeypatch.setattr(found.forecaster, "calendar", told)
    ahead = [Event("strike", date(2020, 1, 7), date(2020, 1, 7))]
    supposed = suppose(routes, store, CHAMPION, ahead, as_of=NEW_YEAR)
    frame = what_if(found.forecaster, 28, history=found.observed, events=ahead)
    assert list(supposed.totals["name"]) == ["R1", "R2", "R3", "R4"]
    for column in ("y_hat", "y_hat_what_if", "difference"):
        np.testing.assert_allclose(supposed.totals[column], frame.groupby("series_id")[column].sum())
    assert (supposed.totals["difference"] != 0).all()
    assert supposed.notes == ()


def test_effects_of_holidays_and_events_are_measured_on_what_is_stored(mlops, routes: Database, tmp_path: Path):
    events = tmp_path / "events.csv"
    events.write_text(
        "event,first,last\nfall,2020-02-03,2020-02-09\nquiet,2019-03-07,\nquiet,2019-05-07,\nquiet,2019-07-10,\nquiet,2019-09-10,\n"
    )
    command = ("series", "effects", "--events", events, "--country", "US", "--as-of", "2020-03-31")
    code, out, _ = mlops(*command, "--json")
    assert code == 0
    found = {row["event"]: row for row in json.loads(out)}
    assert (found["fall"]["occurrences"], found["fall"]["days"], found["fall"]["lo_95"]) == (1, 7, None)
    assert found["quiet"]["years"] == [2019]
    assert found["quiet"]["lo_95"] < 0 < found["quiet"]["hi_95"]
    assert found["Labor Day"]["lowest_series"] in ("R1", "R2", "R3", "R4")
    code, out, _ = mlops(*command)
    assert code == 0
    assert "happened once" in " ".join(out.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("explain", CHAMPION, "--series", "R9", *AT), "known: R1, R2, R3, R4"),
        (("explain", CHAMPION, "--date", "2020-06-01", *AT), "expected a day from 2020-01-01 to 2020-01-28"),
        (("explain", CHAMPION, "--date", "tomorrow", *AT), "expected one like 2020-03-23"),
        (("explain", CHAMPION, "--horizon", "99", *AT), "1 to 28"),
        (("what-if", CHAMPION, "--events", "/nowhere.csv", *AT), "/nowhere.csv"),
        (("series", "effects"), "pass --events FILE, --country CODE or both"),
        (("series", "effects", "--country", "XX"), "country 'XX'"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_explained_is_refused_with_what_would_do(mlops, champion, routes, command, words):
    code, out, err = mlops(*command)
    assert code in (1, 2), "which of them is said by test_misuse.py"
    assert words in " ".join(err.split())
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    "command", [("explain", CHAMPION, *AT), ("series", "effects", "--country", "US")], ids=" ".join
)
def test_a_command_prints_text_or_one_json_document(mlops, champion, routes: Database, command: tuple[str, ...]):
    code, out, err = mlops(*command)
    assert (code, err) == (0, "")
    assert out.strip()
    code, out, _ = mlops(*command, "--json")
    assert code == 0
    json.loads(out)
