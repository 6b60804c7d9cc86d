"""What can change in a simulated life, when, how fast and by how much."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlops.arrays import Floats
from mlops.errors import BadInput, UnknownName
from mlops.simulation.processes import Rng

__all__ = ["KINDS", "Shift", "ShiftKind", "Switch", "chosen"]

Touches = Literal["numeric", "categorical", "target", "rows", "prediction"]


@dataclass(frozen=True, slots=True)
class ShiftKind:
    """A kind of shift: what its size counts, the size that changes nothing, and what is true once it is on.

    `drifts`: the distribution of the touched columns, given the calendar, is another; `concept`: that of the target,
    given the features, is; `fault`: what is delivered is no longer what was measured.
    """

    name: str
    touches: Touches
    size: float
    counts: str
    neutral: float = 0.0
    drifts: bool = False
    concept: bool = False
    fault: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        ShiftKind("level", "numeric", 2.0, "deviations from the calendar, added", drifts=True),
        ShiftKind("variance", "numeric", 2.0, "times the deviation from the calendar", neutral=1.0, drifts=True),
        ShiftKind("amplitude", "numeric", 1.5, "times the yearly wave", neutral=1.0, drifts=True),
        ShiftKind("phase", "numeric", 45.0, "days that the yearly wave comes later", drifts=True),
        ShiftKind("mix", "categorical", 0.2, "share of rows that turn into one category", drifts=True),
        ShiftKind(
            "new_category", "categorical", 0.1, "share of rows with a category never seen", drifts=True, fault=True
        ),
        ShiftKind("missing", "numeric", 0.3, "share of values that are missing", fault=True),
        ShiftKind("stale", "numeric", 1.0, "share of entities that repeat their last value", drifts=True, fault=True),
        ShiftKind("duplicated", "rows", 0.5, "share of rows that are delivered twice", fault=True),
        ShiftKind("concept_level", "target", 1.0, "deviations of the noise, added to the target", concept=True),
        ShiftKind("concept_slope", "numeric", 0.7, "noise deviations per feature deviation, added", concept=True),
        ShiftKind("label_noise", "target", 2.0, "times the noise of the target", neutral=1.0, concept=True),
        ShiftKind("prediction", "prediction", 1.0, "deviations of the noise, added to the prediction"),
    )
}


@dataclass(frozen=True, slots=True)
class Shift:
    """A change from the `onset`-th live day on (0 is the first), complete after `ramp_days`; size None is usual.

    Raises UnknownName for a kind that is not in KINDS and BadInput for a size or time that makes no sense.
    """

    kind: str
    onset: int
    size: float | None = None
    ramp_days: int = 0
    columns: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("kind of shift", self.kind, KINDS)
        if self.onset < 0 or self.ramp_days < 0 or self.columns < 1:
            raise BadInput(f"{self} can't be; expected onset and ramp_days from 0 on and columns from 1 on")
        if "share" in self.of.counts and not 0 <= self.amount <= 1:
            raise BadInput(f"the size of {self.kind} is {self.amount:g}; it is a share, expected 0 to 1")

    @property
    def of(self) -> ShiftKind:
        """What the kind says."""
        return KINDS[self.kind]

    @property
    def amount(self) -> float:
        """The size once the shift is complete."""
        return self.of.size if self.size is None else self.size

    def weight(self, live_day: NDArray[np.int_]) -> Floats:
        """How far the shift has come on each live day: 0 before its onset, 1 when complete."""
        return np.clip((live_day - self.onset + 1) / (self.ramp_days + 1), 0, 1)


@dataclass(frozen=True, slots=True)
class Switch:
    """A shift at work: its weight on every day, and the columns that it touches."""

    shift: Shift | None
    weight: Floats
    columns: tuple[int, ...] = ()

    def amount(self, kind: str, columns: int = 1) -> Floats:
        """Days × columns: the size of a kind as it stands, its neutral size where this shift does not touch."""
        amounts = np.full((len(self.weight), columns), KINDS[kind].neutral)
        if self.shift is not None and self.shift.kind == kind:
            gap = self.shift.amount - KINDS[kind].neutral
            amounts[:, list(self.columns or (0,))] += gap * self.weight[:, None]
        return amounts


def chosen(rng: Rng, candidates: NDArray[np.int_], count: int) -> tuple[int, ...]:
    """So many of the candidates, by chance, in order."""
    return tuple(sorted(int(place) for place in rng.choice(candidates, min(count, len(candidates)), replace=False)))
