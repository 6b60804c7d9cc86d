"""A client of MLflow's scoring server gets the same answers from ours, but for differences that are written down."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.linear_model import Ridge
from starlette.testclient import TestClient
from tests.web.one_model import parts_of
from tests.web.scoring_requests import OTHER_ROUTES, REQUESTS, TENSORS, Request

import lightgbm
import mlflow
from mlops import forecaster
from mlops.serving.online.forecasts import ForecastModel
from mlops.serving.online.rows import RowModel
from mlops.serving.online.scorer import scorer_of
from mlops.tracking import pyfunc
from mlops.tracking.runs import _signature
from mlops.tracking.scoring import DIFFERENCES
from mlops.web.app import build_app
from mlops.web.scoring import Target

RANDOM = np.random.default_rng(3)
DOUBLING = str(Path(__file__).parent / "models" / "doubling.py")


class Pair:
    """One model behind MLflow's server and behind ours."""

    def __init__(self, folder: Path) -> None:
        theirs, ours = (mlflow.pyfunc.load_model(str(folder)) for _ in range(2))
        self.scorer = scorer_of(ours)
        app = build_app(parts_of(self.scorer), Target("m", "champion"))
        self.theirs = TestClient(scoring_server.init(theirs), raise_server_exceptions=False)
        self.ours = TestClient(app)

    def answers(self, body: bytes, content_type: str | None) -> tuple[Any, Any]:
        """Theirs and ours to the same request."""
        headers = {"content-type": content_type} if content_type is not None else {}
        return tuple(  # type: ignore[return-value]
            client.post("/invocations", content=body, headers=headers) for client in (self.theirs, self.ours)
        )


def saved(folder: Path, flavour: Any, model: Any, x: pd.DataFrame) -> Pair:
    flavour.save_model(model, folder, signature=infer_signature(x, model.predict(x)), pip_requirements=[])
    return Pair(folder)


@pytest.fixture(scope="module")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    signature = ModelSignature(
        inputs=Schema(
            [
                ColSpec("double", "a"),
                ColSpec("long", "b"),
                ColSpec("string", "c", required=False),
                ColSpec("datetime", "t", required=False),
            ]
        ),
        outputs=Schema([ColSpec("double", "y_hat"), ColSpec("long", "h")]),
        params=ParamSchema(
            [ParamSpec("horizon", DataType.long, 1), ParamSpec("levels", DataType.double, [80.0], shape=(-1,))]
        ),
    )
    folder = tmp_path_factory.mktemp("doubling") / "m"
    mlflow.pyfunc.save_model(folder, python_model=DOUBLING, signature=signature, pip_requirements=[])
    return Pair(folder)


@pytest.fixture(scope="module")
def tensor(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype("float64"), (-1, 3))]))
    folder = tmp_path_factory.mktemp("tensor") / "m"
    mlflow.pyfunc.save_model(folder, python_model=DOUBLING, signature=signature, pip_requirements=[])
    return Pair(folder)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """LightGBM of two columns of numbers and one of whole numbers, with values that are missing."""
    x = pd.DataFrame({"a": RANDOM.normal(size=300), "n": RANDOM.integers(0, 9, 300), "b": RANDOM.normal(size=300)})
    x.loc[::7, "a"] = np.nan
    y = x["a"].fillna(0) + x["n"] - x["b"]
    model = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), num_boost_round=30)
    return saved(tmp_path_factory.mktemp("trees") / "m", mlflow.lightgbm, model, x)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """LightGBM of three classes: three numbers a row."""
    x = pd.DataFrame(RANDOM.normal(size=(300, 2)), columns=["a", "b"])
    settings_ = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    model = lightgbm.train(settings_, lightgbm.Dataset(x, RANDOM.integers(0, 3, 300)), num_boost_round=5)
    return saved(tmp_path_factory.mktemp("classes") / "m", mlflow.lightgbm, model, x)


