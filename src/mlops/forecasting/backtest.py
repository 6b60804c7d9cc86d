"""How a model would have done: forecasts from past origins, each seeing only what came before it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from mlops.domain.forecasts import LEVELS, bias, coverage, pinball, wape
from mlops.errors import HistoryTooShort
from mlops.forecasting import forecaster
from mlops.forecasting.panel import Panel

__all__ = ["backtest", "origins", "scores"]


def backtest(
    kind: str,
    params: Mapping[str, Any],
    frame: pd.DataFrame,
    cutoffs: Sequence[pd.Timestamp],
    horizon: int,
    *,
    refit_every: int = 1,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Forecasts with their outcomes: `series_id, ds, cutoff, y_hat, lo_…, hi_…, step, y`.

    Fits on the rows up to a cutoff, forecasts from it and, with newer history only, from the next `refit_every` - 1.
    """
    frame, parts, fitted = frame.sort_values(["series_id", "ds"]), [], None
    for number, cutoff in enumerate(sorted(cutoffs)):
        past = frame[frame["ds"] <= cutoff]
        if fitted is None or number % refit_every == 0:
            fitted = forecaster(kind)(**params).fit(past)
        known = past if fitted.knows_new_series else past[past["series_id"].isin(fitted.known)]
        parts.append(fitted.predict(horizon, LEVELS, history=known))
        if progress is not None:
            progress(number + 1)
    return with_outcomes(pd.concat(parts, ignore_index=True), frame)


def with_outcomes(forecasts: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Forecasts joined with what happened (`y`, NaN where nothing is known) and the number of the `step`."""
    joined = forecasts.merge(frame[["series_id", "ds", "y"]], on=["series_id", "ds"], how="left")
    joined["step"] = joined.groupby(["series_id", "cutoff"])["ds"].rank(method="first").astype(int)
    return joined


def origins(
    frame: pd.DataFrame, count: int, *, every: int, horizon: int, freq: str | None = None
) -> list[pd.Timestamp]:
    """The newest `count` cutoffs, `every` steps apart, the last one `horizon` steps before the end of the frame."""
    index = Panel.of(frame, freq).index
    last = len(index) - 1 - horizon
    found = [index[last - every * back] for back in range(count) if last - every * back >= len(index) // 3]
    if not found:
        raise HistoryTooShort(frame["series_id"].iloc[0], len(index), 2 * horizon)
    return found[::-1]


def scores(forecasts: pd.DataFrame) -> dict[str, float]:
    """Accuracy of forecasts with outcomes: wape, bias, accuracy (1 - wape), pinball and coverage per level."""
    y, y_hat = forecasts["y"], forecasts["y_hat"]
    found = {"wape": wape(y, y_hat), "bias": bias(y, y_hat), "accuracy": 1 - wape(y, y_hat)}
    for level in LEVELS:
        lo, hi = forecasts[f"lo_{level}"], forecasts[f"hi_{level}"]
        found[f"pinball_{level}"] = pinball(y, lo, hi, level)
        found[f"coverage_{level}"] = coverage(y, lo, hi)
    return found
