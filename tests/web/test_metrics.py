"""What a server counts is what Prometheus is shown, of one worker or of several, also when some have died."""

import importlib.util
import os
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mlops.access import KeyRing
from mlops.errors import Refused
from mlops.web import access, metrics
from mlops.web.access import Door
from mlops.web.figures import log_figures, model_figures, server_figures
from mlops.web.metrics import BOUNDS, MOST_LABELS, Figure, Metrics, metrics_router

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def shown(counting: Metrics) -> Samples:
    """By name and labels what a scrape reads."""
    content, content_type = counting.exposition()
    assert content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def requests(samples: Samples) -> dict[tuple[str, str, str], float]:
    return {
        tuple(dict(labels)[name] for name in ("model", "version", "status")): value
        for (name, labels), value in samples.items()
        if name == "mlops_requests_total"
    }


def test_requests_are_counted_by_model_version_and_status():
    counting = Metrics()
    for status in (200, 200, 400):
        counting.answered("demand", 3, status, 0.001)
    counting.answered("demand", 4, 200, 0.002)
    counting.answered("", 0, 401, 0.0)
    assert requests(shown(counting)) == {
        ("demand", "3", "200"): 2,
        ("demand", "3", "400"): 1,
        ("demand", "4", "200"): 1,
        ("", "0", "401"): 1,
    }


@given(seconds=st.lists(st.floats(0, 100), max_size=60))
def test_a_histogram_counts_what_took_no_longer_than_each_bound(seconds: list[float]):
    counting = Metrics()
    for took in seconds:
        counting.answered("demand", 3, 200, took)
    counting.answered("demand", 3, 504, 60.0)
    samples = shown(counting)
    labels = {("model", "demand"), ("version", "3")}
    for bound in BOUNDS if seconds else ():
        key = ("mlops_request_seconds_bucket", frozenset({*labels, ("le", repr(bound))}))
        assert samples[key] == sum(took <= bound for took in seconds)
    if seconds:
        assert samples["mlops_request_seconds_count", frozenset(labels)] == len(seconds)
        assert samples["mlops_request_seconds_sum", frozenset(labels)] == pytest.approx(sum(seconds))


def test_a_name_that_a_client_made_up_is_no_label():
    counting = Metrics()
    counting.answered("demand", 3, 200, 0.001)
    for name in ("demand", "nonsense", "x" * 500):
        counting.answered(name, 0, 404, 0.001)
    assert requests(shown(counting)) == {
        ("demand", "3", "200"): 1,
        ("demand", "0", "404"): 1,
        ("", "0", "404"): 2,
    }


def test_labels_have_an_end():
    counting = Metrics()
    for version in range(1, MOST_LABELS + 500):
        counting.answered("demand", version, 200, 0.001)
    counted = requests(shown(counting))
    assert len(counted) == MOST_LABELS + 1
    assert counted["other", "0", "200"] == 499
    assert sum(counted.values()) == MOST_LABELS + 499


def test_figures_are_read_when_they_are_asked_for():
    counting, state = Metrics(), SimpleNamespace(waiting=0, lost=0)
    counting.watch(
        Figure("mlops_requests_waiting", "gauge", "Requests that wait.", lambda: {(): state.waiting}),
        Figure("mlops_log_records_total", "counter", "Records.", lambda: {("lost",): state.lost}, ("outcome",)),
    )
    state.waiting, state.lost = 4, 7
    samples = shown(counting)
    assert samples["mlops_requests_waiting", frozenset()] == 4
    assert samples["mlops_log_records_total", frozenset({("outcome", "lost")})] == 7


def worker(folder: Path, waiting: int) -> Metrics:
    made = Metrics(folder)
    made.watch(
        Figure("mlops_requests_waiting", "gauge", "Requests that wait.", lambda: {(): waiting}),
        Figure("mlops_swaps_total", "counter", "Swaps.", lambda: {("demand",): 1}, ("model",)),
    )
    return made


