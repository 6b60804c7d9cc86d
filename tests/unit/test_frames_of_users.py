"""Frames as people have them give the same forecasts, bit for bit, and come back as they were: by every kind."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from mlops import KINDS, forecaster, load
from mlops.errors import BadInput
from mlops.evaluation.backtest import backtest
from mlops.forecasting.base import Forecaster
from mlops.forecasting.whatif import what_if
from mlops.monitoring import MonitorSpec, fit_monitor
from mlops.tables import as_pandas

DAYS = 70
PARAMS: dict[str, Any] = {"lightgbm": {"trees": 5}, "auto": {"settings": {"lightgbm": {"trees": 5}}}}
MINE = {"series_id": "shop", "ds": "date", "y": "sales"}
SAID = {"id_col": "shop", "time_col": "date", "target_col": "sales"}
TO: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "polars lazily": lambda frame: pl.from_pandas(frame).lazy(),
    "Arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "pandas on Arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "nullable pandas": lambda frame: frame.convert_dtypes(),
}
IDS: dict[str, Callable[[pd.Series], Any]] = {
    "text": lambda ids: ids,
    "categories": lambda ids: ids.astype("category"),
    "strings": lambda ids: ids.astype("string"),
}


def series(ids: tuple[Any, ...] = ("a", "b")) -> pd.DataFrame:
    random, ds = np.random.default_rng(3), pd.date_range("2024-01-01", periods=DAYS)
    y = 50 + 20 * (ds.dayofweek < 5) + random.normal(0, 3, (len(ids), DAYS))
    parts = [pd.DataFrame({"series_id": name, "ds": ds, "y": row}) for name, row in zip(ids, y, strict=True)]
    return pd.concat(parts, ignore_index=True)


def plainly(found: Any) -> pd.DataFrame:
    """As the library calls it, with numpy's types."""
    frame = as_pandas(found).rename(columns={name: one for one, name in MINE.items()})
    frame = frame.rename(columns={"unique_id": "series_id"})
    times = {name: frame[name].astype("datetime64[ns]") for name in ("ds", "cutoff") if name in frame}
    ids = {"series_id": frame["series_id"].astype(object)} if "series_id" in frame else {}
    return frame.assign(**times, **ids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_forecasts_the_same_of_a_frame_of_polars_with_other_names_and_in_another_order(
    kind: str, tmp_path: Path
):
    expected = forecaster(kind)(**PARAMS.get(kind, {})).fit(series()).predict(7)
    given = pl.from_pandas(series().sample(frac=1, random_state=1).rename(columns=MINE))
    fitted = forecaster(kind)(**PARAMS.get(kind, {})).fit(given, **SAID)
    found = fitted.predict(7)
    assert isinstance(found, pl.DataFrame)
    assert found.columns[:3] == ["shop", "date", "cutoff"]
    assert found.schema["date"] == found.schema["cutoff"] == given.schema["date"]
    assert_frame_equal(plainly(found), expected)
    assert_frame_equal(plainly(fitted.predict(7, history=given)), expected)
    fitted.save(tmp_path)
    loaded = load(tmp_path)
    assert_frame_equal(plainly(loaded.predict(7)), expected)
    assert list(loaded.predict(7).columns[:2]) == ["shop", "date"]
    assert isinstance(loaded.predict(7, history=given), pl.DataFrame)
    assert list(fitted.explain(7).columns)[:4] == ["shop", "date", "cutoff", "y_hat"]
    assert list(fitted.decompose(7).columns)[:4] == ["shop", "date", "cutoff", "y_hat"]


@pytest.fixture(scope="module")
def naive() -> Forecaster:
    return forecaster("naive")().fit(series())


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(TO)),
    st.sampled_from(sorted(IDS)),
    st.integers(0, 99),
    st.sampled_from(["mine", "nixtla", "ours"]),
)
def test_whatever_the_kind_of_frame_its_ids_the_order_of_rows_and_the_names(
    frame: str, ids: str, seed: int, names: str
):
    called = {"mine": MINE, "nixtla": {"series_id": "unique_id"}, "ours": {}}[names]
    made = series().sample(frac=1, random_state=seed)
    made = TO[frame](made.assign(series_id=IDS[ids](made["series_id"])).rename(columns=called))
    fitted = forecaster("naive")().fit(made, **(SAID if names == "mine" else {}))
    found = fitted.predict(7)
    assert_frame_equal(plainly(found), forecaster("naive")().fit(series()).predict(7))
    assert type(found) is type(made) or (frame, type(found)) == ("polars lazily", pl.DataFrame)
    column = {**dict(zip(MINE, MINE, strict=True)), **called}["series_id"]
    if isinstance(made, pd.DataFrame):
        assert found[column].dtype == made[column].dtype


@pytest.mark.parametrize("ids", [(1, 2), (10**12, 3), ("a", "b")])
def test_ids_keep_their_type(ids: tuple[Any, ...]):
    found = forecaster("naive")().fit(pl.from_pandas(series(ids))).predict(2)
    assert found["series_id"].unique().sort().to_list() == sorted(ids)


