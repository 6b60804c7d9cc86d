"""A backtest sees only the past, is the same on every worker, and its tables are those of its forecasts."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tests.campaign import examples

from mlops import KINDS, forecaster
from mlops.errors import BadInput, HistoryTooShort, UnknownName
from mlops.evaluation.accuracy import accuracy_table, by_level
from mlops.evaluation.backtest import AsKnown, Candidate, Newest, accuracy_of, backtest, fit_and_forecast, origins
from mlops.panels.calendar import Event
from mlops.panels.files import read_file, read_frame
from mlops.panels.from_frame import Panels
from mlops.training.backtest import candidate_of, compare_candidates, so_far
from mlops.training.dataset import BacktestDataset, BacktestPlan, from_file
from mlops.training.spec import TrainingSpec, experiments, params_file

FAST: dict[str, dict[str, Any]] = {"lightgbm": {"trees": 20}, "auto": {"settings": {"lightgbm": {"trees": 20}}}}
HORIZON = 14
NEVER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module")
def promoted(weekly_pattern: pd.DataFrame) -> pd.DataFrame:
    """A year of two of the series, with a covariate that is known ahead and a column that is not declared."""
    keys = [["s0", "s1"], pd.date_range("2022-01-03", "2022-12-19")]
    index = pd.MultiIndex.from_product(keys, names=["series_id", "ds"])
    frame = weekly_pattern.set_index(["series_id", "ds"]).reindex(index).reset_index()
    discount = (frame["ds"].dt.day % 9 == 0).astype(float)
    return frame.assign(discount=discount, temperature=frame["y"] / 3)


@pytest.fixture(scope="module")
def dataset(
    weekly_pattern: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[BacktestDataset, BacktestPlan]:
    """The four series as a file, in two depots."""
    path = tmp_path_factory.mktemp("file") / "series.csv"
    weekly_pattern.assign(depot=weekly_pattern["series_id"].isin(["s0", "s1"]).map({True: "n", False: "s"})).to_csv(
        path, index=False
    )
    series = read_file(path, datetime(2030, 1, 1, tzinfo=UTC), segments=["depot"])
    return from_file(series, BacktestPlan(3, 1, 0.85, 28, HORIZON), ["depot"])


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=examples(4), deadline=None, suppress_health_check=NEVER, derandomize=True, phases=[Phase.generate]
)
@given(back=st.integers(30, 90), seed=st.integers(0, 2**31), factor=st.floats(-2, 50))
def test_nothing_after_the_cutoff_changes_a_forecast(
    kind: str, promoted: pd.DataFrame, back: int, seed: int, factor: float
):
    """Other values, fewer rows, another undeclared column, covariates beyond the horizon, events announced later."""
    cutoff = promoted["ds"].max() - pd.Timedelta(days=back)
    params = dict(FAST.get(kind, {})) | {"horizon": HORIZON}
    planned, secret = Event("sale", date(2022, 6, 3), date(2022, 6, 5)), _announced_after(cutoff)
    honest = backtest(kind, params | _extras(kind, [planned]), promoted, [cutoff], HORIZON)
    other = _otherwise(promoted, cutoff, np.random.default_rng(seed), factor)
    again = backtest(kind, params | _extras(kind, [planned, secret]), other, [cutoff], HORIZON)
    assert len(honest) == 2 * HORIZON
    assert_frame_equal(honest.drop(columns="y"), again.drop(columns="y"))


def test_what_was_known_of_an_event_does_change_a_forecast(promoted: pd.DataFrame):
    """Or the property above would hold of a backtest that ignores events."""
    cutoff = pd.Timestamp("2022-11-01")
    past = [Event("storm", date(2022, month, 10), date(2022, month, 13)) for month in range(2, 11)]
    disturbed = promoted.assign(y=promoted["y"].where(~promoted["ds"].dt.day.between(10, 13), promoted["y"] * 0.2))
    coming = Event("storm", date(2022, 11, 10), date(2022, 11, 13), announced=date(2022, 11, 1))
    known = backtest("smoothing", {"events": [*past, coming]}, disturbed, [cutoff], HORIZON)
    late = replace(coming, announced=date(2022, 11, 2))
    unknown = backtest("smoothing", {"events": [*past, late]}, disturbed, [cutoff], HORIZON)
    assert not known["y_hat"].equals(unknown["y_hat"])


def test_an_origin_sees_the_values_that_stood_then(promoted: pd.DataFrame):
    cutoffs = [pd.Timestamp("2022-10-02"), pd.Timestamp("2022-10-30")]
    panel = Panels.of(promoted)
    before = promoted[promoted["ds"] <= cutoffs[0]]
    wrong = before.assign(y=before["y"].where(before["ds"] < "2022-09-26", 1000.0))
    as_known = AsKnown({cutoffs[0]: Panels.of(wrong), cutoffs[1]: Newest(panel).at(cutoffs[1])})
    naive = Candidate("naive", "naive", {"horizon": HORIZON})
    first, second = fit_and_forecast([naive], as_known, cutoffs, 7, where="serial")
    assert (first.forecasts["y_hat"] == 1000).all(), "the value was corrected only later"
    [_, corrected] = fit_and_forecast([naive], Newest(panel), cutoffs, 7, where="serial")
    assert_frame_equal(second.forecasts, corrected.forecasts)


@pytest.mark.parametrize("kind", KINDS)
def test_processes_compute_what_one_process_computes(kind: str, promoted: pd.DataFrame):
    past, cutoffs = Newest(Panels.of(promoted)), origins(promoted, 4, every=28, horizon=HORIZON)
    candidates = [Candidate(kind, kind, FAST.get(kind, {})), Candidate("baseline", "average")]
    found = {
        where: sorted(
            fit_and_forecast(candidates, past, cutoffs, HORIZON, refit_every=2, where=where),
            key=lambda done: (done.candidate, done.cutoffs),
        )
        for where in ("serial", "loky")
    }
    assert len(found["loky"]) == 4
    for one, other in zip(found["serial"], found["loky"], strict=True):
        assert one.cutoffs == other.cutoffs
        assert_frame_equal(one.forecasts, other.forecasts, check_exact=True)


def test_a_table_has_the_scores_of_its_groups(weekly_pattern: pd.DataFrame):
    tested = backtest("average", {}, weekly_pattern, origins(weekly_pattern, 3, every=14, horizon=28), 28)
    for by in (["series_id"], ["step"], ["cutoff", "series_id"]):
        for row in accuracy_table(tested, by).to_dict("records"):
            rows = tested[np.logical_and.reduce([tested[name] == row[name] for name in by])]
            expected = accuracy_of(rows)
            assert {name: row[name] for name in expected} == pytest.approx(expected)
            assert row["n"] == rows["y"].notna().sum()
    assert accuracy_table(tested).iloc[0].drop("n").to_dict() == pytest.approx(accuracy_of(tested))


def test_mase_of_the_naive_over_its_own_history_is_one():
    """One cycle ahead, the naive makes the errors that MASE divides by; here they are the same every week."""
    ds = pd.date_range("2024-01-01", periods=210)
    frame = pd.DataFrame({"series_id": "a", "ds": ds, "y": 100.0 + np.arange(210)})
    tested = backtest("naive", {}, frame, origins(frame, 3, every=7, horizon=7), 7)
    assert (tested["scale"] == 7).all()
    assert accuracy_of(tested)["mase"] == pytest.approx(1)


@settings(max_examples=examples(30), deadline=None)
@given(seed=st.integers(0, 2**31))
def test_adding_up_never_makes_forecasts_of_counts_less_accurate(seed: int):
    """The absolute value of a sum is at most the sum of absolute values."""
    random = np.random.default_rng(seed)
    keys = pd.MultiIndex.from_product([["a", "b", "c"], [1, 2], range(1, 15)], names=["series_id", "cutoff", "step"])
    judged = keys.to_frame(index=False).assign(y=random.uniform(0, 9, len(keys)), y_hat=random.uniform(0, 9, len(keys)))
    judged["half"] = judged["series_id"] == "a"
    wapes = by_level(judged, ["half"], cycle=7, words=("day", "week")).pivot(
        index="level", columns="over", values="wape"
    )
    wapes = wapes.loc[["series", "half", "all"], ["day", "week", "14 days"]].to_numpy()
    assert (np.diff(wapes, axis=0) <= 1e-12).all()
    assert (np.diff(wapes, axis=1) <= 1e-12).all()


def test_accuracy_by_level_of_a_known_case():
    judged = pd.DataFrame(
        {
            "series_id": ["a", "a", "b", "b"],
            "depot": ["n", "n", "n", "n"],
            "cutoff": pd.Timestamp("2024-01-01"),
            "step": [1, 2, 1, 2],
            "y": [10.0, 10.0, 10.0, 10.0],
            "y_hat": [12.0, 8.0, 8.0, 13.0],
        }
    )
    found = by_level(judged, ["depot"], cycle=7, words=("day", "week")).set_index(["level", "over"])["wape"]
    assert found["series", "day"] == pytest.approx(9 / 40)
    assert found["series", "2 days"] == pytest.approx((0 + 1) / 40)
    assert found["depot", "day"] == pytest.approx((0 + 1) / 40)
    assert found["all", "2 days"] == pytest.approx(1 / 40)
    assert set(found.index.get_level_values("over")) == {"day", "2 days"}, "two days are no week"
    whole = by_level(judged, [], cycle=2, words=("day", "week"))
    assert set(whole["over"]) == {"day", "week"}, "a week is not told again as two days"


def test_a_report_compares_candidates_on_the_same_rows(dataset: tuple[BacktestDataset, BacktestPlan]):
    data, plan = dataset
    told = []
    asked = [candidate_of(kind, TrainingSpec.of(kind), data, plan) for kind in ("average", "naive")]
    report = compare_candidates(asked, data, plan, done=told.append, where="serial")
    assert len(told) == 2 * 3
    assert list(report.overall["candidate"]) == ["average", "naive"]
    assert report.overall["n"].nunique() == 1
    assert set(report.levels["level"]) == {"series", "depot", "all"}
    assert set(report.levels["over"]) == {"day", "week", "14 days"}
    assert len(report.by_series) == 2 * 4
    assert len(report.by_step) == 2 * HORIZON
    assert len(report.by_segment) == 2 * 2
    average = report.forecasts[report.forecasts["candidate"] == "average"]
    assert report.overall["wape"][0] == pytest.approx(accuracy_of(average)["wape"])
    partly = so_far(told[:4], data).set_index("candidate")
    assert partly["origins"].to_dict() == {"average": 3, "naive": 1}


@pytest.mark.parametrize("name", sorted({*KINDS, *experiments()}))
def test_every_kind_and_experiment_can_be_trained_and_compared(
    name: str, dataset: tuple[BacktestDataset, BacktestPlan]
):
    spec = TrainingSpec.of(name)
    assert (spec.granularity, spec.horizon, spec.name) == ("daily", 28, "demand")
    forecaster(spec.kind)(**spec.forecaster_params)
    assert candidate_of(name, spec, *dataset).params["horizon"] == dataset[1].horizon


def test_a_name_and_a_parameter_that_nobody_declared_are_told_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'lightgbm'"):
        TrainingSpec.of("lightgm")
    with pytest.raises(UnknownName, match=r"parameter of smoothing .*did you mean 'absence'"):
        TrainingSpec.of("smoothing", {"absense": "zero"})


@pytest.mark.parametrize("experiment", experiments())
def test_every_experiment_has_parameters_that_its_kind_takes(experiment: str):
    spec = TrainingSpec.from_toml(params_file(experiment))
    made = forecaster(spec.kind)(**spec.forecaster_params)
    assert {name: made.params[name] for name in spec.params} == dict(spec.params)


def test_origins_stay_out_of_the_first_third(weekly_pattern: pd.DataFrame):
    found = origins(weekly_pattern, 99, every=28, horizon=28)
    assert found[-1] == weekly_pattern["ds"].max() - pd.Timedelta(days=28)
    assert found[0] >= weekly_pattern["ds"].min() + pd.Timedelta(days=243)
    with pytest.raises(HistoryTooShort):
        origins(weekly_pattern, 1, every=28, horizon=600)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("series,ds,y\na,2024-01-01,1\n", r"'series_id' is missing \(is 'series' meant\?\)"),
        ("series_id,DS,Y\na,2024-01-01,1\n", r"'ds' is missing \(is 'DS' meant\?\)"),
        ("series_id,ds,y\na,2024-01-01,1\na,2024-13-01,1\n", r"line 3: ds = '2024-13-01' is not a time"),
        ("series_id,ds,y\na,2024-01-01,many\n", "line 2: y = 'many' is not a number"),
        ("", "can't be read"),
    ],
    ids=["column", "capitals", "time", "number", "empty"],
)
def test_a_bad_file_is_refused(text: str, words: str, tmp_path: Path):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(BadInput, match=words):
        read_frame(tmp_path / "bad.csv")
    with pytest.raises(BadInput, match="no such file; a path is looked up from"):
        read_frame(tmp_path / "absent.parquet")


def test_csv_and_parquet_give_the_same_frame(tmp_path: Path):
    times = pd.to_datetime(["2024-01-01T00:00+00:00", "2024-01-01T23:00-01:00"], utc=True)
    frame = pd.DataFrame({"series_id": ["007", "007"], "ds": times, "y": [1.0, None], "bin": ["2", "2"]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    read = read_frame(tmp_path / "a.csv", segments=["bin"])
    assert_frame_equal(read, read_frame(tmp_path / "a.parquet", segments=["bin"]), check_dtype=False)
    assert list(read["ds"]) == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02")]
    assert list(read["series_id"]) == ["007", "007"]


def _extras(kind: str, events: list[Event]) -> Mapping[str, Any]:
    """Events and the covariate, for the kinds that take them."""
    known = signature(forecaster(kind).__init__).parameters
    return {name: value for name, value in (("events", events), ("covariates", ["discount"])) if name in known}


def _announced_after(cutoff: pd.Timestamp) -> Event:
    """Days on both sides of the cutoff that nobody had heard of."""
    first, last = cutoff - pd.Timedelta(days=5), cutoff + pd.Timedelta(days=9)
    return Event("strike", first.date(), last.date(), announced=(cutoff + pd.Timedelta(days=1)).date())


def _otherwise(frame: pd.DataFrame, cutoff: pd.Timestamp, random: np.random.Generator, factor: float) -> pd.DataFrame:
    """Everything after the cutoff replaced, but the covariate of the steps that are forecast: it is known ahead."""
    later = (frame["ds"] > cutoff).to_numpy()
    beyond = (frame["ds"] > cutoff + pd.Timedelta(days=HORIZON)).to_numpy()
    other = frame.assign(
        y=np.where(later, random.permutation(frame["y"]) * factor, frame["y"]),
        temperature=np.where(later, random.normal(size=len(frame)), frame["temperature"]),
        discount=np.where(beyond, random.normal(size=len(frame)), frame["discount"]),
    )
    return other[~beyond | (random.random(len(frame)) < 0.7)]
