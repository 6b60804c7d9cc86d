"""Parts of a model's series (a route type, a service area, a segment), each judged by its own error. Pure.

First the whole is judged, with most of the yearly budget of false alarms; the slices share a fixed part of it, however
many they are. Their daily numbers are watched together by one monitor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.findings import Finding, FindingKind
from mlops.monitoring.detect.monitor import WatchedColumns
from mlops.policy import SlicePolicy

__all__ = ["Slice", "SliceWatch", "choose_slices"]

FOUND: dict[str, tuple[FindingKind, str]] = {
    "the error": ("concept", ""),
    "the loss": ("performance", ""),
    "the share outside of the 80 % intervals": ("performance", "coverage"),
}
"""What is watched of each slice, and the finding that it feeds; of all but the error only a rise is bad."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a model's series."""

    name: str
    series: frozenset[int]


def choose_slices(places: pd.DataFrame, baseline: pd.DataFrame, slicing: SlicePolicy) -> tuple[Slice, ...]:
    """The slices worth judging, the largest first: neither tiny, nor everything, nor the same series twice.

    `places` has `series_id, by, value`, one row per series and way of slicing; `baseline` has `series_id, ds, target`.
    """
    known = baseline.dropna(subset=["target"])
    weekly = known.groupby("series_id").size() / max(known["ds"].dt.normalize().nunique() / 7, 1)
    names: dict[frozenset[int], str] = {}
    for (by, value), rows in places.dropna(subset=["value"]).groupby(["by", "value"], sort=True):
        series = frozenset(rows["series_id"]) & frozenset(weekly.index)
        enough = len(series) >= slicing.fewest_series and weekly[list(series)].sum() >= slicing.fewest_rows
        if enough and len(series) < len(weekly):
            names.setdefault(series, f"{by}={value}")
    largest = sorted(names.items(), key=lambda one: (-len(one[0]), one[1]))[: slicing.most]
    return tuple(Slice(name, series) for series, name in largest)


class SliceWatch:
    """The slices of one model, fitted on its backtest, asked week by week.

    Frames have `series_id, ds, target, prediction, outcome, lo_80, hi_80, holiday`.
    """

    def __init__(self, baseline: pd.DataFrame, slices: Sequence[Slice], alarms_per_year: float) -> None:
        self._slices = slices
        self._usual = _judged(baseline).groupby("series_id")[list(FOUND)].mean()
        self._names = {_column(what, part): (what, part) for part in slices for what in FOUND}
        rising = [name for name, (what, _) in self._names.items() if what != "the error"]
        self._watched = WatchedColumns(self._daily(baseline), list(self._names), alarms_per_year, rising)

    def check(self, window: pd.DataFrame) -> tuple[Finding, ...]:
        """The findings about every slice once the newest rows are known."""
        by_name = self._watched.check(self._daily(window))
        return tuple(self._finding(name, finding) for name, finding in by_name.items())

    def _finding(self, name: str, found: Finding) -> Finding:
        what, part = self._names[name]
        kind, subject = FOUND[what]
        return replace(found, kind=kind, subject=subject, slice=part.name)

    def _daily(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One row per day: for each slice the mean error, loss and share outside, less what is usual of its series."""
        judged = _judged(rows)
        judged[list(FOUND)] -= self._usual.reindex(judged["series_id"]).fillna(self._usual.mean()).to_numpy()
        member = np.column_stack([judged["series_id"].isin(part.series) for part in self._slices]).astype(float)
        by_day = judged.groupby("ds", sort=True)
        days, place = by_day["holiday"].any().to_frame(), np.asarray(by_day.ngroup(), np.int64)
        for what in FOUND:
            means = _means(member, judged[what].to_numpy(float), place, len(days))
            days[[_column(what, part) for part in self._slices]] = means
        return days.reset_index().assign(series_id="all")


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose outcome is known, by day."""
    known = rows.dropna(subset=["target", "prediction"])
    error = known["target"] - known["prediction"]
    outside = ~known["outcome"].between(known["lo_80"], known["hi_80"])
    values = dict(zip(FOUND, (error, error.abs(), outside.astype(float)), strict=True))
    return pd.DataFrame(
        {"series_id": known["series_id"], "ds": known["ds"].dt.normalize(), "holiday": known["holiday"], **values}
    )


def _column(what: str, one: Slice) -> str:
    """The name of a watched number: findings tell it."""
    return f"{what} in {one.name}"


def _means(member: Floats, values: Floats, place: npt.NDArray[np.int64], days: int) -> Floats:
    """The mean over each slice's rows of each day (days, slices); NaN where a slice has none."""
    total, count = np.zeros((days, member.shape[1])), np.zeros((days, member.shape[1]))
    np.add.at(total, place, member * values[:, None])
    np.add.at(count, place, member)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
