"""What a batch of arrived rows changes of what is stored, and how far each new value can be trusted. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops.arrays import Bools, Floats, Ints, Times
from mlops.db.binary import Arrays
from mlops.domain.granularity import GRANULARITIES
from mlops.series.parsing.external_sort import SECOND_BITS, Rows
from mlops.series.scoring import Thresholds, assess

__all__ = ["AROUND", "LATE", "ChangeSet", "SeriesFacts", "diff"]

AROUND = {
    "series_id": "int64",
    "observed_at": "datetime64[us]",
    "value": "float64",
    "value_lower": "float64",
    "value_upper": "float64",
    "quality_score": "float32",
}
"""What is read of the stored observations around a batch; a missing number is NaN."""
FIGURES = ("value", "value_lower", "value_upper", "quality_score")
SECOND = np.timedelta64(1, "s")
LATE = np.timedelta64(31, "D")
"""A new value that long after its period is reported as late. Chosen, not measured: a month's file passes."""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What is known of some series, one entry each, `series_id` ascending."""

    series_id: Ints
    granularity: npt.NDArray[Any]
    thresholds: Thresholds

    def part(self, chosen: npt.NDArray[Any]) -> "SeriesFacts":
        """The facts of some of the series."""
        return SeriesFacts(self.series_id[chosen], self.granularity[chosen], self.thresholds.part(chosen))


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What to store of a batch, by series and time: rows where nothing is stored, and those that say something else.

    The columns of both are those of `pg_temp.arriving`. `rescored` are stored rows whose quality is another one because
    of them. Of the new ones `backdated` became known when their period ended, the last of them at `backdated_until`
    (None: none did), and `late` ones become known now although that was more than LATE ago.
    """

    new: Arrays
    changed: Arrays
    rescored: Arrays
    backdated: int = 0
    backdated_until: np.datetime64 | None = None
    late: int = 0


@dataclass(frozen=True, slots=True)
class _Together:
    """Stored and arrived rows as one, n rows by series and time: what is stored (`was`) and what arrives (`comes`).

    `code` is the place of the row's series in the facts; figures that are not there are NaN.
    """

    code: Ints
    at: Times
    stored: Bools
    arrived: Bools
    was: dict[str, Floats]
    comes: dict[str, Floats]

    def part(self, chosen: Bools) -> "_Together":
        was, comes = ({name: x[chosen] for name, x in half.items()} for half in (self.was, self.comes))
        return _Together(self.code[chosen], self.at[chosen], self.stored[chosen], self.arrived[chosen], was, comes)


def diff(
    rows: Rows,
    series_id: Ints,
    facts: SeriesFacts,
    around: Arrays,
    now: np.datetime64,
    *,
    replayed: Bools | bool = False,
) -> ChangeSet:
    """Compare rows (`series_id` is that of each) with what is stored `around` them, and score what changes.

    A row without bounds or score says nothing about them. New rows of `replayed` series (one entry for each of the
    facts, or one for all) became known when their period ended, if that is over, and not at `now`. Scores that the rows
    of a series bring stand; else each value is scored by those before it. What is stored by another writer meanwhile is
    not seen here: `analytics.merge_arriving()` decides by what stands there when it is its turn.
    """
    of_series: Bools = np.broadcast_to(np.asarray(replayed, dtype=bool), len(facts.series_id))
    both = _together(rows, series_id, facts, around)
    stands = _stands(both)
    differs = [(stands[name] != old) & ~(np.isnan(stands[name]) & np.isnan(old)) for name, old in both.was.items()]
    touched = both.arrived & (~both.stored | np.any(differs, axis=0))
    mine = _per_series(both, touched)
    both, stands, touched = both.part(mine), {name: x[mine] for name, x in stands.items()}, touched[mine]

    stated = ~np.isnan(both.comes["quality_score"])
    brought = _per_series(both, both.arrived & stated)
    before = _counted(both, touched) == 0
    ends, past = both.at.copy(), of_series[both.code]
    for name in set(facts.granularity[both.code]):
        own = facts.granularity[both.code] == name
        ends[own] = GRANULARITIES[name].over(both.at[own])
    known = np.where(before, both.was["quality_score"], np.nan)
    late = _seconds_late(both, np.where(past, np.nan, np.subtract(now, ends) / SECOND))
    codes = both.code[np.r_[True, np.diff(both.code) != 0][: len(both.code)]]
    scores = assess(both.code, both.at, stands["value"], facts.thresholds.part(codes), late=late, known_quality=known)

    quality = np.where(brought, np.where(np.isnan(stands["quality_score"]), 1, stands["quality_score"]), scores.quality)
    columns: Arrays = {"series_id": facts.series_id[both.code], "observed_at": both.at} | stands
    columns |= {"quality_score": quality.astype(np.float32), "quality_stated": stated}
    columns |= {"is_anomaly": scores.is_anomaly, "anomaly_score": scores.anomaly_score}
    if past.any():
        columns["recorded_at"] = np.where(past, np.minimum(ends, now), now)
    new, changed = touched & ~both.stored, touched & both.stored
    again = both.stored & ~changed & ~before & ~brought & (columns["quality_score"] != both.was["quality_score"])
    backdated = new & past & (ends <= now)
    # bounds that no row has need not be sent
    needless = {name for name in ("value_lower", "value_upper") if np.isnan(stands[name][touched]).all()}
    sent = {name: column for name, column in columns.items() if name not in needless}
    return ChangeSet(
        {name: column[new] for name, column in sent.items()},
        {name: column[changed] for name, column in sent.items() if name != "recorded_at"},
        {name: columns[name][again] for name in ("series_id", "observed_at", "quality_score")},
        int(backdated.sum()),
        ends[backdated].max() if backdated.any() else None,
        int((new & ~past & (ends <= now - LATE)).sum()),
    )


def _together(rows: Rows, series_id: Ints, facts: SeriesFacts, around: Arrays) -> _Together:
    ids, ats = np.r_[around["series_id"], series_id], np.r_[around["observed_at"], rows["at"]]
    code = np.asarray(np.searchsorted(facts.series_id, ids), dtype=np.int64)
    key: Ints = code << SECOND_BITS | ats.astype("datetime64[s]").astype(np.int64)
    order = np.argsort(key, kind="stable")
    first = np.r_[True, np.diff(key[order]) != 0][: len(key)]
    place = np.empty(len(key), dtype=np.int64)
    place[order] = np.cumsum(first) - 1

    def placed(half: Arrays | Rows, places: Ints) -> tuple[Bools, dict[str, Floats]]:
        """Which rows a half has, and its figures there."""
        there = np.zeros(np.count_nonzero(first), dtype=bool)
        there[places] = True
        figures = {name: np.full(len(there), np.nan, dtype=half[name].dtype) for name in FIGURES}
        for name, column in figures.items():
            column[places] = half[name]
        return there, figures

    stored, was = placed(around, place[: len(around["value"])])
    arrived, comes = placed(rows, place[len(around["value"]) :])
    return _Together(code[order][first], ats[order][first], stored, arrived, was, comes)


def _stands(both: _Together) -> dict[str, Floats]:
    """The figures as they will stand: what a row leaves out stays as it is stored, if it belongs to the same value."""
    was, comes = both.was, both.comes
    same = ~both.arrived | (comes["value"] == was["value"])
    stands = {"value": np.where(both.arrived, comes["value"], was["value"])}
    for name in ("value_lower", "value_upper"):
        stands[name] = np.where(np.isnan(comes[name]) & same, was[name], comes[name])
    score = comes["quality_score"]
    return stands | {"quality_score": np.where(np.isnan(score), was["quality_score"], score)}


def _seconds_late(both: _Together, waited: Floats) -> Floats | None:
    """How long each row `waited` after its period, NaN unless it fills a gap between stored rows; None: none does.

    Such a row may come late; a history that is brought in whole does not.
    """
    if not both.stored.any() or np.isnan(waited).all():
        return None
    earlier = _counted(both, both.stored)
    of_series = np.bincount(both.code[both.stored], minlength=int(both.code.max(initial=-1)) + 1)[both.code]
    return np.where(~both.stored & (earlier > 0) & (earlier < of_series), waited, np.nan)


def _per_series(both: _Together, flags: Bools) -> Bools:
    """Whether any row of the row's series is flagged."""
    most = int(both.code.max(initial=-1)) + 1
    flagged: Bools = np.bincount(both.code[flags], minlength=most)[both.code] > 0
    return flagged


def _counted(both: _Together, flags: Bools) -> Ints:
    """How many rows of the row's series are flagged up to it, itself included."""
    total = np.cumsum(flags)
    begins = np.r_[True, np.diff(both.code) != 0][: len(flags)]
    before: Ints = (total - flags)[begins]
    counted: Ints = total - before[np.cumsum(begins) - 1]
    return counted
