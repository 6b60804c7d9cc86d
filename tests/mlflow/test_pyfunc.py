"""A model as any client of MLflow asks it: by the user's own names, for other levels, also over HTTP."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.pyfunc import scoring_server
from pandas.testing import assert_frame_equal

import mlflow
from mlops import forecaster
from mlops.errors import BadInput, UnknownName
from mlops.forecasting.base import Forecaster
from mlops.tracking import pyfunc
from mlops.tracking.runs import _signature

CHAMPION = "models:/demand@champion"


def saved(model: Forecaster, folder: Path, names: dict[Any, str] | None = None) -> Any:
    """The forecaster as MLflow's pyfunc, saved and loaded."""
    model.save(folder / "forecaster")
    if names:
        (folder / "forecaster" / pyfunc.NAMES).write_text(json.dumps(list(names.items())))
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=pyfunc.__file__,
        artifacts={"forecaster": str(folder / "forecaster")},
        signature=_signature(model),
        pip_requirements=[],
    )
    return mlflow.pyfunc.load_model(str(folder / "model"))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=120)
    return pd.concat(
        pd.DataFrame({"series_id": number, "ds": days, "y": 10.0 * number + days.dayofweek}) for number in (3, 4, 5)
    )


@pytest.fixture(scope="module")
def named(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of three numbers, two of which have a name of their own and one a name that another has, too."""
    model = forecaster("naive")(horizon=14).fit(frame)
    return saved(model, tmp_path_factory.mktemp("named"), {3: "R1", 4: "R2 · glass", 5: "R1"})


def asked(*series: object) -> pd.DataFrame:
    return pd.DataFrame({"series_id": list(series)})


def test_the_champion_takes_the_names_of_its_series_and_gives_them_back(store, champion):
    model = mlflow.pyfunc.load_model(CHAMPION)
    by_name = model.predict(asked("R2", "R1"), params={"horizon": 3})
    assert set(by_name["series_id"]) == {"R1", "R2"}
    by_id = model.predict(asked(1, 2), params={"horizon": 3})
    assert by_id["series_id"].dtype.kind == "i"
    assert_frame_equal(by_id.drop(columns="series_id"), by_name.drop(columns="series_id"))
    assert_frame_equal(model.predict(asked("1", "2"), params={"horizon": 3}).astype({"series_id": int}), by_id)


def test_levels_are_a_parameter_of_the_model(named: Any):
    given = named.predict(asked(4), params={"levels": [50, 90], "horizon": 2})
    assert [name for name in given if "_" in name and name[:2] in ("lo", "hi")] == ["lo_50", "hi_50", "lo_90", "hi_90"]
    assert {"lo_80", "hi_95"} < set(named.predict(asked(4)).columns)
    assert "lo_80" not in named.predict(asked(4), params={"levels": []})
    with pytest.raises(BadInput, match="level 150 is refused"):
        named.predict(asked(4), params={"levels": [150]})
    shown = {one.name: (one.default, one.shape) for one in named.metadata.get_params_schema().params}
    assert shown["levels"] == ([80, 95], (-1,))


def test_a_series_is_called_as_it_was_asked_for(named: Any):
    given = named.predict(asked("R2 · glass", 5, "3"), params={"horizon": 1})
    assert given["series_id"].tolist() == ["3", "R2 · glass", 5]
    twice = named.predict(asked(4, "R2 · glass"), params={"horizon": 2})
    assert twice.groupby(twice["series_id"].astype(str)).size().to_dict() == {"4": 2, "R2 · glass": 2}


def test_a_name_of_two_series_and_one_of_none_are_refused(named: Any):
    with pytest.raises(BadInput, match="2 series are named 'R1'; say which by its id: 3, 5"):
        named.predict(asked("R1"))
    with pytest.raises(UnknownName, match="unknown series 'R2 glass'; did you mean 'R2 · glass'"):
        named.predict(asked("R2 glass"))
    for nothing in (pd.DataFrame({"ds": [pd.Timestamp("2024-01-01")]}), asked(None)):
        with pytest.raises(BadInput, match="name a series in each row"):
            named.predict(nothing)


def test_newer_history_comes_by_any_name_and_may_bring_new_series(named: Any, frame: pd.DataFrame):
    history = frame.assign(series_id=frame["series_id"].map({3: "3", 4: "R2 · glass", 5: "5"}))
    given = named.predict(history, params={"horizon": 1, "levels": [80]})
    assert given["series_id"].tolist() == ["3", "R2 · glass", "5"]
    by_number = named.predict(
        pd.concat([frame, frame.query("series_id == 3").assign(series_id=9)]), params={"horizon": 1}
    )
    assert by_number["series_id"].tolist() == [3, 4, 5, 9]


@pytest.mark.parametrize("ids", [["a", "b"], [1, 2], ["1", "2"]], ids=["texts", "numbers", "digits"])
def test_ids_of_every_type_are_taken_and_given_back(ids: list[object], frame: pd.DataFrame, tmp_path: Path):
    own = frame[frame["series_id"] < 5].assign(series_id=lambda one: one["series_id"].map({3: ids[0], 4: ids[1]}))
    model = saved(forecaster("naive")(horizon=7).fit(own), tmp_path)
    for series in ids:
        for called in (series, str(series)):
            assert model.predict(asked(called), params={"horizon": 1})["series_id"].tolist() == [called]


@pytest.mark.parametrize(("called", "levels"), [(["R2 · glass"], [50]), ([3, 5], [80, 95])], ids=["names", "numbers"])
def test_a_served_model_takes_the_same_over_http(named: Any, called: list[Any], levels: list[int]):
    body = {"dataframe_split": {"columns": ["series_id"], "data": [[one] for one in called]}}
    sent = json.dumps(body | {"params": {"horizon": 1, "levels": levels}})
    schema = named.metadata.get_input_schema()
    answer = scoring_server.invocations(sent, "application/json", named, schema)
    assert answer.status == 200, answer.response
    rows = json.loads(answer.response)["predictions"]
    assert [row["series_id"] for row in rows] == called
    assert {f"lo_{level}" for level in levels} < set(rows[0])
