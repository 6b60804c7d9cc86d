"""The monitoring job: for each champion, one week's findings, their Evidently snapshot, and a recommendation.

A proof costs a fit, so it is only made when findings ask for it. It needs forecasting, and no training: what it fits is
thrown away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.findings import Findings, Recommendation
from mlops.domain.forecasts import coverage, wape
from mlops.errors import HistoryTooShort
from mlops.features.build import history, values
from mlops.monitoring import evidently
from mlops.monitoring.challenge import challenge
from mlops.monitoring.onset import onset
from mlops.monitoring.policy import Policy
from mlops.monitoring.recommend import asks_for_proof, recommend
from mlops.monitoring.record import Check, record
from mlops.monitoring.shadow import predecessor
from mlops.monitoring.weekly import weekly
from mlops.tracking.runs import read_table
from mlops.tracking.store import Store

__all__ = ["Checked", "drill_down", "run"]

WEEK = timedelta(days=7)
LOOK_BACK = timedelta(weeks=12)  # of the backtest that the loss since is held against
SEASONAL: dict[str, dict[str, Any]] = {
    "hourly": {"step": "1 hour", "cycle": 24},
    "daily": {"step": "1 day", "cycle": 7},
    "weekly": {"step": "7 days", "cycle": 4},
    "monthly": {"step": "1 month", "cycle": 12},
}
"""What the seasonal naive repeats, by granularity."""


@dataclass(frozen=True)
class Checked:
    """What one week's check of one champion found and recommends."""

    name: str
    version: int
    as_of: datetime
    findings: Findings
    recommendation: Recommendation
    recommendation_id: int
    values: dict[str, float]


def run(database: Database, store: Store, policy: Policy, as_of: datetime) -> list[Checked]:
    """Check every champion on what was known at `as_of`; a champion without a week of outcomes is left out.

    Repeating it for the same time changes nothing that was written, unless data came or the policy changed.
    """
    with database.transaction() as transaction:
        transaction.run("close_of_replaced")
        champions = transaction.rows("champions")
    found = [_check(database, store, policy, champion, as_of) for champion in champions]
    return [checked for checked in found if checked is not None]


def drill_down(database: Database, checked: Checked, folder: Path) -> Path:
    """Write the Evidently page of one check: every statistic with its test."""
    with database.transaction() as transaction:
        snapshot = transaction.value("snapshot_of", recommendation_id=checked.recommendation_id)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"drift-{checked.name}-{checked.as_of:%Y-%m-%d}.html"
    evidently.save_html(snapshot, page)
    return page


def _check(
    database: Database, store: Store, policy: Policy, champion: dict[str, Any], as_of: datetime
) -> Checked | None:
    with database.transaction() as transaction:
        season = SEASONAL[champion["lineage"]["selection"]["granularity"]]
        live = transaction.frame("live_predictions", version_id=champion["version_id"], as_of=as_of, **season)
    if live["y"].notna().sum() == 0:
        return None
    baseline = _newest(read_table(store, champion["run_id"], "backtest"))
    baseline, live = _with_features(database, policy, champion, as_of, baseline, live)
    try:
        weeks, unjudged = list(weekly(baseline, live, policy, as_of)), ""
    except HistoryTooShort as error:  # one model that can't be judged stops no other
        weeks, unjudged = [(Findings(), live[live["ds"] >= live["ds"].max() - WEEK])], _too_short(error)
    recommendation = _recommended(database, store, policy, champion, as_of, [found for found, _ in weeks])
    if unjudged and recommendation.action != "rollback":
        recommendation = Recommendation("watch", (unjudged,))
    recommendation = replace(recommendation, onset=_onset(recommendation, baseline, live))
    findings, window = weeks[-1]
    measured = {
        "wape": wape(window["outcome"], window["y_hat"]),
        "coverage_80": coverage(window["outcome"], window["lo_80"], window["hi_80"]),
    }
    number, standing = record(database, policy, Check(champion, as_of, findings, recommendation, measured))
    return Checked(champion["name"], champion["version"], as_of, findings, standing, number, measured)


def _recommended(
    database: Database,
    store: Store,
    policy: Policy,
    champion: dict[str, Any],
    as_of: datetime,
    weeks: Sequence[Findings],
) -> Recommendation:
    """Ask for the proofs that may matter, in the order of the rules, and recommend."""
    if weeks[-1].data_faults:
        return recommend(weeks, policy.terms)
    shadow = predecessor(database, store, policy, champion, as_of)
    if shadow is not None and shadow.benefit.clear:
        return recommend(weeks, policy.terms, shadow=shadow)
    old = as_of - champion["trained_to"] > timedelta(days=policy.max_age_days)
    if not old and not asks_for_proof(weeks, policy.terms):
        return recommend(weeks, policy.terms, shadow=shadow)
    proofs, unproven = challenge(database, store, policy, champion, as_of)
    return recommend(weeks, policy.terms, shadow=shadow, proofs=proofs, unproven=unproven)


def _onset(found: Recommendation, baseline: pd.DataFrame, live: pd.DataFrame) -> datetime | None:
    """When the daily loss began to be larger, where something about the model drifted: of LOOK_BACK and since."""
    if not any(cause.startswith(("concept", "performance")) for cause in found.evidence):
        return None
    before = baseline[baseline["ds"].between(live["ds"].min() - LOOK_BACK, live["ds"].min(), inclusive="left")]
    rows = pd.concat([before, live]).dropna(subset=["target"])
    daily = (rows["target"] - rows["prediction"]).abs().groupby(rows["ds"].dt.normalize()).mean()
    place = onset(daily.to_numpy(float))
    return None if place is None else daily.index[place].to_pydatetime().replace(tzinfo=UTC)


def _too_short(error: HistoryTooShort) -> str:
    return (
        f"drift can't be judged: the backtest covers {error.got} days, {error.need} are needed;"
        " train with more weeks in [backtest]"
    )


def _newest(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The freshest forecast of every series and day."""
    return forecasts.sort_values("cutoff").drop_duplicates(["series_id", "ds"], keep="last")


def _with_features(
    database: Database,
    policy: Policy,
    champion: dict[str, Any],
    as_of: datetime,
    baseline: pd.DataFrame,
    live: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both frames with the watched features; targets and forecasts over each series' usual size, so that all count."""
    lineage = champion["lineage"]
    observed = history(database, Selection(**lineage["selection"]), as_of, series=lineage["series"])
    country = champion["params"].get("country")
    size = baseline.groupby("series_id")["y"].mean().abs().clip(lower=1e-9)
    both = []
    for frame in (baseline, live):
        scale = frame["series_id"].map(size).fillna(1.0)
        scaled = frame.assign(outcome=frame["y"], target=frame["y"] / scale, prediction=frame["y_hat"] / scale)
        both.append(
            values(observed, scaled.reset_index(drop=True), policy.features, None if country == "None" else country)
        )
    return both[0], both[1]
