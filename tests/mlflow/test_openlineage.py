"""Lineage as OpenLineage events: what they say, to a file and to an endpoint."""

import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr
import psycopg
import pytest
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde

from mlops.db import Database
from mlops.serving.predict import predict
from mlops.tracking.bridge.sync import sync
from mlops.tracking.openlineage import recorded_versions
from mlops.tracking.openlineage.events import Place, events
from mlops.tracking.store import Store
from mlops.training import Trained

Command = Callable[..., tuple[int, str, str]]
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
PLACE = Place("postgres://db:5432", "mlflow://db:5432")
FACETS = {
    name: kind
    for module in vars(facet_v2).values()
    if isinstance(module, ModuleType)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and attr.has(kind) and name.endswith("Facet")
}


class Endpoint:
    """A catalogue that takes events until it has `most`, then answers 500."""

    def __init__(self, most: int = 1000) -> None:
        received: list[tuple[str, str | None, dict[str, Any]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                taken = len(received) < most
                if taken:
                    received.append((self.path, self.headers["Authorization"], body))
                self.send_response(201 if taken else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.received = received
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Endpoint":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def conforms(value: Any, kind: Any) -> bool:
    """Whether a JSON value is what a class of the official client declares: all it requires, and nothing else."""
    if get_origin(kind) in (Union, UnionType):
        return any(conforms(value, one) for one in get_args(kind))
    if get_origin(kind) is list:
        return isinstance(value, list) and all(conforms(one, get_args(kind)[0]) for one in value)
    if get_origin(kind) is dict:
        name = get_args(kind)[1].__name__
        facet = name.endswith("Facet")
        of = [FACETS[one["_schemaURL"].rpartition("/")[2]] if facet else get_args(kind)[1] for one in value.values()]
        return all(conforms(one, found) for one, found in zip(value.values(), of, strict=True))
    if attr.has(kind):
        fields, hints = {field.name: field for field in attr.fields(kind)}, get_type_hints(kind)
        required = {name for name, field in fields.items() if field.default is attr.NOTHING}
        known = isinstance(value, dict) and required <= value.keys() <= fields.keys()
        return known and all(conforms(one, hints[name]) for name, one in value.items())
    if isinstance(kind, type) and issubclass(kind, Enum):
        return value in {one.value for one in kind}
    return kind is Any or isinstance(value, (int, float) if kind is float else kind)


def told(database: Database, since: datetime | None = None) -> list[dict[str, Any]]:
    return [Serde.to_dict(event) for event in events(recorded_versions(database, since=since), PLACE)]


def test_a_training_is_told_as_one_run_from_the_series_to_the_model(routes: Database, champion: Trained):
    start, complete = told(routes)
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert complete["job"]["name"] == "train.demand"
    assert complete["run"]["facets"]["nominalTime"]["nominalStartTime"] == "2020-01-01T00:00:00+00:00"
    assert {"key": "mlflow.run_id", "value": champion.version.run_id, "source": "MLOPS"} in complete["run"]["facets"][
        "tags"
    ]["tags"]
    assert json.loads(complete["job"]["facets"]["sourceCode"]["sourceCode"])["kind"] == "lightgbm", "the recipe"
    (series,), (model,) = complete["inputs"], complete["outputs"]
    assert series["namespace"] == "postgres://db:5432"
    assert series["name"].endswith(".analytics.time_series")
    assert series["inputFacets"]["inputStatistics"]["rowCount"] == 4 * 365
    assert '"collection_weight"' in json.dumps(series["inputFacets"]["subset"])
    assert (model["name"], model["facets"]["version"]["datasetVersion"]) == ("demand", "1")
    columns = model["facets"]["columnLineage"]["fields"]
    assert columns["same_season_1"]["inputFields"][0]["field"] == "value"
    assert columns["day_of_week"]["inputFields"][0]["field"] == "observed_at", "the calendar knows nothing of values"
    assert {field["name"] for field in model["facets"]["schema"]["fields"]} == columns.keys()


def test_a_training_begins_and_ends_when_its_run_did_even_when_that_is_gone(
    routes: Database, store: Store, champion: Trained
):
    run = store.client.get_run(champion.version.run_id).info
    assert run.start_time < run.end_time
    times = [datetime.fromtimestamp(one / 1000, UTC).isoformat() for one in (run.start_time, run.end_time)]
    assert [event["eventTime"] for event in told(routes)] == times
    store.client.delete_run(run.run_id)
    sync(store, routes)
    assert [event["eventTime"] for event in told(routes)] == times


def test_every_event_is_what_the_official_client_declares(routes: Database, store: Store, champion: Trained):
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=7)
    found = told(routes, NEW_YEAR)
    assert len(found) == 4
    for event in found:
        assert conforms(event, event_v2.RunEvent), event
        assert event["schemaURL"].endswith("/2-0-2/OpenLineage.json#/$defs/RunEvent")
    assert not conforms(found[0] | {"more": 1}, event_v2.RunEvent)
    assert not conforms({name: value for name, value in found[0].items() if name != "run"}, event_v2.RunEvent)


def test_forecasts_are_told_with_the_model_that_made_them(routes: Database, store: Store, champion: Trained):
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=7)
    assert len(told(routes)) == 2, "only when they are asked for"
    assert len(told(routes, NEW_YEAR + timedelta(days=1))) == 2, "and only since the time asked for"
    forecast = told(routes, NEW_YEAR)[-1]
    assert forecast["job"]["name"] == "predict.demand"
    assert forecast["inputs"][0]["name"] == "demand"
    assert forecast["inputs"][0]["facets"]["version"]["datasetVersion"] == "1"
    assert forecast["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 4 * 7


def test_code_that_mlflow_found_in_a_repository_is_named(routes: Database, champion: Trained):
    with psycopg.connect(routes.url) as connection:
        tags = {"mlflow.source.git.repoURL": "https://git.example/us", "mlflow.source.git.commit": "7e9bb43"}
        connection.execute("update analytics.model_versions set run_tags = %s", [json.dumps(tags)])
    _, complete = told(routes)
    found = complete["job"]["facets"]["sourceCodeLocation"]
    assert (found["url"], found["version"]) == ("https://git.example/us", "7e9bb43")
    assert conforms(complete, event_v2.RunEvent)


def test_a_version_without_lineage_is_told_with_its_problem(routes: Database, champion: Trained):
    with psycopg.connect(routes.url) as connection:
        connection.execute("set local session_replication_role = replica")  # what was recorded can't be taken back
        connection.execute(
            "update analytics.model_versions set lineage = null, lineage_sha256 = null, lineage_state = 'incomplete',"
            " lineage_problem = 'the model carries no lineage'"
        )
    _, complete = told(routes)
    assert complete["inputs"] == []
    assert complete["outputs"][0]["facets"]["documentation"]["description"] == "the model carries no lineage"
    assert conforms(complete, event_v2.RunEvent)


def test_the_same_state_is_the_same_file(routes: Database, champion: Trained, mlops: Command, tmp_path: Path):
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    code, printed, _ = mlops("registry", "export-lineage", first)
    assert (code, printed.strip()) == (0, f"2 events of 1 versions and 0 calls of predict are in {first}")
    assert mlops("registry", "export-lineage", second, "--model", "demand", "--json")[0] == 0
    assert first.read_bytes() == second.read_bytes()
    assert [json.loads(line)["eventType"] for line in first.read_text().splitlines()] == ["START", "COMPLETE"]
    assert {path.name for path in tmp_path.glob("*son")} == {"first.ndjson", "second.ndjson"}, "nothing else is left"


def test_an_endpoint_receives_the_events(routes: Database, champion: Trained, mlops: Command):
    with Endpoint() as endpoint:
        code, printed, _ = mlops("registry", "export-lineage", endpoint.url, "--api-key", "secret", "--json")
        mlops("registry", "export-lineage", f"{endpoint.url}/catalogue/events?of=us")
    assert (code, json.loads(printed)["events"]) == (0, 2)
    assert [(path, key) for path, key, _ in endpoint.received] == [("/api/v1/lineage", "Bearer secret")] * 2 + [
        ("/catalogue/events?of=us", None)
    ] * 2
    assert endpoint.received[:2][1][2] == endpoint.received[2:][1][2], "twice the same"


def test_an_endpoint_that_fails_is_named(routes: Database, champion: Trained, mlops: Command):
    with Endpoint(most=1) as endpoint:
        code, _, said = mlops("registry", "export-lineage", endpoint.url)
    assert code == 1
    assert f"{endpoint.url} did not take event 2: it answered 500 Internal Server Error; run the same command" in said
    code, _, said = mlops("registry", "export-lineage", endpoint.url)
    assert code == 1
    assert "did not take event 1: " in said
    assert "Connection refused" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/no/such/folder/events.ndjson",), "can't be written: there is no folder /no/such/folder; make it"),
        (("https://",), "'https://' has no host"),
        (("events.ndjson", "--model", "waste"), "no version of 'waste' is in the mirror; there is demand"),
    ],
)
def test_what_can_not_be_exported_is_refused(
    routes: Database, champion: Trained, mlops: Command, arguments: tuple[str, ...], words: str
):
    code, _, said = mlops("registry", "export-lineage", *arguments)
    assert code in (1, 2), "which of them is said by test_misuse.py"
    assert words in said


def test_without_the_client_the_extra_is_named(home: object, mlops: Command, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.startswith(("openlineage", "mlops.tracking.openlineage.events"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("mlops.tracking.openlineage.events", raising=False)
    monkeypatch.setitem(sys.modules, "openlineage.client", None)
    code, _, said = mlops("registry", "export-lineage", "events.ndjson")
    assert (code, "pip install 'mlops[openlineage]'" in said) == (1, True), said


@pytest.mark.parametrize(
    ("url", "namespace"),
    [
        ("postgresql://postgres@/mlops?host=%2Ftmp%2Fsocket&port=5433", "postgres://localhost:5433"),
        ("postgresql://me:secret@db.example/mlops", "postgres://db.example:5432"),
        ("postgresql+psycopg://me@db:6000/x?options=-csearch_path%3Dmlflow", "postgres://db:6000"),
    ],
)
def test_namespaces_follow_the_naming_of_the_specification(url: str, namespace: str):
    assert Place.of(url, "https://mlflow.example/x") == Place(namespace, "mlflow://mlflow.example:443")
