"""The server as one ASGI application: scoring in front, behind it what can be read, described by OpenAPI."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter, FastAPI

from mlops.version import __version__
from mlops.web import access
from mlops.web.api.protocol import protocol
from mlops.web.parts import Parts
from mlops.web.scoring import ScoringApp, Target

__all__ = ["build_app"]

ABOUT = """Forecasts and predictions by registry URI (`models:/NAME@alias`), and what is known of series, models, drift
and recommendations. `POST /invocations` and `POST /models/NAME@ALIAS/invocations` speak MLflow's scoring protocol."""


Router = Callable[[Parts], APIRouter]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
ROUTERS: tuple[Router, ...] = (protocol,)
"""Each makes the endpoints of a subject."""


def build_app(parts: Parts, default: Target | None, *, lifespan: Lifespan | None = None) -> ScoringApp:
    """The application; `default` is the model that `/invocations` asks, `lifespan` FastAPI's."""
    rest = FastAPI(
        title="mlops", version=__version__, description=ABOUT, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    access.answer_denied(rest)
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
