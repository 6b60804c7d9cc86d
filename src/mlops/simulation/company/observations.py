"""The long input format: one row per observation, series after series, each in the order of its days."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.arrays import Floats
from mlops.domain.series import PLACE

__all__ = ["COLUMNS", "long"]

COLUMNS = ("metric_type", "observed_at", "value", *PLACE, "granularity", "labels")


def long(
    metric_type: str,
    days: pd.DatetimeIndex,
    values: Floats,
    places: Mapping[str, Sequence[str]],
    *,
    granularity: str = "daily",
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Rows of `values` (days × series) where there is one, rounded to the thousandth; places and labels per series."""
    there = np.isfinite(values.T)
    series, day = np.nonzero(there)
    columns: dict[str, object] = {
        "metric_type": _constant(metric_type, len(series)),
        "observed_at": days[day],
        "value": np.round(values.T[there], 3),
        **{name: _taken(places[name], series) if name in places else _constant(None, len(series)) for name in PLACE},
        "granularity": _constant(granularity, len(series)),
        "labels": _constant(None, len(series)) if labels is None else _taken(labels, series),
    }
    return pd.DataFrame(columns)


def _taken(names: Sequence[str], series: NDArray[np.intp]) -> "pd.Categorical[str]":
    """The name of each row's series."""
    codes, distinct = pd.factorize(np.asarray(names, dtype=object))
    return pd.Categorical.from_codes(codes[series], pd.Index(distinct))


def _constant(name: str | None, rows: int) -> "pd.Categorical[str]":
    codes = np.full(rows, -1 if name is None else 0)
    return pd.Categorical.from_codes(codes, pd.Index([] if name is None else [name], dtype=object))
