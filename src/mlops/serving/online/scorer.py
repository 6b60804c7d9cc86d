"""Which scorer a loaded model gets."""

from typing import Any

from mlops.serving.online.forecasts import forecast_model
from mlops.serving.online.general import AnyModel
from mlops.serving.online.rows import row_model
from mlops.serving.online.scored import Scorer

__all__ = ["scorer_of"]


def scorer_of(model: Any) -> Scorer:
    """The quickest scorer of a loaded pyfunc with a signature; all give the same answers to the same requests."""
    return row_model(model) or forecast_model(model) or AnyModel(model)
