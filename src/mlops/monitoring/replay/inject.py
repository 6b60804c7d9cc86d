"""Changes that are put into a recorded history from a day on, so that it is known what was there to be found. Pure.

Rows before the onset stay as they are. A change of a feature leaves target and prediction alone, as no model is at
hand that could predict anew; a change of the concept changes the target alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.errors import UnknownName
from mlops.monitoring.detect.calendar_fit import design, fit_calendar, harmonics_for
from mlops.monitoring.detect.signals import EntityCentres, daily_means
from mlops.monitoring.detect.spec import MonitorRows, MonitorSpec, read_rows

__all__ = ["CHANGES", "ChangeKind", "UsualSizes", "inject", "possible", "usual_sizes"]

Touches = Literal["numeric", "categorical", "target"]
NEVER_SEEN = "a category that was never seen"


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """A kind of change, its size, what the size counts, and whether it costs what a better model would not cost."""

    name: str
    touches: Touches
    size: float
    words: str
    avoidable: bool = False


CHANGES = {
    change.name: change
    for change in (
        ChangeKind("level 1", "numeric", 1.0, "a feature's level by 1 deviation"),
        ChangeKind("level 2", "numeric", 2.0, "a feature's level by 2 deviations"),
        ChangeKind("stale", "numeric", 1.0, "a feature that repeats its last value"),
        ChangeKind("missing", "numeric", 0.3, "30 % of a feature's values missing"),
        ChangeKind("new category", "categorical", 0.1, "10 % of rows in a category never seen"),
        ChangeKind("target level", "target", 1.0, "the target's level by 1 deviation of the error", avoidable=True),
        ChangeKind(
            "target slope", "target", 0.7, "0.7 deviations of the error per deviation of a feature", avoidable=True
        ),
        ChangeKind("noise", "target", 2.0, "errors twice as large"),
    )
}


@dataclass(frozen=True, slots=True)
class UsualSizes:
    """What is usual in a history: deviations from entity and calendar, and the centres of features and error.

    `deviation` and the columns of `centres` are those of `spec.numeric`, then of the error, in their own units.
    """

    spec: MonitorSpec
    deviation: Floats
    centres: EntityCentres

    def standard(self, rows: MonitorRows) -> Floats:
        """Features and errors of rows from their entity's centre, in deviations; 0 where nothing is known."""
        values = np.column_stack([rows.numeric, rows.error])
        return np.nan_to_num(self.centres.centred(rows.entity, values) / self.deviation)


def usual_sizes(history: pd.DataFrame, spec: MonitorSpec) -> UsualSizes:
    """The sizes by which changes are measured, from rows with the columns of `spec`."""
    rows = read_rows(history, spec)
    values = np.column_stack([rows.numeric, rows.error])
    centres = EntityCentres.of(rows.entity, values)
    centred = centres.centred(rows.entity, values)
    matrix = design(rows.day, rows.holiday, harmonics_for((rows.day.max() - rows.day.min()).days + 1))
    daily = daily_means(rows.day, np.column_stack([matrix, centred])).to_numpy()
    calendar = fit_calendar(daily[:, : matrix.shape[1]], daily[:, matrix.shape[1] :])
    deviation = pd.DataFrame(calendar.residuals(matrix, centred)).std(ddof=0).fillna(0.0).to_numpy(float)
    return UsualSizes(spec, np.where(deviation > 0, deviation, 1.0), centres)


def possible(spec: MonitorSpec) -> tuple[ChangeKind, ...]:
    """The changes that a history with these columns can undergo."""
    lacks = {"numeric": not spec.numeric, "categorical": not spec.categorical, "target": False}
    slope = not spec.numeric
    return tuple(
        change
        for change in CHANGES.values()
        if not lacks[change.touches] and not (slope and change.name == "target slope")
    )


def inject(
    rows: pd.DataFrame, before: pd.DataFrame, change: str, sizes: UsualSizes, rng: np.random.Generator
) -> pd.DataFrame:
    """A copy of `rows`, which begin at the onset, with a change in a column and a direction drawn by `rng`.

    `before` are rows before the onset: a stale column repeats what it had there. Raises UnknownName.
    """
    if change not in CHANGES:
        raise UnknownName("change", change, CHANGES)
    names = sizes.spec.categorical if CHANGES[change].touches == "categorical" else sizes.spec.numeric
    place, sign = int(rng.integers(max(len(names), 1))), float(rng.choice([-1.0, 1.0]))
    return APPLIED[change](_Injection(rows, before, sizes, place, sign, CHANGES[change].size, rng))


@dataclass(frozen=True, slots=True)
class _Injection:
    """Rows to be changed, and what was drawn: the place of a column, a sign."""

    rows: pd.DataFrame
    before: pd.DataFrame
    sizes: UsualSizes
    place: int
    sign: float
    size: float
    rng: np.random.Generator

    @property
    def numeric(self) -> str:
        return self.sizes.spec.numeric[self.place]

    def chosen(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        return np.asarray(self.rng.random(len(self.rows)) < self.size)

    def with_error(self, more: Floats | float) -> pd.DataFrame:
        """The rows with so many deviations of the error added to the target."""
        target = self.sizes.spec.target
        return self.rows.assign(**{target: pd.to_numeric(self.rows[target]) + more * self.sizes.deviation[-1]})

    def standard(self) -> Floats:
        return self.sizes.standard(read_rows(self.rows, self.sizes.spec))


def _level(one: _Injection) -> pd.DataFrame:
    moved = pd.to_numeric(one.rows[one.numeric]) + one.sign * one.size * one.sizes.deviation[one.place]
    return one.rows.assign(**{one.numeric: moved})


def _stale(one: _Injection) -> pd.DataFrame:
    entity = one.sizes.spec.entity
    last = one.before.dropna(subset=[one.numeric]).groupby(entity)[one.numeric].last()
    repeated = one.rows[entity].map(last).where(one.rows[one.numeric].notna())
    return one.rows.assign(**{one.numeric: repeated.fillna(one.rows[one.numeric])})


def _missing(one: _Injection) -> pd.DataFrame:
    return one.rows.assign(**{one.numeric: one.rows[one.numeric].mask(one.chosen())})


def _new_category(one: _Injection) -> pd.DataFrame:
    name = one.sizes.spec.categorical[one.place]
    return one.rows.assign(**{name: one.rows[name].astype(object).mask(one.chosen(), NEVER_SEEN)})


def _target_level(one: _Injection) -> pd.DataFrame:
    return one.with_error(one.sign * one.size)


def _target_slope(one: _Injection) -> pd.DataFrame:
    return one.with_error(one.sign * one.size * one.standard()[:, one.place])


def _noise(one: _Injection) -> pd.DataFrame:
    return one.with_error((one.size - 1) * one.standard()[:, -1])


APPLIED: Mapping[str, Callable[[_Injection], pd.DataFrame]] = {
    "level 1": _level,
    "level 2": _level,
    "stale": _stale,
    "missing": _missing,
    "new category": _new_category,
    "target level": _target_level,
    "target slope": _target_slope,
    "noise": _noise,
}
