"""The life of a champion on a real feed, week by week, by the product's own parts and without a database.

Every Monday: what came true is matched, the champion is checked, a policy decides, and the champion of now forecasts.
Fits and forecasts depend only on their Monday, so all policies share them; they are kept in the folder of a `Shelf`.
Delete that folder after changing forecasting code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.monitoring.feeds import Feed
from joblib import Memory

from mlops.domain.findings import Findings, Recommendation
from mlops.errors import HistoryTooShort, MlopsError
from mlops.features.build import values
from mlops.forecasting import forecaster
from mlops.forecasting.backtest import backtest, origins
from mlops.forecasting.base import Forecaster
from mlops.forecasting.holdout import Holdout, hold_out
from mlops.monitoring.challenge import prove
from mlops.monitoring.policy import SAME, Policy
from mlops.monitoring.recommend import Proof, advise
from mlops.monitoring.shadow import FEWEST, overshadow
from mlops.monitoring.weekly import weekly

__all__ = ["Decide", "Recipe", "Shelf", "Week", "live", "mondays", "play"]

DAY, WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)
HORIZON, CYCLE = 28, 7


@dataclass(frozen=True, slots=True)
class Recipe:
    """How champions are trained: kind, and the weekly origins of their backtest with a refit every so many."""

    kind: str
    weeks: int = 52
    refit_every: int = 13

    def params(self, country: str | None) -> dict[str, Any]:
        """Of the kind's constructor."""
        return {"country": country, "horizon": HORIZON}


