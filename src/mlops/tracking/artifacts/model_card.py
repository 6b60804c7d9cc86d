"""What a model says of itself in its file MLmodel, read by libyaml: MLflow's own reader takes ten times as long."""

from pathlib import Path

import yaml
from mlflow.models import Model

from mlops.domain.canonical import JsonObject

__all__ = ["MODEL_FILE", "mlflow_model", "model_card"]

MODEL_FILE = "MLmodel"
"""MLflow's name for the file that says what a model is."""


def model_card(model: Path) -> JsonObject:
    """The document of a model in a folder; raises what YAML raises, whoever has written the file."""
    card = yaml.load((model / MODEL_FILE).read_text(encoding="utf-8"), yaml.CSafeLoader)
    if not isinstance(card, dict):
        raise TypeError(f"{MODEL_FILE} holds a {type(card).__name__}")
    return card


def mlflow_model(model: Path) -> Model:
    """The same as MLflow's object."""
    return Model.from_dict(model_card(model))
