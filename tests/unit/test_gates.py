"""What each gate lets pass."""

import math

import numpy as np
import pandas as pd
import pytest

from mlops.evaluation.backtest import mean_before
from mlops.training import gates
from mlops.training.gates import Comparison

SERVED = {
    "required": {"series_id": "long"},
    "optional": {"ds": "datetime", "y": "double"},
    "outputs": {"series_id": "long", "y_hat": "double"},
    "params": {"horizon": "long"},
}


@pytest.mark.parametrize(
    ("measured", "passed"),
    [
        (Comparison(0.10, 0.20, 0.3, "14 folds"), True),
        (Comparison(0.196, 0.20, 0.3, "14 folds"), False),
        (Comparison(0.20, 0.10, 0.3, "14 folds"), False),
        (Comparison(0.20, None, 0.3, "14 folds", first=True), True),
        (Comparison(0.20, None, 0.3, "the champion can't be compared with"), False),
        (Comparison(None, None, None, "the backtest is gone"), False),
    ],
    ids=["clearly better", "just the margin", "worse", "no champion", "champion unmeasured", "unmeasured"],
)
def test_a_version_has_to_be_better_than_the_champion_by_the_margin(measured: Comparison, passed: bool):
    assert gates.better(measured, 0.02).passed is passed


@pytest.mark.parametrize(
    ("measured", "passed"),
    [
        (Comparison(0.10, None, 0.10, ""), True),
        (Comparison(0.11, None, 0.10, ""), False),
        (Comparison(None, None, 0.10, "the backtest is gone"), False),
    ],
    ids=["as good", "worse", "unmeasured"],
)
def test_a_version_may_not_be_worse_than_the_naive(measured: Comparison, passed: bool):
    assert gates.naive(measured).passed is passed


@pytest.mark.parametrize(
    ("measured", "passed", "told"),
    [
        (Comparison(0.90, None, 1.2, "", mean=0.95), True, "WAPE 0.900, zero's 1.000, the mean's 0.950"),
        (Comparison(1.06, None, 1.2, "", mean=1.40), False, "forecasting zero every time would have been better"),
        (Comparison(0.90, None, 1.2, "", mean=0.85), False, "forecasting each series' mean would have been better"),
        (Comparison(0.90, None, 1.2, ""), True, "WAPE 0.900, zero's 1.000"),
        (Comparison(None, None, None, "the backtest is gone"), False, "the backtest is gone"),
        (Comparison(math.nan, None, math.nan, ""), False, "all outcomes are zero or a forecast is missing"),
    ],
    ids=["better", "worse than zero", "worse than the mean", "mean unknown", "unmeasured", "all zero"],
)
def test_a_version_may_not_be_worse_than_forecasting_nothing_or_the_mean(measured: Comparison, passed: bool, told: str):
    gate = gates.trivial(measured)
    assert gate.passed is passed
    assert gate.found.endswith(told)


def test_the_mean_of_a_series_is_that_of_its_past():
    days = pd.date_range("2024-01-01", periods=4)
    frame = pd.DataFrame({"series_id": [1] * 4 + [2] * 4, "ds": [*days] * 2, "y": [1.0, 3, np.nan, 8, 10, 10, 40, 0]})
    asked = pd.DataFrame({"series_id": [2, 1, 1, 3], "cutoff": [days[2], days[0], days[2], days[2]]})
    assert mean_before(frame, asked).tolist() == [20.0, 1.0, 2.0, pytest.approx(np.nan, nan_ok=True)]


def test_a_version_must_not_ask_for_more_or_give_less_than_the_champion():
    more = SERVED | {"required": {"series_id": "long", "fill": "double"}}
    less = SERVED | {"outputs": {"series_id": "long"}, "params": {}}
    other = SERVED | {"required": {"series_id": "string"}}
    assert gates.signature(SERVED, SERVED).passed
    assert gates.signature(SERVED | {"optional": SERVED["optional"] | {"fill": "double"}}, SERVED).passed
    assert "also requires the input fill (double)" in gates.signature(more, SERVED).found
    assert "output y_hat (double); it does not take the parameter horizon" in gates.signature(less, SERVED).found
    assert not gates.signature(other, SERVED).passed
    assert not gates.signature({}, SERVED).passed
    assert gates.signature(SERVED, None).passed


def test_a_version_that_takes_ids_of_every_type_can_follow_one_that_takes_numbers_but_not_before_it():
    every = SERVED | {"required": {}, "optional": SERVED["optional"] | {"series_id": "Any"}}
    assert gates.signature(every, SERVED).passed
    assert "does not take the input series_id (Any)" in gates.signature(SERVED, every).found


def test_every_gate_is_named_in_the_order_in_which_it_is_told():
    measured = Comparison(0.1, 0.2, 0.3, "")
    asked = (
        gates.better(measured, 0.02),
        gates.naive(measured),
        gates.trivial(measured),
        gates.lineage("complete", None),
        gates.signature(SERVED, SERVED),
        gates.loads(None),
    )
    assert tuple(gate.gate for gate in asked) == gates.GATES
    assert gates.failed(asked) == ()
    assert [gate.found for gate in gates.failed([gates.lineage("incomplete", "no tag"), gates.loads("pickled")])] == [
        "no tag",
        "pickled",
    ]
