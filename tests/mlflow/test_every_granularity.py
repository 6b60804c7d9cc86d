"""A model of each odd granularity is trained, promoted, served, judged and reviewed like any other."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest

from mlops.config import Settings
from mlops.db import Database
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.monitoring.review import Model
from mlops.monitoring.review import build_review as review
from mlops.monitoring.weekly import job
from mlops.panels.timestamps import granularity_of
from mlops.policy import read_policy
from mlops.project import policy_file
from mlops.serving.outcomes import match
from mlops.serving.predict import Issued, predict
from mlops.tracking.store import Store, open_store
from mlops.training import TrainingSpec, train
from mlops.training.promote import promote

NOW = datetime(2024, 6, 3, tzinfo=UTC)
ANCHORED = {"weekly": "W-SUN", "quarterly": "QS-FEB", "yearly": "YS-APR"}
ELSEWHERE = ("30min", "hourly", "daily")
"""As the others within a day, or what all other tests are about."""
STEPS = {name: granularity_of(ANCHORED.get(name, name)) for name in GRANULARITIES if name not in ELSEWHERE}
SERIES = """
with made as (
    insert into analytics.series (metric_type, granularity, site_id) values ('collection_weight', %s, %s)
    returning series_id
), known as (
    insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
    select series_id, at, value, recorded
      from made, unnest(%s::timestamptz[], %s::float8[], %s::timestamptz[]) v (at, value, recorded)
)
select series_id from made
"""


@dataclass(frozen=True)
class Life:
    """What a model of one granularity went through: its steps, forecasts, check and part of the review."""

    starts: np.ndarray
    issued: Issued
    checked: job.CheckResult
    model: Model


@pytest.fixture(scope="module")
def lives(new_database: Any, with_mlflow: str, tmp_path_factory: Any) -> Iterator[dict[str, Life]]:
    policy = read_policy(policy_file())
    with new_database("every_granularity", template=with_mlflow) as (_, url):
        database = Database(url)
        store = open_store(Settings(home=tmp_path_factory.mktemp("artifacts"), mlflow_tracking_uri=None), url)
        starts = {one.name: add(database, one) for one in STEPS.values()}
        issued = {one.name: serve(database, store, one, starts[one.name]) for one in STEPS.values()}
        assert match(database, NOW).matched == sum(one.stored for one in issued.values())
        checks = {one.name: one for one in job.run_checks(database, store, policy, NOW)}
        models = {one.name: one for one in review(database, policy, NOW).models}
        yield {name: Life(starts[name], issued[name], checks[name], models[name]) for name in starts}
        database.close()


def serve(database: Database, store: Store, one: Granularity, starts: np.ndarray) -> Issued:
    """A champion that was trained before the newest steps and forecasts them."""
    since = pd.Timestamp(starts[-one.horizon]).tz_localize("UTC").to_pydatetime()
    spec = TrainingSpec(
        one.name, "naive", "tests", "collection_weight", one.name, "US", one.horizon, {}, 13, 4, as_of=since
    )
    trained = train(spec, database, store)
    promote(database, store, trained.version.uri, "the first", margin=0.02, by="tester", force=True)
    return predict(database, store, f"models:/{one.name}@champion", as_of=since)


def add(database: Database, one: Granularity, sites: int = 2) -> np.ndarray:
    """Series with cycles and a little noise until NOW, each value known when its step has ended; their steps."""
    end = int(one.number(np.array(["2024-06-03"], dtype="datetime64[us]"))[0])
    starts = one.start(np.arange(end - 4 * one.block - 2 * one.horizon - 36, end))
    random, place = np.random.default_rng(7), np.arange(len(starts))
    with psycopg.connect(database.url, autocommit=True) as connection:
        for table in ("time_series_metrics", "model_prediction_results"):
            for month in np.unique(starts.astype("datetime64[M]")):
                connection.execute(
                    "select analytics.create_monthly_partition(%s, %s)", [month.item(), f"analytics.{table}"]
                )
        for site in range(sites):
            y = 100 * (site + 1) * (1 + 0.3 * np.sin(2 * np.pi * place / max(one.cycle, 2))) + random.normal(
                size=len(place)
            )
            times = (utc(starts), y.tolist(), utc(one.moved(starts, 1)))
            connection.execute(SERIES, [one.name, f"S{site}", *times])
    return starts


def utc(at: np.ndarray) -> list[str]:
    return [f"{one}+00" for one in at.astype("datetime64[s]")]


@pytest.mark.parametrize("one", STEPS.values(), ids=str)
def test_its_forecasts_are_for_the_steps_of_the_series_itself(lives: dict[str, Life], one: Granularity):
    life = lives[one.name]
    assert (life.issued.refused, life.issued.stored) == ({}, 2 * one.horizon)
    for _, forecasts in life.issued.frame.groupby("series_id"):
        assert (forecasts["ds"].to_numpy() == life.starts[-one.horizon :]).all()


@pytest.mark.parametrize("one", STEPS.values(), ids=str)
def test_it_is_judged_or_a_sentence_says_why_not(lives: dict[str, Life], one: Granularity):
    checked = lives[one.name].checked
    assert checked.state == "judged" or (checked.state == "unjudged" and " " in checked.problem), checked.problem
    assert not [
        one.name for one in checked.findings.details if one.kind == "data" and one.subject == "feed" and one.drifted
    ]


@pytest.mark.parametrize("name", ["weekly", "monthly"])
def test_a_step_of_several_days_is_judged_in_the_week_in_which_it_ends(lives: dict[str, Life], name: str):
    checked = lives[name].checked
    assert checked.state == "judged", "the week ended on Saturday, the month on Friday; NOW is Monday"
    assert checked.values["wape"] < 0.1


@pytest.mark.parametrize("one", STEPS.values(), ids=str)
def test_the_review_says_how_good_it_was(lives: dict[str, Life], one: Granularity):
    found = lives[one.name].model.last_28_days
    assert found.wape is not None
    assert found.wape == pytest.approx(found.wape_naive), "the naive is the naive"
