"""Reconciliation: what it promises for any forecasts, and that totals are what they are said to be."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tests.campaign import examples

from mlops import forecaster
from mlops.errors import BadInput, UnknownName
from mlops.forecasting.totals.reconcile import ALL, METHODS, error_variance, group_totals, reconcile

GROUPS = pd.DataFrame(
    {
        "series_id": ["r1", "r2", "r3", "r4", "r5"],
        "site": ["north", "north", "north", "south", "south"],
        "city": ["a", "a", "b", "b", "b"],
    }
)
"""Cities cut through the site north."""
MEMBERS = {
    "site=north": ["r1", "r2", "r3"],
    "site=south": ["r4", "r5"],
    "city=a": ["r1", "r2"],
    "city=b": ["r3", "r4", "r5"],
    ALL: ["r1", "r2", "r3", "r4", "r5"],
}
NODES = [*GROUPS["series_id"], *MEMBERS]
VARIANCE = {node: 1.0 + number for number, node in enumerate(NODES)}
STEPS = 3


def forecasts(values: list[float]) -> pd.DataFrame:
    """Forecasts of every node, with intervals that reach 1 down and 2 up."""
    y_hat = np.array(values)
    return pd.DataFrame(
        {
            "series_id": np.repeat(NODES, STEPS),
            "ds": np.tile(pd.date_range("2024-01-02", periods=STEPS), len(NODES)),
            "cutoff": pd.Timestamp("2024-01-01"),
            "y_hat": y_hat,
            "lo_80": np.maximum(y_hat - 1, 0) if (y_hat >= 0).all() else y_hat - 1,
            "hi_80": y_hat + 2,
        }
    )


def sums(found: pd.DataFrame) -> pd.DataFrame:
    """By total, its forecast beside the sum of its series (columns: steps)."""
    wide = found.pivot(index="series_id", columns="ds", values="y_hat")
    pairs = {name: wide.loc[members].sum() - wide.loc[name] for name, members in MEMBERS.items()}
    return pd.DataFrame(pairs)


AMOUNT = st.floats(0, 1e6, allow_nan=False)
ANY = st.lists(AMOUNT, min_size=len(NODES) * STEPS, max_size=len(NODES) * STEPS)
METHOD = st.sampled_from(METHODS)


@given(values=ANY, method=METHOD)
@settings(max_examples=examples(80), deadline=None)
def test_every_total_is_the_sum_of_its_series_and_nothing_is_negative(values: list[float], method: str):
    found = reconcile(forecasts(values), GROUPS, method, variance=VARIANCE)
    assert sums(found).abs().to_numpy().max() <= 1e-9 * max(1.0, found["y_hat"].max())
    assert (found[["y_hat", "lo_80", "hi_80"]].to_numpy() >= 0).all()
    assert (found["lo_80"] <= found["y_hat"]).all()
    assert (found["hi_80"] >= found["y_hat"]).all()


@given(values=st.lists(st.floats(0.1, 1e6), min_size=5 * STEPS, max_size=5 * STEPS), method=METHOD)
@settings(max_examples=examples(80), deadline=None)
def test_forecasts_that_agree_stay_as_they_are(values: list[float], method: str):
    series = np.array(values).reshape(5, STEPS)
    of = GROUPS["series_id"].tolist()
    whole = [series[[of.index(one) for one in members]].sum(axis=0) for members in MEMBERS.values()]
    given_ones = forecasts(np.vstack([series, *whole]).ravel().tolist())
    found = reconcile(given_ones, GROUPS, method, variance=VARIANCE)
    scale = given_ones["y_hat"].max()
    np.testing.assert_allclose(
        found[["y_hat", "lo_80", "hi_80"]], given_ones[["y_hat", "lo_80", "hi_80"]], atol=1e-9 * scale
    )


@given(values=ANY, method=METHOD, seed=st.integers(0, 1000))
@settings(max_examples=examples(60), deadline=None)
def test_the_order_of_rows_and_series_changes_nothing(values: list[float], method: str, seed: int):
    given_ones, random = forecasts(values), np.random.default_rng(seed)
    mixed = given_ones.iloc[random.permutation(len(given_ones))]
    found = reconcile(mixed, GROUPS.iloc[random.permutation(len(GROUPS))], method, variance=VARIANCE)
    straight = reconcile(given_ones, GROUPS, method, variance=VARIANCE)
    assert list(found.index) == list(mixed.index), "rows stay where they were"
    np.testing.assert_allclose(
        found.sort_index()["y_hat"], straight["y_hat"], rtol=1e-9, atol=1e-9 * max(1.0, straight["y_hat"].max())
    )


def test_weighted_reconciliation_is_that_of_wickramasuriya():
    """Their form: S (S' W⁻¹ S)⁻¹ S' W⁻¹ y, with S the sums of every node."""
    values = np.random.default_rng(3).uniform(50, 100, len(NODES) * STEPS)
    found = reconcile(forecasts(values.tolist()), GROUPS, "wls_var", variance=VARIANCE)
    of = GROUPS["series_id"].tolist()
    summing = np.vstack([np.eye(5), [[one in members for one in of] for members in MEMBERS.values()]]).astype(float)
    inverse = np.diag(1 / np.array([VARIANCE[node] for node in NODES]))
    expected = summing @ np.linalg.solve(summing.T @ inverse @ summing, summing.T @ inverse @ values.reshape(-1, STEPS))
    np.testing.assert_allclose(found["y_hat"], expected.ravel(), rtol=1e-10)


def test_a_forecast_that_is_sure_is_moved_least():
    values = [10.0] * 5 * STEPS + [60.0] * STEPS + [20.0] * STEPS + [20.0] * STEPS + [60.0] * STEPS + [80.0] * STEPS
    sure = VARIANCE | dict.fromkeys(GROUPS["series_id"], 1.0) | {"r4": 1e-6, "r5": 1e-6}
    found = reconcile(forecasts(values), GROUPS, "wls_var", variance=sure).groupby("series_id")["y_hat"].first()
    assert found["r4"] == pytest.approx(10, abs=0.01)
    assert found["r3"] > 15


def test_intervals_move_along_and_keep_their_widths():
    values = np.random.default_rng(4).uniform(50, 100, len(NODES) * STEPS).tolist()
    given_ones = forecasts(values)
    found = reconcile(given_ones, GROUPS, "wls_struct")
    np.testing.assert_allclose(found["hi_80"] - found["lo_80"], 3)
    np.testing.assert_allclose(found["hi_80"] - given_ones["hi_80"], found["y_hat"] - given_ones["y_hat"])


def test_top_down_keeps_the_whole_and_bottom_up_the_series():
    values = np.random.default_rng(5).uniform(50, 100, len(NODES) * STEPS).tolist()
    given_ones = forecasts(values)
    whole = given_ones["series_id"] == ALL
    series = given_ones["series_id"].isin(GROUPS["series_id"])
    for method, kept in (("top_down", whole), ("bottom_up", series)):
        found = reconcile(given_ones, GROUPS, method)
        np.testing.assert_allclose(found.loc[kept, "y_hat"], given_ones.loc[kept, "y_hat"])


def frame(seed: int = 0, days: int = 200) -> pd.DataFrame:
    random, ds = np.random.default_rng(seed), pd.date_range("2024-01-01", periods=days)
    weekday = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])[ds.dayofweek]
    parts = [
        pd.DataFrame({"series_id": one, "ds": ds, "y": 50.0 * size * weekday * random.normal(1, 0.1, days)})
        for size, one in enumerate(GROUPS["series_id"], start=1)
    ]
    return pd.concat(parts, ignore_index=True)


def test_totals_are_sums_with_ids_that_name_the_group():
    found = group_totals(frame(), GROUPS).pivot(index="ds", columns="series_id", values="y")
    assert set(found.columns) == set(NODES)
    for name, members in MEMBERS.items():
        np.testing.assert_allclose(found[name], found[members].sum(axis=1))


def test_a_gap_of_a_series_counts_as_the_usual_value_in_its_totals():
    whole = frame()
    day = pd.Timestamp("2024-05-03")
    gap = whole[~((whole["series_id"] == "r1") & (whole["ds"] == day))]
    expected = group_totals(whole, GROUPS).set_index(["series_id", "ds"])["y"]
    found = group_totals(gap, GROUPS).set_index(["series_id", "ds"])["y"]
    assert ("r1", day) not in found.index, "the series itself keeps its gap"
    assert found[ALL, day] == pytest.approx(expected[ALL, day], rel=0.03)
    assert found[ALL, day] != expected[ALL, day]


def test_a_total_is_missing_where_less_than_half_of_it_was_observed():
    whole = frame()
    day = pd.Timestamp("2024-05-03")
    gap = whole[~(whole["series_id"].isin(["r3", "r4", "r5"]) & (whole["ds"] == day))]
    found = group_totals(gap, GROUPS).set_index(["series_id", "ds"]).index
    assert (ALL, day) not in found
    assert ("site=south", day) not in found
    assert ("city=a", day) in found


def test_a_series_counts_for_nothing_before_it_began():
    whole = frame()
    late = whole[~((whole["series_id"] == "r1") & (whole["ds"] < "2024-03-01"))]
    found = group_totals(late, GROUPS).pivot(index="ds", columns="series_id", values="y")
    early = found.index < "2024-03-01"
    np.testing.assert_allclose(found.loc[early, "city=a"], found.loc[early, "r2"])


def test_forecasts_of_a_forecaster_are_reconciled_by_its_own_errors():
    fitted = forecaster("smoothing")(freq="D").fit(group_totals(frame(), GROUPS))
    base, variance = fitted.predict(28), error_variance(fitted)
    assert set(variance) == set(NODES)
    assert variance[ALL] > variance["r1"] > 0
    found = reconcile(base, GROUPS, "wls_var", variance=variance)
    assert list(found.columns) == list(base.columns)
    assert sums(found).abs().to_numpy().max() < 1e-8
    assert sums(base).abs().to_numpy().max() > 0.1, "by themselves they don't agree"


def test_whole_numbers_as_ids_become_text():
    numbered = {one: number for number, one in enumerate(GROUPS["series_id"], start=1)}
    groups = GROUPS.assign(series_id=GROUPS["series_id"].map(numbered))
    given_ones = frame().assign(series_id=lambda one: one["series_id"].map(numbered))
    found = group_totals(given_ones, groups)
    assert {"1", "5", ALL} <= set(found["series_id"])
    base = forecaster("naive")(freq="D").fit(found).predict(7)
    assert_frame_equal(reconcile(base, groups, "bottom_up"), base, atol=1e-9), "the naive forecast of a sum is the sum"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda given_ones: given_ones[given_ones["series_id"] != "site=south"], "'site=south'"),
        (lambda given_ones: given_ones.iloc[1:], "'r1' has no forecast"),
        (lambda given_ones: given_ones.assign(series_id=given_ones["series_id"].replace("r1", "r9")), "'r9'"),
    ],
    ids=["a total is missing", "a step is missing", "a stranger"],
)
def test_forecasts_that_do_not_fit_the_groups_are_refused(change, words: str):
    with pytest.raises(BadInput, match=words):
        reconcile(change(forecasts([1.0] * len(NODES) * STEPS)), GROUPS, "bottom_up")


def test_variances_that_are_missing_are_asked_for():
    with pytest.raises(BadInput, match="error_variance"):
        reconcile(forecasts([1.0] * len(NODES) * STEPS), GROUPS, "wls_var", variance={"r1": 1.0})


def test_an_unknown_method_is_refused_with_the_choices():
    with pytest.raises(UnknownName, match="did you mean 'bottom_up'"):
        reconcile(forecasts([1.0] * len(NODES) * STEPS), GROUPS, "bottomup")


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (GROUPS.iloc[1:], "1 of 5 series"),
        (GROUPS.assign(city=None), "no missing group"),
        (pd.concat([GROUPS, GROUPS.assign(site="east")]), "one row for each series"),
    ],
    ids=["a series without a row", "a missing group", "a series in two sites"],
)
def test_groups_that_leave_a_series_out_are_refused(groups: pd.DataFrame, words: str):
    with pytest.raises(BadInput, match=words):
        group_totals(frame(), groups)


def test_a_series_that_is_called_like_a_total_is_refused():
    renamed = {"r1": ALL}
    with pytest.raises(BadInput, match="rename it"):
        group_totals(
            frame().assign(series_id=lambda one: one["series_id"].replace(renamed)),
            GROUPS.assign(series_id=GROUPS["series_id"].replace(renamed)),
        )


def test_covariates_go_through_totals_by_what_they_are_there_also_ahead():
    ds = pd.date_range("2024-01-01", periods=70)
    parts = [
        pd.DataFrame({"series_id": name, "ds": ds, "y": 10.0 + ds.dayofweek, "price": price, "visits": 5.0})
        for name, price in (("a", 1.0), ("b", 3.0), ("c", 8.0))
    ]
    frame = pd.concat(parts).assign(y=lambda rows: rows["y"].where(rows["ds"] < "2024-03-01"))
    sites = pd.DataFrame({"series_id": ["a", "b", "c"], "site": ["n", "n", "s"]})
    found = group_totals(frame, sites, agg={"price": "mean", "visits": "sum"})
    last = found[found["ds"] == ds[-1]].set_index("series_id")
    assert last["price"].to_dict() == {"a": 1, "b": 3, "c": 8, "site=n": 2, "site=s": 8, "all": 4}
    assert last["visits"].to_dict() == {"a": 5, "b": 5, "c": 5, "site=n": 10, "site=s": 5, "all": 15}
    assert last["y"].isna().all()
    plain = group_totals(frame, sites)
    assert found.dropna(subset="y")[["series_id", "ds", "y"]].reset_index(drop=True).equals(plain)
    model = forecaster("lightgbm")(horizon=7, covariates=["price", "visits"], trees=5).fit(found)
    agreed = reconcile(model.predict(7, future=found[found["y"].isna()]), sites)
    assert agreed.groupby("ds")["y_hat"].sum().notna().all()
    with pytest.raises(BadInput, match="agg of 'price' = 'median' is unknown"):
        group_totals(frame, sites, agg={"price": "median"})


def test_totals_and_reconciled_forecasts_have_the_names_and_the_kind_of_what_was_given():
    ds = pd.date_range("2024-01-01", periods=63)
    frame = pd.concat([pd.DataFrame({"unique_id": name, "ds": ds, "y": 1.0 + ds.dayofweek}) for name in (1, 2)])
    sites = pl.DataFrame({"unique_id": [1, 2], "site": ["n", "s"]})
    everything = group_totals(pl.from_pandas(frame), sites)
    assert isinstance(everything, pl.DataFrame)
    agreed = reconcile(forecaster("naive")().fit(everything).predict(7), sites)
    assert agreed.columns[:3] == ["unique_id", "ds", "cutoff"]
    assert set(agreed["unique_id"]) == {"1", "2", "site=n", "site=s", "all"}
