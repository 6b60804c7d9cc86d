"""A monitor's backtest: what is replayed and what is put into it, on simulated lives whose truth is known."""

import json
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tests.campaign import examples
from tests.postgres.served import priced

from mlops.cli import context
from mlops.domain.findings import Finding, Findings
from mlops.errors import BadInput, Refused, UnknownName
from mlops.monitoring.detect.spec import MonitorSpec
from mlops.monitoring.replay.backtest import Backtest, backtest_monitor
from mlops.monitoring.replay.file import of_file
from mlops.monitoring.replay.inject import CHANGES, NEVER_SEEN, inject, possible, usual_sizes
from mlops.monitoring.replay.page import write_backtest_page
from mlops.monitoring.replay.replay import CALM_WEEKS, Case, MonitorWatch, Rate, ReplayedWeek, episodes, replayed, split
from mlops.monitoring.replay.tradeoff import Question, envelope, planned_changes, tradeoff
from mlops.policy import Policy, read_policy
from mlops.project import policy_file
from mlops.simulation.drift import Life, Shift, World, simulate_life

WEEKS = 20
WORLD = World(numeric=3, categorical=1, entities=6, history_days=400, live_days=WEEKS * 7)
ONSET_WEEK = 8


@pytest.fixture(scope="module")
def policy() -> Policy:
    return priced(read_policy(policy_file()))


@pytest.fixture(scope="module")
def quiet() -> Life:
    return simulate_life(WORLD, 2)


@pytest.fixture(scope="module")
def found(quiet: Life, policy: Policy) -> Backtest:
    """The backtest of a quiet life."""
    return backtest_monitor(case_of(quiet), policy, policy.costs.default, budgets=(4.0,), per_change=2)


def case_of(life: Life, weeks: int = WEEKS) -> Case:
    history, live, start = split(life.frame, "ds", weeks)
    return Case("a life", "its forecasts", MonitorSpec(**life.columns), history, live, start, weeks, MonitorWatch.fit)


def replay_of(case: Case, policy: Policy, budget: float = 1.0) -> list[ReplayedWeek]:
    return list(replayed(case, case.fit(case, budget), policy.terms))


def test_a_quiet_life_is_quiet(found: Backtest):
    assert found.now.episodes == ()
    assert found.now.rate.count == 0
    assert found.now.review == 0


@pytest.mark.parametrize(
    ("kind", "size", "asks"),
    [
        ("concept_level", 1.3, "prove"),
        ("concept_level", 2.5, "investigate_data"),
        ("new_category", 0.2, "investigate_data"),
        ("mix", 0.4, "watch"),
    ],
)
def test_a_life_that_changes_is_in_alarm_after_its_onset_and_not_before(
    policy: Policy, kind: str, size: float, asks: str
):
    life = simulate_life(WORLD, 2, Shift(kind, ONSET_WEEK * 7, size=size))
    first, *_ = episodes(replay_of(case_of(life), policy))
    assert life.truth.onset is not None
    assert 0 < (first.begins - life.truth.onset).days <= 28
    assert first.action == asks
    assert first.needs_person == (asks != "watch")
    assert first.sentence


@pytest.mark.parametrize("change", ["level 2", "missing", "new category", "target level", "noise"])
def test_a_clear_change_that_is_put_in_is_found(found: Backtest, change: str):
    [one] = [one for one in found.now.found if one.change == change]
    assert one.share == 1
    assert 0 < one.median_days <= 42
    assert one.low < 1 == one.high


def test_a_target_that_changes_costs_money_and_a_feature_that_changes_costs_none(found: Backtest):
    priced = {one.change: one.excess for one in found.now.found}
    assert priced["target level"] > 0
    assert priced["noise"] > 0
    assert priced["level 2"] is None


def test_a_check_sees_nothing_that_comes_after_it(quiet: Life, policy: Policy):
    case = case_of(quiet)
    later = case.live["ds"] >= case.end(5)
    wrecked = case.live.assign(y=case.live["y"].where(~later, 1e6), num_01=case.live["num_01"].where(~later, -1e6))
    before, after = ([week.findings for week in replay_of(one, policy)] for one in (case, replace(case, live=wrecked)))
    assert before[:6] == after[:6]
    assert before[6] != after[6]


def test_nothing_is_fitted_on_the_weeks_that_are_replayed(quiet: Life):
    case = case_of(quiet)
    assert case.history["ds"].max() < case.start == case.live["ds"].min()
    assert len(case.history) + len(case.live) == len(quiet.frame)
    assert case.end(WEEKS - 1) == quiet.frame["ds"].max() + pd.Timedelta(days=1)


