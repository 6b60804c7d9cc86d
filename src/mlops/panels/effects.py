"""The measured effect of holidays and events: how far their days fell from the same days of the weeks around them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from mlops.arrays import Bools, Floats
from mlops.domain.granularity import Granularity
from mlops.panels.calendar import Calendar, Rows
from mlops.panels.panel import Panel

__all__ = ["Effects", "measure", "usual_values"]

AROUND = 4
"""Weeks before and after a named day by which its usual value is measured. Chosen, not measured."""
PRIOR = 2.0
"""Days that the common effect counts for in that of a series; a quarter of it is no effect in the common one.

Chosen, not measured.
"""
ROUNDS = 6
"""Gauss-Newton steps: products of two or three factors have converged by then."""
NO_PRIOR = 1e-6
"""Of effects that are not shrunk: only so much that names which always fall together are given equal shares."""
MOST = 5.0
"""The largest factor of a day. Chosen, not measured."""


@dataclass(frozen=True)
class Effects:
    """Per series and name of a day, the factor by which it changes a step; 1 is no effect."""

    ids: pd.Index
    names: tuple[str, ...]
    factor: Floats
    """Series × names, shrunk towards all series."""
    observed: npt.NDArray[np.bool_]
    """Series × names, whether the series was observed on such a day."""
    common: Floats
    """By name, over all series, shrunk towards no effect."""
    occurrences: tuple[tuple["Occurrence", ...], ...]
    """By name, each stretch of consecutive steps on which any series was observed."""

    def multiplier(self, calendar: Calendar, index: pd.DatetimeIndex, granularity: Granularity) -> Floats:
        """What each step (columns) of each series (rows) is multiplied by; events that were not measured do nothing.

        The effects of public holidays add up, by their shares of a day and by the days of a week; one that was not
        measured is as the others of its step. Events multiply.
        """
        factors = np.ones((len(self.factor), len(index)))
        for rows, part in calendar.by_series(self.ids):
            factors[rows] = self._multiplier(self.factor[rows], part, index, granularity)
        return factors

    def _multiplier(
        self, factor: Floats, calendar: Calendar, index: pd.DatetimeIndex, granularity: Granularity
    ) -> Floats:
        """`multiplier` of series (rows of `factor`) that share a calendar."""
        factors, off = np.ones((len(factor), len(index))), np.zeros((len(factor), len(index)))
        days, measured = np.zeros(len(index)), np.zeros(len(index))
        for name, count in calendar.counts(index, granularity).items():
            public = name not in calendar.own
            days += count * public
            if name in self.names:
                on, effect = np.flatnonzero(count), factor[:, self.names.index(name)] - 1
                if public:
                    measured += count
                    off[:, on] += count[on] * effect[:, None]
                else:
                    factors[:, on] *= np.maximum(1 + count[on] * effect[:, None], 0.0)
        return factors * np.maximum(1 + off * (days / np.where(measured > 0, measured, 1.0)), 0.0)

    def table(self) -> pd.DataFrame:
        """One row per name, the largest effect first; effects are parts of the usual value: -0.2 is 20 % less.

        `effect` is the mean over the `occurrences` and `lo_95, hi_95` its interval by Student's t; of one occurrence
        there is no interval (NaN). `days` were observed, in `years`. `lowest` and `highest` are the shrunk effects of
        the series `lowest_series` and `highest_series`, of those that were observed.
        """
        rows = [self._row(column, name) for column, name in enumerate(self.names) if self.occurrences[column]]
        frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
        return frame.sort_values("effect", key=abs, ascending=False, ignore_index=True, kind="stable")

    def _row(self, column: int, name: str) -> tuple[object, ...]:
        stretches, own = (
            self.occurrences[column],
            np.where(self.observed[:, column], self.factor[:, column] - 1, np.nan),
        )
        low, high = int(np.nanargmin(own)), int(np.nanargmax(own))
        effects, count = [stretch.effect for stretch in stretches], len(stretches)
        effect, half = float(np.mean(effects)), float("nan")  # of one stretch there is no interval
        if count > 1:
            half = float(stdtrit(count - 1, 0.975) * np.std(effects, ddof=1) / np.sqrt(count))
        years, days = sorted({stretch.year for stretch in stretches}), sum(stretch.days for stretch in stretches)
        bounds = (effect, max(effect - half, -1.0), effect + half)  # max() keeps NaN when it comes first
        return name, len(stretches), days, years, *bounds, self.ids[low], own[low], self.ids[high], own[high]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A stretch of consecutive steps of one name: how many of its days were observed, and their effect on all series.

    The effect is a part of what the steps would have been, per day of the name where steps are weeks.
    """

    year: int
    days: int
    effect: float


