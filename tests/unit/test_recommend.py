"""The rule from findings to a recommendation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.domain.findings import Finding, Findings
from mlops.monitoring.recommend import RULE_VERSION, recommend


def week(*drifted: str) -> Findings:
    """A week in which these kinds drifted and nothing else did."""
    quiet = Finding("feature", "tonnage", 1.0, 4.0, False, "tonnage is 1.0 sigma above")
    return Findings((quiet, *(Finding(kind, f"the {kind}", 5.0, 4.0, True, f"{kind} moved") for kind in drifted)))


QUIET = week()


@pytest.mark.parametrize(
    ("weeks", "action"),
    [
        pytest.param([], "none", id="no week yet"),
        pytest.param([QUIET, QUIET], "none", id="quiet"),
        pytest.param([QUIET, week("feature")], "watch", id="a feature moved"),
        pytest.param([week("feature"), QUIET], "none", id="a feature moved and came back"),
        pytest.param([QUIET, QUIET, week("concept")], "watch", id="concept once may be chance"),
        pytest.param([week("concept"), QUIET, week("concept")], "retrain", id="concept in two of three"),
        pytest.param([week("concept"), week("performance")], "retrain", id="concept, then performance"),
        pytest.param([week("concept"), week("concept"), QUIET], "none", id="it has passed"),
        pytest.param([week("concept"), QUIET, QUIET, week("concept")], "watch", id="too long ago"),
        pytest.param([week("concept"), week("concept", "data")], "investigate_data", id="broken data first"),
        pytest.param([week("data"), week("feature")], "watch", id="data was repaired"),
        pytest.param([week("feature"), week("feature"), week("feature")], "watch", id="features never retrain"),
    ],
)
def test_the_rule(weeks, action):
    recommendation = recommend(weeks)
    assert recommendation.action == action
    assert recommendation.reasons


def test_broken_columns_are_named():
    recommendation = recommend([week("data")])
    assert "the data" in recommendation.reasons[0]


def test_reasons_to_retrain_name_the_numbers():
    first, second = recommend([week("performance")] * 3).reasons
    assert "3 of the last 3 weeks" in first
    assert "5.0 against a limit of 4.0" in second


def test_missing_labels_are_said():
    assert "outcomes are missing" in recommend([QUIET], labels_missing=True).reasons[0]
    assert "outcomes are missing" in recommend([week("feature")], labels_missing=True).reasons[-1]


def test_need_and_of_can_be_stricter():
    assert recommend([week("concept")] * 3, need=4, of=5).action == "watch"


def test_evidence_is_finite_and_names_what_drifted():
    endless = Findings((Finding("feature", "x", float("inf"), 4.0, True, "x is new"),))
    assert recommend([endless]).evidence == {"weeks": 1.0, "weeks_drifted": 0.0}
    assert recommend([week("concept")]).evidence["concept.the concept"] == 5.0


def test_the_rule_has_a_version():
    assert RULE_VERSION == "1"


kinds = st.lists(st.sampled_from(["feature", "concept", "performance", "data"]), max_size=4, unique=True)


@given(weeks=st.lists(kinds.map(lambda names: week(*names)), min_size=1, max_size=6))
def test_a_quiet_newest_week_asks_for_nothing(weeks):
    assert recommend([*weeks, QUIET]).action == "none"


@given(weeks=st.lists(kinds.map(lambda names: week(*names)), min_size=1, max_size=6))
def test_data_faults_come_before_everything(weeks):
    assert (recommend(weeks).action == "investigate_data") == bool(weeks[-1].data_faults)
