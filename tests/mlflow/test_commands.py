"""The commands, on a place in which one model is champion: what they print, write and refuse."""

import json
import os
from pathlib import Path

import psycopg
import pytest

from mlops.cli.options import Data
from mlops.db import Database
from mlops.errors import NothingToDo
from mlops.files import write_whole
from mlops.project import POLICY
from mlops.training.spec import params_file

AT = ("--as-of", "2020-01-01")


def test_a_week_by_commands(mlops, routes: Database, champion):
    code, out, _ = mlops("predict", "models:/demand@champion", *AT, "--json")
    assert code == 0
    assert json.loads(out)["stored"] == 112
    code, out, _ = mlops("outcomes", "match", "--as-of", "2020-01-08", "--json")
    assert json.loads(out) == {"matched": 28, "waiting": 0, "overdue": 0, "totals": 0}
    code, out, _ = mlops("monitor", "run", "--as-of", "2020-01-08", "--html", "--json")
    assert code == 0
    assert "<html" in next(Path(os.environ["MLOPS_HOME"]).glob("reports/drift-demand-*.html")).read_text()
    checked = json.loads(out)
    assert "recommendation" in json.dumps(checked)
    code, out, _ = mlops("review", "--as-of", "2020-01-08", "--json")
    assert code == 0
    review = json.loads(out)
    assert Path(review["page"]).read_text().startswith("<!doctype html>") or Path(review["page"]).is_file()
    assert review["models"][0]["name"] == "demand"
    code, out, _ = mlops("health")
    assert code == 0
    assert "partitions ahead" in out


def test_last_is_the_end_of_the_newest_observation_of_what_a_command_is_about(mlops, routes: Database, champion):
    with psycopg.connect(routes.url) as connection:  # newer, and of another metric type
        connection.execute("select analytics.series_for('revenue')")
        connection.execute(
            "insert into analytics.time_series_staging (series_id, observed_at, value)"
            " select max(series_id), '2021-05-01 00:00Z', 1 from analytics.series"
        )
    code, out, _ = mlops("predict", "models:/demand@champion", "--as-of", "last", "--json")
    assert (code, json.loads(out)["cutoff"][:10]) == (0, "2020-03-31")
    code, out, _ = mlops("predict", "models:/demand@champion", "--as-of", "last-4w", "--json")
    assert (code, json.loads(out)["cutoff"][:10]) == (0, "2020-03-03")
    code, _, err = mlops("predict", "models:/demand@champion", "--as-of", "last-4")
    assert (code, "now or last" in err) == (2, True)


def test_last_is_of_what_is_trained_whoever_names_it(routes: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with psycopg.connect(routes.url) as connection:  # newer: one of another metric type, one of another granularity
        connection.execute("select analytics.series_for('revenue')")
        connection.execute("select analytics.series_for('collection_weight', granularity => 'monthly')")
        connection.execute(
            "insert into analytics.time_series_staging (series_id, observed_at, value)"
            " select series_id, '2021-05-01 00:00Z', 1 from analytics.series order by series_id desc limit 2"
        )
    assert f"{Data(as_of='last').spec('naive').as_of:%Y-%m-%d}" == "2021-05-02"
    assert (
        f"{Data(changes=['metric_type=collection_weight'], as_of='last').spec('naive').as_of:%Y-%m-%d}" == "2020-04-01"
    )
    monthly = ["metric_type=collection_weight", "granularity=monthly"]
    assert f"{Data(changes=monthly, as_of='last').spec('naive').as_of:%Y-%m-%d}" == "2021-06-01"
    text = params_file("lightgbm").read_text()
    write_whole(tmp_path / POLICY, "")
    write_whole(
        tmp_path / "training" / "mine" / "params.toml",
        text.replace('metric_type = ""', 'metric_type = "collection_weight"'),
    )
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path))
    assert f"{Data(as_of='last-4w').spec('mine').as_of:%Y-%m-%d}" == "2020-03-04"
    others = "no weekly observation of 'collection_weight', so none is the last; others are there: --granularity daily"
    with pytest.raises(NothingToDo, match=others):
        Data(changes=["granularity=weekly"], as_of="last").spec("mine")


