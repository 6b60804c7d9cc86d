"""A challenger beside its champion on the same forecasts: what counts as a pair, and what the week's verdict says."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from tests.postgres.served import DAY, NOW, Served

from mlops.db import Database
from mlops.policy import ShadowPolicy
from mlops.serving.shadow.pairs import challengers, paired
from mlops.serving.shadow.verdict import Comparison, Verdict, compare_live, compared_live

POLICY = ShadowPolicy()
WEEKS, SERIES = 10, 8
FIRST = NOW - WEEKS * 7 * DAY
COLUMNS = ["version_id", "series_id", "cutoff", "target_at", "y_hat", "outcome", "recorded_at"]
ROW = "(version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat, outcome, outcome_recorded_at, matched_at)"


class World:
    """A champion and its challengers, with forecasts of every day from the day before."""

    def __init__(self, served: Served, **columns: Any) -> None:
        self.served, self.connection = served, served.connection
        self.series = served.series(SERIES)
        self.champion = served.model(**columns)
        self.random = np.random.default_rng(11)
        days = pd.date_range(FIRST, NOW + 6 * DAY, tz=UTC)
        index = pd.MultiIndex.from_product([self.series, days], names=["series_id", "target_at"])
        self.days = pd.DataFrame(index=index).reset_index()
        self.days["outcome"] = 100 + 10 * self.random.normal(size=len(self.days))
        self.days["recorded_at"] = self.days["target_at"] + DAY
        self.days["cutoff"] = self.days["target_at"] - DAY
        self.noise = 10 * self.random.normal(size=len(self.days))

    def forecast(self, version_id: int, size: float = 1.0, **columns: Any) -> pd.DataFrame:
        """Forecasts whose errors go with those of other versions, `size` times as large; what was stored."""
        error = size * (0.8 * self.noise + 6 * self.random.normal(size=len(self.days)))
        rows = self.days.assign(version_id=version_id, y_hat=self.days["outcome"] + error, **columns)
        self.store(rows)
        return rows

    def store(self, rows: pd.DataFrame) -> None:
        copied = f"copy analytics.model_prediction_results {ROW} from stdin"
        with self.connection.cursor() as cursor, cursor.copy(copied) as copy:
            for version, series, cutoff, target, y_hat, y, at in rows[COLUMNS].itertuples(index=False):
                copy.write_row((version, series, cutoff, cutoff, target, 1, y_hat, y, at, at))

    def challenger(self, size: float = 1.0, alias: str = "challenger", **columns: Any) -> int:
        """Another version, which forecast the same."""
        version_id = self.served.model(alias=alias, **columns)
        self.forecast(version_id, size)
        return version_id


@pytest.fixture
def world(served: Served) -> World:
    made = World(served)
    made.forecast(made.champion)
    return made


@pytest.fixture
def database(served_database: Database) -> Database:
    return served_database


def said(database: Database, as_of: datetime = NOW, policy: ShadowPolicy = POLICY) -> Verdict:
    (only,) = compare_live(database, as_of, policy)
    assert only.verdict is not None
    return only.verdict


def stored(world: World) -> list[tuple[Any, ...]]:
    return world.connection.execute("select l.*, xmin::text from analytics.live_comparisons l order by week").fetchall()


def test_a_challenger_with_smaller_errors_is_better_and_the_row_says_since_when(world: World, database: Database):
    challenger = world.challenger(0.7)
    verdict = said(database)
    assert verdict.verdict == "better"
    assert verdict.gain_low is not None
    assert 0 < verdict.gain_low < verdict.gain < verdict.gain_high
    assert verdict.wape_challenger < verdict.wape_champion
    assert (verdict.weeks, verdict.series, verdict.pairs) == (WEEKS, SERIES, WEEKS * 7 * SERIES)
    assert (verdict.compared_from, verdict.compared_until, verdict.weeks_to_go) == (FIRST, NOW, 0)
    assert verdict.decided_at is not None
    assert FIRST + 28 * DAY <= verdict.decided_at < NOW
    (row,) = compared_live(database, NOW)
    assert (row.champion_id, row.challenger_id, row.name, row.as_of) == (world.champion, challenger, "demand", NOW)
    assert row.verdict == "better"
    assert row.gain == verdict.gain


def test_a_challenger_with_larger_errors_is_worse(world: World, database: Database):
    world.challenger(1.5)
    verdict = said(database)
    assert verdict.verdict == "worse"
    assert verdict.gain_high is not None
    assert verdict.gain_high < 0


def test_a_challenger_that_is_as_good_is_not_decided(world: World, database: Database):
    world.challenger(1.0)
    verdict = said(database)
    assert verdict.verdict == "undecided"
    assert verdict.decided_at is None
    assert verdict.weeks_to_go is None or verdict.weeks_to_go > 0


def test_three_weeks_have_no_interval_yet(world: World, database: Database):
    world.challenger(0.7)
    verdict = said(database, FIRST + 21 * DAY)
    assert (verdict.verdict, verdict.gain_low, verdict.gain_high, verdict.weeks) == ("undecided", None, None, 3)


def test_nothing_is_said_of_a_challenger_without_pairs(world: World, database: Database):
    world.served.model(alias="challenger")
    (only,) = compare_live(database, NOW, POLICY)
    assert only.verdict is None
    assert stored(world) == []


def test_only_what_was_known_then_counts(world: World, database: Database):
    """The verdict of a time is the same, whatever came afterwards."""
    world.challenger(0.7)
    then = NOW - 21 * DAY
    before = said(database, then)
    world.connection.execute(
        "update analytics.model_prediction_results set outcome = outcome + 50 where outcome_recorded_at > %s", [then]
    )
    assert said(database, then) == before
    assert said(database, NOW) != before


def test_repeating_it_changes_nothing_and_an_earlier_time_of_the_week_replaces_nothing(
    world: World, database: Database
):
    world.challenger(0.7)
    said(database, NOW + 3 * DAY)
    rows = stored(world)
    said(database, NOW + 3 * DAY)
    said(database, NOW + 1 * DAY)
    assert stored(world) == rows
    said(database, NOW + 4 * DAY)
    assert len(stored(world)) == 1
    said(database, NOW - 1 * DAY)
    assert len(stored(world)) == 2


def test_a_week_counts_when_it_is_over(world: World, database: Database):
    world.challenger()
    assert said(database, NOW - timedelta(hours=1)).weeks == WEEKS - 1
    assert said(database, NOW).weeks == WEEKS


def test_a_week_counts_when_most_of_its_outcomes_are_known(world: World, database: Database):
    world.challenger()
    late = (
        "update analytics.model_prediction_results set outcome_recorded_at = %s"
        " where target_at >= %s and target_at < %s and series_id = any(%s)"
    )
    week = (NOW + 9 * DAY, NOW - 7 * DAY, NOW)
    world.connection.execute(late, [*week, world.series[:3]])
    verdict = said(database)
    assert (verdict.weeks, verdict.pairs) == (WEEKS, WEEKS * 7 * SERIES - 21)
    world.connection.execute(late, [*week, world.series[:5]])
    assert said(database).weeks == WEEKS - 1


def test_the_gains_are_those_of_the_forecasts(served: Served, database: Database):
    """SQL against pandas, with days and series missing at random."""
    world = World(served)
    kept = world.random.uniform(size=(2, len(world.days))) < 0.7
    parts = []
    for version, part in zip((world.champion, served.model(alias="challenger")), kept, strict=True):
        whole, world.days, noise = world.days, world.days[part], world.noise
        world.noise = noise[part]
        parts.append(world.forecast(version))
        world.days, world.noise = whole, noise
    both = parts[0].merge(parts[1], on=["series_id", "target_at", "cutoff", "outcome"])
    both = both[both["target_at"] < NOW]
    saved = (both["y_hat_x"] - both["outcome"]).abs() - (both["y_hat_y"] - both["outcome"]).abs()
    week = (both["target_at"] - pd.Timestamp(FIRST)).dt.days // 7
    expected = saved.groupby(week).sum() / both["outcome"].abs().groupby(week).sum()
    (challenger,) = challengers(database, POLICY.aliases)
    weeks = paired(database, challenger, NOW)
    assert weeks is not None
    np.testing.assert_allclose(np.nanmean(weeks.gains, axis=1), expected)
    assert weeks.pairs == len(both)


def test_the_freshest_pair_from_one_cutoff_counts(world: World, database: Database):
    """Older pairs of a day, and forecasts that only one of both made, change nothing."""
    challenger = world.challenger(0.7)
    before = said(database)
    older = world.days.assign(cutoff=world.days["target_at"] - 3 * DAY, y_hat=world.days["outcome"] * 3)
    for version in (world.champion, challenger):
        world.store(older.assign(version_id=version))
    lone = world.days.assign(cutoff=world.days["target_at"] - DAY / 2, y_hat=world.days["outcome"])
    world.store(lone.assign(version_id=challenger))
    assert said(database) == before


def test_without_a_common_cutoff_each_is_judged_by_what_it_would_have_answered_then(served: Served, database: Database):
    """Servers answer from the end of each training: the champion's answer is the newest that it had given by then."""
    world = World(served)
    answers = {days: world.days.assign(cutoff=world.days["target_at"] - days * DAY) for days in (5, 9, 2, 3)}
    wrong = world.days["outcome"] * 3
    world.store(answers[9].assign(version_id=world.champion, y_hat=wrong))
    world.store(answers[5].assign(version_id=world.champion, y_hat=world.days["outcome"] + 1))
    world.store(answers[2].assign(version_id=world.champion, y_hat=wrong))  # after the challenger had answered
    challenger = served.model(alias="challenger")
    world.store(answers[3].assign(version_id=challenger, y_hat=world.days["outcome"] + 2))
    verdict = said(database)
    assert verdict.wape_challenger == pytest.approx(2 * verdict.wape_champion)
    assert verdict.pairs == WEEKS * 7 * SERIES


