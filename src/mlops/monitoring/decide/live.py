"""A challenger that answers beside the champion, where its live comparison says that it is better."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mlops.db import Database
from mlops.monitoring.decide.costs import benefit
from mlops.monitoring.decide.proof import Proof
from mlops.monitoring.decide.shadow import VersionOfSeries, comparable, terms_of
from mlops.policy import Policy

__all__ = ["better_challenger"]


@dataclass(frozen=True, slots=True)
class Better:
    """The newest row of `analytics.live_comparisons` that says better, of a champion."""

    version_id: int
    version: int
    gain: float
    gain_low: float
    gain_high: float
    wape_challenger: float
    wape_champion: float
    weeks: int
    compared_from: datetime


def better_challenger(database: Database, policy: Policy, champion: VersionOfSeries, as_of: datetime) -> Proof | None:
    """The challenger that is better by the newest verdicts known at `as_of` (aware), the clearest of several.

    What it would have saved in WAPE, with its interval, is the verdict's: it holds however often one looks. Money is
    that of the same forecasts. None without such a verdict, or where too few outcomes are known.
    """
    with database.transaction() as transaction:
        better = transaction.one("better_challenger", of=Better, version_id=champion.version_id, as_of=as_of)
        if better is None:
            return None
        window = {"start": better.compared_from, "end_at": as_of, "as_of": as_of}
        issued = better.compared_from - timedelta(days=366)  # a first target may have been forecast long before
        served, other = (
            transaction.frame("freshest_judged_predictions", version_id=version, issued_from=issued, **window)
            for version in (champion.version_id, better.version_id)
        )
    judged = (
        served[["series_id", "ds", "y", "y_hat"]]
        .rename(columns={"y_hat": "served"})
        .merge(other[["series_id", "ds", "y_hat"]].rename(columns={"y_hat": "other"}), on=["series_id", "ds"])
    )
    if not comparable(judged, champion.lineage["selection"]["granularity"]):
        return None
    saved = benefit(judged, "other", "served", **terms_of(policy, champion))
    return Proof(
        benefit=replace(saved, wape=better.gain, wape_low=better.gain_low, wape_high=better.gain_high),
        wape=better.wape_challenger,
        champion=better.wape_champion,
        beside=better.version,
        weeks=better.weeks,
    )
