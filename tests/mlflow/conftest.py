"""A place in which routes are stored and one model is champion; made once, then copied for every test."""

import pytest

from mlops.training import Trained


@pytest.fixture
def template(trained_place: tuple[str, Trained]) -> str:
    """Homes of these tests are copies of the trained place."""
    return trained_place[0]
