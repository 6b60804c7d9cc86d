"""How many examples a property is shown: few in the suite, many in `make campaign`."""

from hypothesis import settings

__all__ = ["CAMPAIGN", "examples"]

USUAL = 100  # what Hypothesis itself shows
CAMPAIGN = "campaign"
settings.register_profile(CAMPAIGN, max_examples=20 * USUAL, deadline=None)


def examples(few: int) -> int:
    """So many in the suite, and as many times more in a campaign as its profile says."""
    return few * settings.default.max_examples // USUAL
