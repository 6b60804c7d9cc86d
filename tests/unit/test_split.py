"""A split by key: the same everywhere, in the shares that were asked for, and stable when these change."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.errors import BadInput
from mlops.serving.shadow.split import split

KEYS = [f"customer {n}" for n in range(20_000)]


def test_keys_fall_in_their_shares():
    shares = {"a": 0.1, "b": 0.25, "champion": 0.65}
    counted = Counter(split(key, shares, experiment="x") for key in KEYS)
    for name, share in shares.items():
        assert abs(counted[name] / len(KEYS) - share) < 0.015


def test_a_split_is_what_it_was():
    """Who was in which group is never asked of a table: the figures may not change with a version of Python."""
    fallen = [split(f"customer {n}", {"challenger": 0.5, "champion": 0.5}, experiment="x")[3] for n in range(12)]
    assert "".join(fallen) == "lllmmmmlmlml"


def test_a_share_that_grows_keeps_its_keys():
    before = {key for key in KEYS if split(key, {"challenger": 0.1, "champion": 0.9}, experiment="x") == "challenger"}
    after = {key for key in KEYS if split(key, {"challenger": 0.3, "champion": 0.7}, experiment="x") == "challenger"}
    assert before < after


def test_another_experiment_draws_anew():
    shares = {"a": 0.5, "b": 0.5}
    same = sum(split(key, shares, experiment="x") == split(key, shares, experiment="y") for key in KEYS)
    assert abs(same / len(KEYS) - 0.5) < 0.02


@given(st.text(), st.text())
def test_every_key_falls_to_somebody_with_a_share(key: str, experiment: str):
    assert split(key, {"none": 0.0, "a": 1 / 3, "b": 2 / 3, "nobody": 0}, experiment=experiment) in ("a", "b")


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan"), "b": 1.0}])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(BadInput, match="add up to 1"):
        split("k", shares, experiment="x")
