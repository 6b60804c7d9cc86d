"""Profiles of features: the laws that every profile keeps, and cases whose answer is known."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.campaign import examples

from mlops.cli.output import plain
from mlops.domain.features import FeatureDefinition
from mlops.domain.profiles import FeatureProfile, Limits, Window, below
from mlops.errors import BadInput
from mlops.feature_store.histogram import edges, histogram, sparkline
from mlops.feature_store.profile import feature_profiles

AS_OF = datetime(2024, 3, 4, tzinfo=UTC)
WINDOW = Window.before(AS_OF, 28)
QUALITIES = ("completeness", "accuracy", "consistency", "freshness")


def definition(name: str = "value", dtype: str = "float64", granularity: str = "daily") -> FeatureDefinition:
    return FeatureDefinition(name, dtype, "series", granularity, ("collection_weight",), "as it is", "data", "a test")


def frame(days: int = 84, series: int = 3, value: Callable[[pd.DatetimeIndex, int], Any] | None = None) -> pd.DataFrame:
    """Days until the end of the window of some series."""
    ds = pd.date_range(end="2024-03-03", periods=days, freq="D")
    make = value or (lambda ds, number: 100.0 * number + ds.dayofweek)
    return pd.concat(
        [pd.DataFrame({"series_id": number, "ds": ds, "value": make(ds, number)}) for number in range(series)]
    )


def one(rows: pd.DataFrame, **options: Any) -> FeatureProfile:
    return feature_profiles(rows, [options.pop("definition", definition())], WINDOW, AS_OF, **options)[0]


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, -1.0, np.nan])
frames = st.builds(
    lambda series, days, values, drop: pd.DataFrame(
        {
            "series_id": series,
            "ds": pd.Timestamp("2024-03-04") - pd.to_timedelta(days, unit="D"),
            "value": values,
        }
    ).iloc[drop:],
    arrays.arrays(np.int64, 60, elements=st.integers(0, 3)),
    arrays.arrays(np.int64, 60, elements=st.integers(-3, 60)),
    arrays.arrays(np.float64, 60, elements=numbers),
    st.integers(0, 60),
)


@settings(max_examples=examples(60), deadline=None)
@given(frames, st.sampled_from(["float64", "float32", "int64", "bool", "category"]))
def test_whatever_the_numbers_the_laws_hold(rows: pd.DataFrame, dtype: str):
    found = one(rows, definition=definition(dtype=dtype))
    values = found.distribution
    shares = [getattr(found.quality, name) for name in (*QUALITIES, "unique", "typed", "steady", "repeated")]
    assert all(0 <= share <= 1 for share in shares if share is not None)
    assert sum(values.counts) == values.count
    assert 0 <= values.missing <= found.expected
    assert values.infinite <= values.count
    quantiles = [values.quantiles[key] for key in sorted(values.quantiles, key=float)]
    assert quantiles == sorted(quantiles)
    if quantiles and values.min is not None:
        assert values.min <= quantiles[0]
        assert quantiles[-1] <= values.max
    assert found.pattern.autocorrelation is None or -1 <= found.pattern.autocorrelation <= 1
    json.dumps(plain(found), allow_nan=False)
    assert list(below(found, Limits(0, 0, 0, 0))) == []


@settings(max_examples=examples(40), deadline=None)
@given(frames, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_is_of_no_account(rows: pd.DataFrame, random: Any):
    order = list(range(len(rows)))
    random.shuffle(order)
    assert one(rows) == one(rows.iloc[order])


@settings(max_examples=examples(60), deadline=None)
@given(arrays.arrays(np.float64, st.integers(0, 40), elements=st.floats(allow_nan=False)))
def test_edges_rise_and_every_value_has_one_bin(values: np.ndarray):
    laid = edges(values)
    assert list(laid) == sorted(set(laid))
    assert sum(histogram(np.sort(values), laid)) == len(values)


def test_a_complete_window_is_good_in_all_four():
    found = one(frame())
    assert [getattr(found.quality, name) for name in QUALITIES] == [1.0] * 4
    assert (found.expected, found.distribution.count, found.distribution.missing) == (84, 84, 0)
    assert found.quality.newest == datetime(2024, 3, 3, tzinfo=UTC)
    assert found.quality.age_steps == 0
    assert list(below(found, Limits())) == []


def test_missing_days_and_silent_series_lower_completeness():
    rows = frame(series=4)
    gone = ((rows["series_id"] == 0) & (rows["ds"] >= "2024-02-26")) | (
        (rows["series_id"] == 1) & (rows["ds"] >= "2024-02-01")
    )
    found = one(rows[~gone])
    assert found.distribution.missing == 7 + 28
    assert found.quality.completeness == 1 - 35 / 112
    assert found.quality.freshness == 0.75, "one series is silent for more than the week that its metric type allows"


def test_a_weekday_on_which_nobody_ever_works_is_not_missed():
    rows = frame()
    assert one(rows[rows["ds"].dt.dayofweek != 6]).quality.completeness == 1
    some = rows[(rows["ds"].dt.dayofweek != 6) | (rows["series_id"] == 0)]
    assert one(some).quality.completeness == 1 - 2 * 4 / 84


def test_values_out_of_bounds_are_inaccurate():
    rows = frame()
    rows.iloc[-1, 2], rows.iloc[-2, 2] = -5.0, np.inf
    found = one(rows)
    assert found.quality.bounds == (0, None), "those of the metric type"
    assert found.quality.accuracy == 1 - 2 / 84
    assert found.distribution.infinite == 1
    assert list(below(found, Limits(accuracy=1))) == [
        "accuracy 97.6% is below 100%: expected finite values from 0; found -5 to 206, 1 infinite"
    ]


def test_two_values_for_one_key_are_inconsistent_and_a_repeated_one_is_not():
    rows = frame()
    again = pd.concat([rows, rows.tail(1)])
    assert one(again).quality.unique == 1
    found = one(pd.concat([rows, rows.tail(1).assign(value=7.0)])).quality
    assert found.unique == found.consistency == 1 - 2 / 85


def test_a_series_that_is_not_what_it_was_is_inconsistent():
    doubled = frame(
        value=lambda ds, number: (10.0 + ds.dayofweek) * np.where((ds >= "2024-02-05") & (number == 1), 9, 1)
    )
    found = one(doubled).quality
    assert found.steady == found.consistency == pytest.approx(2 / 3)
    young = doubled[doubled["ds"] >= "2024-02-01"]
    assert one(young).quality.steady == 1, "with 4 days of history there is nothing to differ from"


@pytest.mark.parametrize(
    ("dtype", "values", "typed"),
    [("int64", [1, 2.5], 0.5), ("bool", [0, 2], 0.5), ("float32", [1.0, 1e300], 0.5), ("float64", ["1.5", "text"], 0.5),
     ("category", ["a", 3], 0.5), ("int8", [127, 128], 0.5)],
)  # fmt: skip
def test_values_of_another_dtype_are_inconsistent(dtype: str, values: list[object], typed: float):
    rows = pd.DataFrame({"series_id": 1, "ds": pd.to_datetime(["2024-03-01", "2024-03-02"]), "value": values})
    found = one(rows, definition=definition(dtype=dtype))
    assert found.quality.typed == typed
    assert found.distribution.count == 1, "what is not of the dtype is not counted with"


def test_a_build_that_says_otherwise_is_inconsistent():
    rows = frame()
    earlier = rows.assign(value=np.where(rows["ds"] == "2024-03-01", rows["value"] + 1, rows["value"]))
    assert one(rows, earlier=earlier.astype({"value": "float32"})).quality.repeated == 1 - 3 / 84
    assert one(rows, earlier=rows[rows["ds"] < "2024-02-01"]).quality.repeated == 1, "what was not built can't differ"


def test_nothing_later_than_as_of_is_looked_at():
    rows = frame()
    later = rows.tail(3).assign(ds=pd.to_datetime(["2024-03-04", "2024-03-05", "2024-03-06"]), value=-1e9)
    assert one(pd.concat([rows, later])) == one(rows)


def test_two_windows_compare_on_the_edges_of_the_first():
    before = one(frame())
    after = one(frame(value=lambda _, number: 1000.0 + number), edges={"value": before.distribution.edges})
    assert after.distribution.edges == before.distribution.edges
    assert after.distribution.counts[-1] == 84, "all are beyond the last edge"


def test_the_season_the_weekdays_and_the_trend_are_found():
    rising = frame(value=lambda ds, number: 10.0 * number + np.arange(len(ds)) * 0.5)
    assert one(rising).pattern.trend == pytest.approx(0.5)
    weekly = one(frame()).pattern
    assert weekly.autocorrelation == pytest.approx(1)
    assert weekly.by_weekday == pytest.approx(tuple(100.0 + day for day in range(7)))
    assert weekly.by_month[0] is not None
    assert weekly.by_month[6] is None
    assert weekly.by_hour == ()
    noise = np.random.default_rng(1)
    assert abs(one(frame(value=lambda ds, _: noise.normal(size=len(ds)))).pattern.autocorrelation) < 0.3


def test_categories_are_counted():
    rows = frame(value=lambda ds, _: np.where(ds.dayofweek < 5, "open", "closed"))
    found = one(rows, definition=definition(dtype="category"))
    assert found.distribution.top == (("open", 60), ("closed", 24))
    assert found.distribution.counts == (84,)
    assert found.quality.accuracy == 1


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(frame().iloc[:0], id="no rows at all"),
        pytest.param(frame()[lambda f: f["ds"] < "2024-01-01"], id="nothing in the window"),
        pytest.param(frame(value=lambda *_: np.nan), id="all missing"),
        pytest.param(frame(value=lambda *_: np.inf), id="all infinite"),
        pytest.param(frame(value=lambda *_: 5.0), id="constant"),
        pytest.param(frame(value=lambda ds, _: 1.7e308 * (-1) ** ds.day), id="the largest numbers"),
        pytest.param(frame().drop(columns="value"), id="no column"),
        pytest.param(frame(days=1, series=1), id="one value"),
        pytest.param(frame().assign(series_id="text"), id="every key three times"),
    ],
)
@pytest.mark.parametrize("granularity", ["hourly", "daily", "weekly", "monthly"])
def test_nothing_breaks_a_report(rows: pd.DataFrame, granularity: str):
    found = one(rows, definition=definition(granularity=granularity))
    json.dumps(plain(found), allow_nan=False)
    for sentence in below(found, Limits()):
        assert sentence
    assert len(sparkline(found.distribution.counts)) == len(found.distribution.counts)


def test_a_series_without_any_value_is_complete_in_nothing():
    found = one(frame(value=lambda *_: np.nan))
    assert (found.quality.completeness, found.quality.accuracy, found.quality.freshness) == (0, None, 0)
    assert list(below(found, Limits())) == [
        "completeness 0.0% is below 95%: 84 of 84 values are missing",
        "freshness 0.0% is below 95%: there is no value, and it is 2024-03-04 00:00 UTC",
    ]


@pytest.mark.parametrize(
    ("granularity", "freq", "days", "steps"),
    [("hourly", "h", 7, 168), ("weekly", "W-MON", 28, 4), ("monthly", "MS", 365, 12)],
)
def test_each_granularity_counts_its_own_steps(granularity: str, freq: str, days: int, steps: int):
    ds = pd.date_range("2022-01-03", "2024-03-04", freq=freq, inclusive="left")
    rows = pd.DataFrame({"series_id": 1, "ds": ds, "value": 1.0})
    found = feature_profiles(rows, [definition(granularity=granularity)], Window.before(AS_OF, days), AS_OF)[0]
    assert (found.expected, found.quality.completeness, found.quality.freshness) == (steps, 1, 1)
    assert len(found.pattern.by_hour) == (24 if granularity == "hourly" else 0)


def test_few_whole_numbers_have_a_bin_each():
    assert edges(np.array([0.0, 1, 2, 3])) == (-0.5, 0.5, 1.5, 2.5, 3.5)
    assert edges(np.array([5.0, 9.0]), 0, 100)[:2] == (0, 5)
    assert sparkline((0, 1, 8)) == " ▁█"


@pytest.mark.parametrize("days", [0, -3])
def test_an_empty_window_is_refused(days: int):
    with pytest.raises(BadInput, match="one day or more"):
        feature_profiles(frame(), [definition()], Window.before(AS_OF, days), AS_OF)


def test_a_frame_without_keys_is_refused():
    with pytest.raises(BadInput, match="no column ds"):
        one(frame().rename(columns={"ds": "time"}))


def test_definitions_keep_their_order():
    rows = frame().assign(other=1.0)
    names = [
        found.name
        for found in feature_profiles(
            rows, [replace(definition(), name=name) for name in ("value", "other")], WINDOW, AS_OF
        )
    ]
    assert names == ["value", "other"]
