"""Single rows through LightGBM's C interface: microseconds, where `Booster.predict` takes some thirty.

LightGBM has no Python interface for this (lightgbm-org/LightGBM#6913). A configuration of its C interface is one row
buffer and must never be shared by threads: there is one for each.
"""

import ctypes
import threading
import weakref
from collections.abc import Iterable

import numpy as np

from lightgbm import Booster, LGBMRegressor, basic
from mlops.arrays import Floats

__all__ = ["RowPredictor", "row_predictor"]

LIBRARY = basic._LIB  # type: ignore[attr-defined]  # what its Python interface calls, too

DOUBLE, NORMAL = 1, 0
"""Of LightGBM's c_api.h: C_API_DTYPE_FLOAT64 and C_API_PREDICT_NORMAL."""
PARAMETERS = b"num_threads=1 verbosity=-1"


class RowPredictor:
    """Predictions of a booster, equal to those of its `predict` to the last digit, on one thread.

    `columns` is how many features it has, `outputs` how many numbers a row gives (a class each, or one), `trees` how
    many it asks for a row.
    """

    def __init__(self, booster: Booster) -> None:
        self.booster = booster
        self.columns = int(booster.num_feature())
        self.outputs = int(booster.num_model_per_iteration())
        self.trees = max(1, int(booster.num_trees()))
        self._iterations = booster.best_iteration if booster.best_iteration > 0 else -1
        self._local = threading.local()

    def one(self, values: Iterable[float]) -> float | list[float]:
        """The prediction of one row of numbers, NaN where a value is missing."""
        row = self._row()
        row.values[:] = values  # type: ignore[call-overload]
        if row.predict(*row.arguments):
            raise RuntimeError(LIBRARY.LGBM_GetLastError().decode())
        return float(row.result[0]) if self.outputs == 1 else row.result.tolist()

    def many(self, rows: Floats) -> Floats:
        """The predictions of (rows, columns) numbers: (rows,), or (rows, outputs) where a row has several."""
        return np.asarray(self.booster.predict(rows, num_threads=1), dtype=np.float64)

    def _row(self) -> "_Row":
        """The buffers of this thread."""
        row: _Row | None = getattr(self._local, "row", None)
        if row is None:
            row = self._local.row = _Row(self.booster, self.columns, self.outputs, self._iterations)
        return row


class _Row:
    """A row's buffers and LightGBM's configuration for them; the configuration is freed when they are."""

    def __init__(self, booster: Booster, columns: int, outputs: int, iterations: int) -> None:
        self.values, self.result = np.empty(columns), np.empty(outputs)
        handle, length = ctypes.c_void_p(), ctypes.c_int64()
        failed = LIBRARY.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle,  # the booster outlives this: `RowPredictor` holds it
            ctypes.c_int(NORMAL),
            ctypes.c_int(0),
            ctypes.c_int(iterations),
            ctypes.c_int(DOUBLE),
            ctypes.c_int32(columns),
            ctypes.c_char_p(PARAMETERS),
            ctypes.byref(handle),
        )
        if failed:
            raise RuntimeError(LIBRARY.LGBM_GetLastError().decode())
        self.predict = LIBRARY.LGBM_BoosterPredictForMatSingleRowFast
        self.arguments = (
            handle,
            ctypes.c_void_p(self.values.ctypes.data),
            ctypes.byref(length),
            ctypes.c_void_p(self.result.ctypes.data),
        )
        weakref.finalize(self, LIBRARY.LGBM_FastConfigFree, handle)


def row_predictor(model: object) -> RowPredictor | None:
    """What predicts rows of numbers for a model of LightGBM; None for a model of another kind or of categories.

    A booster that learned categories by their names (pandas) has to be asked with these; a classifier of LightGBM's
    interface for scikit-learn predicts labels.
    """
    booster = model.booster_ if isinstance(model, LGBMRegressor) else model
    if not isinstance(booster, Booster) or booster.pandas_categorical:
        return None
    return RowPredictor(booster)
