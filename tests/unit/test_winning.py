"""Who wins: the one rule, whoever asks it."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.errors import Refused
from mlops.evaluation.holdout import hold_out, losses, unseen
from mlops.evaluation.paired import Estimate
from mlops.evaluation.winning import Limit, Losses, Rule, failed

PROMOTION, PROOF, IN_ITS_PLACE = Rule(0.02), Rule(0.02, beyond_chance=True), Rule(beyond_chance=True, baselines=False)
CLEAR, CHANCE = Estimate(0.1, 0.02, 0.18), Estimate(0.1, -0.02, 0.22)


@pytest.mark.parametrize(
    ("rule", "measured", "wins"),
    [
        pytest.param(PROMOTION, Losses(0.10, 0.20, 0.15), True, id="better than champion and naive"),
        pytest.param(PROMOTION, Losses(0.10, 0.20, 0.10), True, id="as good as the naive"),
        pytest.param(PROMOTION, Losses(0.16, 0.20, 0.15), False, id="worse than the naive"),
        pytest.param(PROMOTION, Losses(0.199, 0.20, 0.30), False, id="within the margin"),
        pytest.param(PROMOTION, Losses(0.10, 0.20), True, id="the naive was not measured"),
        pytest.param(PROMOTION, Losses(0.20, None, 0.30, first=True), True, id="there is no champion"),
        pytest.param(PROMOTION, Losses(0.20, None, 0.30), False, id="the champion was not measured"),
        pytest.param(PROMOTION, Losses(None, 0.20, 0.30), False, id="the candidate was not measured"),
        pytest.param(PROMOTION, Losses(None, None, None, first=True), False, id="not even without a champion"),
        pytest.param(PROMOTION, Losses(1.06, 1.30, 1.50), False, id="worse than zero"),
        pytest.param(PROMOTION, Losses(0.90, 1.30, 1.50, 0.85), False, id="worse than the mean"),
        pytest.param(PROMOTION, Losses(math.nan, 0.2, 0.3), False, id="no WAPE"),
        pytest.param(PROMOTION, Losses(0.1, 0.2, 0.3, gain=CHANCE), True, id="chance is not asked about"),
        pytest.param(PROOF, Losses(0.1, 0.2, 0.3, gain=CHANCE), False, id="may be chance"),
        pytest.param(PROOF, Losses(0.1, 0.2, 0.3, gain=CLEAR), True, id="beyond chance"),
        pytest.param(PROOF, Losses(0.199, 0.2, 0.3, gain=CLEAR), False, id="beyond chance, within the margin"),
        pytest.param(PROOF, Losses(0.1, 0.2, 0.3), False, id="chance was not measured"),
        pytest.param(IN_ITS_PLACE, Losses(1.1, 1.2, gain=CLEAR), True, id="who stands in need not be good"),
        pytest.param(IN_ITS_PLACE, Losses(math.nan, math.nan, gain=CLEAR), False, id="all outcomes are zero"),
    ],
)
def test_who_wins(rule: Rule, measured: Losses, wins: bool):
    assert rule.wins(measured) is wins


@pytest.mark.parametrize(
    ("figures", "wins"), [({"bias": 0.05}, True), ({"bias": -0.2}, False), ({"bias": math.nan}, False), ({}, False)]
)
def test_another_figure_of_the_candidate_may_have_its_limits(figures: dict[str, float], wins: bool):
    rule = Rule(limits=(Limit("bias", -0.1, 0.1),))
    verdict = rule.judge(Losses(0.1, 0.2, 0.3, figures=figures))
    assert verdict.won is wins
    assert verdict.gates[-1].expected == "bias from -0.1 to 0.1"


def test_conditions_that_are_not_asked_neither_pass_nor_fail():
    gates = PROOF.not_asked("it has no backtest")
    assert [gate.gate for gate in gates] == ["better", "clear", "naive", "trivial"]
    assert {(gate.passed, gate.found) for gate in gates} == {(None, "it has no backtest")}
    assert failed(gates) == ()


WAPES = st.none() | st.floats(0, 2)


@given(
    measured=st.builds(Losses, WAPES, WAPES, WAPES, WAPES),
    margin=st.floats(0, 0.5),
    more=st.floats(0, 0.4),
)
def test_who_wins_by_a_stricter_rule_wins_by_a_milder_one(measured: Losses, margin: float, more: float):
    if Rule(margin + more).wins(measured):
        assert Rule(margin).wins(measured)
        assert Rule(margin, baselines=False).wins(measured)


FRAME = pd.concat(
    [pd.DataFrame({"series_id": n, "ds": pd.date_range("2024-01-01", periods=70), "y": [1.0] * 70}) for n in (1, 2)],
    ignore_index=True,
)
LINEAGE = {
    "selection": {"metric_type": "collection_weight", "granularity": "daily", "labels": {}},
    "recipe": {"kind": "lightgbm", "horizon": 14, "country": None},
}


@pytest.mark.parametrize(
    ("trained_to", "kind", "seen"),
    [("2024-02-25", "lightgbm", False), ("2024-03-01", "lightgbm", True), ("2024-03-01", "naive", False)],
    ids=["before", "after", "a baseline learns nothing"],
)
def test_a_champion_is_not_compared_on_days_that_it_has_seen(trained_to: str, kind: str, seen: bool):
    lineage = LINEAGE | {"trained_to": f"{trained_to}T00:00:00+00:00"}
    lineage["recipe"] = LINEAGE["recipe"] | {"kind": kind}
    if seen:
        with pytest.raises(Refused, match="version 3 was itself trained on days after 2024-02-25"):
            unseen(FRAME, 3, lineage, 14)
    else:
        assert unseen(FRAME, 3, lineage, 14).begins == pd.Timestamp("2024-02-25")


def test_all_are_measured_on_the_rows_that_all_forecast():
    held = hold_out(FRAME, "daily", 14, 14)
    half = held.of_naive(LINEAGE["recipe"]).assign(y_hat=0.5)
    measured = losses(held.compared(half[half["series_id"] == 1], half.assign(y_hat=2.0), half), "14 days")
    assert (measured.candidate, measured.champion, measured.naive, measured.mean) == (0.5, 1.0, 0.5, 0.0)
    assert len(held.compared(half[half["series_id"] == 1], half, half)) == 14
