"""Lives of a model with a known shift: rows of features, target and honest predictions, as a monitor reads them."""

from mlops.simulation.drift.life import Life, Truth, simulate_life
from mlops.simulation.drift.shifts import KINDS, Shift, ShiftKind
from mlops.simulation.drift.world import World

__all__ = ["KINDS", "Life", "Shift", "ShiftKind", "Truth", "World", "simulate_life"]