def test_what_a_copy_sees_the_other_does_not(quiet: Life, policy: Policy):
    case = case_of(quiet)
    watch, undisturbed = case.fit(case, 1.0), replay_of(case, policy)
    branch, wild = copy(watch), case.live.assign(num_01=1e3, y=1e3)
    for week in range(4):
        end = case.end(week)
        branch.check(wild, case.between(end - pd.Timedelta(weeks=1), end, wild), end)
    assert list(replayed(case, watch, policy.terms)) == undisturbed


@pytest.mark.parametrize("seed", [2, 4])
def test_with_a_larger_budget_the_first_alarm_never_comes_later(policy: Policy, seed: int):
    life = simulate_life(WORLD, seed, Shift("level", ONSET_WEEK * 7, size=1.0))
    firsts = [
        next((number for number, week in enumerate(replay_of(case_of(life), policy, budget)) if week.alarmed), WEEKS)
        for budget in (0.25, 1.0, 8.0)
    ]
    assert firsts == sorted(firsts, reverse=True)
    assert firsts[0] > firsts[-1]


def test_the_same_seed_gives_the_same_answer_and_another_seed_other_days(quiet: Life, policy: Policy):
    case = case_of(quiet, 10)
    first, again, other = (planned_changes(case, 3, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert all(case.start <= planned.onset < case.end(1) for planned in first)
    question = Question(case, (1.0,), first[-9:], policy.terms, policy.costs, policy.costs.default)
    assert tradeoff(question) == tradeoff(question)


def test_changes_need_weeks_after_them(quiet: Life):
    with pytest.raises(BadInput, match="8 weeks are too few to put changes into; replay 9 at least"):
        planned_changes(case_of(quiet, 8), 2)


@pytest.mark.parametrize("budgets", [(), (1.0, 0.0), (-1.0,), (float("inf"),)], ids=str)
def test_a_budget_is_a_number_above_zero(quiet: Life, policy: Policy, budgets):
    with pytest.raises(BadInput, match="a budget is"):
        Question(case_of(quiet), budgets, (), policy.terms, policy.costs, policy.costs.default)


TOUCHED = {"numeric": {"num_01", "num_02", "num_03"}, "categorical": {"cat_1"}, "target": {"y"}}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_touches_one_column_of_its_own(quiet: Life, name: str):
    case = case_of(quiet)
    sizes, onset = usual_sizes(case.history, case.spec), case.start + pd.Timedelta(weeks=3)
    before, after = case.between(case.start, onset), case.between(onset, case.end(8))
    kept = after.copy()
    changed, again = (inject(after, before, name, sizes, np.random.default_rng(5)) for _ in range(2))
    assert_frame_equal(after, kept)
    assert_frame_equal(changed, again)
    [column] = [one for one in after.columns if not changed[one].equals(after[one])]
    assert column in TOUCHED[CHANGES[name].touches]


def test_changes_are_as_large_as_they_say(quiet: Life):
    case = case_of(quiet)
    sizes, rows = usual_sizes(case.history, case.spec), case.live

    def changed(name: str) -> pd.DataFrame:
        return inject(rows, case.history, name, sizes, np.random.default_rng(1))

    moved = changed("level 2")
    [column] = [name for name in case.spec.numeric if not moved[name].equals(rows[name])]
    deviation = sizes.deviation[case.spec.numeric.index(column)]
    assert (moved[column] - rows[column]).abs().dropna().to_numpy() == pytest.approx(2 * deviation)
    assert deviation == pytest.approx(quiet.sigmas[column], rel=0.25)
    assert sizes.deviation[-1] == pytest.approx(quiet.sigmas["y"], rel=0.25)
    assert (changed("target level")["y"] - rows["y"]).abs().to_numpy() == pytest.approx(sizes.deviation[-1])
    noise = (changed("noise")["y"] - rows["y_hat"]).groupby(rows["entity"]).std()
    assert noise.to_numpy() == pytest.approx(2 * (rows["y"] - rows["y_hat"]).groupby(rows["entity"]).std().to_numpy())
    assert (changed("new category")["cat_1"] == NEVER_SEEN).mean() == pytest.approx(0.1, abs=0.04)
    stale = changed("stale")
    [column] = [name for name in case.spec.numeric if not stale[name].equals(rows[name])]
    assert stale.groupby("entity")[column].nunique().max() == 1
    last = case.history.dropna(subset=[column]).groupby("entity")[column].last()
    assert set(stale[column].dropna()) == set(last)


def test_without_features_only_the_target_can_change(quiet: Life):
    spec = replace(MonitorSpec(**quiet.columns), numeric=(), categorical=())
    assert [one.name for one in possible(spec)] == ["target level", "noise"]


def test_an_unknown_change_is_refused(quiet: Life):
    case = case_of(quiet)
    with pytest.raises(UnknownName, match="did you mean 'level 1'"):
        inject(case.live, case.history, "level1", usual_sizes(case.history, case.spec), np.random.default_rng(0))


CALM = Findings((Finding("feature", "x", 1.0, 2.0, drifted=False),))
ALARM = Findings((Finding("feature", "x", 3.0, 2.0, drifted=True, detail="x is high"),))


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_episodes_hold_every_alarm_once_and_lie_apart(alarmed: list[bool]):
    start = pd.Timestamp("2024-01-01")
    weeks = [
        ReplayedWeek(
            start + pd.Timedelta(weeks=place), ALARM if now else CALM, "watch" if now else "none", needs_person=False
        )
        for place, now in enumerate(alarmed)
    ]
    made = episodes(weeks)
    assert sum(one.weeks for one in made) == sum(alarmed)
    assert all((two.begins - one.ends).days > 7 * CALM_WEEKS + 7 for one, two in pairwise(made))
    ends = {week.end for week in weeks if week.alarmed}
    assert {one.begins for one in made} | {one.ends for one in made} <= ends


@given(st.integers(0, 50), st.floats(0.1, 20))
def test_a_rate_lies_in_its_interval(count: int, years: float):
    rate = Rate.of(count, years)
    assert 0 <= rate.low <= rate.per_year == count / years < rate.high


def test_the_interval_of_a_rate_is_the_exact_one():
    none, three = Rate.of(0, 1.0), Rate.of(3, 1.0)
    assert (none.low, none.high) == pytest.approx((0, 3.689), abs=1e-3)
    assert (three.low, three.high) == pytest.approx((0.619, 8.767), abs=1e-3)  # Garwood's table


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=6, unique=True),
    st.floats(0, 50),
)
@settings(max_examples=examples(200))
def test_the_budget_named_for_a_number_of_changes_costs_least(lines: list[tuple[float, float]], changes: float):
    alarms, waiting = (np.array(part) for part in zip(*lines, strict=True))
    steps = envelope(alarms, waiting)
    place = [one for begins, one in steps if begins <= changes][-1]
    costs = alarms + changes * waiting
    assert costs[place] == pytest.approx(costs.min(), rel=1e-6, abs=1e-6)
    assert [begins for begins, _ in steps] == sorted(begins for begins, _ in steps)


