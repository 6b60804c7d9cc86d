"""A digest is the data's: every cell, name, type and row counts, and their order does not."""

import decimal

import hypothesis.extra.pandas as frames
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.errors import BadInput
from mlops.feature_store.digest import Fingerprint, digest, fingerprint

TIMES = st.datetimes(pd.Timestamp("1965-01-01"), pd.Timestamp("2035-01-01")).map(lambda time: time.replace(minute=0))
LONG = frames.data_frames(
    [
        frames.column("series_id", dtype="int64", elements=st.integers(-3, 3)),
        frames.column("ds", dtype="datetime64[ns]", elements=TIMES.map(pd.Timestamp)),
        frames.column("y", dtype="float64", elements=st.floats(-10, 10) | st.just(np.nan)),
        frames.column("rain", dtype="float32", elements=st.floats(0, 1, width=32)),
        frames.column("open", dtype="bool"),
        frames.column("label", elements=st.sampled_from(["a", "b", "", None, "NaN"]), dtype=object),
    ],
    index=frames.range_indexes(min_size=1, max_size=12),
)
OTHER = {
    "series_id": lambda value: value + 7,
    "ds": lambda value: value + pd.Timedelta(hours=1),
    "y": lambda value: 0.5 if np.isnan(value) else np.nextafter(value, np.inf),
    "rain": lambda value: np.float32(value - 2),
    "open": lambda value: not value,
    "label": lambda value: "c" if value != "c" else None,
}


@settings(max_examples=examples(40), deadline=None)
@given(frame=LONG, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_does_not_count(frame: pd.DataFrame, random):
    rows, columns = list(range(len(frame))), list(frame.columns)
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = frame.iloc[rows][columns]
    assert digest(shuffled) == digest(frame)
    assert digest(shuffled.drop(columns="ds")) == digest(frame.drop(columns="ds")), "without keys, too"


@settings(max_examples=examples(40), deadline=None)
@given(frame=LONG, data=st.data())
def test_any_changed_cell_is_another_digest(frame: pd.DataFrame, data):
    row, name = data.draw(st.integers(0, len(frame) - 1)), data.draw(st.sampled_from(list(OTHER)))
    changed = frame.copy()
    changed.loc[row, name] = OTHER[name](frame.loc[row, name])
    assert digest(changed) != digest(frame)
    if name != "ds":
        assert digest(changed.drop(columns="ds")) != digest(frame.drop(columns="ds"))


@settings(max_examples=examples(40), deadline=None)
@given(frame=LONG, data=st.data())
def test_a_row_a_name_or_a_type_less_or_other_is_another_digest(frame: pd.DataFrame, data):
    row, name = data.draw(st.integers(0, len(frame) - 1)), data.draw(st.sampled_from(list(OTHER)))
    assert digest(frame.drop(index=row)) != digest(frame)
    assert digest(pd.concat([frame, frame.iloc[[row]]])) != digest(frame), "a row twice is not a row once"
    assert digest(frame.rename(columns={name: name + "_"})) != digest(frame)
    assert digest(frame.drop(columns=name)) != digest(frame)
    assert digest(frame.astype({"rain": "float64"})) != digest(frame)


@settings(max_examples=examples(40), deadline=None)
@given(frame=LONG, data=st.data())
def test_a_change_is_found_in_its_series_and_month(frame: pd.DataFrame, data):
    row = data.draw(st.integers(0, len(frame) - 1))
    changed = frame.copy()
    changed.loc[row, "y"] = OTHER["y"](frame.loc[row, "y"])
    before, after = fingerprint(frame).parts, fingerprint(changed).parts
    other = before[before["sha256"] != after["sha256"]]
    assert other[["series_id", "month"]].to_numpy().tolist() == [
        [frame.loc[row, "series_id"], f"{frame.loc[row, 'ds']:%Y-%m}"]
    ]


@settings(max_examples=examples(40), deadline=None)
@given(frame=LONG)
def test_the_parts_prove_themselves_by_the_digest(frame: pd.DataFrame):
    found = fingerprint(frame)
    assert Fingerprint(found.columns, found.parts.copy()).sha256 == found.sha256
    assert found.rows == len(frame)
    assume(len(found.parts) > 1)
    assert Fingerprint(found.columns, found.parts.iloc[1:]).sha256 != found.sha256


def test_blocks_are_seams_that_nobody_sees(monkeypatch: pytest.MonkeyPatch):
    frame = pd.DataFrame(
        {
            "series_id": np.repeat([1, 2], 50),
            "ds": [*pd.date_range("2020-01-01", periods=50)] * 2,
            "y": np.arange(100.0),
        }
    )
    whole, keyless = digest(frame), digest(frame[["y"]])
    monkeypatch.setattr("mlops.feature_store.digest.BLOCK_ROWS", 7)
    assert (digest(frame), digest(frame[["y"]])) == (whole, keyless)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], ["1", "2"]),
        ([1, True], [1, 1]),
        (["a", None], ["a", "None"]),
        ([1.5, "x"], ["1.5", "x"]),
        ([{"a": 1}, None], [{"a": 2}, None]),
        ([b"a"], ["a"]),
        ([decimal.Decimal("1.0")], [decimal.Decimal("1.00")]),
    ],
    ids=str,
)
def test_values_of_objects_keep_their_types(one: list, other: list):
    frames_ = [pd.DataFrame({"x": pd.Series(values, dtype=object)}) for values in (one, other)]
    assert digest(frames_[0]) != digest(frames_[1])
    assert digest(frames_[0]) == digest(frames_[0].iloc[::-1])


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean", "string", "category", "int64[pyarrow]"])
def test_missing_is_a_value_of_its_own_in_every_type(dtype: str):
    values = {"boolean": [True, False, None], "string": ["0", "1", None], "category": ["0", "1", None]}
    column = pd.Series(values.get(dtype, [0, 1, None]), dtype=dtype)
    whole = pd.DataFrame({"x": column})
    assert digest(whole) == digest(whole.iloc[::-1])
    assert len({digest(whole.assign(x=column.where(column.index != row))) for row in range(3)}) == 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_time_is_the_same_in_every_unit_but_its_type_is_told(unit: str):
    times = pd.date_range("2020-01-01", periods=40)
    frame = pd.DataFrame({"series_id": 1, "ds": times, "y": 1.0})
    as_unit = frame.assign(ds=times.as_unit(unit))
    assert fingerprint(as_unit).parts.equals(fingerprint(frame).parts)
    assert (digest(as_unit) == digest(frame)) == (unit == "ns")
    zoned = frame.assign(ds=times.tz_localize("UTC"))
    assert fingerprint(zoned).parts.equals(fingerprint(frame).parts)
    assert digest(zoned) != digest(frame)


def test_all_not_a_numbers_are_one():
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64).view(float)
    assert digest(pd.DataFrame({"y": odd})) == digest(pd.DataFrame({"y": [np.nan, np.nan]}))


def test_what_has_no_lasting_text_is_refused():
    with pytest.raises(BadInput, match="column 'x' holds a object"):
        digest(pd.DataFrame({"x": [object()]}))
    with pytest.raises(BadInput, match="two columns are named 'x'"):
        digest(pd.DataFrame([[1, 2]], columns=["x", "x"]))


def test_frames_without_rows_differ_by_their_columns_alone():
    empty = pd.DataFrame({"series_id": np.array([], "int64"), "ds": np.array([], "datetime64[ns]"), "y": []})
    assert fingerprint(empty).rows == 0
    assert digest(empty) == digest(empty.copy()) != digest(empty[["y"]])
