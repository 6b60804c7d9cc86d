"""Forecasts of totals and of weeks as rows that are stored beside those of the series."""

import pandas as pd

from mlops.db import Transaction
from mlops.forecasting.totals.sums import Summed
from mlops.series.totals import Totals
from mlops.times import aware_utc

__all__ = ["totals_to_store"]


def totals_to_store(transaction: Transaction, totals: Totals, version_id: int, found: Summed) -> pd.DataFrame:
    """The forecasts of totals and weeks with a `series_id` each; their series, and what was summed, are written."""
    ids = totals.ids(transaction)
    daily = found.totals.assign(series_id=found.totals["total"].map(ids)).drop(columns="total")
    if not daily.empty:
        summed = totals.members[totals.members["series_id"].isin(found.series["series_id"])]
        transaction.run(
            "store_forecast_parts",
            version_id=version_id,
            cutoff=aware_utc(daily["cutoff"].iloc[0]),
            totals=[ids[key] for key in summed["total"]],
            parts=summed["series_id"].tolist(),
        )
    if found.weeks.empty:
        return daily
    days = found.weeks["total"].map(lambda one: ids.get(one, one))
    asked = sorted(map(int, days.unique()))
    transaction.run("add_weekly_series", series_ids=asked)
    of_days = {row["weeks_of"]: row["series_id"] for row in transaction.rows("weekly_series_of", series_ids=asked)}
    weekly = found.weeks.assign(series_id=days.map(of_days)).drop(columns="total")
    return pd.concat([daily, weekly], ignore_index=True)
