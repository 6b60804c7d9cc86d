"""The table of granularities: steps that are numbers, pandas' aliases, and days in steps."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some

from mlops.domain.granularity import GRANULARITIES, Granularity, granularity_table, labels_ends, named

TIMES = some.datetimes(min_value=pd.Timestamp("1950-01-01"), max_value=pd.Timestamp("2100-01-01"))
ALL = pytest.mark.parametrize("one", GRANULARITIES.values(), ids=str)


@ALL
@given(at=TIMES, count=some.integers(1, 40))
def test_a_step_begins_at_or_before_its_times_and_steps_follow_one_another(one: Granularity, at: datetime, count: int):
    moment = np.array([at], dtype="datetime64[us]")
    begin, after = one.floor(moment), one.after(moment[0], count)
    assert begin[0] <= moment[0] < after[0]
    assert (one.number(after) - one.number(moment) == np.arange(1, count + 1)).all()
    assert (one.floor(after) == after).all()


@ALL
def test_steps_are_those_that_pandas_makes_of_the_alias(one: Granularity):
    first = one.floor(np.array(["2023-11-20T10:00"], dtype="datetime64[us]"))[0]
    ours = one.start(one.number(first) + np.arange(60))
    alias = "W-MON" if one.name == "weekly" else one.alias
    assert (ours == pd.date_range(first, periods=60, freq=alias).to_numpy().astype(ours.dtype)).all()


@pytest.mark.parametrize("alias", ["W-SUN", "W-SAT", "W-TUE", "QS-FEB", "QS-MAR", "YS-JUL"])
def test_an_anchor_is_read_written_and_found_in_the_times(alias: str):
    index = pd.date_range("2020-01-01", periods=30, freq=alias).to_numpy().astype("datetime64[us]")
    found = named(alias)
    assert found is not None
    assert str(found) == alias
    assert named(str(found)) == found == GRANULARITIES[found.name].anchored(index[0])
    assert (found.floor(index) == index).all()


def test_half_past_is_an_anchor_of_hours():
    half = GRANULARITIES["hourly"].anchored(np.datetime64("2024-01-01T00:30", "us"))
    assert half.anchor == 1_800
    assert named(str(half)) == half


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ME", "monthly"),
        ("M", "monthly"),
        ("QE-DEC", "quarterly"),
        ("Q", "quarterly"),
        ("YE", "yearly"),
        ("A", "yearly"),
    ],
)
def test_aliases_that_label_the_end_are_the_same_steps(text: str, name: str):
    assert named(text) == GRANULARITIES[name]
    assert labels_ends(text)


@pytest.mark.parametrize("text", ["6h", "2D", "W-FOO", "D-MON", "MS-FEB", "5min", "", "fortnightly"])
def test_anything_else_is_none(text: str):
    assert named(text) is None


def test_the_table_in_words_names_all():
    assert all(name in granularity_table() for name in GRANULARITIES)


@pytest.mark.parametrize(
    ("alias", "begins"), [("W-SUN", "2023-12-24"), ("W-MON", "2023-12-25"), ("W-TUE", "2023-12-19")]
)
def test_christmas_lies_in_the_week_that_begins_at_or_before_it(alias: str, begins: str):
    weeks = pd.date_range("2023-12-01", "2024-01-10", freq=alias)
    of = named(alias)
    assert of is not None
    found = of.per_step(weeks.to_numpy(), np.array(["2023-12-25"], dtype="datetime64[D]"))
    assert weeks[found > 0].tolist() == [pd.Timestamp(begins)]


@ALL
def test_every_day_lies_in_one_step(one: Granularity):
    starts = one.steps(np.datetime64("2021-01-01"), np.datetime64("2023-12-31"))
    days = np.arange("2021-03-01", "2022-03-01", dtype="datetime64[D]")
    counts = one.per_step(starts, days)
    if one.counted:
        assert counts.sum() == len(days)
    elif one.name == "business_daily":
        assert counts.sum() == np.is_busday(days).sum()
    else:
        assert counts.sum() == len(days) * round(1 / one.days)


@ALL
@given(at=TIMES, count=some.integers(-40, 40))
def test_a_time_moves_by_steps_and_keeps_its_place_in_them(one: Granularity, at: datetime, count: int):
    moment = one.floor(np.array([at], dtype="datetime64[us]")) + np.timedelta64(90, "s")
    moved = one.moved(moment, count)
    assert (one.number(moved) - one.number(moment) == count).all()
    assert (moved - one.floor(moved) == np.timedelta64(90, "s")).all()
    assert (one.moved(moved, np.array([-count])) == moment).all()


@ALL
def test_steps_of_every_anchor_begin_with_their_times(one: Granularity):
    first = one.floor(np.array(["2023-11-20"], dtype="datetime64[us]"))
    unit = np.timedelta64(1, "M") if one.months else np.timedelta64(1, "D" if one.dated else "s")
    for shift in range(0, one.anchors, max(one.anchors // 7, 1)):
        at = (first.astype("datetime64[M]") if one.months else first) + shift * unit
        anchored = replace(one, anchor=int(one.anchor_of(at.astype("datetime64[us]"))[0]))
        assert (anchored.floor(at) == at).all()


@ALL
def test_a_block_is_as_long_in_postgres_as_in_steps(one: Granularity):
    since = np.array(["2024-01-01"], dtype="datetime64[us]")
    count, unit = one.block_interval.split()
    ahead = pd.Timestamp(since[0]) + pd.DateOffset(**{unit: int(count)})
    assert ahead == pd.Timestamp(one.moved(since, one.block)[0])


@ALL
def test_two_models_are_compared_on_two_weeks_or_eight_steps(one: Granularity):
    assert one.compared_least == {True: 14, False: 8}[one.days <= 1] if one.seconds else one.compared_least >= 8
    assert one.per_week == pytest.approx(min(one.per_year * 7 / 365.25, 7))


@ALL
def test_a_step_is_found_by_its_end(one: Granularity):
    starts = one.after(np.datetime64("2023-12-01", "us"), 40)
    next_ones = one.start(one.number(starts) + 1)
    ends = next_ones - np.timedelta64(1, "D") if one.counted else next_ones
    assert one.begun(ends).tolist() == starts.tolist()


def test_a_date_on_which_no_month_ends_begins_nothing():
    assert np.isnat(GRANULARITIES["monthly"].begun(np.array(["2024-02-28"], dtype="datetime64[us]"))).all()
