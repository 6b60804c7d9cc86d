"""A mean difference under weekly looks: intervals that hold at all of them."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from mlops.arrays import Floats
from mlops.evaluation.sequence import confidence_sequence, weeks_to_go

SEED = 7
values = st.floats(-100, 100, allow_nan=False, width=32)
years = npst.arrays(float, npst.array_shapes(min_dims=2, max_dims=2, min_side=7, max_side=12), elements=values)


def noise(weeks: int, *, years: int = 1, memory: float = 0.0, shift: float = 0.0) -> Floats:
    """Days of deviation 1 by week (years, weeks, 7), each going with the one before."""
    random = np.random.default_rng(SEED)
    days = random.normal(size=(years, 7 * weeks))
    for day in range(1, days.shape[1]):
        days[:, day] = memory * days[:, day - 1] + math.sqrt(1 - memory**2) * days[:, day]
    return days.reshape(years, weeks, 7) + shift


def wrong(days: Floats, confidence: float = 0.95) -> float:
    """The share of years in which any look holds that there is a difference."""
    sequence = confidence_sequence(days, confidence)
    return float(((sequence.low > 0) | (sequence.high < 0)).any(axis=-1).mean())


def looked_at_once(days: Floats, alpha: float) -> tuple[float, float]:
    """The mean of some weeks and how far its interval reaches, step by step as the module's docstring says it."""
    weeks = [np.nanmean(week) for week in days]
    n, mean, variance = len(weeks), np.mean(weeks), np.var(weeks, ddof=1)
    centred = days - np.nanmean(days, axis=0)
    line = centred.ravel()
    both = [a * b for a, b in pairwise(line) if not np.isnan(a * b)]
    size, plain = (~np.isnan(line)).sum(), sum(both) / np.nansum(line**2)
    likely = (plain + 1 / size) / (1 - 3 / size)
    r = np.clip(likely + math.sqrt(max(1 - likely**2, 0.1) / size), 0, 0.95)
    long_run = (1 + r) / (1 - r)
    by_days = 7 * long_run / (7 * long_run - 2 * r * (1 - r**7) / (1 - r) ** 2)
    about = np.array(weeks) - mean
    lagged = n * sum(about[1:] * about[:-1]) / sum(about**2)
    q = np.clip(((n * (lagged + 1) / (n - 3) if n >= 6 else 0) + 10 * 0.1) / ((n if n >= 6 else 0) + 10), 0, 0.95)
    inflation = max(by_days, (1 + q) / (1 - q))
    k = 0.25 / (n + 0.25)
    limit = (alpha * math.sqrt(k)) ** (-2 / n)
    if limit * k >= 1:
        return float(mean), math.inf
    t_squared = (n - 1) * (limit - 1) / (1 - limit * k)
    return float(mean), math.sqrt(t_squared * variance * inflation / n)


@pytest.mark.parametrize("memory", [0.0, 0.6])
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_every_look_is_what_it_would_be_by_itself(memory, missing):
    days = noise(20, memory=memory, shift=0.3)[0]
    days[np.random.default_rng(1).uniform(size=days.shape) < missing] = np.nan
    sequence = confidence_sequence(days, 0.95)
    for week in range(4, 21):
        mean, reach = looked_at_once(days[:week], 0.05)
        assert sequence.value[week - 1] == pytest.approx(mean)
        assert sequence.high[week - 1] - mean == pytest.approx(reach)
        assert mean - sequence.low[week - 1] == pytest.approx(reach)


@given(years, st.floats(0.01, 50), st.floats(-1000, 1000))
@settings(max_examples=60)
def test_units_and_origin_do_not_matter(days, unit, origin):
    plain, other = confidence_sequence(days, 0.9), confidence_sequence(days * unit + origin, 0.9)
    near = {"rtol": 1e-5, "atol": 1e-5 * unit * (1 + np.abs(days).max()) + 1e-9 * abs(origin)}
    if plain.deviation[-1] > 1e-3 * np.abs(days).max():  # of values that are all but the same, rounding decides
        np.testing.assert_allclose(other.value, plain.value * unit + origin, **near)
        np.testing.assert_allclose(other.deviation[-1], plain.deviation[-1] * unit, **near)


@given(years)
@settings(max_examples=60)
def test_who_is_compared_with_whom_does_not_matter(days):
    ours, theirs = confidence_sequence(days, 0.9), confidence_sequence(-days, 0.9)
    np.testing.assert_allclose(ours.low, -theirs.high)
    np.testing.assert_allclose(ours.high, -theirs.low)
    assert ours.decided == theirs.decided


@given(years, st.floats(0.5, 0.99), st.floats(0.5, 0.99))
@settings(max_examples=60)
def test_more_confidence_is_a_wider_interval(days, one, other):
    less, more = (confidence_sequence(days, confidence) for confidence in sorted((one, other)))
    assert (more.low <= less.low).all()
    assert (more.high >= less.high).all()
    assert (less.low <= less.value).all()


