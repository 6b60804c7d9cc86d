"""Whether everything changed at once, and by how much intervals are too narrow then."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.monitoring.detect.intervals import interval_inflation
from mlops.monitoring.detect.systemic_break import systemic_break

SERIES = [f"site {number}" for number in range(9)]


def rows(first: str, days: int, *, noise: float = 0.1, seed: int = 0, levels: object = None) -> pd.DataFrame:
    """Forecasts of 100 × (1 to 9) a day and outcomes around them; intervals hold 80 % of noise 0.1."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(series, day) for day in pd.date_range(first, periods=days) for series in SERIES], columns=["series_id", "ds"]
    )
    y_hat = 100.0 * (1 + frame["series_id"].str[-1].astype(int))
    outcome = y_hat * (1 + noise * rng.standard_normal(len(frame)))
    reach = 0.128 * y_hat
    return frame.assign(y_hat=y_hat, outcome=outcome, lo_80=y_hat - reach, hi_80=y_hat + reach, holiday=False)


BACKTEST = rows("2019-07-01", 182)
LOCKDOWN, QUIET = "2020-03-26", rows("2020-03-23", 7, seed=1)


def fallen(week: pd.DataFrame, days: list[str], times: float, series: list[str] = SERIES) -> pd.DataFrame:
    """The week with some days' outcomes of some series multiplied."""
    hit = week["ds"].isin(pd.to_datetime(days)) & week["series_id"].isin(series)
    return week.assign(outcome=week["outcome"].where(~hit, week["outcome"] * times))


SINCE_THURSDAY = [f"2020-03-{day}" for day in (26, 27, 28, 29)]


@pytest.mark.parametrize(
    ("week", "drifted"),
    [
        pytest.param(QUIET, False, id="a quiet week"),
        pytest.param(fallen(QUIET, SINCE_THURSDAY, 0.2), True, id="everything falls by 80 %"),
        pytest.param(fallen(QUIET, SINCE_THURSDAY, 2.5), True, id="everything rises"),
        pytest.param(fallen(QUIET, SINCE_THURSDAY[:2], 0.4), True, id="for two days"),
        pytest.param(fallen(QUIET, SINCE_THURSDAY[:1], 0.1), False, id="one day may be a storm"),
        pytest.param(fallen(QUIET, SINCE_THURSDAY, 0.1, SERIES[:4]), False, id="four series of nine"),
        pytest.param(fallen(QUIET, SINCE_THURSDAY, 0.1, SERIES[:6]), True, id="six series of nine"),
        pytest.param(fallen(QUIET, SINCE_THURSDAY, 0.7), False, id="a third less is for other findings"),
        pytest.param(
            fallen(QUIET, SINCE_THURSDAY, 0.1).assign(holiday=QUIET["ds"] >= LOCKDOWN), False, id="holidays don't count"
        ),
        pytest.param(
            fallen(fallen(QUIET, SINCE_THURSDAY[:1], 0.2), SINCE_THURSDAY[1:2], 5), False, id="one day down and one up"
        ),
        pytest.param(fallen(QUIET, SINCE_THURSDAY, 0.0), True, id="nothing at all is a fall too"),
    ],
)
def test_only_what_most_series_do_for_days_is_an_upheaval(week, drifted):
    assert systemic_break(BACKTEST, week).drifted == drifted


def test_an_upheaval_is_told_with_how_many_series_since_when_and_by_how_much():
    found = systemic_break(BACKTEST, fallen(QUIET, SINCE_THURSDAY, 0.2))
    assert found.detail.startswith("9 of 9 series are below their forecasts since 2020-03-26: the median one has 0.2")
    assert found.detail.endswith("times what was expected, on 4 days of the week")


def test_a_backtest_that_went_through_one_does_not_hide_the_next():
    through = fallen(BACKTEST, [str(day.date()) for day in pd.date_range("2019-09-01", periods=60)], 0.2)
    assert systemic_break(through, fallen(QUIET, SINCE_THURSDAY, 0.2)).drifted


def test_series_that_often_halve_and_double_are_no_upheaval():
    wild = rows("2019-07-01", 182).query("series_id == 'site 0'")
    rng = np.random.default_rng(3)
    wild = wild.assign(outcome=wild["y_hat"] * np.exp(rng.normal(0, 0.8, len(wild))))
    for start in range(0, 175, 7):
        assert not systemic_break(wild, wild.iloc[start : start + 7]).drifted


def test_too_little_is_not_judged():
    found = systemic_break(BACKTEST[BACKTEST["ds"] < "2019-07-20"], QUIET)
    assert (found.drifted, found.detail) == (False, "not judged: too few days are known")
    assert not systemic_break(BACKTEST, QUIET.assign(outcome=np.nan)).drifted


@given(size=st.floats(0.01, 1000))
@settings(max_examples=examples(10), deadline=None)
def test_neither_units_nor_the_sizes_of_series_matter(size):
    week = fallen(QUIET, SINCE_THURSDAY, 0.3)
    money = ["outcome", "y_hat"]
    scaled = systemic_break(BACKTEST.assign(**BACKTEST[money] * size), week.assign(**week[money] * size))
    assert scaled.statistic == pytest.approx(systemic_break(BACKTEST, week).statistic)


@pytest.mark.parametrize(("noise", "low", "high"), [(0.1, 1.0, 1.15), (0.2, 1.8, 2.3), (0.02, 1.0, 1.0)])
def test_intervals_are_widened_by_as_much_as_errors_have_grown(noise, low, high):
    assert low <= interval_inflation(rows("2020-03-02", 28, noise=noise)) <= high


def test_the_factor_lets_the_promised_share_in():
    newest = rows("2020-03-02", 28, noise=0.25)
    factor = interval_inflation(newest)
    inside = (newest["outcome"] - newest["y_hat"]).abs() <= factor * (newest["hi_80"] - newest["y_hat"])
    assert 0.8 <= inside.mean() <= 0.88


def test_only_the_newest_four_weeks_count():
    old, new = rows("2020-01-01", 28, noise=0.5), rows("2020-03-02", 28)
    assert interval_inflation(pd.concat([old, new])) == interval_inflation(new)


def test_under_a_week_of_outcomes_no_factor_is_told():
    assert interval_inflation(rows("2020-03-02", 6)) is None
    assert interval_inflation(QUIET.assign(outcome=np.nan)) is None
    assert interval_inflation(QUIET.assign(lo_80=QUIET["y_hat"], hi_80=QUIET["y_hat"])) is None
