"""The client gives frames, asks again while the server is busy, and raises the library's errors."""

from collections.abc import Iterator

import httpx
import pandas as pd
import pytest
from starlette.testclient import TestClient

from mlops import Client
from mlops import client as module
from mlops.errors import BadInput, DatabaseUnavailable, ModelNotFound, NothingToDo, UnknownName

BUSY = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"}


@pytest.fixture
def asked(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the server of these tests, without a network, whose pages are small."""

    def answer(request: httpx.Request) -> httpx.Response:
        given = client.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers.items())
        )
        headers = {name: value for name, value in given.headers.items() if name != "content-length"}
        return httpx.Response(given.status_code, headers=headers, content=given.content)

    monkeypatch.setattr(module, "PAGE", 100)
    with Client("http://testserver", key="any", transport=httpx.MockTransport(answer)) as made:
        yield made


def test_all_pages_become_one_frame(asked: Client):
    history = asked.history("R1", start="2019-01-01")
    assert len(history) == 456
    assert str(history["ds"].dt.tz) == "UTC"
    assert history["ds"].is_monotonic_increasing
    assert asked.series()["name"].tolist()[:2] == ["R1", "R2"]
    assert len(asked.models()) == 1
    assert len(asked.findings("demand", as_of="2020-02-01")) == 1
    assert len(asked.recommendations(everything=True)) == 1


def test_forecasts_are_stored_and_read_again(asked: Client):
    now = asked.forecast("demand@champion", ["R3"], horizon=5, as_of=pd.Timestamp("2020-01-15"))
    stored = asked.forecasts("demand", "R3", as_of="2020-01-16")
    assert now["y_hat"].tolist() == stored["y_hat"].tolist()
    assert now["ds"].tolist() == stored["target_at"].tolist()
    assert now.attrs["stored"] == 5


def test_predictions_come_by_the_scoring_protocol(asked: Client):
    frame = asked.predict("demand@champion", pd.DataFrame({"series_id": ["R1", "R2"]}), {"horizon": 3})
    assert frame["series_id"].tolist() == ["R1"] * 3 + ["R2"] * 3
    assert frame["y_hat"].notna().all()


def test_outcomes_and_feedback_are_taken_once(asked: Client):
    stored = asked.forecasts("demand", "R1", horizon=2, as_of="2020-02-01")
    happened = pd.DataFrame({"prediction_id": stored["prediction_id"], "value": [1.0, 2.0]})
    happened["recorded_at"] = pd.Timestamp("2020-03-01", tz="UTC")
    assert asked.record_outcomes(happened)["new"] == 2
    assert asked.record_outcomes(happened)["known"] == 2
    said = stored[["prediction_id"]].assign(score=0.5, comment="too high")
    assert asked.record_feedback(said) == {"new": 2, "known": 0, "refused": []}
    unknown = asked.record_outcomes(pd.DataFrame({"prediction_id": [10**9], "value": [1.0]}))
    assert unknown["refused"][0]["reason"]


def test_errors_are_those_of_the_library(asked: Client):
    for error, call in (
        (UnknownName, lambda: asked.forecasts("nope")),
        (ModelNotFound, lambda: asked.forecasts("demand@nobody")),
        (BadInput, lambda: asked.forecasts(as_of="yesterday")),
        (NothingToDo, lambda: asked.forecasts(as_of="2018-01-01")),
        (UnknownName, lambda: asked.history("R7")),
    ):
        with pytest.raises(error):
            call()


def test_a_busy_server_is_asked_again_with_the_same_request(monkeypatch: pytest.MonkeyPatch):
    seen, slept = [], []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-request-id"])
        if len(seen) == 1:
            raise httpx.ConnectError("refused")
        if len(seen) == 2:
            return httpx.Response(503, json=BUSY, headers={"retry-after": "3"})
        return httpx.Response(200, json={"predictions": [1.5]})

    monkeypatch.setattr(module.time, "sleep", slept.append)
    with Client("http://server", transport=httpx.MockTransport(answer)) as made:
        assert made.predict("m@champion", pd.DataFrame({"a": [1]}))["prediction"].tolist() == [1.5]
    assert len(set(seen)) == 1
    assert slept == [0.2, 3.0]


def test_a_server_that_stays_away_is_told_so(monkeypatch: pytest.MonkeyPatch):
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    with Client("http://server", transport=httpx.MockTransport(away)) as made, pytest.raises(DatabaseUnavailable):
        made.series()
