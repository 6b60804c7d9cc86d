"""How good forecasts are and who wins: accuracy, backtests, comparison beyond chance. Pure."""

from typing import TYPE_CHECKING

from mlops.lazy import attach

if TYPE_CHECKING:
    from mlops.evaluation.accuracy import scores
    from mlops.evaluation.comparison import Comparison, compare
    from mlops.evaluation.plots import plot
    from mlops.evaluation.validation import cross_validation

__all__ = ["Comparison", "compare", "cross_validation", "plot", "scores"]

__getattr__ = attach(
    __name__,
    {
        "Comparison": "mlops.evaluation.comparison",
        "compare": "mlops.evaluation.comparison",
        "cross_validation": "mlops.evaluation.validation",
        "plot": "mlops.evaluation.plots",
        "scores": "mlops.evaluation.accuracy",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
