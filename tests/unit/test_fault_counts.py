"""What is told of counts of what went wrong, against how often that is usual."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops.monitoring.detect.data_faults import LONGEST, SPANS, usual_rates

RNG = np.random.default_rng(5)


def history(rate: float, rows: int = 10, days: int = 700) -> tuple[np.ndarray, np.ndarray]:
    chances = np.full((days, 1), float(rows))
    return RNG.binomial(rows, rate, (days, 1)).astype(float), chances


@given(st.lists(st.integers(0, 10), min_size=LONGEST, max_size=LONGEST), st.integers(0, LONGEST - 1))
def test_one_more_that_goes_wrong_is_never_less_strange(counts, day):
    normal = usual_rates(*history(0.02), np.array([0.002]))
    went, chances = np.array(counts, float)[:, None], np.full((LONGEST, 1), 11.0)
    before, _ = normal.surprise(went, chances)
    went[day] += 1
    after, _ = normal.surprise(went, chances)
    assert after[0] >= before[0] - 1e-9 >= -2e-9


def test_independent_chances_are_binomial():
    normal = usual_rates(*history(0.02), np.array([0.002]))
    went = np.zeros((LONGEST, 1))
    went[-7:] = 1
    strange, place = normal.surprise(went, np.full((LONGEST, 1), 10.0))
    span = SPANS[place[0]]
    expected = -stats.binom.logsf(min(span, 7) - 1, 10 * span, normal.rate[place[0], 0]) / np.log(10)
    assert strange[0] == pytest.approx(expected, rel=0.25)  # less by the clumping that chance alone shows


def test_outages_that_recur_are_usual_and_one_that_never_was_is_not():
    went, chances = history(0.0)
    outage = np.zeros((LONGEST, 1))
    outage[-2:] = 10
    once, often = went.copy(), went.copy()
    once[100:102] = 10
    often[50::50] = often[51::50] = 10
    limit = 6.0
    assert usual_rates(once, chances, np.array([0.002])).surprise(outage, chances[:LONGEST])[0] > limit
    assert usual_rates(often, chances, np.array([0.002])).surprise(outage, chances[:LONGEST])[0] < limit


def test_nothing_counted_is_nothing_strange():
    normal = usual_rates(np.zeros((90, 2)), np.zeros((90, 2)), np.array([0.002, 1e-5]))
    assert not normal.surprise(np.zeros((LONGEST, 2)), np.zeros((LONGEST, 2)))[0].any()
