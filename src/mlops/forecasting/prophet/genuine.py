"""Genuine `prophet.Prophet` models of one series each: made from solved parameters, or fitted by Stan."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.granularity import Granularity
from mlops.errors import BadInput
from mlops.forecasting.prophet.design import Recipe, event_days, holiday_columns
from mlops.forecasting.prophet.fit import Weights
from mlops.panels.calendar import Calendar
from mlops.panels.panel import Panel

if TYPE_CHECKING:
    import prophet

__all__ = ["Template", "by_series", "silence"]

YEARS_AHEAD = pd.DateOffset(years=10)
"""For which a genuine model knows the holidays of a part of a country. Chosen: longer than any forecast."""
PASSED = (
    "growth",
    "n_changepoints",
    "changepoint_range",
    "seasonality_mode",
    "holidays_mode",
    "seasonality_prior_scale",
    "holidays_prior_scale",
    "changepoint_prior_scale",
    "mcmc_samples",
)
"""Settings that Prophet's own constructor takes."""


@dataclass(frozen=True)
class Template:
    """Settings, named days and names of regressors, from which the genuine model of any series is made."""

    recipe: Recipe
    calendar: Calendar
    covariates: tuple[str, ...]
    events: tuple[str, ...]
    """Those of the covariates that are events of some series."""
    holidays: tuple[str, ...]
    granularity: Granularity

    def model(self, frame: pd.DataFrame) -> "prophet.Prophet":
        """A model that is not fitted yet, for the history `frame`."""
        import prophet

        silence()
        recipe, days = self.recipe, event_days(self.calendar)
        country = self.calendar.country
        if country is not None and "-" in country:  # Prophet knows whole countries only
            first, last = frame["ds"].min(), frame["ds"].max() + YEARS_AHEAD
            public = Calendar(country).days(first.date(), last.date()).rename(columns={"name": "holiday"})
            parts = [part for part in (days, public[["ds", "holiday"]]) if len(part)]
            days = pd.concat(parts, ignore_index=True).drop_duplicates() if parts else days
        settings = {name: getattr(recipe, name) for name in PASSED} | recipe.orders
        model = prophet.Prophet(**settings, holidays=None if days.empty or self.granularity.counted else days)
        for season in recipe.custom:
            model.add_seasonality(**asdict(season))
        mode = cast("Literal['additive', 'multiplicative'] | None", recipe.holidays_mode)
        if self.granularity.counted:
            for name in self.holidays:
                model.add_regressor(name, standardize=False, mode=mode)
        elif country is not None and "-" not in country:
            model.add_country_holidays(country)
        for name in self.covariates:
            model.add_regressor(name, mode=mode if name in self.events else None)
        return model

    def frame(self, panel: Panel, row: int) -> pd.DataFrame:
        """The history of one series, in Prophet's columns."""
        columns = {"y": panel.y[row]} | {name: panel.extra[name][row, : len(panel.index)] for name in self.covariates}
        return self._with_known(panel, row, panel.index, columns, self.calendar).dropna().reset_index(drop=True)

    def ahead(self, panel: Panel, row: int, horizon: int, calendar: Calendar) -> pd.DataFrame:
        """The steps after the history, with the columns that the model's `predict` needs."""
        columns = {name: panel.ahead(name, horizon)[row] for name in self.covariates}
        return self._with_known(panel, row, panel.future(horizon), columns, calendar)

    def solved(self, frame: pd.DataFrame, weights: Weights) -> "prophet.Prophet":
        """A model as its own `fit` leaves it, with these parameters instead of an optimiser's."""
        model = self.model(frame)
        model.stan_backend = cast("Any", _Solved(weights))
        model.fit(frame)
        model.stan_backend = None  # as in a model that was read from a file
        return model

    def stan(self, frame: pd.DataFrame) -> tuple[str, Weights] | str:
        """A model that Stan fitted, as JSON, and its (mean) parameters; or why it could not."""
        from prophet.serialize import model_to_json

        model = self.model(frame)
        try:
            model.fit(frame)
        except RuntimeError as error:
            return str(error).strip().partition("\n")[0]
        mean = {
            name: np.asarray(draws).reshape(len(model.params["k"]), -1).mean(axis=0)
            for name, draws in model.params.items()
        }
        names = model.make_all_seasonality_features(cast("pd.DataFrame", model.history))[0].columns
        beta = dict(zip(names, mean["beta"].tolist(), strict=True))
        k, m, sigma = (float(mean[name].mean()) for name in ("k", "m", "sigma_obs"))
        return str(model_to_json(model)), Weights(k, m, mean["delta"], sigma, beta)

    def _with_known(
        self, panel: Panel, row: int, index: pd.DatetimeIndex, columns: dict[str, Floats], calendar: Calendar
    ) -> pd.DataFrame:
        frame = pd.DataFrame({"ds": index} | columns)
        if self.granularity.counted:
            named = holiday_columns(calendar, index, self.granularity)
            counts = {name: named.get(name, np.zeros(len(index))) for name in self.holidays}
            frame = pd.concat([frame, pd.DataFrame(counts)], axis=1)
        ids = panel.ids[row : row + 1]
        for name in ("cap", "floor"):
            limit = getattr(self.recipe, name)
            if limit is not None:
                frame[name] = by_series(name, limit, ids)[0]
        return frame


class _Start(TypedDict):
    """What Prophet would let its optimiser begin with, as far as it is looked at here."""

    delta: Floats


class _Data(TypedDict):
    """What Prophet would fit, as far as it is looked at here: the regression's columns."""

    X: pd.DataFrame


@dataclass
class _Solved:
    """Stands where Prophet expects its optimiser and answers with parameters that are known already."""

    weights: Weights
    stan_fit: None = field(default=None, init=False)

    def fit(self, init: _Start, data: _Data, **_: Any) -> dict[str, Floats]:
        beta = [self.weights.beta.get(column, 0.0) for column in data["X"].columns]
        delta = self.weights.delta[: len(init["delta"])]
        params = {"k": self.weights.k, "m": self.weights.m, "delta": delta, "sigma_obs": self.weights.sigma_obs}
        return {name: np.asarray(value, float).reshape(1, -1) for name, value in (params | {"beta": beta}).items()}


def by_series(name: str, given: float | Mapping[str, float] | None, ids: pd.Index) -> Floats:
    """A limit for each series; 0 where there is none."""
    if not isinstance(given, Mapping):
        return np.full(len(ids), float(given or 0.0))
    missing = [series for series in ids if series not in given]
    if missing:
        raise BadInput(f"{name} says nothing of series {missing[0]!r}; it needs a number for every series")
    return np.array([float(given[series]) for series in ids])


def silence() -> None:
    """Turn off the loggers of Prophet and cmdstanpy, which set their levels anew on import; errors are still raised."""
    for name in ("cmdstanpy", "prophet"):
        logging.getLogger(name).disabled = True
