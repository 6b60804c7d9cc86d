"""Values of some series on a regular calendar, and everything that a window of them may be asked.

A window is put together from windows of 1, 2, 4, 8 … steps: windows of 28 steps cost six passes over the data, not 28.
What is added to what depends only on the distance from the row, never on where the array begins or which series share
it, so the same values give the same bits in every call; a running sum would not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from mlops.arrays import Floats, Ints

__all__ = ["Cells", "Floats", "Number", "fold"]

Number: TypeAlias = "Floats | float"
"""An array, or the one number that stands in each of its places."""
State = tuple[Number, ...]
Merge = Callable[[State, State], State]


@dataclass(frozen=True)
class Cells:
    """`values` has one row per series and one column per step; NaN where nothing was observed.

    `first` is the position of the first column: steps are counted from where the calendar of the series begins.
    """

    values: Floats
    first: int = 0

    def roll(
        self,
        window: int,
        begin: Callable[["Cells"], State],
        merge: Merge,
        finish: Callable[..., Number],
        *,
        stride: int = 1,
    ) -> Floats:
        """What `finish` makes of each window of `window` steps, `stride` apart; the windows' ends are the columns."""
        parts = [
            np.broadcast_to(
                finish(*fold(begin(part), window, merge, stride)),
                (len(part.values), part.values.shape[1] - (window - 1) * stride),
            )
            for part in self._parts(1 + (window - 1) * stride)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def running_mean(self, ends: Ints, length: int) -> Floats:
        """Mean of the `length` values up to and including each position of `ends`; NaN where nothing was observed.

        By sums from the first column on: quick for few ends, and other than `roll` in the last bits.
        """
        sums, counts = self._running
        stop = np.clip(ends - self.first + 1, 0, sums.shape[1] - 1)
        start = np.clip(stop - length, 0, None)
        count = counts[:, stop] - counts[:, start]
        total = sums[:, stop] - sums[:, start]
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    @cached_property
    def _running(self) -> tuple[Floats, Floats]:
        """Sums and counts of everything before each column, and of all."""
        sums = np.pad(np.nan_to_num(self.values), ((0, 0), (1, 0))).cumsum(axis=1)
        return sums, np.pad((~np.isnan(self.values)).astype(float), ((0, 0), (1, 0))).cumsum(axis=1)

    @cached_property
    def complete_from(self) -> int:
        """The first column from which on nothing is missing."""
        missing = np.flatnonzero(np.isnan(self.values.sum(axis=0)))
        return int(missing[-1]) + 1 if len(missing) else 0

    def counted(self) -> tuple[Number, Floats]:
        """How many values stand in each place (1 or 0; a plain 1 when nothing is missing), and their sum."""
        if self.complete_from == 0:
            return 1.0, self.values
        seen = ~np.isnan(self.values)
        return seen.astype(float), np.where(seen, self.values, 0.0)

    @cached_property
    def _complete(self) -> "Cells":
        """What comes after everything that is missing."""
        return Cells(self.values[:, self.complete_from :])

    def _parts(self, length: int) -> list["Cells"]:
        """The windows that may miss something and those that don't: most series have a beginning and no gaps."""
        first = self.complete_from
        if first == 0 or self.values.shape[1] - first < length:
            return [self]
        return [Cells(self.values[:, : first + length - 1]), self._complete]


def fold(state: State, window: int, merge: Merge, stride: int = 1) -> State:
    """The state of each window of `window` steps, `stride` apart, out of the states of single steps.

    `merge` takes the states of an older and a newer window that lie side by side.
    """
    block, size, whole, done = state, 1, None, 0
    while True:
        if window & size:
            older = _cut(block, 0, done * stride)
            whole = older if whole is None else merge(older, _cut(whole, size * stride, 0))
            done += size
        if whole is not None and done == window:
            return whole
        block = merge(_cut(block, 0, size * stride), _cut(block, size * stride, 0))
        size *= 2


def _cut(state: State, first: int, last: int) -> State:
    """A state without its `first` and its `last` columns."""
    return tuple(
        number[:, first : number.shape[1] - last] if isinstance(number, np.ndarray) else number for number in state
    )
