"""The changes that detectors are tried on, by name, and how long each is watched."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlops.simulation.drift import Shift, World

__all__ = ["QUIET", "SCENARIOS", "WATCHED_WEEKS", "WORLDS", "Scenario"]

WORLDS: Mapping[str, World] = {
    "usual": World(),  # 24 numeric and 6 categorical features of 10 routes, two years of history and one of life
    "persistent": World(persistence=0.9, common=0.7),
    "young": World(history_days=365),
    "seasonal": World(season=4.0),
    "alone": World(numeric=12, categorical=2, entities=1, history_days=1095, common=0.0),
}
WATCHED_WEEKS = 9
"""Checks after the onset: 56 days end within the ninth."""
QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of shift with its size; `anywhere`: it begins in any season instead of the third to fifth week."""

    kind: str
    size: float
    ramp_days: int = 0
    columns: int = 1
    anywhere: bool = False

    def shift(self, seed: int) -> Shift:
        """The shift in the life of this seed, on any weekday."""
        onset = 14 + (37 * seed) % 280 if self.anywhere else 14 + (5 * seed) % 21
        return Shift(self.kind, onset, self.size, self.ramp_days, self.columns)


SCENARIOS: Mapping[str, Scenario] = {
    "level 1 sigma": Scenario("level", 1.0),
    "level 2 sigma": Scenario("level", 2.0),
    "level 1 sigma in 3 columns": Scenario("level", 1.0, columns=3),
    "level 2 sigma in 3 columns": Scenario("level", 2.0, columns=3),
    "level 2 sigma over 56 days": Scenario("level", 2.0, ramp_days=56),
    "deviation × 1.5": Scenario("variance", 1.5),
    "deviation × 2": Scenario("variance", 2.0),
    "deviation × 0.5": Scenario("variance", 0.5),
    "season × 1.5 in 3 columns": Scenario("amplitude", 1.5, columns=3, anywhere=True),
    "season × 2 in 3 columns": Scenario("amplitude", 2.0, columns=3, anywhere=True),
    "season 45 days late": Scenario("phase", 45.0, anywhere=True),
    "a fifth turns into one category": Scenario("mix", 0.2),
    "new category, 5 %": Scenario("new_category", 0.05),
    "10 % missing": Scenario("missing", 0.1),
    "30 % missing": Scenario("missing", 0.3),
    "stale column": Scenario("stale", 1.0),
    "stale column of half the entities": Scenario("stale", 0.5),
    "half of the rows twice": Scenario("duplicated", 0.5),
    "concept: level 0.5 noise": Scenario("concept_level", 0.5),
    "concept: level 1 noise": Scenario("concept_level", 1.0),
    "concept: slope 0.4": Scenario("concept_slope", 0.4),
    "concept: slope 0.7": Scenario("concept_slope", 0.7),
    "concept: slope 0.7 over 56 days": Scenario("concept_slope", 0.7, ramp_days=56),
    "label noise × 2": Scenario("label_noise", 2.0),
    "predictions off by 1 noise": Scenario("prediction", 1.0),
}
