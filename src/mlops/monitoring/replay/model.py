"""A registered model's history to be replayed: honest forecasts of its past, on what was recorded by a time."""

import math
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from mlops.db import Database
from mlops.domain.features import FeatureSet, Selection
from mlops.domain.findings import FEWEST_DAYS, Findings
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.domain.lineage import LineageDocument, trained_here, why_not_here
from mlops.errors import NothingToDo, Refused
from mlops.evaluation.backtest import Candidate, Newest, fit_and_forecast, origins, with_outcomes
from mlops.feature_store.build import selection_history, values
from mlops.feature_store.sources import sets_of, with_sources
from mlops.feature_store.store import watched_of
from mlops.features.definitions import sources_of
from mlops.monitoring.decide.challenge import recipe_arguments
from mlops.monitoring.detect.monitor import MonitorSpec
from mlops.monitoring.detect.slices import Slice, choose_slices
from mlops.monitoring.replay.replay import Case, Progress, refuse_short, split
from mlops.monitoring.weekly.history import usual_size
from mlops.monitoring.weekly.monitor import WeeklyMonitor, ended_steps, first_week
from mlops.panels.from_frame import Panels
from mlops.policy import Policy
from mlops.series.quality import usable
from mlops.times import aware_utc, naive_utc
from mlops.tracking.bridge.mirror import live_version
from mlops.tracking.registry import ModelVersion, resolve
from mlops.tracking.runs import read_run_table
from mlops.tracking.store import Store

__all__ = ["ChampionWatch", "Reach", "of_model"]


@dataclass(frozen=True, slots=True)
class Reach:
    """How many weeks are replayed, how many before them are fitted on, and after how many the model is fitted anew."""

    weeks: int
    fitted: int
    refit: int


class ChampionWatch:
    """What `mlops monitor run` keeps of a served version, and what it finds from week to week."""

    def __init__(self, monitor: WeeklyMonitor, begin: pd.Timestamp, *, begins_anew: bool = True) -> None:
        self._monitor, self._begin, self.begins_anew = monitor, begin, begins_anew

    def __copy__(self) -> "ChampionWatch":
        return ChampionWatch(deepcopy(self._monitor), self._begin, begins_anew=self.begins_anew)

    def steady(self) -> "ChampionWatch":
        """A watch that goes on from the first week, where the job begins anew every quarter."""
        return ChampionWatch(deepcopy(self._monitor), self._begin, begins_anew=False)

    def check(self, seen: pd.DataFrame, window: pd.DataFrame, end: pd.Timestamp) -> Findings:  # noqa: ARG002
        """What the weekly check at `end` finds in its newest week."""
        as_of = aware_utc(end)
        start = first_week(self._begin, as_of) if self.begins_anew else self._begin
        return self._monitor.until(seen[seen["ds"] >= start], start, as_of)[-1].findings


@dataclass(frozen=True)
class _Fit:
    """How a served version is watched at a budget of alarms a year."""

    policy: Policy
    slices: tuple[Slice, ...]

    def __call__(self, case: Case, alarms_per_year: float) -> ChampionWatch:
        return ChampionWatch(
            WeeklyMonitor(case.history, self.policy.with_budget(alarms_per_year), self.slices), case.start
        )


def of_model(
    database: Database,
    store: Store,
    policy: Policy,
    uri: str,
    reach: Reach,
    as_of: datetime,
    progress: Progress = lambda *_: None,
) -> tuple[Case, Selection]:
    """The case of a version, and what its series are: of its own backtest if that is long enough, else computed anew.

    `progress` hears how many of how many fits are done. Raises Refused without a recipe, and for too short a past.
    """
    version = resolve(store, uri)
    lineage = _lineage(database, version)
    selection, country = Selection(**lineage["selection"]), lineage["recipe"]["country"]
    observed = selection_history(database, selection, as_of, series=lineage["series"])
    own = _own(store, version, lineage, reach, as_of)
    forecasts = _anew(database, observed, lineage, reach, as_of, progress) if own is None else own
    source = _words(own is None, forecasts, reach)
    rows = _with_naive(forecasts, observed, GRANULARITIES[selection.granularity])
    baseline, _, start = split(rows, "ds", reach.weeks)
    watched = FeatureSet("watched", selection, watched_of(database, lineage, policy.drift.features))
    policy = replace(policy, drift=replace(policy.drift, features=watched.names))
    observed = with_sources(database, observed, [watched], as_of)
    rows = values(observed, _sized(rows, baseline), watched.features, country, selection)
    rows = ended_steps(rows, GRANULARITIES[selection.granularity])
    spec = MonitorSpec("ds", "series_id", policy.drift.features, (), "target", "prediction", "holiday")
    before, live, start = split(rows, "ds", reach.weeks)
    title = f"{version.name} version {version.version}"
    fit = _Fit(policy, _slices(database, policy, before))
    return Case(
        title, source, spec, before, live, start, reach.weeks, fit, size="size", looks_back=reach.weeks
    ), selection


