"""Forecasts: frames in, frames out; no SQL and no MLflow.

>>> forecaster("naive")(freq="D", country=None).fit(frame).predict(28)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mlops.errors import UnknownName

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.forecasting.base import Forecaster

__all__ = ["KINDS", "forecaster", "load"]

KINDS = {
    "auto": "mlops.forecasting.ensemble:Auto",
    "lean": "mlops.forecasting.ensemble:Lean",
    "naive": "mlops.forecasting.naive:SeasonalNaive",
    "average": "mlops.forecasting.naive:MovingAverage",
    "smoothing": "mlops.forecasting.smoothing:Smoothing",
    "hybrid": "mlops.forecasting.hybrid:Hybrid",
    "prophet": "mlops.forecasting.prophet:Prophet",
    "lightgbm": "mlops.forecasting.lightgbm:LightGBM",
}
"""Model kinds: a new one is one file and one line here."""


def forecaster(kind: str) -> "type[Forecaster]":
    """The class of a model kind, imported when it is asked for."""
    if kind not in KINDS:
        raise UnknownName("model kind", kind, KINDS)
    module, _, name = KINDS[kind].partition(":")
    found: type[Forecaster] = getattr(import_module(module), name)
    return found


def load(folder: "Path | str") -> "Forecaster":
    """The fitted forecaster that `Forecaster.save` wrote into a folder."""
    from mlops.forecasting.base import read_card

    return forecaster(read_card(folder)["kind"]).load(folder)