def test_any_worker_answers_for_all_and_counters_never_fall_when_one_dies(tmp_path: Path):
    first, second = worker(tmp_path, 2), worker(tmp_path, 3)
    first.answered("demand", 3, 200, 0.001)
    second.answered("demand", 3, 200, 0.003)
    second.answered("demand", 3, 400, 0.003)
    second.publish()
    both = shown(first)
    assert requests(both) == {("demand", "3", "200"): 2, ("demand", "3", "400"): 1}
    assert both["mlops_requests_waiting", frozenset()] == 5
    assert both["mlops_swaps_total", frozenset({("model", "demand")})] == 2
    assert shown(second) == both
    long_ago = time.time() - 60
    for path in tmp_path.iterdir():  # the second dies; the first writes again when it is asked
        os.utime(path, (long_ago, long_ago))
    after = shown(first)
    assert requests(after) == requests(both)
    assert after["mlops_swaps_total", frozenset({("model", "demand")})] == 2
    assert after["mlops_requests_waiting", frozenset()] == 2, "what a dead worker held is gone"


def test_a_worker_writes_its_counts_by_itself_and_once_more_at_its_end(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(metrics, "PUBLISH_SECONDS", 0.01)
    with worker(tmp_path, 0) as first:
        first.answered("demand", 3, 200, 0.001)
        end = time.monotonic() + 10
        while not requests(shown(worker(tmp_path, 0))):
            assert time.monotonic() < end
            time.sleep(0.01)
        monkeypatch.setattr(metrics, "PUBLISH_SECONDS", 0.5)
        first.answered("demand", 3, 200, 0.001)
    assert requests(shown(worker(tmp_path, 0))) == {("demand", "3", "200"): 2}


@pytest.fixture
def client() -> tuple[Metrics, httpx.Client]:
    from fastapi.testclient import TestClient

    counting, door = Metrics(), Door(KeyRing(None), open_to_local=True)  # type: ignore[arg-type]  # it holds no key
    app = FastAPI()
    access.answer_denied(app)
    app.include_router(metrics_router(counting, door))
    return counting, TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5))


def test_metrics_are_asked_for_over_http(client: tuple[Metrics, httpx.Client]):
    counting, http = client
    counting.answered("demand", 3, 200, 0.001)
    text = http.get("/metrics")
    assert (text.status_code, text.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'mlops_requests_total{model="demand",status="200",version="3"} 1.0' in text.text
    newer = http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert newer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert newer.text.endswith("# EOF\n")


def test_without_a_key_others_see_no_metrics(client: tuple[Metrics, httpx.Client]):
    assert client[1].get("/metrics", headers={"X-Forwarded-For": "10.0.0.7"}).status_code == 401


def test_without_the_library_the_server_says_what_is_missing(client: tuple[Metrics, httpx.Client], monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(metrics, "find_spec", lambda name: None if name == "prometheus_client" else find(name))
    answer = client[1].get("/metrics")
    assert answer.status_code == 501
    assert answer.json() == {
        "error_code": "NOT_IMPLEMENTED",
        "message": "this server shows no metrics: the extra metrics is not installed (prometheus-client)",
    }
    with pytest.raises(Refused):
        client[0].exposition()


def test_what_the_parts_count_is_shown():
    counts = SimpleNamespace(stored=5, repeated=1, spooled=2, lost=3, refused=0, waiting=4, away="the server is away")
    served = [
        SimpleNamespace(name="demand", alias="champion", version=3, memory=2_000_000),
        SimpleNamespace(name="demand", alias="challenger", version=None, memory=0),
    ]
    state = SimpleNamespace(swaps=2, models=served, failures=[object()], ready=True)
    counting = Metrics()
    counting.watch(
        *log_figures(lambda: counts),
        *model_figures(lambda: state),
        *server_figures(lambda: 6, SimpleNamespace(resident_mb=2.0)),
    )
    assert {
        (name, *sorted(value for _, value in labels)): number for (name, labels), number in shown(counting).items()
    } == {
        ("mlops_log_records_total", "stored"): 5,
        ("mlops_log_records_total", "repeated"): 1,
        ("mlops_log_records_total", "spooled"): 2,
        ("mlops_log_records_total", "lost"): 3,
        ("mlops_log_records_total", "refused"): 0,
        ("mlops_log_waiting",): 4,
        ("mlops_log_away",): 1,
        ("mlops_swaps_total",): 2,
        ("mlops_model_bytes", "3", "champion", "demand"): 2_000_000,
        ("mlops_models_failed",): 1,
        ("mlops_ready",): 1,
        ("mlops_requests_running",): 6,
        ("mlops_resident_bytes",): 2 * 2**20,
    }
