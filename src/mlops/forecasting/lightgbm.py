"""One LightGBM for all series: direct, the step ahead is a feature (the only door to lightgbm)."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import lightgbm as lgb
from mlops.errors import BadInput
from mlops.forecasting.base import Forecaster
from mlops.forecasting.calendar import Event
from mlops.forecasting.design import DEFAULT_FEATURES, FEATURES, Design, check_features
from mlops.forecasting.panel import Floats, Panel

__all__ = ["LightGBM"]


class LightGBM(Forecaster):
    """A gradient-boosted tree model of the ratio of each future value to its series' level at the origin.

    Features that tell times of the year apart are left out while there are fewer than two years to learn them from.
    `max_rows` bounds the training table: with more, origins are thinned evenly. Runs with the same data, parameters and
    library are equal bit for bit.
    """

    kind = "lightgbm"

    def __init__(
        self,
        *,
        freq: str | None = None,
        country: str | None = None,
        horizon: int = 28,
        events: Iterable[Event | Mapping[str, Any]] = (),
        covariates: Sequence[str] = (),
        features: Sequence[str] = DEFAULT_FEATURES,
        trees: int = 300,
        learning_rate: float = 0.05,
        num_leaves: int = 31,
        min_child_samples: int = 40,
        objective: str = "l1",
        max_rows: int = 150_000,
        seed: int = 0,
    ) -> None:
        super().__init__(freq=freq, country=country, horizon=horizon, events=events, covariates=covariates)
        self.features = self._wanted = check_features(features)
        self.trees, self.learning_rate, self.num_leaves = trees, learning_rate, num_leaves
        self.min_child_samples, self.objective = min_child_samples, objective
        self.max_rows, self.seed = max_rows, seed
        self._booster: lgb.Booster

    @property
    def params(self) -> dict[str, Any]:
        own = ("trees", "learning_rate", "num_leaves", "min_child_samples", "objective", "max_rows", "seed")
        return super().params | {"features": list(self._wanted)} | {name: getattr(self, name) for name in own}

    @property
    def importance(self) -> dict[str, float]:
        gain = self._booster.feature_importance("gain")
        return dict(zip(self.features, (gain / max(gain.sum(), 1e-12)).tolist(), strict=True))

    def _fit(self, panel: Panel) -> None:
        two_years = panel.y.shape[1] >= 2 * panel.season.year
        self.features = tuple(name for name in self._wanted if two_years or not FEATURES[name].yearly)
        x, y = self._table(panel)
        data = lgb.Dataset(x, y, feature_name=list(self.features), params={"max_bin": 127, "verbosity": -1})
        self._booster = lgb.train(self._settings(), data, self.trees)

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        design, origin = Design(panel, self.calendar), np.array([panel.y.shape[1] - 1])
        x = np.stack([design.matrix(self.features, origin, step) for step in range(1, horizon + 1)], axis=1)
        ratio = np.asarray(self._booster.predict(x.reshape(-1, x.shape[2]))).reshape(len(panel.ids), horizon)
        return ratio * design.level(origin)

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        design, origin = Design(panel, self.calendar), np.array([panel.y.shape[1] - 1])
        x = np.stack([design.matrix(self.features, origin, step) for step in range(1, horizon + 1)], axis=1)
        shape = (len(panel.ids), horizon, len(self.features) + 1)
        shares = np.asarray(self._booster.predict(x.reshape(-1, x.shape[2]), pred_contrib=True)).reshape(shape)
        scaled = shares * design.level(origin)[:, :, None]
        return dict(zip([*self.features, "average"], np.moveaxis(scaled, 2, 0), strict=True))

    def _memory(self, panel: Panel) -> int:
        return panel.season.year + 13 * panel.season.cycle

    def _save(self, folder: Path) -> None:
        self._booster.save_model(folder / "booster.txt")

    def _load(self, folder: Path) -> None:
        self._booster = lgb.Booster(model_file=folder / "booster.txt")
        self.features = tuple(self._booster.feature_name())

    def _table(self, panel: Panel) -> tuple[npt.NDArray[np.float32], Floats]:
        """Features and targets of past origins, all steps ahead; origins start once two cycles have been seen."""
        design, steps = Design(panel, self.calendar), panel.y.shape[1]
        start = min(4 * panel.season.cycle, steps // 3)
        every = max(1, -(-len(panel.ids) * (steps - start) * self.horizon // self.max_rows))
        xs, ys = [], []
        for step in range(1, self.horizon + 1):
            origins = np.arange(start + step % every, steps - step, every)
            if len(origins):
                xs.append(design.matrix(self.features, origins, step))
                ys.append((panel.y[:, origins + step] / design.level(origins)).ravel())
        if not ys:
            raise BadInput(f"{steps} steps of history are too few for a horizon of {self.horizon}; lower the horizon")
        x, y = np.concatenate(xs), np.concatenate(ys)
        seen = ~np.isnan(y)
        return x[seen], y[seen]

    def _settings(self) -> dict[str, Any]:
        return {
            "objective": self.objective,
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_child_samples": self.min_child_samples,
            "subsample": 0.7,
            "subsample_freq": 1,
            "colsample_bytree": 0.6,
            "seed": self.seed,
            "num_threads": 1,  # small tables gain nothing from more, and a busy machine makes them wait for each other
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
