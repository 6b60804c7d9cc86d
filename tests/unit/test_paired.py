"""The pieces of a proof: bootstrap, money, holdout, changepoint; each by its laws."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import BadInput, HistoryTooShort
from mlops.evaluation import paired
from mlops.evaluation.holdout import hold_out
from mlops.monitoring.decide.costs import benefit, money
from mlops.monitoring.detect.intervals import coverage_drop
from mlops.monitoring.weekly.change import changepoint
from mlops.policy import Costs, UnitCost, read_policy

UNIT = UnitCost(under=2.0, over=1.0)
IN_EUR = {"unit": UNIT, "currency": "EUR", "granularity": "daily", "confidence": 0.9}
numbers = st.floats(-1e6, 1e6)
SECTION = {"currency": "'EUR'", "under": 2, "over": 1, "retraining": 5, "review_hour": 60, "review_hours": 0.5}


def judged(days: int = 28, series: int = 4, *, better: float = 0.5, seed: int = 0) -> pd.DataFrame:
    """Outcomes, and two models of which `new` has `better` times the errors of `old`."""
    random = np.random.default_rng(seed)
    grid = pd.MultiIndex.from_product([range(series), pd.date_range("2020-01-01", periods=days)])
    frame = grid.to_frame(index=False, name=["series_id", "ds"])
    error = random.normal(0, 10, len(frame))
    return frame.assign(y=100.0, old=100 + error, new=100 + better * error)


# The bootstrap


@given(daily=arrays(float, st.integers(2, 60), elements=numbers), confidence=st.floats(0.5, 0.99))
def test_the_interval_contains_the_mean_and_grows_with_the_confidence(daily, confidence):
    found, wider = paired.mean(daily, confidence), paired.mean(daily, (1 + confidence) / 2)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(daily.mean(), abs=1e-6)
    assert wider.low <= found.low <= found.high <= wider.high


@given(days=st.integers(1, 400))
def test_every_day_is_drawn_about_as_often_as_any_other(days):
    counts = np.bincount(paired.blocks(days).ravel(), minlength=days)
    assert len(counts) == days
    assert counts.min() > 0.8 * counts.mean()
    assert counts.max() < 1.2 * counts.mean()


def test_blocks_are_weeks_and_wrap_around():
    first = paired.blocks(28)[0].reshape(4, 7)
    assert (np.diff(first, axis=1) % 28 == 1).all()


def test_a_week_that_repeats_itself_has_no_variance_between_weeks():
    found = paired.mean(np.tile(np.arange(7.0), 8), 0.9)
    assert found.high - found.low < 1e-9


def test_errors_that_last_have_wider_intervals_than_errors_that_do_not():
    lasting = np.repeat(np.random.default_rng(1).normal(0, 1, 12), 7)
    shuffled = np.random.default_rng(2).permutation(lasting)
    wide, narrow = paired.mean(lasting, 0.9), paired.mean(shuffled, 0.9)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


@pytest.mark.parametrize("days", [14, 28, 63])
def test_equal_models_are_told_apart_about_as_seldom_as_is_said(days: int):
    """5 % on either side are meant; errors that last from day to day make it a little more."""
    random = np.random.default_rng(3)
    noise = random.normal(0, 1, (600, days + 1))
    found = [paired.mean(one, 0.9) for one in noise[:, 1:] + 0.5 * noise[:, :-1]]
    for wrong in ([one.low > 0 for one in found], [one.high < 0 for one in found]):
        assert np.mean(wrong) < 0.09


def test_a_pattern_of_the_week_is_no_uncertainty():
    daily = np.tile([0.0, 0, 0, 0, 0, 3, 3], 2) + np.random.default_rng(5).normal(0, 0.1, 14)
    assert paired.mean(daily, 0.9).low > 0


def test_two_weeks_are_enough_for_what_is_clear():
    clear = np.random.default_rng(4).normal(1, 0.3, 14)
    assert paired.mean(clear, 0.9).low > 0


# Money


def test_a_unit_too_few_and_a_unit_too_many_cost_what_the_policy_says():
    assert money([10, 10, 10], [7, 12, 10], UNIT).tolist() == [6.0, 2.0, 0.0]


@given(y=arrays(float, 5, elements=numbers), y_hat=arrays(float, 5, elements=numbers))
def test_errors_never_earn_money_and_cost_it_in_proportion(y, y_hat):
    assert (money(y, y_hat, UNIT) >= 0).all()
    dearer = UnitCost(UNIT.under * 3, UNIT.over * 3)
    assert money(y, y_hat, dearer) == pytest.approx(3 * money(y, y_hat, UNIT))


def test_money_is_told_per_week():
    frame = judged(days=28, series=1).assign(old=90.0, new=100.0)
    found = benefit(frame, "new", "old", **IN_EUR)
    assert (found.money_low, found.money, found.money_high) == pytest.approx((140, 140, 140)), "10 too few, 2 each"
    assert benefit(frame, "new", "old", **IN_EUR | {"granularity": "weekly"}).money == pytest.approx(20)


def test_a_model_with_half_the_errors_saves_half_the_wape():
    frame = judged()
    found = benefit(frame, "new", "old", **IN_EUR)
    assert found.wape == pytest.approx((frame["y"] - frame["old"]).abs().sum() / frame["y"].sum() / 2)
    assert found.clear
    assert 0 < found.money_low < found.money < found.money_high
    assert found.days == 28


@given(seed=st.integers(0, 99), better=st.floats(0.2, 2.0))
def test_the_order_of_series_and_rows_changes_nothing(seed, better):
    frame = judged(days=21, better=better, seed=seed)
    mixed = frame.sample(frac=1, random_state=seed).assign(series_id=lambda rows: 9 - rows["series_id"])
    one, other = (benefit(each, "new", "old", **IN_EUR).to_json() for each in (frame, mixed))
    assert one.pop("currency") == other.pop("currency")
    assert one == pytest.approx(other)


@given(better=st.floats(0.0, 3.0))
def test_what_one_model_saves_the_other_loses(better):
    frame = judged(days=21, better=better)
    one, other = benefit(frame, "new", "old", **IN_EUR), benefit(frame, "old", "new", **IN_EUR)
    assert (one.wape, one.wape_low, one.money) == pytest.approx((-other.wape, -other.wape_high, -other.money))


def costs_of(path: Path, section: dict[str, object], more: str = "") -> Costs:
    path.write_text("[costs]\n" + "".join(f"{name} = {value}\n" for name, value in section.items()) + more)
    return read_policy(path).costs


def test_a_metric_type_may_have_its_own_costs(tmp_path: Path):
    own = "[costs.metric_types.revenue]\nunder = 0.5\nover = 0.1\n"
    costs = costs_of(tmp_path / "policy.toml", {**SECTION, "horizon_weeks": 8}, own)
    assert costs.unit("revenue") == UnitCost(0.5, 0.1)
    assert costs.unit("collection_weight") == UNIT
    assert costs.review == 30


@pytest.mark.parametrize(
    "wrong", [{"under": -1}, {"retraining": -1}, {"horizon_weeks": 0}, {"over": float("nan")}], ids=str
)
def test_costs_below_zero_are_refused(wrong, tmp_path: Path):
    with pytest.raises(BadInput, match=r"below 0|above 0|a number"):
        costs_of(tmp_path / "policy.toml", {**SECTION, "horizon_weeks": 8, **wrong})


# The holdout


def daily(days: int) -> pd.DataFrame:
    ds = pd.date_range("2020-01-01", periods=days)
    return pd.concat([pd.DataFrame({"series_id": one, "ds": ds, "y": 10.0 + ds.dayofweek}) for one in "ab"])


def test_every_held_out_day_is_forecast_once_from_the_newest_cutoff_before_it():
    held = hold_out(daily(100), "daily", 14, 28)
    assert [f"{one:%m-%d}" for one in held.cutoffs] == ["03-26", "04-02"]
    seen: list[pd.Timestamp] = []

    def predict(past: pd.DataFrame, steps: int) -> pd.DataFrame:
        seen.append(past["ds"].max())
        ahead = pd.date_range(past["ds"].max(), periods=steps + 1)[1:]
        return pd.concat([pd.DataFrame({"series_id": one, "ds": ahead, "y_hat": 1.0}) for one in "ab"])

    rows = held.judged(model=held.of_model(predict), naive=held.of_recipe("naive", {"country": None, "horizon": 28}))
    assert seen == list(held.cutoffs), "nothing of the held-out days is shown"
    assert len(rows) == 2 * 14
    assert not rows.duplicated(["series_id", "ds"]).any()
    assert rows["ds"].min() == held.begins + pd.Timedelta(days=1)
    assert (rows["naive"] == rows["y"]).all(), "weeks repeat themselves"


@pytest.mark.parametrize(
    ("granularity", "horizon", "steps", "count"), [("daily", 5, 5, 2), ("hourly", 24, 24, 14), ("monthly", 12, 3, 4)]
)
def test_a_holdout_is_made_of_whole_issues(granularity: str, horizon: int, steps: int, count: int):
    freq = {"daily": "D", "hourly": "h", "monthly": "MS"}[granularity]
    ds = pd.date_range("2010-01-01", periods=1000, freq=freq)
    frame = pd.DataFrame({"series_id": 1, "ds": ds, "y": 1.0})
    held = hold_out(frame, granularity, 14, horizon)
    assert (held.steps, len(held.cutoffs)) == (steps, count)


@pytest.mark.parametrize("one", GRANULARITIES.values(), ids=str)
def test_a_holdout_is_two_weeks_or_twelve_steps_of_every_granularity(one: Granularity):
    starts = one.start(np.arange(60 if one.months else 2_200))
    held = hold_out(pd.DataFrame({"series_id": 1, "ds": starts, "y": 1.0}), one.name, 14, one.horizon)
    steps = held.steps * len(held.cutoffs)
    assert held.steps == min(one.issue, one.horizon)
    assert steps >= 12 or steps * one.days == 14
    assert steps * one.days >= 14


def test_too_short_a_history_can_not_be_held_out():
    with pytest.raises(HistoryTooShort):
        hold_out(daily(9), "daily", 14, 28)


# The changepoint


@pytest.mark.parametrize("place", [5, 40, 80])
def test_the_onset_is_where_the_level_rose(place: int):
    random = np.random.default_rng(place)
    loss = random.normal(1, 0.2, 90) + np.where(np.arange(90) >= place, 1.0, 0.0)
    assert abs(changepoint(loss) - place) <= 2


@pytest.mark.parametrize(
    "loss", [np.ones(30), np.array([]), np.array([1.0, 9.0]), np.full(9, np.nan), np.linspace(5, 1, 40)], ids=repr
)
def test_where_nothing_rose_there_is_no_onset(loss):
    assert changepoint(loss) is None


@given(
    loss=arrays(float, st.integers(8, 60), elements=st.floats(0, 100)),
    factor=st.sampled_from([0.5, 2.0, 8.0]),
    gap=st.integers(0, 7),
)
def test_an_onset_does_not_depend_on_the_unit_and_skips_days_without_a_value(loss, factor, gap):
    loss = np.round(loss)
    assert changepoint(loss * factor) == changepoint(loss)
    with_gap = np.insert(loss, 0, [np.nan] * gap)
    assert changepoint(with_gap) == (None if changepoint(loss) is None else changepoint(loss) + gap)


# Coverage


def covered(share: float, weeks: int, *, per_week: int = 70, seed: int = 0) -> pd.DataFrame:
    """Outcomes of which about `share` are inside their intervals."""
    random = np.random.default_rng(seed)
    ds = np.repeat(pd.date_range("2020-01-01", periods=7 * weeks), per_week // 7)
    outcome = np.where(random.random(len(ds)) < share, 0.0, 9.0)
    return pd.DataFrame({"ds": ds, "outcome": outcome, "lo_80": -1.0, "hi_80": 1.0, "holiday": False})


@pytest.mark.parametrize(("share", "drifted"), [(0.8, False), (0.95, False), (1.0, False), (0.7, False), (0.4, True)])
def test_intervals_that_hold_much_less_than_they_promised_are_drift(share: float, drifted: bool):
    found = coverage_drop(covered(0.8, 16), covered(share, 1, seed=1), 1.0)
    assert (found.kind, found.subject, found.drifted) == ("performance", "coverage", drifted)
    assert "in the backtest" in found.detail


@pytest.mark.parametrize(("weeks", "outcomes"), [(7, 70), (16, 7)])
def test_too_few_weeks_or_outcomes_are_not_judged(weeks: int, outcomes: int):
    found = coverage_drop(covered(0.8, weeks), covered(0.0, 1, per_week=outcomes), 1.0)
    assert not found.drifted
    assert found.detail.startswith("not judged")


def test_quiet_weeks_spend_no_more_than_their_budget():
    checks = [
        coverage_drop(covered(0.8, 14, seed=seed), covered(0.8, 1, seed=1000 + seed), 0.25).drifted
        for seed in range(250)
    ]
    assert np.mean(checks) < 3 * 0.25 / 52
