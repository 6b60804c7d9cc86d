"""A model of MLflow's kind `code`: twice the first column, and what it was asked for."""

from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

import mlflow


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        horizon = (params or {}).get("horizon", 1)
        if horizon > 100:
            raise ValueError("too far: SECRET")
        if horizon == 77:
            raise MlflowException("no such series", error_code=RESOURCE_DOES_NOT_EXIST)
        if isinstance(model_input, pd.DataFrame):
            return pd.DataFrame({"y_hat": model_input.iloc[:, 0].astype("float64") * 2, "h": horizon})
        return np.asarray(model_input) * 2.0


mlflow.models.set_model(Doubling())
