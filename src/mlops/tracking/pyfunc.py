"""The model file that MLflow stores and runs: `mlflow.pyfunc.load_model("models:/demand@champion").predict(frame)`.

It is logged as code (no pickle): MLflow copies this file into the model and executes it on load.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from mlops.domain.forecasts import LEVELS
from mlops.errors import BadInput
from mlops.forecasting import load
from mlops.forecasting.called import ids_of

__all__ = ["NAMES", "ForecastModel"]

NAMES = "names.json"
"""Beside the forecaster's files: the id of each series and what people call it, where that is something else."""


class ForecastModel(PythonModel):
    """Forecasts of the series in the input.

    The input names series (`series_id`), and may carry their newer history (`ds`, `y`); with names only, forecasts
    start where the training data ended. A series goes by its id, as a number or as text, or by the name that `mlops
    series list` prints; it is called in the result as it was called in the input. `params={"horizon": 7}` asks for
    fewer steps than the model's own horizon, `params={"levels": [50, 90]}` for other intervals,
    `params={"decompose": True}` for the components of every forecast, too.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the forecaster's files."""
        folder = Path(context.artifacts["forecaster"])
        self.forecaster = load(folder)
        named = folder / NAMES
        names = dict(json.loads(named.read_text(encoding="utf-8"))) if named.is_file() else {}
        self.names = {one: str(names.get(one, one)) for one in self.forecaster.known.tolist()}

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
        if "series_id" not in model_input or model_input["series_id"].isna().any():
            raise BadInput("the input has no column series_id, or a row without one; name a series in each row")
        horizon, levels = given.get("horizon", self.forecaster.horizon), given.get("levels", LEVELS)
        asked: dict[str, Any] = {"levels": list(levels), "decompose": bool(given.get("decompose", False))}
        if "y" in model_input and model_input["y"].notna().any():
            ids = self._ids(model_input["series_id"], new=self.forecaster.knows_new_series)
            history = model_input.assign(series_id=model_input["series_id"].map(ids))
            return _called(self.forecaster.predict(horizon, history=history, **asked), ids)
        ids = self._ids(model_input["series_id"], new=False)
        forecast = self.forecaster.predict(horizon, **asked)
        return _called(forecast[forecast["series_id"].isin(ids.values())], ids)

    def _ids(self, series: pd.Series, *, new: bool) -> dict[Any, Any]:
        """The forecaster's id of each series, by what the input calls it; a new series keeps what it is called."""
        called = series.unique().tolist()
        if not new:
            return ids_of(called, self.names)
        ids, names = set(map(str, self.names)), set(self.names.values())
        strange = {one: one for one in called if str(one) not in ids and not (isinstance(one, str) and one in names)}
        return ids_of((one for one in called if one not in strange), self.names) | strange


def _called(forecast: pd.DataFrame, ids: dict[Any, Any]) -> pd.DataFrame:
    """The forecasts with their series as the input calls them; one that it calls by two names has rows for both."""
    both = pd.DataFrame({"series_id": list(ids.values()), "called": list(ids)})
    found = forecast.merge(both, on="series_id", how="inner")
    return found.assign(series_id=found.pop("called"))


set_model(ForecastModel())
