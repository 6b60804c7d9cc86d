"""The newest weeks as a contest: a challenger that was fitted on what came before them, and a model as it is served.

Both forecast every held-out day once, from the same cutoffs, and see newer history as they would in use.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlops.domain.granularity import GRANULARITIES
from mlops.evaluation.backtest import backtest, mean_before, origins
from mlops.panels.from_frame import Panels

__all__ = ["Holdout", "hold_out"]

Predict = Callable[[pd.DataFrame, int], pd.DataFrame]
FEWEST = 12
"""Steps that are held out at least: months and weeks are long."""


@dataclass(frozen=True)
class Holdout:
    """The frame `series_id, ds, y` with its newest part held out: `steps` from each of `cutoffs`."""

    frame: pd.DataFrame
    cutoffs: tuple[pd.Timestamp, ...]
    steps: int

    @property
    def begins(self) -> pd.Timestamp:
        """The newest time that a challenger may have seen."""
        return self.cutoffs[0]

    def of_recipe(self, kind: str, params: Mapping[str, Any]) -> pd.DataFrame:
        """Forecasts of a recipe that is fitted once, on what came before the holdout."""
        return backtest(kind, params, self.frame, self.cutoffs, self.steps, refit_every=len(self.cutoffs))

    def of_mean(self) -> pd.DataFrame:
        """Each series' mean before the holdout, for every time in it."""
        later = self.frame.loc[self.frame["ds"] > self.begins, ["series_id", "ds"]].assign(cutoff=self.begins)
        return later.assign(y_hat=mean_before(self.frame, later))

    def of_model(self, predict: Predict) -> pd.DataFrame:
        """Forecasts of a fitted model: `predict` takes a history and a number of steps."""
        ds = self.frame["ds"]
        return pd.concat([predict(self.frame[ds <= one], self.steps) for one in self.cutoffs], ignore_index=True)

    def judged(self, **forecasts: pd.DataFrame) -> pd.DataFrame:
        """`series_id, ds, y` and a column per model: the rows that all of them forecast and whose outcome is known."""
        judged = self.frame[["series_id", "ds", "y"]]
        for name, found in forecasts.items():
            renamed = found[["series_id", "ds", "y_hat"]].rename(columns={"y_hat": name})
            judged = judged.merge(renamed, on=["series_id", "ds"])
        return judged.dropna().reset_index(drop=True)


def hold_out(frame: pd.DataFrame, granularity: str, days: int, horizon: int) -> Holdout:
    """Hold the newest `days` out, in whole issues of forecasts; HistoryTooShort where too little is left to fit on."""
    step = GRANULARITIES[granularity]
    wanted = max(round(days / step.days), FEWEST)
    steps = min(step.issue, horizon)
    cutoffs = origins(Panels.of(frame, granularity), max(1, wanted // steps), every=steps, horizon=steps)
    return Holdout(frame, tuple(cutoffs), steps)
