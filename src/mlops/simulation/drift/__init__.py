"""Lives of a model with a known shift: rows of features, target and honest predictions, as a monitor reads them."""

from mlops.simulation.drift.life import Life, Truth, simulate_life
from mlops.simulation.drift.shifts import KINDS, Kind, Shift
from mlops.simulation.drift.world import World

__all__ = ["KINDS", "Kind", "Life", "Shift", "Truth", "World", "simulate_life"]
