"""Whether all rows of a series begin its steps: by one clock, on one weekday, with the same month. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.arrays import Ints
from mlops.domain.granularity import DAY, GRANULARITIES, MONTHS, WEEKDAYS, Granularity
from mlops.series.parsing.external_sort import Rows
from mlops.times import UTC, local_times

__all__ = ["FileClock", "has_anchor", "off_step"]


@dataclass(slots=True)
class FileClock:
    """By what the steps of one series of a file begin; its first row says what is not known yet.

    `anchor` is that of its granularity (for hours: seconds after the full hour UTC, where nobody named a zone), `why`
    the reason for which no row of it can be taken.
    """

    granularity: Granularity
    zone: str = UTC
    anchor: int | None = None
    why: str | None = None

    @classmethod
    def of(cls, granularity: str, zone: str | None, anchor: int | None) -> "FileClock":
        """That of a series; what is not known is None."""
        step = GRANULARITIES[granularity]
        free = has_anchor(granularity) and (step.dated or (zone or UTC) == UTC)
        return cls(step, zone or UTC, anchor if free else 0)


def has_anchor(granularity: str) -> bool:
    """Whether steps may begin at another time than usual, so that every row must be held against the first."""
    step = GRANULARITIES[granularity]
    return not step.dated or step.seconds > DAY or step.months > 1


def off_step(rows: Rows, clocks: Sequence[FileClock]) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which rows (whole series, sorted by series and time) can't be taken, and the reason of each of those.

    An anchor that was not known becomes that of the first row.
    """
    keys = rows["key"]
    begins = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    series = [clocks[key] for key in keys[begins].tolist()]
    place = np.repeat(np.arange(len(series)), np.diff([*begins, len(rows)]))
    kinds: dict[tuple[str, str], list[int]] = {}
    for number, clock in enumerate(series):
        kinds.setdefault((clock.granularity.name, clock.zone), []).append(number)
    anchors = np.zeros(len(rows), dtype=np.int64)
    for (name, zone), numbers in kinds.items():
        if has_anchor(name):
            own, step = np.isin(place, numbers), GRANULARITIES[name]
            anchors[own] = _anchors(rows["at"][own] if step.dated else local_times(rows["at"][own], zone), step)
    for number, clock in enumerate(series):
        if clock.anchor is None:
            clock.anchor = int(anchors[begins[number]])
    wanted = np.array([clock.anchor for clock in series], dtype=np.int64)[place]
    whole = np.array([clock.why is not None for clock in series], dtype=bool)[place]
    bad = whole | (anchors != wanted)
    of_bad = zip(place[bad].tolist(), wanted[bad].tolist(), anchors[bad].tolist(), strict=True)
    return bad, [series[number].why or _reason(series[number], right, wrong) for number, right, wrong in of_bad]


def _anchors(at: npt.NDArray[np.datetime64], step: Granularity) -> Ints:
    """How much later than usual the steps begin that begin at these times."""
    if step.months:
        return at.astype("datetime64[M]").astype(np.int64) % step.months
    usual = np.datetime64("1970-01-05" if step.dated else "1970-01-01", "s")
    return (at.astype("datetime64[s]") - usual).astype(np.int64) % step.seconds


def _reason(clock: FileClock, wanted: int, found: int) -> str:
    step, zone = clock.granularity, clock.zone
    if step.months:
        months = f"its steps begin in {_month(step, wanted)}, and this one in {_month(step, found)}"
        return f"{months}; a series keeps to one"
    if step.dated:
        names = [WEEKDAYS[anchor // DAY].capitalize() for anchor in (wanted, found)]
        return (
            f"the weeks of this series begin on a {names[0]}, and this is a {names[1]}; a series keeps to one weekday"
            " (--stamp end takes weeks that are named by their last date)"
        )
    minutes = [f":{anchor // 60:02d}" for anchor in (wanted, found)]
    of_zone = "" if zone == UTC else f" by the clock of {zone}"
    ask = "; name the zone of the series (--timezone, or the column time_zone)" if zone == UTC else ""
    return f"the values of this series begin at {minutes[0]}{of_zone}, and this one at {minutes[1]}{ask}"


def _month(step: Granularity, anchor: int) -> str:
    return " or ".join(name.capitalize() for name in MONTHS[anchor :: step.months])
