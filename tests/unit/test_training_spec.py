"""A training's spec: the events of a calendar file travel inside it."""

from pathlib import Path

import pytest

from mlops.errors import BadInput
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
