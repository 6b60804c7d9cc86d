"""The life of a champion on a real feed, week by week, by the product's own parts and without a database.

Every Monday: what came true is matched, the champion is checked, a policy decides, and the champion of now forecasts.
Fits and forecasts depend only on their Monday, so all policies share them; they are kept in the folder of a `Shelf`.
Delete that folder after changing forecasting code.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from benchmarks.monitoring.feeds import Feed
from joblib import Memory

from mlops.domain.features import Selection
from mlops.domain.findings import Findings, Recommendation
from mlops.errors import MlopsError
from mlops.evaluation.backtest import backtest, origins
from mlops.evaluation.holdout import Holdout, hold_out
from mlops.feature_store.build import values
from mlops.features.standard import standard
from mlops.forecasting import forecaster
from mlops.forecasting.base import Forecaster
from mlops.monitoring.decide.challenge import prove
from mlops.monitoring.decide.proof import Proof
from mlops.monitoring.decide.recommend import advise
from mlops.monitoring.decide.shadow import comparable, overshadow
from mlops.monitoring.detect.intervals import interval_inflation
from mlops.monitoring.weekly.monitor import WeeklyMonitor, first_week
from mlops.policy import SAME, Policy

__all__ = ["Decide", "Recipe", "Shelf", "State", "Version", "Week", "live", "mondays", "play"]

DAY, WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)
HORIZON, CYCLE = 28, 7

Judged = tuple[Findings, pd.DataFrame]
"""The findings of a week, with its rows."""


class Version(NamedTuple):
    """A kind, and the day that it was trained on: all that was known when this day began."""

    kind: str
    born: pd.Timestamp


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the first champion is trained: kind, and the weekly origins of backtests with a refit every so many."""

    kind: str
    weeks: int = 52
    refit_every: int = 13


@dataclass
class Shelf:
    """Versions, forecasts and contests of one feed and recipe, each made once."""

    feed: Feed
    recipe: Recipe
    folder: Path
    _careers: "dict[Version, Career]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        memory = Memory(self.folder / self.feed.name.replace("/", " "), verbose=0)
        ignore = ["feed"]
        self._train, self._backtest = memory.cache(_train, ignore=ignore), memory.cache(_backtest, ignore=ignore)
        self._forecast = memory.cache(_forecast, ignore=["feed", "model"])
        self._held = memory.cache(_held, ignore=ignore)

    def model(self, version: Version) -> Forecaster:
        """The fitted version."""
        found: Forecaster = self._train(self.feed, version)
        return found

    def baseline(self, version: Version) -> pd.DataFrame:
        """The freshest backtest forecast of a version for every series and day, with outcome and naive."""
        known, keys = version._replace(kind="naive"), ["series_id", "ds", "cutoff"]
        found, naive = (
            self._backtest(self.feed, one, self.recipe.weeks, self.recipe.refit_every) for one in (version, known)
        )
        naive = naive[[*keys, "y_hat"]].rename(columns={"y_hat": "naive"})
        found = found.rename(columns={"step": "horizon"}).merge(naive, on=keys, how="left").sort_values("cutoff")
        return found.drop_duplicates(["series_id", "ds"], keep="last").sort_values(keys, ignore_index=True)

    def forecasts(self, version: Version, monday: pd.Timestamp) -> pd.DataFrame:
        """What a version forecast on a Monday: `series_id, ds, cutoff, y_hat, lo_80, hi_80, …, horizon`."""
        found: pd.DataFrame = self._forecast(self.feed, version, monday, self.model)
        return found

    def held(self, kind: str, monday: pd.Timestamp, days: int) -> pd.DataFrame:
        """Forecasts of the newest days by a kind that was fitted on what came before them."""
        return self._held(self.feed, kind, monday, days)

    def judged(self, version: Version, weeks: int, policy: Policy) -> list[Judged]:
        """What was found in the version's first weeks in use, as far as there are outcomes."""
        if version not in self._careers:
            self._careers[version] = Career(self, version, policy)
        return self._careers[version].until(weeks)


