"""Answered requests are in the log once, whatever happens between the answer and the database."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlops.db import Database
from mlops.policy import LogPolicy
from mlops.serving.log.ids import uuid7
from mlops.serving.log.record import ScoringRecord
from mlops.serving.log.writer import PostgresLog, open_request_log
from mlops.serving.outcomes import match

SPLIT = {"dataframe_split": {"columns": ["bins", "day"], "data": [[3, "mon"], [4, "tue"]]}}
ANSWER = b'{"predictions":[1.5,2.5]}'
AWAY = "postgresql://nobody@127.0.0.1:1/nowhere"


def request(request_id: str = "", **changes: Any) -> ScoringRecord:
    given: dict[str, Any] = {
        "request_id": request_id or uuid7(),
        "requested_at": time.time(),
        "version_id": 7,
        "alias": "champion",
        "caller": "",
        "content_type": "application/json",
        "inputs": json.dumps(SPLIT).encode(),
        "outputs": ANSWER,
        "rows": 2,
        "milliseconds": 0.25,
        "memory_mb": 100.0,
    }
    return ScoringRecord(**(given | changes))


def ask(database: Database, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url, options="-ctimezone=UTC") as connection:
        return connection.execute(query, values).fetchall()


def ids(database: Database) -> list[str]:
    return [name for (name,) in ask(database, "select request_id from analytics.scoring_requests order by 1")]


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def open_log(database: Database, tmp_path: Path) -> Iterator[Callable[..., PostgresLog]]:
    """Opens logs on the database of the test that share a folder; all are closed at its end."""
    opened: list[PostgresLog] = []

    def open_one(url: str = "", **policy: Any) -> PostgresLog:
        opened.append(open_request_log(url or database.url, tmp_path / "spool", LogPolicy(**policy)))
        return opened[-1]

    yield open_one
    for log in opened:
        log.close()


def test_a_request_is_visible_as_it_was_asked_and_answered(database: Database, open_log):
    log = open_log()
    assert log.append(request("mine", caller="grafana", context=b'{"tour": 7}'))
    until(lambda: bool(ids(database)))
    row = ask(
        database,
        "select caller, version_id, alias, content_type, encode(inputs_sha256, 'hex'), inputs, outputs, rows,"
        " milliseconds, memory_mb, business_context, tenant_id, abs(extract(epoch from now() - requested_at)) < 60"
        " from analytics.scoring_requests",
    )
    digest, answer = hashlib.sha256(json.dumps(SPLIT).encode()).hexdigest(), {"predictions": [1.5, 2.5]}
    named = ("grafana", 7, "champion", "application/json")
    assert row == [(*named, digest, SPLIT, answer, 2, 0.25, 100.0, {"tour": 7}, 1, True)]


def test_what_is_durable_is_on_disk_first_and_then_in_the_log(database: Database, open_log, tmp_path: Path):
    log = open_log(AWAY)
    log.durable(request("kept"))
    assert [path.suffix for path in (tmp_path / "spool").iterdir() if path.stat().st_size > 200] == [".spool"]
    assert log.counts().durable == 1
    log.close()
    open_log()
    until(lambda: ids(database) == ["kept"])
    until(lambda: not list((tmp_path / "spool").glob("*.spool")))


def test_an_id_that_comes_twice_is_stored_once_by_any_workers(database: Database, open_log):
    first, second = open_log(), open_log()
    for number in range(300):
        first.append(request(f"r{number}"))
        second.append(request(f"r{number}"))
        if number % 50 == 0:
            second.durable(request(f"r{number}"))
    first.append(request("r1", caller="somebody else"))
    first.close()
    second.close()
    stored = ask(database, "select request_id, caller from analytics.scoring_requests")
    assert len(stored) == len(set(stored)) == 301
    counts = first.counts(), second.counts()
    assert [sum(of) for of in zip(*((one.taken, one.stored, one.repeated) for one in counts), strict=True)] == [
        607,
        301,
        306,
    ]


def test_an_id_that_comes_again_across_the_end_of_a_month_is_stored_once(database: Database, open_log):
    log = open_log()
    march = 1772323200.0  # 2026-03-01 UTC
    for after in (-60.0, 60.0):
        log.append(request("retried", requested_at=march + after))
        until(lambda: log.counts().waiting == 0)
    log.append(request("retried", requested_at=march + 40 * 86400))
    log.close()
    days = ask(database, "select requested_at::date::text from analytics.scoring_requests order by 1")
    assert days == [("2026-02-28",), ("2026-04-10",)]


def test_while_postgres_is_away_records_go_to_disk_and_come_back_once(database: Database, open_log):
    log = open_log(AWAY)
    for number in range(20):
        assert log.append(request(f"r{number:02}"))
    until(lambda: log.counts().spooled == 20)
    assert log.accepts
    assert "Connection refused" in log.counts().away or "connection" in log.counts().away
    log.close()
    again = open_log()
    until(lambda: len(ids(database)) == 20)
    assert again.counts().stored == 20
    again.close()
    assert ask(database, "select count(*) from analytics.scoring_gaps") == [(0,)]


def test_without_room_anywhere_requests_are_lost_and_counted(database: Database, open_log):
    log = open_log(AWAY, memory_mb=0.02, spool_mb=0.0001)
    taken = [log.append(request(f"r{number}")) for number in range(30)]
    lost = taken.count(False)
    assert 0 < lost < 30
    assert not log.accepts or log.counts().lost == lost
    with pytest.raises(Exception, match="full"):
        log.durable(request("d"))
    log.close()
    open_log()
    until(lambda: len(ask(database, "select from analytics.scoring_gaps")) == 2)
    gaps = ask(database, "select reason, requests from analytics.scoring_gaps order by reason")
    assert gaps == [("died", 30 - lost), ("full", lost)]


def test_a_torn_end_of_a_spool_is_cut_and_said(database: Database, open_log, tmp_path: Path, caplog):
    log = open_log(AWAY)
    for name in ("a", "b", "c"):
        log.durable(request(name))
    log.close()
    (segment,) = (tmp_path / "spool").glob("*.spool")
    segment.write_bytes(segment.read_bytes()[:-20])
    open_log()
    until(lambda: ids(database) == ["a", "b"])
    assert "are no whole record and were cut" in caplog.text


def test_a_damaged_record_costs_no_other(database: Database, open_log, tmp_path: Path):
    log = open_log(AWAY)
    for name in ("a", "b", "c"):
        log.durable(request(name))
    log.close()
    (segment,) = (tmp_path / "spool").glob("*.spool")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    open_log()
    until(lambda: ids(database) == ["a", "c"])


@pytest.mark.parametrize(
    ("body", "content_type", "stored"),
    [
        (b'{"inputs": [NaN]}', "application/json", '{"inputs": [NaN]}'),
        (b'{"a": "\\u0000"}', "application/json", '{"a": "\\u0000"}'),
        (b'{"a": "NaN"}', "application/json; charset=utf-8", {"a": "NaN"}),
        ('{"a": "ä"}'.encode(), "application/json", {"a": "ä"}),
        ('{"a": 1}'.encode("utf-16"), "application/json", None),
        (b"a,b\n1,2\n", "text/csv", "a,b\n1,2\n"),
        (b"PAR1\0\xff", "application/vnd.apache.parquet", "UEFSMQD/"),
    ],
    ids=["NaN", "NUL", "a text", "umlaut", "UTF-16", "CSV", "Parquet"],
)
def test_whatever_was_sent_is_kept_in_a_form_that_postgres_takes(
    database: Database, open_log, body: bytes, content_type: str, stored: object
):
    log = open_log()
    log.append(request("odd", inputs=body, content_type=content_type))
    log.append(request("even"))
    log.close()
    (value,) = ask(database, "select inputs from analytics.scoring_requests where request_id = 'odd'")[0]
    assert stored is None or value == stored
    assert len(ids(database)) == 2


def test_what_the_database_takes_in_no_form_stops_no_other_and_is_kept_on_disk(
    database: Database, open_log, tmp_path: Path
):
    log = open_log()
    log.append(request("good"))
    log.append(request("bad", alias="\0"))
    log.append(request("of the year 9000", requested_at=221_845_392_000.0))
    log.append(request("good, too"))
    log.close()
    assert ids(database) == ["good", "good, too"]
    assert log.counts().refused == 2
    assert ask(database, "select reason, requests from analytics.scoring_gaps") == [("refused", 2)]
    assert (tmp_path / "spool" / f"{log.worker}.refused").stat().st_size > 0


@pytest.mark.parametrize("inputs", ["all", "sampled", "none"])
def test_inputs_are_kept_as_the_policy_says(database: Database, open_log, inputs: str):
    log = open_log(inputs=inputs, share=0.3)
    for number in range(200):
        log.append(request(f"r{number}"))
    log.close()
    kept = {
        name for (name,) in ask(database, "select request_id from analytics.scoring_requests where inputs is not null")
    }
    assert {"all": len(kept) == 200, "sampled": 30 < len(kept) < 90, "none": not kept}[inputs]
    assert ask(database, "select count(distinct inputs_sha256) from analytics.scoring_requests") == [(1,)]


def test_a_scored_row_stands_with_its_input_and_the_outcome_that_was_recorded_last(database: Database, open_log):
    log = open_log()
    forms = {
        "split": SPLIT,
        "records": {"dataframe_records": [{"bins": 3, "day": "mon"}, {"bins": 4, "day": "tue"}]},
        "instances": {"instances": [{"bins": 3, "day": "mon"}, {"bins": 4, "day": "tue"}]},
        "inputs": {"inputs": {"bins": [3, 4], "day": ["mon", "tue"]}},
    }
    for name, body in forms.items():
        log.append(request(name, inputs=json.dumps(body).encode()))
    log.append(request("more rows than inputs", outputs=b'{"predictions":[{"y_hat": 1}, {"y_hat": 2}, {}]}', rows=3))
    log.close()
    rows = ask(
        database,
        "select request_id, row_number, inputs, prediction from analytics.scored_rows order by request_id, row_number",
    )
    for name in forms:
        assert [row[1:] for row in rows if row[0] == name] == [
            (1, {"bins": 3, "day": "mon"}, 1.5),
            (2, {"bins": 4, "day": "tue"}, 2.5),
        ]
    assert [row[2:] for row in rows if row[0] == "more rows than inputs"] == [(None, 1.0), (None, 2.0), (None, None)]


def forecasts_of(*series: object, closed: bool = False) -> bytes:
    rows = [
        {
            "series_id": name,
            "ds": f"2024-06-0{day}T00:00:00",
            "cutoff": "2024-06-02T00:00:00",
            "y_hat": 100.0 + day,
            "lo_80": 90.0,
            "hi_80": 120.0,
            "closed": closed and day == 3,
        }
        for name in series
        for day in (3, 4)
    ]
    return json.dumps({"predictions": rows}).encode()


def test_answered_forecasts_of_known_series_are_judged_like_stored_ones(
    served, served_database: Database, tmp_path: Path
):
    database, series = served_database, served.series(2)
    lineage = {"selection": {"granularity": "daily"}, "series": series}
    version = served.model(lineage=json.dumps(lineage))
    name = served.one("select analytics.series_name(s) from analytics.series s where series_id = %s", series[0])
    common = {"version_id": version, "requested_at": 1717372800.0, "context": b'{"tour": 7}'}
    with open_request_log(database, tmp_path, LogPolicy()) as log:
        log.append(request("first", outputs=forecasts_of(name, str(series[1]), closed=True), **common))
        for again in range(3):
            log.append(request(f"again {again}", outputs=forecasts_of(name), **common))
        log.append(request("nobody's", outputs=forecasts_of("unknown"), **common))
        log.append(request("no model's", outputs=forecasts_of(name), **(common | {"version_id": 999})))
        log.append(
            request("a time that can't be", outputs=forecasts_of(name).replace(b"2024-06-04", b"9024-06-04"), **common)
        )
    stored = ask(
        database,
        "select series_id, target_at::date::text, horizon, y_hat, lo_80, lo_95, request_id, business_context"
        " from analytics.model_prediction_results where request_id is not null order by 1, 2",
    )
    tour = {"tour": 7}
    assert [row for row in stored if row[0] == series[1]] == [
        (series[1], "2024-06-04", 2, 104.0, 90.0, None, "first", tour)
    ]
    assert [row[1:] for row in stored if row[0] == series[0]] == [
        ("2024-06-03", 1, 103.0, 90.0, None, "again 0", tour),
        ("2024-06-04", 2, 104.0, 90.0, None, "first", tour),
    ]
    requests = ask(database, "select count(*) from analytics.scoring_requests")
    assert (requests, log.counts().refused) == ([(7,)], 0)
    served.one(
        "insert into analytics.time_series_metrics (series_id, observed_at, value) values (%s, '2024-06-04Z', 99)",
        series[1],
    )
    assert match(database, datetime.now(UTC)).matched == 1
    database.close()