def test_what_a_version_was_trained_on_is_no_forecast(world: World, database: Database):
    """A challenger that is trained anew and asked for the past has seen the outcomes."""
    trained_to = FIRST + 28 * DAY
    world.challenger(0.7, trained_to=trained_to)
    verdict = said(database)
    assert verdict.compared_from == trained_to + DAY, "the first step after a cutoff at the end of the training"
    assert verdict.pairs == SERIES * 5 * 7


def test_totals_are_no_pairs_of_their_own(world: World, database: Database):
    world.challenger()
    before = said(database)
    world.connection.execute(
        "update analytics.model_prediction_results set parts = 3 where series_id = %s", [world.series[0]]
    )
    assert said(database).series == before.series - 1


def test_four_challengers_at_once_are_held_to_more(world: World, database: Database):
    names = tuple(f"shadow_{n}" for n in range(4))
    for alias in names:
        world.challenger(0.7, alias)
    compared = compare_live(database, NOW, replace(POLICY, aliases=names))
    assert len(compared) == 4
    assert {one.verdict.confidence for one in compared if one.verdict} == {1 - 0.05 / 4}


def test_a_version_with_several_aliases_is_compared_once(world: World, database: Database):
    challenger = world.challenger()
    world.connection.execute(
        "insert into analytics.model_aliases select model_id, 'canary', version_id, valid_from"
        " from analytics.model_aliases where version_id = %s",
        [challenger],
    )
    (only,) = compare_live(database, NOW, replace(POLICY, aliases=("canary", "challenger")))
    assert only.challenger.alias == "canary"


