"""The rules from findings and proofs to a recommendation."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.domain.findings import Benefit, Finding, Findings, Recommendation
from mlops.monitoring.decide.proof import Proof
from mlops.monitoring.decide.recommend import (
    RULE_VERSION,
    Decision,
    advise,
    asks_for_proof,
    hold,
    recommend,
)
from mlops.policy import Terms

TERMS = Terms(margin=0.02, retraining=5.0, review=30.0, horizon_weeks=8)


def week(*drifted: str) -> Findings:
    """A week in which these kinds drifted and nothing else did."""
    quiet = Finding("feature", "tonnage", 1.0, 4.0, False, "tonnage is 1.0 sigma above")
    return Findings((quiet, *(Finding(kind, f"the {kind}", 5.0, 4.0, True, f"{kind} moved") for kind in drifted)))


def proof(*, saved: float = 0.05, low: float = 0.02, money: float = 10.0, naive: float = 0.3, **more: object) -> Proof:
    """A refit with WAPE 0.20 - `saved` against 0.20 of the champion, that saves `money` a week."""
    benefit = Benefit(saved, low, saved + 0.03, money, money - 5, money + 5, "EUR", 14)
    return Proof(benefit, 0.20 - saved, 0.20, naive=naive, **({"challenger": "same"} | more))


QUIET = week()
DRIFTED = [week("concept"), week("concept", "performance")]
SHADOW = proof(challenger=None, predecessor=3)
LOSES = proof(saved=0.01, low=-0.02)


@pytest.mark.parametrize(
    ("weeks", "action"),
    [
        pytest.param([], "none", id="no week yet"),
        pytest.param([QUIET, QUIET], "none", id="quiet"),
        pytest.param([QUIET, week("feature")], "watch", id="a feature moved"),
        pytest.param([week("feature"), QUIET], "none", id="a feature moved and came back"),
        pytest.param([QUIET, QUIET, week("concept")], "watch", id="concept once may be chance"),
        pytest.param([week("concept"), QUIET, week("concept")], "watch", id="concept in two of three, but no proof"),
        pytest.param([week("concept"), week("concept"), QUIET], "none", id="it has passed"),
        pytest.param([week("concept"), week("concept", "data")], "investigate_data", id="broken data first"),
        pytest.param([week("data"), week("feature")], "watch", id="data was repaired"),
        pytest.param([week("feature"), week("feature"), week("feature")], "watch", id="features never retrain"),
    ],
)
def test_without_a_proof_nothing_is_retrained(weeks, action):
    recommendation = recommend(weeks, TERMS)
    assert recommendation.action == action
    assert recommendation.reasons


@pytest.mark.parametrize(
    ("weeks", "shadow", "proofs", "action"),
    [
        pytest.param(DRIFTED, None, [proof()], "retrain", id="a refit wins and pays off"),
        pytest.param(DRIFTED, None, [LOSES], "watch", id="its interval reaches below zero"),
        pytest.param(DRIFTED, None, [proof(saved=0.003, low=0.001)], "watch", id="it wins by less than the margin"),
        pytest.param(DRIFTED, None, [proof(naive=0.1)], "watch", id="the naive is better than both"),
        pytest.param(DRIFTED, None, [proof(mean=0.1)], "watch", id="the mean is better than both"),
        pytest.param(
            DRIFTED,
            None,
            [replace(proof(naive=1.5), wape=1.06, champion=1.3)],
            "watch",
            id="nothing is better than both",
        ),
        pytest.param(DRIFTED, None, [proof(money=4.0)], "watch", id="32 saved in 8 weeks for 35"),
        pytest.param(DRIFTED, None, [proof(money=4.5)], "retrain", id="36 saved in 8 weeks for 35"),
        pytest.param(DRIFTED, None, [LOSES, proof(challenger="lean")], "retrain", id="another recipe wins"),
        pytest.param([QUIET], None, [proof()], "retrain", id="an old champion is beaten without drift"),
        pytest.param([QUIET], None, [LOSES], "none", id="an old champion is as good as ever"),
        pytest.param(DRIFTED, SHADOW, [proof()], "rollback", id="a bad promotion goes before a retraining"),
        pytest.param([QUIET], SHADOW, [], "rollback", id="a bad promotion needs no drift"),
        pytest.param(
            DRIFTED, replace(LOSES, challenger=None, predecessor=3), [proof()], "retrain", id="a good promotion"
        ),
        pytest.param([week("data", "concept")], SHADOW, [proof()], "investigate_data", id="broken data goes first"),
    ],
)
def test_the_rules_in_their_order(weeks, shadow, proofs, action):
    assert recommend(weeks, TERMS, shadow=shadow, proofs=proofs).action == action


@pytest.mark.parametrize(
    ("weeks", "asks"),
    [
        pytest.param([], False, id="no week"),
        pytest.param([week("concept")], False, id="one week"),
        pytest.param([week("concept"), QUIET, week("performance")], True, id="two of three"),
        pytest.param([week("concept"), week("concept"), QUIET], False, id="not the newest"),
        pytest.param([week("concept"), QUIET, QUIET, week("concept")], False, id="too long ago"),
        pytest.param([week("feature")] * 3, False, id="features"),
    ],
)
def test_a_proof_is_only_asked_for_when_the_model_keeps_drifting(weeks, asks):
    assert asks_for_proof(weeks, TERMS) == asks


@pytest.mark.parametrize(
    ("weeks", "old", "shadow", "asked", "action"),
    [
        pytest.param([QUIET], False, None, ["shadow", "old"], "none", id="a quiet week costs no fit"),
        pytest.param([week("data")], True, SHADOW, [], "investigate_data", id="broken data ask for nothing"),
        pytest.param(DRIFTED, False, SHADOW, ["shadow"], "rollback", id="a rollback needs no challenger"),
        pytest.param(DRIFTED, False, None, ["shadow", "challenge"], "retrain", id="drift asks for a challenger"),
        pytest.param([QUIET], True, None, ["shadow", "old", "challenge"], "retrain", id="so does age"),
        pytest.param([], True, None, [], "none", id="no week yet"),
    ],
)
def test_only_the_proofs_that_may_matter_are_asked_for(weeks, old, shadow, asked, action):
    calls = []
    found = advise(
        weeks,
        TERMS,
        shadow=lambda: calls.append("shadow") or shadow,
        challenge=lambda: calls.append("challenge") or ((proof(),), ""),
        old=lambda: calls.append("old") or old,
    )
    assert (calls, found.action) == (asked, action)
    assert found.evidence.get("challenged") == (1.0 if "challenge" in asked else None)


BEATEN = Findings((Finding("performance", "naive", 4.0, 2.9, True, "the error is 1.43 times that of the naive"),))
NAIVE = proof(challenger="naive", naive=None)
BETTER_AGAIN, NOT_AGAIN = (replace(SHADOW, wape=wape, champion=0.20) for wape in (0.18, 0.21))
REFIT = proof(low=-0.02, predecessor=3)


@pytest.mark.parametrize(
    ("weeks", "proofs", "naive", "action"),
    [
        pytest.param([BEATEN], [LOSES], NAIVE, "fallback", id="the naive is better and no refit wins"),
        pytest.param([BEATEN], [proof()], NAIVE, "retrain", id="a refit that wins goes first"),
        pytest.param(
            [BEATEN], [proof(naive=0.1)], NAIVE, "fallback", id="a refit that is worse than the naive does not"
        ),
        pytest.param([BEATEN], [], NAIVE, "fallback", id="without any refit"),
        pytest.param([BEATEN], [LOSES], replace(NAIVE, benefit=LOSES.benefit), "watch", id="it may be chance"),
        pytest.param([BEATEN], [LOSES], proof(challenger="naive", money=3.0), "watch", id="24 saved in 8 weeks for 30"),
        pytest.param([QUIET], [], None, "none", id="nobody asked"),
        pytest.param([week("data", "concept")], [], NAIVE, "investigate_data", id="broken data go first"),
    ],
)
def test_the_seasonal_naive_serves_where_it_is_proven_better(weeks, proofs, naive, action):
    assert recommend(weeks, TERMS, proofs=proofs, naive=naive).action == action


def test_a_fallback_says_what_it_saves_and_why_no_refit_is_made():
    found = recommend([BEATEN], TERMS, proofs=[LOSES], naive=NAIVE)
    assert (found.challenger, found.cost, found.horizon_weeks, found.cause) == ("naive", 30.0, 8, ())
    assert found.benefit == NAIVE.benefit
    assert "the seasonal naive has WAPE 0.150 against 0.200 of the champion" in found.reasons[0]
    assert "no refit wins: a refit by the same recipe has WAPE 0.190" in found.reasons[0]
    assert found.evidence["proof.naive.wape"] == pytest.approx(0.15)


def test_a_fallback_names_no_money_that_is_made_of_placeholder_prices():
    priced, unpriced = NAIVE, replace(NAIVE, benefit=replace(NAIVE.benefit, currency=""))
    (with_money, without) = (
        recommend([BEATEN], TERMS, proofs=[LOSES], naive=naive).reasons[1] for naive in (priced, unpriced)
    )
    assert with_money.endswith(": 80.00 in 8 weeks for 30.00")
    assert "80.00" not in without
    assert "30.00" not in without


def test_a_naive_that_was_better_for_four_weeks_needs_no_second_week():
    assert asks_for_proof([QUIET, BEATEN], TERMS)
    assert not asks_for_proof([BEATEN, QUIET], TERMS)


@pytest.mark.parametrize(
    ("shadow", "proofs", "action", "predecessor"),
    [
        pytest.param(BETTER_AGAIN, [], "rollback", 3, id="the model is better again"),
        pytest.param(replace(BETTER_AGAIN, benefit=LOSES.benefit), [], "rollback", 3, id="chance or not"),
        pytest.param(NOT_AGAIN, [], "watch", None, id="it is not"),
        pytest.param(None, [], "watch", None, id="nothing is known yet"),
        pytest.param(replace(SHADOW, wape=0.199), [], "watch", None, id="by less than the margin"),
        pytest.param(NOT_AGAIN, [REFIT], "retrain", 3, id="a refit of it is, chance or not"),
        pytest.param(BETTER_AGAIN, [REFIT], "retrain", 3, id="a refit is better than both"),
        pytest.param(replace(SHADOW, wape=0.151), [REFIT], "rollback", 3, id="a refit that is hardly better"),
        pytest.param(NOT_AGAIN, [LOSES], "watch", None, id="no refit is, by the margin and for its cost"),
    ],
)
def test_the_model_comes_back_from_a_naive_when_it_is_better(shadow, proofs, action, predecessor):
    found = recommend([QUIET], replace(TERMS, margin=0.06), shadow=shadow, proofs=proofs, stands_in_for=3)
    assert (found.action, found.predecessor) == (action, predecessor)
    if action == "watch":
        assert "the seasonal naive stands in for version 3" in found.reasons[0]


def test_while_the_naive_stands_in_a_refit_that_zero_or_the_mean_beat_is_not_asked_for():
    better = {"saved": 0.05, "low": -0.02, "naive": 0.2}
    asked = recommend([QUIET], TERMS, shadow=None, proofs=(proof(**better),), stands_in_for=3)
    assert asked.action == "retrain", "it need not be better beyond chance"
    trivial = proof(**better, mean=0.14)
    assert recommend([QUIET], TERMS, shadow=None, proofs=(trivial,), stands_in_for=3).action != "retrain"


def test_while_a_naive_stands_in_a_refit_is_tried_every_week():
    calls = []
    found = advise(
        [QUIET],
        replace(TERMS, margin=0.06),
        shadow=lambda: NOT_AGAIN,
        challenge=lambda: calls.append("challenge") or ((LOSES,), ""),
        old=lambda: False,
        stands_in_for=3,
    )
    assert (calls, found.action) == (["challenge"], "watch")


def test_a_retraining_carries_what_it_promises_what_it_costs_and_by_which_recipe():
    found = recommend(DRIFTED, TERMS, proofs=[LOSES, proof(challenger="lean")])
    assert (found.challenger, found.cost, found.horizon_weeks) == ("lean", 35.0, 8)
    assert found.benefit == proof().benefit
    first, second, *rest = found.reasons
    assert first == (
        "a refit as lean has WAPE 0.150 against 0.200 of the champion and 0.300 of the seasonal naive"
        " on the newest 14 days, which neither has seen"
    )
    assert "80.00 in 8 weeks for 35.00" in second
    assert "2 of the last 2 weeks" in rest[0]
    assert rest[1] == "concept moved", "its statistics are in the detail"


def test_no_money_is_told_while_its_prices_are_placeholders():
    unpriced = [replace(one, benefit=replace(one.benefit, currency="")) for one in (proof(), proof(money=1.0), SHADOW)]
    for found in (
        recommend(DRIFTED, TERMS, proofs=[unpriced[0]]),
        recommend(DRIFTED, TERMS, proofs=[unpriced[1]]),
        recommend(DRIFTED, TERMS, shadow=unpriced[2]),
    ):
        told = " ".join(found.reasons)
        assert not [one for one in ("EUR", "80.00", "35.00", "10.00") if one in told], told
        assert "WAPE" in told
    assert "set [costs] there" in recommend(DRIFTED, TERMS, proofs=[unpriced[1]]).reasons[0]


def test_a_rollback_names_the_version_before_and_costs_a_review():
    found = recommend(DRIFTED, TERMS, shadow=SHADOW)
    assert (found.predecessor, found.cost) == (3, 30.0)
    assert "version 3, which was champion before" in found.reasons[0]


def test_larger_errors_that_nothing_beats_are_told_as_such():
    found = recommend(DRIFTED, TERMS, proofs=[LOSES])
    assert found.reasons[0].startswith("nothing beats the champion, so errors stay as large: a refit by the same")
    assert found.benefit is None
    assert found.evidence["proof.same.wape_champion"] == 0.20


def test_an_old_champion_that_is_as_good_as_ever_is_told_as_such():
    assert recommend([QUIET], TERMS, proofs=[LOSES]).reasons[0].startswith("the champion is old, and no refit beats it")


def test_a_saving_below_the_cost_is_told_with_both():
    assert (
        "saves 32.00 EUR in 8 weeks and retraining costs 35.00"
        in recommend(DRIFTED, TERMS, proofs=[proof(money=4)]).reasons[0]
    )


def test_what_could_not_be_proven_says_why():
    assert recommend(DRIFTED, TERMS, unproven="its files are gone").reasons[0].endswith("its files are gone")


def test_broken_columns_are_named():
    recommendation = recommend([week("data")])
    assert "the data" in recommendation.reasons[0]
    assert recommendation.cause == ("data.the data",)


def test_missing_labels_are_said():
    assert "outcomes are missing" in recommend([QUIET], labels_missing=True).reasons[0]
    assert "outcomes are missing" in recommend([week("feature")], labels_missing=True).reasons[-1]


def test_need_and_of_can_be_stricter():
    assert not asks_for_proof([week("concept")] * 3, Terms(need=4, of=5))


def test_evidence_is_finite_and_names_what_drifted():
    endless = Findings((Finding("feature", "x", float("inf"), 4.0, True, "x is new"),))
    assert recommend([endless]).evidence == {"weeks": 1.0, "weeks_drifted": 0.0}
    assert recommend([week("concept")]).evidence["concept.the concept"] == 5.0


def test_the_rule_has_a_version():
    assert RULE_VERSION == "4"


BROKE = Findings(
    (
        Finding("performance", "upheaval", 2.4, 1.0, True, "21 of 21 series are below their forecasts since Thursday"),
        Finding("feature", "log_level", 5.0, 4.0, True, "log_level is 5.0 sigma below"),
    )
)


@pytest.mark.parametrize(
    ("weeks", "proofs", "action"),
    [
        pytest.param([QUIET, BROKE], [], "investigate_data", id="at once"),
        pytest.param([BROKE], [LOSES], "investigate_data", id="no refit mends it"),
        pytest.param([BROKE], [proof()], "retrain", id="a refit mends it"),
        pytest.param([BROKE], [proof(money=1.0)], "investigate_data", id="a refit mends it, but does not pay off"),
        pytest.param([BROKE, QUIET], [], "none", id="it has passed"),
        pytest.param([BROKE, week("concept")], [LOSES], "watch", id="the break has passed, the drift has not"),
    ],
)
def test_a_break_asks_a_person_at_once_unless_a_refit_mends_it(weeks, proofs, action):
    assert recommend(weeks, TERMS, proofs=proofs).action == action


def test_a_break_says_what_broke_and_what_to_find_out():
    found = recommend([BROKE], TERMS, proofs=[LOSES])
    assert found.reasons[0].startswith("21 of 21 series are below")
    assert "whether the feed or the world has changed" in found.reasons[1]
    assert found.reasons[2].startswith("nothing beats the champion")
    assert found.cause == ("performance.upheaval",), "a decision holds, whatever else moves in the next week"


def test_a_break_asks_for_a_proof_without_a_second_week():
    assert asks_for_proof([QUIET, BROKE], Terms(need=3, of=4))
    assert not asks_for_proof([BROKE, QUIET], TERMS)


@pytest.mark.parametrize(
    ("weeks", "proofs", "factor", "told"),
    [
        pytest.param(DRIFTED, [LOSES], 1.4, True, id="errors grew and nothing helps"),
        pytest.param([week("performance")], [], 1.4, True, id="coverage alone"),
        pytest.param([BROKE], [LOSES], 3.0, True, id="a break"),
        pytest.param(DRIFTED, [proof()], 1.4, False, id="a refit helps"),
        pytest.param(DRIFTED, [LOSES], 1.05, False, id="hardly too narrow"),
        pytest.param(DRIFTED, [LOSES], None, False, id="nobody knows"),
        pytest.param([week("feature")], [], 1.4, False, id="the errors did not drift"),
        pytest.param([week("data", "concept")], [], 1.4, False, id="broken data say nothing about errors"),
    ],
)
def test_variance_without_gain_widens_intervals_by_a_factor(weeks, proofs, factor, told):
    found = recommend(weeks, TERMS, proofs=proofs, widening=factor)
    assert ("widen_80" in found.evidence) == told
    assert any(f"made {factor} times as wide" in why.replace("0 times", " times") for why in found.reasons) == told


DISMISSED = Decision(
    7, "retrain", [], 1.25, 10.0, "dismiss", "ada", "the depot moves", datetime(2020, 4, 1, tzinfo=UTC)
)
RETRAIN = recommend(DRIFTED, TERMS, proofs=[proof()])


@pytest.mark.parametrize(
    ("found", "decision", "action"),
    [
        pytest.param(RETRAIN, DISMISSED, "watch", id="the same again"),
        pytest.param(replace(RETRAIN, severity=1.8), DISMISSED, "watch", id="worse, but not clearly"),
        pytest.param(replace(RETRAIN, severity=1.9), DISMISSED, "retrain", id="clearly worse"),
        pytest.param(replace(RETRAIN, benefit=proof(money=16).benefit), DISMISSED, "retrain", id="clearly dearer"),
        pytest.param(RETRAIN, replace(DISMISSED, action="rollback"), "retrain", id="another action was dismissed"),
        pytest.param(
            recommend([week("feature")]),
            replace(DISMISSED, action="watch", cause=["data.x", "feature.the feature"]),
            "none",
            id="a watch asks for nothing then",
        ),
        pytest.param(
            recommend([week("feature")]),
            replace(DISMISSED, action="watch", cause=["feature.another"]),
            "watch",
            id="a new cause",
        ),
    ],
)
def test_what_a_person_decided_against_is_not_made_anew_unless_clearly_worse(found, decision, action):
    held = hold(found, [decision], worse=1.5)
    assert held.action == action
    if action != found.action:
        assert held.held_by == 7
        assert "dismissed by ada until 2020-04-01: the depot moves" in held.reasons[0]
        assert held.reasons[1:] == found.reasons
        assert (held.benefit, held.cost, held.challenger) == (None, None, None)
    else:
        assert held == found


kinds = st.lists(st.sampled_from(["feature", "concept", "performance", "data"]), max_size=4, unique=True)
some_weeks = st.lists(kinds.map(lambda names: week(*names)), min_size=1, max_size=6)
some_proofs = st.lists(
    st.builds(
        proof,
        saved=st.floats(-0.1, 0.15),
        low=st.floats(-0.2, 0.1),
        money=st.floats(-100, 100),
        naive=st.floats(0.01, 0.5),
    ),
    max_size=3,
)


@given(weeks=some_weeks)
def test_a_quiet_newest_week_asks_for_nothing(weeks):
    assert recommend([*weeks, QUIET]).action == "none"


@given(weeks=some_weeks, proofs=some_proofs)
def test_data_faults_come_before_everything(weeks, proofs):
    found = recommend(weeks, TERMS, shadow=SHADOW, proofs=proofs)
    assert (found.action == "investigate_data") == bool(weeks[-1].data_faults)


@given(weeks=some_weeks, proofs=some_proofs, cost=st.floats(0, 1000), more=st.floats(0, 1000))
def test_more_cost_never_turns_anything_into_a_retraining(weeks, proofs, cost, more):
    cheap = recommend(weeks, replace(TERMS, retraining=cost), proofs=proofs)
    dear = recommend(weeks, replace(TERMS, retraining=cost + more), proofs=proofs)
    assert dear.action == cheap.action or (cheap.action, dear.action) == ("retrain", "watch")


@given(weeks=some_weeks, proofs=some_proofs)
def test_whatever_is_retrained_is_better_beyond_chance_and_pays_off(weeks, proofs):
    found = recommend(weeks, TERMS, proofs=proofs)
    if found.action == "retrain":
        assert found.benefit.wape_low > 0
        assert found.benefit.money * found.horizon_weeks > found.cost
    assert isinstance(found, Recommendation)
    assert found.reasons
