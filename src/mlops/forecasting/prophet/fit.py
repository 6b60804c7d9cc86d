"""The parameters of many Prophets as arrays: found together, evaluated together.

Time and values are scaled for every series as Prophet scales them for it alone: by its own first and last observation
and its own largest value, with changepoints among its own dates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats, Ints
from mlops.forecasting.prophet.design import Layout, Recipe, nanoseconds, too_short_for
from mlops.forecasting.prophet.solver import EXACT, FIRST, Prior, maximise
from mlops.panels.panel import Panel

__all__ = ["NEED", "Fit", "ObservedSeries", "Problem", "Weights", "observe", "solve"]

NEED = 14
"""Observations that a series needs for a Prophet: two weeks of days, from which Prophet itself has a weekly season."""
TOGETHER = 16
"""Series that are solved at a time: with fewer, calls cost more than sums; with more, designs leave the cache."""


@dataclass(frozen=True)
class ObservedSeries:
    """One series as Prophet sees it: which steps of the panel it has, when they are, and its scales."""

    rows: Ints
    when: Ints
    y: Floats
    floor: float
    size: float
    changepoints: Floats
    mean: Floats
    """Of each regressor; 0 where Prophet leaves it as it is."""
    spread: Floats

    @property
    def start(self) -> int:
        return int(self.when[0])

    @property
    def span(self) -> int:
        return int(self.when[-1]) - self.start

    @cached_property
    def without(self) -> frozenset[str]:
        """Seasonalities that it is too short or too sparse for."""
        return too_short_for(self.span, int(np.diff(self.when).min()))

    @property
    def t(self) -> Floats:
        return np.asarray((self.when - self.start) / self.span)

    @property
    def constant(self) -> bool:
        return bool(self.y.min() == self.y.max())


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of one series, by the names of prophet.stan; `beta` by Prophet's column."""

    k: float
    m: float
    delta: Floats
    sigma_obs: float
    beta: dict[str, float]