class Career:
    """A version in use since its birthday, judged week by week as a check on each Monday would have."""

    def __init__(self, shelf: Shelf, version: Version, policy: Policy) -> None:
        self._shelf, self._version, self._policy = shelf, version, policy
        baseline = shelf.baseline(version)
        self._size = baseline.groupby("series_id")["y"].mean().abs().clip(lower=1e-9)
        self._observed = shelf.feed.frame[shelf.feed.frame["series_id"].isin(self._size.index)]
        self._rows, self._weeks = pd.DataFrame(), list[Judged]()
        self._life = WeeklyMonitor(self._with_features(baseline), policy)

    def until(self, weeks: int) -> list[Judged]:
        """The first weeks."""
        while len(self._weeks) < weeks:
            self._weeks.append(self._next())
        return self._weeks[:weeks]

    def _next(self) -> Judged:
        """The newest week of a check at its end."""
        begin = self._version.born + len(self._weeks) * WEEK
        fresh = self._with_features(live(self._shelf, [(self._version, begin)]))
        self._rows = pd.concat([self._rows, fresh], ignore_index=True)
        as_of = (begin + WEEK).tz_localize("UTC").to_pydatetime()
        start = first_week(self._version.born, as_of)
        newest = self._life.until(self._rows[self._rows["ds"] >= start], start, as_of)[-1]
        return newest.findings, newest.rows

    def _with_features(self, frame: pd.DataFrame) -> pd.DataFrame:
        """With the watched features; targets and forecasts over each series' usual size."""
        scale = frame["series_id"].map(self._size).fillna(1.0)
        scaled = frame.assign(outcome=frame["y"], target=frame["y"] / scale, prediction=frame["y_hat"] / scale)
        feed = self._shelf.feed
        selection = Selection(feed.metric_type, feed.granularity)
        watched = standard(selection, "", self._policy.drift.features, feed.country)
        return values(self._observed, scaled.reset_index(drop=True), watched, feed.country, selection)


@dataclass(frozen=True, slots=True)
class Week:
    """One Monday: the champion until then, what the check found, and whether it was retrained."""

    monday: pd.Timestamp
    champion: Version
    findings: Findings | None
    advice: Recommendation | None
    retrained: bool


