"""A model is trained on a declared set, with another metric type of the same place, and all speak of its columns."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest

from mlops.db import Database
from mlops.errors import BadInput, Misused
from mlops.feature_store import online
from mlops.feature_store.build import build
from mlops.feature_store.impact import impact
from mlops.feature_store.profiled import profile_features
from mlops.features.definitions import declared, feature_set
from mlops.forecasting.lightgbm.model import LightGBM
from mlops.monitoring.weekly import job
from mlops.policy import read_policy
from mlops.project import policy_file
from mlops.series.ingest import ingest
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.artifacts.checked import load_model
from mlops.tracking.store import Store
from mlops.training import Trained, TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.reproduce import reproduce

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)
SET = """
from mlops.features import FeatureSet, Selection, feature, lag, ratio, rolling_mean, standard

MISSED = Selection("missed_collections")
FEATURES = [
    feature(
        "weight_mean_7", source="collection_weight", transformation=rolling_mean(7), owner="us",
        description="mean kg of a week",
    ),
    feature(
        "weight_of_usual", source="collection_weight", transformation=ratio(rolling_mean(7), rolling_mean(182)),
        owner="us", description="kg of a week over kg of half a year",
    ),
    feature("weight_yesterday", source="collection_weight", transformation=lag(1), owner="us", description="kg"),
    feature(
        "weight_of_route", source="collection_weight", transformation=rolling_mean(14, across="sum"), entity="route",
        owner="us", description="mean kg of the route in two weeks",
    ),
]
STANDARD = standard(MISSED, "us", ["last_value", "same_season_1", "mean_1_cycle", "day_of_week", "step", "log_level"])
FEATURE_SETS = [FeatureSet("missed", MISSED, (*FEATURES, *STANDARD))]
"""
NAMES = ("weight_mean_7", "weight_of_usual", "weight_yesterday", "weight_of_route")
PARAMS = """
[experiment]
name = "missed"
kind = "{kind}"
feature_set = "missed"
[data]
metric_type = "missed_collections"
[params]
[backtest]
weeks = 14
refit_every = 14
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A folder with params.toml and the features of the experiment's own."""
    (tmp_path / "features.py").write_text(SET)
    path = tmp_path / "params.toml"
    path.write_text(PARAMS.format(kind="lightgbm"))
    return path


@pytest.fixture
def missed(routes: Database, daily_series: Path, tmp_path: Path) -> Database:
    """The four routes miss more collections the more they weighed in the week before, and miss some days' counts."""
    frame, random = pd.read_csv(daily_series), np.random.default_rng(5)
    week = frame.groupby("route_id")["value"].transform(lambda y: y.shift(1).rolling(7, min_periods=1).mean())
    frame["value"] = (week.fillna(100) / 10 * random.normal(1, 0.05, len(frame))).round()
    path = tmp_path / "missed.csv"
    kept = frame[random.random(len(frame)) > 0.02]
    kept.assign(metric_type="missed_collections").to_csv(path, index=False)
    ingest(routes, path, known_at="observed")
    return routes


@pytest.fixture
def trained(missed: Database, store: Store, experiment: Path) -> Iterator[Trained]:
    spec = TrainingSpec.from_toml(experiment, {"trees": "30"}, as_of=NEW_YEAR)
    found = train(spec, missed, store)
    promote(missed, store, found.version.uri, "the first", margin=0.02, by="tester", force=True)
    return found


def booster_of(database: Database, trained: Trained) -> LightGBM:
    found = load_model(database, trained.version).unwrap_python_model().forecaster
    assert isinstance(found, LightGBM)
    return found


def test_what_is_declared_is_what_the_booster_saw_and_what_everybody_speaks_of(
    mlops, missed: Database, store: Store, trained: Trained, experiment: Path
):
    model, chosen = booster_of(missed, trained), feature_set("missed", experiment.with_name("features.py"))
    assert tuple(model._booster.feature_name()) == chosen.names
    assert model.importance()["weight_mean_7"] + model.importance()["weight_of_route"] > 0.1
    with psycopg.connect(missed.url) as connection:
        edges = connection.execute(
            "select f.name, f.definition_sha256, e.importance from analytics.model_version_features e"
            " join analytics.model_feature_store f using (feature_id)"
            " join analytics.model_versions v using (version_id)"
            " where v.name = 'missed'"
        ).fetchall()
    assert {name: digest for name, digest, _ in edges} == {one.name: one.sha256 for one in chosen.features}
    assert {name: share for name, _, share in edges} == pytest.approx(model.importance(), abs=1e-8)

    predict(missed, store, "models:/missed@champion", as_of=NEW_YEAR, decompose=False)
    with psycopg.connect(missed.url) as connection:
        (number,) = connection.execute("select min(prediction_id) from analytics.model_prediction_results").fetchone()
    _, out, _ = mlops("registry", "trace", number, "--json")
    assert set(NAMES) <= {one["feature"] for one in json.loads(out)["features"]}
    found = impact(missed, declared(experiment.with_name("features.py")), "weight_mean_7", None, NEW_YEAR + WEEK)
    assert [use.label for use in found.uses] == ["missed@champion"]
    assert found.forecasts == 4 * 28

    profiles = {
        one.name: one
        for one in profile_features(missed, declared(experiment.with_name("features.py")), "missed", NEW_YEAR)
    }
    assert profiles["weight_mean_7"].profile.quality.completeness > 0.95

    again = reproduce(missed, store, trained.version.uri)
    assert (again.verdict, again.largest) == ("reproduced", 0.0), again.differences


