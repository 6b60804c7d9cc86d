"""Forecasts: frames in, frames out; no SQL and no MLflow.

>>> forecaster("naive")(freq="D", country=None).fit(frame).predict(28)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mlops.errors import UnknownName
from mlops.lazy import attach

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.forecasting.base import Forecaster
    from mlops.forecasting.whatif import what_if

__all__ = ["KINDS", "forecaster", "load", "what_if"]

KINDS = {
    "auto": "mlops.forecasting.ensemble.model:Auto",
    "lean": "mlops.forecasting.ensemble.model:Lean",
    "naive": "mlops.forecasting.naive:SeasonalNaive",
    "average": "mlops.forecasting.naive:MovingAverage",
    "smoothing": "mlops.forecasting.smoothing:Smoothing",
    "hybrid": "mlops.forecasting.hybrid:Hybrid",
    "prophet": "mlops.forecasting.prophet.model:Prophet",
    "lightgbm": "mlops.forecasting.lightgbm.model:LightGBM",
}
"""Model kinds: a new one is one file and one line here."""

__getattr__ = attach(__name__, {"what_if": "mlops.forecasting.whatif"})


def __dir__() -> list[str]:
    return sorted(__all__)


def forecaster(kind: str) -> "type[Forecaster]":
    """The class of a model kind, imported when it is asked for; UnknownName for a kind that is none.

    Parameters
    ----------
    kind
        One of KINDS.

    Examples
    --------
    >>> import pandas as pd
    >>> from mlops.forecasting import forecaster
    >>> days = pd.date_range("2024-01-01", periods=63)
    >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
    >>> forecaster("naive")(country="DE", horizon=14).fit(frame).predict(2)["y_hat"].tolist()
    [5.0, 6.0]
    """
    if kind not in KINDS:
        raise UnknownName("model kind", kind, KINDS)
    module, _, name = KINDS[kind].partition(":")
    kind_class: type[Forecaster] = getattr(import_module(module), name)
    return kind_class


def load(folder: "Path | str") -> "Forecaster":
    """The fitted forecaster that `save` wrote into a folder; BadInput for a folder in which none was saved.

    Parameters
    ----------
    folder
        What was passed to `save`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from mlops.forecasting import forecaster, load
    >>> days = pd.date_range("2024-01-01", periods=63)
    >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
    >>> with TemporaryDirectory() as folder:
    ...     forecaster("naive")().fit(frame).save(folder)
    ...     load(folder).kind
    'naive'
    """
    from mlops.forecasting.saved import read_card

    return forecaster(read_card(folder)["kind"]).load(folder)
