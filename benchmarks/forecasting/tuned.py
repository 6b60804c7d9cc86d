"""The strongest opponent: mlforecast with LightGBM, tuned by Optuna on data before a date."""

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.forecasting.datasets import SPACING, Dataset, calendar, future
from benchmarks.forecasting.history import PLACES, filled, holiday_features, kind_of

__all__ = ["BUDGET_CPU_SECONDS", "BUDGET_TRIALS", "forecast", "tune"]

BUDGET_CPU_SECONDS = 300.0
BUDGET_TRIALS = 300
CALIBRATION_WINDOWS = 12
VALIDATION_WINDOWS = {"nn5": 4}
"""Origins that a trial is scored at, 6 unless named here (nn5 is short); the model is fitted once, before the first."""

LAGS = {
    "D": {"week": [*range(1, 8), 14, 21, 28], "fortnight": [*range(1, 15), 21, 28], "places": [7, 14, 21, 28]},
    "B": {"week": [*range(1, 6), 10, 15, 20], "fortnight": [*range(1, 11), 15, 20], "places": [5, 10, 15, 20]},
    "W": {"month": [1, 2, 3, 4], "quarter": [*range(1, 9), 12, 13], "even": [1, 2, 4, 6, 8, 12]},
    "MS": {"year": [*range(1, 13)], "places": [1, 2, 3, 12], "two years": [1, 2, 3, 6, 12, 24]},
}
YEAR = {"D": [364, 371], "B": [260, 261], "W": [52, 53], "MS": [24, 36]}
"""Lags of a year ago, offered where the history has three years."""
STEPS_PER_YEAR = {"D": 365, "B": 261, "W": 52, "MS": 12}
DATES = {
    "D": {"weekday": ["dayofweek"], "month": ["dayofweek", "day"], "year": ["dayofweek", "day", "month", "dayofyear"]},
    "B": {"weekday": ["dayofweek"], "month": ["dayofweek", "day"], "year": ["dayofweek", "day", "month", "dayofyear"]},
    "W": {"none": [], "year": ["week"], "month": ["week", "month", "day"]},
    "MS": {"none": [], "year": ["month"], "month": ["month", "quarter"]},
}


@dataclass(frozen=True)
class Table:
    """The filled past with features, and the features of the steps after it."""

    past: pd.DataFrame
    ahead: pd.DataFrame | None
    static: list[str]


