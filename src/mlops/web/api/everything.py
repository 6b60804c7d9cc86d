"""All that the server can be asked beside predictions, a router for each subject."""

from mlops.web.api.analytics import analytics
from mlops.web.api.forecasts import forecasts
from mlops.web.api.models import models
from mlops.web.api.series import series

__all__ = ["ROUTERS"]

ROUTERS = (series, analytics, forecasts, models)
