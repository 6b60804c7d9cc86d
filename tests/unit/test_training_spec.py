"""A training's spec: the events of a calendar file travel inside it."""

from pathlib import Path

import pytest

from mlops.cli.options import Data
from mlops.errors import BadInput, Misused
from mlops.files import write_whole
from mlops.project import POLICY
from mlops.training import project
from mlops.training.spec import TrainingSpec, params_file

CSV = "event,first,last,announced\nstrike,2020-03-02,2020-03-04,2020-02-20\nfair,2020-05-01,,\n"


def test_the_events_of_a_file_are_values_of_the_recipe(tmp_path: Path):
    file = tmp_path / "events.csv"
    file.write_text(CSV)
    spec = TrainingSpec.from_toml(params_file("lean"), {"events": str(file)})
    file.unlink()
    assert spec.forecaster_params["events"] == [
        {"name": "strike", "first": "2020-03-02", "last": "2020-03-04", "announced": "2020-02-20"},
        {"name": "fair", "first": "2020-05-01", "last": "2020-05-01"},
    ]
    assert spec.recipe["events"] == spec.forecaster_params["events"]


def test_a_file_beside_the_params_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = params_file("lean").read_text().replace('events = ""', 'events = "ours.csv"')
    (tmp_path / "params.toml").write_text(text)
    (tmp_path / "ours.csv").write_text(CSV)
    monkeypatch.chdir("/")
    assert len(TrainingSpec.from_toml(tmp_path / "params.toml").events) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,date\na,2020-01-01\n", "the header is name,date; expected event,first"),
        ("event,first\nstrike,03/02/2020\n", r"line 2: first = '03/02/2020' is not a date"),
        ("event,first,last\nstrike,2020-03-04,2020-03-02\n", "line 2: .*swap the dates"),
    ],
    ids=["header", "date", "order"],
)
def test_a_bad_calendar_says_what_is_wrong_with_it(tmp_path: Path, text: str, words: str):
    file = tmp_path / "events.csv"
    file.write_text(text)
    with pytest.raises(BadInput, match=words):
        TrainingSpec.from_toml(params_file("lean"), {"events": str(file)})


def test_a_calendar_that_is_not_there_is_named():
    with pytest.raises(BadInput, match=r"nowhere\.csv: no such file; a path is looked up from"):
        TrainingSpec.from_toml(params_file("lean"), {"events": "/nowhere.csv"})


@pytest.mark.parametrize(
    ("there", "wrong", "words"),
    [
        ("trees = 150", "trees = 'many'", "trees = 'many' is refused; expected a whole number"),
        ("trees = 150", "tres = 150", "unknown parameter of lightgbm 'tres'; did you mean 'trees'?"),
        ('kind = "lightgbm"', 'kind = "lgbm"', "unknown model kind 'lgbm'; did you mean 'lightgbm'?"),
        ('country = ""', 'country = "ZZ"', "unknown country 'ZZ'"),
        ('granularity = ""', 'granularity = "dayly"', "did you mean daily?"),
        ("# horizon = 28", "horizon = -1", "horizon = -1; expected a whole number of steps"),
        ("weeks = 20", "weeks = 'x'", "weeks = 'x' is not a whole number"),
        ('# covariates = ["price"]', "covariates = 3", "covariates = 3 is not a list"),
        ("[params]", "[[params]]", "is not a section; expected \\[params\\]"),
        ("trees = 150", "trees = \\", "can't be read as TOML"),
        (
            "refit_every = 5",
            "refit_evry = 5",
            "unknown key of \\[backtest\\] 'refit_evry'; did you mean 'refit_every'?",
        ),
        ('owner = "data', 'ower = "data', "unknown key of \\[experiment\\] 'ower'; did you mean 'owner'?"),
        ("[backtest]", "[data2]\n[backtest]", "unknown section 'data2'; did you mean 'data'?"),
    ],
    ids=lambda value: value.partition(" ")[0],
)
def test_a_fault_of_a_params_toml_is_found_there_and_not_in_what_was_typed(
    there: str, wrong: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "training" / "mine" / "params.toml"
    write_whole(tmp_path / POLICY, "")
    write_whole(file, params_file("lightgbm").read_text().replace(there, wrong))
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path))
    with pytest.raises(BadInput, match=words) as told:
        Data(changes=["learning_rate=0.5"]).spec("mine")
    assert str(told.value).startswith(f"{file}: ")
    assert told.value.exit_code == 1


def test_a_fault_of_what_was_typed_is_found_there_and_not_in_params_toml():
    with pytest.raises(Misused, match=r"^--set: num_leaves = 1 is refused"):
        Data(changes=["num_leaves=1"]).spec("lightgbm")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--num_leaves 1", "num_leaves = 1 is refused; expected a whole number"),
        ("--trees 20 --as_of last-4", "--as_of: 'last-4' is not a time"),
        ("--file rows.csv --as_of last-4w", "--as_of: 'last-4w' counts from the newest stored observation"),
    ],
    ids=["parameter", "time", "file"],
)
def test_a_training_of_an_mlflow_project_is_checked_before_a_database_is_opened(
    arguments: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(project, "open_database", None)
    with pytest.raises(SystemExit) as ended:
        project.run_project(params_file("lightgbm"), arguments.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"train: {words}")
