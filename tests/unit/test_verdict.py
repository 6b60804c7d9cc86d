"""Whom a retraining promotes: a challenger that beats the champion by the margin and is not worse than the naive."""

from datetime import UTC, datetime

import pytest

from mlops.policy import RetrainPolicy
from mlops.tracking.registry import ModelVersion
from mlops.training.retrain import TAGS, judge

MADE = datetime(2020, 1, 1, tzinfo=UTC)
CHAMPION = ModelVersion("demand", 1, "run", "source", {}, MADE)


@pytest.mark.parametrize(
    ("ours", "theirs", "naive", "promoted"),
    [
        (0.10, 0.20, 0.15, True),
        (0.10, 0.20, 0.10, True),
        (0.16, 0.20, 0.15, False),
        (0.199, 0.20, 0.30, False),
        (0.10, 0.20, None, True),
    ],
    ids=["better than both", "as the naive", "worse than the naive", "within the margin", "naive not measured then"],
)
def test_a_challenger_has_to_beat_the_champion_and_the_naive(
    ours: float, theirs: float, naive: float | None, promoted: bool
):
    wapes = {"candidate": ours, "champion": theirs} | ({"naive": naive} if naive else {})
    tags = {TAGS[name]: str(value) for name, value in wapes.items()}
    found = judge(ModelVersion("demand", 2, "run", "source", tags, MADE), CHAMPION, RetrainPolicy(14, 0.02))
    assert found.promoted is promoted
    assert (
        f"version 2 {'promoted' if promoted else 'not promoted'}: WAPE {ours:.3f} against {theirs:.3f}" in found.verdict
    )
    assert ("of the seasonal naive" in found.verdict) is (naive is not None)
