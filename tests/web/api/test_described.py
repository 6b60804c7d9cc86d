"""Everything that is read over HTTP is described by OpenAPI, and is as described."""

from typing import Any

import jsonschema_rs
from starlette.testclient import TestClient

ASKED: dict[str, Any] = {
    "/aggregates": {"by": "route", "metric_type": "collection_weight", "start": "2019-12-01", "end": "2020-01-01"},
    "/months": {"by": "route", "ids": "R1", "start": "2019-10-01", "end": "2020-01-01"},
    "/series/{series}/decomposition": {"start": "2019-12-01", "end": "2020-01-01"},
    "/findings": {"all": "true"},
    "/recommendations": {"all": "true"},
    "/health/models": {"as_of": "2020-01-08"},
}
NAMED = {"{series}": "R1", "{name}": "demand", "{number}": "1"}


def reads(document: dict[str, Any]) -> list[str]:
    """The paths that are read."""
    return [
        path
        for path, methods in document["paths"].items()
        if "get" in methods and path not in ("/metrics", "/ping", "/version")
    ]


def filled(path: str) -> str:
    for hole, value in NAMED.items():
        path = path.replace(hole, value)
    return path


def test_every_answer_is_as_it_is_described(client: TestClient):
    document = client.get("/openapi.json").json()
    for path in reads(document):
        answer = client.get(filled(path), params=ASKED.get(path, {}))
        assert answer.status_code == 200, (path, answer.text)
        described = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        if described:
            jsonschema_rs.validator_for(described, validate_formats=True).validate(answer.json())
        rows = answer.json().get("rows") if isinstance(answer.json(), dict) else None
        assert rows is None or rows, (path, "nothing was checked")
