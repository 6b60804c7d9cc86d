"""Outcomes and feedback find the answers they belong to, once each."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.postgres.test_request_log import ask, request

from mlops.db import Database
from mlops.policy import LogPolicy
from mlops.serving.log.feedback import Feedback, ScoringOutcome, read_feedback, read_outcomes, record_feedback
from mlops.serving.log.feedback import record_outcomes as record
from mlops.serving.log.writer import open_request_log

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def logged(database: Database, tmp_path: Path) -> Database:
    """A request of two rows, and one that two callers call alike."""
    with open_request_log(database, tmp_path / "spool", LogPolicy()) as log:
        log.append(request("mine"))
        log.append(request("ours", caller="a"))
        log.append(request("ours", caller="b"))
    return database


def test_an_outcome_recorded_later_corrects_the_one_before_and_is_recorded_once(logged: Database):
    given = [ScoringOutcome(9.0, MAY, "mine", row_number=2), ScoringOutcome(8.0, JUNE, "mine", row_number=2)]
    assert record(logged, given).new == 2
    again = record(logged, given)
    assert (again.new, again.known) == (0, 2)
    rows = ask(
        logged, "select row_number, outcome from analytics.scored_rows where request_id = 'mine' order by row_number"
    )
    assert rows == [(1, None), (2, 8.0)]


def test_what_belongs_to_no_answer_is_refused_with_its_reason_and_stops_no_other(logged: Database):
    given = [
        ScoringOutcome(1.0, MAY, "nobody's"),
        ScoringOutcome(1.0, MAY, "mine", row_number=3),
        ScoringOutcome(1.0, MAY, "ours"),
        ScoringOutcome(1.0, MAY, "ours", caller="b"),
        ScoringOutcome(float("nan"), MAY, "mine"),
        ScoringOutcome(1.0, MAY, prediction_id=5),
        ScoringOutcome(1.0, MAY),
    ]
    recorded = record(logged, given)
    assert (recorded.new, recorded.known) == (1, 0)
    assert {refused.place: refused.reason for refused in recorded.refused} == {
        0: "request nobody's is not in the log",
        1: "request mine has 2 rows",
        2: "2 requests are called ours; name the caller",
        4: "the value is no finite number",
        5: "there is no forecast 5",
        6: "give request_id or prediction_id, and one of them alone",
    }


def test_an_outcome_of_a_stored_forecast_is_written_onto_it(served, served_database: Database):
    served.forecasts(served.model(), served.series(1))
    prediction = served.one("select max(prediction_id) from analytics.model_prediction_results")
    served.one(
        "update analytics.model_prediction_results set outcome = null, outcome_recorded_at = null, matched_at = null"
    )
    assert record(served_database, [ScoringOutcome(42.0, MAY, prediction_id=prediction)]).new == 1
    assert record(served_database, [ScoringOutcome(42.0, MAY, prediction_id=prediction)]).known == 1
    assert ask(served_database, "select outcome from analytics.model_prediction_results where outcome is not null") == [
        (42.0,)
    ]


def test_feedback_is_added_to_and_never_rewritten(logged: Database):
    said = Feedback("ana", "mine", row_number=1, score=0.5, comment="too high", details={"why": ["holiday"]})
    assert record_feedback(logged, [said]).new == 1
    assert record_feedback(logged, [said]).known == 1
    assert record_feedback(logged, [Feedback("ana", "mine", comment="not at all")]).new == 1
    nothing = record_feedback(logged, [Feedback("ana", "mine"), Feedback("ana", "unknown", score=1.0)])
    assert [refused.reason for refused in nothing.refused] == [
        "give a score, a comment or details",
        "request unknown is not in the log",
    ]
    with pytest.raises(Exception, match="stand as they were recorded"):
        ask(logged, "update analytics.scoring_feedback set score = 1 returning 1")


def test_files_are_read_and_recorded(logged: Database, tmp_path: Path):
    outcomes, feedback = tmp_path / "outcomes.csv", tmp_path / "feedback.json"
    outcomes.write_text(
        "request_id,row_number,value,recorded_at\nmine,1,3.5,2026-05-01\nmine,2,4,2026-05-01T06:00+02:00\n"
    )
    feedback.write_text('[{"request_id": "mine", "by_whom": "ana", "score": 4, "details": {"a": 1}}]')
    assert record(logged, read_outcomes(outcomes)).new == 2
    assert record_feedback(logged, read_feedback(feedback)).new == 1
    outcomes.write_text("request_id,value\nmine,3.5\n")
    with pytest.raises(ValueError, match="row 1: has no 'recorded_at'"):
        read_outcomes(outcomes)
