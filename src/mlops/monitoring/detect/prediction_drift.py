"""Whether the forecasts have moved, or the loss to be expected of them: no outcome is needed to see it. Pure."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.domain.findings import Finding
from mlops.monitoring.detect.loss_estimate import LossEstimate
from mlops.monitoring.detect.monitor import WatchedColumns

__all__ = ["PredictionWatch"]

SUBJECTS = {"the forecast": "forecast", "the expected loss": "expected_loss"}


class PredictionWatch:
    """Level and spread of the forecasts given the calendar, and of the loss expected of them, week by week.

    Frames have `series_id, ds, prediction, holiday` and what the estimate reads.
    """

    def __init__(
        self,
        baseline: pd.DataFrame,
        estimate: LossEstimate | None,
        expected: npt.NDArray[np.float64] | None,
        alarms_per_year: float,
    ) -> None:
        """`expected` is the estimate of the baseline's rows, cross-fitted; without an estimate only forecasts count."""
        self._estimate = estimate
        names: Sequence[str] = list(SUBJECTS) if estimate is not None else list(SUBJECTS)[:1]
        history = _with(baseline, expected)
        self._watched = WatchedColumns(history, names, alarms_per_year, rising=set(names) - {"the forecast"})

    def check(self, window: pd.DataFrame) -> tuple[Finding, ...]:
        """The findings of kind `prediction` once the newest rows are known."""
        rows = _with(window, None if self._estimate is None else self._estimate.rows(window))
        return tuple(
            replace(finding, kind="prediction", subject=SUBJECTS[name])
            for name, finding in self._watched.check(rows).items()
        )


def _with(rows: pd.DataFrame, expected: npt.NDArray[np.float64] | None) -> pd.DataFrame:
    kept = rows[["series_id", "ds", "holiday"]].assign(**{"the forecast": rows["prediction"]})
    return kept if expected is None else kept.assign(**{"the expected loss": expected})
