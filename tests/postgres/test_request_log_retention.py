"""Months of the request log leave the database with their outcomes, and come back as they were."""

from datetime import UTC, datetime
from pathlib import Path

from tests.postgres.test_request_log import ask, request
from tests.retention import agree

from mlops.db import Database
from mlops.db.archive import restore
from mlops.db.upkeep import maintain
from mlops.policy import LogPolicy
from mlops.serving.log.feedback import ScoringOutcome, record_outcomes
from mlops.serving.log.writer import open_request_log

OLD = datetime(2023, 1, 10, tzinfo=UTC)
STORED = "select request_id, inputs::text, outputs::text, inputs_sha256 from analytics.scoring_requests order by 1"
SCORED = "select request_id, row_number, outcome from analytics.scored_rows order by 1, 2"


def test_a_month_is_archived_dropped_and_restored_with_its_outcomes(database: Database, tmp_path: Path):
    with open_request_log(database, tmp_path / "spool", LogPolicy()) as log:
        log.append(request("old", requested_at=OLD.timestamp(), inputs=b'{"a": "x, \\"y\\"",\n "b": 1}'))
        log.append(request("new"))
    record_outcomes(database, [ScoringOutcome(5.0, OLD, "old")])
    before = ask(database, STORED), ask(database, SCORED)
    agree(database.url)
    done = maintain(database, tmp_path / "archive")
    assert not done.failed, [str(act) for act in done.acts]
    assert [row[0] for row in ask(database, STORED)] == ["new"]
    (file,) = (tmp_path / "archive").rglob("*scoring_requests*.parquet")
    restore(database, file)
    assert (ask(database, STORED), ask(database, SCORED)) == before
