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

from mlops.forecasting.map_solver import EXACT, FIRST, Prior, maximise
from mlops.forecasting.panel import Floats, Panel
from mlops.forecasting.prophet_design import Layout, Recipe, nanoseconds, too_short_for

__all__ = ["NEED", "Fit", "Observed", "Weights", "observe", "solve"]

Ints = npt.NDArray[np.int64]
NEED = 14  # observations
TOGETHER = 16  # series that are solved at a time: fewer cost calls, more cost memory that has to be fetched


@dataclass(frozen=True)
class Observed:
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
    """One row per series; `solver` says how it was found: "map" (here), "stan", or "mean" (too short for a Prophet)."""

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

    def put(self, row: int, seen: Observed, terms: Layout, found: Weights, solver: str) -> None:
        """Set one series' row."""
        self.scale(row, seen)
        self.solver[row] = solver
        self.k[row], self.m[row], self.sigma[row] = found.k, found.m, found.sigma_obs
        self.delta[row, : len(found.delta)] = found.delta
        self.beta[row] = [found.beta.get(column, 0.0) for column in terms.columns]

    def scale(self, row: int, seen: Observed) -> None:
        """Set the scales of one series' row."""
        self.start[row], self.span[row], self.floor[row], self.size[row] = seen.start, seen.span, seen.floor, seen.size
        self.changepoints[row, : len(seen.changepoints)] = seen.changepoints
        self.mean[row], self.spread[row] = seen.mean, seen.spread

    def weights(self, row: int, terms: Layout) -> Weights:
        """The parameters of one series."""
        changes = self.delta[row, np.isfinite(self.changepoints[row])]
        beta = dict(zip(terms.columns, self.beta[row].tolist(), strict=True))
        return Weights(float(self.k[row]), float(self.m[row]), changes, float(self.sigma[row]), beta)

    def overfitted(self, observations: Ints) -> npt.NDArray[np.bool_]:
        """Which series are met exactly, with no fewer terms than they have observations."""
        terms = (self.delta != 0).sum(axis=1) + (self.beta != 0).sum(axis=1) + 2
        return np.asarray((self.solver == "map") & np.isclose(self.sigma, EXACT) & (terms >= observations))

    def of(self, rows: Ints) -> "Fit":
        """Some of the series."""
        return Fit(*(getattr(self, one.name)[rows] for one in fields(self)))

    def parts(self, terms: Layout, when: Ints, shared: Floats, ahead: Sequence[Floats]) -> dict[str, Floats]:
        """Contributions (series × steps) that sum to the forecast at `when` (nanoseconds), in units of the series.

        `shared` is the design of those steps, `ahead` the regressors' values there (each series × steps).
        """
        scaled = self._trend((when - self.start[:, None]) / self.span[:, None])
        trend = scaled * self.size[:, None] + self.floor[:, None]
        found = {"trend": trend}
        for term, place in terms.spans():
            if term.part in terms.regressors:
                number = terms.regressors.index(term.part)
                values = (ahead[number] - self.mean[:, [number]]) / self.spread[:, [number]]
                effect = values * self.beta[:, place]
            else:
                effect = self.beta[:, place] @ shared[:, place].T
            found[term.part] = effect * (trend if term.multiplicative else self.size[:, None])
        return found

    def save(self, folder: Path, ids: pd.Index) -> None:
        """Write a table of what is one value per series, and plain arrays of the rest."""
        arrays = {one.name: getattr(self, one.name) for one in fields(self)}
        flat = {name: array for name, array in arrays.items() if array.ndim == 1}
        pd.DataFrame({"series_id": ids} | flat).to_parquet(folder / "prophet.parquet", index=False)
        np.savez_compressed(folder / "prophet.npz", **{name: a for name, a in arrays.items() if name not in flat})

    @classmethod
    def load(cls, folder: Path) -> tuple["Fit", pd.Index]:
        """What `save` wrote; never unpickles."""
        table = pd.read_parquet(folder / "prophet.parquet")
        with np.load(folder / "prophet.npz", allow_pickle=False) as arrays:
            found = {one.name: arrays[one.name] for one in fields(cls) if one.name in arrays}
        found |= {one.name: table[one.name].to_numpy() for one in fields(cls) if one.name not in found}
        found["solver"] = found["solver"].astype(str)
        return cls(**found), pd.Index(table["series_id"])

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


def observe(panel: Panel, recipe: Recipe, floors: Floats) -> list[Observed | None]:
    """Each series as Prophet sees it; None for those with fewer than NEED observations."""
    when = nanoseconds(panel.index)
    steps = len(when)
    extra = [values[:, :steps] for values in panel.extra.values()]
    known = ~np.isnan(panel.y)
    for values in extra:  # a step without its covariates can't be learned from
        known &= ~np.isnan(values)
    found: list[Observed | None] = []
    for row, (flags, floor) in enumerate(zip(known, floors, strict=True)):
        rows = np.flatnonzero(flags)
        if len(rows) < NEED:
            found.append(None)
            continue
        y = panel.y[row, rows] - floor
        size = float(np.abs(y).max()) or 1.0
        moments = np.array([_moments(values[row, rows]) for values in extra]).reshape(-1, 2)
        at = when[rows]
        changes = (at[_changepoints(len(rows), recipe)] - at[0]) / (at[-1] - at[0])
        found.append(Observed(rows, at, y / size, floor, size, changes, moments[:, 0], moments[:, 1]))
    return found


