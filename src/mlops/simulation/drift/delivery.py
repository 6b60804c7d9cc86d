"""What arrives of what was measured: gaps, rows that stay away, and the faults of a feed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops.arrays import Floats, Ints
from mlops.simulation.drift.shifts import Switch
from mlops.simulation.drift.world import Days, World
from mlops.simulation.processes import DAYS_OF_YEAR, Rng

__all__ = ["ABSENT", "Delivery", "deliver_feed"]

ABSENT = -1
"""The code of a category that did not arrive."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Numbers (NaN: missing), codes of categories, and how often each row came (0: not at all)."""

    numeric: Floats
    codes: Ints
    times: NDArray[np.int_]

    def inputs(self, days: Days, levels: tuple[int, ...]) -> Floats:
        """What a model is given: numbers, known categories, entity and calendar, days × entities × columns."""
        entities = self.times.shape[1]
        known = [self.codes[..., [place]] == np.arange(count) for place, count in enumerate(levels)]
        who = np.broadcast_to(np.eye(entities), (len(days), entities, entities))
        when = np.broadcast_to(_calendar(days)[:, None], (len(days), entities, _calendar(days).shape[1]))
        return np.concatenate([self.numeric, *known, who, when], axis=-1)


def deliver_feed(
    world: World, values: Floats, codes: Ints, levels: tuple[int, ...], switch: Switch, rng: Rng
) -> Delivery:
    """A feed that repeats itself, loses values, sends unknown categories or sends rows twice while that is on."""
    entities = values.shape[1]
    lost, unknown, repeating = rng.random(values.shape), rng.random(codes.shape), rng.random((entities, 1))
    gone, came, doubled = rng.random(codes.shape), rng.random(values.shape[:2]), rng.random(values.shape[:2])
    # each value, or the last before it that was fresh
    stale = repeating < switch.amount("stale", world.numeric)[:, None]
    fresh = np.maximum.accumulate(np.where(stale, 0, np.arange(len(values))[:, None, None]), axis=0)
    numeric = np.take_along_axis(values, fresh, axis=0)
    rate = world.missing + (1 - world.missing) * switch.amount("missing", world.numeric)
    numeric = np.where(lost < rate[:, None], np.nan, numeric)
    new = unknown < switch.amount("new_category", world.categorical)[:, None]
    codes = np.where(gone < world.missing, ABSENT, np.where(new, np.array(levels, int), codes))
    times = (came >= world.absent) * (1 + (doubled < switch.amount("duplicated")))
    return Delivery(numeric, codes, times)


def _calendar(days: Days) -> Floats:
    angle = 2 * np.pi * days.index.dayofyear.to_numpy(float) / DAYS_OF_YEAR
    waves = [wave(times * angle) for times in (1, 2, 3) for wave in (np.cos, np.sin)]
    weekdays = [days.index.dayofweek.to_numpy() == weekday for weekday in range(1, 7)]
    return np.column_stack([*waves, *weekdays, days.holiday]).astype(float)