@pytest.mark.parametrize("granularity", ["weekly", "monthly"])
def test_steps_longer_than_a_day_are_compared_step_by_step(served: Served, database: Database, granularity: str):
    lineage = json.dumps({"selection": {"granularity": granularity}})
    world = World(served, lineage=lineage)
    steps = pd.date_range(datetime(2024, 1, 1, tzinfo=UTC), NOW, freq="W-MON" if granularity == "weekly" else "MS")
    world.days = (
        world.days.drop_duplicates("series_id")
        .drop(columns="target_at")
        .merge(pd.Series(steps, name="target_at"), how="cross")
    )
    world.days = world.days.assign(
        cutoff=world.days["target_at"] - 31 * DAY, recorded_at=world.days["target_at"] + 40 * DAY
    )
    world.noise = world.random.normal(size=len(world.days))
    for version in (world.champion, served.model(alias="challenger", lineage=lineage)):
        world.forecast(version)
    (only,) = compare_live(database, NOW + 60 * DAY, POLICY)
    assert isinstance(only, Comparison)
    assert only.verdict is not None
    assert only.verdict.weeks == len(steps)


def test_a_verdict_that_its_interval_does_not_prove_is_refused(world: World, database: Database):
    world.challenger()
    said(database)
    with pytest.raises(psycopg.errors.CheckViolation, match="live_comparisons_proof_check"):
        world.connection.execute(
            "update analytics.live_comparisons set verdict = 'better', gain_low = null, gain_high = null"
        )
