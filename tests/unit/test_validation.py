"""How good a kind would have been, in a few lines: laws that hold of every kind, and what is refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from mlops import KINDS, cross_validation, forecaster, scores
from mlops.domain.forecasts import coverage, interval_pinball, wape
from mlops.errors import BadInput, HistoryTooShort, NothingToDo, UnknownName
from mlops.evaluation.backtest import backtest, origins

FAST: dict[str, dict[str, Any]] = {"lightgbm": {"trees": 20}, "auto": {"settings": {"lightgbm": {"trees": 20}}}}
KEYS = ["series_id", "ds", "cutoff"]


@pytest.fixture(scope="module")
def frame(weekly_pattern: pd.DataFrame) -> pd.DataFrame:
    return weekly_pattern[weekly_pattern["ds"] < "2023-03-01"]


@pytest.fixture(scope="module")
def tested(frame: pd.DataFrame) -> pd.DataFrame:
    return cross_validation(frame, h=14, n_windows=3, step=7, model="smoothing", levels=(50, 90))


# Cross-validation


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_are_those_of_a_backtest(kind: str, frame: pd.DataFrame):
    params = {"horizon": 14, **FAST.get(kind, {})}
    found = cross_validation(frame, 14, 2, 10, model=forecaster(kind)(**params), refit_every=2)
    cutoffs = origins(frame, 2, every=10, horizon=14)
    expected = backtest(kind, params, frame, cutoffs, 14, refit_every=2)
    assert list(found.columns[:6]) == [*KEYS, "step", "y", "y_hat"]
    assert_frame_equal(found[expected.columns], expected)


def test_windows_follow_each_other_when_no_step_is_said(frame: pd.DataFrame):
    found = cross_validation(frame, 14, 3, model="naive")
    cutoffs = pd.DatetimeIndex(found["cutoff"].unique())
    assert cutoffs[-1] + pd.Timedelta(days=14) == frame["ds"].max()
    assert (np.diff(cutoffs) == np.timedelta64(14, "D")).all()
    assert not found.duplicated(["series_id", "ds"]).any()


def test_the_levels_are_those_that_are_asked_for(frame: pd.DataFrame, tested: pd.DataFrame):
    assert [name for name in tested if name.startswith(("lo_", "hi_"))] == ["lo_50", "hi_50", "lo_90", "hi_90"]
    none = cross_validation(frame, 14, 3, 7, model="smoothing", levels=())
    assert_frame_equal(none, tested[none.columns])
    one = cross_validation(frame, 14, 3, 7, model="smoothing", level=90)
    assert_frame_equal(one, tested[one.columns])
    with pytest.raises(BadInput, match="levels and level are the same"):
        cross_validation(frame, 14, levels=(50,), level=90)
    with pytest.raises(BadInput, match=r"80, not 0\.8"):
        cross_validation(frame, 14, level=0.8)


def test_a_forecaster_is_not_changed_by_it(frame: pd.DataFrame):
    fitted = forecaster("naive")(horizon=14).fit(frame)
    before = fitted.predict(7)
    cross_validation(frame, 7, 2, model=fitted)
    assert_frame_equal(fitted.predict(7), before)


def test_end_labels_are_turned_as_in_a_fit():
    months = pd.date_range("2010-01-31", periods=120, freq="ME")
    frame = pd.DataFrame({"series_id": "a", "ds": months, "y": np.arange(120.0)})
    found = cross_validation(frame, 3, 2, model=forecaster("naive")(freq="ME"))
    assert found["y"].notna().all()
    assert (found["ds"].dt.day == 1).all()


@pytest.mark.parametrize("given", [{"n_windows": 0}, {"step": 0}, {"h": 1.5}, {"refit_every": -1}], ids=str)
def test_what_is_no_number_of_steps_is_refused(given: dict[str, Any], frame: pd.DataFrame):
    with pytest.raises(BadInput, match="expected a whole number from 1 up"):
        cross_validation(frame, **{"h": 7, "model": "naive", **given})


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (forecaster("naive"), r"the class of kind 'naive'; make a forecaster of it: forecaster\('naive'\)\(\)"),
        (None, "found NoneType, which is no model; expected a kind or a forecaster"),
        (["naive", "average"], "found list, which is no model"),
    ],
    ids=["class", "none", "several"],
)
def test_what_is_no_model_is_refused(model: Any, words: str, frame: pd.DataFrame):
    with pytest.raises(BadInput, match=words):
        cross_validation(frame, 7, 2, model=model)


def test_scores_by_nothing_are_one_row(tested: pd.DataFrame):
    assert_frame_equal(scores(tested, by=None), scores(tested))


def test_more_windows_than_there_is_room_for_are_refused(frame: pd.DataFrame):
    with pytest.raises(BadInput, match=r"do not fit into 422 steps.*at most 20 do"):
        cross_validation(frame, 14, 40, model="naive")
    with pytest.raises(HistoryTooShort):
        cross_validation(frame, 400, 1, model="naive")


# Scores


@given(seed=st.integers(0, 2**31), levels=st.sets(st.sampled_from([50, 80, 95]), max_size=3))
def test_scores_are_the_formulas_of_the_domain_for_whatever_levels_there_are(seed: int, levels: set[int]):
    random = np.random.default_rng(seed)
    judged = pd.DataFrame({"series_id": random.integers(0, 3, 40), "y": random.gamma(2, 10, 40)})
    judged["y_hat"] = judged["y"] + random.normal(0, 5, 40)
    for level in levels:
        judged[f"lo_{level}"], judged[f"hi_{level}"] = judged["y_hat"] - level / 10, judged["y_hat"] + level / 9
    judged.loc[:4, "y"] = np.nan
    known, (found,) = judged[5:], scores(judged).to_dict("records")
    assert found["n"] == 35
    assert found["mae"] == pytest.approx((known["y"] - known["y_hat"]).abs().mean())
    assert found["rmse"] ** 2 == pytest.approx(((known["y"] - known["y_hat"]) ** 2).mean())
    assert found["wape"] == pytest.approx(wape(known["y"], known["y_hat"]))
    assert {name for name in found if "_" in name} == {
        f"{one}_{level}" for level in levels for one in ("pinball", "coverage", "width")
    }
    for level in levels:
        y, lo, hi = (known[name] for name in ("y", f"lo_{level}", f"hi_{level}"))
        assert found[f"pinball_{level}"] == pytest.approx(interval_pinball(y, lo, hi, level))
        assert found[f"coverage_{level}"] == coverage(y, lo, hi)
        assert found[f"width_{level}"] == pytest.approx(level / 9 + level / 10)
    assert found["mae"] <= found["rmse"] + 1e-9


@pytest.mark.parametrize("by", ["series_id", "step", "cutoff", ["series_id", "cutoff"]], ids=str)
def test_scores_of_groups_add_up_to_those_of_all(by: str | list[str], tested: pd.DataFrame):
    parts, whole = scores(tested, by), scores(tested).iloc[0]
    weight = parts["n"] / parts["n"].sum()
    for name in ("mae", "mase", "coverage_50", "coverage_90", "width_90"):
        assert (weight * parts[name]).sum() == pytest.approx(whole[name])
    for name in ("rmse", "rmsse"):
        assert (weight * parts[name] ** 2).sum() == pytest.approx(whole[name] ** 2)
    assert parts.set_index(by).index.is_unique
    single = tested[tested["series_id"] == "s1"]
    assert scores(single).iloc[0]["wape"] == pytest.approx(scores(tested, "series_id")["wape"][1])


def test_the_seasonal_naive_is_as_good_as_itself():
    """MASE and RMSSE of it are near 1 on a series that stays as it is, by construction."""
    random, days = np.random.default_rng(4), pd.date_range("2021-01-04", periods=700)
    frame = pd.DataFrame({"series_id": "a", "ds": days, "y": 50 + random.normal(0, 5, 700)})
    found = scores(cross_validation(frame, 7, 30, model="naive", refit_every=30)).iloc[0]
    assert found["mase"] == pytest.approx(1, abs=0.15)
    assert found["rmsse"] == pytest.approx(1, abs=0.15)


def test_scores_of_a_frame_that_lacks_something_are_refused(tested: pd.DataFrame):
    with pytest.raises(UnknownName, match="unknown column 'serie'; did you mean 'series_id'"):
        scores(tested, "serie")
    with pytest.raises(BadInput, match="no column y_hat"):
        scores(tested.drop(columns="y_hat"))
    with pytest.raises(BadInput, match=r"1 of 16\d outcomes have no y_hat"):
        scores(tested.assign(y_hat=tested["y_hat"].where(tested.index != 7)))
    with pytest.raises(NothingToDo, match="no forecast has an outcome"):
        scores(tested.assign(y=np.nan))
