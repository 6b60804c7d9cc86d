"""How far observations are trusted, and which series are fit to learn from."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.domain.metric_types import MetricType
from mlops.series.quality import score, usable
from mlops.series.scoring import Thresholds, assess

START = pd.Timestamp("2023-01-01")
END = START + pd.Timedelta(days=399)


def series(y: object, series_id: int | str = 1, freq: str = "D") -> pd.DataFrame:
    values = np.asarray(y, dtype=float)
    return pd.DataFrame(
        {"series_id": series_id, "ds": pd.date_range(START, periods=len(values), freq=freq), "y": values}
    )


def healthy(days: int = 400, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return 100 * (1 + 0.3 * np.sin(np.arange(days) * 2 * np.pi / 7)) * random.normal(1, 0.1, days).clip(0.5)


def with_values(y: np.ndarray, at: slice | int, values: object) -> np.ndarray:
    changed = y.copy()
    changed[at] = values
    return changed


def test_a_healthy_series_is_trusted_throughout():
    assert (score(series(healthy())) == 1).all()


@pytest.mark.parametrize("stuck_at", [0, 77.5])
def test_a_flat_line_scores_0_from_its_third_value_however_long_it_lasts(stuck_at: float):
    scores = score(series(with_values(healthy(), slice(200, 300), stuck_at)))
    assert scores[200:202].tolist() == [1, 1]
    assert (scores[202:300] == 0).all()
    assert (scores[:200] == 1).all()


def test_recovery_after_an_outage_is_trusted():
    assert (score(series(with_values(healthy(), slice(200, 260), 0)))[260:] == 1).all()


def test_a_value_beyond_its_robust_bound_scores_one_half():
    scores = score(series(with_values(healthy(), 200, 5000)))
    assert scores[200] == 0.5
    assert (scores.drop(200) == 1).all()


def test_a_lasting_fall_is_news_and_not_a_fault():
    y = healthy()
    y[200:] *= 0.25
    assert (score(series(y))[200:] > 0).all()


@pytest.mark.parametrize(
    "y",
    [
        pytest.param(np.random.default_rng(3).poisson(1.2, 400), id="small counts"),
        pytest.param(np.where(np.arange(400) % 9 == 0, 50.0, 0.0), id="mostly zero"),
        pytest.param(np.where(np.arange(400) % 7 >= 5, 0.0, healthy()), id="closed at weekends"),
        pytest.param(np.zeros(400), id="always zero"),
    ],
)
def test_values_that_often_repeat_are_no_flat_line(y: np.ndarray):
    assert (score(series(y)) > 0).all()


def test_series_are_judged_by_themselves_whatever_the_order_of_rows():
    first = series(healthy(), "north")
    second = series(with_values(healthy(seed=2), slice(50, 60), 0) * 1000, "south")
    both = pd.concat([first, second], ignore_index=True).sample(frac=1, random_state=1)
    together = both.assign(score=score(both)).sort_values(["series_id", "ds"])["score"].to_numpy()
    np.testing.assert_array_equal(together, np.r_[score(first), score(second)])


def quality(
    y: object, periods: np.ndarray | None = None, granularity: str = "daily", late: object = None, **own: object
):
    """The scores of one series whose observations are of these days or hours."""
    values = np.asarray(y, dtype=float)
    step = np.timedelta64(1, "h" if granularity == "hourly" else "D")
    at = (
        START.to_datetime64().astype("datetime64[us]") + (np.arange(len(values)) if periods is None else periods) * step
    )
    thresholds = Thresholds.of([MetricType("any", "any", "sum", **own)], [granularity])
    return assess(np.zeros(len(values), dtype=np.int64), at, values, thresholds, late=late).quality


@pytest.mark.parametrize(
    "periods",
    [np.arange(200), np.arange(200) * 7, np.flatnonzero(np.arange(280) % 7 < 5), np.arange(200) * 14],
    ids=["every day", "every week", "Monday to Friday", "every other week"],
)
def test_a_series_in_its_own_rhythm_is_complete(periods: np.ndarray):
    assert (quality(healthy(200), periods) == 1).all()


def test_opening_hours_are_a_rhythm_too():
    hours = np.arange(24 * 60)
    open_hours = hours[(hours % 24 >= 8) & (hours % 24 < 18) & (hours // 24 % 7 < 6)]
    assert (quality(healthy(len(open_hours)), open_hours, "hourly") == 1).all()


def test_missing_days_lower_the_scores_after_them_gently_until_they_are_long_ago():
    scores = quality(healthy(200), np.r_[0:100, 110:210])
    assert (scores[:100] == 1).all()
    assert scores[100] == pytest.approx(0.5 + 0.5 * 18 / 28)
    assert (scores[100:118] < 1).all()
    assert (scores[128:] == 1).all()


def test_what_arrives_late_is_trusted_less_and_never_distrusted():
    day = 86400.0
    late = np.array([np.nan, 0, 7, 14, 70, 7e6]) * day
    assert quality([10, 12, 11, 13, 10, 12], late=late).tolist() == pytest.approx([1, 1, 1, 0.75, 0.55, 0.5], abs=1e-5)


def test_a_jump_inside_the_range_of_a_wandering_series_scores_one_half():
    y = 300 + 250 * np.sin(np.arange(300) / 10) + np.random.default_rng(1).normal(0, 1, 300)
    y[157:] += 600
    scores = quality(y)
    assert scores[157] == 0.5
    assert (scores[:157] == 1).all()
    assert quality(y, jump_limit=100)[157] == 1


def test_the_jump_back_from_a_closed_weekend_is_none():
    y = np.where(np.arange(400) % 7 >= 5, 0.0, 100 + np.random.default_rng(1).normal(0, 1, 400))
    assert (quality(y) == 1).all()


def test_a_metric_type_says_how_long_a_value_may_stand_still():
    y = with_values(healthy(), slice(200, 206), 77.5)
    assert (quality(y, flat_after=3)[202:206] == 0).all()
    assert (quality(y, flat_after=7) == 1).all()


def test_zeros_of_the_night_are_no_flat_line_and_a_sensor_that_dies_by_day_is():
    hours = np.arange(24 * 30)
    y = np.where(hours % 24 < 8, 0.0, healthy(len(hours)))
    assert (quality(y, granularity="hourly")[24 * 7 :] == 1).all()
    y[24 * 20 + 12 :] = 0
    scores = quality(y, granularity="hourly")
    assert (scores[24 * 20 + 14 : 24 * 21] == 0).all()
    assert (scores[24 * 28 :] == 0).all()


VALUES = st.lists(st.one_of(st.sampled_from([0.0, 5.0, 100.0]), st.floats(-1e6, 1e6)), min_size=1, max_size=120)


@settings(max_examples=examples(60), deadline=None)
@given(past=VALUES, future=VALUES, other=VALUES)
def test_the_future_changes_no_score(past: list[float], future: list[float], other: list[float]):
    one, two = (score(series([*past, *after])).to_numpy()[: len(past)] for after in (future, other))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, score(series(past)))


@settings(max_examples=examples(60), deadline=None)
@given(VALUES)
def test_a_score_is_from_0_to_1(y: list[float]):
    scores = score(series(y))
    assert scores.between(0, 1).all()
    assert scores.index.equals(pd.RangeIndex(len(y)))


def test_nothing_has_no_scores():
    assert score(series([])).empty
    assert usable(series([]), "daily", end=END, need=180)[0].empty


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (series(healthy())[310:], "history too short: 90 of 180 observations"),
        (series(healthy())[:380], "stale: the last observation is of 2024-01-15, 20 days before the end"),
        (series(with_values(healthy(), slice(300, 400), 0)), "dead: the last 28 observations are all 0"),
        (series(with_values(healthy(), slice(300, 340), 0)), "dead: 21% of the last 180 observations are outages"),
        (
            series(with_values(healthy(), slice(20, 60), 0))[:215],
            "history too short: 177 of 180 observations are usable",
        ),
    ],
    ids=["short", "stale", "dead", "mostly dead", "short without its outages"],
)
def test_a_series_is_left_out_with_its_reason(frame: pd.DataFrame, reason: str):
    end = END if reason[0] != "h" or len(frame) == 90 else frame["ds"].max()
    kept, excluded = usable(pd.concat([frame, series(healthy(seed=5), 2)]), "daily", end=end, need=180)
    assert [(one.series_id, one.reason) for one in excluded] == [(1, reason)]
    assert kept["series_id"].unique().tolist() == [2]


def test_an_outage_is_missing_and_not_zero_demand():
    kept, excluded = usable(series(with_values(healthy(), slice(200, 210), 0)), "daily", end=END, need=180)
    assert not excluded
    assert len(kept) == 392
    assert (kept["y"] == 0).sum() == 2


def test_what_comes_after_the_end_is_not_used():
    kept, _ = usable(series(healthy()), "daily", end=START + pd.Timedelta(days=299), need=180)
    assert kept["ds"].max() == START + pd.Timedelta(days=299)


def test_a_lower_score_of_the_sender_counts():
    frame = series(healthy()).assign(quality_score=None)
    frame.loc[5, "quality_score"] = 0.0
    kept, _ = usable(frame, "daily", end=END, need=180)
    assert len(kept) == 399


def test_a_monthly_series_is_not_stale_within_its_own_rhythm():
    frame = series(healthy(200), freq="MS")
    assert usable(frame, "daily", end=frame["ds"].max() + pd.Timedelta(days=60), need=180)[1] == ()


CHANGES = [
    pytest.param(zone, change, id=f"{zone} {change}")
    for zone, changes in {
        "Europe/Berlin": ("2024-03-31", "2024-10-27"),
        "America/New_York": ("2024-03-10", "2024-11-03"),
    }.items()
    for change in changes
]


def rhythm(zone: str, change: str, freq: str = "h", level: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Times in UTC around a change of the clock, and values that follow its hours: opened at 8, closed at 18."""
    middle = pd.Timestamp(change)
    local = pd.date_range(middle - pd.Timedelta(days=40), middle + pd.Timedelta(days=40), freq=freq, tz=zone)
    noise = np.random.default_rng(3).normal(1, 0.05, len(local))
    opened = (local.hour >= 8) & (local.hour < 18)
    return local.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[us]"), np.where(opened, 100 * noise, level)


