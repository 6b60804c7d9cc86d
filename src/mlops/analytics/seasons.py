"""What repeats: the days of series taken apart into trend, weekday pattern and the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.db import Database
from mlops.errors import NothingToDo
from mlops.series.filters import check_filters

__all__ = ["decompose", "patterns"]

WEEK = 7
SIDE = WEEK // 2
FEWEST = 4  # days of a week that a mean rests on


@dataclass(frozen=True, slots=True)
class SeriesDays:
    """The summarised days of a series: days since the first one that was asked for, and their values."""

    series_id: int
    days: list[int]
    values: list[float]


def decompose(database: Database, series_ids: Sequence[int], start: date, end: date) -> pd.DataFrame:
    """`series_id, ds, y, trend, weekday, residual` of every observed UTC day from `start` until before `end`.

    Additive, from the daily summary: `trend` is the centred mean of seven days without their weekday pattern, `weekday`
    the mean distance of that weekday from the trend over the whole span (it adds up to 0 over a week), and
    `y = trend + weekday + residual`. The trend is missing where fewer than four of seven days were observed. Series of
    weeks or months have no weekday pattern. NothingToDo when no series has a day there, UnknownName for an unknown id.
    """
    first, last = start - timedelta(SIDE), end + timedelta(SIDE)
    with database.transaction() as transaction:
        check_filters(transaction, series_ids=series_ids)
        rows = transaction.rows("daily_values", of=SeriesDays, series_ids=list(series_ids), start=first, end=last)
    if not rows:
        raise NothingToDo(
            f"no day of these {len(series_ids)} series is summarised from {start} until before {end};"
            " see `mlops series list`, or refresh with analytics.refresh_predictive_views()"
        )
    y = _matrix(rows, (last - first).days)
    trend, weekday = _taken_apart(y)
    return _frame([row.series_id for row in rows], start, y, trend, weekday)


def patterns(database: Database, series_ids: Sequence[int]) -> pd.DataFrame:
    """One row per series and weekday (1 is Monday) or month: `index` is its mean day against that of the series.

    As of the last refresh of the views. UnknownName for an id that no series has.
    """
    with database.transaction() as transaction:
        check_filters(transaction, series_ids=series_ids)
        return transaction.frame("seasonal_patterns", series_ids=list(series_ids))


def _matrix(rows: list[SeriesDays], days: int) -> Floats:
    """One row per series and one column per day, NaN where nothing was observed."""
    y = np.full((len(rows), days), np.nan)
    for number, row in enumerate(rows):
        y[number, row.days] = row.values
    return y


def _taken_apart(y: Floats) -> tuple[Floats, Floats]:
    """Trend and weekday pattern; the second pass takes the pattern out first, so that gaps don't bend the trend."""
    pattern = _by_weekday(y - _week_mean(y))
    trend = _week_mean(y - pattern)
    pattern = _by_weekday(y - trend)
    return trend, pattern


def _week_mean(y: Floats) -> Floats:
    """The centred mean over those of seven days that are there."""
    padded = np.pad(y, ((0, 0), (SIDE, SIDE)), constant_values=np.nan)
    there = ~np.isnan(padded)
    filled = np.where(there, padded, 0.0)
    days = y.shape[1]
    total = sum(filled[:, shift : shift + days] for shift in range(WEEK))
    count = sum(there[:, shift : shift + days].astype(np.int64) for shift in range(WEEK))
    return np.where(count >= FEWEST, total / np.maximum(count, 1), np.nan)


def _by_weekday(distance: Floats) -> Floats:
    """Each weekday's mean distance, less the mean over the weekdays, laid out over all days."""
    means = np.full((len(distance), WEEK), np.nan)
    for weekday in range(WEEK):
        column = distance[:, weekday::WEEK]
        count = (~np.isnan(column)).sum(axis=1)
        means[:, weekday] = np.where(count > 0, np.nansum(column, axis=1) / np.maximum(count, 1), np.nan)
    known = (~np.isnan(means)).sum(axis=1)
    centre = np.nansum(means, axis=1) / np.maximum(known, 1)
    return np.take(means - centre[:, None], np.arange(distance.shape[1]) % WEEK, axis=1)


def _frame(series_ids: list[int], start: date, y: Floats, trend: Floats, weekday: Floats) -> pd.DataFrame:
    inside = slice(SIDE, y.shape[1] - SIDE)
    y, trend, weekday = y[:, inside], trend[:, inside], weekday[:, inside]
    number, day = np.nonzero(~np.isnan(y))
    return pd.DataFrame(
        {
            "series_id": np.asarray(series_ids)[number],
            "ds": np.datetime64(start, "ns") + day.astype("timedelta64[D]"),
            "y": y[number, day],
            "trend": trend[number, day],
            "weekday": weekday[number, day],
            "residual": (y - trend - weekday)[number, day],
        }
    )
