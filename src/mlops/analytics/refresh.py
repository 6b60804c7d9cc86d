"""Bring the daily summary, the monthly aggregates and the views up to date."""

from dataclasses import dataclass

from mlops.db import Database

__all__ = ["Refreshed", "refresh_views"]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one refresh did about one view; `rows` is None when there was nothing to do."""

    view_name: str
    refreshed: bool
    seconds: float
    rows: int | None


def refresh_views(database: Database, *, force: bool = False) -> tuple[Refreshed, ...]:
    """One entry per view, in the order of their sources; only what is stale is made anew, all of it with `force`.

    A view that fails stops no other: its reason is in `analytics.view_freshness` and in `mlops health`.
    """
    with database.transaction() as transaction:
        return tuple(Refreshed(**row) for row in transaction.rows("refresh_predictive_views", force=force))