def judged_by(clock: str, at: np.ndarray, y: np.ndarray, granularity: str = "hourly"):
    thresholds = Thresholds.of([MetricType("any", "any", "sum", flat_after=4)], [granularity], [clock])
    return assess(np.zeros(len(y), dtype=np.int64), at, y, thresholds)


@pytest.mark.parametrize(("granularity", "freq"), [("hourly", "h"), ("30min", "30min"), ("15min", "15min")])
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_rhythm_of_the_day_keeps_its_hours_when_the_clock_changes(zone, change, granularity: str, freq: str):
    at, y = rhythm(zone, change, freq, level=10.0)
    y[y == 10.0] += np.random.default_rng(4).normal(0, 0.5, (y == 10.0).sum())
    local = judged_by(zone, at, y, granularity)
    assert not local.is_anomaly.any()
    assert local.quality.min() == 1
    assert judged_by("UTC", at, y, granularity).is_anomaly.sum() > 5


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_nights_of_zeros_are_no_flat_line_when_the_clock_changes(zone, change):
    at, y = rhythm(zone, change)
    assert (judged_by(zone, at, y).quality[200:] == 1).all()


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_an_hour_that_comes_twice_or_never_is_no_gap_and_an_hour_that_is_missing_is(zone, change):
    at, y = rhythm(zone, change, level=10.0)
    y += np.random.default_rng(4).normal(0, 0.5, len(y))
    assert judged_by(zone, at, y).quality.min() == 1
    there = np.ones(len(y), dtype=bool)
    there[900:905] = False
    assert judged_by(zone, at[there], y[there]).quality.min() < 1
