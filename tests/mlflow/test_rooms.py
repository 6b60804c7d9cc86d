"""The scripts that schedulers run, on a place in which one model is champion."""

import os
import subprocess
import sys
from pathlib import Path

from mlops.config import Settings

ROOT = Path(__file__).parents[2]


def test_a_week_by_the_schedulers_scripts(home: Settings, champion):
    assert "112 new forecasts by version 1" in _run("serving/predict_daily.py", "2020-01-01T00:00:00+00:00")
    assert "28 predictions got their outcome" in _run("serving/record_outcomes.py", "2020-01-08T00:00:00+00:00")
    _run("monitoring/weekly_review.py", "2020-01-08T00:00:00+00:00")
    assert list(home.reports.glob("review-2020-01-08.html"))


def test_a_model_that_cant_be_served_is_said_and_stops_with_1(home: Settings, champion):
    done = _start("serving/predict_daily.py", "2019-06-01")
    assert done.returncode == 1
    assert "leak the future" in done.stderr


def _run(script: str, as_of: str) -> str:
    done = _start(script, as_of)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _start(script: str, as_of: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / script), "--as-of", as_of]
    return subprocess.run(command, env=os.environ.copy(), capture_output=True, text=True, check=False)