@dataclass(frozen=True, slots=True)
class Fit:
    """One row per series; `solver` is how it was fitted: "map" (here), "stan", or "mean" (too short for a Prophet)."""

    solver: npt.NDArray[np.str_]
    start: Ints
    span: Ints
    floor: Floats
    cap: Floats
    size: Floats
    k: Floats
    m: Floats
    sigma: Floats
    changepoints: Floats
    delta: Floats
    beta: Floats
    mean: Floats
    spread: Floats

    @classmethod
    def empty(cls, series: int, changes: int, columns: int, regressors: int) -> "Fit":
        """A fit in which every forecast is 0, to be filled."""
        return cls(
            solver=np.full(series, "mean"),
            start=np.zeros(series, dtype=np.int64),
            span=np.ones(series, dtype=np.int64),
            floor=np.zeros(series),
            cap=np.zeros(series),
            size=np.ones(series),
            k=np.zeros(series),
            m=np.zeros(series),
            sigma=np.zeros(series),
            changepoints=np.full((series, changes), np.inf),
            delta=np.zeros((series, changes)),
            beta=np.zeros((series, columns)),
            mean=np.zeros((series, regressors)),
            spread=np.ones((series, regressors)),
        )

    def put(self, row: int, terms: Layout, weights: Weights, solver: str) -> None:
        """Set the parameters of one series."""
        self.solver[row] = solver
        self.k[row], self.m[row], self.sigma[row] = weights.k, weights.m, weights.sigma_obs
        self.delta[row, : len(weights.delta)] = weights.delta
        self.beta[row] = [weights.beta.get(column, 0.0) for column in terms.columns]

    def scale(self, row: int, seen: ObservedSeries) -> None:
        """Set the scales of one series."""
        self.start[row], self.span[row], self.floor[row], self.size[row] = seen.start, seen.span, seen.floor, seen.size
        self.changepoints[row, : len(seen.changepoints)] = seen.changepoints
        self.mean[row], self.spread[row] = seen.mean, seen.spread

    def weights(self, row: int, terms: Layout) -> Weights:
        """The parameters of one series."""
        changes = self.delta[row, np.isfinite(self.changepoints[row])]
        beta = dict(zip(terms.columns, self.beta[row].tolist(), strict=True))
        return Weights(float(self.k[row]), float(self.m[row]), changes, float(self.sigma[row]), beta)

    def overfitted(self, observations: Ints) -> npt.NDArray[np.bool_]:
        """Which series are fitted exactly, with no fewer terms than they have observations."""
        terms = (self.delta != 0).sum(axis=1) + (self.beta != 0).sum(axis=1) + 2
        return np.asarray((self.solver == "map") & np.isclose(self.sigma, EXACT) & (terms >= observations))

    def of(self, rows: Ints) -> "Fit":
        """Some of the series."""
        return Fit(*(getattr(self, column.name)[rows] for column in fields(self)))

    def parts(self, terms: Layout, when: Ints, shared: Floats, ahead: Sequence[Floats]) -> dict[str, Floats]:
        """Contributions (series × steps) that sum to the forecast at `when` (nanoseconds), in units of the series.

        `shared` is the design of those steps, `ahead` the regressors' values there (each series × steps).
        """
        scaled = self._trend((when - self.start[:, None]) / self.span[:, None])
        trend = scaled * self.size[:, None] + self.floor[:, None]
        parts = {"trend": trend}
        for term, place in terms.spans():
            if term.part in terms.regressors:
                number = terms.regressors.index(term.part)
                values = (ahead[number] - self.mean[:, [number]]) / self.spread[:, [number]]
                effect = values * self.beta[:, place]
            else:
                effect = self.beta[:, place] @ shared[:, place].T
            parts[term.part] = effect * (trend if term.multiplicative else self.size[:, None])
        return parts

    def save(self, folder: Path, ids: pd.Index) -> None:
        """Write a table of what is one value per series, and plain arrays of the rest."""
        arrays = {column.name: getattr(self, column.name) for column in fields(self)}
        flat = {name: array for name, array in arrays.items() if array.ndim == 1}
        pd.DataFrame({"series_id": ids} | flat).to_parquet(folder / "prophet.parquet", index=False)
        np.savez_compressed(folder / "prophet.npz", **{name: a for name, a in arrays.items() if name not in flat})

    @classmethod
    def load(cls, folder: Path) -> tuple["Fit", pd.Index]:
        """What `save` wrote; never unpickles."""
        table = pd.read_parquet(folder / "prophet.parquet")
        with np.load(folder / "prophet.npz", allow_pickle=False) as arrays:
            columns = {column.name: arrays[column.name] for column in fields(cls) if column.name in arrays}
        columns |= {column.name: table[column.name].to_numpy() for column in fields(cls) if column.name not in columns}
        columns["solver"] = columns["solver"].astype(str)
        return cls(**columns), pd.Index(table["series_id"])

    def _trend(self, t: Floats) -> Floats:
        logistic = self.cap > 0
        total = self.k[:, None] * t + self.m[:, None]
        for change in range(self.delta.shape[1]):
            if self.delta[:, change].any():
                total += self.delta[:, [change]] * np.maximum(t - self.changepoints[:, [change]], 0)
        if logistic.any():
            total[logistic] = self.of(np.flatnonzero(logistic))._saturating(t[logistic])
        return total

    def _saturating(self, t: Floats) -> Floats:
        """Prophet's logistic growth: each change of rate moves the offset so that the curve stays in one piece."""
        rate, offset = self.k.copy(), self.m.copy()
        rates, offsets = rate[:, None] * np.ones_like(t), offset[:, None] * np.ones_like(t)
        for change in np.flatnonzero(np.isfinite(self.changepoints).any(axis=0)):
            at, delta = self.changepoints[:, change], self.delta[:, change]
            real = np.isfinite(at)
            move = np.where(real, (np.where(real, at, 0) - offset) * (1 - rate / (rate + delta)), 0.0)
            after = t >= at[:, None]
            rates += after * delta[:, None]
            offsets += after * move[:, None]
            rate, offset = rate + delta, offset + move
        return np.asarray((self.cap / self.size)[:, None] / (1 + np.exp(-rates * (t - offsets))))


