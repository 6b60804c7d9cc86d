"""A search sees nothing of what it is judged on, keeps within its budget, and its winner can be had again."""

import shlex
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops import KINDS, forecaster
from mlops.errors import BadInput
from mlops.evaluation.backtest import Candidate
from mlops.files import write_whole
from mlops.forecasting.parameters import nested, tunable
from mlops.panels.files import read_file
from mlops.project import POLICY
from mlops.training import tune as tuning
from mlops.training.backtest import candidate_of
from mlops.training.dataset import BacktestDataset, BacktestPlan, from_file
from mlops.training.spec import TrainingSpec, experiments, params_file
from mlops.training.tune import Budget, Trial, Tuned, read_space, searched, start, tune, wapes

SPACE = {
    "changepoint_prior_scale": {"low": 0.001, "high": 0.5, "log": True},
    "seasonality_prior_scale": {"low": 0.1, "high": 10.0},
    "seasonality_mode": ["additive"],
}
FIRST = {
    "changepoint_prior_scale": 0.05,
    "seasonality_prior_scale": 10.0,
    "seasonality_mode": "additive",
    "horizon": 14,
}
BEGUN = Candidate("prophet", "prophet", FIRST)
ALONG = Budget(seconds=3600, trials=4)


@pytest.fixture(scope="module")
def dataset(
    weekly_pattern: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[BacktestDataset, BacktestPlan]:
    """A year of the four series, as a file."""
    path = tmp_path_factory.mktemp("file") / "series.parquet"
    weekly_pattern[weekly_pattern["ds"] < "2023-01-01"].to_parquet(path, index=False)
    return from_file(read_file(path, datetime(2030, 1, 1, tzinfo=UTC)), BacktestPlan(2, 1, 0, 14, 14))


@pytest.fixture(scope="module")
def tuned(dataset: tuple[BacktestDataset, BacktestPlan]) -> Tuned:
    """Four trials of two origins."""
    return tune(BEGUN, SPACE, *dataset, ALONG)


def test_the_winner_refitted_has_the_recorded_score(tuned: Tuned, dataset: tuple[BacktestDataset, BacktestPlan]):
    data, plan = dataset
    best = Candidate("again", "prophet", FIRST | dict(tuned.best.params))
    before = data.outcomes[data.outcomes["ds"] <= tuned.held_out_from]
    assert tuple(wapes(best, before, tuned.cutoffs, plan.horizon, data.granularity)) == tuned.best.by_origin
    assert wapes(best, data.outcomes, [tuned.held_out_from], plan.horizon, data.granularity) == [
        tuned.held_out["tuned"]
    ]


def test_the_search_begins_with_the_parameters_that_are_there(tuned: Tuned):
    assert tuned.default.number == 0
    assert dict(tuned.default.params) == {name: FIRST[name] for name in SPACE}
    assert tuned.best.value <= tuned.default.value


def test_the_same_seed_tries_the_same_parameters(tuned: Tuned, dataset: tuple[BacktestDataset, BacktestPlan]):
    again = tune(BEGUN, SPACE, *dataset, ALONG)
    other = tune(BEGUN, SPACE, *dataset, replace(ALONG, seed=1))
    assert [trial.params for trial in again.trials] == [trial.params for trial in tuned.trials]
    assert [trial.by_origin for trial in again.trials] == [trial.by_origin for trial in tuned.trials]
    assert [trial.params for trial in other.trials] != [trial.params for trial in tuned.trials]


def test_the_held_out_block_changes_no_trial(tuned: Tuned, dataset: tuple[BacktestDataset, BacktestPlan]):
    data, plan = dataset
    held = data.outcomes["ds"] > tuned.held_out_from
    assert held.sum() > 14
    other = replace(data, outcomes=data.outcomes.assign(y=data.outcomes["y"].where(~held, 1.0)))
    again = tune(BEGUN, SPACE, other, plan, ALONG)
    assert [trial.by_origin for trial in again.trials] == [trial.by_origin for trial in tuned.trials]
    assert again.held_out != tuned.held_out
    last = tuned.cutoffs[-1] + pd.Timedelta(days=plan.horizon)
    assert last <= tuned.held_out_from, "the outcomes of the last origin end before the held-out block begins"


def test_a_trial_is_a_row_with_its_origins_and_parameters(tuned: Tuned):
    table = tuned.table
    assert list(table["number"]) == [0, 1, 2, 3]
    origins = [f"wape_{cutoff:%Y-%m-%d}" for cutoff in tuned.cutoffs]
    assert set(table.columns) >= {"state", "value", "seconds", "note", *origins, *SPACE}
    complete = table[table["state"] == "complete"]
    assert complete[origins].mean(axis=1).to_numpy() == pytest.approx(complete["value"].to_numpy())


def test_the_command_and_the_lines_of_toml_train_the_winner(tuned: Tuned):
    assert tomllib.loads(tuned.toml)["params"] == dict(tuned.best.params)
    words = shlex.split(tuned.command)
    assert words[:3] == ["mlops", "train", "prophet"]
    changes = dict(word.split("=", 1) for word in words[4::2])
    spec = TrainingSpec.from_toml(params_file("prophet"), changes)
    assert {name: spec.params[name] for name in SPACE} == dict(tuned.best.params)


def test_an_interrupted_search_keeps_what_it_tried(dataset: tuple[BacktestDataset, BacktestPlan]):
    def stop(trial: Trial) -> None:
        if trial.number == 1:
            raise KeyboardInterrupt

    found = tune(BEGUN, SPACE, *dataset, ALONG, told=stop)
    assert found.interrupted
    assert len(found.trials) == 2
    assert "tuned" in found.held_out


def test_no_trial_begins_after_the_budget_is_spent(dataset: tuple[BacktestDataset, BacktestPlan]):
    found = tune(BEGUN, SPACE, *dataset, Budget(seconds=0))
    assert [trial.state for trial in found.trials] == ["complete"], "the parameters that are there are always judged"


def test_hopeless_trials_are_pruned_and_failing_ones_noted(
    dataset: tuple[BacktestDataset, BacktestPlan], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tuning, "wapes", _by_trees)
    space = {"trees": {"low": 1, "high": 1000}}
    found = tune(Candidate("lightgbm", "lightgbm", {"trees": 1}), space, *dataset, Budget(seconds=3600, trials=40))
    states = {trial.state for trial in found.trials}
    assert states == {"complete", "pruned", "failed"}
    assert all(len(trial.by_origin) == 1 for trial in found.trials if trial.state == "pruned")
    failed = next(trial for trial in found.trials if trial.state == "failed")
    assert failed.note == "ValueError: too many trees"
    assert found.best.params["trees"] == 1


@pytest.mark.parametrize("name", sorted({*tunable(), *experiments()} & {*tunable()}))
def test_every_search_begins_with_the_parameters_that_are_there(
    name: str, dataset: tuple[BacktestDataset, BacktestPlan]
):
    spec = TrainingSpec.of(name)
    one = candidate_of(name, spec, *dataset)
    begun = start(one)
    for parameter, given in searched(name, spec).items():
        value = begun[parameter]
        assert value in given if isinstance(given, list) else given["low"] <= value <= given["high"]
    first = {parameter: begun[parameter] for parameter in searched(name, spec)}
    made = forecaster(one.kind)(**nested(first, one.params))
    again = start(Candidate(name, one.kind, made.params))
    assert {parameter: again[parameter] for parameter in first} == first, "trial 0 is what is trained without tuning"


def test_only_members_that_are_there_are_tuned():
    spec = TrainingSpec.of("auto", {"members": "smoothing,lightgbm"})
    assert {path.split(".")[1] for path in searched("auto", spec)} == {"lightgbm"}
    with pytest.raises(BadInput, match="belongs to the members smoothing, naive"):
        searched("auto", TrainingSpec.of("auto", {"members": "smoothing,naive"}))


@pytest.mark.parametrize("kind", sorted({*KINDS} - {*tunable()}))
def test_a_kind_with_nothing_to_tune_is_told_with_those_that_have(kind: str):
    with pytest.raises(BadInput, match="no parameter that is worth a search; what can be tuned: auto, hybrid, lean,"):
        read_space(kind, kind)


def test_the_parameters_of_members_are_tuned_by_their_path(dataset: tuple[BacktestDataset, BacktestPlan]):
    spec = TrainingSpec.of("auto", {"members": "smoothing,lightgbm", "settings.lightgbm.trees": "25"})
    space = {"settings.lightgbm.trees": {"low": 20, "high": 30}}
    options = ("--country", "DE", "--set", "members=smoothing,lightgbm")
    found = tune(candidate_of("auto", spec, *dataset), space, *dataset, Budget(3600, trials=2), options=options)
    assert found.default.params == {"settings.lightgbm.trees": 25}
    assert 20 <= found.trials[1].params["settings.lightgbm.trees"] <= 30
    words = shlex.split(found.command)
    assert words[:6] == ["mlops", "train", "auto", "--country", "DE", "--set"]
    again = TrainingSpec.of("auto", dict(word.split("=", 1) for word in words[6::2])).params
    assert again["members"] == ["smoothing", "lightgbm"]
    assert again["settings"]["lightgbm"] == {"trees": found.best.params["settings.lightgbm.trees"]}
    assert nested(tomllib.loads(found.toml)["params"]) == nested(found.best.params)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[params]\ntree = [1]", "kind 'lightgbm' has no parameter 'tree'"),
        ("[params]\ntrees = 3", "expected a list, or low and high"),
        ("trees = 3", r"expected a section \[params\]"),
    ],
    ids=["name", "value", "section"],
)
def test_a_bad_search_space_is_refused(text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_whole(tmp_path / POLICY, "")
    write_whole(tmp_path / "training" / "mine" / "search.toml", text)
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path))
    with pytest.raises(BadInput, match=words):
        read_space("mine", "lightgbm")


def _by_trees(candidate: Candidate, frame: object, cutoffs: list[Any], horizon: int, freq: str) -> list[float]:
    """In place of a fit: more trees are worse, and too many fail."""
    trees = candidate.params.get("trees", 1)
    if trees > 900:
        raise ValueError("too many trees")
    return [float(np.float64(trees)) / 1000] * len(cutoffs)
