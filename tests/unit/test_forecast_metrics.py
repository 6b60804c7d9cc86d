"""Laws of the accuracy measures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlops.domain.forecasts import bias, coverage, interval_pinball, mase, wape

numbers = arrays(float, st.integers(1, 30), elements=st.floats(1, 1e6))


@given(numbers)
def test_a_perfect_forecast_has_no_error(y: np.ndarray):
    assert wape(y, y) == bias(y, y) == interval_pinball(y, y, y, 80) == 0
    assert coverage(y, y, y) == 1


@given(numbers, st.floats(0.1, 10))
def test_wape_does_not_depend_on_the_unit(y: np.ndarray, unit: float):
    assert wape(y * unit, y[::-1] * unit) == pytest.approx(wape(y, y[::-1]))


@given(numbers, st.floats(0.1, 1e3))
def test_bias_is_positive_for_over_forecast_and_as_large_as_wape(y: np.ndarray, over: float):
    assert bias(y, y + over) == pytest.approx(wape(y, y + over))
    assert bias(y, y - over) == pytest.approx(-wape(y, y - over))


def test_missing_outcomes_do_not_count():
    assert wape([10, np.nan, 30], [12, 99, 28]) == pytest.approx(0.1)
    assert coverage([1, np.nan], [0, 5], [2, 6]) == 1
    assert np.isnan(wape([np.nan], [1]))
    assert np.isnan(coverage([np.nan], [0], [1]))


def test_pinball_punishes_a_miss_more_than_width():
    assert interval_pinball([100], [90], [110], 80) < interval_pinball([100], [105], [110], 80)
    assert interval_pinball([10], [8], [12], 80) == pytest.approx((0.1 * 2 + 0.1 * 2) / 10)


def test_mase_compares_with_the_naive_error():
    assert mase([10, 20], [12, 18], 4.0) == pytest.approx(0.5)