def _slices(database: Database, policy: Policy, baseline: pd.DataFrame) -> tuple[Slice, ...]:
    """The parts of the series that a check judges, too."""
    series = [int(series_id) for series_id in baseline["series_id"].unique()]
    with database.transaction() as transaction:
        places = transaction.frame("series_slices", series_ids=series, by=list(policy.slices.by))
    return choose_slices(places, baseline, policy.slices)


def _lineage(database: Database, version: ModelVersion) -> LineageDocument:
    """The lineage as it was anchored, whatever the model says now."""
    row = live_version(database, version)
    if row is None:
        raise NothingToDo(f"{version.uri} is not in the mirror; run `mlops registry sync`")
    if not trained_here(row.lineage):
        why = row.lineage_problem or why_not_here(row.lineage)
        raise Refused(
            f"the recipe of {version.uri} is not known: {why}; put its forecasts and outcomes in a file and use --file"
        )
    return row.lineage


def _own(
    store: Store, version: ModelVersion, lineage: LineageDocument, reach: Reach, as_of: datetime
) -> pd.DataFrame | None:
    """The freshest forecasts of the version's backtest, if they are long enough and no younger than `as_of`."""
    if datetime.fromisoformat(lineage["as_of"]) > as_of:
        return None
    try:
        table = read_run_table(store, version.run_id, "backtest", lineage=lineage)
    except NothingToDo:
        return None
    days = (table["ds"].max() - table["ds"].min()).days + 1
    return _freshest(table) if days >= reach.weeks * 7 + max(FEWEST_DAYS, reach.fitted * 7) else None


def _anew(
    database: Database,
    observed: pd.DataFrame,
    lineage: LineageDocument,
    reach: Reach,
    as_of: datetime,
    progress: Progress,
) -> pd.DataFrame:
    """Forecasts of the recipe from past cutoffs, as far back as the history lets them go."""
    recipe, granularity = lineage["recipe"], GRANULARITIES[lineage["selection"]["granularity"]]
    frame, _ = usable(observed, granularity.name, end=naive_utc(as_of))
    if frame.empty:
        raise NothingToDo("no series of the model has enough usable history to forecast its past")
    sets = sets_of(recipe["params"])
    frame = with_sources(database, frame.drop(columns="quality_score"), sets, as_of)
    steps = min(granularity.issue, recipe["horizon"])
    issue_days = steps * granularity.days
    count = math.ceil((reach.weeks + reach.fitted) * 7 / issue_days)
    cutoffs = origins(Panels.of(frame, granularity.name), count, every=steps, horizon=steps)
    refuse_short(len(cutoffs) * issue_days, reach.weeks)
    refit = max(1, round(reach.refit * 7 / issue_days))
    asked = Candidate("model", recipe["kind"], recipe_arguments(recipe))
    done, fits = [], math.ceil(len(cutoffs) / refit)
    columns = sorted({column for feature_set in sets for column in sources_of(feature_set)})
    panels = Panels.of(frame, granularity.name, sources=columns)
    for issue in fit_and_forecast([asked], Newest(panels), cutoffs, steps, refit_every=refit):
        done.append(issue.forecasts)
        progress(len(done), fits)
    return _freshest(with_outcomes(pd.concat(done, ignore_index=True), frame))


def _freshest(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The freshest forecast of every series and time."""
    return (
        forecasts.sort_values("cutoff", kind="stable")
        .drop_duplicates(["series_id", "ds"], keep="last")
        .reset_index(drop=True)
    )


def _with_naive(forecasts: pd.DataFrame, observed: pd.DataFrame, granularity: Granularity) -> pd.DataFrame:
    """Forecasts beside the seasonal naive from the same cutoff: the newest value of the cycle that was known there."""
    forecasts = forecasts.sort_values("step", kind="stable", ignore_index=True)
    back = -(-forecasts["step"].to_numpy() // granularity.block) * granularity.block
    at = granularity.moved(forecasts["ds"].to_numpy(), -back).astype("datetime64[ns]")
    known = observed[["series_id", "ds", "y"]].rename(columns={"ds": "known", "y": "naive"})
    return forecasts.assign(known=at).merge(known, on=["series_id", "known"], how="left").drop(columns="known")


def _sized(rows: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Rows with target and prediction over each series' usual size, so that all count, as a check scales them."""
    size = rows["series_id"].map(usual_size(baseline)).fillna(1.0)
    rows = rows.rename(columns={"step": "horizon"})
    return rows.assign(size=size, outcome=rows["y"], target=rows["y"] / size, prediction=rows["y_hat"] / size)


def _words(anew: bool, forecasts: pd.DataFrame, reach: Reach) -> str:
    days = forecasts["cutoff"].nunique()
    if anew:
        return f"forecasts of its recipe from {days} past days, fitted anew every {reach.refit} weeks"
    return f"its own backtest, from {days} past days"
