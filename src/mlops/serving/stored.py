"""Forecasts into the database: the same function for those of a job and those that a server answered."""

import pandas as pd

from mlops.db import Transaction

__all__ = ["store_forecasts"]

PREDICTIONS = "analytics.model_prediction_results"


def store_forecasts(transaction: Transaction, forecasts: pd.DataFrame) -> int:
    """Store what is new; how many rows that were. The first issue of a version, series, cutoff and target stands.

    `forecasts` has columns of `analytics.model_prediction_results`; times are naive UTC, JSON is text.
    """
    if forecasts.empty:
        return 0
    transaction.run("lock_prediction_table")
    transaction.value(
        "ensure_partitions",
        table=PREDICTIONS,
        first=forecasts["target_at"].min().to_pydatetime(),
        last=forecasts["target_at"].max().to_pydatetime(),
    )
    transaction.run("create_staged_predictions")
    transaction.copy("staged_predictions", forecasts)
    return transaction.run("store_predictions")
