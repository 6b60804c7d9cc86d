"""What a check reads of one served version: its backtest once, and what it has forecast since by each time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.db import Database
from mlops.domain.features import FeatureSet, Selection
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import NothingToDo
from mlops.evaluation.backtest import freshest
from mlops.feature_store.build import on_holiday, selection_history, values
from mlops.feature_store.sources import with_sources
from mlops.feature_store.store import watched_of
from mlops.monitoring.decide.shadow import VersionOfSeries
from mlops.monitoring.detect.slices import Slice, choose_slices
from mlops.monitoring.weekly.monitor import JudgedWeek, WeeklyMonitor, ended_steps, first_week
from mlops.panels.calendar import Calendar
from mlops.policy import Policy
from mlops.series.filters import selected_series
from mlops.times import aware_utc, local_times, naive_utc
from mlops.tracking.runs import read_run_table
from mlops.tracking.store import Store

__all__ = ["ForecastSpan", "KnownForecasts", "ServedVersion", "VersionHistory", "usual_size"]

KEYS = ["series_id", "ds", "cutoff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion(VersionOfSeries):
    """A version that an alias points at, by its most important one: champion, challenger, others.

    Its lineage is empty where none was read. It was trained on what was known at `as_of`; `unit` is that of its series,
    `champion_id` the version that is champion of its model.
    """

    run_id: str
    as_of: datetime | None
    trained_to: datetime | None
    alias: str
    alias_since: datetime
    champion_id: int | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class ForecastSpan:
    """The first and the last target of a version's forecasts, and when the newest was issued; None without any."""

    forecast_from: datetime | None
    forecast_until: datetime | None
    issued_at: datetime | None


@dataclass(frozen=True)
class KnownForecasts:
    """What was known at one time: the forecasts whose day has come, and the span of all that were issued."""

    as_of: datetime
    live: pd.DataFrame
    span: ForecastSpan


