"""The features of a simulated world, and the target that they make.

Numbers have seasons and shocks, categories a mix that has seasons; the target a noise that some rows have more of.
"""

from dataclasses import dataclass

import numpy as np

from mlops.arrays import Floats, Ints
from mlops.simulation.drift.shifts import Switch
from mlops.simulation.drift.world import Days, World
from mlops.simulation.processes import FACTORS, Rng, Season, correlated, persistent

__all__ = ["Ints", "Labels", "Numeric", "Outcome", "draw_labels", "draw_numeric", "draw_outcome"]

SKEW = 0.5
"""The log-deviation of a feature with a heavy right tail."""


@dataclass(frozen=True, slots=True)
class Numeric:
    """Numeric features: place + scale × (season + holiday + storm + entity + shock), shocks of deviation 1."""

    season: Season
    events: Floats
    entity: Floats
    shock: Floats
    place: Floats
    scale: Floats

    def values(self, days: Days, switch: Switch) -> Floats:
        """Days × entities × features as they are measured, with what is switched on."""
        count = len(self.scale)
        times, later = (switch.amount(kind, count) for kind in ("amplitude", "phase"))
        expected = self.season.at(days.index, times=times, later=later) + self.events + switch.amount("level", count)
        surprise = self.shock * switch.amount("variance", count)[:, None]
        return np.asarray(self.place + self.scale * (expected[:, None] + self.entity + surprise))

    def standard(self, values: Floats) -> Floats:
        """Values in deviations from their place."""
        return np.asarray((values - self.place) / self.scale)


def draw_numeric(world: World, days: Days, rng: Rng) -> Numeric:
    """A quarter of the features is skewed, a third feels storms."""
    count = world.numeric
    holiday, storm = rng.normal(-0.3, 0.6, count), rng.normal(0, 1.5, count) * (rng.random(count) < 1 / 3)
    return Numeric(
        season=Season.draw(rng, count, yearly=world.season),
        events=np.outer(days.holiday, holiday) + np.outer(days.storm, storm),
        entity=rng.standard_normal((world.entities, count)),
        shock=_shocks(world, len(days), rng),
        place=rng.uniform(20, 200, count),
        scale=rng.lognormal(1.5, 0.7, count),
    )


def _shocks(world: World, days: int, rng: Rng) -> Floats:
    """Deviations of mean 0 and variance 1: a part that a day has in common and one of each entity, both persistent."""
    loadings = rng.standard_normal((world.numeric, FACTORS))
    loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
    slow, slower = (world.persistence * rng.random(world.numeric) for _ in range(2))
    together = persistent(correlated(rng, (days,), loadings, world.alike), slow)
    own = persistent(correlated(rng, (days, world.entities), loadings, world.alike), slower)
    shock = np.sqrt(world.common) * together[:, None] + np.sqrt(1 - world.common) * own
    skewed = rng.random(world.numeric) < 0.25
    # a standardised lognormal of the same standard normals
    mean, variance = np.exp(SKEW**2 / 2), np.expm1(SKEW**2) * np.exp(SKEW**2)
    shock[..., skewed] = (np.exp(SKEW * shock[..., skewed]) - mean) / np.sqrt(variance)
    return np.asarray(shock)


@dataclass(frozen=True, slots=True)
class Labels:
    """Categorical features: the chance of each category on each day, the draws, and which category a mix turns to."""

    chances: tuple[Floats, ...]
    draws: Floats
    turning: Floats

    @property
    def levels(self) -> tuple[int, ...]:
        """How many categories each feature has before anything new comes."""
        return tuple(chance.shape[1] for chance in self.chances)

    def codes(self, switch: Switch) -> Ints:
        """Days × entities × features: the number of each row's category; with a mix some rows turn to category 0."""
        drawn = [
            (self.draws[..., place, None] > chance.cumsum(axis=1)[:, None, :-1]).sum(axis=-1)
            for place, chance in enumerate(self.chances)
        ]
        codes = np.stack(drawn, axis=-1) if drawn else np.zeros(self.draws.shape, int)
        turned = self.turning < switch.amount("mix", len(self.chances))[:, None]
        return np.asarray(np.where(turned, 0, codes))


def draw_labels(world: World, days: Days, rng: Rng) -> Labels:
    """Three to six categories per feature, of unequal and seasonal size, with persistent days of their own."""
    chances = []
    for levels in (3 + place % 4 for place in range(world.categorical)):
        season = Season.draw(rng, levels, yearly=0.5, weekly=0.2).at(days.index)
        daily = 0.2 * persistent(rng.standard_normal((len(days), levels)), 0.5)
        score = np.exp(0.7 * rng.standard_normal(levels) + season + daily)
        chances.append(np.asarray(score / score.sum(axis=1, keepdims=True)))
    shape = len(days), world.entities, world.categorical
    return Labels(tuple(chances), rng.random(shape), rng.random(shape))


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