def tune(dataset: Dataset, end: pd.Timestamp) -> dict[str, Any]:
    """The best parameters by the mean WAPE of both horizons on the last origins before `end`, and how it was found."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    begin = time.process_time()

    def objective(trial: "optuna.Trial") -> float:
        params = _suggest(trial, dataset, end)
        try:
            return _validate(dataset, end, params)
        except Exception as error:
            trial.set_user_attr("error", repr(error)[:300])
            raise optuna.TrialPruned from error

    def stop(study: "optuna.Study", _: "optuna.trial.FrozenTrial") -> None:
        if time.process_time() - begin > BUDGET_CPU_SECONDS:
            study.stop()

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, multivariate=True, group=True))
    for start in _starts(dataset):
        study.enqueue_trial(start)
    study.optimize(objective, n_trials=BUDGET_TRIALS, callbacks=[stop])
    trials = [{"value": t.value, "params": t.params, "error": t.user_attrs.get("error")} for t in study.trials]
    return {
        "end": str(end.date()),
        "budget": {"cpu_seconds": BUDGET_CPU_SECONDS, "trials": BUDGET_TRIALS},
        "windows": VALIDATION_WINDOWS.get(dataset.name, 6),
        "cpu_seconds": time.process_time() - begin,
        "trials": len(study.trials),
        "failed": sum(t["error"] is not None for t in trials),
        "value": study.best_value,
        "params": study.best_params,
        "all": trials,
    }


def forecast(dataset: Dataset, cutoff: pd.Timestamp, params: dict[str, Any], *, intervals: bool = True) -> pd.DataFrame:
    """`series_id, ds, y_hat`, with both intervals unless told not to."""
    from mlforecast.utils import PredictionIntervals

    horizon = dataset.horizons[-1]
    table = _table(dataset, cutoff, params)
    windows = _calibration_windows(dataset, table, params)
    model = _model(dataset, params)
    calibrate = PredictionIntervals(n_windows=windows, h=horizon) if intervals else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(table.past, static_features=table.static, prediction_intervals=calibrate)
        ahead = model.predict(horizon, level=[80, 95] if intervals else None, X_df=table.ahead)
    names = {"unique_id": "series_id", "ds": "ds", "gbm": "y_hat"}
    names |= {f"gbm-{side}-{level}": f"{side}_{level}" for side in ("lo", "hi") for level in (80, 95)}
    return ahead.rename(columns=names)[[name for name in names.values() if name in ahead.rename(columns=names)]]


def _starts(dataset: Dataset) -> list[dict[str, Any]]:
    """What a practitioner would try first: scaled, scaled logarithms, and weekly (yearly) differences."""
    kind = kind_of(dataset)
    common = {
        "lags": next(iter(LAGS[kind])),
        "year": False,
        "means": "rolling",
        "dates": list(DATES[kind])[1],
        "holidays": "all",
        "identity": False,
        "years": 0,
        "num_leaves": 31,
        "learning_rate": 0.05,
        "n_estimators": 200,
        "min_child_samples": 20,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.8,
        "lambda_l2": 0.1,
    }
    return [
        common | {"objective": "l2", "log": False, "shape": "standard"},
        common | {"objective": "l1", "log": True, "shape": "standard"},
        common | {"objective": "l1", "log": True, "shape": "season"},
        common | {"objective": "l1", "log": False, "shape": "standard"},
    ]


def _suggest(trial: Any, dataset: Dataset, end: pd.Timestamp) -> dict[str, Any]:
    kind = kind_of(dataset)
    long = (calendar(dataset) <= end).sum() >= 3.5 * STEPS_PER_YEAR[kind]
    objective = trial.suggest_categorical("objective", ["l1", "l2", "tweedie"])
    if objective == "tweedie":
        log, shape = False, trial.suggest_categorical("shape_positive", ["none", "minmax"])
    else:
        log = trial.suggest_categorical("log", [False, True])
        shape = trial.suggest_categorical("shape", ["none", "standard", "step", "season", "both", "season standard"])
    return {
        "objective": objective,
        "log": log,
        "shape": shape,
        "lags": trial.suggest_categorical("lags", list(LAGS[kind])),
        "year": trial.suggest_categorical("year", [False, True]) if long else False,
        "means": trial.suggest_categorical("means", ["none", "rolling", "rich"]),
        "dates": trial.suggest_categorical("dates", list(DATES[kind])),
        "holidays": trial.suggest_categorical("holidays", ["none", "flag", "all"]),
        "identity": trial.suggest_categorical("identity", [False, True]),
        "years": trial.suggest_categorical("years", [0, 2, 4]) if long else 0,
        "num_leaves": trial.suggest_int("num_leaves", 4, 128, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "n_estimators": trial.suggest_int("n_estimators", 50, 600, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 200, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 10, log=True),
    }


def complete(params: dict[str, Any]) -> dict[str, Any]:
    """Optuna's parameters with those that a branch did not ask for."""
    shape = params.get("shape", params.get("shape_positive"))
    return {"log": False, "year": False, "years": 0} | params | {"shape": shape}