def test_data_that_ended_long_ago_are_named_with_the_command_that_goes_on(mlops, routes: Database, champion):
    code, _, err = mlops("predict", "models:/demand@champion", "--horizon", "7")
    assert code == 1
    assert "the newest of the data ended on 2020-04-01" in err
    assert "mlops predict models:/demand@champion --horizon 7 --as-of last" in err
    code, _, err = mlops("train", "lightgbm", "--as-of=now")
    assert code == 1
    assert err.endswith("repeat the command so: mlops train lightgbm --as-of last\n")


def test_a_trace_names_what_was_done_to_its_observations_since(mlops, routes: Database, champion):
    mlops("predict", "models:/demand@champion", *AT)
    with psycopg.connect(routes.url) as connection:
        found = connection.execute(
            "select prediction_id, series_id from analytics.model_prediction_results order by 1 limit 1"
        ).fetchone()
    assert found is not None
    edit = ("--id", found[1], "--from", "2019-05-01", "--until", "2019-05-03", "--reason", "a broken scale", "--yes")
    code, told, _ = mlops("series", "delete", *edit, "--by", "ann")
    assert (code, "trained on them: models:/demand/1" in told) == (0, True)
    code, told, _ = mlops("registry", "trace", found[0])
    assert code == 0
    assert "by ann: 2 observations of 2019-05-01 to 2019-05-02, a broken scale" in told
    [done] = json.loads(mlops("registry", "trace", found[0], "--json")[1])["edits"]
    assert (done["action"], done["observations"]) == ("deleted", 2)


@pytest.mark.parametrize(
    "command",
    [
        ("registry", "list"),
        ("registry", "lineage", "models:/demand@champion"),
        ("registry", "uri"),
        ("registry", "sync"),
        ("registry", "promote", "models:/demand/1", "--reason", "again"),
        ("features", "list"),
        ("features", "show", "same_season_1"),
        ("series", "list"),
        ("series", "show", "1"),
        ("db", "status"),
        ("db", "url"),
        ("db", "schema"),
        ("db", "upgrade"),
        ("health",),
        ("outcomes", "match", *AT),
        ("predict", "models:/demand@champion", *AT, "--horizon", "7"),
        ("review", *AT),
    ],
    ids=" ".join,
)
def test_a_command_prints_text_or_one_json_document(mlops, champion, routes: Database, command: tuple[str, ...]):
    code, out, err = mlops(*command)
    assert (code, err) == (0, "")
    assert out.strip()
    code, out, _ = mlops(*command, "--json")
    assert code == 0
    json.loads(out)


def test_training_by_command_registers_a_challenger(mlops, champion, routes: Database):
    code, out, _ = mlops("train", "lightgbm", "--set", "trees=5", "--set", "weeks=1", *AT)
    assert code == 0
    assert "models:/demand/2" in out
    code, out, _ = mlops("registry", "list", "--json")
    assert [row["aliases"] for row in json.loads(out)] == [["champion"], ["challenger"]]


@pytest.mark.parametrize("horizon", ["0", "-7", "7.5", "many"])
@pytest.mark.parametrize("command", ["train", "backtest", "tune", "predict", "explain"])
def test_a_horizon_that_is_no_number_of_steps_is_misuse(mlops, champion, routes, command: str, horizon: str):
    about = "models:/demand@champion" if command in ("predict", "explain") else "lightgbm"
    code, out, _ = mlops(command, about, f"--horizon={horizon}")
    assert (code, out) == (2, "")


