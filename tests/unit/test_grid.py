"""Windows and medians over many series at once are those of each series by itself."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.domain.granularity import GRANULARITIES
from mlops.series.grid import NETWORKS, Grid, centre, medians, robust_scale

SOME = st.one_of(st.just(np.nan), st.sampled_from([0.0, 1.0]), st.floats(-1e6, 1e6))


@pytest.mark.parametrize("many", NETWORKS)
def test_a_network_sorts_all_zeros_and_ones_and_so_everything(many: int):
    for zeros_and_ones in product([0, 1], repeat=many):
        values = list(zeros_and_ones)
        for low, high in NETWORKS[many]:
            values[low], values[high] = sorted((values[low], values[high]))
        assert values == sorted(values)


@settings(max_examples=examples(50), deadline=None)
@given(st.sampled_from(sorted(NETWORKS)), st.data())
def test_a_median_leaves_out_what_is_missing(many: int, data: st.DataObject):
    values = np.array(data.draw(st.lists(st.lists(SOME, min_size=many, max_size=many), min_size=1, max_size=9))).T
    found = medians(list(np.where(np.isnan(values), np.inf, values)))
    wanted = [np.median(one[~np.isnan(one)]) if (~np.isnan(one)).any() else np.nan for one in values.T]
    np.testing.assert_array_equal(found, wanted)


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(SOME, min_size=1, max_size=90), st.lists(SOME, min_size=1, max_size=90))
def test_what_is_computed_of_a_series_does_not_depend_on_its_neighbours(one: list[float], other: list[float]):
    def computed(*series: list[float]) -> list[np.ndarray]:
        grid = grid_of(*series)
        y = np.array([value for values in series for value in values])
        placed = grid.placed(y)
        return [grid.rows(centre(placed)), grid.rows(robust_scale(np.abs(placed))), *grid.same_phase(y)]

    with np.errstate(all="ignore"):
        for alone, second in zip(computed(other), computed(one, other), strict=True):
            np.testing.assert_array_equal(alone, second[len(one) :])


def test_the_same_weekday_is_found_across_gaps():
    days = np.array([0, 1, 2, 7, 9, 14, 21, 28])
    grid = Grid(np.zeros(8, dtype=np.int64), days, GRANULARITIES["daily"])
    middle, newest = grid.same_phase(np.arange(8.0))
    np.testing.assert_array_equal(newest, [np.nan, np.nan, np.nan, 0, 2, 3, 5, 6])
    np.testing.assert_array_equal(middle, [np.nan] * 6 + [3, 4])


def grid_of(*series: list[float]) -> Grid:
    lengths = [len(values) for values in series]
    period = np.concatenate([np.arange(length) for length in lengths])
    return Grid(np.repeat(np.arange(len(series)), lengths), period, GRANULARITIES["daily"])