def _validate(dataset: Dataset, end: pd.Timestamp, params: dict[str, Any]) -> float:
    horizon = dataset.horizons[-1]
    table = _table(dataset, end, params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _model(dataset, params).cross_validation(
            table.past,
            n_windows=VALIDATION_WINDOWS.get(dataset.name, 6),
            h=horizon,
            step_size=SPACING[kind_of(dataset)],
            static_features=table.static,
            refit=False,
        )
    found = found.drop(columns="y").merge(dataset.frame, left_on=["unique_id", "ds"], right_on=["series_id", "ds"])
    step = found.groupby(["unique_id", "cutoff"])["ds"].rank()
    error = (found["y"] - found["gbm"].clip(lower=0)).abs()
    parts = [step <= limit for limit in dataset.horizons]
    return float(np.mean([error[part].sum() / found["y"].abs()[part].sum() for part in parts]))


def _table(dataset: Dataset, cutoff: pd.Timestamp, params: dict[str, Any]) -> Table:
    kind = kind_of(dataset)
    past = filled(dataset, cutoff)
    if params["years"]:
        index = calendar(dataset)
        index = index[index <= cutoff]
        past = past[past["ds"] >= index[-params["years"] * STEPS_PER_YEAR[kind]]]
    steps = future(dataset, cutoff)
    ahead = pd.MultiIndex.from_product([past["unique_id"].unique(), steps], names=["unique_id", "ds"]).to_frame(False)
    if params["holidays"] == "none":
        ahead = None
    else:
        index = pd.date_range(past["ds"].min(), steps[-1], freq=dataset.freq)
        known = holiday_features(dataset, index).rename_axis("ds").reset_index()
        if params["holidays"] == "flag":
            known = known.drop(columns=["holiday_name", "count_before", "count_after"], errors="ignore")
        past, ahead = past.merge(known, on="ds"), ahead.merge(known, on="ds")
        past = past.sort_values(["unique_id", "ds"], ignore_index=True)
    static = []
    if params["identity"]:
        static = ["series"]
        past = past.assign(series=past["unique_id"].astype("category"))
        if dataset.groups is not None:
            name = dataset.groups.columns[1]
            group = past["unique_id"].map(dataset.groups.set_index("series_id")[name]).astype("category")
            past, static = past.assign(**{name: group}), [*static, name]
    return Table(past, ahead, static)


def _model(dataset: Dataset, params: dict[str, Any]) -> Any:
    from mlforecast import MLForecast

    import lightgbm

    kind = kind_of(dataset)
    booster = lightgbm.LGBMRegressor(
        objective=params["objective"],
        num_leaves=params["num_leaves"],
        learning_rate=params["learning_rate"],
        n_estimators=params["n_estimators"],
        min_child_samples=params["min_child_samples"],
        colsample_bytree=params["feature_fraction"],
        subsample=params["bagging_fraction"],
        subsample_freq=1,
        reg_lambda=params["lambda_l2"],
        n_jobs=1,
        random_state=0,
        verbosity=-1,
    )
    return MLForecast(
        models={"gbm": booster},
        freq=dataset.freq,
        lags=_lags(kind, params),
        lag_transforms=_means(kind, params["means"]),
        date_features=DATES[kind][params["dates"]],
        target_transforms=_transforms(kind, params),
        num_threads=1,
    )


def _lags(kind: str, params: dict[str, Any]) -> list[int]:
    return sorted({*LAGS[kind][params["lags"]], *(YEAR[kind] if params["year"] else [])})


def _means(kind: str, means: str) -> dict[int, list[Any]] | None:
    from mlforecast.lag_transforms import ExponentiallyWeightedMean, RollingMean, RollingStd, SeasonalRollingMean

    if means == "none":
        return None
    cycle = PLACES[kind]
    long = {"D": 28, "B": 20, "W": 13, "MS": 12}[kind]
    found: dict[int, list[Any]] = {1: [RollingMean(cycle), RollingMean(long)]}
    if kind in "DB":
        found[cycle] = [SeasonalRollingMean(cycle, 4)]
    if means == "rich":
        found[1] = [*found[1], RollingStd(long), ExponentiallyWeightedMean(0.3), RollingMean(2 * long)]
        found[cycle] = [*found.get(cycle, []), RollingMean(cycle)]
    return found


def _transforms(kind: str, params: dict[str, Any]) -> list[Any]:
    from mlforecast.target_transforms import (
        Differences,
        GlobalSklearnTransformer,
        LocalMinMaxScaler,
        LocalStandardScaler,
    )
    from sklearn.preprocessing import FunctionTransformer

    cycle = PLACES[kind]
    shapes: dict[str, list[Any]] = {
        "none": [],
        "standard": [LocalStandardScaler()],
        "minmax": [LocalMinMaxScaler()],
        "step": [Differences([1])],
        "season": [Differences([cycle])],
        "both": [Differences([1, cycle])],
        "season standard": [Differences([cycle]), LocalStandardScaler()],
    }
    log = [GlobalSklearnTransformer(FunctionTransformer(func=np.log1p, inverse_func=np.expm1))] if params["log"] else []
    return [*log, *shapes[params["shape"]]]


def _calibration_windows(dataset: Dataset, table: Table, params: dict[str, Any]) -> int:
    """Up to twelve, such that the shortest series keeps a season of rows to learn from."""
    kind = kind_of(dataset)
    shortest = int(table.past.groupby("unique_id").size().min())
    used = max(_lags(kind, params)) + PLACES[kind] * 2 + {"D": 56, "B": 40, "W": 26, "MS": 24}[kind]
    return max(2, min(CALIBRATION_WINDOWS, (shortest - used) // dataset.horizons[-1]))
