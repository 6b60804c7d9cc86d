"""Transformations: texts and what they compute, against pandas and plain loops; where an array begins is no matter."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import BadInput, UnknownName
from mlops.feature_store.build import on_holiday
from mlops.features import feature
from mlops.features import transformations as t
from mlops.features.cells import Cells, fold
from mlops.features.grid import from_frame
from mlops.features.transformations import TRANSFORMATIONS, Transformation, parse_transformation, reach
from mlops.panels.calendar import Calendar

DS = pd.date_range("2024-01-01", periods=60)
gaps = st.lists(st.floats(-1e9, 1e9) | st.just(np.nan) | st.just(0.0), min_size=2, max_size=60)


def of(values: list[float], *wanted: Transformation | str, series: int = 1) -> pd.DataFrame:
    """The features of one series, on the days that it has a value for; columns are numbered."""
    frame = pd.DataFrame({"series_id": series, "ds": DS[: len(values)], "y": values})
    return from_frame(frame, [a_feature(f"x{place}", one) for place, one in enumerate(wanted)])


def a_feature(name: str, transformation: Transformation | str):
    return feature(name, transformation=transformation, source="collection_weight", owner="tests", description="")


def expected(values: list[float], function) -> np.ndarray:
    """What pandas says of a series with its gaps, one step before each value that there is."""
    whole = pd.Series(values, dtype=float)
    return function(whole).shift(1)[whole.notna()].to_numpy()


PANDAS = {
    "lag(1)": lambda y: y,
    "rolling_mean(5)": lambda y: y.rolling(5, min_periods=1).mean(),
    "rolling_mean(5, min_count=3)": lambda y: y.rolling(5, min_periods=3).mean(),
    "rolling_sum(6)": lambda y: y.rolling(6, min_periods=1).sum(),
    "rolling_std(7)": lambda y: y.rolling(7, min_periods=2).apply(lambda v: np.nanstd(v, ddof=1)),
    "rolling_min(3)": lambda y: y.rolling(3, min_periods=1).min(),
    "rolling_max(4)": lambda y: y.rolling(4, min_periods=1).max(),
    "rolling_median(5)": lambda y: y.rolling(5, min_periods=1).median(),
    "rolling_quantile(6, 0.3)": lambda y: y.rolling(6, min_periods=1).quantile(0.3),
    "difference(3)": lambda y: y - y.shift(3),
    "expanding_mean": lambda y: y.expanding(1).mean(),
    "ewm_mean(alpha=0.3)": lambda y: y.ewm(alpha=0.3).mean(),
    "ewm_mean(halflife=4)": lambda y: y.ewm(halflife=4).mean(),
    "seasonal_lag(7)": lambda y: y.shift(6),
    "seasonal_rolling_mean(7, 3)": lambda y: pd.concat([y, y.shift(7), y.shift(14)], axis=1).mean(axis=1),
    "share_missing(4)": lambda y: 1 - y.notna().astype(float).rolling(4, min_periods=1).sum() / 4,
}


@pytest.mark.parametrize("text", PANDAS)
@settings(max_examples=examples(25), deadline=None)
@given(values=gaps.filter(lambda values: not np.isnan(values).all()))
def test_what_pandas_says(text: str, values: list[float]):
    begin = int(np.flatnonzero(~np.isnan(values))[0])  # a series begins with its first value
    scale = np.nanmax(np.abs(values)) + 1
    np.testing.assert_allclose(
        of(values, text)["x0"].to_numpy()[1:] / scale,
        expected(values, PANDAS[text])[1:] / scale,
        atol=1e-7 if "std" in text else 1e-9,
        err_msg=str(begin),
    )


@settings(max_examples=examples(40), deadline=None)
@given(window=st.integers(1, 40), stride=st.integers(1, 4), seed=st.integers(0, 9))
def test_a_window_is_put_together_from_all_of_its_steps_once(window: int, stride: int, seed: int):
    values = np.random.default_rng(seed).integers(0, 1000, (2, (window - 1) * stride + 9)).astype(float)
    (found,) = fold((values,), window, lambda older, newer: (older[0] + newer[0],), stride)
    ends = range((window - 1) * stride, values.shape[1])
    plain = [values[:, [end - stride * back for back in range(window)]].sum(axis=1) for end in ends]
    np.testing.assert_array_equal(found, np.stack(plain, axis=1))


@pytest.mark.parametrize("name", ["rolling_mean", "rolling_sum", "rolling_std", "rolling_median", "rolling_max"])
@settings(max_examples=examples(25), deadline=None)
@given(seed=st.integers(0, 99), cut=st.integers(1, 60), missing=st.sets(st.integers(0, 99), max_size=5))
def test_where_an_array_begins_is_no_matter(name: str, seed: int, cut: int, missing: set[int]):
    whole = np.random.default_rng(seed).normal(1000, 300, (2, 100))
    whole[1, sorted(missing)] = np.nan
    kernel = TRANSFORMATIONS[name].function
    part = kernel(Cells(whole[:, cut:]), 8)
    alone = kernel(Cells(whole[:1]), 8)
    found = kernel(Cells(whole), 8)
    assert part.tobytes() == np.ascontiguousarray(found[:, cut:]).tobytes()
    assert alone.tobytes() == found[:1].tobytes(), "nor is who else is in it"


def test_a_spread_keeps_its_digits_far_from_zero():
    values = [1e9 + one for one in (1, 2, 3, 4, 5, 6, 7, 8)]
    assert of(values, t.rolling_std(7))["x0"].iloc[-1] == pytest.approx(np.std(range(7), ddof=1), rel=1e-9)


def test_steps_since_something_happened():
    found = of([5, 0, 0, np.nan, 2, 0], t.steps_since_nonzero(most=9), t.steps_since_observed(most=9))
    assert found["x0"].tolist() == [9, 0, 1, 3, 0]
    assert found["x1"].tolist() == [9, 0, 0, 1, 0]


def test_a_ratio_by_zero_can_not_be_told():
    found = of([0.0, 1.0, 4.0, 5e-324, 1.0], t.ratio(t.lag(1), t.lag(2)), "ratio(lag(1), lag(1))")
    assert found["x0"].tolist() == pytest.approx([np.nan, np.nan, np.nan, 4, 0], nan_ok=True, abs=1e-300)
    assert found["x1"].tolist() == pytest.approx([np.nan, np.nan, 1, 1, 1], nan_ok=True)


def test_the_calendar_of_the_rows_own_time():
    values = [1.0] * 60
    found = of(values, t.day_of_week(), t.month(), t.day_of_year(), t.day_of_month(), t.hour())
    assert found.iloc[31][["x0", "x1", "x2", "x3", "x4"]].tolist() == [3, 2, 32, 1, 0]


def test_holidays_and_the_steps_to_and_from_them():
    found = of([1.0] * 40, t.holiday("US"), t.steps_to_holiday("US"), t.steps_since_holiday("US", most=5))
    assert found["ds"][found["x0"] > 0].tolist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-15")]
    assert found["x1"].iloc[[0, 1, 12, 15, 33]].tolist() == [0, 13, 2, 14, 14]
    assert found["x2"].iloc[[0, 1, 4, 5, 6, 15]].tolist() == [0, 1, 4, 5, 5, 1]


@pytest.mark.parametrize(
    ("granularity", "times", "found"),
    [
        ("hourly", ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 03:00"], [np.nan, 1, np.nan]),
        ("weekly", ["2024-01-07", "2024-01-14", "2024-01-28"], [np.nan, 1, np.nan]),
        ("monthly", ["2023-12-01", "2024-01-01", "2024-02-01"], [np.nan, 1, 2]),
    ],
)
def test_steps_are_those_of_the_granularity(granularity: str, times: list[str], found: list[float]):
    frame = pd.DataFrame({"series_id": 1, "ds": pd.to_datetime(times), "y": [1.0, 2.0, 3.0]})
    made = from_frame(frame, [a_feature("x", t.lag(1))], granularity)
    assert made["x"].tolist() == pytest.approx(found, nan_ok=True)


@pytest.mark.parametrize("one", GRANULARITIES.values(), ids=str)
def test_a_lag_is_one_step_of_every_granularity(one: Granularity):
    first = one.number(np.array(["2023-11-20"], dtype="datetime64[us]"))
    times = one.start(first + np.array([0, 1, 2, 4]))
    frame = pd.DataFrame({"series_id": 1, "ds": times, "y": [1.0, 2.0, 3.0, 5.0]})
    made = from_frame(frame, [a_feature("x", t.lag(1)), a_feature("since", t.steps_since_observed())], one.name)
    assert made["x"].tolist() == pytest.approx([np.nan, 1, 2, np.nan], nan_ok=True)
    assert made["since"].tolist()[1:] == [0, 0, 1]


@pytest.mark.parametrize("alias", ["W-MON", "W-TUE", "W-WED", "W-THU", "W-FRI", "W-SAT", "W-SUN"])
def test_christmas_is_in_the_week_that_the_series_itself_has(alias: str):
    own = pd.DataFrame({"series_id": 1, "ds": pd.date_range("2023-11-20", periods=8, freq=alias), "y": 1.0})
    other = pd.DataFrame({"series_id": 2, "ds": pd.date_range("2023-11-20", periods=8, freq="W-MON"), "y": 1.0})
    wanted = [a_feature("holiday", t.holiday("DE")), a_feature("weekday", t.day_of_week())]
    made = from_frame(pd.concat([own, other]), wanted, "weekly")
    mine = made[made["series_id"] == 1]
    days = pd.to_datetime(["2023-12-25", "2023-12-26", "2024-01-01"])
    for ds, found in zip(mine["ds"], mine["holiday"], strict=True):
        assert found == ((days >= ds) & (days < ds + pd.Timedelta(days=7))).sum(), ds
    assert set(mine["weekday"]) == {own["ds"].iloc[0].dayofweek}


@pytest.mark.parametrize("one", GRANULARITIES.values(), ids=str)
def test_a_step_is_a_holiday_when_a_named_day_is_in_it_whatever_the_order_of_rows(one: Granularity):
    at = np.array(["2023-12-23T10:30"], dtype="datetime64[us]")
    starts = one.start(one.number(at) + np.array([3, 0, 1, 1, -1, 2]))
    calendar = Calendar.of("DE")
    flags = on_holiday(starts, one, calendar)
    assert (flags == (calendar.count(pd.DatetimeIndex(starts), one) > 0)).all()
    assert not len(on_holiday(starts[:0], one, calendar))


def test_a_frame_may_come_in_any_order():
    frame = pd.DataFrame({"series_id": np.repeat(["b", "a"], 30), "ds": [*DS[:30], *DS[:30]], "y": range(60)})
    wanted = [a_feature("x", t.rolling_mean(3))]
    pd.testing.assert_frame_equal(from_frame(frame, wanted), from_frame(frame.sample(frac=1, random_state=1), wanted))


SAID = {
    "value": "value",
    "lag(3)": "lag(n=3)",
    "seasonal_lag(7)": "seasonal_lag(season=7, n=1)",
    "rolling_mean(28)": "rolling_mean(window=28, lag=1)",
    "rolling_mean( window = 28,lag=2, min_count=7)": "rolling_mean(window=28, min_count=7, lag=2)",
    "ewm_mean(halflife=7)": "ewm_mean(halflife=7.0, lag=1)",
    "ratio(lag(1), rolling_mean(28, of='revenue'))": (
        'ratio(top=lag(n=1), bottom=rolling_mean(window=28, lag=1, of="revenue"))'
    ),
    "label('stream', ('glass', 'paper'))": 'label(key="stream", categories=["glass", "paper"])',
    "holiday('NZ')": 'holiday(country="NZ")',
}


@pytest.mark.parametrize(("written", "canonical"), SAID.items(), ids=SAID)
def test_the_canonical_text_says_everything_and_reads_back(written: str, canonical: str):
    assert str(parse_transformation(written)) == canonical
    assert parse_transformation(canonical) == parse_transformation(written)


REFUSED = {
    "rolling_men(3)": "unknown transformation 'rolling_men'; did you mean 'rolling_mean'?",
    "rolling_mean(0)": "window=0 of rolling_mean can't be taken; expected a whole number from 1",
    "rolling_mean()": "rolling_mean needs window; write rolling_mean(window=…)",
    "rolling_mean(3, min_count=4)": "rolling_mean can't find min_count=4 values in window=3",
    "rolling_mean(3, width=4)": "rolling_mean takes window, min_count, lag, of, across; found width",
    "lag(True)": "n=True of lag can't be taken",
    "lag(1 + 1)": "'1 + 1' in 'lag(1 + 1)' is not a number, text or list of texts",
    "ewm_mean()": "ewm_mean takes either alpha or halflife; give one of them",
    "ewm_mean(alpha=2)": "expected a number above 0, at most 1",
    "label('a', [])": "expected a list of different texts",
    "ratio(1, lag(1))": "top=1 of ratio can't be taken; expected a transformation",
    "rolling_mean(": "is not a transformation; expected one like rolling_mean(window=28)",
    "__import__('os')": "unknown transformation '__import__'",
}


@pytest.mark.parametrize(("written", "words"), REFUSED.items(), ids=REFUSED)
def test_what_is_no_transformation_is_told(written: str, words: str):
    with pytest.raises((BadInput, UnknownName)) as refused:
        parse_transformation(written)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("lag(3)", 3),
        ("rolling_mean(7)", 7),
        ("ratio(lag(1), difference(7, lag=2))", 9),
        ("seasonal_rolling_mean(7, 4)", 22),
        ("month", 0),
        ("expanding_mean", None),
    ],
)
def test_how_far_a_transformation_looks_back(text: str, steps: int | None):
    assert reach(parse_transformation(text)) == steps
