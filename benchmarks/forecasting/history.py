"""What an opponent may know at a cutoff: the past without gaps, and the calendar and holidays of the future."""

import numpy as np
import pandas as pd
from benchmarks.forecasting.datasets import Dataset, calendar

__all__ = ["PLACES", "filled", "holiday_features", "kind_of"]

PLACES = {"D": 7, "B": 5, "W": 4, "MS": 12}
"""Steps of the cycle that lags and fills follow; a week has no cycle of its own but a month of four."""


def kind_of(dataset: Dataset) -> str:
    """D, B, W or MS."""
    return dataset.freq.split("-")[0]


def filled(dataset: Dataset, cutoff: pd.Timestamp) -> pd.DataFrame:
    """`unique_id, ds, y` from each series' first observation to the cutoff, gaps filled from the past only.

    A gap takes the newest value of the same weekday (of the same month for monthly data), of weekly data the median of
    the eight weeks before it.
    """
    past = dataset.frame[dataset.frame["ds"] <= cutoff]
    index = calendar(dataset)
    wide = past.pivot(index="ds", columns="series_id", values="y").reindex(index[index <= cutoff])
    if kind_of(dataset) == "W":
        full = wide.fillna(wide.rolling(8, min_periods=1).median().shift())
    else:
        full = wide.groupby(np.arange(len(wide)) % PLACES[kind_of(dataset)]).ffill()
    long = full.ffill().rename_axis("ds").melt(ignore_index=False, var_name="unique_id", value_name="y").reset_index()
    long = long.dropna(subset="y")
    return long[["unique_id", "ds", "y"]].sort_values(["unique_id", "ds"], ignore_index=True)


def holiday_features(dataset: Dataset, index: pd.DatetimeIndex) -> pd.DataFrame:
    """One row per step: for days whether it, its neighbours and which holiday it is; else counts within the step."""
    dates = _holidays(dataset.country, index)
    kind = kind_of(dataset)
    if kind in ("D", "B"):
        names = pd.Series(pd.Categorical(index.map(dates), categories=sorted(set(dates.values()))).codes, index=index)
        day = pd.Timedelta(days=1)
        flags = {"holiday": index, "holiday_before": index - day, "holiday_after": index + day}
        table = pd.DataFrame({name: days.isin(list(dates)).astype(int) for name, days in flags.items()}, index=index)
        return table.assign(holiday_name=names)
    days = pd.date_range(index[0] - pd.Timedelta(days=40), index[-1] + pd.Timedelta(days=70), freq="D")
    steps = pd.date_range(days[0], days[-1], freq=dataset.freq)
    step = pd.Series(steps, index=steps).reindex(days, method="ffill")
    per_day = pd.DataFrame(
        {"holiday_count": days.isin(list(dates)), "weekdays": days.dayofweek < 5, "days": True}, index=days
    ).astype(int)
    table = per_day.groupby(step.to_numpy()).sum()
    table = table.assign(count_before=table["holiday_count"].shift(), count_after=table["holiday_count"].shift(-1))
    table = table.reindex(index)
    return table[["holiday_count", "count_before", "count_after"]] if kind == "W" else table


def _holidays(country: str | None, index: pd.DatetimeIndex) -> dict[pd.Timestamp, str]:
    import holidays

    if country is None:
        return {}
    years = range(index[0].year - 1, index[-1].year + 2)
    return {pd.Timestamp(day): name for day, name in holidays.country_holidays(country, years=years).items()}
