"""Prophet, one model per series (the only door to prophet)."""

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops import parallel
from mlops.forecasting.base import Forecaster
from mlops.forecasting.panel import Floats, Panel

__all__ = ["Prophet"]

NEED = 14


class Prophet(Forecaster):
    """A trend with seasons and holidays for every series by itself (Taylor and Letham, 2018).

    It extrapolates its parameters: newer history moves the cutoff, not the fit, so it needs regular retraining. The
    intervals are conformal like those of every kind, not Prophet's own. A series with fewer than 14 observations gets
    its mean.
    """

    kind = "prophet"
    knows_new_series = False

    def __init__(
        self,
        *,
        freq: str | None = None,
        country: str | None = None,
        horizon: int = 28,
        seasonality_mode: str = "additive",
        changepoint_prior_scale: float = 0.05,
        seasonality_prior_scale: float = 10.0,
        holidays_prior_scale: float = 10.0,
    ) -> None:
        super().__init__(freq=freq, country=country, horizon=horizon)
        self.settings = {
            "seasonality_mode": seasonality_mode,
            "changepoint_prior_scale": changepoint_prior_scale,
            "seasonality_prior_scale": seasonality_prior_scale,
            "holidays_prior_scale": holidays_prior_scale,
        }
        self._models: dict[Any, str]
        self._ahead: pd.DataFrame | None = None

    @property
    def params(self) -> dict[str, Any]:
        return super().params | self.settings

    def _fit(self, panel: Panel) -> None:
        frames = [
            pd.DataFrame({"ds": panel.index[seen], "y": row[seen]})
            for row, seen in zip(panel.y, ~np.isnan(panel.y), strict=True)
        ]
        fit = partial(_fit_one, country=self.country, settings=self.settings)
        self._models = dict(zip(panel.ids, parallel.run(fit, frames), strict=True))
        self._ahead = None

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        future = panel.future(horizon)
        if self._ahead is None or not future.isin(self._ahead.columns).all():
            self._ahead = self._predict_ahead(panel.future(max(horizon, panel.season.year)))
        return self._ahead.loc[panel.ids, future].to_numpy(dtype=float)

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        return {"trend": self._predict(panel, horizon)}

    def _predict_ahead(self, steps: pd.DatetimeIndex) -> pd.DataFrame:
        """A year in one go: a prediction costs as much for a day as for a year, and does not depend on its origin."""
        future = pd.DataFrame({"ds": steps})
        rows = {series: _predict_one(model, future) for series, model in self._models.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=steps)

    def _save(self, folder: Path) -> None:
        models = [{"series_id": series, "model": model} for series, model in self._models.items()]
        (folder / "prophet.json").write_text(json.dumps(models, default=int), encoding="utf-8")

    def _load(self, folder: Path) -> None:
        models = json.loads((folder / "prophet.json").read_text(encoding="utf-8"))
        self._models = {entry["series_id"]: entry["model"] for entry in models}


def _fit_one(frame: pd.DataFrame, *, country: str | None, settings: dict[str, Any]) -> str:
    """A fitted model as Prophet's own JSON, or the mean of a series that is too short for one."""
    if len(frame) < NEED:
        return json.dumps({"mean": float(frame["y"].mean()) if len(frame) else 0.0})
    from prophet.serialize import model_to_json

    import prophet

    model = prophet.Prophet(uncertainty_samples=0, **settings)
    for name in ("cmdstanpy", "prophet"):  # disabled, for a level they would set anew; errors are raised all the same
        logging.getLogger(name).disabled = True
    if country is not None:
        model.add_country_holidays(country)
    return str(model_to_json(model.fit(frame)))


def _predict_one(model: str, future: pd.DataFrame) -> Floats:
    from prophet.serialize import model_from_json

    card = json.loads(model)
    if "mean" in card:
        return np.full(len(future), card["mean"])
    return np.asarray(model_from_json(model).predict(future)["yhat"], dtype=float)
