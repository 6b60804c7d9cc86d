"""The maximum of Prophet's posterior for many series at once, in numpy: Newton steps around an exact active set.

The density is that of prophet.stan (Taylor and Letham, 2018): y ~ Normal(trend * (1 + X_m b_m) + X_a b_a, sigma) with
slopes' changes ~ Laplace(0, tau), every other coefficient ~ Normal(0, its scale), sigma ~ HalfNormal(0.5). For a given
sigma and additive terms the maximum is a ridge regression with an L1 penalty on the changes, which is solved exactly;
multiplicative terms are linearised (Gauss-Newton) until nothing moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from mlops.arrays import Bools, Floats

__all__ = ["EXACT", "FIRST", "Prior", "Solution", "maximise", "negative_log_posterior"]


MOST = 300
"""Newton steps; what has not converged by then is left to Stan. Chosen, not measured."""
EXACT = 1e-4
"""Sigma of y, which is scaled to 1: below it the fit is exact and the density has no maximum."""
SMALLEST = EXACT**2
"""The smallest variance."""
PRECISE = 1e-9
"""Change of the objective from one step to the next, relative to it, at which a fit has converged."""
FIRST = 0.2
"""Sigma to start from."""
RESTARTS = (0.02, 0.01)
"""Smaller sigmas, from which further maxima are looked for where multiplicative terms meet few observations."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Priors of the columns of a design: first `changes` changes of slope, then columns with normal priors.

    The trend is made of the changes and the `line` columns after them; the last `multiplicative` columns multiply it.
    """

    changes: int
    tau: float
    scales: Floats
    line: int
    multiplicative: int = 0


@dataclass(frozen=True, slots=True)
class Solution:
    """Per series: coefficients in the order of the design's columns, sigma, negative log density, convergence.

    `converged` is False where steps ran out or numbers were not finite; nothing of that row should be used.
    """

    theta: Floats
    sigma: Floats
    objective: Floats
    converged: Bools

    @classmethod
    def none(cls, columns: int) -> "Solution":
        """The solution of one series that can't be solved."""
        return cls(np.full((1, columns), np.nan), np.full(1, np.nan), np.full(1, np.nan), np.zeros(1, dtype=bool))

    def take_better(self, rows: npt.NDArray[np.int64], other: "Solution") -> None:
        """Set rows to those of `other` that are maxima and higher."""
        proper = other.converged & (other.sigma**2 > SMALLEST)
        better = proper & ~(self.converged[rows] & (self.objective[rows] <= other.objective))
        for item in fields(self):
            getattr(self, item.name)[rows[better]] = getattr(other, item.name)[better]


def maximise(
    ys: Sequence[Floats],
    designs: Sequence[Floats],
    prior: Prior,
    start: tuple[Floats, Floats] | float = FIRST,
) -> Solution:
    """The maximum for each series: `ys[i]` (steps) and `designs[i]` (steps × columns), of its own length.

    `start` is a sigma, or coefficients and sigma of a similar problem, which saves steps. Multiplicative terms with few
    observations have several maxima: they are looked for from small sigmas, too.
    """
    solution = _each(ys, designs, prior, start)
    if not prior.multiplicative:
        return solution
    crowded = [i for i, y in enumerate(ys) if len(y) < 2 * designs[0].shape[1]]
    for sigma in RESTARTS if crowded else ():
        again = _each([ys[i] for i in crowded], [designs[i] for i in crowded], prior, sigma)
        solution.take_better(np.array(crowded), again)
    return solution


def negative_log_posterior(
    y: Floats, trend: Floats, additive: Floats, multiplicative: Floats, prior: Prior, theta: Floats, sigma: float
) -> float:
    """Minus prophet.stan's log density without its constants, from the mean's three parts (each by step)."""
    residual = y - trend * (1 + multiplicative) - additive
    return float(_objective(residual @ residual, np.array(len(y)), theta, np.array(sigma**2), prior))


