"""The target of a simulated world: features, calendar and entity, and a noise that some rows have more of."""

from dataclasses import dataclass

import numpy as np

from mlops.arrays import Floats, Ints
from mlops.simulation.drift.shifts import Switch
from mlops.simulation.drift.world import Days, World
from mlops.simulation.processes import Rng, Season, persistent

__all__ = ["Outcome", "draw_outcome"]

PLACE = 500.0
UNEVEN = 0.25
"""How fast the log of the noise grows with the first feature."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the target is made of, in deviations of its noise; the noise has mean square 1 over the warm-up."""

    noise: float
    warmup: int
    coefficients: Floats
    categories: tuple[Floats, ...]
    calendar: Floats
    surprise: Floats

    def target(self, features: Floats, codes: Ints, switch: Switch) -> Floats:
        """Days × entities, from standard features and categories; uneven noise makes the first feature a scale."""
        slopes = self.coefficients + switch.amount("concept_slope", len(self.coefficients))
        explained = np.einsum("def,df->de", features, slopes) + self.calendar
        for place, effect in enumerate(self.categories):
            explained += effect[codes[..., place]]
        spread = np.exp(UNEVEN * np.clip(features[..., 0], -3, 3))
        spread /= np.sqrt(np.mean(spread[: self.warmup] ** 2))
        noise = self.surprise * spread * switch.amount("label_noise")
        return np.asarray(PLACE + self.noise * (explained + noise + switch.amount("concept_level")))


def draw_outcome(world: World, days: Days, levels: tuple[int, ...], rng: Rng) -> Outcome:
    """Half of the features count; storms act on the target, too, and no model knows them."""
    counts = rng.random(world.numeric) < 0.5
    calendar = Season.draw(rng, 1, yearly=2.0).at(days.index) + rng.normal(-1, 0.5) * days.holiday[:, None]
    entities = rng.standard_normal(world.entities) - 0.5 * days.storm[:, None]
    shared = persistent(rng.standard_normal((len(days), 1)), 0.4)
    own = rng.standard_normal((len(days), world.entities))
    return Outcome(
        noise=world.noise,
        warmup=world.warmup_days,
        coefficients=0.6 * counts * rng.standard_normal(world.numeric),
        categories=tuple(0.4 * rng.standard_normal(count) for count in levels),
        calendar=calendar + entities,
        surprise=np.sqrt(world.shared_noise) * shared + np.sqrt(1 - world.shared_noise) * own,
    )
