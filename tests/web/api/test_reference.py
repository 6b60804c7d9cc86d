"""docs/api.md is the OpenAPI document in words; MLOPS_RENEW_REFERENCE=1 writes it anew."""

import os
from pathlib import Path
from types import SimpleNamespace

from starlette.testclient import TestClient

from mlops.policy import LimitPolicy, LogPolicy, ServingPolicy, ShadowPolicy
from mlops.web.api.page import Endpoint, endpoints
from mlops.web.app import build_app
from mlops.web.memory import Memory
from mlops.web.parts import Parts

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
HEAD = """# The API

What a server of `mlops serve` is asked. The same is at its `/docs`, and for machines at `/openapi.json`;
[clients](how-to/clients.md) says how pages, times, formats and errors work, [keys](how-to/keys.md) who may ask what.
"""


def written(document: dict) -> str:
    """The page."""
    parts, subject = [HEAD], ""
    for endpoint in endpoints(document):
        if endpoint.subject != subject:
            subject = endpoint.subject
            parts.append(f"\n## {subject.capitalize()}\n")
        parts.append(f"\n### `{endpoint.method} {endpoint.path}`\n\n{' '.join(endpoint.description.split())}\n")
        parts += listed(endpoint)
    return "".join(parts)


def listed(endpoint: Endpoint) -> list[str]:
    asked = endpoint.parameters + endpoint.body
    lines = []
    for one in asked:
        kind = one.kind.replace(" | ", " or ") + (", required" if one.required else "")
        lines.append(f"- `{one.name}` ({kind}) {one.description}".rstrip() + "\n")
    gives = ", ".join(f"`{one.name}`" for one in endpoint.fields)
    return (["\n", *lines] if lines else []) + ([f"\nGives {gives}.\n"] if gives else [])


def test_the_reference_is_what_the_server_says_of_itself():
    nothing = SimpleNamespace()
    policy = ServingPolicy(LimitPolicy(), LogPolicy(), ShadowPolicy())
    parts = Parts(
        database=nothing,
        store=nothing,
        models=nothing,
        requests=nothing,
        door=nothing,
        policy=policy,
        metrics=nothing,
        shadows=nothing,
        memory=Memory(0),
    )
    document = TestClient(build_app(parts, None)).get("/openapi.json").json()
    text = written(document)
    if os.environ.get("MLOPS_RENEW_REFERENCE"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "run this test with MLOPS_RENEW_REFERENCE=1"
