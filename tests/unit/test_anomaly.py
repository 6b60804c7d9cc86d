"""What is unlike its own past, judged by the past alone and the same whether little or all of it is given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.domain.granularity import GRANULARITIES
from mlops.domain.metric_types import MetricType
from mlops.series.scoring import LOOK_BACK, Assessment, Thresholds, assess

DAYS = np.arange(400)


def stamps(periods: np.ndarray, granularity: str = "daily") -> np.ndarray:
    step = GRANULARITIES[granularity]
    return step.start(step.number(np.datetime64("1990-01-01", "us")) + periods)


def judged(
    y: object,
    granularity: str = "daily",
    periods: np.ndarray | None = None,
    metric: MetricType | None = None,
    **known: object,
) -> Assessment:
    values = np.asarray(y, dtype=float)
    at = stamps(np.arange(len(values)) if periods is None else periods, granularity)
    thresholds = Thresholds.of([metric or MetricType("any", "any", "sum")], [granularity])
    return assess(np.zeros(len(values), dtype=np.int64), at, values, thresholds, **known)


def healthy(days: int = 400, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return 100 * (1 + 0.3 * np.sin(np.arange(days) * 2 * np.pi / 7)) * random.normal(1, 0.1, days).clip(0.5)


def same(one: Assessment, other: Assessment, rows: slice, others: slice) -> None:
    for name in ("quality", "anomaly_score", "is_anomaly"):
        np.testing.assert_array_equal(getattr(one, name)[rows], getattr(other, name)[others], err_msg=name)


@pytest.mark.parametrize("factor", [0.05, 3.0], ids=["drop", "spike"])
def test_a_spike_or_a_drop_is_an_anomaly_and_what_follows_is_not(factor: float):
    y = healthy()
    y[200] *= factor
    found = judged(y)
    assert found.is_anomaly[200]
    assert found.is_anomaly.sum() == 1


def test_a_value_that_is_usual_on_another_weekday_is_an_anomaly():
    y = np.where(DAYS % 7 >= 5, 10.0, 100.0) + np.random.default_rng(2).normal(0, 3, 400)
    y[200] = 10.0  # a Friday like a Saturday
    found = judged(y)
    assert found.is_anomaly[200]
    assert found.is_anomaly.sum() == 1


def test_zeros_of_closed_days_are_no_anomalies():
    found = judged(np.where(DAYS % 7 >= 5, 0.0, healthy()))
    assert not found.is_anomaly[DAYS % 7 >= 5].any()


def test_a_lasting_change_of_level_is_normal_after_a_few_weeks():
    y = healthy()
    y[198:] *= 0.25
    found = judged(y)
    assert found.is_anomaly[198]
    assert not found.is_anomaly[219:].any()


def test_too_little_past_has_no_score():
    score = judged(healthy()).anomaly_score
    assert np.isnan(score[:35]).all()
    assert np.isfinite(score[60:]).all()


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_is_no_anomaly_and_divides_by_nothing(value: float):
    y = np.full(400, value)
    y[300] = value + 0.5
    with np.errstate(all="raise"):
        found = judged(y)
    assert not found.is_anomaly.any()
    assert not np.isinf(found.anomaly_score).any()


def test_a_route_served_on_any_day_is_scored_by_its_neighbours():
    random = np.random.default_rng(4)
    periods = np.cumsum(random.integers(5, 40, 120))
    y = random.normal(100, 10, 120)
    y[100] = 1000
    found = judged(y, periods=periods)
    assert np.isfinite(found.anomaly_score[90:]).all()
    assert found.is_anomaly[100]


def test_the_limit_of_the_metric_type_decides():
    y = healthy()
    y[200] *= 3
    score = judged(y).anomaly_score[200]
    for limit, verdict in ((score - 0.1, True), (score + 0.1, False)):
        assert judged(y, metric=MetricType("any", "any", "sum", anomaly_limit=limit)).is_anomaly[200] == verdict


def test_an_outage_is_not_learnt_from():
    y = healthy()
    y[200:230] = 0
    found = judged(y)
    assert np.isnan(found.anomaly_score[231:236]).all()
    assert np.isfinite(found.anomaly_score[250:]).all()
    assert (found.quality[230:] == 1).all()
    assert not found.is_anomaly[230:].any()


def shape(kind: str, size: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if kind == "stands still":
        return np.repeat(random.normal(100, 10, size), random.integers(1, 12, size))[:size]
    return {
        "healthy": random.normal(100, 10, size),
        "small counts": random.poisson(1.2, size).astype(float),
        "three values": random.choice([0.0, 5.0, 100.0], size),
        "mostly zero": np.where(np.arange(size) % 9 == 0, 50.0, 0.0),
        "walk": random.normal(size=size).cumsum(),
    }[kind]


NAMES = st.sampled_from(sorted(GRANULARITIES))
KINDS = ["healthy", "small counts", "three values", "mostly zero", "walk", "stands still"]


@pytest.mark.parametrize("granularity", GRANULARITIES)
@settings(max_examples=examples(12), deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 999),
    gaps=st.booleans(),
    dead=st.integers(0, 150),
    new=st.integers(1, 40),
)
def test_a_look_back_gives_the_results_of_the_whole_history(
    granularity: str, kind: str, seed: int, gaps: bool, dead: int, new: int
):
    context = LOOK_BACK[granularity]
    size, random = 2 * context + 100, np.random.default_rng(seed)
    y = shape(kind, size, seed)
    y[size - 120 : size - 120 + dead] = random.choice([0.0, 77.0])
    periods = np.sort(random.choice(2 * size, size, replace=False)) if gaps else np.arange(size)
    late = random.uniform(0, 2e6, size)
    whole = judged(y, granularity, periods, late=late)
    cut = size - new
    known = whole.quality.astype(float)
    known[cut:] = np.nan
    rows = slice(cut - context, size)
    part = judged(y[rows], granularity, periods[rows], late=late[rows], known_quality=known[rows])
    same(whole, part, slice(cut, None), slice(context, None))


@settings(max_examples=examples(40), deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 999), st.integers(1, 150), NAMES)
def test_the_future_changes_nothing(kind: str, seed: int, size: int, granularity: str):
    y = shape(kind, 200, seed)
    same(judged(y[:size], granularity), judged(y, granularity), slice(None), slice(0, size))


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.integers(1, 99), NAMES),
        min_size=1,
        max_size=6,
    )
)
def test_series_are_judged_by_themselves_whatever_stands_beside(chosen: list[tuple[str, int, str]]):
    lengths = [20 + seed for _, seed, _ in chosen]
    values = [shape(kind, length, length) for (kind, _, _), length in zip(chosen, lengths, strict=True)]
    at = [stamps(np.arange(length), granularity) for (*_, granularity), length in zip(chosen, lengths, strict=True)]
    thresholds = Thresholds.of(
        [MetricType("any", "any", "sum")] * len(chosen), [granularity for *_, granularity in chosen]
    )
    codes = np.repeat(np.arange(len(chosen))[::-1], lengths)
    together = assess(codes, np.concatenate(at), np.concatenate(values), thresholds)
    ends = np.cumsum(lengths)
    for y, end, (*_, granularity) in zip(values, ends, chosen, strict=True):
        same(judged(y, granularity), together, slice(None), slice(end - len(y), end))


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), max_size=120), NAMES)
def test_whatever_comes_has_a_quality_from_0_to_1_and_a_finite_score_or_none(y: list[float], granularity: str):
    if y:
        found = judged(y, granularity)
        assert ((found.quality >= 0) & (found.quality <= 1)).all()
        assert not np.isinf(found.anomaly_score).any()
        assert not (found.anomaly_score < 0).any()


def test_thresholds_that_do_not_fit_the_series_are_refused():
    thresholds = Thresholds.of([MetricType("any", "any", "sum")] * 2, ["daily", "daily"])
    with pytest.raises(ValueError, match="there are 1 series and thresholds of 2"):
        assess(np.zeros(3, dtype=np.int64), stamps(np.arange(3)), np.ones(3), thresholds)


def test_no_rows_have_no_results():
    nothing = assess(np.array([], dtype=np.int64), stamps(np.array([], dtype=int)), np.array([]), Thresholds.of([], []))
    assert len(nothing.quality) == len(nothing.anomaly_score) == len(nothing.is_anomaly) == 0


def test_a_spike_on_a_past_that_repeats_itself_exactly_is_an_anomaly_and_the_past_is_none():
    y = np.array([100.0 + day % 7 for day in range(120)])
    y[100] = 5000
    at = np.datetime64("2024-01-01", "us") + np.arange(120) * np.timedelta64(1, "D")
    found = assess(np.zeros(120, int), at, y, Thresholds.of([MetricType("weight", "kg", "sum")], ["daily"]))
    assert np.flatnonzero(found.is_anomaly).tolist() == [100]
