"""Daily numbers of our own, watched against the calendar as a monitor watches features: one budget for all of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from mlops.domain.findings import Finding
from mlops.monitoring.detect.monitor import MonitorSpec, fit_monitor

__all__ = ["Watched"]

NOTHING = "nothing"  # a target that is always met, so that the numbers are all that can move
NEWEST = pd.Timedelta(days=28)  # the longest window of a finding


class Watched:
    """What is normal for some columns of a history, asked week by week.

    Frames have `ds, series_id, holiday` and the columns. Of those in `rising` only a rise is bad.
    """

    def __init__(
        self, history: pd.DataFrame, columns: Sequence[str], alarms_per_year: float, rising: Collection[str] = ()
    ) -> None:
        spec = MonitorSpec(
            time="ds",
            entity="series_id",
            numeric=tuple(columns),
            categorical=(),
            target=NOTHING,
            prediction=NOTHING,
            holiday="holiday",
            alarms_per_year=alarms_per_year,
        )
        self._monitor = fit_monitor(history.assign(**{NOTHING: 0.0}), spec)
        self._rising = sorted(rising)
        self._usual = history[self._rising].mean()
        self._newest = history.iloc[:0]

    def check(self, window: pd.DataFrame) -> Mapping[str, Finding]:
        """The finding about each column once the newest rows are known; nothing where there are no rows."""
        if window.empty:
            return {}
        seen = pd.concat([self._newest, window]) if len(self._newest) else window
        self._newest = seen[seen["ds"] > seen["ds"].max() - NEWEST]
        risen = self._newest[self._rising].mean() > self._usual
        found = self._monitor.check(window.assign(**{NOTHING: 0.0})).details
        mine = {one.subject: one for one in found if one.kind == "feature"}
        return {name: one if risen.get(name, True) else replace(one, drifted=False) for name, one in mine.items()}
