"""How customers behave: month by month, and where each is going."""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from mlops.db import Database
from mlops.series.filters import check_filters, check_places

__all__ = ["behaviour", "customer_months"]


def customer_months(
    database: Database,
    customer_ids: Sequence[str],
    *,
    start: date,
    end: date,
    metric_type: str | None = None,
) -> pd.DataFrame:
    """Months of some customers: `customer_id, metric_type, ds, y`, days, extremes and `change`.

    `y` is the month by the metric type's aggregate; one without any observation is a row, with 0 `days` of so many
    `expected_days`. `change` is a day against one of the month before, 0.1 is 10 % more: over all `calendar_days` where
    the metric type adds up and absence means zero.
    UnknownName for a customer or metric type that is not there.
    """
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type)
        check_places(transaction, "customer", customer_ids)
        return transaction.frame(
            "customers_by_month",
            customer_ids=list(customer_ids),
            start=start.replace(day=1),
            end=end,
            metric_type=metric_type,
        )


def behaviour(
    database: Database, *, customer_ids: Sequence[str] | None = None, metric_type: str | None = None
) -> pd.DataFrame:
    """One row per customer and metric type: how much and where it is going, as of the last refresh of the views.

    UnknownName for a customer or metric type that is not there.
    """
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type)
        check_places(transaction, "customer", customer_ids)
        return transaction.frame(
            "customer_behaviour",
            customer_ids=None if customer_ids is None else list(customer_ids),
            metric_type=metric_type,
        )
