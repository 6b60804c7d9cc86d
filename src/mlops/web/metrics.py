"""How the server does, for Prometheus: plain numbers on the request path, made into text when somebody asks for it.

A worker counts for itself, and whichever of them Prometheus happens to ask answers for all: each writes its counts to a
file of a shared folder every second, and the files are added up. What a worker has counted stays when it has died (but
for its last second), so that no counter ever falls; what it held then (memory, requests that wait) does not.
"""

import json
import math
import os
import secrets
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, Response

from mlops.errors import Refused
from mlops.files import write_whole
from mlops.web.access import Door, caller_with

__all__ = ["BOUNDS", "Counted", "Figure", "Metrics", "added_up", "metrics_router"]

Labels = tuple[str, ...]

BOUNDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram of seconds: from one row of trees (0.2 ms) to the limit of a request (60 s). Chosen."""
MOST_LABELS = 1_000
"""At most so many of model, version and status; what comes later counts as `other`. Chosen, not measured."""
PUBLISH_SECONDS = 1.0
STALE_SECONDS = 10.0
"""A worker that has written nothing for so long is dead: ten times as long as it waits between two writings."""
REQUESTS, SECONDS = "mlops_requests_total", "mlops_request_seconds"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is read when it is asked for: `read` gives a number for each combination of labels.

    A counter's name ends in `_total`; a gauge of several workers is their sum.
    """

    name: str
    kind: Literal["counter", "gauge"]
    about: str
    read: Callable[[], Mapping[Labels, float]]
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """What one worker or all have counted: requests by model, version and status; of model and version how many took
    how long (by BOUNDS, the longer ones, and last their sum in seconds); and the figures by name.
    """

    requests: Mapping[Labels, float]
    seconds: Mapping[Labels, list[float]]
    figures: Mapping[str, Mapping[Labels, float]]


class Metrics:
    """Counts what is answered; `with` several workers, each gets the same `folder`, which begins empty."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._name = folder, f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._figures: dict[str, Figure] = {}
        self._requests: dict[tuple[str, int, int], int] = {}
        self._seconds: dict[tuple[str, int], list[float]] = {}
        self._writing, self._stopped = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep_publishing, name="metrics", daemon=True)

    def __enter__(self) -> Self:
        if self._folder is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def answered(self, model: str, version: int, status: int, seconds: float) -> None:
        """One request of a model was answered; called on the event loop, so it has to be quick.

        Version 0 is none: the name is what a client wrote, and becomes a label only where such a model has answered.
        """
        key = (model, version, status)
        if key not in self._requests:
            key = self._label(model, version, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        if status == 200:
            took = self._seconds.get(key[:2])
            if took is None:
                took = self._seconds[key[:2]] = [0.0] * (len(BOUNDS) + 2)
            took[bisect_left(BOUNDS, seconds)] += 1
            took[-1] += seconds

    def watch(self, *figures: Figure) -> None:
        """Show these, too."""
        self._figures |= {figure.name: figure for figure in figures}

    def counted(self) -> Counted:
        """What this worker has counted, now."""
        return Counted(
            {(model, str(version), str(status)): n for (model, version, status), n in list(self._requests.items())},
            {(model, str(version)): took.copy() for (model, version), took in list(self._seconds.items())},
            {name: dict(figure.read()) for name, figure in self._figures.items()},
        )

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type; Refused where its library is not installed."""
        if find_spec("prometheus_client") is None:
            raise Refused("this server shows no metrics: the extra metrics is not installed (prometheus-client)")
        from prometheus_client.exposition import choose_encoder
        from prometheus_client.registry import CollectorRegistry

        registry = CollectorRegistry()
        registry.register(Families(self._figures, self.counted() if self._folder is None else self._of_all()))
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type

    def publish(self) -> None:
        """Write this worker's counts for the others."""
        assert self._folder is not None
        with self._writing:
            write_whole(self._folder / self._name, _dump(self.counted()))

    def _label(self, model: str, version: int, status: int) -> tuple[str, int, int]:
        """The labels of a combination that was not counted before."""
        if version == 0 and not any(known == model for known, *_ in self._requests):
            model = ""
        full = len(self._requests) >= MOST_LABELS and (model, version, status) not in self._requests
        return ("other", 0, status) if full else (model, version, status)

    def _keep_publishing(self) -> None:
        last = False
        while not last:
            last = self._stopped.is_set()
            with suppress(OSError):  # a full disk: the next time may do
                self.publish()
            self._stopped.wait(PUBLISH_SECONDS)

    def _of_all(self) -> Counted:
        """What all workers have counted, this one until now."""
        assert self._folder is not None
        self.publish()
        oldest = time.time() - STALE_SECONDS
        gauges = {name for name, figure in self._figures.items() if figure.kind == "gauge"}
        parts = []
        for path in sorted(self._folder.glob("*.json")):
            counted = _load(path.read_bytes())
            parts.append(counted if path.stat().st_mtime > oldest else _without(counted, gauges))
        return added_up(parts)