def test_days_of_polars_stay_days():
    given = pl.from_pandas(series()).with_columns(pl.col("ds").cast(pl.Date))
    found = forecaster("naive")().fit(given).predict(2)
    assert found["ds"].to_list()[:2] == [date(2024, 3, 11), date(2024, 3, 12)]
    assert found.join(given.with_columns(ds=pl.col("ds").dt.offset_by("70d")), on=["series_id", "ds"]).height == 4


@pytest.mark.parametrize(
    "one",
    [
        series(("a",)).drop(columns="series_id"),
        series(("a",)).set_index("ds")["y"],
        series(("a",)).set_index("ds")["y"].rename("sales"),
        series(("a",)).set_index(pd.PeriodIndex(series(("a",))["ds"], freq="D"))["y"],
    ],
    ids=["frame", "series by time", "series with a name", "by periods"],
)
def test_a_single_series_needs_no_ids_and_gets_none(one: Any, tmp_path: Path):
    said = {"target_col": "sales"} if getattr(one, "name", "") == "sales" else {}
    fitted = forecaster("naive")().fit(one, **said)
    expected = forecaster("naive")().fit(series(("a",))).predict(3)
    found = fitted.predict(3)
    assert list(found.columns) == list(expected.columns[1:])
    np.testing.assert_array_equal(found["y_hat"], expected["y_hat"])
    fitted.save(tmp_path)
    assert_frame_equal(load(tmp_path).predict(3), found)
    assert_frame_equal(fitted.predict(3, history=one), found)


def test_ids_in_the_index_are_ids(naive: Forecaster):
    assert_frame_equal(forecaster("naive")().fit(series().set_index(["series_id", "ds"])).predict(3), naive.predict(3))


def test_a_history_of_one_series_without_ids_is_that_of_the_only_one_known(naive: Forecaster):
    one = forecaster("naive")().fit(series(("a",)))
    assert_frame_equal(one.predict(3, history=series(("a",)).drop(columns="series_id")), one.predict(3))
    with pytest.raises(BadInput, match="has no column series_id; the model knows 2 series"):
        naive.predict(3, history=series(("a",)).drop(columns="series_id"))


@pytest.mark.parametrize(
    ("frame", "said", "words"),
    [
        (series().rename(columns={"y": "sales"}), {}, "has no column y; expected series_id, ds, y, or the names"),
        (series(), {"id_col": "serie_id"}, r"has no column 'serie_id' \(id_col\); did you mean 'series_id'"),
        (series().assign(shop="x"), {"id_col": "shop"}, "both columns 'shop' and 'series_id'; drop or rename"),
        (series().drop(columns="series_id"), {}, "without a column series_id the frame is one series, but it has two"),
        (pd.concat([series(), series()["y"]], axis=1), {}, "has two columns 'y'; drop or rename one"),
        (series().assign(cutoff="x"), {"id_col": "cutoff"}, "id_col = 'cutoff' is also a column of results"),
        (series().assign(series_id=series()["series_id"].map({"a": 1, "b": "1"})), {}, "holds 1 and '1'; expected"),
        (series().assign(series_id=[("n", one) for one in series()["series_id"]]), {}, "turn them into text"),
        (series().assign(y=series()["y"] * 1j), {}, "y holds something that is no number: the type is complex128"),
        ([1, 2, 3], {}, "found list, which is no frame; expected one of pandas, polars or Arrow"),
        ("sales.csv", {}, "found str, which is no frame"),
    ],
    ids=[
        *("target", "typo", "two", "several series", "twice", "name of a result", "ids of two types", "tuples"),
        *("complex", "list", "path"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_do(frame: Any, said: dict[str, str], words: str):
    with pytest.raises(BadInput, match=words):
        forecaster("naive")().fit(frame, **said)


def test_a_backtest_and_a_what_if_speak_as_the_frame_does():
    given = pl.from_pandas(series().rename(columns=MINE))
    cutoffs = [pd.Timestamp("2024-02-20"), pd.Timestamp("2024-02-27")]
    found = backtest("naive", {}, given, cutoffs, 7, **SAID)
    assert isinstance(found, pl.DataFrame)
    assert_frame_equal(plainly(found), backtest("naive", {}, series(), cutoffs, 7))
    strike = [{"name": "strike", "start": pd.Timestamp("2024-03-13")}]
    fitted = forecaster("smoothing")().fit(given, **SAID)
    assert list(what_if(fitted, 7, events=strike).columns)[:3] == ["shop", "date", "cutoff"]
    asked = what_if(fitted, 7, history=given, events=strike)
    assert_frame_equal(
        plainly(asked), what_if(forecaster("smoothing")().fit(series()), 7, events=strike), check_like=True
    )


def test_a_monitor_takes_frames_of_polars():
    rows = series(("a", "b")).assign(y_hat=lambda frame: frame["y"].mean(), x=1.0)
    rows = pd.concat([rows.assign(ds=rows["ds"] + pd.Timedelta(days=DAYS * part)) for part in range(3)])
    spec = MonitorSpec("ds", "series_id", ("x",), (), "y", "y_hat")
    history, week = rows[rows["ds"] < "2024-07-15"], rows[rows["ds"] >= "2024-07-15"].head(14)
    expected = fit_monitor(history, spec).check(week)
    assert repr(fit_monitor(pl.from_pandas(history), spec).check(pl.from_pandas(week))) == repr(expected)
