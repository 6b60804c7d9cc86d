"""What every model kind is: fit on a frame, predict with calibrated intervals, explain, save without pickle."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from mlops.domain.forecasts import LEVELS
from mlops.errors import BadHorizon, HistoryTooShort, UnknownName
from mlops.forecasting.calendar import Calendar, Event
from mlops.forecasting.intervals import Intervals
from mlops.forecasting.limits import within
from mlops.forecasting.panel import Floats, Panel
from mlops.forecasting.tape import Tape, rehearsals, rehearse
from mlops.parallel import one_thread

__all__ = ["COMPONENTS", "Forecaster", "read_card"]

COMPONENTS = ("trend", "weekly", "yearly", "holidays", "residual")
"""What a forecast is made of; `weekly` is the cycle of the frequency (of hours the day, of months the year)."""


class Forecaster(ABC):
    """A model of many series.

    `freq` is a pandas offset alias (None: inferred from the data), `country` an ISO code for public holidays (None:
    none), `horizon` the farthest step that can be asked for; intervals are calibrated that far. `events` are the user's
    own named days, `covariates` names of further columns whose values are known ahead.
    """

    kind: ClassVar[str]
    features: tuple[str, ...] = ("value",)
    """Names of the inputs, as in `forecasting.design.FEATURES`."""
    knows_new_series: ClassVar[bool] = True
    """Whether a series that was not in the training data can be forecast from its history."""
    extrapolates: ClassVar[bool] = False
    """Whether point forecasts may leave what the history of their series supports (`forecasting.limits`)."""
    refit: bool = True
    """Whether it is fitted again on everything after its rehearsals; else the rehearsed model is kept."""

    def __init__(
        self,
        *,
        freq: str | None = None,
        country: str | None = None,
        horizon: int = 28,
        events: Iterable[Event | Mapping[str, Any]] = (),
        covariates: Sequence[str] = (),
    ) -> None:
        self.freq, self.country, self.horizon = freq, country, horizon
        self.calendar = Calendar.of(country, events)
        self.covariates = tuple(covariates)
        self._history: Panel
        self._tape: Tape

    @property
    def params(self) -> dict[str, Any]:
        """The constructor's arguments: `type(self)(**self.params)` is this forecaster, unfitted."""
        given: dict[str, Any] = {"freq": self.freq, "country": self.country, "horizon": self.horizon}
        if self.calendar.events:
            given["events"] = [event.to_json() for event in self.calendar.events]
        return given | ({"covariates": list(self.covariates)} if self.covariates else {})

    @property
    def importance(self) -> dict[str, float]:
        """Share of each feature in what the model has learned, summing to 1; empty where the kind can't say."""
        return {}

    @property
    def known(self) -> pd.Index:
        """The series that it was trained on."""
        return self._history.ids

    def fit(self, frame: pd.DataFrame) -> Self:
        """Learn from a frame `series_id, ds, y`: rehearsed on its newest weeks for the intervals, then from all."""
        return self.fit_panel(Panel.of(frame, self.freq, self.covariates))

    @one_thread()
    def fit_panel(self, panel: Panel, origins: range | None = None) -> Self:
        """`fit` on a panel; `origins` are the positions to rehearse from (None: those of `rehearsals`)."""
        origins = rehearsals(panel) if origins is None else origins
        if not origins or origins[0] + 1 < 2 * panel.season.cycle:
            longest = int((~np.isnan(panel.y)).sum(axis=1).max())
            raise HistoryTooShort(panel.ids[0], longest, 3 * panel.season.cycle + 3)
        self._tape = self._rehearse(panel, origins)
        if self.refit:
            self._fit(panel)
        self._history = panel.last(self._memory(panel))
        return self

    @one_thread()
    def predict(
        self,
        horizon: int,
        levels: Sequence[int] = LEVELS,
        *,
        history: pd.DataFrame | None = None,
        future: pd.DataFrame | None = None,
        decompose: bool = False,
    ) -> pd.DataFrame:
        """Forecasts for the `horizon` steps after the newest step of `history` (None: of the training data).

        One row per series and step: `series_id, ds, cutoff, y_hat` and `lo_<level>, hi_<level>` per level in per cent.
        `future` (`series_id, ds` and the covariates) says what is known ahead. Newer history is also used to judge what
        would have been forecast since the training, so that intervals widen when forecasts have begun to fail. With
        `decompose` there is a column for each of COMPONENTS, too, as in `decompose`.
        """
        panel = self._panel(horizon, history, future)
        components: dict[str, Floats] = {}
        if decompose:
            parts, tape = self.composed(panel, horizon)
            y_hat, components = _sum(parts), self._gathered(parts)
        else:
            y_hat, tape = self.forecast(panel, horizon)
        bounds = Intervals.of(tape, panel, never_negative=panel.never_negative).bounds(panel, y_hat, levels)
        return _long(panel, horizon, {"y_hat": y_hat, **bounds, **components})

    @one_thread()
    def explain(
        self, horizon: int, *, history: pd.DataFrame | None = None, future: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """The makings of forecasts: `series_id, ds, cutoff, y_hat`, then a column per part; their sum is `y_hat`."""
        panel = self._panel(horizon, history, future)
        parts = self.parts(panel, horizon)
        return _long(panel, horizon, {"y_hat": _sum(parts), **parts})

    @one_thread()
    def decompose(
        self, horizon: int, *, history: pd.DataFrame | None = None, future: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """`explain` gathered into the COMPONENTS, in units of the series."""
        panel = self._panel(horizon, history, future)
        parts = self.parts(panel, horizon)
        return _long(panel, horizon, {"y_hat": _sum(parts), **self._gathered(parts)})

    def with_calendar(self, calendar: Calendar) -> Self:
        """The same fitted model under another calendar of named days; this one stays as it is."""
        other = copy(self)
        other.calendar = calendar
        return other

    def forecast(self, panel: Panel, horizon: int) -> tuple[Floats, Tape]:
        """Point forecasts, and what would have been forecast before."""
        return self.point(panel, horizon), self.tape(panel)

    def point(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts (series × steps) within the limits of their series; the mean of short series.

        Never below zero where the series never was, also of a kind that `extrapolates`.
        """
        return self._limited(np.where(panel.short[:, None], _means(panel), self._predict(panel, horizon)), panel)

    def parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        """Named contributions (series × steps) that sum to the point forecast.

        `mean` is all that there is of short series, `limit` is what keeps a forecast above zero, and within the limits
        of its series.
        """
        short = panel.short[:, None]
        parts = {name: np.where(short, 0.0, part) for name, part in self._parts(panel, horizon).items()}
        if short.any():
            parts["mean"] = np.repeat(np.where(short, _means(panel), 0.0), horizon, axis=1)
        total = _sum(parts)
        return parts | {"limit": self._limited(total, panel) - total}

    def composed(self, panel: Panel, horizon: int) -> tuple[dict[str, Floats], Tape]:
        """`forecast`, with the parts in place of the point forecasts."""
        return self.parts(panel, horizon), self.tape(panel)

    def component(self, part: str) -> str:
        """Which of COMPONENTS a part belongs to."""
        return "trend" if part == "mean" else part if part in COMPONENTS else "residual"

    def tape(self, panel: Panel) -> Tape:
        """What would have been forecast: the rehearsals, and after the training every few steps of newer history."""
        tape = self._tape.judged_by(panel)
        first = int(panel.index.get_indexer(self._history.index[-1:])[0])
        newest, every = len(panel.index) - 1, panel.season.every
        if first < 0 or newest <= first:
            return tape
        since = range(first, newest, every)[-12:]
        return tape.then(self._from(panel, since))

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs: JSON, text, Parquet and plain arrays."""
        folder.mkdir(parents=True, exist_ok=True)
        card = {"kind": self.kind, "params": self.params, "fitted_freq": self._history.freq}
        (folder / "forecaster.json").write_text(json.dumps(card, indent=1), encoding="utf-8")
        self._history.frame().to_parquet(folder / "history.parquet", index=False)
        self._tape.save(folder)
        self._save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The fitted forecaster that `save` wrote."""
        card = read_card(folder)
        self = cls(**card["params"])
        frame = pd.read_parquet(folder / "history.parquet")
        self._history = Panel.of(frame, card["fitted_freq"], self.covariates)
        self._tape = Tape.load(folder)
        self._load(folder)
        return self

    @abstractmethod
    def _fit(self, panel: Panel) -> None:
        """Learn from the whole panel."""

    @abstractmethod
    def _predict(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts, one row per series of `panel`, one column per step after its cutoff."""

    @abstractmethod
    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        """Named contributions that sum to `_predict`."""

    @abstractmethod
    def _save(self, folder: Path) -> None: ...

    @abstractmethod
    def _load(self, folder: Path) -> None: ...

    def _memory(self, panel: Panel) -> int:
        """How many steps of history a prediction looks back on."""
        return panel.season.year + 13 * panel.season.cycle

    def _rehearse(self, panel: Panel, origins: range) -> Tape:
        """Forecasts from the origins by a model that was fitted on what the first of them knew."""
        self._fit(panel.until(origins[0] + 1))
        return self._from(panel, origins)

    def _from(self, panel: Panel, origins: range) -> Tape:
        """Forecasts from the origins by the model as it is fitted."""
        return rehearse(panel, origins, self.horizon, self._at_last)

    def _at_last(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts from a past origin; NaN where nobody wrote down what has to be known ahead."""
        return self.point(panel, horizon)

    def _limited(self, y_hat: Floats, panel: Panel) -> Floats:
        if self.extrapolates:
            return np.where(panel.never_negative[:, None], np.maximum(y_hat, 0), y_hat)
        return within(y_hat, panel)

    def _panel(self, horizon: object, history: pd.DataFrame | None, future: pd.DataFrame | None) -> Panel:
        self._check_horizon(horizon)
        frame = self._history.frame() if history is None and future is not None else history
        if frame is None:
            return self._history
        panel = Panel.of(frame, self._history.freq, self.covariates, future)
        if not self.knows_new_series:
            unknown = panel.ids.difference(self.known)
            if len(unknown):
                raise UnknownName("series", unknown[0], map(str, self.known))
        return panel

    def _gathered(self, parts: Mapping[str, Floats]) -> dict[str, Floats]:
        """Parts summed by component; a component without a part is zero."""
        found = {component: np.zeros_like(next(iter(parts.values()))) for component in COMPONENTS}
        for part, values in parts.items():
            found[self.component(part)] = found[self.component(part)] + values
        return found

    def _check_horizon(self, horizon: object) -> None:
        whole = isinstance(horizon, int | np.integer) and not isinstance(horizon, bool)
        if not whole or not 1 <= int(horizon) <= self.horizon:  # type: ignore[call-overload]
            raise BadHorizon(horizon, self.horizon)


def read_card(folder: Path) -> dict[str, Any]:
    """Kind, parameters and frequency of a saved forecaster."""
    card: dict[str, Any] = json.loads((folder / "forecaster.json").read_text(encoding="utf-8"))
    return card


def _sum(parts: Mapping[str, Floats]) -> Floats:
    return np.asarray(np.sum(list(parts.values()), axis=0))


def _means(panel: Panel) -> Floats:
    """The mean of each series (series × 1), 0 without a value."""
    seen = ~np.isnan(panel.y)
    return np.asarray(np.nansum(panel.y, axis=1) / np.maximum(seen.sum(axis=1), 1))[:, None]


def _long(panel: Panel, horizon: int, columns: dict[str, Floats]) -> pd.DataFrame:
    keys = {
        "series_id": panel.ids.repeat(horizon),
        "ds": np.tile(panel.future(horizon).to_numpy(), len(panel.ids)),
        "cutoff": panel.cutoff,
    }
    return pd.DataFrame(keys | {name: np.asarray(values, float).ravel() for name, values in columns.items()})
