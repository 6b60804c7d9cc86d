"""`mlops tune`: every trial in one run, the winner as a command; Ctrl-C keeps what was found."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from mlops.cli import context
from mlops.db import Database
from mlops.tracking.store import Store

SMALL = ("--origins", "2", "--horizon", "7", "--seconds", "3600", "--trials", "3")


def test_tuning_on_the_database_leaves_its_trials_as_one_table(mlops, routes: Database, champion, store: Store):
    given = ("--set", "n_changepoints=10", "--set", "seasonality_mode=multiplicative")
    code, out, _ = mlops("tune", "prophet", *given, *SMALL, "--as-of", "2020-01-01", "--json")
    assert code == 0, out
    found = json.loads(out)
    words = shlex.split(found["command"])
    assert words[:7] == ["mlops", "train", "prophet", "--as-of", "2020-01-01", "--set", "n_changepoints=10"]
    assert [word.partition("=")[0] for word in words].count("seasonality_mode") == 1, "what was searched is said once"
    assert found["held_out_from"] == "2019-12-24T00:00:00"
    assert set(found["held_out"]) == {"tuned", "default", "naive"}
    [run] = store.client.search_runs([store.experiment("tuning")])
    assert run.info.run_id == found["run_id"]
    trials = _trials(store, run.info.run_id)
    assert list(trials["number"]) == [0, 1, 2]
    assert run.data.metrics["wape"] == pytest.approx(trials.loc[trials["state"] == "complete", "value"].min())
    assert run.info.run_name.startswith("tune prophet daily collection_weight 2019-12-24 wape .")
    assert f"- the winner: **{found['held_out']['tuned']:.1%}**" in run.data.tags["mlflow.note.content"]
    assert run.info.end_time - run.info.start_time >= 1000 * trials["seconds"].sum()
    assert run.data.params["seasonality_mode"] == found["best"]["params"]["seasonality_mode"]
    best = Path(store.client.download_artifacts(run.info.run_id, "best.toml"))
    assert tomllib.loads(best.read_text())["params"] == found["best"]["params"]


def _trials(store: Store, run_id: str) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        return pd.read_json(store.client.download_artifacts(run_id, "trials.json", folder), orient="split")


def test_a_person_reads_whether_it_was_worth_it(mlops, routes: Database, champion):
    code, out, _ = mlops("tune", "prophet", *SMALL, "--as-of", "2020-01-01", "--no-log")
    assert code == 0
    assert "3 trials (" in out
    assert "held out" in out
    assert ("mlops train prophet --set" in out) is not ("keep params.toml" in out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("naive",), "no parameter that is worth a search; what can be tuned: auto, hybrid, lean, lightgbm, prophet"),
        (("profet",), "did you mean 'prophet'"),
        (("prophet", "--set", "seasonality=3"), "did you mean 'seasonality_mode'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_refused_is_one_sentence(mlops, routes, champion, arguments: tuple[str, ...], words: str):
    code, out, err = mlops("tune", *arguments, "--as-of", "2020-01-01")
    assert code in (1, 2), "which of them is said by test_misuse.py"
    assert words in err
    assert "Traceback" not in out + err


def test_ctrl_c_keeps_the_finished_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daily_series: Path):
    routes = pd.read_csv(daily_series).rename(columns={"route_id": "series_id", "observed_at": "ds", "value": "y"})
    routes.to_csv(tmp_path / "routes.csv", index=False)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri, "MLOPS_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "mlops", "tune", "prophet", "--file", str(tmp_path / "routes.csv")]
    command += ["--origins", "2", "--horizon", "7", "--seconds", "3600", "--json"]
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        try:
            _until(lambda: "trial 2" in (tmp_path / "err").read_text())
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0
        finally:
            process.kill()
    found = json.loads((tmp_path / "out").read_text())
    assert found["interrupted"]
    assert len(found["trials"]) >= 3
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    context.settings.cache_clear()
    from mlops.tracking.store import open_store

    assert len(_trials(open_store(context.settings(), ""), found["run_id"])) == len(found["trials"])


def _until(true) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, "nothing happened in two minutes"
        time.sleep(0.05)