def metrics_router(metrics: Metrics, door: Door) -> APIRouter:
    """`GET /metrics`, for whoever may read how the server does."""
    router = APIRouter()

    @router.get(
        "/metrics",
        tags=["server"],
        dependencies=[caller_with(door, "metrics")],
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {}}},
            **{status: {"description": "who asks may not"} for status in (401, 403, 429)},
            501: {"description": "the extra metrics is not installed"},
        },
    )
    def exposed(accept: Annotated[str, Header()] = "") -> Response:
        """What the server has counted, as Prometheus reads it; of all its workers."""
        try:
            content, content_type = metrics.exposition(accept)
        except Refused as refused:
            return JSONResponse({"error_code": "NOT_IMPLEMENTED", "message": str(refused)}, 501)
        return Response(content, headers={"Content-Type": content_type})

    return router


class Families:
    """What prometheus-client asks for the metrics of one answer."""

    def __init__(self, figures: Mapping[str, Figure], counted: Counted) -> None:
        self._figures, self._counted = figures, counted

    def collect(self) -> Iterator[Any]:
        """A family for each name."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        about = "Answered requests for predictions by model, version and HTTP status; without a model, of none."
        requests = CounterMetricFamily(REQUESTS, about, labels=("model", "version", "status"))
        for labels, number in self._counted.requests.items():
            requests.add_metric(labels, number)
        yield requests

        about = "Seconds from the last byte of a request to its answer, of those that were answered with predictions."
        seconds = HistogramMetricFamily(SECONDS, about, labels=("model", "version"))
        for labels, took in self._counted.seconds.items():
            seconds.add_metric(labels, _cumulative(took), took[-1])
        yield seconds

        for figure in self._figures.values():
            kind = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
            family = kind(figure.name, figure.about, labels=figure.labels)
            for labels, number in self._counted.figures.get(figure.name, {}).items():
                family.add_metric(labels, number)
            yield family


def added_up(parts: Iterable[Counted]) -> Counted:
    """What several workers have counted, together."""
    requests: defaultdict[Labels, float] = defaultdict(float)
    seconds: dict[Labels, list[float]] = {}
    figures: defaultdict[str, defaultdict[Labels, float]] = defaultdict(lambda: defaultdict(float))
    for part in parts:
        for labels, number in part.requests.items():
            requests[labels] += number
        for labels, took in part.seconds.items():
            seconds[labels] = [a + b for a, b in zip(seconds.get(labels, [0.0] * len(took)), took, strict=True)]
        for name, numbers in part.figures.items():
            for labels, number in numbers.items():
                figures[name][labels] += number
    return Counted(requests, seconds, figures)


def _cumulative(took: list[float]) -> list[tuple[str, float]]:
    """By upper bound how many took no longer, as Prometheus has it."""
    total, buckets = 0.0, []
    for bound, number in zip((*BOUNDS, math.inf), took, strict=False):
        total += number
        buckets.append(("+Inf" if math.isinf(bound) else repr(bound), total))
    return buckets


def _without(counted: Counted, gauges: set[str]) -> Counted:
    kept = {name: numbers for name, numbers in counted.figures.items() if name not in gauges}
    return Counted(counted.requests, counted.seconds, kept)


def _dump(counted: Counted) -> bytes:
    document = {
        "requests": list(counted.requests.items()),
        "seconds": list(counted.seconds.items()),
        "figures": {name: list(numbers.items()) for name, numbers in counted.figures.items()},
    }
    return json.dumps(document).encode()


def _load(document: bytes) -> Counted:
    read = json.loads(document)
    return Counted(
        {tuple(labels): number for labels, number in read["requests"]},
        {tuple(labels): took for labels, took in read["seconds"]},
        {name: {tuple(labels): number for labels, number in numbers} for name, numbers in read["figures"].items()},
    )
