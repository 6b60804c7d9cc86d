"""`mlops backtest`: on a file without a database, and on the database with the values that were known then."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from tests.retention import newest_is_today

from mlops.cli import context
from mlops.db import Database
from mlops.series.ingest import ingest
from mlops.tracking.store import Store, open_store

TABLES = {"overall", "accuracy_by_level", "by_series", "by_step", "by_segment", "by_origin"}
PICTURES = {"wape_by_step.png", "coverage.png", "accuracy_by_level.png", "forecasts.png"}
SMALL = ("--origins", "2", "--horizon", "7")


@pytest.fixture
def file(weekly_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of series, where there is no database and MLflow is a file too."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    for name in ("settings", "database", "store"):
        getattr(context, name).cache_clear()
    return weekly_file


@pytest.fixture(scope="session")
def weekly_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four daily series in two depots, with a named day every month that halves them."""
    ds = pd.date_range("2023-01-02", periods=400)
    parts = []
    for number in range(4):
        y = 100 * (number + 1) * (1.0 + 0.3 * (ds.dayofweek < 5)) * (1 + 0.01 * ((ds.dayofyear * 7 + number) % 11))
        y = y.where(ds.day != 15, y / 2)
        parts.append(pd.DataFrame({"series_id": f"s{number}", "ds": ds, "y": y, "depot": "ns"[number % 2]}))
    path = tmp_path_factory.mktemp("weekly") / "series.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


def test_a_file_needs_no_database_and_leaves_one_run(mlops, file: Path, tmp_path: Path):
    code, out, _ = mlops("backtest", "smoothing", "--file", file, "--segment", "depot", *SMALL, "--json")
    assert code == 0, out
    found = json.loads(out)
    assert [row["candidate"] for row in found["overall"]] == ["smoothing", "naive", "average"]
    assert {row["level"] for row in found["accuracy_by_level"]} == {"series", "depot", "all"}
    store = open_store(context.settings(), "")
    [run] = store.client.search_runs([store.experiment("backtest")])
    assert run.info.run_id == found["run_id"]
    assert run.data.metrics["wape"] == pytest.approx(found["overall"][0]["wape"])
    assert run.data.metrics["naive.wape"] == pytest.approx(found["overall"][1]["wape"])
    assert run.data.metrics["wape_naive"] == run.data.metrics["naive.wape"]
    assert run.data.metrics["accuracy"] == pytest.approx(1 - run.data.metrics["wape"])
    kept = {item.path for item in store.client.list_artifacts(run.info.run_id)}
    assert {f"{name}.json" for name in TABLES} | PICTURES | {"forecasts.parquet"} == kept
    assert run.info.run_name == f"backtest smoothing series.csv 2024-01-29 wape {run.data.metrics['wape']:.3f}".replace(
        " 0.", " ."
    )
    assert (run.data.params["freq"], run.data.params["kind"]) == ("daily", "smoothing")
    assert f"- smoothing: **{run.data.metrics['wape']:.1%}**" in run.data.tags["mlflow.note.content"]
    folder = Path(store.client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in PICTURES)
    forecasts = pd.read_parquet(folder / "forecasts.parquet")
    assert len(forecasts) == 3 * 2 * 4 * 7
    shown = json.loads((folder / "overall.json").read_text())
    assert shown["columns"][0] == "candidate", "MLflow's page shows the table"


def test_a_person_reads_tables(mlops, file: Path):
    code, out, _ = mlops("backtest", "average", "--kinds", "naive", "--file", file, *SMALL, "--no-log")
    assert code == 0
    assert "4 series, 7 steps ahead from 2 origins" in " ".join(out.split())
    assert "accuracy of average (goal 85%)" in out
    assert "each series" in out
    assert "the least accurate series" in out
    assert "run " not in out


def test_events_of_the_user_are_known_to_the_candidates(mlops, file: Path, tmp_path: Path):
    events = tmp_path / "events.csv"
    days = pd.date_range("2023-01-15", "2024-02-15", freq="MS") + pd.Timedelta(days=14)
    events.write_text("event,first\n" + "".join(f"fair,{day:%Y-%m-%d}\n" for day in days))
    arguments = ("backtest", "smoothing", "--kinds", "naive", "--file", file, "--origins", "3", "--horizon", "28")
    without = json.loads(mlops(*arguments, "--no-log", "--json")[1])["overall"][0]["wape"]
    known = json.loads(mlops(*arguments, "--no-log", "--json", "--events", events)[1])["overall"][0]["wape"]
    assert known < without


def test_origins_see_what_was_known_then_and_the_newest_values_on_demand(
    mlops, routes: Database, champion, daily_series: Path, tmp_path: Path
):
    """A week before the origin is corrected to a tenth, long after the origin."""
    wrong = pd.read_csv(daily_series)
    stamp = pd.to_datetime(wrong["observed_at"])
    week = (stamp >= "2020-03-04") & (stamp < "2020-03-11")
    correction = tmp_path / "corrected.csv"
    wrong[week].assign(value=wrong["value"] * 0.1).to_csv(correction, index=False)
    ingest(routes, correction, known_at="now")
    arguments = ("backtest", "naive", "--kinds", "average", "--origins", "1", "--horizon", "14", "--no-log", "--json")
    known = json.loads(mlops(*arguments)[1])
    newest = json.loads(mlops(*arguments, "--values", "newest")[1])
    assert known["origins"] == newest["origins"] == ["2020-03-17T00:00:00"]
    assert known["values"] == "as they were known at each origin"
    then, today = (found["overall"][1]["bias"] for found in (known, newest))
    assert today < then, "of today's values, a week of a tenth pulls the mean down"


