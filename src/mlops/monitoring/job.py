"""The monitoring job: for each champion, one week's findings, their Evidently snapshot, and a recommendation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from mlops.monitoring.monitor import MonitorSpec, fit_monitor
from mlops.monitoring.policy import Policy
from mlops.monitoring.recommend import RULE_VERSION, recommend
from mlops.monitoring.skill import against_naive
from mlops.tracking.runs import read_table
from mlops.tracking.store import Store

__all__ = ["Checked", "drill_down", "run"]

WEEK = timedelta(days=7)
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

    Repeating it for the same time changes nothing that was written.
    """
    with database.transaction() as transaction:
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
        weeks = list(_weekly(baseline, live, policy, as_of))
    except HistoryTooShort as error:  # one model that can't be judged stops no other
        weeks = [(Findings(), live[live["ds"] >= live["ds"].max() - WEEK])]
        recommendation = Recommendation("watch", (_too_short(error),))
    else:
        recommendation = recommend([findings for findings, _ in weeks], need=policy.need, of=policy.of)
    findings, window = weeks[-1]
    measured = {
        "wape": wape(window["outcome"], window["y_hat"]),
        "coverage_80": coverage(window["outcome"], window["lo_80"], window["hi_80"]),
    }
    identity = _write(database, champion, as_of, findings, recommendation, measured)
    return Checked(champion["name"], champion["version"], as_of, findings, recommendation, identity, measured)


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


def _weekly(
    baseline: pd.DataFrame, live: pd.DataFrame, policy: Policy, as_of: datetime
) -> Iterator[tuple[Findings, pd.DataFrame]]:
    """The findings of every week since the champion began to be used, oldest first, each with its rows."""
    spec = MonitorSpec(
        time="ds",
        entity="series_id",
        numeric=policy.features,
        categorical=(),
        target="target",
        prediction="prediction",
        holiday="holiday",
        alarms_per_year=policy.alarms_per_year,
    )
    monitor = fit_monitor(baseline, spec)
    end = pd.Timestamp(as_of).tz_convert("UTC").tz_localize(None)
    count = max(1, -(-(end - live["ds"].min()) // WEEK))
    for back in range(count, 0, -1):
        window = live[(live["ds"] >= end - back * WEEK) & (live["ds"] < end - (back - 1) * WEEK)]
        found = monitor.check(window)
        compared = against_naive(live[live["ds"] < end - (back - 1) * WEEK], policy.alarms_per_year)
        yield Findings((*found.details, compared)), window


def _write(
    database: Database,
    champion: dict[str, Any],
    as_of: datetime,
    findings: Findings,
    recommendation: Recommendation,
    measured: dict[str, float],
) -> int:
    """Findings, snapshot and recommendation in one transaction; the id of the recommendation."""
    key = {"version_id": champion["version_id"], "as_of": as_of}
    snapshot = evidently.snapshot(
        findings, model=f"{champion['name']} v{champion['version']}", as_of=as_of, values=measured
    )
    with database.transaction() as transaction:
        for finding in findings.details:
            transaction.run(
                "add_finding",
                **key,
                window_start=as_of - WEEK,
                window_end=as_of,
                kind=finding.kind,
                subject=finding.subject,
                statistic=finding.statistic,
                threshold=finding.threshold,
                drifted=finding.drifted,
                detail=finding.detail,
            )
        transaction.run("add_snapshot", **key, snapshot=snapshot)
        transaction.run(
            "add_recommendation",
            **key,
            action=recommendation.action,
            reasons=list(recommendation.reasons),
            evidence=recommendation.evidence | {name: value for name, value in measured.items() if value == value},
            rule_version=RULE_VERSION,
        )
        transaction.run("link_findings", **key)
        return int(transaction.value("recommendation_of", **key))
