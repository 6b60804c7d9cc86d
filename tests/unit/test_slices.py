"""Slices share one budget: however many there are, a quiet model stays quiet, and a slice that moves is named."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlops.errors import BadInput
from mlops.monitoring.detect.slices import Slice, SliceWatch, choose_slices
from mlops.monitoring.weekly.monitor import WeeklyMonitor, first_week, weekly
from mlops.policy import Policy, SlicePolicy, read_policy
from mlops.project import policy_file

MONDAY = pd.Timestamp("2023-01-02")
BACKTEST, LIVE, SERIES = 20, 26, 12
SLICES = tuple(
    Slice(f"{by}={value}", frozenset(range(value, SERIES, parts)))
    for by, parts in (("type", 2), ("area", 3), ("segment", 4), ("depot", 6))
    for value in range(parts)
)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read_policy(policy_file())


def quiet(seed: int, weeks: int, start: pd.Timestamp = MONDAY) -> pd.DataFrame:
    """A model whose errors share a part by day, as a backtest or as weeks of use, with the features of the policy."""
    random, days = np.random.default_rng([seed, start.dayofyear]), pd.date_range(start, periods=7 * weeks)
    shared = np.repeat(random.normal(0, 0.5, len(days)), SERIES)
    count = len(shared)
    y_hat = 100 + random.normal(0, 5, count)
    frame = pd.DataFrame({"series_id": np.tile(np.arange(SERIES), len(days)), "ds": np.repeat(days, SERIES)})
    cutoff = frame["ds"] - pd.to_timedelta(frame["ds"].dt.dayofweek + 1, unit="D")
    frame = frame.assign(cutoff=cutoff, horizon=frame["ds"].dt.dayofweek + 1, holiday=False)
    features = {
        name: random.normal(0, 1, count)
        for name in ("mean_1_cycle", "same_season_mean_4", "same_season_std_8", "log_level")
    }
    y = y_hat + 10 * (shared + random.normal(0, 1, count))
    return judged(frame.assign(y=y, y_hat=y_hat, naive=y_hat + random.normal(0, 20, count), **features))


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        outcome=frame["y"],
        target=frame["y"] / 100,
        prediction=frame["y_hat"] / 100,
        lo_80=frame["y_hat"] - 14,
        hi_80=frame["y_hat"] + 14,
    )


def later(seed: int) -> pd.DataFrame:
    return quiet(seed, LIVE, MONDAY + pd.Timedelta(weeks=BACKTEST))


def watch(seed: int, slices: tuple[Slice, ...], live: pd.DataFrame, budget: float = 0.15) -> list[set[str]]:
    """The slices that drifted, week by week."""
    watching = SliceWatch(quiet(seed, BACKTEST), slices, budget)
    weeks = [rows for _, rows in live.groupby((live["ds"] - live["ds"].min()).dt.days // 7)]
    return [{one.slice for one in watching.check(rows) if one.drifted} for rows in weeks]


def episodes(weeks: list[set[str]]) -> int:
    return sum(bool(now) and not before for before, now in zip([set(), *weeks], weeks, strict=False))


def test_of_many_slices_of_quiet_models_none_is_blamed_more_often_than_the_budget():
    """More of it, with intervals: benchmarks/monitoring/slices.py."""
    alarms = [episodes(watch(seed, SLICES, later(seed))) for seed in range(6)]
    assert sum(alarms) <= 1, "0.15 a year for three years, over 15 slices"


@pytest.mark.parametrize("wrong", [SLICES[0], SLICES[4]], ids=lambda one: one.name)
def test_a_shift_of_one_slice_is_found_and_named(wrong: Slice):
    found = []
    for seed in range(3):
        live = later(seed)
        live = live[live["ds"] < live["ds"].min() + pd.Timedelta(weeks=8)]
        moved = live["series_id"].isin(wrong.series) & (live["ds"] >= live["ds"].min() + pd.Timedelta(weeks=4))
        live = judged(live.assign(y=live["y"] + np.where(moved, 15, 0)))
        weeks = watch(seed, SLICES, live)
        assert not any(weeks[:4])
        found.append(set().union(*weeks[4:8]))
    assert sum(wrong.name in names for names in found) == len(found), "1.3 sigma of its rows within four weeks"
    apart = [{one.name for one in SLICES if not one.series & wrong.series} & names for names in found]
    assert not any(apart), "and none that shares no series with it"


def test_a_slice_that_became_better_is_no_drift_of_performance():
    live = later(1)
    better = judged(live.assign(y=live["y_hat"] + (live["y"] - live["y_hat"]) * 0.1))
    watching = SliceWatch(quiet(1, BACKTEST), SLICES, 1.0)
    found = [one for _, rows in better.groupby(better["ds"].dt.isocalendar().week) for one in watching.check(rows)]
    assert not [one for one in found if one.drifted and one.kind == "performance"]
    assert any(one.statistic > one.threshold for one in found if one.kind == "performance"), "although it is no chance"


def test_a_week_without_outcomes_says_nothing_of_slices():
    watching = SliceWatch(quiet(2, BACKTEST), SLICES, 1.0)
    rows = later(2).head(7 * SERIES)
    assert watching.check(judged(rows.assign(y=np.nan))) == ()


def test_slices_take_a_fixed_part_of_the_budget_from_the_whole(policy: Policy):
    baseline, live = quiet(3, BACKTEST), later(3)
    as_of = live["ds"].max().to_pydatetime().replace(tzinfo=UTC) + timedelta(days=1)

    def limits(slices: tuple[Slice, ...]) -> dict[str, float]:
        (*_, (found, _)) = weekly(baseline, live, policy, as_of, slices)
        return {one.name: one.threshold for one in found.details if one.kind != "data"}

    alone, two, many = limits(()), limits(SLICES[:2]), limits(SLICES)
    whole = [name for name in alone if not name.endswith(("collapse", "upheaval"))]  # these need no budget
    assert all(alone[name] < two[name] for name in whole), "what slices spend, the whole can't"
    assert all(two[name] == many[name] for name in whole), "however many they are"
    assert two["concept[type=0]"] < many["concept[type=0]"], "many share what two shared"


# Choosing


def places(**values: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame(
        [(series, by, value) for by, column in values.items() for series, value in enumerate(column)],
        columns=["series_id", "by", "value"],
    )


def test_slices_are_neither_tiny_nor_everything_nor_twice_the_same_series():
    baseline = quiet(4, 2)
    found = choose_slices(
        places(
            type=["urban"] * 6 + ["rural"] * 5 + ["other"],
            area=["north"] * 6 + ["south"] * 5 + [None],
            granularity=["daily"] * 12,
        ),
        baseline,
        SlicePolicy(),
    )
    assert [one.name for one in found] == ["area=north", "area=south"]
    assert choose_slices(places(type=["a"] * 6 + ["b"] * 6), baseline, SlicePolicy(fewest_rows=43)) == ()
    assert [one.name for one in choose_slices(places(type=["a"] * 7 + ["b"] * 5), baseline, SlicePolicy(most=1))] == [
        "type=a"
    ]
    assert choose_slices(places(type=[None] * 12), baseline, SlicePolicy()) == ()


@pytest.mark.parametrize(
    ("section", "says"),
    [({"budget": 0.9}, "budget is 0.9"), ({"most": 0}, "above 0"), ({"fewest": 1}, "fewest")],
    ids=["budget", "most", "unknown"],
)
def test_a_wrong_section_is_refused(section: dict[str, object], says: str, tmp_path):
    lines = "".join(f"{name} = {value}\n" for name, value in section.items())
    (tmp_path / "policy.toml").write_text(f"[slices]\n{lines}")
    with pytest.raises(BadInput, match=says):
        read_policy(tmp_path / "policy.toml")


# Weeks that go on


def test_a_life_that_goes_on_finds_what_a_new_one_finds(policy: Policy):
    baseline, live = quiet(5, BACKTEST), later(5)
    begin = live["ds"].min()
    going = WeeklyMonitor(baseline, policy, SLICES[:1])
    for weeks in (12, 14, 26):
        end = begin + pd.Timedelta(weeks=weeks)
        as_of = end.to_pydatetime().replace(tzinfo=UTC)
        start = first_week(begin, as_of)
        rows = live[(live["ds"] >= start) & (live["ds"] < end)]
        ours, anew = (
            going.until(rows, start, as_of),
            WeeklyMonitor(baseline, policy, SLICES[:1]).until(rows, start, as_of),
        )
        assert [str(one.findings) for one in ours] == [str(one.findings) for one in anew]


def test_an_outcome_that_was_corrected_is_judged_again(policy: Policy):
    baseline, live = quiet(6, BACKTEST), later(6).head(7 * SERIES * 6)
    as_of = datetime(2023, 7, 3, tzinfo=UTC)
    start = first_week(live["ds"].min(), as_of)
    going = WeeklyMonitor(baseline, policy)
    before = [str(one.findings) for one in going.until(live, start, as_of)]
    corrected = judged(live.assign(y=live["y"].where(live.index > SERIES, 500.0)))
    after = [str(one.findings) for one in going.until(corrected, start, as_of)]
    assert before[0] != after[0]
    assert after == [str(one.findings) for one in WeeklyMonitor(baseline, policy).until(corrected, start, as_of)]


@pytest.mark.parametrize(("weeks", "judged_weeks"), [(1, 1), (12, 12), (25, 25), (26, 13), (39, 13), (51, 25)])
def test_old_weeks_cost_nothing(weeks: int, judged_weeks: int):
    as_of = datetime(2024, 1, 1, tzinfo=UTC)
    begin = pd.Timestamp("2024-01-01") - pd.Timedelta(weeks=weeks)
    assert (pd.Timestamp("2024-01-01") - first_week(begin, as_of)).days == 7 * judged_weeks
