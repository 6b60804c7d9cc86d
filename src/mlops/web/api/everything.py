"""All that the server can be asked beside predictions, a router for each subject."""

from fastapi import APIRouter

from mlops.web.api.analytics import analytics
from mlops.web.api.forecasts import forecasts
from mlops.web.api.models import models
from mlops.web.api.protocol import protocol
from mlops.web.api.series import series
from mlops.web.metrics import metrics_router
from mlops.web.parts import Parts

__all__ = ["ROUTERS"]


def metrics(parts: Parts) -> APIRouter:
    """What the server has counted."""
    return metrics_router(parts.metrics, parts.door)


ROUTERS = (protocol, metrics, series, analytics, forecasts, models)
"""Each makes the endpoints of a subject."""
