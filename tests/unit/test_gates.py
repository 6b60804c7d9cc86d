"""What each gate lets pass."""

import math

import numpy as np
import pandas as pd
import pytest

from mlops.evaluation.backtest import mean_before
from mlops.evaluation.winning import Gate, Losses, Rule, failed
from mlops.training import gates

SERVED = {
    "required": {"series_id": "long"},
    "optional": {"ds": "datetime", "y": "double"},
    "outputs": {"series_id": "long", "y_hat": "double"},
    "params": {"horizon": "long"},
}


def accuracy(measured: Losses) -> dict[str, Gate]:
    """What a promotion finds of accuracy, by gate."""
    return {gate.gate: gate for gate in Rule(0.02).judge(measured).gates}


@pytest.mark.parametrize(
    ("measured", "gate", "passed"),
    [
        (Losses(0.10, 0.20, 0.3, on="14 folds"), "better", True),
        (Losses(0.196, 0.20, 0.3, on="14 folds"), "better", False),
        (Losses(0.20, 0.10, 0.3, on="14 folds"), "better", False),
        (Losses(0.20, None, 0.3, on="14 folds", first=True), "better", True),
        (Losses(0.20, None, 0.3, on="the champion can't be compared with"), "better", False),
        (Losses(None, None, on="the backtest is gone"), "better", False),
        (Losses(0.10, None, 0.10), "naive", True),
        (Losses(0.11, None, 0.10), "naive", False),
        (Losses(None, None, 0.10, on="the backtest is gone"), "naive", False),
    ],
    ids=[
        "clearly better",
        "just the margin",
        "worse",
        "no champion",
        "champion unmeasured",
        "unmeasured",
        "as good as the naive",
        "worse than the naive",
        "unmeasured beside the naive",
    ],
)
def test_a_version_has_to_beat_the_champion_by_the_margin_and_not_lose_to_the_naive(
    measured: Losses, gate: str, passed: bool
):
    assert accuracy(measured)[gate].passed is passed


@pytest.mark.parametrize(
    ("measured", "passed", "told"),
    [
        (Losses(0.90, None, 1.2, mean=0.95), True, "WAPE 0.900, zero's 1.000, the mean's 0.950"),
        (Losses(1.06, None, 1.2, mean=1.40), False, "forecasting zero every time would have been better"),
        (Losses(0.90, None, 1.2, mean=0.85), False, "forecasting each series' mean would have been better"),
        (Losses(0.90, None, 1.2), True, "WAPE 0.900, zero's 1.000"),
        (Losses(None, None, None, on="the backtest is gone"), False, "the backtest is gone"),
        (Losses(math.nan, None, math.nan), False, "all outcomes are zero or a forecast is missing"),
    ],
    ids=["better", "worse than zero", "worse than the mean", "mean unknown", "unmeasured", "all zero"],
)
def test_a_version_may_not_be_worse_than_forecasting_nothing_or_the_mean(measured: Losses, passed: bool, told: str):
    gate = accuracy(measured)["trivial"]
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
    measured = Losses(0.1, 0.2, 0.3)
    asked = (
        *Rule(0.02).judge(measured).gates,
        gates.lineage("complete", None),
        gates.signature(SERVED, SERVED),
        gates.loads(None),
    )
    assert tuple(gate.gate for gate in asked) == gates.GATES
    assert failed(asked) == ()
    assert [gate.found for gate in failed([gates.lineage("incomplete", "no tag"), gates.loads("pickled")])] == [
        "no tag",
        "pickled",
    ]