COLUMNS = {
    "event": object,
    "occurrences": int,
    "days": int,
    "years": object,
    "effect": float,
    "lo_95": float,
    "hi_95": float,
    "lowest_series": object,
    "lowest": float,
    "highest_series": object,
    "highest": float,
}


def measure(panel: Panel, calendar: Calendar) -> Effects:
    """The effects of every name that lies in the panel; months are too long to tell one from their season.

    Names that share a step (a strike on a holiday, two holidays in a week) are measured together: least squares of the
    product of their factors, by Gauss-Newton steps, each step of the panel weighted by what it would have been.
    """
    known = calendar.announced_by(panel.cutoff)
    counts = {} if panel.granularity.months else known.counts(panel.index, panel.granularity)
    names, of_names = tuple(counts), np.array([*counts.values()]).reshape(len(counts), len(panel.index))
    own = np.array([name in known.own for name in names], dtype=bool)
    parts = known.by_series(panel.ids)
    named = np.asarray(of_names.any(axis=0))
    on = named if len(parts) == 1 else known.count_of(panel.ids, panel.index, panel.granularity) > 0
    steps = np.flatnonzero(named)
    y, usual, of_names = panel.y[:, steps], usual_values(panel, without=on)[:, steps], of_names[:, steps]
    seen = ~np.isnan(y) & ~np.isnan(usual) & (usual > 0)
    would, change = np.where(seen, usual, 0.0), np.where(seen, y - usual, 0.0)
    day = max(round(1 / panel.granularity.days), 1)
    groups = [(rows, _rows_of(part, names, panel.index[steps], panel.granularity, of_names)) for rows, part in parts]
    common = np.zeros(len(names))
    occurrences: list[tuple[Occurrence, ...]] = [()] * len(names)
    for mine, rows in _exposed(groups, len(panel.ids), len(names)):
        counts_there = of_names if len(groups) == 1 else _mean_counts(would, groups, rows)
        common[mine] = _common(would[rows], change[rows], counts_there, own, PRIOR / 4 * day)[mine]
        others = _others(_common(would[rows], change[rows], counts_there, own, NO_PRIOR), counts_there, own)
        stretches = _occurrences(panel.index[steps], steps, would[rows], change[rows], counts_there, others, day)
        for name in mine:
            occurrences[name] = stretches[name]
    observed, effect = np.zeros((len(y), len(names)), bool), np.zeros((len(y), len(names)))
    for rows, counts_there in groups:
        observed[rows] = (seen[rows].astype(float) @ (counts_there > 0).T) > 0
        theirs = _own(would[rows], change[rows], seen[rows], counts_there, own, common, day)
        effect[rows] = np.where(observed[rows], theirs, common)
    factor = np.clip(1 + effect, 0, MOST)
    return Effects(panel.ids, names, factor, observed, np.clip(1 + common, 0, MOST), tuple(occurrences))


def _rows_of(
    calendar: Calendar, names: Sequence[str], index: pd.DatetimeIndex, granularity: Granularity, of_names: Floats
) -> Floats:
    """Names × steps for series of one calendar; `of_names` is that of a calendar with all names."""
    counts = calendar.counts(index, granularity)
    return np.array([counts.get(name, np.zeros(len(index))) for name in names]).reshape(of_names.shape)


def _exposed(
    groups: Sequence[tuple[Rows, Floats]], series: int, names: int
) -> list[tuple[npt.NDArray[np.int64], Rows]]:
    """Names grouped by the series that have them, and the rows of these series."""
    if len(groups) == 1:
        return [(np.arange(names), slice(None))]
    on = np.zeros((series, names), bool)
    for rows, counts in groups:
        on[rows] = counts.any(axis=1)
    patterns, which = np.unique(on, axis=1, return_inverse=True)
    return [
        (np.flatnonzero(which.ravel() == number), np.flatnonzero(pattern)) for number, pattern in enumerate(patterns.T)
    ]


def _mean_counts(would: Floats, groups: Sequence[tuple[Rows, Floats]], rows: Rows) -> Floats:
    """Names × steps for the sum of some series: the counts of each, weighted by what it would have been."""
    chosen = np.zeros(len(would), bool)
    chosen[rows] = True
    weighted = sum(counts * (would[part] * chosen[part, None]).sum(axis=0) for part, counts in groups)
    return np.asarray(weighted / np.maximum((would * chosen[:, None]).sum(axis=0), 1e-12))