@dataclass
class Shelf:
    """Versions, forecasts and contests of one feed and recipe, each made once."""

    feed: Feed
    recipe: Recipe
    folder: Path
    _lives: dict[pd.Timestamp, list[tuple[Findings, pd.DataFrame]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        memory = Memory(self.folder / self.feed.name.replace("/", " "), verbose=0)
        ignore = ["feed"]
        self._train, self._backtest = memory.cache(_train, ignore=ignore), memory.cache(_backtest, ignore=ignore)
        self._forecast = memory.cache(_forecast, ignore=["feed", "model"])
        self._held = memory.cache(_held, ignore=ignore)

    def model(self, at: pd.Timestamp) -> Forecaster:
        """The version that was trained on what was known at `at`."""
        found: Forecaster = self._train(self.feed, self.recipe.kind, at)
        return found

    def baseline(self, at: pd.Timestamp) -> pd.DataFrame:
        """The freshest backtest forecast of that version for every series and day, with outcomes."""
        found = self._backtest(self.feed, self.recipe, at)
        return found.sort_values("cutoff").drop_duplicates(["series_id", "ds"], keep="last")

    def forecasts(self, at: pd.Timestamp, monday: pd.Timestamp) -> pd.DataFrame:
        """What that version forecast on a Monday: `series_id, ds, cutoff, y_hat, lo_80, hi_80, …, horizon`."""
        return self._forecast(self.feed, self.recipe.kind, at, monday, self.model)  # the kind is the cache's key

    def held(self, kind: str, monday: pd.Timestamp, days: int) -> pd.DataFrame:
        """Forecasts of the newest days by a kind that was fitted on what came before them."""
        return self._held(self.feed, kind, monday, days)

    def life(self, at: pd.Timestamp, weeks: int, policy: Policy) -> list[tuple[Findings, pd.DataFrame]]:
        """The findings of the version's first weeks in use, with the rows of each; judged in stretches that double."""
        known = self._lives.get(at, [])
        if len(known) < weeks:
            stretch = max(8, 2 * len(known), weeks)
            known = self._lives[at] = _judged(self, at, stretch, policy)
        return known[:weeks]


@dataclass(frozen=True, slots=True)
class Week:
    """One Monday: the champion until then (by its birthday), what the check found, and whether it was retrained."""

    monday: pd.Timestamp
    champion: pd.Timestamp
    findings: Findings | None
    advice: Recommendation | None
    retrained: bool


@dataclass(frozen=True)
class State:
    """What is known on a Monday: the champion and the one before (by birthdays), and since when it is in use."""

    shelf: Shelf
    policy: Policy
    monday: pd.Timestamp
    champion: pd.Timestamp
    before: pd.Timestamp | None = None

    @property
    def weeks(self) -> list[Findings]:
        """The findings of every week of the champion, oldest first."""
        age = (self.monday - self.champion) // WEEK
        return [found for found, _ in self.shelf.life(self.champion, age, self.policy)]

    @property
    def terms(self) -> dict[str, Any]:
        """What a benefit is measured in."""
        feed, costs = self.shelf.feed, self.policy.costs
        return {
            "unit": costs.unit(feed.metric_type),
            "currency": costs.currency,
            "granularity": feed.granularity,
            "confidence": self.policy.confidence,
        }

    def advice(self) -> Recommendation:
        """The product's recommendation."""
        old = self.monday - self.champion > pd.Timedelta(days=self.policy.max_age_days)
        return advise(self.weeks, self.policy.terms, shadow=self._shadow, challenge=self._challenge, old=old)

    def _challenge(self) -> tuple[tuple[Proof, ...], str]:
        days, shelf = self.policy.holdout_days, self.shelf
        try:
            held = hold_out(shelf.feed.known(self.monday), shelf.feed.granularity, days, HORIZON)
            if self.champion > held.begins + DAY:
                return (), f"the champion was itself trained on days after {held.begins:%Y-%m-%d}"
            model, kinds = shelf.model(self.champion), {SAME: shelf.recipe.kind}
            theirs = held.of_model(lambda past, steps: model.predict(steps, history=_known_to(model, past)))
            names = self.policy.challengers
            ours = {name: shelf.held(kinds.get(name, name), self.monday, days) for name in names}
            naive = shelf.held("naive", self.monday, days)
        except MlopsError as error:
            return (), str(error)
        return prove(held, ours, theirs, naive, self.terms), "too few outcomes are known of the held-out days"

    def _shadow(self) -> Proof | None:
        since = (self.monday - self.champion) // WEEK
        if self.before is None or since > self.policy.rollback_weeks:
            return None
        served = live(self.shelf, [(self.champion, self.champion + week * WEEK) for week in range(since)])
        other = live(self.shelf, [(self.before, self.champion + week * WEEK) for week in range(since)])
        judged = (
            served.rename(columns={"y_hat": "served"})
            .merge(other[["series_id", "ds", "y_hat"]].rename(columns={"y_hat": "other"}), on=["series_id", "ds"])[
                ["series_id", "ds", "y", "served", "other"]
            ]
            .dropna()
        )
        if judged["ds"].nunique() < FEWEST[self.shelf.feed.granularity]:
            return None
        return overshadow(judged, 0, self.terms)


Decide = Callable[[State], tuple[str, Recommendation | None]]
"""What is done on a Monday: "keep", "retrain" or "rollback", and the advice that it rests on."""


def play(shelf: Shelf, policy: Policy, days: pd.DatetimeIndex, decide: Decide) -> list[Week]:
    """Every Monday after the first, on which the first champion is trained."""
    state, weeks = State(shelf, policy, days[0], days[0]), []
    for monday in days[1:]:
        state = replace(state, monday=monday)
        action, advice = decide(state)
        findings = state.weeks[-1] if advice is not None else None
        weeks.append(Week(monday, state.champion, findings, advice, action == "retrain"))
        if action == "retrain":
            state = replace(state, champion=monday, before=state.champion)
        elif action == "rollback" and state.before is not None:
            state = replace(state, champion=state.before, before=None)
    return weeks


def mondays(first: str, last: str) -> pd.DatetimeIndex:
    """The Mondays from one day to another."""
    return pd.date_range(first, last, freq="W-MON")


def live(shelf: Shelf, issues: list[tuple[pd.Timestamp, pd.Timestamp]]) -> pd.DataFrame:
    """The freshest forecast of every series and day, of versions (by birthday) and Mondays, with outcome and naive."""
    found = pd.concat([shelf.forecasts(at, monday) for at, monday in issues], ignore_index=True)
    found = found.sort_values("cutoff").drop_duplicates(["series_id", "ds"], keep="last")
    found = found[found["ds"] < issues[-1][1] + WEEK]
    good = shelf.feed.frame[shelf.feed.frame["quality_score"] > 0].set_index(["series_id", "ds"])["y"]
    every = shelf.feed.frame.set_index(["series_id", "ds"])["y"]
    back = pd.to_timedelta(np.ceil(found["horizon"] / CYCLE) * CYCLE, unit="D")
    found["y"] = good.reindex(pd.MultiIndex.from_frame(found[["series_id", "ds"]])).to_numpy()
    before = pd.MultiIndex.from_arrays([found["series_id"], found["ds"] - back])
    found["naive"] = every.reindex(before).to_numpy()
    return found.sort_values(["series_id", "ds"], ignore_index=True)


def _judged(shelf: Shelf, at: pd.Timestamp, weeks: int, policy: Policy) -> list[tuple[Findings, pd.DataFrame]]:
    """The weeks after `at`, as far as there are outcomes."""
    last = shelf.feed.frame["ds"].max() + DAY
    weeks = max(1, min(weeks, (last - at) // WEEK))
    rows = live(shelf, [(at, at + week * WEEK) for week in range(weeks)])
    baseline = shelf.baseline(at)
    observed = shelf.feed.frame[shelf.feed.frame["series_id"].isin(baseline["series_id"])]
    size = baseline.groupby("series_id")["y"].mean().abs().clip(lower=1e-9)
    both = [_with_features(frame, observed, size, policy, shelf.feed.country) for frame in (baseline, rows)]
    end = (at + weeks * WEEK).tz_localize("UTC").to_pydatetime()
    try:
        return list(weekly(both[0], both[1], policy, end))
    except HistoryTooShort:
        return [(Findings(), rows)] * weeks


def _with_features(
    frame: pd.DataFrame, observed: pd.DataFrame, size: "pd.Series[float]", policy: Policy, country: str | None
) -> pd.DataFrame:
    """With the watched features; targets and forecasts over each series' usual size."""
    scale = frame["series_id"].map(size).fillna(1.0)
    scaled = frame.assign(outcome=frame["y"], target=frame["y"] / scale, prediction=frame["y_hat"] / scale)
    return values(observed, scaled.reset_index(drop=True), policy.features, country)


def _train(feed: Feed, kind: str, at: pd.Timestamp) -> Forecaster:
    return forecaster(kind)(country=feed.country, horizon=HORIZON).fit(feed.known(at))


def _backtest(feed: Feed, recipe: Recipe, at: pd.Timestamp) -> pd.DataFrame:
    known = feed.known(at)
    cutoffs = origins(known, recipe.weeks, every=CYCLE, horizon=HORIZON)
    params = recipe.params(feed.country)
    return backtest(recipe.kind, params, known, cutoffs, HORIZON, refit_every=recipe.refit_every)


def _forecast(
    feed: Feed, kind: str, at: pd.Timestamp, monday: pd.Timestamp, model: Callable[[pd.Timestamp], Forecaster]
) -> pd.DataFrame:
    version = model(at)
    assert version.kind == kind
    found = version.predict(HORIZON, history=_known_to(version, feed.known(monday, need=28)))
    return found.assign(horizon=found.groupby("series_id").cumcount() + 1)


def _held(feed: Feed, kind: str, monday: pd.Timestamp, days: int) -> pd.DataFrame:
    held: Holdout = hold_out(feed.known(monday), feed.granularity, days, HORIZON)
    params: Mapping[str, Any] = {"country": feed.country, "horizon": HORIZON}
    return held.of_recipe(kind, params)


def _known_to(model: Forecaster, history: pd.DataFrame) -> pd.DataFrame:
    """The series that it was trained on."""
    return history[history["series_id"].isin(model.known)]
