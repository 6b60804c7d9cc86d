"""Newer rows without a new training, by enumeration of the kinds; and what a model says of steps that it knows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tests.campaign import examples

from mlops import KINDS, forecaster, load
from mlops.errors import BadInput, NothingToDo, UnknownName
from mlops.forecasting.base import Forecaster

SMALL = {"lightgbm": {"trees": 10, "origins": 2}}
FAST: dict[str, dict[str, Any]] = {
    "lightgbm": SMALL["lightgbm"],
    "auto": {"settings": SMALL},
    "lean": {"settings": SMALL, "members": ["lightgbm", "hybrid"]},
}
HORIZON = 10
END = pd.Timestamp("2023-04-30")
DAY = pd.Timedelta(days=1)


def until(frame: pd.DataFrame, end: pd.Timestamp, *, after: pd.Timestamp | None = None) -> pd.DataFrame:
    rows = frame[frame["ds"] <= end]
    return rows if after is None else rows[rows["ds"] > after]


@pytest.fixture(scope="module", params=KINDS)
def saved(
    request: pytest.FixtureRequest, weekly_pattern: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A fitted model of each kind, from which every example begins anew."""
    folder = tmp_path_factory.mktemp(request.param)
    model = forecaster(request.param)(horizon=HORIZON, **FAST.get(request.param, {}))
    model.fit(until(weekly_pattern, END)).save(folder)
    return folder


@pytest.fixture
def naive(weekly_pattern: pd.DataFrame) -> Forecaster:
    return forecaster("naive")().fit(until(weekly_pattern, END))


@settings(
    max_examples=examples(3),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.integers(1, 40), min_size=1, max_size=3), again=st.integers(0, 30))
def test_rows_in_any_pieces_are_what_a_history_with_them_is(
    saved: Path, weekly_pattern: pd.DataFrame, steps: list[int], again: int
):
    """Also when some of the rows are known already."""
    model, known = load(saved), END
    last = END + sum(steps) * DAY
    everything = pd.concat([model.remembered, until(weekly_pattern, last, after=END)])
    expected = model.predict(HORIZON, history=everything, decompose=True)
    for count in steps:
        newest = known + count * DAY
        assert model.update(until(weekly_pattern, newest, after=known - again * DAY)) is model
        known = newest
    found = model.predict(HORIZON, decompose=True)
    assert_frame_equal(found, expected)
    older = model.predict(HORIZON, history=until(weekly_pattern, last))  # what is not remembered hardly matters
    np.testing.assert_allclose(found["y_hat"], older["y_hat"], rtol=0.02)


def test_what_was_added_is_saved(saved: Path, weekly_pattern: pd.DataFrame, tmp_path: Path):
    model = load(saved).update(until(weekly_pattern, END + 20 * DAY, after=END))
    model.save(tmp_path)
    again, newer = load(tmp_path), until(weekly_pattern, END + 50 * DAY, after=END + 20 * DAY)
    assert_frame_equal(again.update(newer).predict(HORIZON), model.update(newer).predict(HORIZON))


def test_a_whole_history_may_be_passed_and_changes_nothing(naive: Forecaster, weekly_pattern: pd.DataFrame):
    before = naive.predict(14)
    assert_frame_equal(naive.update(until(weekly_pattern, END)).predict(14), before)


def test_a_genuine_prophet_is_that_of_the_training_after_an_update(weekly_pattern: pd.DataFrame):
    model = forecaster("prophet")(freq="D").fit(until(weekly_pattern, END))
    before = len(model.model("s0").history)
    model.update(until(weekly_pattern, END + 10 * DAY, after=END))
    assert len(model.model("s0").history) == before
    assert model.frame_ahead("s0", 3)["ds"].min() == END + 11 * DAY


