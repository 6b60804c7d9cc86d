"""The model file that MLflow stores and runs: `mlflow.pyfunc.load_model("models:/demand@champion").predict(frame)`.

It is logged as code (no pickle): MLflow copies this file into the model and executes it on load.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from mlops.errors import UnknownName
from mlops.forecasting import load

__all__ = ["ForecastModel"]


class ForecastModel(PythonModel):
    """Forecasts of the series in the input.

    The input names series (`series_id`), and may carry their newer history (`ds`, `y`); with names only, forecasts
    start where the training data ended. `params={"horizon": 7}` asks for fewer steps than the model's own horizon,
    `params={"decompose": True}` for the components of every forecast, too.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the forecaster's files."""
        self.forecaster = load(Path(context.artifacts["forecaster"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  MLflow passes it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """One row per series and step: series_id, ds, cutoff, y_hat and bounds; BadHorizon when it is out of range.

        With `decompose` trend, weekly, yearly, holidays and residual follow, which sum to y_hat.
        """
        given = params or {}
        horizon, decompose = given.get("horizon", self.forecaster.horizon), bool(given.get("decompose", False))
        if "y" in model_input and model_input["y"].notna().any():
            return self.forecaster.predict(horizon, history=model_input, decompose=decompose)
        forecast = self.forecaster.predict(horizon, decompose=decompose)
        unknown = set(model_input["series_id"]) - set(self.forecaster.known)
        if unknown:
            raise UnknownName("series", sorted(unknown)[0], map(str, self.forecaster.known))
        return forecast[forecast["series_id"].isin(model_input["series_id"])].reset_index(drop=True)


set_model(ForecastModel())
