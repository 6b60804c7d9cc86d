"""The building blocks of simulated series: independent streams of chance, persistence, correlation and seasons."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from mlops.arrays import Floats

__all__ = ["DAYS_OF_YEAR", "Floats", "Rng", "Season", "correlated", "persistent", "streams"]

Rng = np.random.Generator
DAYS_OF_YEAR = 365.25
FACTORS = 2


def streams(seed: int, parts: int) -> tuple[Rng, ...]:
    """Generators that share nothing, so that a part that draws more leaves the others as they were."""
    return tuple(np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(parts))


def persistent(innovations: Floats, phi: Floats | float) -> Floats:
    """A stationary AR(1) along the first axis, of the variance of the innovations; `phi` is broadcast over the rest."""
    keep, fresh = np.asarray(phi), np.sqrt(1 - np.square(phi))
    steps = innovations.copy()
    for day in range(1, len(steps)):
        steps[day] = keep * steps[day - 1] + fresh * innovations[day]
    return steps


def correlated(rng: Rng, shape: tuple[int, ...], loadings: Floats, share: float) -> Floats:
    """Standard normals; along the last axis `share` of their variance is two factors with these loadings (n × 2)."""
    factors = rng.standard_normal((*shape, FACTORS)) @ loadings.T
    own = rng.standard_normal((*shape, len(loadings)))
    return np.asarray(np.sqrt(share) * factors + np.sqrt(1 - share) * own)


@dataclass(frozen=True, slots=True)
class Season:
    """A year of two waves and a week, one column per feature; amplitudes are those of the first wave."""

    amplitude: Floats
    phases: Floats
    weekday: Floats

    @classmethod
    def draw(cls, rng: Rng, columns: int, *, yearly: float = 1.5, weekly: float = 0.5) -> Self:
        """Amplitudes uniform up to `yearly`, phases anywhere, weekday effects of deviation `weekly`."""
        weekday = weekly * rng.standard_normal((7, columns))
        return cls(
            rng.uniform(0, yearly, columns), rng.uniform(0, 2 * np.pi, (2, columns)), weekday - weekday.mean(axis=0)
        )

    def at(self, days: pd.DatetimeIndex, *, times: Any = 1.0, later: Any = 0.0) -> Floats:
        """The season of each day (days × columns), the year's part `times` as large and `later` days later."""
        angle = 2 * np.pi * (days.dayofyear.to_numpy(float)[:, None] - later) / DAYS_OF_YEAR
        year = np.cos(angle - self.phases[0]) + 0.3 * np.cos(2 * angle - self.phases[1])
        return np.asarray(times * self.amplitude * year + self.weekday[days.dayofweek.to_numpy()])
