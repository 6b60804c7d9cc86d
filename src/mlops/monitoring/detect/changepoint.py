"""When errors began to be larger: the least-squares estimate of one change in the mean (Bai, 1994). Pure."""

import numpy as np
import numpy.typing as npt

__all__ = ["onset"]

FEWEST = 3
"""Days on either side of the change."""
ROUNDING = 1e-9


def onset(daily: npt.NDArray[np.float64]) -> int | None:
    """The place of the first day of the higher level in daily losses (days); None when there is no rise.

    The split that leaves the smallest sum of squares around two means, among those that rise; NaN days don't count.
    It estimates when, given that something changed; whether it did is for the monitor to say.
    """
    known = np.flatnonzero(np.isfinite(daily))
    values = daily[known]
    days = len(values)
    splits = np.arange(FEWEST, days - FEWEST + 1)
    if len(splits) == 0:
        return None
    total = np.cumsum(values)
    before = total[splits - 1] / splits
    after = (total[-1] - total[splits - 1]) / (days - splits)
    explained = np.where(
        after > before + ROUNDING * np.abs(before), splits * (days - splits) * (after - before) ** 2, 0.0
    )
    best = int(np.argmax(explained))
    return int(known[splits[best]]) if explained[best] > 0 else None
