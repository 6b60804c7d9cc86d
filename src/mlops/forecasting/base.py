"""What every model kind is: fit on a frame, predict a frame with calibrated intervals, save without pickle."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from mlops.domain.forecasts import LEVELS
from mlops.errors import BadHorizon, HistoryTooShort, UnknownName
from mlops.forecasting.intervals import Conformal
from mlops.forecasting.panel import Floats, Panel

__all__ = ["Forecaster", "read_card"]


class Forecaster(ABC):
    """A model of many series.

    `freq` is a pandas offset alias (None: inferred from the data), `country` an ISO code for public holidays (None:
    none), `horizon` the farthest step that can be asked for; intervals are calibrated that far.
    """

    kind: ClassVar[str]
    features: tuple[str, ...] = ("value",)
    """Names of the inputs, as in `forecasting.design.FEATURES`."""
    knows_new_series: ClassVar[bool] = True
    """Whether a series that was not in the training data can be forecast from its history."""

    def __init__(self, *, freq: str | None = None, country: str | None = None, horizon: int = 28) -> None:
        self.freq, self.country, self.horizon = freq, country, horizon
        self._history: Panel
        self._intervals: Conformal

    @property
    def params(self) -> dict[str, Any]:
        """The constructor's arguments: `type(self)(**self.params)` is this forecaster, unfitted."""
        return {"freq": self.freq, "country": self.country, "horizon": self.horizon}

    @property
    def importance(self) -> dict[str, float]:
        """Share of each feature in what the model has learned, summing to 1; empty where the kind can't say."""
        return {}

    @property
    def known(self) -> pd.Index:
        """The series that it was trained on."""
        return self._history.ids

    def fit(self, frame: pd.DataFrame) -> Self:
        """Learn from a frame `series_id, ds, y`: without its newest weeks to calibrate intervals, then from all."""
        panel = Panel.of(frame, self.freq)
        self._intervals = self._calibrate(panel)
        self._fit(panel)
        self._history = panel.last(self._memory(panel))
        return self

    def predict(
        self, horizon: int, levels: Sequence[int] = LEVELS, *, history: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Forecasts for the `horizon` steps after the newest step of `history` (None: of the training data).

        One row per series and step: `series_id, ds, cutoff, y_hat` and `lo_<level>, hi_<level>` per level in per cent.
        """
        self._check_horizon(horizon)
        panel = self._history if history is None else Panel.of(history, self._history.freq)
        if not self.knows_new_series:
            self._check_known(panel)
        y_hat = self._predict(panel, horizon)
        bounds = self._intervals.bounds(panel, y_hat, levels)
        return _long(panel, horizon, {"y_hat": y_hat, **bounds})

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs: JSON, text, Parquet and plain arrays."""
        folder.mkdir(parents=True, exist_ok=True)
        card = {"kind": self.kind, "params": self.params, "fitted_freq": self._history.freq}
        (folder / "forecaster.json").write_text(json.dumps(card, indent=1), encoding="utf-8")
        self._history.frame().to_parquet(folder / "history.parquet", index=False)
        self._intervals.save(folder)
        self._save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The fitted forecaster that `save` wrote."""
        card = read_card(folder)
        self = cls(**card["params"])
        self._history = Panel.of(pd.read_parquet(folder / "history.parquet"), card["fitted_freq"])
        self._intervals = Conformal.load(folder)
        self._load(folder)
        return self

    @abstractmethod
    def _fit(self, panel: Panel) -> None:
        """Learn from the whole panel."""

    @abstractmethod
    def _predict(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts, one row per series of `panel`, one column per step after its cutoff."""

    @abstractmethod
    def _save(self, folder: Path) -> None: ...

    @abstractmethod
    def _load(self, folder: Path) -> None: ...

    def _memory(self, panel: Panel) -> int:
        """How many steps of history a prediction looks back on."""
        return 8 * panel.season.cycle

    def _calibrate(self, panel: Panel) -> Conformal:
        """Errors at weekly origins of the newest part of the history, by a model that has not seen that part."""
        steps, cycle = panel.y.shape[1], panel.season.cycle
        held_out = min(max(self.horizon + 7 * cycle, 12 * cycle), steps // 3)
        start = steps - held_out
        if start < 2 * cycle or held_out < 2:
            longest = int((~np.isnan(panel.y)).sum(axis=1).max())
            raise HistoryTooShort(panel.ids[0], longest, 3 * cycle + 3)
        self._fit(panel.until(start))
        origins = range(start, steps - 1, cycle)
        errors = np.full((len(origins), len(panel.ids), self.horizon), np.nan)
        for row, origin in enumerate(origins):
            past, reach = panel.until(origin), min(self.horizon, steps - origin)
            error = panel.y[:, origin : origin + reach] - self._predict(past, reach)
            errors[row, :, :reach] = error / np.maximum(past.level(), 1e-9)[:, None]
        return Conformal.of(panel.ids, errors, lower_limit=0.0 if np.nanmin(panel.y) >= 0 else None)

    def _check_horizon(self, horizon: object) -> None:
        whole = isinstance(horizon, int | np.integer) and not isinstance(horizon, bool)
        if not whole or not 1 <= int(horizon) <= self.horizon:  # type: ignore[call-overload]
            raise BadHorizon(horizon, self.horizon)

    def _check_known(self, panel: Panel) -> None:
        unknown = panel.ids.difference(self.known)
        if len(unknown):
            raise UnknownName("series", unknown[0], map(str, self.known))


def read_card(folder: Path) -> dict[str, Any]:
    """Kind, parameters and frequency of a saved forecaster."""
    card: dict[str, Any] = json.loads((folder / "forecaster.json").read_text(encoding="utf-8"))
    return card


def _long(panel: Panel, horizon: int, columns: dict[str, Floats]) -> pd.DataFrame:
    keys = {
        "series_id": panel.ids.repeat(horizon),
        "ds": np.tile(panel.future(horizon).to_numpy(), len(panel.ids)),
        "cutoff": panel.cutoff,
    }
    return pd.DataFrame(keys | {name: values.ravel() for name, values in columns.items()})
