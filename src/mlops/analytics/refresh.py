"""Bring the daily summary, the monthly aggregates and the views up to date."""

from mlops.db import Database
from mlops.db.upkeep import RefreshedView

__all__ = ["RefreshedView", "refresh_views"]


def refresh_views(database: Database, *, force: bool = False) -> tuple[RefreshedView, ...]:
    """One entry per view, in the order of their sources; only what is stale is made anew, all of it with `force`.

    A view that fails stops no other: its reason is in `analytics.view_freshness` and in `mlops health`.
    """
    with database.transaction() as transaction:
        return tuple(transaction.rows("refresh_predictive_views", of=RefreshedView, force=force))
