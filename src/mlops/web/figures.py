"""What the parts of a server count, as figures of its metrics: read when Prometheus asks, and never in between.

Each takes the function that gives a part's own counts, so that nothing is counted twice.
"""

from collections.abc import Callable
from typing import Any

from mlops.web.memory import Memory
from mlops.web.metrics import Figure

__all__ = ["log_figures", "model_figures", "server_figures"]

OUTCOMES = ("stored", "repeated", "spooled", "lost", "refused")
"""Of records of the log, as its counts call them."""


def server_figures(running: Callable[[], int], memory: Memory) -> tuple[Figure, ...]:
    """Requests that are computed or wait for it beside the event loop, and the memory of the processes."""
    return (
        Figure("mlops_requests_running", "gauge", "Requests in the pool.", lambda: {(): running()}),
        Figure("mlops_resident_bytes", "gauge", "Memory of the processes.", lambda: {(): memory.resident_mb * 2**20}),
    )


def log_figures(counts: Callable[[], Any]) -> tuple[Figure, ...]:
    """What became of records of the log; `counts` as `PostgresLog.counts` gives them."""
    return (
        Figure(
            "mlops_log_records_total",
            "counter",
            "Records of answered requests: stored, there already, moved to disk, lost, refused by the database.",
            lambda: {(outcome,): getattr(counts(), outcome) for outcome in OUTCOMES},
            ("outcome",),
        ),
        Figure("mlops_log_waiting", "gauge", "Records that wait in memory.", lambda: {(): counts().waiting}),
        Figure("mlops_log_away", "gauge", "Workers that can't write to Postgres.", lambda: {(): bool(counts().away)}),
    )


def model_figures(state: Callable[[], Any]) -> tuple[Figure, ...]:
    """What is served; `state` as `LiveModels.state` gives it."""
    return (
        Figure("mlops_swaps_total", "counter", "Versions that took another's place.", lambda: {(): state().swaps}),
        Figure(
            "mlops_model_bytes",
            "gauge",
            "Memory of each loaded model, as estimated when it was loaded.",
            lambda: {(of.name, of.alias, str(of.version)): of.memory for of in state().models if of.version},
            ("model", "alias", "version"),
        ),
        Figure("mlops_models_failed", "gauge", "Versions that can't be loaded.", lambda: {(): len(state().failures)}),
        Figure("mlops_ready", "gauge", "Workers whose models are warm.", lambda: {(): bool(state().ready)}),
    )