@dataclass(frozen=True)
class State:
    """What is known on a Monday: the champion, since when it is in use, and the one before."""

    shelf: Shelf
    policy: Policy
    monday: pd.Timestamp
    champion: Version
    since: pd.Timestamp
    before: Version | None = None

    @property
    def weeks(self) -> list[Findings]:
        """The findings of every week of the champion, oldest first."""
        return [found for found, _ in self._life]

    @property
    def _life(self) -> list[Judged]:
        return self.shelf.judged(self.champion, (self.monday - self.champion.born) // WEEK, self.policy)

    @property
    def terms(self) -> dict[str, Any]:
        """What a benefit is measured in."""
        feed, costs = self.shelf.feed, self.policy.costs
        return {
            "unit": costs.unit(feed.metric_type),
            "currency": costs.currency,
            "granularity": feed.granularity,
            "confidence": self.policy.recommend.confidence,
        }

    def advice(self) -> Recommendation:
        """The product's recommendation."""
        newest = pd.concat([rows for _, rows in self._life[-4:]])
        return advise(
            self.weeks,
            self.policy.terms,
            shadow=self._shadow,
            challenge=self._challenge,
            old=self._old,
            widening=interval_inflation(newest),
        )

    def _old(self) -> bool:
        """Past max_age_days, once in the time of a holdout."""
        late = (self.monday - self.champion.born) // DAY - self.policy.recommend.max_age_days
        return late > 0 and late % self.policy.retrain.holdout_days < CYCLE

    def _challenge(self) -> tuple[tuple[Proof, ...], str]:
        days, shelf = self.policy.retrain.holdout_days, self.shelf
        try:
            held = hold_out(shelf.feed.known(self.monday), shelf.feed.granularity, days, HORIZON)
            if self.champion.born > held.begins + DAY:
                return (), f"the champion was itself trained on days after {held.begins:%Y-%m-%d}"
            kinds, issues = {SAME: self.champion.kind}, range(days // 7, 0, -1)
            theirs = live(shelf, [(self.champion, self.monday - back * WEEK) for back in issues])
            names = self.policy.recommend.challengers
            ours = {name: shelf.held(kinds.get(name, name), self.monday, days) for name in names}
            naive = shelf.held("naive", self.monday, days)
        except MlopsError as error:
            return (), str(error)
        return prove(held, ours, theirs, naive, self.terms), "too few outcomes are known of the held-out days"

    def _shadow(self) -> Proof | None:
        weeks = range((self.monday - self.since) // WEEK)
        if self.before is None or len(weeks) > self.policy.recommend.rollback_weeks:
            return None
        served, other = (
            live(self.shelf, [(one, self.since + week * WEEK) for week in weeks])
            for one in (self.champion, self.before)
        )
        judged = (
            served.rename(columns={"y_hat": "served"})
            .merge(other[["series_id", "ds", "y_hat"]].rename(columns={"y_hat": "other"}), on=["series_id", "ds"])[
                ["series_id", "ds", "y", "served", "other"]
            ]
            .dropna()
        )
        if not comparable(judged, self.shelf.feed.granularity):
            return None
        return overshadow(judged, 0, self.terms)


Decide = Callable[[State], tuple[str, Recommendation | None]]
"""What is done on a Monday: "keep", "retrain" or "rollback", and the advice that it rests on."""


def play(shelf: Shelf, policy: Policy, days: pd.DatetimeIndex, decide: Decide) -> Iterator[Week]:
    """Every Monday after the first, on which the first champion is trained."""
    state = State(shelf, policy, days[0], Version(shelf.recipe.kind, days[0]), days[0])
    for monday in days[1:]:
        state = replace(state, monday=monday)
        action, advice = decide(state)
        findings = state.weeks[-1] if advice is not None else None
        other = advice.challenger if advice is not None and advice.challenger != SAME else None
        kind = other or state.champion.kind
        yield Week(monday, state.champion, findings, advice, action == "retrain")
        if action == "retrain":
            state = replace(state, champion=Version(kind, monday), since=monday, before=state.champion)
        elif action == "rollback" and state.before is not None:
            state = replace(state, champion=state.before, since=monday, before=None)


def mondays(first: str, last: str) -> pd.DatetimeIndex:
    """The Mondays from one day to another."""
    return pd.date_range(first, last, freq="W-MON")


def live(shelf: Shelf, issues: list[tuple[Version, pd.Timestamp]]) -> pd.DataFrame:
    """The freshest forecast of every series and day, of versions and Mondays, with outcome and naive."""
    found = pd.concat([shelf.forecasts(version, monday) for version, monday in issues], ignore_index=True)
    found = found.sort_values("cutoff").drop_duplicates(["series_id", "ds"], keep="last")
    found = found[found["ds"] < issues[-1][1] + WEEK]
    good = shelf.feed.frame[shelf.feed.frame["quality_score"] > 0].set_index(["series_id", "ds"])["y"]
    every = shelf.feed.frame.set_index(["series_id", "ds"])["y"]
    back = pd.to_timedelta(np.ceil(found["horizon"] / CYCLE) * CYCLE, unit="D")
    found["y"] = good.reindex(pd.MultiIndex.from_frame(found[["series_id", "ds"]])).to_numpy()
    before = pd.MultiIndex.from_arrays([found["series_id"], found["ds"] - back])
    found["naive"] = every.reindex(before).to_numpy()
    return found.sort_values(["series_id", "ds"], ignore_index=True)


def _train(feed: Feed, version: Version) -> Forecaster:
    return forecaster(version.kind)(country=feed.country, horizon=HORIZON).fit(feed.known(version.born))


def _backtest(feed: Feed, version: Version, weeks: int, refit_every: int) -> pd.DataFrame:
    known = feed.known(version.born)
    cutoffs = origins(known, weeks, every=CYCLE, horizon=HORIZON)
    params = {"country": feed.country, "horizon": HORIZON}
    return backtest(version.kind, params, known, cutoffs, HORIZON, refit_every=refit_every)


def _forecast(
    feed: Feed, version: Version, monday: pd.Timestamp, model: Callable[[Version], Forecaster]
) -> pd.DataFrame:
    fitted = model(version)
    found = fitted.predict(HORIZON, history=_known_to(fitted, feed.known(monday, need=28)))
    return found.assign(horizon=found.groupby("series_id").cumcount() + 1)


def _held(feed: Feed, kind: str, monday: pd.Timestamp, days: int) -> pd.DataFrame:
    held: Holdout = hold_out(feed.known(monday), feed.granularity, days, HORIZON)
    params: Mapping[str, Any] = {"country": feed.country, "horizon": HORIZON}
    return held.of_recipe(kind, params)


def _known_to(model: Forecaster, history: pd.DataFrame) -> pd.DataFrame:
    """The series that it was trained on."""
    return history[history["series_id"].isin(model.known)]
