"""The monitor of mlops, as `mlops monitor run` uses it."""

import pandas as pd
from benchmarks.monitoring.detectors import Alarms

from mlops.monitoring import Monitor, MonitorSpec, fit_monitor

__all__ = ["Ours"]


class Ours:
    """`fit_monitor` with the budget of its spec."""

    _monitor: Monitor

    def fit(self, history: pd.DataFrame, spec: MonitorSpec) -> None:
        self._monitor = fit_monitor(history, spec)

    def check(self, week: pd.DataFrame) -> Alarms:
        found = self._monitor.check(week)
        concept = frozenset(one.subject for one in found.details if one.kind == "concept" and one.drifted)
        return Alarms(found.features, concept, found.performance, found.data_faults)