class VersionHistory:
    """One version of the mirror, read once however many weeks are checked."""

    def __init__(self, database: Database, store: Store, policy: Policy, version: ServedVersion) -> None:
        self.version = version
        self.store = store
        self._database, self.watched = database, watched_of(database, version.lineage, policy.drift.features)
        watched = tuple(feature.name for feature in self.watched)
        self._policy = replace(policy, drift=replace(policy.drift, features=watched))
        self._featured: pd.DataFrame | None = None

    def known(self, as_of: datetime) -> KnownForecasts:
        """The freshest forecast of every series and past day, with the outcomes that were known at `as_of`."""
        key = {"version_id": self.version.version_id, "as_of": as_of}
        with self._database.transaction() as transaction:
            span = transaction.one("forecast_span", of=ForecastSpan, **key)
            assert span is not None  # an aggregate always has a row
            begin = span.forecast_from or as_of
            start = first_week(naive_utc(min(begin, as_of)), as_of)
            naive = {"cycle": self.granularity.block_interval, "steps": self.granularity.block}
            earlier = self.granularity.longest_step if self.granularity.counted else timedelta(0)  # and ends later
            live = transaction.frame("freshest_predictions", **key, **naive, start=aware_utc(start) - earlier)
        return KnownForecasts(as_of, live, span)

    def weeks(self, known: KnownForecasts) -> Sequence[JudgedWeek]:
        """The weeks up to a time, the newest last; raises HistoryTooShort where the backtest can't judge them."""
        start = first_week(naive_utc(known.span.forecast_from or known.as_of), known.as_of)
        live = ended_steps(self.featured(known), self.granularity)
        return self.monitor.until(live[live["ds"] >= start], start, known.as_of, self._policy.terms.of)

    def featured(self, known: KnownForecasts) -> pd.DataFrame:
        """What is live with the watched features, and over the usual size of each series."""
        before, rows = self._featured, self._scaled(known.live)
        fresh = rows
        if before is not None:
            seen = pd.MultiIndex.from_frame(rows[KEYS]).isin(pd.MultiIndex.from_frame(before[KEYS]))
            fresh = rows[~seen]
        added = self._with_features(fresh, known.as_of) if len(fresh) else None
        both = [
            frame[[*KEYS, *self._policy.drift.features, "holiday"]] for frame in (before, added) if frame is not None
        ]
        self._featured = rows.merge(pd.concat(both), on=KEYS, how="left")
        return self._featured

    @cached_property
    def baseline(self) -> pd.DataFrame:
        """The freshest forecast of every series and day of the backtest, with features."""
        return self._with_features(freshest(self.backtest).sort_values(KEYS), self.version.as_of or datetime.now(UTC))

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """Every forecast of the backtest, and the naive from the same cutoff if that was kept."""
        rows = self._scaled(self._tables)
        return rows.assign(holiday=on_holiday(self._local(rows), self.granularity, Calendar.of(self._country)))

    @cached_property
    def _tables(self) -> pd.DataFrame:
        run, lineage = self.version.run_id, self.version.lineage
        rows = read_run_table(self.store, run, "backtest", lineage=lineage).rename(columns={"step": "horizon"})
        try:
            naive = read_run_table(self.store, run, "backtest_naive", lineage=lineage)[[*KEYS, "y_hat"]]
        except NothingToDo:
            return rows
        return rows.merge(naive.rename(columns={"y_hat": "naive"}), on=KEYS, how="left")

    @cached_property
    def _size(self) -> "pd.Series[float]":
        return usual_size(self._tables)

    @cached_property
    def monitor(self) -> WeeklyMonitor:
        """The version's monitors."""
        baseline, backtest = (ended_steps(rows, self.granularity) for rows in (self.baseline, self.backtest))
        return WeeklyMonitor(baseline, self._policy, self.slices, backtest)

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """The parts of the version's series that are worth judging."""
        series = list(self.version.lineage["series"])
        with self._database.transaction() as transaction:
            places = transaction.frame("series_slices", series_ids=series, by=list(self._policy.slices.by))
        return choose_slices(places, self.baseline, self._policy.slices)

    def _scaled(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Targets and forecasts over each series' usual size, so that all count."""
        scale = rows["series_id"].map(self._size).fillna(1.0)
        return rows.assign(outcome=rows["y"], target=rows["y"] / scale, prediction=rows["y_hat"] / scale)

    def _with_features(self, rows: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
        selection, series = Selection(**self.version.lineage["selection"]), self.version.lineage["series"]
        observed = selection_history(self._database, selection, as_of, series=series)
        observed = with_sources(self._database, observed, [FeatureSet("watched", selection, self.watched)], as_of)
        return values(observed, rows.reset_index(drop=True), self.watched, self._country, selection)

    def _local(self, rows: pd.DataFrame) -> npt.NDArray[np.datetime64]:
        """What the clock of each row's series shows when its step begins."""
        local = rows["ds"].to_numpy("datetime64[ns]").copy()
        if self.granularity.dated:
            return local
        with self._database.transaction() as transaction:
            chosen = selected_series(transaction, series_ids=self.version.lineage["series"])
        zones = rows["series_id"].map({series.series_id: series.time_zone for series in chosen}).fillna("UTC")
        for zone in zones.unique():
            alike = (zones == zone).to_numpy()
            local[alike] = local_times(local[alike], zone)
        return local

    @property
    def granularity(self) -> Granularity:
        """That of the version's series."""
        return GRANULARITIES[self.version.lineage["selection"]["granularity"]]

    @property
    def _country(self) -> str | None:
        recipe = self.version.lineage.get("recipe")
        return None if recipe is None else recipe["country"]


def usual_size(baseline: pd.DataFrame) -> "pd.Series[float]":
    """The mean absolute outcome of each series, by which what is judged is divided; 1 for a series of zeros."""
    size = baseline["y"].abs().groupby(baseline["series_id"]).mean()
    return size.where(size > 0, 1.0)