def test_offline_and_online_values_are_the_columns_that_the_booster_sees(
    missed: Database, store: Store, trained: Trained, experiment: Path
):
    chosen = feature_set("missed", experiment.with_name("features.py"))
    model = booster_of(missed, trained)
    panel = model._history
    design = model._design(panel, 1)
    asked = design.asked(np.array([len(panel.index) - 1]), 1)
    rows = online.next_rows(missed, chosen, NEW_YEAR)
    at = panel.index[-1] + pd.Timedelta(days=1)
    newest = rows[rows["ds"] == at].set_index("series_id").reindex(panel.ids)
    there = newest["ds"].notna().to_numpy()
    assert there.sum() >= 3, "a series whose newest day is missing has its next row earlier"
    np.testing.assert_allclose(asked[there], newest.loc[there, list(chosen.names)].to_numpy(), rtol=1e-6)
    origins = np.arange(len(panel.index) - 1)
    learned = pd.DataFrame(design.learned(origins, 1), columns=list(chosen.names))
    learned.insert(0, "series_id", np.repeat(panel.ids.to_numpy(), len(origins)))
    learned.insert(1, "ds", np.tile(panel.index[1:].to_numpy(), len(panel.ids)))
    stored = build(missed, chosen, NEW_YEAR).frame
    both = stored.merge(learned, on=["series_id", "ds"], suffixes=("", "_learned"))
    assert len(both) == len(stored) - 4
    for name in chosen.names:
        np.testing.assert_allclose(both[name], both[f"{name}_learned"], rtol=1e-6, err_msg=name)


def test_a_watched_feature_of_another_metric_type_drifts_by_its_own_name(
    missed: Database, store: Store, trained: Trained
):
    policy = read_policy(policy_file())
    watched = ("mean_1_cycle", "weight_mean_7", "log_level")
    policy = replace(policy, drift=replace(policy.drift, features=watched))
    for week in range(10):
        predict(missed, store, "models:/missed@champion", as_of=NEW_YEAR + week * WEEK, decompose=False)
    end = NEW_YEAR + 10 * WEEK
    match(missed, end)
    found = {one.subject: one for checked in job.run_checks(missed, store, policy, end) if checked.name == "missed"
             for one in checked.findings.details if one.kind == "feature"}  # fmt: skip
    assert found["weight_mean_7"].drifted, "every route weighs 40 % less since February"
    assert {"mean_1_cycle", "log_level"} <= set(found)


def test_a_forecast_sees_of_every_source_what_was_known_at_its_time(
    missed: Database, store: Store, trained: Trained, tmp_path: Path, daily_series: Path
):
    as_of = NEW_YEAR + 4 * WEEK
    before = predict(missed, store, "models:/missed@champion", as_of=as_of, decompose=False).frame
    frame = pd.read_csv(daily_series)
    corrected = frame[(frame["observed_at"] >= "2020-01-10") & (frame["observed_at"] < "2020-01-25")]
    path = tmp_path / "corrected.csv"
    corrected.assign(value=corrected["value"] * 5).to_csv(path, index=False)
    assert ingest(missed, path).corrected == len(corrected)
    after = predict(missed, store, "models:/missed@champion", as_of=as_of, decompose=False).frame
    pd.testing.assert_frame_equal(before, after)


@pytest.mark.parametrize("kind", ["auto", "lean"])
def test_a_portfolio_trains_its_trees_on_the_set(missed: Database, store: Store, experiment: Path, kind: str):
    experiment.write_text(
        PARAMS.format(kind=kind).replace("weeks = 14", "weeks = 1").replace('"missed"\nkind', f'"{kind}"\nkind')
    )
    spec = TrainingSpec.from_toml(experiment, {"settings.lightgbm.trees": "10"}, as_of=NEW_YEAR)
    found = train(spec, missed, store)
    model = load_model(missed, found.version).unwrap_python_model().forecaster
    assert set(NAMES) <= set(model.members["lightgbm"]._booster.feature_name())
    assert set(NAMES) <= set(model.importance())


def test_a_set_that_does_not_fit_is_refused(experiment: Path):
    with pytest.raises(BadInput, match="is of metric_type missed_collections; revenue is to be trained on"):
        TrainingSpec.from_toml(experiment, {"metric_type": "revenue"}).check()
    experiment.write_text(PARAMS.format(kind="prophet"))
    with pytest.raises((BadInput, Misused), match="kind 'prophet' is computed from the series alone"):
        TrainingSpec.from_toml(experiment)
    experiment.write_text(PARAMS.format(kind="lightgbm").replace('"missed"\n[data]', '"mised"\n[data]'))
    with pytest.raises(BadInput, match="unknown feature set 'mised'; did you mean 'missed'"):
        TrainingSpec.from_toml(experiment)
