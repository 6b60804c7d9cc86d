"""Weights trust who was right, per series and step, from past origins only; in a shock the naive takes over."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlops import forecaster
from mlops.domain.forecasts import wape
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import UnknownName
from mlops.forecasting.ensemble.weights import blend, fallback_share, shares, weigh
from mlops.forecasting.out_of_sample import OutOfSample, calibration_backtest, calibration_origins
from mlops.panels.panel import Panel

RANDOM = np.random.default_rng(5)
INDEX = pd.date_range("2023-01-02", periods=300)
PANEL = Panel(pd.Index(list("abcdef")), INDEX, 100 + RANDOM.normal(0, 5, (6, 300)), GRANULARITIES["daily"])


def guess(error: np.ndarray | float, seed: int = 0) -> OutOfSample:
    """Forecasts that miss by `error` (series × 1) at random."""
    random = np.random.default_rng(seed)
    origins = calibration_origins(PANEL)
    truth = np.pad(PANEL.y, ((0, 0), (0, 28)), constant_values=100)
    rows = iter([truth[:, at + 1 : at + 29] + random.normal(0, 1, (6, 28)) * error for at in origins])
    return calibration_backtest(PANEL, origins, 28, lambda _panel, _steps: next(rows))


def test_weights_sum_to_one_and_are_never_negative():
    weights = weigh([guess(5, 1), guess(8, 2), guess(9, 3)], 7)
    np.testing.assert_allclose(weights.sum(axis=2), 1)
    assert (weights >= 0).all()


def test_who_errs_less_gets_more():
    weights = weigh([guess(3, 1), guess(9, 2)], 7)[-1]
    assert (weights[:, 0] > 0.75).all()


def test_each_series_trusts_its_own():
    ours = np.array([[2.0], [2.0], [2.0], [10.0], [10.0], [10.0]])
    weights = weigh([guess(ours, 1), guess(12 - ours, 2)], 7)[-1].mean(axis=2)
    assert (weights[:3, 0] > 0.6).all()
    assert (weights[3:, 0] < 0.4).all()


def test_two_that_make_the_same_errors_share_one_vote():
    twin, other = guess(5, 1), guess(5, 2)
    weights = weigh([twin, twin, other], 7)[-1].mean(axis=(0, 2))
    assert weights[2] == pytest.approx(0.5, abs=0.1)


def test_the_first_origins_have_equal_weights_and_later_outcomes_change_nothing():
    by_member = [guess(3, 1), guess(9, 2)]
    weights = weigh(by_member, 7)
    assert (weights[:3] == 0.5).all()
    known = by_member[0].known_at(6)
    changed = [
        replace(out_of_sample, y=np.where(known[:, None], out_of_sample.y, 1e6).astype(np.float32))
        for out_of_sample in by_member
    ]
    usual = weigh(changed, 7)[6]
    assert np.isfinite(usual).all()


def test_a_member_without_a_forecast_is_left_out():
    forecasts = np.array([[[1.0], [np.nan]], [[2.0], [4.0]]])
    weights = np.full((2, 2, 1), 0.5)
    np.testing.assert_array_equal(blend(forecasts, weights)[:, 0], [1.0, 3.0])
    np.testing.assert_array_equal(shares(forecasts, weights)[0, :, 0], [1.0, 0.0])


def test_there_is_no_fallback_in_quiet_times_and_one_in_a_shock_that_the_naive_has_seen():
    quiet, naive = guess(5, 1), guess(7, 2)
    assert (fallback_share(quiet, naive, 7, 7) == 0).all()
    failing = quiet.y_hat.copy()
    failing[-1] += 100
    assert (fallback_share(replace(quiet, y_hat=failing), naive, 7, 7)[-1] > 0.9).all()
    both = naive.y_hat.copy()
    both[-1] += 100
    assert (fallback_share(replace(quiet, y_hat=failing), replace(naive, y_hat=both), 7, 7)[-1] < 0.2).all()


def test_a_lockdown_is_forecast_by_the_naive_within_two_weeks():
    y = 100 + RANDOM.normal(0, 4, (8, 300))
    y[:, -14:] *= 0.1
    frame = Panel(pd.Index(range(8)), INDEX, y, GRANULARITIES["daily"]).frame()
    made = forecaster("lean")().fit(frame).predict(7)
    assert made["y_hat"].mean() == pytest.approx(10, abs=5)


def test_auto_is_about_as_good_as_the_best_of_its_members(weekly_pattern: pd.DataFrame):
    past = weekly_pattern[weekly_pattern["ds"] < "2023-11-27"]
    found = {}
    for kind in ("auto", "lean", "smoothing", "hybrid", "naive"):
        judged = forecaster(kind)().fit(past).predict(28).merge(weekly_pattern, on=["series_id", "ds"])
        found[kind] = wape(judged["y"], judged["y_hat"])
    best = min(found["smoothing"], found["hybrid"])
    assert found["auto"] < 1.1 * best
    assert found["lean"] < 1.1 * best
    assert found["auto"] < 0.95 * found["naive"]


def test_members_can_be_chosen_and_set():
    made = forecaster("auto")(members=["average", "lightgbm"], settings={"lightgbm": {"trees": 7}})
    assert made.members["lightgbm"].params["trees"] == 7
    assert list(made.members) == ["average", "lightgbm"]
    with pytest.raises(UnknownName, match="member 'prophet'"):
        forecaster("auto")(settings={"prophet": {}})


def test_a_series_that_one_member_does_not_know_is_forecast_by_the_others(weekly_pattern: pd.DataFrame):
    made = forecaster("lean")().fit(weekly_pattern[weekly_pattern["series_id"] != "s3"])
    later = made.predict(7, history=weekly_pattern)
    assert set(later["series_id"]) == {"s0", "s1", "s2", "s3"}
    assert np.isfinite(later.drop(columns=["series_id", "ds", "cutoff", "closed"]).to_numpy()).all()


def test_a_series_that_began_after_the_training_is_forecast_too(weekly_pattern: pd.DataFrame):
    trained = weekly_pattern["ds"] <= weekly_pattern["ds"].max() - pd.Timedelta(days=28)
    made = forecaster("lean")().fit(weekly_pattern[trained & (weekly_pattern["series_id"] != "s3")])
    later = made.predict(7, history=weekly_pattern)
    assert np.isfinite(later.loc[later["series_id"] == "s3", ["y_hat", "lo_80", "hi_80"]].to_numpy()).all()
