"""The scripts that schedulers run, on a place in which one model is champion."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

from mlops.config import Settings

ROOT = Path(__file__).parents[2]


def test_a_week_by_the_schedulers_scripts(home: Settings, champion, monkeypatch, capsys):
    def run(script: str, as_of: str) -> str:
        """Run a script in this process, for a new one would only import everything again."""
        ended = []
        monkeypatch.setattr(sys, "argv", [script, "--as-of", as_of])
        monkeypatch.setattr(sys, "exit", ended.append)
        runpy.run_path(str(ROOT / script), run_name="__main__")
        assert not any(ended)
        return capsys.readouterr().out

    assert "112 new forecasts by version 1" in run("serving/predict_daily.py", "2020-01-01T00:00:00+00:00")
    assert "28 predictions got their outcome" in run("serving/record_outcomes.py", "2020-01-08T00:00:00+00:00")
    run("monitoring/weekly_review.py", "2020-01-08T00:00:00+00:00")
    assert list(home.reports.glob("review-2020-01-08.html"))


def test_a_model_that_cant_be_served_is_said_and_stops_with_1(home: Settings, champion):
    command = [sys.executable, str(ROOT / "serving" / "predict_daily.py"), "--as-of", "2019-06-01"]
    done = subprocess.run(command, env=os.environ.copy(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "leak the future" in done.stderr