@pytest.fixture(scope="module")
def ridge(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    x = pd.DataFrame(RANDOM.normal(size=(60, 2)), columns=["a", "b"])
    return saved(tmp_path_factory.mktemp("ridge") / "m", mlflow.sklearn, Ridge().fit(x, x["a"]), x)


@pytest.fixture(scope="module")
def forecasts(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Forecasts of three series, two of which are called the same."""
    folder = tmp_path_factory.mktemp("forecasts")
    days = pd.date_range("2024-01-01", periods=120)
    frame = pd.concat(
        pd.DataFrame({"series_id": number, "ds": days, "y": 10.0 * number + days.dayofweek}) for number in (3, 4, 5)
    )
    model = forecaster("naive")(horizon=14).fit(frame)
    model.save(folder / "forecaster")
    (folder / "forecaster" / pyfunc.NAMES).write_text(json.dumps([[3, "R1"], [4, "R2 · glass"], [5, "R1"]]))
    mlflow.pyfunc.save_model(
        folder / "m",
        python_model=pyfunc.__file__,
        artifacts={"forecaster": str(folder / "forecaster")},
        signature=_signature(model),
        pip_requirements=[],
    )
    return Pair(folder / "m")


def parsed(answer: Any) -> Any:
    """A body as JSON, in which what is no number is null; as text where it is none."""
    try:
        return json.loads(answer.text, parse_constant=lambda _: None)
    except ValueError:
        return None


def code(answer: Any) -> tuple[Any, ...]:
    document = parsed(answer)
    return tuple(document.get(key) for key in ("error_code", "sqlstate", "error_class")) if document else ()


def check_same(theirs: Any, ours: Any) -> None:
    """Status, content type and either predictions or code are equal."""
    assert ours.status_code == theirs.status_code
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    if ours.status_code == 200:
        assert parsed(ours) == parsed(theirs)
        json.loads(ours.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    else:
        assert code(ours) == code(theirs)
        assert "stack_trace" not in (parsed(ours) or {})


@pytest.mark.parametrize("request_", [one for one in REQUESTS if one.differs in (None, 2)], ids=str)
def test_every_request_is_answered_as_mlflow_does(doubling: Pair, request_: Request):
    check_same(*doubling.answers(request_.body, request_.content_type))


@pytest.mark.parametrize("request_", TENSORS, ids=str)
def test_tensors_are_answered_as_mlflow_does(tensor: Pair, request_: Request):
    check_same(*tensor.answers(request_.body, request_.content_type))


@pytest.mark.parametrize(("method", "path"), OTHER_ROUTES)
def test_every_other_route_is_answered_as_mlflow_does(doubling: Pair, method: str, path: str):
    theirs, ours = (client.request(method, path, follow_redirects=False) for client in (doubling.theirs, doubling.ours))
    assert (ours.status_code, ours.headers.get("content-type")) == (
        theirs.status_code,
        theirs.headers.get("content-type"),
    )
    if path in ("/ping", "/version") or ours.status_code >= 400:
        assert ours.text == theirs.text


def test_the_differences_are_those_that_are_written_down(doubling: Pair):
    assert len(DIFFERENCES) <= 8
    shown = {request.differs: doubling.answers(request.body, request.content_type) for request in REQUESTS}
    theirs, ours = shown[0]
    assert (theirs.status_code, ours.status_code) == (500, 415)
    theirs, ours = shown[2]
    assert ("NaN" in theirs.text, "NaN" in ours.text) == (True, False)
    theirs, ours = shown[3]
    assert (theirs.status_code, ours.status_code, code(ours)[2]) == (200, 400, "SCHEMA_ENFORCEMENT_FAILED")
    theirs, ours = shown[5]
    assert (theirs.status_code, ours.status_code) == (415, 200)


def test_an_error_repeats_nothing_of_the_input_and_shows_no_code(doubling: Pair):
    for request in REQUESTS:
        body = request.body.replace(b'"x"', b'"SECRET"').replace(b"x,2", b"SECRET,2").replace(b"oops", b"SECRET")
        _, ours = doubling.answers(body.replace(b"more", b"SECRET"), request.content_type)
        assert "SECRET" not in ours.text
        assert "Traceback" not in ours.text
        assert ".py" not in ours.text


def test_params_that_nobody_knows_are_named_in_a_header(doubling: Pair):
    body = json.dumps({"inputs": {"a": [1.0], "b": [2]}, "params": {"horizon": 2, "nope": 1}}).encode()
    _, ours = doubling.answers(body, "application/json")
    assert json.loads(ours.headers["x-ignored-params"]) == ["nope"]


def test_what_is_quick_is_answered_without_a_frame(trees: Pair, classes: Pair, forecasts: Pair, ridge: Pair):
    assert isinstance(trees.scorer, RowModel)
    assert isinstance(classes.scorer, RowModel)
    assert isinstance(forecasts.scorer, ForecastModel)
    assert not isinstance(ridge.scorer, RowModel | ForecastModel)
    body = json.dumps({"dataframe_split": {"columns": ["b", "n", "a"], "data": [[0.5, 1, None]]}}).encode()
    quick = trees.scorer.inline(body, "application/json")
    assert quick is not None
    assert json.loads(quick.body) == parsed(trees.answers(body, "application/json")[0])


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-5, 5).map(lambda value: round(value, 3)),
    st.integers(-9, 9),
    st.integers(-(2**70), 2**70),
    st.none(),
    st.booleans(),
    st.sampled_from(["1.5", "x", "", "2", "nan", " 3 "]),
)
NAMES = ("a", "n", "b")


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """A table in any format, most of them right."""
    columns = draw(st.one_of(st.permutations(NAMES), st.lists(st.sampled_from([*NAMES, "z"]), max_size=4)))
    good = draw(st.booleans())
    value = st.floats(-5, 5) if good else VALUES
    cells = {name: st.integers(-9, 9) if good and name == "n" else value for name in {*columns}}
    rows = [[draw(cells[name]) for name in columns] for _ in range(draw(st.integers(0, 4)))]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    lists = {name: [row[place] for row in rows] for place, name in enumerate(columns)}
    document = draw(
        st.sampled_from(
            [
                {"dataframe_split": {"columns": columns, "data": rows}},
                {"dataframe_records": records},
                {"inputs": records},
                {"instances": records},
                {"inputs": lists},
            ]
        )
    )
    extra = draw(st.sampled_from([{}, {}, {"params": None}, {"params": {}}, {"params": {"k": 1}}, {"more": 1}]))
    return document | extra


def fraction(document: Mapping[str, Any]) -> bool:
    """Whether there is a fraction in the column of whole numbers, which is refused here."""
    return any(
        name == "n" and isinstance(value, float) and value % 1 != 0
        for key in ("dataframe_split", "dataframe_records", "inputs", "instances")
        for name, value in cells_of(document.get(key))
    )


def cells_of(table: Any) -> Iterator[tuple[Any, Any]]:
    match table:
        case {"columns": columns, "data": data}:
            yield from ((name, value) for row in data for name, value in zip(columns, row, strict=True))
        case dict():
            yield from ((name, value) for name, values in table.items() for value in values)
        case list():
            yield from (cell for row in table for cell in row.items())


@given(document=tables())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_table_gets_mlflows_predictions(trees: Pair, document: dict[str, Any]):
    assume(not fraction(document))
    check_same(*trees.answers(json.dumps(document).encode(), "application/json"))


@given(document=tables())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
def test_any_table_gets_mlflows_predictions_of_a_foreign_model(ridge: Pair, document: dict[str, Any]):
    check_same(*ridge.answers(json.dumps(document).encode(), "application/json"))


CALLED = st.sampled_from([3, 4, 5, "3", "4", "R1", "R2 · glass", "nobody", 9, True, None, 4.0])
PARAMS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "horizon": st.sampled_from([1, 7, 14, 15, 0, -1, "7", 7.0, True, None]),
            "levels": st.sampled_from([[80], [50, 90], [], [80, 80], [0], [80.0], 80, None]),
            "decompose": st.booleans(),
            "nope": st.just(1),
        },
    ),
)


@given(
    called=st.lists(CALLED, max_size=3), params=PARAMS, form=st.sampled_from(["split", "records", "inputs", "lists"])
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_request_for_forecasts_gets_mlflows(forecasts: Pair, called: list[Any], params: Any, form: str):
    document: dict[str, Any] = {
        "split": {"dataframe_split": {"columns": ["series_id"], "data": [[name] for name in called]}},
        "records": {"dataframe_records": [{"series_id": name} for name in called]},
        "inputs": {"inputs": [{"series_id": name} for name in called]},
        "lists": {"inputs": {"series_id": called}},
    }[form]
    if params is not None:
        document["params"] = params
    check_same(*forecasts.answers(json.dumps(document).encode(), "application/json"))
