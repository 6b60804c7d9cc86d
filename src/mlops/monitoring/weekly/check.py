"""One week's check of one served version: what was found, what was measured, and what to do. It writes nothing.

A champion gets a recommendation; a version behind another alias is compared with the champion on the same days, and
asks for nothing. A proof costs a fit, so it is only made when findings ask for it, and for a champion that is merely
old at most once in the time of a holdout. It needs forecasting, and no training: what it fits is thrown away.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from mlops.db import Database
from mlops.domain.findings import Benefit, Finding, FindingKind, Findings, Recommendation
from mlops.domain.forecasts import coverage, wape
from mlops.domain.granularity import Granularity
from mlops.domain.lineage import trained_from_file, trained_here, why_not_here
from mlops.errors import HistoryTooShort
from mlops.monitoring.decide.challenge import challenge
from mlops.monitoring.decide.costs import benefit
from mlops.monitoring.decide.recommend import advise, recommend
from mlops.monitoring.decide.shadow import comparable, naive, predecessor, recent, terms_of
from mlops.monitoring.detect.intervals import interval_inflation
from mlops.monitoring.detect.performance_drift import against_backtest
from mlops.monitoring.weekly.change import changepoint, in_units
from mlops.monitoring.weekly.history import KnownForecasts, ServedVersion, VersionHistory
from mlops.monitoring.weekly.monitor import JudgedWeek
from mlops.monitoring.weekly.record import WeeklyCheck
from mlops.monitoring.weekly.staleness import staleness
from mlops.policy import Policy
from mlops.tracking.store import Store

__all__ = ["check_version"]

LOOK_BACK = timedelta(weeks=12)  # of the backtest that the loss since is held against
NEWEST = 4  # weeks whose outcomes say how wide intervals should be


@dataclass(frozen=True, slots=True)
class _SeriesName:
    series_id: int
    name: str


def check_version(
    database: Database, store: Store, policy: Policy, history: VersionHistory, as_of: datetime
) -> WeeklyCheck:
    """What was known of the version at `as_of` (aware), judged; what can't be judged says why."""
    version = history.version
    if not trained_here(version.lineage):
        why = "its lineage names no recipe and no series; register models with `mlops train`"
        if trained_from_file(version.lineage):
            ingest = "bring them in with `mlops series ingest` and train on those"
            why = f"{why_not_here(version.lineage)}; {ingest}"
        return WeeklyCheck(
            version, as_of, Findings(), _of_champion(version, Recommendation("watch", (why,))), {}, "unjudged", why
        )
    known = history.known(as_of)
    faults = staleness(database, version, known.span, as_of)
    if known.live.empty:
        return _nothing_past(version, as_of, faults, policy)
    try:
        weeks = list(history.weeks(known))
    except HistoryTooShort as error:
        return _too_short(database, store, policy, history, known, faults, error)
    findings = _in_words(database, history, known, (*weeks[-1].findings.details, *faults))
    weeks[-1] = replace(weeks[-1], findings=Findings.of(findings))
    state, problem = _state(weeks[-1], history.granularity)
    advice: Recommendation | None = None
    if version.alias == "champion":
        advice = _advised(database, store, policy, history, known, weeks, labels_missing=state == "unlabelled")
    measured = _measured(policy, history, known, weeks[-1])
    compared = _compared(database, policy, history, known)
    return WeeklyCheck(version, as_of, weeks[-1].findings, advice, measured, state, problem, *compared)


def _state(newest: JudgedWeek, granularity: Granularity) -> tuple[str, str]:
    """Whether a week was judged, and why not."""
    if newest.rows.empty:
        of = f"of a {granularity.words[0]} that ended in the week" if granularity.counted else "of a day of the week"
        return "unjudged", f"none of its forecasts is {of}"
    if newest.rows["outcome"].isna().all():
        return "unlabelled", "no outcome of the week is known"
    return "judged", ""


