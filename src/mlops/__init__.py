"""The lifecycle of forecasting models for operational time series.

What a notebook needs is here, and is imported when it is asked for:

>>> from mlops import compare, cross_validation, forecaster, scores
"""

from typing import TYPE_CHECKING

from mlops.lazy import attach
from mlops.version import __version__

if TYPE_CHECKING:
    from mlops.client import Client
    from mlops.config import Settings
    from mlops.errors import MlopsError
    from mlops.evaluation import Comparison, compare, cross_validation, plot, scores
    from mlops.forecasting import KINDS, forecaster, load, what_if
    from mlops.monitoring import Monitor, MonitorSpec, fit_monitor

__all__ = [
    "KINDS",
    "Client",
    "Comparison",
    "MlopsError",
    "Monitor",
    "MonitorSpec",
    "Settings",
    "__version__",
    "compare",
    "cross_validation",
    "fit_monitor",
    "forecaster",
    "load",
    "plot",
    "scores",
    "what_if",
]

__getattr__ = attach(
    __name__,
    {
        "Client": "mlops.client",
        "Comparison": "mlops.evaluation.comparison",
        "KINDS": "mlops.forecasting",
        "MlopsError": "mlops.errors",
        "Monitor": "mlops.monitoring",
        "MonitorSpec": "mlops.monitoring",
        "Settings": "mlops.config",
        "compare": "mlops.evaluation.comparison",
        "cross_validation": "mlops.evaluation.validation",
        "fit_monitor": "mlops.monitoring",
        "forecaster": "mlops.forecasting",
        "load": "mlops.forecasting",
        "plot": "mlops.evaluation.plots",
        "scores": "mlops.evaluation.accuracy",
        "what_if": "mlops.forecasting.whatif",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
