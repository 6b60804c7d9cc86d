"""Training: spec, features, backtest, fit, log, register; retraining, which compares before it promotes."""

from mlops.training.spec import TrainingSpec
from mlops.training.train import Trained, train

__all__ = ["Trained", "TrainingSpec", "train"]
