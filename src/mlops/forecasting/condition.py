"""The condition of a series in one word, and how it is forecast in that condition.

| condition    | when                                              | its forecast                                |
|--------------|---------------------------------------------------|---------------------------------------------|
| no data      | no value at all                                   | none: it has no rows                        |
| ended        | nothing in the newest four cycles, or half a year | its last level, while that is within a year |
| short        | fewer than two cycles of values, or 14            | its mean, with the errors of all series     |
| constant     | one single value                                  | that value                                  |
| intermittent | half of the values or more are zero               | its median, often 0: sums of it are too low |
| late         | begins in the newest half of the history          | as of a regular one, from what there is     |
| regular      | otherwise                                         |                                             |

None of them stops the others.
"""

import numpy as np
import pandas as pd

from mlops.panels.from_frame import Panels
from mlops.panels.panel import Panel

__all__ = ["conditions"]


def conditions(frame: pd.DataFrame, freq: str | None = None) -> pd.DataFrame:
    """The condition of each series of a frame, a row for each.

    Parameters
    ----------
    frame
        `series_id, ds, y`, a row per series and step; `ds` is naive UTC, NaN is no value.
    freq
        The name of a granularity or pandas' offset alias (None: inferred).

    Returns
    -------
    pandas.DataFrame
        `series_id, condition, observed, zeros, first, last`: how many values, how many of them zero, and the steps of
        the first and the last one (naive UTC; NaT where there is none).
    """
    panels = Panels.of(frame, freq)
    rows = pd.concat([_of(panel) for panel in panels.parts], ignore_index=True)
    missing = pd.Index(frame["series_id"].unique()).difference(panels.ids)
    nothing = pd.DataFrame({"series_id": missing, "condition": "no data", "observed": 0, "zeros": 0})
    return pd.concat([rows, nothing], ignore_index=True) if len(nothing) else rows


def _of(panel: Panel) -> pd.DataFrame:
    seen, steps = ~np.isnan(panel.y), panel.y.shape[1]
    first, last = seen.argmax(axis=1), steps - 1 - seen[:, ::-1].argmax(axis=1)
    at, place = panel.by_the_clock()
    count, zeros = seen.sum(axis=1), (panel.y == 0).sum(axis=1)
    constant = np.nanmax(panel.y, axis=1) == np.nanmin(panel.y, axis=1)
    quiet = steps - 1 - last
    cases = {
        "ended": quiet >= min(4 * panel.granularity.block, panel.granularity.year // 2),
        "short": panel.short,
        "constant": constant,
        "intermittent": 2 * zeros >= count,
        "late": first >= steps // 2,
    }
    return pd.DataFrame(
        {
            "series_id": panel.ids,
            "condition": np.select(list(cases.values()), list(cases), "regular"),
            "observed": count,
            "zeros": zeros,
            "first": at[np.searchsorted(place, first)],
            "last": at[np.searchsorted(place, last, side="right") - 1],
        }
    )
