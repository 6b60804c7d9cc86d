"""What is stored is read page by page, as of a time, in three formats, and is not sent twice."""

import io
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from starlette.testclient import TestClient
from tests.conftest import NEW_YEAR
from tests.web.api.conftest import LATER

from mlops.db import Database
from mlops.serving.forecasts import choose_forecasts, forecasts


def every_page(client: TestClient, path: str, **asked: Any) -> list[dict[str, Any]]:
    """The rows of all pages."""
    rows, cursor = [], ""
    while cursor is not None:
        answer = client.get(path, params=asked | {"cursor": cursor})
        assert answer.status_code == 200, answer.text
        rows += answer.json()["rows"]
        cursor = answer.json()["next"]
    return rows


def test_stored_forecasts_are_the_newest_of_each_series_with_their_age(client: TestClient, routes: Database):
    answer = client.get("/forecasts", params={"model": "demand@champion", "as_of": "2020-02-01"})
    assert answer.status_code == 200
    rows = pd.DataFrame(answer.json()["rows"])
    assert set(rows["issued_at"]) == {LATER.isoformat().replace("+00:00", "Z")}
    stored = forecasts(routes, choose_forecasts(routes, as_of=LATER, cutoff=(LATER.replace(day=7), LATER)))
    assert rows["y_hat"].tolist() == stored["y_hat"].tolist()
    assert len(rows) == 4 * 14


def test_forecasts_as_of_an_earlier_time_are_those_that_were_known_then(client: TestClient):
    rows = pd.DataFrame(client.get("/forecasts", params={"as_of": "2020-01-05", "series": "R1"}).json()["rows"])
    assert set(rows["issued_at"]) == {NEW_YEAR.isoformat().replace("+00:00", "Z")}
    assert set(rows["series"]) == {"R1"}
    assert rows["horizon"].tolist() == list(range(1, 15))
    assert rows["outcome"].notna().tolist() == [True] * 4 + [False] * 10, "what was recorded later is not told"


def test_a_horizon_and_a_cutoff_choose_steps(client: TestClient):
    asked = {"horizon": 3, "cutoff": "2019-12-31", "series": ["R1", "R2"], "as_of": "2020-02-01"}
    rows = client.get("/forecasts", params=asked).json()["rows"]
    assert [row["horizon"] for row in rows] == [1, 2, 3] * 2
    assert {row["cutoff"] for row in rows} == {"2019-12-31T00:00:00Z"}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/forecasts", {"as_of": "2020-02-01"}),
        ("/series", {}),
        ("/series/R1/observations", {"start": "2019-12-01"}),
        ("/anomalies", {"series": "R9"}),
    ],
)
def test_pages_joined_are_the_whole(client: TestClient, path: str, asked: dict[str, Any]):
    whole = client.get(path, params=asked | {"limit": 10_000}).json()["rows"]
    assert every_page(client, path, **asked, limit=7 if len(whole) > 10 else 3) == whole
    assert whole


def test_pages_stay_as_of_the_time_of_the_first(client: TestClient):
    first = client.get("/forecasts", params={"limit": 5, "as_of": "2020-01-05"}).json()
    second = client.get("/forecasts", params={"limit": 5, "cursor": first["next"]}).json()
    assert second["as_of"] == first["as_of"] == "2020-01-05T00:00:00Z"
    assert second["rows"][0]["issued_at"] == first["rows"][0]["issued_at"]


def test_a_cursor_of_another_question_is_refused(client: TestClient):
    cursor = client.get("/forecasts", params={"limit": 5, "as_of": "2020-02-01"}).json()["next"]
    for asked in ({"cursor": cursor, "series": "R1"}, {"cursor": "nonsense"}, {"cursor": "AAAA"}):
        answer = client.get("/forecasts", params=asked)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_csv_and_arrow_hold_what_json_does(client: TestClient):
    asked = {"as_of": "2020-02-01", "series": "R1"}
    rows = client.get("/forecasts", params=asked).json()["rows"]
    text = client.get("/forecasts", params=asked | {"format": "csv"})
    assert text.headers["content-type"].startswith("text/csv")
    frame = pd.read_csv(io.StringIO(text.text), float_precision="round_trip")
    assert frame["y_hat"].tolist() == [row["y_hat"] for row in rows]
    assert list(frame) == list(rows[0])
    arrow = client.get("/forecasts", params=asked, headers={"accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table["y_hat"].to_pylist() == frame["y_hat"].tolist()
    assert str(table.schema.field("target_at").type) == "timestamp[us, tz=UTC]"
    assert arrow.headers["vary"] == "Accept"


def test_what_a_client_has_is_not_sent_again(client: TestClient):
    asked = {"series": "R1", "as_of": "2020-02-01"}
    first = client.get("/forecasts", params=asked)
    again = client.get("/forecasts", params=asked, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/forecasts", params=asked | {"horizon": 2}, headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


def test_observations_are_those_that_were_known(client: TestClient):
    asked = {"start": "2019-12-30", "end": "2020-01-03", "as_of": "2020-01-02T12:00:00+00:00"}
    rows = client.get("/series/R1/observations", params=asked).json()["rows"]
    assert [row["ds"][:10] for row in rows] == ["2019-12-30", "2019-12-31", "2020-01-01"]


def test_a_series_says_how_much_there_is_of_it(client: TestClient):
    shown = client.get("/series/R1").json()
    assert shown["observations"] == 456
    assert shown["unit"] == "kg"
    assert len(shown["latest"]) == 10


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/series/R7", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/series?metric_type=collection_wait", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/forecasts?model=nope", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/forecasts?model=demand@nobody", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/forecasts?as_of=yesterday", 400, "INVALID_PARAMETER_VALUE"),
        ("/forecasts?as_of=2018-01-01", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/forecasts?limit=0", 400, "INVALID_PARAMETER_VALUE"),
        ("/forecasts?format=xml", 400, "INVALID_PARAMETER_VALUE"),
        ("/forecasts?horizon=1&horizon=2", 400, "INVALID_PARAMETER_VALUE"),
        ("/series/R%00", 400, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_a_refusal_says_what_and_why(client: TestClient, path: str, status: int, code: str):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
    assert answer.json()["message"]


def test_a_time_whose_plus_was_not_quoted_is_understood(client: TestClient):
    assert client.get("/forecasts?as_of=2020-02-01T00:00:00+00:00").status_code == 200