def test_a_champion_without_a_forecast_is_told_as_not_judged(mlops, champion, routes):
    code, out, _ = mlops("monitor", "run", *AT)
    assert code == 0, out
    assert "none of its forecasts is of a day that is past" in out
    code, out, _ = mlops("monitor", "run", *AT, "--json")
    (checked,) = json.loads(out)
    assert (checked["state"], checked["recommendation"]["action"]) == ("unjudged", "none")
    assert "wape" not in checked["values"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("predict", "models:/nothing@champion"), "registered models: demand"),
        (("predict", "demand"), "not a model URI"),
        (("predict", "models:/demand@champion", "--horizon", "29"), "whole number from 1 to 28"),
        (("predict", "models:/demand@champion", "--as-of", "yesterday"), "expected 2020-03-23"),
        (("predict", "models:/demand@champion", "--as-of", "2020-03-23T06:00"), "has no time zone"),
        (("features", "profile", "demand", "--as-of", "0001-01-01"), "is not of the years 1900"),
        (("registry", "reproduce", "models:/demand/99999999999"), "not a model URI"),
        (("registry", "rollback", "damand"), "registered models: demand"),
        (("registry", "promote", "models:/demand/1", "--reason", " "), "the reason is empty"),
        (("train", "lightgbm", "--set", "tree=5"), "did you mean 'trees'"),
        (("train", "lightgbm", "--set", "trees=many"), "is not a whole number"),
        (("train", "lightgbm", "--set", "trees"), "key=value"),
        (("train", "lightgm"), "did you mean 'lightgbm'"),
        (("train", "lightgbm", "--metric-type", "revenue"), "there is collection_weight"),
        (("train", "lightgbm", "--as-of", "1999-01-01"), "no daily collection_weight was recorded by 1999-01-01"),
        (("train", "lightgbm", "--as-of", "2019-01-15"), "can be trained on"),
        (("retrain", "77"), "there is no recommendation 77; open ones: none"),
        (("features", "show", "lag_11"), "did you mean 'lag_1'"),
        (("series", "ingest", "/nowhere.csv"), "/nowhere.csv"),
        (("db", "stop"), "MLOPS_DATABASE_URL"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_what_is_refused_is_one_sentence_with_what_would_do(mlops, champion, routes, command, words):
    code, out, err = mlops(*command)
    assert code in (1, 2), "which of them is said by test_misuse.py"
    assert words in err
    assert "Traceback" not in out + err
    again, out, _ = mlops(*command, "--json")
    assert again == code
    assert words in json.loads(out)["message"]


def test_a_missing_argument_or_unknown_option_is_misuse(mlops, home):
    assert mlops("train")[0] == 2
    assert mlops("health", "--loud")[0] == 2
    assert mlops("nothing")[0] == 2
    assert mlops("--version")[0] == 0


def test_a_user_without_rights_is_told_which_right_is_missing(mlops, new_database, migrated, monkeypatch, home):
    with new_database("locked", template=migrated) as (_, url), psycopg.connect(url, autocommit=True) as owner:
        owner.execute("drop role if exists stranger")
        owner.execute("create role stranger")
        monkeypatch.setenv("MLOPS_DATABASE_URL", f"{url}{'&' if '?' in url else '?'}options=-crole%3Dstranger")
        try:
            code, out, err = mlops("registry", "history", "demand")
        finally:
            owner.execute("drop role stranger")
    assert code == 1
    assert "permission denied for schema analytics" in err
    assert "let the owner of the schema grant it" in err
    assert "Traceback" not in out + err


def test_debug_shows_the_traceback(mlops, champion, routes):
    with pytest.raises(LookupError):
        mlops("--debug", "predict", "models:/nothing@champion")


def test_without_a_champion_the_review_says_what_to_run(mlops, new_database, migrated, monkeypatch, home):
    with new_database("bare", template=migrated) as (_, url):
        monkeypatch.setenv("MLOPS_DATABASE_URL", url)
        code, _, err = mlops("review")
    assert code == 1
    assert "mlops" in err


def test_an_unmigrated_or_absent_database_is_one_sentence(mlops, new_database, monkeypatch, home):
    with new_database("empty") as (_, url):
        monkeypatch.setenv("MLOPS_DATABASE_URL", url)
        assert "run `mlops db upgrade`" in mlops("health")[2]
        assert mlops("db", "upgrade")[0] == 0
        assert mlops("health")[0] == 0
    monkeypatch.setenv("MLOPS_DATABASE_URL", "postgresql://x@127.0.0.1:1/none")
    from mlops.cli import context

    for name in ("settings", "database", "store"):
        getattr(context, name).cache_clear()
    code, _, err = mlops("health")
    assert code == 1
    assert "can't reach the database" in err
