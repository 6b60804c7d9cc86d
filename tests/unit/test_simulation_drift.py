"""The laws of simulated lives: chance by seed alone, nothing before its onset, sizes as declared, a whole truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tests.campaign import examples

from mlops.errors import BadInput, UnknownName
from mlops.monitoring import MonitorSpec, fit_monitor
from mlops.simulation.drift import KINDS, Life, Shift, World, simulate_life
from mlops.simulation.drift.life import LAG_DAYS, honest_predictions
from mlops.simulation.processes import persistent

SMALL = World(numeric=5, categorical=3, entities=4, history_days=120, live_days=90, warmup_days=60)
CLEAN = replace(SMALL, missing=0.0, absent=0.0)
ONSET = 30


def life(kind: str | None = None, world: World = CLEAN, seed: int = 3, **about: float) -> Life:
    shift = None if kind is None else Shift(kind, ONSET, **about)
    return simulate_life(world, seed, shift)


def after(of: Life, days: int = 0) -> pd.DataFrame:
    return of.frame[of.frame["ds"] >= of.live + pd.Timedelta(days=ONSET + days)]


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from([None, *KINDS]))
@settings(max_examples=examples(6), deadline=None)
def test_the_same_seed_gives_the_same_bytes(seed, kind):
    first, again = (life(kind, SMALL, seed) for _ in range(2))
    assert first.frame.to_csv().encode() == again.frame.to_csv().encode()
    assert first.truth == again.truth


def test_another_seed_gives_another_life():
    assert not life(seed=1).frame["y"].equals(life(seed=2).frame["y"])


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 999), onset=st.integers(0, 89), ramp=st.integers(0, 40))
@settings(max_examples=examples(2), deadline=None)
def test_before_its_onset_a_shift_changes_nothing_and_then_something(kind, seed, onset, ramp):
    quiet, shifted = (simulate_life(SMALL, seed, shift) for shift in (None, Shift(kind, onset, ramp_days=ramp)))
    before = shifted.truth.onset
    assert before == quiet.live + pd.Timedelta(days=onset)
    assert_frame_equal(*(one.frame[one.frame["ds"] < before] for one in (quiet, shifted)))
    if onset < 60 and ramp == 0:
        assert not quiet.frame.equals(shifted.frame)


@pytest.mark.parametrize("size", [-1.5, 0.5, 3.0])
def test_a_level_moves_by_so_many_sigmas_and_moves_the_target_by_its_coefficient_only(size):
    quiet, shifted = after(life()), after(life("level", size=size, columns=2))
    truth, sigmas = life("level", size=size, columns=2).truth, life().sigmas
    assert len(truth.features) == 2
    for name in life().numeric:
        moved = size * sigmas[name] if name in truth.features else 0.0
        np.testing.assert_allclose(shifted[name] - quiet[name], moved, atol=1e-9)
    assert truth.concept is False


def test_a_ramp_reaches_its_size_on_the_day_that_it_is_complete():
    shifted = life("level", size=2.0, ramp_days=20)
    (name,) = shifted.truth.features
    daily = (shifted.frame[name] - life().frame[name]).groupby(shifted.frame["ds"]).mean() / shifted.sigmas[name]
    assert daily[shifted.truth.complete - pd.Timedelta(days=1)] < 2.0 == pytest.approx(daily[shifted.truth.complete])
    assert (daily[shifted.truth.onset :].diff().iloc[1:21] > 0).all()
    assert (shifted.truth.complete - shifted.truth.onset).days == 20


def test_a_variance_multiplies_the_distance_from_the_calendar():
    played = [after(life("variance", size=size)) for size in (1.0, 2.0, 3.0)]
    (name,) = life("variance").truth.features
    np.testing.assert_allclose(played[2][name] - played[0][name], 2 * (played[1][name] - played[0][name]), atol=1e-9)
    surprise = (played[1][name] - played[0][name]) / life().sigmas[name]
    assert 0.5 < surprise.std() < 2  # the surprise itself, once


def test_the_deviations_of_features_are_one_sigma():
    world = replace(CLEAN, entities=20, live_days=600)
    quiet, doubled = (after(simulate_life(world, 5, shift)) for shift in (None, Shift("variance", ONSET, columns=5)))
    for name, sigma in simulate_life(world, 5).sigmas.items():
        if name != "y":
            assert ((doubled[name] - quiet[name]) / sigma).std() == pytest.approx(1.0, abs=0.15)


def test_an_amplitude_multiplies_the_year_and_a_phase_delays_it():
    same, half, once = (after(life("amplitude", size=size)) for size in (1.0, 1.5, 2.0))
    (name,) = life("amplitude").truth.features
    np.testing.assert_allclose(once[name] - same[name], 2 * (half[name] - same[name]), atol=1e-9)
    year = life("phase", size=365.25).frame
    assert_frame_equal(year, life().frame, check_exact=False)


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("mix", lambda new, old: (new == "a") & (old != "a")),
        ("new_category", lambda new, old: ~new.isin(old.unique())),
        ("missing", lambda new, _: new.isna()),
    ],
)
def test_a_share_of_the_rows_is_hit(kind, counted):
    world = replace(CLEAN, entities=40)
    quiet, shifted = (after(simulate_life(world, 3, shift)) for shift in (None, Shift(kind, ONSET, 0.25)))
    truth = simulate_life(world, 3, Shift(kind, ONSET, 0.25)).truth
    (name,) = truth.features or truth.faulty
    hit = counted(shifted[name], quiet[name])
    could = quiet[name] != "a" if kind == "mix" else slice(None)
    assert hit[could].mean() == pytest.approx(0.25, abs=0.03)


def test_a_stale_feed_repeats_the_last_value_before_its_onset():
    stale, quiet = life("stale"), life()
    (name,) = stale.truth.faulty
    last = quiet.frame[quiet.frame["ds"] == stale.truth.onset - pd.Timedelta(days=1)].set_index("entity")[name]
    rows = after(stale)
    np.testing.assert_array_equal(rows[name], rows["entity"].map(last.to_dict()))


def test_a_duplicated_row_comes_twice_and_equal():
    rows = after(life("duplicated", size=0.5))
    twice = rows.duplicated()
    assert twice.sum() / (~twice).sum() == pytest.approx(0.5, abs=0.1)
    assert_frame_equal(rows[~twice].reset_index(drop=True), after(life()).reset_index(drop=True))


def test_a_concept_changes_the_target_and_no_feature():
    quiet = after(life())
    level, slope, prediction = (after(life(kind)) for kind in ("concept_level", "concept_slope", "prediction"))
    features = [*life().numeric, *life().categorical]
    for shifted in (level, slope, prediction):
        assert_frame_equal(shifted[features], quiet[features])
    noise = life().sigmas["y"]
    np.testing.assert_allclose(level["y"] - quiet["y"], noise)
    np.testing.assert_allclose(prediction["y_hat"] - quiet["y_hat"], noise)
    assert_frame_equal(prediction[["y"]], quiet[["y"]])
    (name,) = life("concept_slope").truth.concept_features
    line = np.polyfit(quiet[name] / life().sigmas[name], (slope["y"] - quiet["y"]) / noise, 1, full=True)
    assert line[0][0] == pytest.approx(KINDS["concept_slope"].size)
    assert line[1] == pytest.approx(0, abs=1e-12)


def test_label_noise_multiplies_the_noise_and_costs_accuracy():
    once, twice, thrice = (after(life("label_noise", size=size))["y"] for size in (1.0, 2.0, 3.0))
    np.testing.assert_allclose(thrice - once, 2 * (twice - once))
    world = World(numeric=6, categorical=1, live_days=200)
    quiet, doubled = simulate_life(world, 3), simulate_life(world, 3, Shift("label_noise", 0))
    noise = (doubled.frame["y"] - quiet.frame["y"])[doubled.frame["ds"] >= doubled.live]
    assert noise.std() / quiet.sigmas["y"] == pytest.approx(1.0, abs=0.1)
    truth = doubled.truth
    assert truth.performance is True
    assert 1.5 < truth.loss_ratio < 2.3


@pytest.mark.parametrize("kind", KINDS)
def test_a_truth_is_whole(kind):
    found, of = life(kind, SMALL), KINDS[kind]
    truth = found.truth
    assert (truth.kind, truth.size) == (kind, of.size)
    assert truth.onset == truth.complete == found.live + pd.Timedelta(days=ONSET)
    assert (truth.concept, truth.data_fault) == (of.concept, of.fault)
    assert bool(truth.features) == of.drifts
    assert bool(truth.faulty) == of.fault
    assert {*truth.features, *truth.concept_features, *truth.faulty} <= {*found.numeric, *found.categorical, "copies"}
    assert truth.performance == (truth.loss_ratio >= 1.1)


def test_a_quiet_life_has_an_empty_truth():
    truth = life().truth
    assert truth.kind is truth.onset is None
    assert not any((truth.features, truth.concept, truth.data_fault, truth.performance))


@given(day=st.integers(60, 199), seed=st.integers(0, 99))
@settings(max_examples=examples(8), deadline=None)
def test_a_prediction_knows_no_outcome_of_the_last_week_or_later(day, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((200, 3, 4))
    target = inputs @ [1.0, 2.0, 0.0, -1.0] + rng.standard_normal((200, 3))
    changed = target.copy()
    changed[day - LAG_DAYS :] = rng.standard_normal((207 - day, 3)) * 100
    ours, theirs = (honest_predictions(inputs, one, first=60, frozen=150) for one in (target, changed))
    np.testing.assert_array_equal(ours[60 : day + 1], theirs[60 : day + 1])


def test_the_live_model_learns_no_more():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((200, 3, 4))
    target = inputs.sum(axis=-1)
    changed = np.where(np.arange(200)[:, None] >= 150 - LAG_DAYS, -target, target)
    ours, theirs = (honest_predictions(inputs, one, first=60, frozen=150) for one in (target, changed))
    np.testing.assert_array_equal(ours[60:], theirs[60:])


def test_predictions_are_good_but_not_better_than_the_noise():
    history = simulate_life(World(), 1).history
    error = (history["y"] - history["y_hat"]).std()
    assert 20.0 < error < 26.0 < history["y"].std()  # 20 is the noise of the world


@given(phi=st.floats(0, 0.95), seed=st.integers(0, 99))
@settings(max_examples=examples(8), deadline=None)
def test_persistence_keeps_the_variance_and_has_its_coefficient(phi, seed):
    steps = persistent(np.random.default_rng(seed).standard_normal((400, 300)), phi)
    assert steps[-1].var() == pytest.approx(1.0, abs=0.4)
    assert (steps[300:-1] * steps[301:]).mean() == pytest.approx(phi, abs=0.1)


def test_a_monitor_takes_a_life_as_it_is():
    played = simulate_life(World(numeric=6, categorical=2, live_days=70), 11, Shift("level", ONSET, 3.0))
    monitor = fit_monitor(played.history, MonitorSpec(**played.columns))
    named = [monitor.check(rows).features for _, rows in played.weeks()]
    assert not any(named[: ONSET // 7])
    assert named[-1] == set(played.truth.features)


def test_a_shift_that_makes_no_sense_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'level'"):
        Shift("levle", 1)
    with pytest.raises(BadInput, match="expected 0 to 1"):
        Shift("missing", 1, 1.5)
    with pytest.raises(BadInput, match="onset"):
        Shift("level", -1)
    with pytest.raises(BadInput, match="the last one is 89"):
        simulate_life(SMALL, 1, Shift("level", 90))
    with pytest.raises(BadInput, match="needs a categorical feature"):
        simulate_life(replace(SMALL, categorical=0), 1, Shift("mix", 1))
