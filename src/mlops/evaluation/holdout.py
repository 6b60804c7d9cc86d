"""The newest weeks held out: candidates that were fitted on what came before them, and the champion as it is served.

All forecast every held-out day once, from the same cutoffs, and see newer history as they would in use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mlops.domain.canonical import Parameters
from mlops.domain.forecasts import wape
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.lineage import LineageDocument, Recipe, learned_nothing
from mlops.errors import Refused
from mlops.evaluation.backtest import backtest, mean_before, origins
from mlops.evaluation.winning import Losses
from mlops.panels.from_frame import Panels
from mlops.times import naive_utc

__all__ = ["Holdout", "Predict", "hold_out", "losses", "unseen"]

Predict = Callable[[pd.DataFrame, int], pd.DataFrame]
"""Takes a history `series_id, ds, y` and a number of steps, and gives `series_id, ds, y_hat`."""
FEWEST = 12
"""Steps that are held out at least: months and weeks are long. Chosen, not measured."""


@dataclass(frozen=True)
class Holdout:
    """The frame `series_id, ds, y` with its newest part held out: `steps` from each of `cutoffs`."""

    frame: pd.DataFrame
    cutoffs: tuple[pd.Timestamp, ...]
    steps: int

    @property
    def begins(self) -> pd.Timestamp:
        """The newest time that a candidate may have seen."""
        return self.cutoffs[0]

    def of_recipe(self, kind: str, params: Parameters) -> pd.DataFrame:
        """Forecasts of a recipe that is fitted once, on what came before the holdout."""
        return backtest(kind, params, self.frame, self.cutoffs, self.steps, refit_every=len(self.cutoffs))

    def of_naive(self, recipe: Recipe) -> pd.DataFrame:
        """Forecasts of the seasonal naive with the calendar and the horizon of a recipe."""
        return self.of_recipe("naive", {"country": recipe["country"], "horizon": recipe["horizon"]})

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
        for name, frame in forecasts.items():
            renamed = frame[["series_id", "ds", "y_hat"]].rename(columns={"y_hat": name})
            judged = judged.merge(renamed, on=["series_id", "ds"])
        return judged.dropna().reset_index(drop=True)

    def compared(self, candidate: pd.DataFrame, champion: pd.DataFrame, naive: pd.DataFrame) -> pd.DataFrame:
        """`series_id, ds, y, candidate, champion, naive, mean`: what `losses` reads."""
        return self.judged(candidate=candidate, champion=champion, naive=naive, mean=self.of_mean())


def hold_out(frame: pd.DataFrame, granularity: str, days: int, horizon: int) -> Holdout:
    """Hold the newest `days` out, in whole issues of forecasts; HistoryTooShort where too little is left to fit on."""
    step = GRANULARITIES[granularity]
    wanted = max(round(days / step.days), FEWEST)
    steps = min(step.issue, horizon)
    cutoffs = origins(Panels.of(frame, granularity), max(1, wanted // steps), every=steps, horizon=steps)
    return Holdout(frame, tuple(cutoffs), steps)


def unseen(frame: pd.DataFrame, version: int, lineage: LineageDocument, days: int) -> Holdout:
    """The newest `days` of `series_id, ds, y` (naive UTC) on which a champion of that lineage can be compared.

    Refused where it was itself trained on them, unless it is a baseline, which learns nothing.
    """
    held = hold_out(frame, lineage["selection"]["granularity"], days, lineage["recipe"]["horizon"])
    if naive_utc(datetime.fromisoformat(lineage["trained_to"])) > held.begins and not learned_nothing(lineage):
        raise Refused(
            f"version {version} was itself trained on days after {held.begins:%Y-%m-%d}, on which it would have to be"
            " compared"
        )
    return held


def losses(compared: pd.DataFrame, on: str) -> Losses:
    """WAPE of every model of a frame of `Holdout.compared`."""
    y = compared["y"]
    return Losses(
        candidate=wape(y, compared["candidate"]),
        champion=wape(y, compared["champion"]),
        naive=wape(y, compared["naive"]),
        mean=wape(y, compared["mean"]),
        on=on,
    )
