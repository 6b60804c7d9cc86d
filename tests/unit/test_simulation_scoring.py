"""How detectors are scored on simulated lives, and the two stream detectors that are written for it."""

import json
import math

import numpy as np
import pytest
from benchmarks.monitoring import scoring
from benchmarks.monitoring.detectors import KINDS, detector
from benchmarks.monitoring.run import DEVELOPMENT, EVALUATION, THREADS, main
from benchmarks.monitoring.scenarios import QUIET, SCENARIOS, WATCHED_WEEKS, WORLDS
from benchmarks.monitoring.streams import Adwin, PageHinkley
from hypothesis import given
from hypothesis import strategies as st

from mlops.monitoring import MonitorSpec
from mlops.simulation import drift

TRUTH = {
    "onset": 17,
    "features": ["a"],
    "concept": False,
    "concept_features": [],
    "performance": False,
    "loss_ratio": 1.0,
    "faulty": [],
}


def week(end: int, *features: str, concept: tuple[str, ...] = (), data: tuple[str, ...] = ()) -> dict[str, object]:
    return {"end": end, "features": [*features], "concept": [*concept], "performance": False, "data": [*data]}


def record(*weeks: dict[str, object], **truth: object) -> dict[str, object]:
    return {"seed": 1, "scenario": "one", "truth": TRUTH | truth, "weeks": [*weeks]}


@pytest.mark.parametrize(
    ("weeks", "count"),
    [("", 0), ("....", 0), ("!", 1), ("!!!", 1), ("!.!", 1), ("!..!", 1), ("!...!", 2), (".!....!..!...!", 3)],
)
def test_two_calm_weeks_do_not_end_an_episode(weeks, count):
    assert scoring.episodes(sign == "!" for sign in weeks) == count


def test_the_interval_of_a_rate_is_exact():
    none, ten = scoring.poisson(0, 100), scoring.poisson(10, 10)
    assert (none.low, none.high) == (0.0, pytest.approx(0.03689, abs=1e-5))  # −ln 0.025 / 100
    assert (ten.low, ten.high) == (pytest.approx(0.47954, abs=1e-5), pytest.approx(1.83904, abs=1e-5))


def test_a_delay_counts_from_the_onset_to_the_first_true_complaint():
    found = record(week(14, "a"), week(21, "b"), week(28, "a"), week(35, "a"))
    assert scoring.delay(found) == 11
    assert scoring.delay(record(week(21, "b"))) == math.inf
    assert scoring.delay(record(week(77, "a"))) == math.inf  # after 56 days


def test_what_the_quiet_twin_says_too_was_not_caused_by_the_change():
    found, twin = record(week(21, "a"), week(28, "a")), record(week(21, "a"), week(28))
    assert scoring.delay(found, twin) == 11


def test_a_detector_that_is_never_silent_is_one_episode_of_many_complaints():
    weeks = [week(7, "a"), week(14, "a", "b"), week(21, "b", concept=("",)), week(28, "a") | {"performance": True}]
    calm = record(*weeks) | {"fit_seconds": 1.0, "check_seconds": 0.5}
    found = scoring.quiet([calm] * 13)
    assert (found.years, found.episodes.value, found.alarmed_weeks) == (1.0, 13.0, 52.0)
    assert found.complaints == 13 * 4  # a (its gap is short), b, the concept, the loss
    assert found.seconds_per_year == 27.0


@pytest.mark.parametrize(
    ("said", "truth"),
    [
        (week(21, concept=("x",)), {"features": [], "concept": True}),
        (week(21, concept=("",)), {"features": [], "performance": True}),
        (week(21, data=("a",)), {"features": [], "faulty": ["a"]}),
        (week(21, "a"), {"features": [], "faulty": ["a"]}),
        (week(21, data=("entity",)), {"features": [], "faulty": ["rows"]}),
    ],
)
def test_a_complaint_of_the_true_sort_counts(said, truth):
    assert scoring.delay(record(said, **truth)) == 4
    assert scoring.delay(record(said, features=[], faulty=["z"])) == math.inf


def test_names_are_right_and_wrong():
    found = scoring.power([record(week(21, "a", "b")), record(week(21, "b")), record(week(21))], {})
    assert found.right == 0.5  # of two with an alarm
    assert found.wrong == found.misled == pytest.approx(2 / 3)
    assert found.within_28.value == pytest.approx(1 / 3)
    assert found.median_days.value == math.inf


@given(st.lists(st.integers(1, 60), min_size=6))
def test_the_median_lies_within_its_interval(days):
    found = scoring.median(np.array(days, dtype=float))
    assert min(days) <= found.low <= found.value <= found.high <= max(days)


@pytest.mark.parametrize("kind", KINDS)
def test_every_detector_finds_a_great_change(kind, moved):
    watching = detector(kind)
    watching.fit(moved.history, MonitorSpec(**moved.columns))
    said = [watching.check(rows) for _, rows in moved.weeks()]
    (changed,) = moved.truth.features
    assert any(changed in alarms.features for alarms in said[2:])


@pytest.fixture(scope="module")
def moved() -> drift.Life:
    world = drift.World(numeric=3, categorical=1, entities=4, history_days=400, live_days=70, warmup_days=90)
    return drift.simulate_life(world, 1, drift.Shift("level", 14, 6.0))


def test_every_kind_of_shift_is_a_scenario_and_is_watched_for_56_days():
    assert {one.kind for one in SCENARIOS.values()} == set(drift.KINDS)
    assert QUIET not in SCENARIOS
    for onset in {one.shift(seed).onset for one in SCENARIOS.values() for seed in range(50)}:
        weeks = onset // 7 + WATCHED_WEEKS
        assert 7 * weeks - onset >= 56
        assert all(7 * weeks <= world.live_days for world in WORLDS.values())
    assert EVALUATION - DEVELOPMENT >= 1000


def test_a_detector_that_nobody_wrote_is_refused():
    with pytest.raises(LookupError, match="did you mean 'adwin'"):
        detector("adwim")


@pytest.mark.parametrize("make", [Adwin, PageHinkley])
def test_a_stream_finds_a_step_and_leaves_noise_alone(make):
    rng = np.random.default_rng(0)
    stream = make()
    assert not any(stream.update(value) for value in rng.standard_normal(300))
    found = [stream.update(value) for value in rng.standard_normal(100) + 2.0]
    assert any(found)
    assert 3 < found.index(True) < 60


def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    words = ["run", "--detectors", "evidently_half", "--quiet", "1", "--runs", "1", "--only", "30 % missing"]
    monkeypatch.setattr("sys.argv", [*words, "--workers", "1", "--cache", str(tmp_path)])
    for name, one in THREADS.items():
        monkeypatch.setenv(name, one)
    main()
    (file,) = tmp_path.iterdir()
    lines, table = file.read_text().splitlines(keepends=True), capsys.readouterr().out
    file.write_text(lines[0] + lines[1][:100])
    main()
    again = file.read_text().splitlines(keepends=True)
    assert again[0] == lines[0]
    weeks = SCENARIOS["30 % missing"].shift(0).onset // 7 + WATCHED_WEEKS
    assert [one["end"] for one in json.loads(again[1])["weeks"]] == [7 * n for n in range(1, weeks + 1)]
    assert json.loads(again[1])["weeks"] == json.loads(lines[1])["weeks"]
    assert table.count("\n") == capsys.readouterr().out.count("\n")