def test_a_value_that_differs_from_the_known_one_is_refused_or_replaces_it(
    naive: Forecaster, weekly_pattern: pd.DataFrame
):
    last = until(weekly_pattern, END, after=END - 7 * DAY).assign(y=1.0)
    before = naive.predict(7)
    with pytest.raises(BadInput, match=r"is known already.*nothing was taken.*overwrite=True"):
        naive.update(last)
    assert_frame_equal(naive.predict(7), before)
    after = naive.update(last, overwrite=True).predict(7)
    assert (after.loc[after["series_id"] == "s0", "y_hat"] == 1).all()


def test_steps_that_are_missing_for_all_series_are_refused_or_allowed(naive: Forecaster, weekly_pattern: pd.DataFrame):
    later = until(weekly_pattern, END + 10 * DAY, after=END + 4 * DAY)
    with pytest.raises(BadInput, match=r"4 steps, from 2023-05-01 00:00:00 to 2023-05-04 00:00:00; nothing was taken"):
        naive.update(later)
    assert naive.predict(1)["cutoff"].iloc[0] == END
    assert naive.update(later, allow_gap=True).predict(1)["cutoff"].iloc[0] == END + 10 * DAY


def test_as_many_steps_may_be_missing_as_ever_were_and_any_within_the_new_rows(weekly_pattern: pd.DataFrame):
    single = weekly_pattern[weekly_pattern["series_id"] == "s0"]
    known = until(single, END)[lambda one: one["ds"] != END - 3 * DAY]
    later = until(single, END + 20 * DAY, after=END + DAY)[lambda one: one["ds"] != END + 9 * DAY]
    assert forecaster("naive")().fit(known).update(later).predict(1)["cutoff"].iloc[0] == END + 20 * DAY


def test_one_series_may_lag_behind_and_come_later(naive: Forecaster, weekly_pattern: pd.DataFrame):
    new = until(weekly_pattern, END + 7 * DAY, after=END)
    expected = naive.predict(7, history=until(weekly_pattern, END + 7 * DAY))
    naive.update(new[new["series_id"] != "s1"]).update(new[new["series_id"] == "s1"])
    assert_frame_equal(naive.predict(7), expected)


def test_a_named_day_and_a_day_without_service_are_no_gap():
    days = pd.date_range("2023-10-02", "2023-12-31")
    frame = pd.DataFrame({"series_id": "a", "ds": days, "y": 10.0 + days.dayofweek})
    open_days = frame[(days.dayofweek < 5) & ~days.isin(pd.to_datetime(["2023-12-25", "2023-12-26"]))]
    model = forecaster("naive")(freq="D", country="DE").fit(until(open_days, pd.Timestamp("2023-12-22")))
    model.update(until(open_days, pd.Timestamp("2023-12-29"), after=pd.Timestamp("2023-12-26")))
    assert model.predict(1)["cutoff"].iloc[0] == pd.Timestamp("2023-12-29")


def test_a_series_that_ended_stays_in_the_forecast(weekly_pattern: pd.DataFrame):
    ended = weekly_pattern[(weekly_pattern["series_id"] != "s3") | (weekly_pattern["ds"] < "2022-02-01")]
    model = forecaster("naive")().fit(until(ended, END))
    before = set(model.predict(1)["series_id"])
    assert set(model.update(until(ended, END + 5 * DAY, after=END)).predict(1)["series_id"]) == before


def test_covariates_that_were_known_ahead_are_known_after_an_update(weekly_pattern: pd.DataFrame):
    first = pd.Timestamp("2022-03-01")  # all of it is remembered
    frame = weekly_pattern[weekly_pattern["ds"] >= first]
    frame = frame.assign(price=10.0 + frame["ds"].dt.day % 3)
    ahead = until(frame, END + 28 * DAY).assign(y=lambda one: one["y"].where(one["ds"] <= END))
    ahead = ahead.set_index(["series_id", "ds"]).reindex(
        pd.MultiIndex.from_product([["s0", "s1"], pd.date_range(first, END + 28 * DAY)], names=["series_id", "ds"])
    )
    ahead = ahead.reset_index().assign(price=lambda one: 10.0 + one["ds"].dt.day % 3)
    model = forecaster("lightgbm")(trees=20, covariates=["price"]).fit(ahead)
    new = until(frame, END + 7 * DAY, after=END)
    new = new[new["series_id"].isin(["s0", "s1"])]
    expected = model.predict(
        14, history=pd.concat([ahead[ahead["ds"] <= END], new]), future=ahead[["series_id", "ds", "price"]]
    )
    assert_frame_equal(model.update(new).predict(14), expected)