def _maximise(
    ys: Sequence[Floats], designs: Sequence[Floats], prior: Prior, start: tuple[Floats, Floats] | float
) -> Solution:
    model = (_Bilinear if prior.multiplicative else _Linear)(ys, designs, prior)
    theta, sigma = (model.first(), np.full(len(ys), start)) if isinstance(start, float) else start
    theta, variance = theta.copy(), np.maximum(np.square(sigma), SMALLEST)
    objective = np.full(len(ys), np.inf)
    converged = np.zeros(len(ys), dtype=bool)
    rows = np.arange(len(ys))
    for _ in range(MOST):
        better, error = model.step(rows, theta[rows], variance[rows])
        count = model.count[rows]
        # the best variance for a sum of squared errors: the root of 2 v² + n/2 v - error/2
        root = (2 * error) / (count / 2 + np.sqrt(count**2 / 4 + 4 * error)) / 2
        moved = np.asarray(np.maximum(root, SMALLEST))
        reached = _objective(error, count, better, moved, prior)
        settled = np.abs(objective[rows] - reached) <= PRECISE * (1 + np.abs(reached))
        settled &= np.abs(moved - variance[rows]) <= 1e-3 * variance[rows]
        settled |= (moved <= SMALLEST) & (variance[rows] <= SMALLEST)
        theta[rows], variance[rows], objective[rows] = better, moved, reached
        converged[rows] = settled
        rows = rows[~settled & np.isfinite(reached)]
        if not len(rows):
            break
    return Solution(theta, np.sqrt(variance), objective, converged)


def _each(
    ys: Sequence[Floats], designs: Sequence[Floats], prior: Prior, start: tuple[Floats, Floats] | float
) -> Solution:
    """All together, or one by one where one of them can't be solved."""
    try:
        return _maximise(ys, designs, prior, start)
    except np.linalg.LinAlgError:  # numpy does not report which of them
        if len(ys) == 1:
            return Solution.none(designs[0].shape[1])
    alone = [_each(ys[i : i + 1], designs[i : i + 1], prior, FIRST) for i in range(len(ys))]
    return Solution(
        *(np.concatenate([getattr(solution, item.name) for solution in alone]) for item in fields(Solution))
    )