def solve(
    panel: Panel,
    series: list[Observed | None],
    recipe: Recipe,
    terms: Layout,
    shared: Floats,
    before: Fit | None = None,
) -> Fit:
    """The MAP of every series (linear or flat growth), from the design `shared` (steps × columns of `terms`).

    `before` is a fit of the same series and terms to start from. Rows that did not converge say "stan".
    """
    changes = max(recipe.n_changepoints, 1)
    fit = Fit.empty(len(series), changes, len(terms.columns), len(terms.regressors))
    groups: dict[frozenset[str], list[int]] = {}
    for row, seen in enumerate(series):
        if seen is None:
            fit.m[row] = _mean(panel.y[row])
            continue
        fit.scale(row, seen)
        if seen.constant:  # as Prophet's fit does without its optimiser
            fit.solver[row], fit.m[row], fit.sigma[row] = "map", seen.y[0], 1e-9
            continue
        groups.setdefault(seen.without, []).append(row)
    for without, rows in groups.items():
        kept = _kept(terms, recipe, without)
        _solve_alike(panel, series, rows, recipe, terms, kept, shared[:, kept], fit, before)
    return fit


def _solve_alike(
    panel: Panel,
    series: list[Observed | None],
    rows: list[int],
    recipe: Recipe,
    terms: Layout,
    kept: npt.NDArray[np.bool_],
    shared: Floats,
    fit: Fit,
    before: Fit | None,
) -> None:
    """Fill the rows of series that have the same columns."""
    line = 2 if recipe.growth == "linear" else 1
    changes = fit.delta.shape[1] if line == 2 else 0
    scales = np.r_[np.full(line, 5.0), terms.scales[kept]]
    multiplicative = int(kept[len(kept) - terms.multiplicative :].sum())
    prior = Prior(changes, recipe.changepoint_prior_scale, scales, line, multiplicative)
    own = _places(terms, kept)
    pool = np.empty((TOGETHER, len(panel.index), changes + len(scales)))
    for some in _chunks(rows):
        ys, designs = [], []
        for place, row in zip(pool, some, strict=False):
            seen = series[row]
            assert seen is not None
            design = place[: len(seen.rows)]
            _fill(design, seen, shared, changes, line)
            for number, (name, column) in enumerate(own):
                values = panel.extra[name][row, seen.rows]
                design[:, changes + line + column] = (values - seen.mean[number]) / seen.spread[number]
            ys.append(seen.y)
            designs.append(design)
        found = maximise(ys, designs, prior, _start(before, some, kept, changes, line))
        good = np.asarray(some)[found.converged]
        theta = found.theta[found.converged]
        fit.solver[some] = np.where(found.converged, "map", "stan")
        fit.sigma[good] = found.sigma[found.converged]
        fit.delta[good, :changes] = theta[:, :changes]
        fit.k[good] = theta[:, changes] if line == 2 else 0.0
        fit.m[good] = theta[:, changes + line - 1]
        fit.beta[np.ix_(good, np.flatnonzero(kept))] = theta[:, changes + line :]


def _fill(design: Floats, seen: Observed, shared: Floats, changes: int, line: int) -> None:
    """The columns of a series: hinges that begin at its changepoints, the line, and the shared ones at its steps."""
    t = seen.t
    design[:, :changes] = 0.0
    if changes:
        real = len(seen.changepoints)
        np.maximum(t[:, None] - seen.changepoints, 0.0, out=design[:, :real])
        design[:, changes] = t
    design[:, changes + line - 1] = 1.0
    design[:, changes + line :] = shared[seen.rows]


def _start(
    before: Fit | None, some: list[int], kept: npt.NDArray[np.bool_], changes: int, line: int
) -> tuple[Floats, Floats] | float:
    """Coefficients and sigma to start from, where all of these series have some."""
    if before is None or not (before.solver[some] == "map").all() or not (before.sigma[some] > 1e-6).all():
        return FIRST
    columns = [before.delta[some, :changes], before.m[some][:, None], before.beta[some][:, kept]]
    if line == 2:
        columns.insert(1, before.k[some][:, None])
    return np.concatenate(columns, axis=1), before.sigma[some]


def _kept(terms: Layout, recipe: Recipe, without: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Which columns Prophet would give a series that is too short for some."""
    seasons = {one.name for one in recipe.seasons(without)}
    known = {one.name for one in terms.seasonalities}
    return np.array(
        [term.part not in known or term.part in seasons for term in terms.terms for _ in term.columns], bool
    )


def _places(terms: Layout, kept: npt.NDArray[np.bool_]) -> list[tuple[str, int]]:
    """Each regressor with its column among the kept ones."""
    names = [column for column, keep in zip(terms.columns, kept, strict=True) if keep]
    return [(name, names.index(name)) for name in terms.regressors]


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


def _mean(y: Floats) -> float:
    seen = y[~np.isnan(y)]
    return float(seen.mean()) if len(seen) else 0.0


def _chunks(rows: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(rows), TOGETHER):
        yield rows[first : first + TOGETHER]
