"""Opponents with one model per series: statsforecast's seasonal naive, AutoETS and Theta, and Prophet on Stan."""

import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.forecasting.datasets import Dataset, calendar, future
from benchmarks.forecasting.history import filled, holiday_features, kind_of

__all__ = ["candidates", "forecast"]

Setting = dict[str, Any]
TAILS = {"lo_95": 0.025, "lo_80": 0.1, "hi_80": 0.9, "hi_95": 0.975}
STEPS_PER_YEAR = {"D": 365, "B": 261, "W": 52, "MS": 12}


def candidates(opponent: str, dataset: Dataset) -> list[Setting]:
    """The settings to choose from on the dev folds; one where there is nothing to choose.

    Where there are more than four years of history, it can be cut to three. Weeks: AutoETS takes no season above 24,
    so it is either without one or behind an STL decomposition of 52.
    """
    kind = kind_of(dataset)
    years = [0] if opponent == "snaive" or len(calendar(dataset)) < 4 * STEPS_PER_YEAR[kind] else [0, 3]
    if opponent == "prophet":
        return [{"mode": mode, "years": length} for mode in ("additive", "multiplicative") for length in years]
    seasons = [dataset.season]
    if kind == "W":
        seasons = [52, 4, 1] if opponent == "snaive" else [1, 52]
    return [{"season": season, "years": length} for season in seasons for length in years]


def forecast(opponent: str, dataset: Dataset, cutoff: pd.Timestamp, setting: Setting) -> pd.DataFrame:
    """`series_id, ds, y_hat` and both intervals for the longest horizon."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if opponent == "prophet":
            return _prophets(dataset, cutoff, setting)
        return _statsforecast(opponent, dataset, cutoff, setting)


def _statsforecast(opponent: str, dataset: Dataset, cutoff: pd.Timestamp, setting: Setting) -> pd.DataFrame:
    from statsforecast import StatsForecast
    from statsforecast.models import MSTL, AutoETS, DynamicOptimizedTheta, SeasonalNaive

    season = setting["season"]
    if opponent == "snaive":
        model = SeasonalNaive(season, alias="it")
    elif opponent == "theta":
        model = DynamicOptimizedTheta(season_length=season, alias="it")
    elif season > 24:
        model = MSTL(season, trend_forecaster=AutoETS(model="ZZN"), alias="it")
    else:
        model = AutoETS(season_length=season, alias="it")
    runner = StatsForecast(models=[model], freq=dataset.freq, n_jobs=1, fallback_model=SeasonalNaive(1, alias="it"))
    past = _newest(filled(dataset, cutoff), dataset, cutoff, setting["years"])
    found = runner.forecast(df=past, h=dataset.horizons[-1], level=[80, 95])
    names = {"unique_id": "series_id", "it": "y_hat"}
    return found.rename(columns=names | {f"it-{bound.replace('_', '-')}": bound for bound in TAILS})


def _newest(past: pd.DataFrame, dataset: Dataset, cutoff: pd.Timestamp, years: int) -> pd.DataFrame:
    """The newest years of a past; 0: all."""
    if not years:
        return past
    index = calendar(dataset)
    return past[past["ds"] >= index[index <= cutoff][-years * STEPS_PER_YEAR[kind_of(dataset)]]]


def _prophets(dataset: Dataset, cutoff: pd.Timestamp, setting: Setting) -> pd.DataFrame:
    """One Prophet per series on what was observed; gaps are left to it."""
    logging.getLogger("cmdstanpy").disabled = True
    past = _newest(dataset.frame[dataset.frame["ds"] <= cutoff], dataset, cutoff, setting["years"])
    steps = future(dataset, cutoff)
    known = holiday_features(dataset, pd.date_range(past["ds"].min(), steps[-1], freq=dataset.freq))
    return pd.concat(
        [_prophet(one, name, dataset, known, steps, setting["mode"]) for name, one in past.groupby("series_id")],
        ignore_index=True,
    )


def _prophet(
    past: pd.DataFrame, name: str, dataset: Dataset, known: pd.DataFrame, steps: pd.DatetimeIndex, mode: str
) -> pd.DataFrame:
    """Days have the country's holidays by name; weeks and months the number of holidays (months: of weekdays too)."""
    from prophet import Prophet

    model = Prophet(seasonality_mode=mode, uncertainty_samples=1000)
    regressors = {"W": ["holiday_count"], "MS": ["holiday_count", "weekdays", "days"]}.get(kind_of(dataset), [])
    for regressor in regressors:
        model.add_regressor(regressor)
    if not regressors and dataset.country is not None:
        model.add_country_holidays(dataset.country)
    table = past[["ds", "y"]].merge(known[regressors], left_on="ds", right_index=True)
    model.fit(table, seed=0)
    ahead = pd.DataFrame({"ds": steps}).merge(known[regressors], left_on="ds", right_index=True)
    model.uncertainty_samples = 0
    y_hat = model.predict(ahead)["yhat"].to_numpy()
    model.uncertainty_samples = 1000
    np.random.seed(0)
    samples = model.predictive_samples(ahead)["yhat"]
    bounds = {bound: np.quantile(samples, tail, axis=1) for bound, tail in TAILS.items()}
    return pd.DataFrame({"series_id": name, "ds": steps, "y_hat": y_hat} | bounds)
