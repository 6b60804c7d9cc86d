"""Which columns of a frame a monitor reads, and those columns as arrays."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.arrays import Floats
from mlops.errors import BadInput
from mlops.tables import as_pandas, refuse_infinite

__all__ = ["Floats", "MonitorRows", "MonitorSpec", "read_rows"]


@dataclass(frozen=True, slots=True)
class MonitorSpec:
    """The names of the columns that a monitor reads, and how many false alarms a year it may spend in all.

    Parameters
    ----------
    time, entity
        The day or time of a row, and whose it is: `"ds"` and `"series_id"`.
    numeric, categorical
        The inputs that are watched: the name or names of numbers, and of categories; `()` for none.
    target, prediction
        The outcome and its forecast: `"y"` and `"y_hat"`.
    holiday
        A column that is true on holidays (None: there is none).
    alarms_per_year
        False alarms a year in all, above 0.
    """

    time: str
    entity: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    target: str
    prediction: str
    holiday: str | None = None
    alarms_per_year: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "numeric", _names(self.numeric))
        object.__setattr__(self, "categorical", _names(self.categorical))
        if not self.alarms_per_year > 0:
            raise BadInput(f"alarms_per_year is {self.alarms_per_year}; it must be above 0")

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a frame must have."""
        holiday = () if self.holiday is None else (self.holiday,)
        return (self.time, self.entity, *self.numeric, *self.categorical, self.target, self.prediction, *holiday)


@dataclass(frozen=True, slots=True)
class MonitorRows:
    """The columns of a frame as arrays: local days, numbers with NaN for missing, categories as text or None."""

    day: pd.DatetimeIndex
    entity: NDArray[np.object_]
    numeric: Floats
    categorical: NDArray[np.object_]
    prediction: Floats
    error: Floats
    holiday: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.day)


def _names(given: Iterable[str]) -> tuple[str, ...]:
    """One name, or several."""
    return (given,) if isinstance(given, str) else tuple(given)


def read_rows(given: Any, spec: MonitorSpec) -> MonitorRows:
    """The rows of any frame (pandas, polars, Arrow) that has the columns of `spec`; rows without a time are left out.

    Raises BadInput for a column that is absent and, with entity and time, for a number that is infinite.
    """
    frame = as_pandas(given)
    absent = [name for name in spec.columns if name not in frame.columns]
    if absent:
        raise BadInput(f"the frame lacks the column(s) {', '.join(map(repr, absent))}; it has {list(frame.columns)}")
    day = _days(frame[spec.time])
    timed = ~np.isnat(day)
    frame = frame[timed]
    prediction, target, *numeric = (
        _numbers(frame, name, spec) for name in (spec.prediction, spec.target, *spec.numeric)
    )
    return MonitorRows(
        day=pd.DatetimeIndex(day[timed]),
        entity=_text(frame[spec.entity]),
        numeric=_side_by_side(numeric, len(frame), float),
        categorical=_side_by_side([_text(frame[name]) for name in spec.categorical], len(frame), object),
        prediction=prediction,
        error=target - prediction,
        holiday=_flags(frame[spec.holiday]) if spec.holiday is not None else np.zeros(len(frame), bool),
    )


def _days(times: "pd.Series[pd.Timestamp]") -> NDArray[np.datetime64]:
    """The day on the wall calendar of each time, whatever its zone (07:00+02:00 and 07:00Z are the same day)."""
    codes, distinct = pd.factorize(times)
    try:
        walls = [pd.Timestamp(time).tz_localize(None).normalize() for time in distinct]
    except (TypeError, ValueError) as error:
        raise BadInput(f"{times.name!r} holds something that is no time: {error}") from error
    days = pd.DatetimeIndex([*walls, pd.NaT]).as_unit("ns").to_numpy()  # code -1, a missing time, takes the last
    return np.asarray(days[codes], dtype="datetime64[ns]")


def _numbers(frame: pd.DataFrame, name: str, spec: MonitorSpec) -> Floats:
    """The column as floats; what is no number is NaN."""
    column = frame[name]
    numbers = pd.to_numeric(column if column.dtype != "category" else column.astype(object), errors="coerce")
    values = np.asarray(numbers.to_numpy(dtype=float, na_value=np.nan), dtype=float)
    refuse_infinite(values, frame, name, of=spec.entity, at=spec.time)
    return values


def _text(column: "pd.Series[str]") -> NDArray[np.object_]:
    """The column as text, None for missing; 3 and 3.0 are both "3", as a missing value turns integers to floats."""
    codes, distinct = pd.factorize(column)
    names = [str(int(x)) if isinstance(x, (float, np.floating)) and float(x).is_integer() else str(x) for x in distinct]
    return np.array([*names, None], dtype=object)[codes]


def _flags(column: "pd.Series[bool]") -> NDArray[np.bool_]:
    """Whether each value marks a holiday: a true flag, a number other than 0, a name other than ''."""
    return np.array([value is not None and value == value and bool(value) for value in column.astype(object)], bool)


def _side_by_side(columns: list[NDArray], rows: int, dtype: type) -> NDArray:  # type: ignore[type-arg]
    return np.column_stack(columns) if columns else np.empty((rows, 0), dtype)