def test_the_recommended_budget_has_the_lowest_total(found: Backtest):
    totals = {one.budget: one.total for one in found.tradeoff.budgets}
    best = found.tradeoff.best
    assert totals[best.budget].value == min(total.value for total in totals.values())
    assert all(total.low < total.value < total.high for total in totals.values())
    assert sum(one.best_in for one in found.tradeoff.budgets) == pytest.approx(1)


def test_a_page_has_no_money_while_its_prices_are_placeholders(found: Backtest, tmp_path: Path):
    costs = replace(found.question.costs, currency="")
    write_backtest_page(replace(found, question=replace(found.question, costs=costs)), tmp_path / "page.html")
    text, document = ((tmp_path / f"page.{kind}").read_text() for kind in ("html", "json"))
    assert "set [costs] in policy.toml to see money" in text
    assert not [one for one in ("EUR", "cost least", "Alarms cost") if one in text]
    assert (json.loads(document)["currency"], json.loads(document)["best"]) == (None, None)


def test_the_page_refers_to_nothing_outside(found: Backtest, tmp_path: Path):
    page = tmp_path / "deep" / "page.html"
    write_backtest_page(found, page)
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "a life: no alarms in 20 weeks" in text
    assert [one for one in ("<script", "<link", "src=", "url(http", "@import") if one in text] == []
    outside = [part for part in text.split('"') if part.startswith("http") and "www.w3.org" not in part]
    assert outside == []
    assert " EUR a year" in text
    document = json.loads(page.with_suffix(".json").read_text())
    assert document["best"]["budget"] == found.tradeoff.best.budget
    assert len(document["checks"]) == WEEKS


