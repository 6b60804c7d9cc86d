"""The weeks of a model's life, judged one after the other by a monitor that was fitted on its backtest. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pandas as pd

from mlops.domain.findings import Findings
from mlops.monitoring.coverage import against_promise
from mlops.monitoring.monitor import MonitorSpec, fit_monitor
from mlops.monitoring.policy import Policy
from mlops.monitoring.skill import against_naive
from mlops.monitoring.upheaval import all_at_once

__all__ = ["weekly"]

WEEK = timedelta(days=7)


def weekly(
    baseline: pd.DataFrame, live: pd.DataFrame, policy: Policy, as_of: datetime
) -> Iterator[tuple[Findings, pd.DataFrame]]:
    """The findings of every week since the champion began to be used, oldest first, each with its rows."""
    spec = MonitorSpec(
        time="ds",
        entity="series_id",
        numeric=policy.features,
        categorical=(),
        target="target",
        prediction="prediction",
        holiday="holiday",
        alarms_per_year=policy.alarms_per_year,
    )
    monitor = fit_monitor(baseline, spec)
    end = pd.Timestamp(as_of).tz_convert("UTC").tz_localize(None)
    count = max(1, -(-(end - live["ds"].min()) // WEEK))
    for back in range(count, 0, -1):
        window = live[(live["ds"] >= end - back * WEEK) & (live["ds"] < end - (back - 1) * WEEK)]
        found = monitor.check(window)
        compared = against_naive(live[live["ds"] < end - (back - 1) * WEEK], policy.alarms_per_year)
        covered = against_promise(baseline, window, policy.alarms_per_year)
        yield Findings((*found.details, compared, covered, all_at_once(baseline, window))), window
