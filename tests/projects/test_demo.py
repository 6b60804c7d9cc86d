"""`mlops demo` as a person runs it: interrupted, run again, run once more, and what it says to try next."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlops.config import Settings

TRANSCRIPT = Path(__file__).parents[2] / "docs/demo.md"
WEEKS = "15"
"""To 13 April 2020: the lockdown has begun, and what a retraining brought has been measured."""
COUNTS = """
select (select count(*) from analytics.time_series_metrics), (select count(*) from analytics.model_prediction_results),
       (select count(*) from analytics.model_prediction_results where outcome is not null),
       (select count(*) from analytics.model_versions), (select count(*) from analytics.model_performance_tracking),
       (select count(*) from analytics.retraining_recommendations), (select count(*) from mlflow.runs),
       (select count(*) from analytics.promotions), (select count(*) from analytics.realised_benefits),
       (select md5(string_agg(y_hat::text, ',' order by series_id, cutoff, target_at))
          from analytics.model_prediction_results)
"""


def test_the_demo_can_be_interrupted_finishes_and_repeats_itself_without_a_trace(
    home: Settings, mlops: Callable[..., tuple[int, str, str]]
):
    _interrupted(home, when="select count(*) from analytics.model_versions", reaches=1)
    _interrupted(home, when="select count(*) from analytics.retraining_recommendations", reaches=9)

    code, out, err = mlops("demo", "--weeks", WEEKS, "--json")
    assert code == 0, err
    first, counts = json.loads(out), _ask(home, COUNTS)
    assert [phase["phase"] for phase in first["phases"]] == ["before the lockdown", "in the lockdown"]
    before, lockdown = first["phases"]
    assert before["wape"] < before["wape_naive"]
    assert lockdown["wape"] > 3 * before["wape"]
    assert sum("champion" in version["aliases"] for version in first["versions"]) == 1
    assert all(version["lineage_state"] == "complete" for version in first["versions"])
    page = Path(first["page"]).read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "Nothing needs you" not in page

    code, out, err = mlops("demo", "--weeks", WEEKS, "--json")
    assert code == 0, err
    again = json.loads(out)
    assert again["weeks"] == []
    for one, other in zip(again["phases"], first["phases"], strict=True):
        assert one["wape"] == pytest.approx(other["wape"]), "but for the order in which sums are added"
    assert _ask(home, COUNTS) == counts
    _the_story_is_told(home, first)
    _it_is_the_story_of_the_documentation(home)
    _what_to_try_next_runs_as_it_is_printed(first["next"])
    _the_champion_is_served_and_answers(first["serve"], first["ask"])
    _people_read_the_same(mlops, first)


def _the_story_is_told(home: Settings, first: dict[str, Any]) -> None:
    """One prediction a week and series; what is proven to help is followed, and what it brought is measured."""
    doubled = _ask(
        home,
        "select count(*) from (select from analytics.model_prediction_results"
        " group by series_id, cutoff, target_at having count(*) > 1) twice",
    )
    assert doubled == (0,)
    kinds = [version["kind"] for version in sorted(first["versions"], key=lambda one: one["version"])]
    assert kinds[0] == "prophet", "what a team has"
    acted = _ask(
        home,
        "select array_agg(action order by as_of), bool_and(status = 'done'), count(retrained_version_id)"
        " from analytics.retraining_recommendations where action in ('retrain', 'rollback', 'fallback')",
    )
    actions, done, versions = acted
    assert actions[0] == "fallback", "from February on the naive was better"
    assert "retrain" in actions, "and a refit brought a model back"
    assert (done, versions) == (True, len(actions))
    assert len(kinds) == 1 + sum(action != "rollback" for action in actions), "nothing was trained in vain"
    assert [row["action"] for row in first["realised"]] == actions
    assert all(row["realised_over_days"] >= 14 for row in first["realised"])
    flagged = _ask(
        home,
        "select min(as_of)::date::text from analytics.model_performance_tracking"
        " where kind = 'performance' and subject in ('', 'coverage', 'collapse', 'upheaval') and drifted"
        " and as_of >= '2020-03-16'",
    )
    assert flagged == ("2020-03-23",), "the first Monday of the lockdown"
    asked = _ask(
        home,
        "select min(as_of)::date::text from analytics.retraining_recommendations"
        " where action = 'investigate_data' and as_of >= '2020-03-23'",
    )
    assert asked == ("2020-03-30",), "when most series had left their forecasts for days, a person"


def _it_is_the_story_of_the_documentation(home: Settings) -> None:
    """Which version was judged on each Monday, how good it was, and what was recommended: as docs/demo.md shows it."""
    told = re.findall(r"s  (\d\d \w{3})  version (\d)  WAPE (\S+),\s+(\d+)% inside 80 %  (.+)", TRANSCRIPT.read_text())
    with psycopg.connect(str(home.database_url)) as connection:
        weeks = connection.execute(
            "select to_char(r.as_of at time zone 'UTC', 'DD Mon'), v.version, r.evidence ->> 'wape',"
            " r.evidence ->> 'coverage_80', replace(r.action, '_', ' ')"
            " from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)"
            " where r.replaced_by is null and r.evidence ? 'wape' order by r.as_of"
        ).fetchall()
    assert len(weeks) == int(WEEKS) - 1
    for (day, version, wape, covered, action), (monday, judged, error, inside, asked) in zip(told, weeks, strict=False):
        assert (day, int(version), action) == (monday, judged, asked)
        assert float(error) == pytest.approx(float(wape), rel=0.1, abs=0.02)
        assert 100 * float(inside) == pytest.approx(float(covered), abs=3)


def _what_to_try_next_runs_as_it_is_printed(commands: list[str]) -> None:
    assert len(commands) >= 4
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert (done.returncode, bool(done.stdout.strip())) == (0, True), f"{command}: {done.stderr}"


def _the_champion_is_served_and_answers(serve: str, ask: str) -> None:
    server = subprocess.Popen(shlex.split(serve), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert "127.0.0.1:5001" in server.stdout.readline()
        done = subprocess.run(ask, shell=True, capture_output=True, text=True, check=False)
        rows = json.loads(done.stdout)["predictions"]
        assert [row["series_id"] for row in rows] == ["210 Queen Street"] * 7
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


def _people_read_the_same(mlops: Callable[..., tuple[int, str, str]], first: dict[str, Any]) -> None:
    code, out, err = mlops("demo", "--weeks", WEEKS)
    assert code == 0, err
    assert f"{first['realised'][0]['promised_wape']:+.3f}" in out
    assert first["ask"] in out


def _interrupted(home: Settings, *, when: str, reaches: int) -> None:
    """Start the demo and press Ctrl-C when a count has been reached; it has said at once what it does."""
    running = subprocess.Popen([sys.executable, "-m", "mlops", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    assert b"0 s  opening the database" in running.stdout.readline()
    while _ask(home, when)[0] < reaches:
        assert running.poll() is None, running.stderr
        time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said.decode()
    assert b"run the same command again" in said
    assert b"Traceback" not in said


def _ask(home: Settings, question: str) -> tuple[Any, ...]:
    assert home.database_url
    with psycopg.connect(home.database_url) as connection:
        return connection.execute(question).fetchone() or ()
