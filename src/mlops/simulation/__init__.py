"""Data whose truth is known, for trying, testing and benchmarks; no database, no files but in write.py."""

from mlops.simulation.drift import Life, Truth, simulate_life
from mlops.simulation.shifts import KINDS, Shift
from mlops.simulation.world import World

__all__ = ["KINDS", "Life", "Shift", "Truth", "World", "simulate_life"]
