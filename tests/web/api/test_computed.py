"""Forecasts as of a time over HTTP are those of `mlops predict`; so are explanations and what would be."""

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.web.api.conftest import LATER

from mlops.db import Database
from mlops.serving.predict import predict
from mlops.tracking.store import Store

MODEL = {"model": "demand@champion", "as_of": "2020-01-15"}
STORM = [{"name": "storm", "first": "2020-01-16"}]


def posted(client: TestClient, path: str, **asked: Any) -> dict[str, Any]:
    answer = client.post(path, json=MODEL | asked)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_few_series_are_forecast_as_all_of_them_are(client: TestClient, routes: Database, store: Store):
    few = posted(client, "/forecasts", series=["R3"], horizon=7, levels=[50, 80], store=False)
    every = predict(routes, store, "models:/demand@champion", as_of=LATER.replace(day=15), horizon=7, keep=False)
    expected = every.frame[every.frame["name"] == "R3"]
    apart = {
        column: np.abs(np.array([row[column] for row in few["rows"]]) / expected[column].to_numpy() - 1)
        for column in ("y_hat", "lo_80")
    }
    # sums over fewer series round otherwise in the last bit, and a tree may split there: not more than a step
    assert (apart["y_hat"] > 1e-12).sum() <= 1
    assert apart["y_hat"].max() < 0.005
    assert apart["lo_80"].max() < 0.05, "how wide intervals are is learned from the newest errors of those asked for"
    assert set(few["rows"][0]) == {"series_id", "name", "ds", "cutoff", "y_hat", "lo_50", "hi_50", "lo_80", "hi_80"}
    assert few["rows"][0]["ds"] == "2020-01-15T00:00:00Z"
    assert few["stored"] == 0


def test_what_was_forecast_is_stored_once(client: TestClient):
    first = posted(client, "/forecasts", series=["R3"], horizon=7, decompose=True, levels=[50])
    again = posted(client, "/forecasts", series=["R3"], horizon=7)
    assert (first["stored"], again["stored"]) == (7, 0)
    stored = client.get("/forecasts", params={"series": "R3", "as_of": "2020-01-16"}).json()["rows"]
    assert [row["y_hat"] for row in stored] == [row["y_hat"] for row in first["rows"]]
    assert stored[0]["lo_95"] < stored[0]["lo_80"], "the usual intervals are stored, whatever was asked"


def test_an_explanation_sums_to_the_forecast(client: TestClient):
    explained = posted(client, "/explanations", series="R1", day="2020-01-17")
    assert sum(part["contribution"] for part in explained["contributions"]) == pytest.approx(explained["forecast"])
    assert explained["series"] == ["R1"]


def test_what_if_names_what_had_no_effect(client: TestClient):
    supposed = posted(client, "/what-if", events=STORM, series=["R1", "R2"])
    assert [total["name"] for total in supposed["totals"]] == ["R1", "R2"]
    assert supposed["notes"]


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/forecasts", {"series": ["R7"]}, 404),
        ("/forecasts", {"horizon": 1000}, 400),
        ("/forecasts", {"model": "nope@champion"}, 404),
        ("/forecasts", {"model": "demand"}, 400),
        ("/forecasts", {"as_of": "2019-06-01"}, 409),
        ("/forecasts", {"horzion": 3}, 400),
        ("/explanations", {"day": "2021-01-01"}, 400),
        ("/what-if", {}, 400),
    ],
)
def test_what_can_not_be_computed_is_refused(client: TestClient, path: str, asked: dict[str, Any], status: int):
    answer = client.post(path, json=MODEL | asked)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]


def test_a_body_that_is_too_large_or_no_json_is_refused(client: TestClient):
    large = client.post("/forecasts", content=b" " * (2**20 + 1), headers={"content-type": "application/json"})
    assert large.status_code == 413
    assert client.post("/forecasts", content=b"{oops", headers={"content-type": "application/json"}).status_code == 400


def test_too_many_outcomes_at_once_are_refused(client: TestClient):
    answer = client.post("/outcomes", json={"outcomes": [{"value": 1.0}] * 10_001})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