@pytest.fixture
def file(quiet: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The quiet life as a file, where there is no database."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    for name in ("settings", "database", "store"):
        getattr(context, name).cache_clear()
    path = tmp_path / "rows.parquet"
    quiet.frame.to_parquet(path)
    return path


def spec_of(life: Life) -> MonitorSpec:
    return MonitorSpec(**life.columns)


def test_a_file_of_either_format_is_the_same_case(file: Path, quiet: Life):
    case = of_file(file, spec_of(quiet), WEEKS)
    text = file.with_suffix(".csv")
    quiet.frame.to_csv(text, index=False)
    again = of_file(text, spec_of(quiet), WEEKS)
    assert case.start == again.start == quiet.live.tz_localize(None)
    for one, other in ((case.live, again.live), (case.history, again.history)):
        assert_frame_equal(one.fillna({"cat_1": ""}), other.fillna({"cat_1": ""}), check_dtype=False)


Broken = Callable[[pd.DataFrame], pd.DataFrame]
BROKEN: dict[str, tuple[Broken, str]] = {
    "a missing column": (
        lambda rows: rows.drop(columns="y_hat"),
        r"rows.csv: has no column 'y_hat'; its columns are ds",
    ),
    "no time": (
        lambda rows: rows.assign(ds=rows["ds"].astype(str).where(rows.index != 3, "soon")),
        "line 5: ds = 'soon'",
    ),
    "no number": (
        lambda rows: rows.assign(y=rows["y"].astype(str).where(rows.index != 1, "many")),
        "line 3: y = 'many'",
    ),
    "numbers for times": (lambda rows: rows.assign(ds=1), "line 2: ds = '1' is not a time"),
    "no rows": (lambda rows: rows.head(0), "has no rows"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_taken_is_refused_with_its_place(quiet: Life, tmp_path: Path, case: str):
    breaks, why = BROKEN[case]
    path = tmp_path / "rows.csv"
    breaks(quiet.frame.reset_index(drop=True)).to_csv(path, index=False)
    with pytest.raises(BadInput, match=why):
        of_file(path, spec_of(quiet), WEEKS)


@pytest.mark.parametrize(
    ("name", "why"), [("absent.csv", "no such file; a path is looked up from"), ("broken.parquet", "can't be read")]
)
def test_a_file_that_cannot_be_read_is_named(quiet: Life, tmp_path: Path, name: str, why: str):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=f"{name}: {why}"):
        of_file(tmp_path / name, spec_of(quiet), WEEKS)


def test_too_short_a_history_is_refused_with_the_weeks_that_it_allows(file: Path, quiet: Life):
    with pytest.raises(Refused, match=r"forecasts of 540 days; to replay 70 weeks takes 490 days and 90 .* --weeks 64"):
        of_file(file, spec_of(quiet), 70)
    of_file(file, spec_of(quiet), 64)


def test_the_command_replays_a_file_without_a_database(mlops, file: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    options = (
        "--file",
        file,
        "--weeks",
        12,
        "--budgets",
        2,
        "--lives",
        2,
        "--numeric",
        "num_01",
        "--html",
        page,
    )
    code, out, err = mlops("monitor", "backtest", *options, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert [one["budget"] for one in document["budgets"]] == [1, 2]
    assert {one["change"] for one in document["budgets"][0]["found"]} == {
        one.name for one in CHANGES.values() if one.touches != "categorical"
    }
    assert document["weeks"] == len(document["checks"]) == 12
    assert document["page"] == str(page)
    assert page.exists()
    assert "replaying: 2 of 2" in err


def test_a_person_reads_tables(mlops, file: Path):
    code, out, err = mlops("monitor", "backtest", "--file", file, "--weeks", 12, "--budgets", 1, "--lives", 2)
    assert code == 0, err
    assert "rows.parquet: 12 weeks from" in out
    assert "At the policy's budget of 1 alarm a year it would have had" in out
    assert "errors twice as large" in out
    assert "costs 0.5 hours; set [costs] in policy.toml to see money" in out
    assert not [one for one in ("EUR", "costs least", "best in") if one in out], "the prices are placeholders"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "one of them"),
        (("models:/demand@champion", "--file", "x.csv"), 2, "one of them"),
        (("--file", "x.csv"), 2, "x.csv: no such file; a path is looked up from"),
        (("--file", "FILE", "--target", "tons"), 1, "has no column 'tons'"),
        (("--file", "FILE", "--budgets", "few"), 2, "'few' is no list of numbers"),
        (("--file", "FILE", "--budgets", "0"), 2, "a budget is 0.0"),
        (("--file", "FILE", "--weeks", "200"), 1, "--weeks 64 at most"),
    ],
    ids=["neither", "both", "no file", "no column", "no number", "no budget", "too short"],
)
def test_misuse_and_what_is_refused_say_so(mlops, file: Path, arguments, code: int, words: str):
    got, _, err = mlops("monitor", "backtest", *(file if one == "FILE" else one for one in arguments))
    assert got == code
    assert words in " ".join(err.replace("│", " ").split())
