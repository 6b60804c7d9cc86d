"""`mlops demo` as a person runs it: interrupted, run again, and run once more."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from mlops.config import Settings

COUNTS = """
select (select count(*) from analytics.time_series_metrics), (select count(*) from analytics.model_prediction_results),
       (select count(*) from analytics.model_prediction_results where outcome is not null),
       (select count(*) from analytics.model_versions), (select count(*) from analytics.model_performance_tracking),
       (select count(*) from analytics.retraining_recommendations), (select count(*) from mlflow.runs),
       (select md5(string_agg(y_hat::text, ',' order by series_id, cutoff, target_at))
          from analytics.model_prediction_results)
"""


def test_the_demo_can_be_interrupted_finishes_and_repeats_itself_without_a_trace(home: Settings):
    _interrupted(home, when="select count(*) from analytics.model_versions", reaches=1)
    _interrupted(home, when="select count(*) from analytics.retraining_recommendations", reaches=14)

    first = json.loads(_demo())
    counts = _ask(home, COUNTS)
    assert [phase["phase"] for phase in first["phases"]] == [
        "before the lockdown",
        "in the lockdown",
        "after the lockdown",
    ]
    before, lockdown, _ = first["phases"]
    assert before["wape"] < before["wape_naive"]
    assert lockdown["wape"] > 3 * before["wape"]
    assert sum("champion" in version["aliases"] for version in first["versions"]) == 1
    assert all(version["lineage_state"] == "complete" for version in first["versions"])
    page = Path(first["page"]).read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")

    again = json.loads(_demo())
    assert again["weeks"] == []
    for one, other in zip(again["phases"], first["phases"], strict=True):
        assert one["wape"] == pytest.approx(other["wape"]), "but for the order in which sums are added"
    assert _ask(home, COUNTS) == counts
    _the_story_is_told(home)


def _the_story_is_told(home: Settings) -> None:
    """One prediction a week and series; the lockdown is found; what is proven to help is followed, the rest is not."""
    doubled = _ask(
        home,
        "select count(*) from (select from analytics.model_prediction_results"
        " group by series_id, cutoff, target_at having count(*) > 1) twice",
    )
    assert doubled == (0,)
    asked = _ask(
        home,
        "select min(as_of)::date::text from analytics.retraining_recommendations"
        " where action = 'investigate_data' and as_of between '2020-03-23' and '2020-05-01'",
    )
    assert asked == ("2020-03-30",), "the first Monday of the lockdown asks a person"
    tried = _ask(
        home,
        "select count(*) from analytics.retraining_recommendations where as_of between '2020-03-23' and '2020-06-01'"
        " and (action = 'retrain' or array_to_string(reasons, ' ') like '%%nothing beats the champion%%')",
    )
    assert tried[0] >= 4, "a refit was tried while the lockdown lasted"
    not_followed, versions = _ask(
        home,
        "select count(*) filter (where action in ('retrain', 'rollback') and status <> 'done'),"
        " 3 + count(*) filter (where action = 'retrain') from analytics.retraining_recommendations",
    )
    assert not_followed == 0
    assert _ask(home, "select count(*) from analytics.model_versions") == (versions,), "and nothing was trained in vain"


def _interrupted(home: Settings, *, when: str, reaches: int) -> None:
    """Start the demo and press Ctrl-C when a count has been reached."""
    running = subprocess.Popen([sys.executable, "-m", "mlops", "demo", "--json"], stdout=-3, stderr=subprocess.PIPE)
    while _ask(home, when)[0] < reaches:
        assert running.poll() is None, running.stderr.read().decode()
        time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said.decode()
    assert b"run the same command again" in said
    assert b"Traceback" not in said


def _demo() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mlops", "demo", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ask(home: Settings, question: str) -> tuple:
    with psycopg.connect(home.database_url) as connection:
        return connection.execute(question).fetchone()
