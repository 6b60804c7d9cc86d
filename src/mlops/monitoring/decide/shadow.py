"""What another version, or the seasonal naive, would have forecast in a champion's place: from the same cutoffs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.forecasts import wape
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.lineage import LineageDocument
from mlops.domain.model_uri import uri_of
from mlops.feature_store.build import selection_history
from mlops.feature_store.sources import sets_of, with_sources
from mlops.monitoring.decide.costs import BenefitTerms, benefit
from mlops.monitoring.decide.proof import NAIVE, Proof
from mlops.policy import Policy
from mlops.series.quality import usable
from mlops.times import naive_utc
from mlops.tracking.artifacts.checked import load_model
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store

__all__ = [
    "Predecessor",
    "VersionOfSeries",
    "comparable",
    "naive",
    "overshadow",
    "predecessor",
    "recent",
    "shadowed",
    "terms_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionOfSeries:
    """A live version in the mirror; by its lineage its forecasts can be made again."""

    version_id: int
    name: str
    version: int
    lineage: LineageDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor(VersionOfSeries):
    """The version that a promotion at `since` replaced, and whether the champion, a naive, stands in for it."""

    since: datetime
    stands_in: bool


def recent(database: Database, policy: Policy, champion: VersionOfSeries, as_of: datetime) -> Predecessor | None:
    """The version that was champion before a recent promotion.

    A champion that stands in for it, the seasonal naive after a fallback, is as recent as ever. None where the
    promotion is no recent one.
    """
    with database.transaction() as transaction:
        return transaction.one(
            "recent_promotion",
            of=Predecessor,
            version_id=champion.version_id,
            as_of=as_of,
            weeks=policy.recommend.rollback_weeks,
        )


def predecessor(
    database: Database,
    store: Store,
    policy: Policy,
    champion: VersionOfSeries,
    before: Predecessor | None,
    as_of: datetime,
) -> Proof | None:
    """The version that was champion before a recent promotion against the champion, on what the champion was served.

    On everything since the promotion; where the champion stands in for it, on the newest `holdout_days`. None where
    there is none, or too few outcomes are known.
    """
    if before is None:
        return None
    start = before.since
    if before.stands_in:
        start = max(start, as_of - timedelta(days=policy.retrain.holdout_days))
    judged = shadowed(database, store, champion, before, start, as_of, as_of, issued_from=before.since)
    return None if judged is None else overshadow(judged, before.version, terms_of(policy, champion))


def naive(policy: Policy, champion: VersionOfSeries, live: pd.DataFrame, as_of: datetime) -> Proof | None:
    """The seasonal naive against what the champion forecast of the newest `holdout_days`, from the same cutoffs. Pure.

    `live` has `series_id, ds, y, y_hat, naive` (UTC, naive times). None where too few outcomes are known.
    """
    start = naive_utc(as_of) - pd.Timedelta(days=policy.retrain.holdout_days)
    judged = live.loc[live["ds"] >= start, ["series_id", "ds", "y", "y_hat", "naive"]].dropna()
    if not comparable(judged, champion.lineage["selection"]["granularity"]):
        return None
    return Proof(
        benefit=benefit(judged, "naive", "y_hat", **terms_of(policy, champion)),
        wape=wape(judged["y"], judged["naive"]),
        champion=wape(judged["y"], judged["y_hat"]),
        challenger=NAIVE,
    )


def overshadow(judged: pd.DataFrame, version: int, terms: BenefitTerms) -> Proof:
    """The predecessor's forecasts (`other`) against those that were `served`; rows as of `shadowed`. Pure."""
    return Proof(
        benefit=benefit(judged, "other", "served", **terms),
        wape=wape(judged["y"], judged["other"]),
        champion=wape(judged["y"], judged["served"]),
        predecessor=version,
    )


def shadowed(
    database: Database,
    store: Store,
    served: VersionOfSeries,
    other: VersionOfSeries,
    start: datetime,
    end: datetime,
    as_of: datetime,
    *,
    issued_from: datetime | None = None,
) -> pd.DataFrame | None:
    """`series_id, ds, y, served, other`: what `served` forecast from `start` to `end`, and what `other` would have.

    Forecasts that were issued from `issued_from` on (`start` when None), outcomes as known at `as_of`. None where there
    are too few of them.
    """
    with database.transaction() as transaction:
        rows = transaction.frame(
            "freshest_judged_predictions",
            version_id=served.version_id,
            start=start,
            end_at=end,
            as_of=as_of,
            issued_from=issued_from or start,
        )
    if not comparable(rows, served.lineage["selection"]["granularity"]):
        return None
    model = load_model(database, resolve(store, uri_of(other.name, other.version)))
    parts = [_from(database, model, other, issue) for _, issue in rows.groupby(["issued_at", "cutoff"])]
    judged = rows.rename(columns={"y_hat": "served"}).merge(
        pd.concat(parts), on=["series_id", "ds", "cutoff"], how="inner"
    )
    return None if judged.empty else judged[["series_id", "ds", "y", "served", "other"]].dropna()


def comparable(judged: pd.DataFrame, granularity: str) -> bool:
    """Whether rows with a time `ds` are of enough days, or of longer steps, for two models to be compared on them."""
    return bool(judged["ds"].dt.normalize().nunique() >= GRANULARITIES[granularity].compared_least)


def terms_of(policy: Policy, champion: VersionOfSeries) -> BenefitTerms:
    """What a benefit is measured in."""
    selection = champion.lineage["selection"]
    return {
        "unit": policy.costs.unit(selection["metric_type"]),
        "currency": policy.costs.currency,
        "granularity": selection["granularity"],
        "confidence": policy.recommend.confidence,
    }


def _from(database: Database, model: Any, version: VersionOfSeries, issue: pd.DataFrame) -> pd.DataFrame:
    """`series_id, ds, cutoff, other` of one issue: the history as it was known when that was issued."""
    issued, cutoff = issue["issued_at"].iloc[0], issue["cutoff"].iloc[0]
    lineage, as_of = version.lineage, issued.to_pydatetime().replace(tzinfo=UTC)
    observed = selection_history(database, Selection(**lineage["selection"]), as_of, series=lineage["series"])
    granularity = lineage["selection"]["granularity"]
    need = GRANULARITIES[granularity].least
    frame, _ = usable(observed[observed["ds"] <= cutoff], granularity, end=cutoff, need=need)
    frame = with_sources(database, frame, sets_of(lineage["recipe"]["params"]), as_of)
    forecasts: pd.DataFrame = model.predict(frame, params={"horizon": int(issue["horizon"].max())})
    return forecasts[["series_id", "ds", "cutoff", "y_hat"]].rename(columns={"y_hat": "other"})
