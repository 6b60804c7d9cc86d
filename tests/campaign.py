"""How many examples a property is shown: few in the suite, many in `make campaign`."""

from hypothesis import settings

__all__ = ["USUAL", "examples"]

USUAL = 100  # what Hypothesis itself shows


def examples(few: int) -> int:
    """So many in the suite, and as many times more in a campaign as its profile says."""
    return few * settings.default.max_examples // USUAL
