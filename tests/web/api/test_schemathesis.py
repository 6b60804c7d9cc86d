"""Whatever is asked, valid or not, the answer is one that the OpenAPI document describes, and never a failure.

A campaign of many examples: .venv/bin/pytest tests/web/api/test_schemathesis.py --hypothesis-profile campaign
"""

from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from starlette.testclient import TestClient
from tests.campaign import examples

from mlops.access import KeyRing, create_key
from mlops.web.access import Door
from mlops.web.app import build_app
from mlops.web.parts import Parts
from mlops.web.scoring import Target

EXCLUDED = [positive_data_acceptance, ignored_auth]
"""What names a series or a time fits the document as a text, and is refused all the same where there is none such. The
key goes with every request here; what is answered without one is a test of its own."""
OF_MLFLOW = ("/ping", "/version")
"""Their bodies are called JSON and are none: that is MLflow's protocol."""


@pytest.fixture
def operations(parts: Parts) -> list[Any]:
    """What can be asked of a server that needs a key, with one that may do everything."""
    secret = create_key(parts.database, "the campaign", "admin").secret
    ring = KeyRing(parts.database)
    ring.read()
    app = build_app(replace(parts, door=Door(ring, open_to_local=True)), Target("demand", "champion"))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    schema.config.update(headers={"X-API-Key": secret})
    refused = schema.config.checks.negative_data_rejection
    refused.expected_statuses = [*refused.expected_statuses, "413"]  # a list may also be too large to be read
    return [made.ok() for made in schema.get_all_operations() if made.ok().path not in OF_MLFLOW]


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_one_that_the_document_describes(operations: Any, mode: GenerationMode):
    assert len(operations) > 20
    breaches = []
    for operation in operations:

        @settings(max_examples=examples(6), deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def asked(case: schemathesis.Case) -> None:
            case.call_and_validate(excluded_checks=EXCLUDED)

        try:
            asked()
        except Unsatisfiable:  # it takes no parameter, so nothing can be wrong with one
            assert mode is GenerationMode.NEGATIVE
        except BaseExceptionGroup as group:
            breaches += [f"{operation.label}: {one}" for one in group.exceptions]
    assert not breaches, "\n\n".join(breaches)


def test_without_a_key_nothing_is_answered(parts: Parts):
    door = Door(KeyRing(parts.database), open_to_local=True)
    app = build_app(replace(parts, door=door), Target("demand", "champion"))
    with TestClient(app) as client:
        for path, methods in client.get("/openapi.json").json()["paths"].items():
            for method in methods:
                answer = client.request(method, path.replace("{number}", "1").replace("{version}", "1"))
                assert answer.status_code == (200 if path in ("/ping", "/version", "/health") else 401), path
