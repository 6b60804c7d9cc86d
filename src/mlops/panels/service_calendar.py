"""The weekdays and months in which a series never has a value, learnt from its own past.

A step outside of its service is closed: no outcome will ever come of it, so a forecast there can't be judged.
"""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import bdtr

from mlops.arrays import Bools, Floats
from mlops.domain.granularity import DAYS_OF_YEAR
from mlops.panels.panel import Panel

__all__ = ["closed", "memory", "service", "share_served"]

# The rule was made on one data set and not changed for three others: of the steps that it closed, 0 to 2.3 % were
# served after all (docs/decisions/0018).
WEEKS = 26
"""The newest weeks, from which closed weekdays are learnt: a plan may change."""
FEWEST = 8
"""Times that a weekday has come by before it can be called closed."""
STRAY = 20
"""A closed weekday may have one value in so many."""
CHANCE = 1e-3
"""Of so few values on a weekday, were it served as the most served one is (two standard errors less than that)."""
SERVED = 0.3
"""Share of its open days that a series has values on, from which a month without any means something."""
REMEMBERED = 12 * 2 + 3
"""Months in which every month has been whole twice."""
TIMES = 2
"""How often a month has passed without a value, the last times it came."""
RARE = 0.05
"""Share of the other months that may be without any value: where outages are common, a month without is one, too."""
PRIOR = 2.0
"""Steps that the share of all places counts for in that of one. Chosen, not measured."""
LEAST = 26
"""Steps, at least, over which this share is taken. Chosen, not measured."""


def closed(panel: Panel, ahead: pd.DatetimeIndex) -> Bools:
    """Which steps `ahead` (series × steps) are closed, by what the panel knows at its end.

    A weekday is closed when almost nothing came on it in the newest 26 weeks while others were served, beyond chance
    (binomial); a month when nothing came the last two times. A series without a pattern is always open. By the panel's
    clock; quarters and years are always open.
    """
    weekdays, months = service(panel)
    return np.asarray(weekdays[:, ahead.dayofweek] | months[:, ahead.month - 1])


def service(panel: Panel) -> tuple[Bools, Bools]:
    """Which weekdays (series × 7, from Monday) and months (series × 12, from January) are closed, as of `closed`."""
    weekdays, months = (np.zeros((len(panel.ids), count), dtype=bool) for count in (7, 12))
    if not len(panel.index):
        return weekdays, months
    days, seen = _daily(panel)
    expected = _since_first(seen)
    if not panel.granularity.counted:
        weekdays = _weekdays(days, seen)
        expected &= ~weekdays[:, pd.DatetimeIndex(days).dayofweek]
    if panel.granularity.months <= 1:
        months = _months(days, seen, expected)
    return weekdays, months


def share_served(panel: Panel, ahead: pd.DatetimeIndex) -> Floats:
    """How often a series has a value on each step `ahead` (series × steps): 0 where it is closed, else from 0 to 1.

    It is the share of the same places in the cycle (weekdays, hours) with a value in the newest 26 weeks, since the
    first value, shrunk by PRIOR steps towards the share over all places that are not closed.
    """
    shut = closed(panel, ahead)
    if not len(panel.index):
        return np.where(shut, 0.0, 1.0)
    newest = panel.last(max(round(7 * WEEKS / panel.granularity.days), LEAST))
    seen = ~np.isnan(newest.y)
    expected = _since_first(seen) & ~closed(panel, newest.index)
    there, here = newest.places(newest.index), newest.places(ahead)
    kinds = int(max(there.max(), here.max(initial=0))) + 1
    place = (there[:, None] == np.arange(kinds)).astype(float)
    overall = (seen & expected).sum(axis=1) / np.maximum(expected.sum(axis=1), 1)
    came, passed = (seen & expected) @ place, expected @ place
    share = (came + PRIOR * overall[:, None]) / (passed + PRIOR)
    return np.where(shut, 0.0, share[:, here])


def memory(panel: Panel) -> int:
    """How many steps of history are needed to know what is closed: over two years where a month is, else none."""
    if not len(panel.index) or panel.granularity.months > 1:
        return 0
    days, seen = _daily(panel)
    expected = np.ones_like(seen)
    if not panel.granularity.counted:
        expected = ~_weekdays(days, seen)[:, pd.DatetimeIndex(days).dayofweek]
    if not _months(days, seen, expected).any():
        return 0
    return math.ceil(REMEMBERED * DAYS_OF_YEAR / 12 / panel.granularity.days)


def _daily(panel: Panel) -> tuple[npt.NDArray[np.datetime64], Bools]:
    """The dates of the panel (of longer steps: their first), and on which of them a series has a value."""
    seen, dates = ~np.isnan(panel.y), panel.index.to_numpy().astype("datetime64[D]")
    begins = np.flatnonzero(np.r_[True, dates[1:] != dates[:-1]])
    return dates[begins], np.logical_or.reduceat(seen, begins, axis=1) if len(begins) < len(dates) else seen


def _since_first(seen: Bools) -> Bools:
    """From the first value of each series on."""
    return np.asarray(np.maximum.accumulate(seen, axis=1))


def _weekdays(days: npt.NDArray[np.datetime64], seen: Bools) -> Bools:
    """Series × weekdays from Monday: which are closed."""
    expected = _since_first(seen)[:, -7 * WEEKS :]
    here = (pd.DatetimeIndex(days[-7 * WEEKS :]).dayofweek.to_numpy()[:, None] == np.arange(7)).astype(float)
    came, passed = seen[:, -7 * WEEKS :] @ here, expected @ here
    times = np.maximum(passed, 1)
    shares = np.minimum(came / times, 0.95)
    usual = (shares - 2 * np.sqrt(shares * (1 - shares) / times)).max(axis=1, keepdims=True).clip(0)
    few = (passed >= FEWEST) & (came <= passed // STRAY)
    return np.asarray(few & (bdtr(came, times.astype(int), usual) < CHANCE))


def _months(days: npt.NDArray[np.datetime64], seen: Bools, expected: Bools) -> Bools:
    """Series × months from January: which are closed."""
    months = days.astype("datetime64[M]")
    begins = np.flatnonzero(np.r_[True, months[1:] != months[:-1]])
    came, passed = (np.add.reduceat(flags.astype(np.int64), begins, axis=1) for flags in (seen & expected, expected))
    month = months[begins].astype(np.int64) % 12
    whole = np.ones(len(begins), dtype=bool)
    whole[[0, -1]] = False  # a month that is not over, or began before the panel, is no evidence
    closed_months = np.zeros((len(seen), 12), dtype=bool)
    share = came.sum(axis=1) / np.maximum(passed.sum(axis=1), 1)
    alive = came[:, -13:].any(axis=1)
    for number in range(12):
        last = np.flatnonzero((month == number) & whole)[-TIMES:]
        if len(last) == TIMES:
            closed_months[:, number] = (came[:, last] == 0).all(axis=1) & (passed[:, last] > 0).all(axis=1)
    empty = (came == 0) & (passed > 0) & whole & ~closed_months[:, month]
    often = empty.sum(axis=1) > RARE * ((passed > 0) & whole & ~closed_months[:, month]).sum(axis=1)
    closed_months[(share < SERVED) | ~alive | often] = False
    return closed_months