class _Linear:
    """Additive terms only: sums of squares are all that is needed of the data, once."""

    def __init__(self, ys: Sequence[Floats], designs: Sequence[Floats], prior: Prior) -> None:
        self.prior = prior
        self.count = np.array([len(y) for y in ys])
        self.gram = np.stack([design.T @ design for design in designs])
        self.moment = np.stack([design.T @ y for design, y in zip(designs, ys, strict=True)])
        self.power = np.array([y @ y for y in ys])

    def first(self) -> Floats:
        return np.zeros_like(self.moment)

    def step(self, rows: npt.NDArray[np.int64], theta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        gram, moment = self.gram[rows], self.moment[rows]
        better = _penalised(gram, moment, variance, self.prior, theta)
        fitted = _times(gram, better)
        return better, np.maximum(self.power[rows] + (better * (fitted - 2 * moment)).sum(axis=1), 0.0)


class _Bilinear:
    """Multiplicative terms: each step solves the regression that is tangent to the model, then walks towards it."""

    def __init__(self, ys: Sequence[Floats], designs: Sequence[Floats], prior: Prior) -> None:
        self.prior, self.ys, self.designs = prior, ys, designs
        self.count = np.array([len(y) for y in ys])
        self._tangent = np.empty_like(designs[int(np.argmax(self.count))])

    def first(self) -> Floats:
        theta = np.zeros((len(self.ys), self.designs[0].shape[1]))
        theta[:, self.prior.changes + self.prior.line - 1] = [y.mean() for y in self.ys]
        return theta

    def step(self, rows: npt.NDArray[np.int64], theta: Floats, variance: Floats) -> tuple[Floats, Floats]:
        columns = theta.shape[1]
        gram, moment = np.empty((len(rows), columns, columns)), np.empty((len(rows), columns))
        before = np.empty(len(rows))
        for place, row in enumerate(rows):
            gram[place], moment[place], before[place] = self._linearised(row, theta[place])
        aim = _penalised(gram, moment, variance, self.prior, theta)
        better, error = theta.copy(), before.copy()
        for place, row in enumerate(rows):
            better[place], error[place] = self._walk(row, theta[place], aim[place], before[place], variance[place])
        return better, error

    def _linearised(self, row: int, theta: Floats) -> tuple[Floats, Floats, float]:
        design, first, last = self.designs[row], *self._edges()
        trend = design[:, :first] @ theta[:first]
        factor = 1 + design[:, last:] @ theta[last:]
        residual = self.ys[row] - trend * factor - design[:, first:last] @ theta[first:last]
        tangent = self._tangent[: len(design)]
        np.multiply(design[:, :first], factor[:, None], out=tangent[:, :first])
        tangent[:, first:last] = design[:, first:last]
        np.multiply(design[:, last:], trend[:, None], out=tangent[:, last:])
        return tangent.T @ tangent, tangent.T @ (residual + tangent @ theta), float(residual @ residual)

    def _walk(self, row: int, theta: Floats, aim: Floats, before: float, variance: float) -> tuple[Floats, float]:
        """The farthest of a full, half, quarter … step that lowers the objective at this variance."""
        count, spread = self.count[row], np.array(variance)
        limit = _objective(np.array(before), count, theta, spread, self.prior)
        length = 1.0
        while length > 1e-6:
            nearer = theta + length * (aim - theta)
            error = self._error(row, nearer)
            if _objective(np.array(error), count, nearer, spread, self.prior) <= limit:
                return nearer, error
            length /= 2
        return theta, before

    def _error(self, row: int, theta: Floats) -> float:
        design, first, last = self.designs[row], *self._edges()
        factor = 1 + design[:, last:] @ theta[last:]
        mean = (design[:, :first] @ theta[:first]) * factor + design[:, first:last] @ theta[first:last]
        return float(np.square(self.ys[row] - mean).sum())

    def _edges(self) -> tuple[int, int]:
        """Where the trend's columns end and the multiplicative ones begin."""
        return self.prior.changes + self.prior.line, self.designs[0].shape[1] - self.prior.multiplicative


def _objective(error: Floats, count: npt.NDArray[np.int64], theta: Floats, variance: Floats, prior: Prior) -> Floats:
    """Minus the log density: of the data, of sigma, of the changes, of the other coefficients."""
    changes, others = theta[..., : prior.changes], theta[..., prior.changes :]
    data = count / 2 * np.log(variance) + error / (2 * variance) + 2 * variance
    return np.asarray(
        data + np.abs(changes).sum(axis=-1) / prior.tau + np.square(others / prior.scales).sum(axis=-1) / 2
    )


def _penalised(gram: Floats, moment: Floats, variance: Floats, prior: Prior, theta: Floats) -> Floats:
    """argmin of ½ θ'Gθ - m'θ + variance * (L1 of the changes / tau + ½ squares of the others / scales²), by series.

    The other coefficients are eliminated, which leaves a small problem in the changes.
    """
    cut = prior.changes
    ridge = gram[:, cut:, cut:].copy()
    place = np.arange(ridge.shape[1])
    ridge[:, place, place] += variance[:, None] / np.square(prior.scales)
    solved = np.linalg.solve(ridge, np.concatenate([gram[:, cut:, :cut], moment[:, cut:, None]], axis=2))
    slopes, free = solved[:, :, :cut], solved[:, :, cut]
    reduced = gram[:, :cut, :cut] - gram[:, :cut, cut:] @ slopes
    target = moment[:, :cut] - _times(gram[:, :cut, cut:], free)
    changes = _lasso(reduced, target, variance / prior.tau, theta[:, :cut])
    return np.concatenate([changes, free - _times(slopes, changes)], axis=1)


def _lasso(gram: Floats, target: Floats, penalty: Floats, start: Floats) -> Floats:
    """argmin of ½ x'Gx - t'x + penalty |x|, by series: an active set that descends from `start` (NaN: did not end).

    On the face of the current signs the minimum is one solve. What crosses zero on the way there leaves the set; once
    there, the coordinate that breaks the optimality conditions most enters it.
    """
    changes, sign = start.copy(), np.sign(start)
    if not changes.shape[1]:
        return changes
    rows, place = np.arange(len(changes)), np.arange(changes.shape[1])
    for _ in range(20 + 10 * changes.shape[1]):
        x, s, part = changes[rows], sign[rows], gram[rows]
        on = s != 0
        face = part * (on[:, :, None] & on[:, None, :])
        face[:, place, place] += ~on
        aim = np.linalg.solve(face, ((target[rows] - penalty[rows, None] * s) * on)[:, :, None])[:, :, 0]
        crossing = on & (aim * s <= 0)
        reach = np.where(crossing, x / np.where(crossing, x - aim, 1.0), 1.0)
        length = reach.min(axis=1)
        x = x + length[:, None] * (aim - x)
        leaves = crossing & (reach <= length[:, None])
        x[leaves], s[leaves] = 0.0, 0.0
        slope = target[rows] - _times(part, x)
        excess = np.where(on, 0.0, np.abs(slope) / penalty[rows, None] - 1)
        worst = excess.argmax(axis=1)
        arrived = ~leaves.any(axis=1)
        enters = arrived & (excess[np.arange(len(rows)), worst] > 1e-6)
        s[enters, worst[enters]] = np.sign(slope[enters, worst[enters]])
        changes[rows], sign[rows] = x, s
        rows = rows[~arrived | enters]
        if not len(rows):
            return changes
    changes[rows] = np.nan
    return changes


def _times(matrices: Floats, vectors: Floats) -> Floats:
    return np.asarray((matrices @ vectors[:, :, None])[:, :, 0])
