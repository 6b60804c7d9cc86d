"""`mlops monitor backtest models:/…`: a registered model's past, forecast honestly and replayed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mlops.config import Settings
from mlops.db import Database
from mlops.errors import ModelNotFound, Refused
from mlops.monitoring.replay.model import Reach, of_model
from mlops.monitoring.replay.replay import Case, replayed
from mlops.monitoring.weekly.monitor import weekly
from mlops.policy import Policy, read_policy
from mlops.project import policy_file
from mlops.tracking.runs import read_run_table
from mlops.tracking.store import Store, open_store
from mlops.training import Trained

URI = "models:/demand@champion"
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
SPRING = datetime(2020, 3, 30, tzinfo=UTC)
FALL = pd.Timestamp("2020-02-01")
COLUMNS = ["series_id", "ds", "cutoff", "y_hat", "y"]
OWN, ANEW = Reach(weeks=4, fitted=13, refit=13), Reach(weeks=12, fitted=26, refit=26)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(policy_file())


def test_a_backtest_that_is_long_enough_is_replayed_as_it_is(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    case, selection = of_model(routes, store, policy, URI, OWN, NEW_YEAR)
    own = read_run_table(store, champion.version.run_id, "backtest").sort_values("cutoff")
    own = own.drop_duplicates(["series_id", "ds"], keep="last").sort_values(["ds", "series_id"], ignore_index=True)
    rows = pd.concat([case.history, case.live]).sort_values(["ds", "series_id"], ignore_index=True)
    assert_frame_equal(rows[COLUMNS], own[COLUMNS])
    assert case.source == "its own backtest, from 14 past days"
    assert selection.metric_type == "collection_weight"


@pytest.fixture(scope="module")
def spring(new_database, trained_place: tuple[str, Trained], tmp_path_factory, policy: Policy) -> Iterator[Case]:
    """The champion's first twelve weeks and some, forecast anew; made once."""
    with new_database("replayed", template=trained_place[0]) as (_, url):
        database = Database(url)
        store = open_store(Settings(home=tmp_path_factory.mktemp("home"), mlflow_tracking_uri=None), url)
        yield of_model(database, store, policy, URI, ANEW, SPRING)[0]
        database.close()


def test_forecasts_are_made_anew_from_before_their_day_and_stand_beside_the_naive(spring: Case):
    rows = pd.concat([spring.history, spring.live])
    assert spring.source.startswith("forecasts of its recipe from ")
    assert (rows["cutoff"] < rows["ds"]).all()
    assert rows["ds"].max() < pd.Timestamp("2020-03-30")
    assert not rows.duplicated(["series_id", "ds"]).any()
    known = rows.set_index(["series_id", "ds"])["y"]
    week_before = known.reindex(pd.MultiIndex.from_arrays([rows["series_id"], rows["ds"] - timedelta(days=7)]))
    both = rows["naive"].notna().to_numpy() & week_before.notna().to_numpy()
    assert both.mean() > 0.9
    assert rows["naive"].to_numpy()[both] == pytest.approx(week_before.to_numpy()[both])


def test_a_replay_says_what_the_weekly_check_says(spring: Case, policy: Policy):
    for budget in (policy.drift.alarms_per_year, 4.0):
        ours = [week.findings for week in replayed(spring, spring.fit(spring, budget), policy.terms)]
        end = spring.end(spring.weeks - 1).tz_localize("UTC").to_pydatetime()
        at_budget = policy.with_budget(budget)
        told = [found for found, _ in weekly(spring.history, spring.live, at_budget, end, spring.fit.slices)]
        assert [str(week) for week in ours] == [str(week) for week in told]


def test_the_fall_of_the_routes_is_found_and_nothing_before_it(mlops, home, tmp_path):
    page = tmp_path / "page.html"
    options = ("--weeks", 12, "--fit-weeks", 26, "--refit-weeks", 26, "--budgets", 1, "--lives", 2)
    code, out, err = mlops(
        "monitor", "backtest", URI, "--as-of", f"{SPRING:%Y-%m-%d}", *options, "--html", page, "--json"
    )
    assert code == 0, err
    found = json.loads(out)
    [now] = found["budgets"]
    first = pd.Timestamp(now["episodes"][0]["begins"])
    assert FALL < first <= FALL + timedelta(days=14)
    assert now["episodes"][0]["needs_person"]
    assert (found["currency"], found["best"]) == (None, None), "the prices are placeholders"
    assert not {"review", "total", "best_in"} & now.keys()
    assert "forecasting the past: 2 of 2" in err
    assert "demand version 1" in page.read_text()


def test_the_future_of_a_time_is_not_seen(routes: Database, store: Store, policy: Policy):
    """The version was trained later, so that its own backtest would be the future's."""
    early = NEW_YEAR - timedelta(days=30)
    case, _ = of_model(routes, store, policy, URI, OWN, early)
    assert case.source.startswith("forecasts of its recipe from ")
    assert case.live["ds"].max() < pd.Timestamp(early).tz_localize(None)


@pytest.mark.parametrize(
    ("uri", "reach", "error", "why"),
    [
        ("models:/absent@champion", OWN, ModelNotFound, "leads nowhere"),
        (URI, Reach(52, 52, 13), Refused, "to replay 52 weeks takes 364 days and 90 before them"),
    ],
    ids=["no such model", "too short"],
)
def test_what_cannot_be_replayed_is_refused(
    routes: Database, store: Store, policy: Policy, uri: str, reach: Reach, error: type[Exception], why: str
):
    with pytest.raises(error, match=why):
        of_model(routes, store, policy, uri, reach, NEW_YEAR)
