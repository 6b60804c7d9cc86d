"""The page of the API shows every endpoint, is small, and asks nothing of any other server."""

import re

from starlette.testclient import TestClient


def test_the_page_shows_every_endpoint_and_asks_nobody(client: TestClient):
    answer = client.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    paths = client.get("/openapi.json").json()["paths"]
    assert len(paths) > 15
    for path in paths:
        assert f"<code>{path}</code>" in answer.text
    assert len(answer.content) < 150_000, "bytes"
    assert not re.search(r"<script|<img|<link|https?://|url\(", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_every_endpoint_that_reads_says_which_key_it_needs(client: TestClient):
    document = client.get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}
    for path, methods in document["paths"].items():
        for said in methods.values():
            assert said.get("security") or path in ("/ping", "/health", "/version"), path
            assert said["summary"], path
            assert said.get("description"), path
