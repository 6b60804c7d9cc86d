"""Laws of the drift metrics, and their agreement with scipy."""

import numpy as np
import pytest
from benchmarks.monitoring.distances import DRIFT_METRICS, drift_metric, jensen_shannon, ks, wasserstein
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops.errors import UnknownName

samples = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=40)
SYMMETRIC = ["psi", "jensen_shannon", "wasserstein", "ks"]
FOR_CATEGORIES = ["psi", "jensen_shannon"]


@pytest.mark.parametrize("name", DRIFT_METRICS)
@given(sample=samples)
def test_a_sample_has_not_drifted_from_itself(name, sample):
    assert drift_metric(name)(sample, sample[::-1]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", DRIFT_METRICS)
@given(reference=samples, current=samples)
def test_drift_is_never_negative_and_always_finite(name, reference, current):
    value = drift_metric(name)(reference, current)
    assert value >= 0
    assert np.isfinite(value)


@pytest.mark.parametrize("name", SYMMETRIC)
@given(reference=samples, current=samples)
def test_both_directions_are_as_far(name, reference, current):
    forth, back = drift_metric(name)(reference, current), drift_metric(name)(current, reference)
    assert forth == pytest.approx(back, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", DRIFT_METRICS)
def test_missing_values_do_not_count(name):
    assert drift_metric(name)([1.0, 2.0, np.nan], [1.0, 2.0]) == pytest.approx(0)


@pytest.mark.parametrize("name", DRIFT_METRICS)
@pytest.mark.parametrize("reference", [[], [np.nan], [1.0]], ids=["empty", "all missing", "one value"])
def test_a_window_without_values_has_no_drift_to_tell(name, reference):
    assert np.isnan(drift_metric(name)(reference, []))


@pytest.mark.parametrize("name", FOR_CATEGORIES)
def test_categories_drift_when_their_shares_do(name):
    metric = drift_metric(name)
    calm = np.array(["a", "b", None] * 50, dtype=object)
    assert metric(calm, calm[::-1]) == pytest.approx(0)
    assert metric(calm, np.array(["a", "c"] * 50, dtype=object)) > 0.3


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match="wasserstein"):
        drift_metric("wasserstien")


@given(reference=samples, current=samples)
def test_wasserstein_is_that_of_scipy(reference, current):
    expected = stats.wasserstein_distance(reference, current)
    assert wasserstein(reference, current) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(reference=samples, current=samples)
def test_ks_is_the_largest_gap_of_the_distribution_functions(reference, current):
    a, b = np.array(reference), np.array(current)
    gaps = [abs((a <= point).mean() - (b <= point).mean()) for point in [*reference, *current]]
    assert ks(reference, current) == pytest.approx(max(gaps))


@given(reference=samples, current=samples)
def test_jensen_shannon_is_bounded(reference, current):
    assert jensen_shannon(reference, current) <= np.sqrt(np.log(2)) + 1e-9