def observe(panel: Panel, recipe: Recipe, floors: Floats) -> list[ObservedSeries | None]:
    """Each series as Prophet sees it; None for those with fewer than NEED observations."""
    when = nanoseconds(panel.index)
    steps = len(when)
    extra = [values[:, :steps] for values in panel.extra.values()]
    known = ~np.isnan(panel.y)
    for values in extra:  # a step without its covariates can't be learned from
        known &= ~np.isnan(values)
    observed: list[ObservedSeries | None] = []
    for row, (flags, floor) in enumerate(zip(known, floors, strict=True)):
        rows = np.flatnonzero(flags)
        if len(rows) < NEED:
            observed.append(None)
            continue
        y = panel.y[row, rows] - floor
        size = float(np.abs(y).max()) or 1.0
        moments = np.array([_moments(values[row, rows]) for values in extra]).reshape(-1, 2)
        at = when[rows]
        changes = (at[_changepoints(len(rows), recipe)] - at[0]) / (at[-1] - at[0])
        observed.append(ObservedSeries(rows, at, y / size, floor, size, changes, moments[:, 0], moments[:, 1]))
    return observed


@dataclass(frozen=True, slots=True)
class Problem:
    """A fit to be solved: the series of a panel as Prophet sees them, and the design that they share."""

    panel: Panel
    series: list[ObservedSeries | None]
    recipe: Recipe
    terms: Layout
    shared: Floats
    """Steps × columns of `terms`."""

    def unsolved(self) -> Fit:
        """A fit with the scales of every series; those that are too short for a Prophet have their mean."""
        changes, terms = max(self.recipe.n_changepoints, 1), self.terms
        fit = Fit.empty(len(self.series), changes, len(terms.columns), len(terms.regressors))
        for row, seen in enumerate(self.series):
            if seen is None:
                values = self.panel.y[row][~np.isnan(self.panel.y[row])]
                fit.m[row] = float(values.mean()) if len(values) else 0.0
            else:
                fit.scale(row, seen)
        return fit

    def long_enough(self) -> Iterator[tuple[int, ObservedSeries]]:
        """The series that are long enough for a Prophet, by row."""
        return ((row, seen) for row, seen in enumerate(self.series) if seen is not None)


def solve(problem: Problem, before: Fit | None = None) -> Fit:
    """The MAP of every series (linear or flat growth); the solver of those that did not converge is "stan".

    `before` is a fit of the same series and terms to start from.
    """
    fit = problem.unsolved()
    alike: dict[frozenset[str], list[int]] = {}
    for row, seen in problem.long_enough():
        if seen.constant:  # as Prophet's fit does without its optimiser
            fit.solver[row], fit.m[row], fit.sigma[row] = "map", seen.y[0], 1e-9
        else:
            alike.setdefault(seen.without, []).append(row)
    for without, rows in alike.items():
        # the columns that Prophet would give a series without these seasons
        terms, seasons = problem.terms, {season.name for season in problem.recipe.seasons(without)}
        absent = {season.name for season in terms.seasonalities} - seasons
        kept = np.array([term.part not in absent for term in terms.terms for _ in term.columns], bool)
        group = _Group(problem, kept)
        for first in range(0, len(rows), TOGETHER):
            group.solve(rows[first : first + TOGETHER], fit, before)
    return fit