def test_a_backtest_is_equal_after_its_history_was_archived_and_dropped(
    mlops, routes: Database, champion, daily_series: Path, tmp_path: Path
):
    """Corrections that became known after some origins lie in the archived months, too."""
    history = pd.read_csv(daily_series)
    late = history[pd.to_datetime(history["observed_at"]).dt.day == 9]
    correction = tmp_path / "corrected.csv"
    late.assign(value=late["value"] * 1.7).to_csv(correction, index=False)
    ingest(routes, correction, known_at="now")
    with psycopg.connect(routes.url) as connection:  # each became known twenty days later
        connection.execute(
            "update analytics.time_series_metrics m set recorded_at = m.observed_at + interval '20 days'"
            " from analytics.time_series_revisions r where (r.series_id, r.observed_at) = (m.series_id, m.observed_at)"
        )
        connection.execute(
            "update analytics.time_series_revisions set superseded_at = observed_at + interval '20 days'"
        )
    arguments = (
        "backtest",
        "smoothing",
        "--kinds",
        "average",
        "--origins",
        "4",
        "--horizon",
        "14",
        "--no-log",
        "--json",
    )

    def figures(*more: str) -> dict[str, Any]:
        found = json.loads(mlops(*arguments, *more)[1])
        for row in found["overall"]:
            row.pop("cpu_seconds")
        return found

    before = figures()
    assert before["overall"] != figures("--values", "newest")["overall"], "some origins knew of no correction"
    newest_is_today(routes.url)
    assert mlops("db", "maintain", "--yes")[0] == 0
    with psycopg.connect(routes.url) as connection:
        left = connection.execute("select distinct series_id from analytics.time_series_metrics").fetchall()
    assert left == [(-1,)], "all of the routes are in archives"
    assert mlops("backtest", "naive", "--as-of", "last", "--no-log", "--horizon", "7")[0] == 0, (
        "they end where they ended"
    )
    assert figures() == before


def test_the_stores_labels_and_routes_are_ways_to_add_up(mlops, routes: Database, champion, store: Store):
    code, out, _ = mlops("backtest", "naive", *SMALL, "--as-of", "2020-01-01", "--json")
    assert code == 0, out
    assert {row["level"] for row in json.loads(out)["accuracy_by_level"]} == {"series", "all"}, "one series a route"
    [run] = store.client.search_runs([store.experiment("backtest")])
    assert run.data.tags["mlops.values"] == "as they were known at each origin"
    assert "R1" in json.dumps(json.loads(out)["by_series"])


def test_history_that_came_in_later_is_refused_with_what_would_do(
    mlops, new_database, with_mlflow, daily_series, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with new_database("late", template=with_mlflow) as (_, url):
        monkeypatch.setenv("MLOPS_DATABASE_URL", url)
        monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
        for name in ("settings", "database", "store"):
            getattr(context, name).cache_clear()
        database = Database(url)
        ingest(database, daily_series, known_at="now")
        database.close()
        code, _, err = mlops("backtest", "naive", *SMALL, "--no-log")
        assert code == 1
        assert "--values newest" in err
        assert mlops("backtest", "naive", *SMALL, "--no-log", "--values", "newest")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("smothing",), "did you mean 'smoothing'"),
        (("smoothing", "--kinds", "naif"), "did you mean 'naive'"),
        (("naive", "--set", "trees=3"), "unknown parameter of naive 'trees'"),
        (("naive", "--segment", "city"), "has no column 'city'"),
        (("naive", "--horizon", "300"), "observations; 600 are needed"),
        (("naive", "--country", "XX"), "unknown country 'XX'"),
        (("naive", "--events", "/nowhere.csv"), "/nowhere.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_refused_is_one_sentence(mlops, file: Path, arguments: tuple[str, ...], words: str):
    code, out, err = mlops("backtest", *arguments, "--file", file, "--no-log")
    assert code in (1, 2), "which of them is said by test_misuse.py"
    assert words in err
    assert "Traceback" not in out + err


def test_an_interrupted_backtest_says_what_was_done_and_can_be_repeated(file: Path, tmp_path: Path):
    command = [sys.executable, "-m", "mlops", "backtest", "average", "--kinds", "naive,lightgbm", "--file", str(file)]
    command += ["--origins", "6", "--every", "7", "--horizon", "7", "--no-log"]
    with (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(command, stderr=err, stdout=subprocess.DEVNULL, env=_watched(tmp_path))
        try:
            _until((tmp_path / "fits").exists)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
    said = (tmp_path / "err").read_text()
    assert "of 18 fits were done" in said
    assert "average: WAPE" in said
    assert "run the same command again" in said


def _watched(folder: Path) -> dict[str, str]:
    """An environment in which the first fit of LightGBM leaves a file, by Python's own start-up hook."""
    import os

    (folder / "sitecustomize.py").write_text(
        "import lightgbm\n"
        "fit = lightgbm.train\n"
        "def train(*given, **options):\n"
        f"    open({str(folder / 'fits')!r}, 'w').close()\n"
        "    return fit(*given, **options)\n"
        "lightgbm.train = train\n"
    )
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "MLOPS_PARALLEL": "serial"}


def _until(true) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "nothing happened in a minute"
        time.sleep(0.05)
