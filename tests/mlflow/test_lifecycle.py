"""One number followed through training, registry, mirror, serving, outcomes, monitoring and retraining."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.checks import as_champion
from tests.retention import newest_is_today

from mlops.config import Settings
from mlops.db import Database
from mlops.domain.findings import Finding, Findings, Recommendation
from mlops.errors import BadHorizon, ModelNotFound, NothingToDo, Refused
from mlops.monitoring.decide.realise import realise
from mlops.monitoring.weekly import job
from mlops.monitoring.weekly.record import WeeklyCheck, record
from mlops.policy import RetrainPolicy, read_policy
from mlops.project import policy_file
from mlops.series.ingest import ingest
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store
from mlops.training import Trained, TrainingSpec, train
from mlops.training.retrain import retrain
from mlops.training.spec import params_file

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
TRACE = "src/mlops/db/queries/trace_prediction.sql"


def test_a_number_is_followed_from_its_observation_to_the_retraining_it_caused(
    routes: Database, store: Store, champion: Trained
):
    issued = predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR)
    assert issued.stored == 4 * 28
    histories: job.Histories = {}
    for week in range(1, 9):
        monday = NEW_YEAR + timedelta(weeks=week)
        match(routes, monday)
        checked = job.run_checks(routes, store, _policy(), monday, histories=histories)[0]
        if checked.recommendation.action == "retrain":
            break
        predict(routes, store, "models:/demand@champion", as_of=monday)
    assert checked.recommendation.action == "retrain", "a fall of 40 % calls for retraining"
    assert monday > datetime(2020, 2, 1, tzinfo=UTC), "and not before it happens"
    advice = checked.recommendation
    assert advice.benefit.clear
    assert advice.benefit.money * advice.horizon_weeks > advice.cost
    assert advice.onset == datetime(2020, 2, 1, tzinfo=UTC)

    done = retrain(routes, store, checked.recommendation_id, RetrainPolicy(), as_of=monday)
    assert done.promoted, "what was proven is what is compared"
    assert done.wape_challenger == pytest.approx(advice.evidence[f"proof.{advice.challenger}.wape"], abs=1e-6)
    assert done.wape_champion == pytest.approx(advice.evidence[f"proof.{advice.challenger}.wape_champion"], abs=1e-6)
    assert resolve(store, "models:/demand@champion").version == done.version.version == 2
    run = store.client.get_run(done.version.run_id)
    assert run.info.run_name.endswith(f"for recommendation {checked.recommendation_id}")
    assert run.data.tags["mlops.trigger"] == "recommendation"
    again = retrain(routes, store, checked.recommendation_id, RetrainPolicy(), as_of=monday)
    assert (again.version.uri, again.verdict) == (done.version.uri, done.verdict), "acting twice is acting once"
    _what_it_saved_is_told_four_weeks_later(routes, store, monday, checked.recommendation_id)

    assert f"-f {TRACE}" in (ROOT / "docs" / "lineage.md").read_text(), "as the page says"
    with psycopg.connect(routes.url, row_factory=dict_row) as connection:
        row = connection.execute((ROOT / TRACE).read_text().replace(":prediction_id", "1")).fetchone()
    assert row["model"] == "demand"
    assert row["version"] == 1
    assert row["run_id"] == champion.version.run_id
    assert ("same_season_1", 1) in {(one["feature"], one["version"]) for one in row["features"]}
    assert str(row["trained_to"])[:10] == "2019-12-31"
    assert row["recommendation"] == "retrain"
    assert row["retrained_version"] == 2
    assert row["drift_findings"]


def _what_it_saved_is_told_four_weeks_later(routes: Database, store: Store, monday: datetime, number: int) -> None:
    for week in range(4):
        predict(routes, store, "models:/demand@champion", as_of=monday + timedelta(weeks=week))
        match(routes, monday + timedelta(weeks=week + 1))
        assert week == 3 or realise(routes, store, _policy(), monday + timedelta(weeks=week + 1)) == []
    later = monday + timedelta(weeks=4)
    (realised,) = realise(routes, store, _policy(), later)
    assert realised.recommendation_id == number
    assert realised.benefit.clear, "the old version would still be recovering from the fall"
    assert realised.benefit.days == 28
    with routes.transaction() as transaction:
        row = transaction.one("recommendation", recommendation_id=number)
    assert row["realised_benefit"] == realised.benefit.to_json()
    assert row["realised_at"] == later
    assert realise(routes, store, _policy(), later + timedelta(weeks=1)) == [], "it is told once"


def test_trace_prints_the_chain_from_a_prediction_to_its_raw_months(
    routes: Database, store: Store, champion: Trained, mlops, tmp_path: Path
):
    issued = predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=1)
    correction = tmp_path / "correction.csv"
    correction.write_text("metric_type,observed_at,value,route_id\ncollection_weight,2019-05-02T00:00:00Z,1,R1\n")
    ingest(routes, correction)
    with psycopg.connect(routes.url) as connection:
        (number,) = connection.execute(
            "select prediction_id from analytics.model_prediction_results"
            " join analytics.series using (series_id) where route_id = 'R1'"
        ).fetchone()
    code, out, err = mlops("registry", "trace", number, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["model"], found["version"], found["run_id"]) == ("demand", 1, champion.version.run_id)
    assert found["promotion"]["decided_by"] == "tester"
    assert found["request_id"] == issued.request_id
    assert {one["feature"] for one in found["features"]} >= {"same_season_1", "mean_1_cycle"}
    months = {month["month"][:7]: month for month in found["months"]}
    assert list(months) == [f"2019-{number:02}" for number in range(1, 13)]
    assert months["2019-02"] | {"partition": ""} == {
        "month": "2019-02-01",
        "partition": "",
        "known": 28,
        "corrected": 0,
        "later": 0,
        "archive": None,
    }
    assert (months["2019-05"]["known"], months["2019-05"]["corrected"]) == (31, 1)
    assert sum(month["known"] for month in found["months"]) == 365
    with psycopg.connect(routes.url) as connection:
        keep = "update analytics.partition_policy set keep_months = null where parent = %s::regclass"
        connection.execute(keep, ["analytics.model_prediction_results"])
    newest_is_today(routes.url)
    assert mlops("db", "maintain", "--yes")[0] == 0
    counts = ("known", "corrected", "later")
    archived = json.loads(mlops("registry", "trace", number, "--json")[1])["months"]
    assert [[one[name] for name in counts] for one in archived] == [
        [one[name] for name in counts] for one in found["months"]
    ]
    assert all(one["archive"].endswith(".parquet") for one in archived)
    text = mlops("registry", "trace", number)[1]
    assert "promoted by tester: the first" in text
    assert "2019-05" in text
    code, _, err = mlops("registry", "trace", 10**9)
    assert code == 1
    assert "there is no prediction 1000000000; the newest is" in err


def test_a_forecast_is_stored_once_however_often_it_is_issued(routes: Database, store: Store, champion: Trained):
    first = predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=7)
    again = predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=7)
    assert (first.stored, again.stored) == (28, 0)


def test_an_outcome_arrives_late_and_is_still_matched(routes: Database, store: Store, champion: Trained):
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR)
    assert match(routes, NEW_YEAR).matched == 0
    assert match(routes, NEW_YEAR + timedelta(days=3)).matched == 4 * 3
    assert match(routes, NEW_YEAR + timedelta(days=3)).matched == 0
    late = match(routes, NEW_YEAR + timedelta(days=60))
    assert late.matched == 4 * 25
    assert late.waiting == 0


def test_a_model_that_knows_more_than_the_time_asked_for_is_refused(routes: Database, store: Store, champion: Trained):
    with pytest.raises(Refused, match="would leak the future"):
        predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR - timedelta(days=1))


def test_a_forecast_long_after_the_data_says_why_and_what_to_do(routes: Database, store: Store, champion: Trained):
    with pytest.raises(NothingToDo, match=r"series \d+ is stale: .*more are refused.*ask for an earlier time"):
        predict(routes, store, "models:/demand@champion", as_of=datetime(2031, 1, 1, tzinfo=UTC))


def test_training_sees_only_what_was_recorded_by_its_time(routes: Database, store: Store, champion: Trained):
    with routes.transaction() as transaction:
        row = transaction.one("lineage_of_version", name="demand", version=1)
    assert row["trained_to"] == datetime(2019, 12, 31, tzinfo=UTC)
    assert row["lineage"]["rows"] == 4 * 365
    assert row["lineage_state"] == "complete"


def test_the_same_request_trains_once(routes: Database, store: Store):
    changes = {"trees": "5", "weeks": "1"}
    spec = TrainingSpec.from_toml(params_file("lightgbm"), changes, as_of=NEW_YEAR, request="once")
    first, second = train(spec, routes, store), train(spec, routes, store)
    assert second.repeated
    assert first.version == second.version


@pytest.mark.parametrize("horizon", [0, 29, True], ids=repr)
def test_a_horizon_out_of_range_is_refused(routes: Database, store: Store, champion: Trained, horizon: int):
    with pytest.raises(BadHorizon, match="1 to 28"):
        predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=horizon)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("models:/demand@nobody", r"demand has @champion \(version 1\)"),
        ("models:/demand/9", "leads nowhere"),
        ("models:/waste@champion", "registered models: demand"),
    ],
)
def test_a_uri_that_leads_nowhere_says_what_there_is(store: Store, champion: Trained, uri: str, words: str):
    with pytest.raises(ModelNotFound, match=words):
        resolve(store, uri)


def test_data_faults_are_not_retrained_away(routes: Database, store: Store, champion: Trained):
    with routes.transaction() as transaction:
        version = transaction.one("live_version", name="demand", version=1)["version_id"]
        found = Recommendation("investigate_data", ("route R1 is silent",))
    findings = Findings((Finding("data", "R1", 9.0, 4.0, True, "route R1 is silent"),))
    row = as_champion(version)
    number, _ = record(routes, _policy(), WeeklyCheck(row, NEW_YEAR, findings, found, {}))
    with pytest.raises(Refused, match="route R1 is silent"):
        retrain(routes, store, number, RetrainPolicy(), force=True)
    with pytest.raises(NothingToDo, match=f"open ones: {number}"):
        retrain(routes, store, number + 1, RetrainPolicy())


def test_after_a_break_of_all_series_a_person_may_retrain(routes: Database, store: Store, champion: Trained):
    with routes.transaction() as transaction:
        version = transaction.one("live_version", name="demand", version=1)["version_id"]
    found = Recommendation("investigate_data", ("all series fell",), cause=("performance.upheaval",))
    findings = Findings((Finding("performance", "upheaval", 2.0, 1.0, True, "all series fell"),))
    row = as_champion(version)
    number, _ = record(routes, _policy(), WeeklyCheck(row, NEW_YEAR, findings, found, {}))
    with pytest.raises(Refused, match=r"all series fell.*--force"):
        retrain(routes, store, number, RetrainPolicy())
    with pytest.raises(Refused, match="was itself trained on days after"):  # it goes on, and finds nothing newer
        retrain(routes, store, number, RetrainPolicy(), as_of=NEW_YEAR, force=True)


def test_a_new_process_loads_the_champion_with_nothing_but_the_tracking_uri(
    home: Settings, store: Store, champion: Trained
):
    script = """
import json, mlflow, pandas as pd
model = mlflow.pyfunc.load_model("models:/demand@champion")
example = model.input_example
forecast = model.predict(pd.DataFrame(example), params={"horizon": 7})
refused = []
for horizon in (0, 29, -3, 7.5, "x"):
    try:
        model.predict(pd.DataFrame(example), params={"horizon": horizon})
    except Exception as error:
        refused.append(type(error).__name__)
print(json.dumps({"rows": len(forecast), "columns": list(forecast.columns), "refused": refused}))
"""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"MLFLOW_TRACKING_URI": store.uri, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rows"] == 2 * 7
    assert {"y_hat", "lo_80", "hi_80", "lo_95", "hi_95"} < set(found["columns"])
    assert len(found["refused"]) == 5


def _policy():
    return read_policy(policy_file())
