"""The features that a real model was trained with: their profiles, their importance, what rests on them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.profiles import Window
from mlops.feature_store.build import selection_history
from mlops.feature_store.impact import impact
from mlops.feature_store.profiled import profile_features
from mlops.features.definitions import declared
from mlops.serving.predict import predict
from mlops.tracking.lineage import read_lineage
from mlops.tracking.store import Store
from mlops.training import Trained

Command = Callable[..., tuple[int, str, str]]
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)


def test_the_features_of_a_champion_are_profiled_as_it_sees_them(routes: Database, champion: Trained):
    found = {one.name: one.profile for one in profile_features(routes, declared(), "demand", NEW_YEAR)}
    with routes.transaction() as transaction:
        used = {row["name"] for row in transaction.rows("lineage_features", name="demand", version=1)}
    assert found.keys() == used
    assert {profile.expected for profile in found.values()} == {4 * 28}
    assert found["is_holiday"].distribution.max == 1, "the holidays are those of the model's country"
    assert found["same_season_mean_4"].pattern.autocorrelation > 0.9

    observed = selection_history(routes, Selection("collection_weight"), NEW_YEAR)
    window = Window.before(NEW_YEAR, 28)
    wide = observed.pivot(index="ds", columns="series_id", values="y")
    level = np.abs(wide.rolling(28).mean().shift(1))  # four weeks until the day before
    inside = wide.index >= window.start.replace(tzinfo=None)
    expected = (wide.shift(2) / level)[inside].to_numpy().mean()
    assert found["lag_1"].distribution.mean == pytest.approx(expected, rel=1e-5)


def test_importance_and_impact_are_those_of_the_training(
    routes: Database, store: Store, champion: Trained, mlops: Command
):
    rows = json.loads(mlops("features", "importance", "--json")[1])
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    first = next(row for row in rows if row["rank"] == 1)
    carried = read_lineage(store.client.get_model_version("demand", "1"))["lineage"]["features"]
    assert first["share"] == pytest.approx(carried[first["feature"]]["importance"])
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=7)
    found = impact(routes, declared(), first["feature"], None, NEW_YEAR)
    assert (found.forecasts, found.series) == (28, 4)
    assert found.sentence.startswith(f"demand@champion uses {first['feature']}; 28 forecasts for 4 series")