def _nothing_past(version: ServedVersion, as_of: datetime, faults: Sequence[Finding], policy: Policy) -> WeeklyCheck:
    """The check of a version that has forecast nothing yet, or nothing for the weeks that are looked at."""
    why, findings = "none of its forecasts is of a day that is past", Findings(tuple(faults))
    advice = recommend([findings], policy.terms) if findings.calls else Recommendation("none", (why,))
    return WeeklyCheck(version, as_of, findings, _of_champion(version, advice), {}, "unjudged", why)


def _in_words(
    database: Database, history: VersionHistory, known: KnownForecasts, found: Sequence[Finding]
) -> tuple[Finding, ...]:
    """The findings of a week with names of series, changes in units, and missing forecasts kept apart from broken data.

    What the monitors look at are forecasts, so rows that did not come were not forecast; of a series that has sent
    nothing the fault is the data's.
    """
    version, series = history.version, list(history.version.lineage["series"])
    with database.transaction() as transaction:
        series_names = transaction.rows("names_of_series", of=_SeriesName, series_ids=series)
    names = {str(row.series_id): row.name for row in series_names}
    silent = {finding.subject for finding in found if finding.kind == "data" and finding.place}
    named = [_of_service(finding, names, silent) for finding in found]
    rows, unit = history.featured(known), version.unit or ""
    words = {feature.name: feature.description for feature in history.watched}
    return in_units(named, history.baseline, rows, unit, history.slices, words)


def _of_service(finding: Finding, names: Mapping[str, str], silent: Collection[str]) -> Finding:
    if finding.kind != "data" or finding.place:
        return finding
    if finding.subject == "rows":
        detail = finding.detail.replace("rows of a series_id and day did not come", "forecasts were not made")
        return replace(finding, kind="serving", detail=detail)
    name = names.get(finding.subject)
    if name is None:
        return finding
    detail = finding.detail.replace(f"series_id {finding.subject} has no rows", f"{name} has no forecasts")
    kind: FindingKind = "data" if finding.subject in silent else "serving"
    return replace(finding, kind=kind, detail=detail, place=name)


def _too_short(
    database: Database,
    store: Store,
    policy: Policy,
    history: VersionHistory,
    known: KnownForecasts,
    faults: Sequence[Finding],
    error: HistoryTooShort,
) -> WeeklyCheck:
    """The check of a version whose backtest can't say what is normal."""
    version, as_of = history.version, known.as_of
    why = (
        f"drift can't be judged: the backtest covers {error.got} days, {error.need} are needed;"
        " train with more weeks in [backtest]"
    )
    findings = Findings(tuple(faults))
    advice: Recommendation | None = None
    if version.alias == "champion":
        advice = _recommended(database, store, policy, history, known, [findings])
        if advice.action not in ("rollback", "investigate_data"):
            advice = Recommendation("watch", (why,))
    rows = known.live[known.live["ds"] >= known.live["ds"].max() - timedelta(days=7)]
    return WeeklyCheck(version, as_of, findings, advice, _week(rows.assign(outcome=rows["y"])), "unjudged", why)


def _advised(
    database: Database,
    store: Store,
    policy: Policy,
    history: VersionHistory,
    known: KnownForecasts,
    weeks: Sequence[JudgedWeek],
    *,
    labels_missing: bool,
) -> Recommendation:
    """What the champion's weeks call for, and since when its errors are larger."""
    findings, rows = [week.findings for week in weeks], pd.concat([week.rows for week in weeks[-NEWEST:]])
    advice = _recommended(database, store, policy, history, known, findings, newest=rows, labels_missing=labels_missing)
    return replace(advice, onset=_onset(advice, history.baseline, history.featured(known)))