@given(years)
@settings(max_examples=60)
def test_what_comes_later_changes_no_look_before(days):
    whole, part = confidence_sequence(days, 0.95), confidence_sequence(days[:-2], 0.95)
    np.testing.assert_allclose(whole.low[:-2], part.low)
    np.testing.assert_allclose(whole.high[:-2], part.high)


def test_three_weeks_say_nothing_yet():
    sequence = confidence_sequence(noise(4, shift=5.0)[0], 0.95)
    assert np.isinf(sequence.low[:3]).all()
    assert sequence.decided == 4


def test_at_the_end_of_the_interval_the_bayes_factor_is_one_over_alpha():
    """Held against the integral over means and deviations that the closed form stands for."""
    weeks = np.array([1.3, 0.4, 2.2, 0.9, 1.6, 1.1, 0.2])
    sequence = confidence_sequence(weeks[:, None], 0.95)
    inflation = (sequence.deviation[-1] / weeks.std(ddof=1)) ** 2
    end = weeks.mean() - (weeks.mean() - sequence.low[-1]) / math.sqrt(inflation)  # as if the weeks were independent
    of_mean = np.linspace(-12, 12, 4001)  # the mean less `end`, in deviations; its prior has a deviation of 2
    log_deviation = np.linspace(-6, 6, 2001)
    deviation = np.exp(log_deviation)[:, None]

    def marginal(means: Floats, weight: Floats) -> float:
        about = (weeks - end) / deviation
        squares = (about**2).sum(axis=1)[:, None] - 2 * about.sum(axis=1)[:, None] * means + len(weeks) * means**2
        return float(((np.exp(-squares / 2) @ weight)[:, None] / deviation ** len(weeks)).sum())

    prior = stats.norm.pdf(of_mean, scale=2) * (of_mean[1] - of_mean[0])
    assert marginal(of_mean, prior) / marginal(np.zeros(1), np.ones(1)) == pytest.approx(20, rel=1e-3)


def test_weeks_that_are_all_the_same_have_no_interval_around_zero():
    sequence = confidence_sequence(np.zeros((10, 7)), 0.95)
    assert sequence.decided is None
    assert (sequence.value == 0).all()
    assert weeks_to_go(sequence) is None


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_a_year_of_looks_is_wrong_in_at_most_six_percent(memory):
    assert wrong(noise(52, years=600, memory=memory)) <= 0.06


def test_weekly_t_tests_would_be_wrong_in_more_than_a_quarter_of_the_years():
    """Why it is done at all: Student's t, looked at every week."""
    weeks = noise(52, years=600).mean(axis=-1)
    count = np.arange(4, 53)
    mean = np.array([weeks[:, :n].mean(axis=1) for n in count])
    error = np.array([weeks[:, :n].std(axis=1, ddof=1) / math.sqrt(n) for n in count])
    beyond = np.abs(mean / error) > stats.t.isf(0.025, count - 1)[:, None]
    assert beyond.any(axis=0).mean() > 0.25


def test_a_fifth_of_a_deviation_over_fifty_series_is_found_within_six_weeks():
    days = noise(6, years=400) / math.sqrt(50) + 0.2
    sequence = confidence_sequence(days, 0.95)
    assert ((sequence.low > 0).any(axis=-1)).mean() >= 0.8


def test_a_difference_that_comes_back_every_week_is_no_memory():
    days = noise(12)[0]
    weekdays = days + np.array([5, 3, 0, 0, -2, -3, -3])
    plain, seasonal = confidence_sequence(days, 0.95), confidence_sequence(weekdays, 0.95)
    np.testing.assert_allclose(seasonal.deviation, plain.deviation)


def test_weeks_to_go_end_where_the_sequence_decides_if_nothing_changes():
    weeks = noise(8)[0]
    weeks += 0.7 * weeks.mean(axis=1).std() - weeks.mean()
    sequence = confidence_sequence(weeks, 0.95)
    assert sequence.decided is None
    to_go = weeks_to_go(sequence)
    assert to_go is not None
    decided = confidence_sequence(np.tile(weeks, (10, 1)), 0.95).decided
    assert decided is not None
    assert to_go / 2 <= decided - 8 <= to_go  # meanwhile it is known that these weeks do not go together


def test_what_is_decided_has_no_weeks_to_go_and_what_is_equal_never_ends():
    assert weeks_to_go(confidence_sequence(noise(8, shift=3.0)[0], 0.95)) == 0
    balanced = np.tile([[1.0], [-1.0]], (6, 1))
    assert weeks_to_go(confidence_sequence(balanced, 0.95)) is None
