"""What each gate lets pass."""

import pytest

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


def test_every_gate_is_named_in_the_order_in_which_it_is_told():
    measured = Comparison(0.1, 0.2, 0.3, "")
    asked = (
        gates.better(measured, 0.02),
        gates.naive(measured),
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