def usual_values(panel: Panel, *, without: npt.NDArray[np.bool_] | bool = False) -> Floats:
    """The mean of the same place (weekday, hour) in the weeks around each step, `without` some steps.

    NaN where nothing was observed.
    """
    shift = panel.granularity.longest
    plain = np.where(without, np.nan, panel.y)
    steps = plain.shape[1]
    total, count = np.zeros(plain.shape), np.zeros(plain.shape)
    for back in (*range(-AROUND, 0), *range(1, AROUND + 1)):
        move = back * shift
        if abs(move) >= steps:
            continue
        to = slice(max(move, 0), steps + min(move, 0))
        source = slice(max(-move, 0), steps + min(-move, 0))
        seen = ~np.isnan(plain[:, source])
        total[:, to] += np.where(seen, plain[:, source], 0.0)
        count[:, to] += seen
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _common(would: Floats, change: Floats, of_names: Floats, own: Bools, prior: float) -> Floats:
    """By name, the effect on the sum of all series, shrunk as by `prior` steps.

    Events are shrunk towards no effect, public holidays towards their mean (which is shrunk towards none): a day off
    that was seen once is most likely like the others.
    """
    total, effect = would.sum(axis=0), np.zeros(len(of_names))
    weight = total / max(total.sum() / max((total > 0).sum(), 1), 1e-12)
    ratio = change.sum(axis=0) / np.maximum(total, 1e-12)
    for _ in range(ROUNDS):
        slope, offset = _line(effect, of_names, own)
        left = (slope * weight) @ slope.T + prior * np.eye(len(of_names))
        # the mean of public holidays, each counting for as many days as it was seen on, but for one at most
        seen = np.minimum((of_names * weight)[~own].sum(axis=1), 1.0)
        usual = np.where(own, 0.0, float(seen @ effect[~own] / (seen.sum() + PRIOR)))
        right = (slope * weight) @ (ratio - offset) + prior * usual
        effect = np.clip(np.linalg.solve(left, right), -1, MOST - 1)
    return effect


def _own(would: Floats, change: Floats, seen: Bools, of_names: Floats, own: Bools, common: Floats, day: int) -> Floats:
    """Series × names, the effects on each series: as `_common`, in one step from that and shrunk towards it."""
    on, count = (of_names > 0).astype(float).T, len(of_names)
    slope, offset = _line(common, of_names, own)
    once = (would @ on) / np.maximum(seen.astype(float) @ on, 1)  # of a usual step of the name
    prior = np.where(once > 0, PRIOR * day * once, 1.0)
    pairs = (slope[:, None, :] * slope).reshape(count * count, slope.shape[1])
    left = (would @ pairs.T).reshape(len(would), count, count) + prior[:, :, None] * np.eye(count)
    right = (change - would * offset) @ slope.T + prior * common
    return np.asarray(np.linalg.solve(left, right[..., None])[..., 0])


def _line(effect: Floats, of_names: Floats, own: Bools) -> tuple[Floats, Floats]:
    """Names × steps and steps: the change of a step by all its names, as slopes of the effects and what they leave."""
    slope = of_names * _others(effect, of_names, own)
    factor = 1 + of_names * effect[:, None]
    whole = np.prod(factor[own], axis=0) * (1 + effect[~own] @ of_names[~own]) - 1
    return slope, whole - effect @ slope


def _others(effect: Floats, of_names: Floats, own: Bools) -> Floats:
    """Names × steps, the factor by which the other causes change a step; never near zero, for it is divided by.

    The public holidays of a step are one cause, each event is one.
    """
    off = np.maximum(1 + effect[~own] @ of_names[~own], 0.05)
    factor = np.maximum(1 + of_names * effect[:, None], 0.05)
    events = np.prod(factor[own], axis=0)
    return np.asarray(np.where(own[:, None], off * events / factor, events))


def _occurrences(
    at: pd.DatetimeIndex,
    steps: npt.NDArray[np.int64],
    would: Floats,
    change: Floats,
    of_names: Floats,
    of_others: Floats,
    day: int,
) -> tuple[tuple[Occurrence, ...], ...]:
    """By name, its stretches; the effects of other names on the same steps are taken out."""
    happened = (would + change).sum(axis=0)
    by_name = []
    for count, others in zip(of_names, of_others, strict=True):
        base = would.sum(axis=0) * others
        on = np.flatnonzero((count > 0) & (base > 0))
        stretches = np.split(np.arange(len(on)), np.flatnonzero(np.diff(steps[on]) > 1) + 1)
        by_name.append(
            tuple(
                Occurrence(
                    int(at[on[stretch[0]]].year),
                    round(count[on[stretch]].sum() / day) or 1,
                    float((happened - base)[on[stretch]].sum() / (base * count)[on[stretch]].sum()),
                )
                for stretch in stretches
                if len(stretch)
            )
        )
    return tuple(by_name)