def test_hours_of_two_clocks_are_continued_each_by_its_own():
    at = pd.date_range("2024-02-01", periods=24 * 70, freq="h")
    frame = pd.concat(
        pd.DataFrame({"series_id": zone[-4:], "ds": at, "y": 10.0 + at.hour, "time_zone": zone})
        for zone in ("Europe/Berlin", "America/New_York", "UTC")
    )
    until_march, since = frame[frame["ds"] < "2024-03-20"], frame[frame["ds"] >= "2024-03-20"]
    model = forecaster("naive")(horizon=48).fit(until_march)
    expected = model.predict(48, history=frame)
    assert_frame_equal(model.update(since.drop(columns="time_zone")).predict(48), expected)


def test_a_new_series_is_known_from_then_on_where_the_kind_can(saved: Path, weekly_pattern: pd.DataFrame):
    model = load(saved)
    new = until(weekly_pattern, END + 7 * DAY, after=END - 40 * DAY).query("series_id == 's0'").assign(series_id="new")
    if model.knows_new_series:
        assert "new" in set(model.update(new).predict(1)["series_id"])
    else:
        with pytest.raises(UnknownName, match="unknown series 'new'"):
            model.update(new)


def test_a_series_whose_weeks_begin_on_another_day_is_refused():
    weeks = pd.date_range("2020-01-06", periods=80, freq="W-MON")
    model = forecaster("naive")().fit(pd.DataFrame({"series_id": "a", "ds": weeks, "y": np.arange(80.0)}))
    new = pd.DataFrame({"series_id": "b", "ds": weeks[-10:] + 3 * DAY, "y": 1.0})
    with pytest.raises(BadInput, match="begins its steps at other times"):
        model.update(new)


def test_nothing_to_take_is_said(naive: Forecaster, weekly_pattern: pd.DataFrame):
    with pytest.raises(NothingToDo, match="no observation"):
        naive.update(weekly_pattern.iloc[:0])


# Fitted values


def test_fitted_values_are_forecasts_that_had_not_seen_their_outcome(saved: Path, weekly_pattern: pd.DataFrame):
    fitted = load(saved).fitted_values(all_origins=True)
    assert list(fitted.columns) == ["series_id", "ds", "cutoff", "step", "y", "y_hat"]
    assert (fitted["ds"] - fitted["cutoff"] == fitted["step"] * DAY).all()
    assert (fitted["step"] >= 1).all()
    seen = fitted.merge(weekly_pattern, on=["series_id", "ds"], suffixes=("", "_seen"))
    assert len(seen) == len(fitted) > 400
    assert (seen["y"] == seen["y_seen"]).all()


def test_a_step_has_one_fitted_value_the_newest(saved: Path):
    model = load(saved)
    one, every = model.fitted_values(), model.fitted_values(all_origins=True)
    assert not one.duplicated(["series_id", "ds"]).any()
    newest = every.groupby(["series_id", "ds"])["cutoff"].max()
    assert (one.set_index(["series_id", "ds"])["cutoff"] == newest).all()


def test_fitted_values_go_on_with_what_is_added(naive: Forecaster, weekly_pattern: pd.DataFrame):
    naive.update(until(weekly_pattern, END + 14 * DAY, after=END))
    fitted = naive.fitted_values()
    assert fitted["ds"].max() == END + 14 * DAY
    newest = fitted[fitted["ds"] > END]
    expected = naive.predict(28, history=until(weekly_pattern, END)).merge(newest, on=["series_id", "ds", "cutoff"])
    np.testing.assert_allclose(expected["y_hat_x"], expected["y_hat_y"], rtol=1e-6)