class _Group:
    """Series whose models have the same columns, and the memory that their designs are laid out in."""

    def __init__(self, problem: Problem, kept: npt.NDArray[np.bool_]) -> None:
        recipe, terms = problem.recipe, problem.terms
        self.problem, self.kept, self.shared = problem, kept, problem.shared[:, kept]
        self.line = 2 if recipe.growth == "linear" else 1
        self.changes = max(recipe.n_changepoints, 1) if self.line == 2 else 0
        scales = np.r_[np.full(self.line, 5.0), terms.scales[kept]]
        multiplicative = int(kept[len(kept) - terms.multiplicative :].sum())
        self.prior = Prior(self.changes, recipe.changepoint_prior_scale, scales, self.line, multiplicative)
        names = [column for column, keep in zip(terms.columns, kept, strict=True) if keep]
        self._own = [(name, names.index(name)) for name in terms.regressors]
        """Each regressor with its column among the kept ones."""
        self._memory = np.empty((TOGETHER, len(problem.panel.index), self.changes + len(scales)))

    def solve(self, rows: list[int], fit: Fit, before: Fit | None) -> None:
        """Fill these rows of a fit."""
        seen = [series for series in (self.problem.series[row] for row in rows) if series is not None]
        designs = [self._design(*three) for three in zip(self._memory, rows, seen, strict=False)]
        solution = maximise([series.y for series in seen], designs, self.prior, self._start(before, rows))
        fit.solver[rows] = np.where(solution.converged, "map", "stan")
        good, theta = np.asarray(rows)[solution.converged], solution.theta[solution.converged]
        first = self.changes + self.line
        fit.sigma[good] = solution.sigma[solution.converged]
        fit.delta[good, : self.changes] = theta[:, : self.changes]
        fit.k[good] = theta[:, self.changes] if self.line == 2 else 0.0
        fit.m[good] = theta[:, first - 1]
        fit.beta[np.ix_(good, np.flatnonzero(self.kept))] = theta[:, first:]

    def _design(self, memory: Floats, row: int, seen: ObservedSeries) -> Floats:
        """Hinges that begin at the changepoints, the line, the shared columns at the series' steps, its regressors."""
        design, first = memory[: len(seen.rows)], self.changes + self.line
        design[:, : self.changes] = 0.0
        if self.changes:
            t = seen.t
            np.maximum(t[:, None] - seen.changepoints, 0.0, out=design[:, : len(seen.changepoints)])
            design[:, self.changes] = t
        design[:, first - 1] = 1.0
        design[:, first:] = self.shared[seen.rows]
        for number, (name, column) in enumerate(self._own):
            values = self.problem.panel.extra[name][row, seen.rows]
            design[:, first + column] = (values - seen.mean[number]) / seen.spread[number]
        return design

    def _start(self, before: Fit | None, rows: list[int]) -> tuple[Floats, Floats] | float:
        """Coefficients and sigma to start from, where all of these series have some."""
        if before is None or not ((before.solver[rows] == "map") & (before.sigma[rows] >= EXACT)).all():
            return FIRST
        line = np.stack([before.k[rows], before.m[rows]][-self.line :], axis=1)
        columns = [before.delta[rows, : self.changes], line, before.beta[rows][:, self.kept]]
        return np.concatenate(columns, axis=1), before.sigma[rows]


def _changepoints(count: int, recipe: Recipe) -> Ints:
    """Which observations are changepoints; without any Prophet has a dummy one at the start."""
    size = int(np.floor(count * recipe.changepoint_range))
    number = min(recipe.n_changepoints, size - 1)
    if number <= 0:
        return np.zeros(1, dtype=np.int64)
    return np.linspace(0, size - 1, number + 1).round().astype(np.int64)[1:]


def _moments(values: Floats) -> tuple[float, float]:
    """What Prophet subtracts from a regressor and divides it by: nothing where it is constant or only 0 and 1."""
    distinct = np.unique(values)
    if len(distinct) < 2 or set(distinct) == {0.0, 1.0}:
        return 0.0, 1.0
    return float(values.mean()), float(values.std(ddof=1))
