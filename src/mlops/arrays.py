"""Types of arrays, named once; a shape is said where an array goes in or out."""

import numpy as np
import numpy.typing as npt

__all__ = ["Bools", "Floats", "Ints", "Singles", "Times"]

Floats = npt.NDArray[np.float64]
"""Numbers; NaN where there is none."""
Singles = npt.NDArray[np.float32]
"""Numbers of which there are many; NaN where there is none."""
Ints = npt.NDArray[np.int64]
"""Counts, codes, ids, and positions in another array."""
Bools = npt.NDArray[np.bool_]
"""A mask."""
Times = npt.NDArray[np.datetime64]
"""Naive times: UTC, unless a name or a docstring says local; NaT where there is none."""
