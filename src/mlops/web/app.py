"""The server as one ASGI application: scoring in front, behind it what can be read, described by OpenAPI."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter, FastAPI

from mlops.version import __version__
from mlops.web.access import answer_denied
from mlops.web.api.analytics import analytics
from mlops.web.api.computed import computed
from mlops.web.api.document import Described
from mlops.web.api.forecasts import forecasts
from mlops.web.api.models import models
from mlops.web.api.protocol import protocol
from mlops.web.api.said import said
from mlops.web.api.series import series
from mlops.web.metrics import metrics_router
from mlops.web.parts import Parts
from mlops.web.scoring import ScoringApp, Target

__all__ = ["build_app"]

ABOUT = """Forecasts and predictions by registry URI (`models:/NAME@alias`), and what is known of series, models, drift
and recommendations. `POST /invocations` and `POST /models/NAME@ALIAS/invocations` speak MLflow's scoring protocol."""


Router = Callable[[Parts], APIRouter]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def metrics(parts: Parts) -> APIRouter:
    """What the server has counted."""
    return metrics_router(parts.metrics, parts.door)


ROUTERS: tuple[Router, ...] = (protocol, metrics, series, analytics, forecasts, computed, said, models)
"""Each makes the endpoints of a subject."""


def build_app(parts: Parts, default: Target | None, *, lifespan: Lifespan | None = None) -> ScoringApp:
    """The application; `default` is the model that `/invocations` asks, `lifespan` FastAPI's."""
    rest = Described(
        title="mlops", version=__version__, description=ABOUT, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    answer_denied(rest)
    for router in ROUTERS:
        rest.include_router(router(parts))
    return ScoringApp(
        parts.models,
        parts.requests,
        rest,
        door=parts.door,
        limits=parts.policy.limits,
        default=default,
        observer=parts.metrics,
        shadows=parts.shadows,
        memory=parts.memory,
    )