def _recommended(
    database: Database,
    store: Store,
    policy: Policy,
    history: VersionHistory,
    known: KnownForecasts,
    weeks: Sequence[Findings],
    *,
    newest: pd.DataFrame | None = None,
    labels_missing: bool = False,
) -> Recommendation:
    """Ask for the proofs that may matter, in the order of the rules, and recommend."""
    champion, as_of = history.version, known.as_of
    before = recent(database, policy, champion, as_of)
    stood_in_for = before if before is not None and before.stands_in else None
    return advise(
        weeks,
        policy.terms,
        shadow=lambda: predecessor(database, store, policy, champion, before, as_of),
        challenge=lambda: challenge(database, store, policy, champion, as_of, stood_in_for),
        old=lambda: _is_due(database, policy, champion, as_of),
        naive=lambda: naive(policy, champion, known.live, as_of),
        stands_in_for=None if stood_in_for is None else stood_in_for.version,
        widening=None if newest is None else interval_inflation(newest),
        labels_missing=labels_missing,
    )


def _is_due(database: Database, policy: Policy, champion: ServedVersion, as_of: datetime) -> bool:
    """Whether a champion is so old that it is challenged without drift, and was not within a holdout's time."""
    trained_to = champion.trained_to
    if trained_to is None or as_of - trained_to <= timedelta(days=policy.recommend.max_age_days):
        return False
    key = {"version_id": champion.version_id, "as_of": as_of}
    with database.transaction() as transaction:
        return not transaction.value("proof_made_within", **key, days=policy.retrain.holdout_days)


def _compared(
    database: Database, policy: Policy, history: VersionHistory, known: KnownForecasts
) -> tuple[Benefit | None, int | None]:
    """What a version that is no champion would have saved on the days that both forecast, and the champion's id."""
    version, champion = history.version, history.version.champion_id
    if version.alias == "champion" or champion is None:
        return None, None
    in_its_place = VersionHistory(database, history.store, policy, replace(version, version_id=champion))
    theirs = in_its_place.known(known.as_of).live
    judged = known.live[["series_id", "ds", "y", "y_hat"]].merge(
        theirs[["series_id", "ds", "y_hat"]].rename(columns={"y_hat": "champion"}), on=["series_id", "ds"]
    )
    judged = judged.dropna()
    if not comparable(judged, version.lineage["selection"]["granularity"]):
        return None, None
    return benefit(judged, "y_hat", "champion", **terms_of(policy, version)), champion


def _measured(policy: Policy, history: VersionHistory, known: KnownForecasts, newest: JudgedWeek) -> dict[str, float]:
    """The week's values by name, as docs/how-to/monitor.md tells them."""
    baseline, live = history.baseline, history.featured(known)
    measured = _week(newest.rows) | {"promised_wape": wape(baseline["y"], baseline["y_hat"])}
    if history.monitor.estimate is not None and len(newest.rows):
        expected = history.monitor.estimate.wape(newest.rows, policy.recommend.confidence)
        measured |= {
            "expected_wape": expected.value,
            "expected_wape_low": expected.low,
            "expected_wape_high": expected.high,
        }
    ratio = against_backtest(baseline, live, policy.recommend.confidence)
    if ratio is not None:
        measured |= {"loss_ratio": ratio.value, "loss_ratio_low": ratio.low, "loss_ratio_high": ratio.high}
    return measured


def _week(rows: pd.DataFrame) -> dict[str, float]:
    return {
        "wape": wape(rows["outcome"], rows["y_hat"]),
        "coverage_80": coverage(rows["outcome"], rows["lo_80"], rows["hi_80"]),
    }


def _onset(found: Recommendation, baseline: pd.DataFrame, live: pd.DataFrame) -> datetime | None:
    """When the daily loss began to be larger, where something about the model drifted: of LOOK_BACK and since."""
    if not any(cause.startswith(("concept", "performance")) for cause in found.evidence):
        return None
    before = baseline[baseline["ds"].between(live["ds"].min() - LOOK_BACK, live["ds"].min(), inclusive="left")]
    rows = pd.concat([before, live]).dropna(subset=["target"])
    daily = (rows["target"] - rows["prediction"]).abs().groupby(rows["ds"].dt.normalize()).mean()
    place = changepoint(daily.to_numpy(float))
    return None if place is None else daily.index[place].to_pydatetime().replace(tzinfo=UTC)


def _of_champion(version: ServedVersion, advice: Recommendation) -> Recommendation | None:
    return advice if version.alias == "champion" else None
