"""A long frame becomes panels: one for all series whose steps begin together, on one clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.granularity import GRANULARITIES, Granularity, labels_ends
from mlops.errors import BadInput, NothingToDo
from mlops.panels.categories import Coding
from mlops.panels.panel import Panel
from mlops.panels.timestamps import fits, granularity_of, infer, zone_meant
from mlops.tables import days_or_times, refuse_infinite, times
from mlops.times import NOT_A_ZONE, UTC, local_times, zone_named

__all__ = ["Panels"]

CERTAIN_DAY = np.datetime64("2020-01-01", "ns")
"""By whose clock the anchor of hours is taken; any day does, so long as it is the same for all."""


@dataclass(frozen=True, slots=True)
class Panels:
    """Panels of one granularity; more than one where series begin their weeks on different days or live by two clocks.

    All end with the step that had begun at the newest time of the frame.
    """

    parts: tuple[Panel, ...]

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        freq: str | None = None,
        covariates: Sequence[str] = (),
        future: pd.DataFrame | None = None,
        *,
        sources: Sequence[str] = (),
        coding: Coding | None = None,
    ) -> "Panels":
        """The panels of a long frame.

        Parameters
        ----------
        frame
            `series_id, ds, y`, a row per series and step; `ds` is the beginning of the step in UTC, NaN is no value. A
            column `time_zone` (IANA, one per series) is the clock of series of hours or shorter steps; else it is UTC.
        freq
            The name of a granularity or pandas' offset alias (None: inferred, series by series).
        covariates
            Further columns, known ahead.
        future
            `series_id, ds` and the covariates (but for static ones): their values ahead.
        sources
            Columns that features are computed from, whose values ahead nobody has to know.
        coding
            How covariates become numbers (None: learned from this frame).

        Raises
        ------
        BadInput
            For a time that does not begin a step, naming it.
        """
        declared = granularity_of(freq) if freq else None
        rows = _checked(frame, days=declared is None or declared.dated)
        step = declared or infer(rows)
        columns = (*covariates, *sources)
        _refuse_missing(frame, columns)
        coding = Coding.of(frame, covariates) if coding is None else coding
        known = _with_covariates(rows, frame, columns, future, coding, days=step.dated, needless=sources)
        if freq and labels_ends(freq):
            rows, known = (_begun(part, step) for part in (rows, known))
            _refuse_twice(rows)
        zones = _zones(rows, step)
        local = rows["ds"].to_numpy() if zones is None else _by_zone(rows["ds"], zones)
        anchors = _anchors(rows, zones, step, fixed=bool(freq) and ("-" in str(freq) or "@" in str(freq)))
        newest = rows["ds"].max()
        keys = pd.DataFrame({"zone": UTC if zones is None else zones, "anchor": anchors})
        parts = []
        for zone, anchor in sorted(set(zip(keys["zone"], keys["anchor"].tolist(), strict=True))):
            chosen = ((keys["zone"] == zone) & (keys["anchor"] == anchor)).to_numpy()
            part = (
                rows[chosen].assign(ds=local[chosen], instant=rows["ds"][chosen]).sort_values("instant", kind="stable")
            )
            end = newest if zone == UTC else _at_most(newest, rows["ds"][chosen].max(), step)
            panel = _panel(part, replace(step, anchor=anchor), zone, end)
            ahead = known[known["series_id"].isin(panel.ids)]
            if columns:
                panel = replace(panel, extra=_extra(panel, ahead, coding.names(columns)), coding=coding)
            parts.append(panel)
        return cls(tuple(parts))

    @property
    def granularity(self) -> Granularity:
        """The granularity of all series; the anchor is that of the largest panel."""
        return self.main.granularity

    @property
    def main(self) -> Panel:
        """The panel with most series."""
        return max(self.parts, key=lambda part: len(part.ids))

    @property
    def ids(self) -> pd.Index:
        """All series."""
        return self.parts[0].ids.append([part.ids for part in self.parts[1:]])

    @property
    def steps(self) -> pd.DatetimeIndex:
        """The instants at which the steps of the largest panel begin: where a backtest may begin its forecasts."""
        return pd.DatetimeIndex(self.main.by_the_clock()[0])

    @property
    def one(self) -> Panel:
        """The only panel; BadInput where there are several."""
        if len(self.parts) > 1:
            first, second = (f"{part.ids[0]!r} ({part.granularity.offset}, {part.zone})" for part in self.parts[:2])
            raise BadInput(f"series {first} and {second} don't share their steps; work on them apart")
        return self.parts[0]

    @property
    def plain(self) -> bool:
        """Whether it is one panel by UTC."""
        return len(self.parts) == 1 and self.parts[0].zone == UTC

    def until(self, cutoff: pd.Timestamp) -> "Panels":
        """The steps that had begun at an instant; series that began later are gone with their panel."""
        kept = []
        for part in self.parts:
            end = cutoff if part.zone == UTC else min(_at_most(cutoff, part.newest, part.granularity), part.newest)
            shown = local_times(np.array([end.to_datetime64()]), part.zone)[0]
            steps = int(part.index.searchsorted(shown, side="right"))
            if steps:
                cut = part.until(steps)
                kept.append(cut if part.zone == UTC else replace(cut, end=end))
        return Panels(tuple(kept))

    def take(self, ids: pd.Index) -> "Panels":
        """Some of the series."""
        parts = (part.take(np.asarray(part.ids.isin(ids))) for part in self.parts)
        return Panels(tuple(part for part in parts if len(part.ids)))

    def frame(self) -> pd.DataFrame:
        """Back to the long frame, without the gaps."""
        return pd.concat([part.frame() for part in self.parts], ignore_index=True)


def _checked(frame: pd.DataFrame, *, days: bool) -> pd.DataFrame:
    """The rows with a value; `days` whether midnights of a time zone may be its days."""
    missing = {"series_id", "ds", "y"} - set(frame.columns)
    if missing:
        raise BadInput(f"the frame has no column {', '.join(sorted(missing))}; expected series_id, ds, y")
    kept = ["series_id", "ds", "y", *(name for name in ("time_zone",) if name in frame.columns)]
    rows = frame.loc[frame["y"].notna(), kept].reset_index(drop=True)
    if rows.empty:
        raise NothingToDo("there is no observation to work on; every y is missing")
    read = days_or_times if days else times
    rows = rows.assign(ds=read(rows["ds"]).astype("datetime64[ns]"), y=_finite(rows, "y"))
    for key in ("series_id", "ds"):
        if rows[key].isna().any():
            raise BadInput(f"a row with a y has no {key}; fill it in, or leave the row out")
    _refuse_twice(rows)
    return rows


def _refuse_twice(rows: pd.DataFrame) -> None:
    twice = rows.duplicated(["series_id", "ds"])
    if twice.any():
        row = rows[twice].iloc[0]
        raise BadInput(f"series {row['series_id']!r} has two rows for {row['ds']}; keep one, or add them up")


def _begun(rows: pd.DataFrame, step: Granularity) -> pd.DataFrame:
    """Rows whose times are last days of steps, at the beginnings of these; first days of months stay."""
    at = rows["ds"].to_numpy()
    begins = np.where(at.astype("datetime64[M]") == at, at, step.begun(at).astype("datetime64[ns]"))
    lost = np.isnat(begins) & ~np.isnat(at)
    if lost.any():
        row = rows.iloc[int(lost.argmax())]
        raise BadInput(
            f"series {row['series_id']!r}: {row['ds']} is neither the first nor the last day of a {step.name} step"
        )
    return rows.assign(ds=begins)


def _zones(rows: pd.DataFrame, step: Granularity) -> npt.NDArray[np.object_] | None:
    """The zone of each row; None where it changes nothing."""
    if step.dated or "time_zone" not in rows.columns:
        return None
    zones = rows["time_zone"].fillna(UTC)
    several = zones.groupby(rows["series_id"]).nunique()
    if (several > 1).any():
        first = several.index[several > 1][0]
        both = sorted(zones[rows["series_id"] == first].unique())[:2]
        raise BadInput(f"series {first!r} has two time zones, {both[0]} and {both[1]}; a series lives by one clock")
    known = {name: zone_named(str(name)) for name in zones.unique()}
    for name, zone in known.items():
        if zone is None:
            raise BadInput(f"time_zone = {name!r} {NOT_A_ZONE}{zone_meant(str(name))}")
    zones = zones.map(known)
    return None if (zones == UTC).all() else zones.to_numpy(dtype=object)


def _by_zone(ds: pd.Series, zones: npt.NDArray[np.object_]) -> npt.NDArray[np.datetime64]:
    local = ds.to_numpy().copy()
    for zone in set(zones):
        at = zones == zone
        local[at] = local_times(local[at], zone)
    return local


def _anchors(
    rows: pd.DataFrame, zones: npt.NDArray[np.object_] | None, step: Granularity, *, fixed: bool
) -> npt.NDArray[np.int64]:
    """The anchor of each row's series; BadInput for a time that doesn't begin a step of its series.

    Of steps within a day it is by the clock of one certain day: some clocks are put forward by half a step, and the
    anchor of a series must not depend on when its history begins.
    """
    at = rows["ds"].to_numpy()
    first = pd.Series(at).groupby(rows["series_id"].to_numpy()).transform("min").to_numpy()  # of each row's series
    if fixed:
        first = np.repeat(step.start(np.zeros(1, np.int64)), len(rows))
    begins = fits(at, first, step)  # of instants: a clock may be put forward by half a step
    if not begins.all():
        row = int(np.flatnonzero(~begins)[0])
        raise BadInput(_off(rows.iloc[row], step, step.floor(first[row : row + 1])[0]))
    if step.months:
        return np.asarray(first.astype("datetime64[M]").astype(np.int64) % step.months)
    if not step.seconds:
        return np.zeros(len(rows), np.int64)
    origin = GRANULARITIES[step.name].start(np.zeros(1, np.int64))[0]
    shown = first
    if zones is not None:
        every = np.timedelta64(step.seconds, "s")
        shown = _by_zone(pd.Series(CERTAIN_DAY + (first - CERTAIN_DAY) % every), zones)
    return np.asarray((shown - origin).astype("timedelta64[s]").astype(np.int64) % step.seconds)


def _at_most(cutoff: pd.Timestamp, known: pd.Timestamp, step: Granularity) -> pd.Timestamp:
    """The newest instant until the cutoff that is whole steps away from a known one."""
    every = pd.Timedelta(seconds=step.seconds)
    return known + (cutoff - known) // every * every


def _off(row: pd.Series, step: Granularity, first: np.datetime64) -> str:
    """What is wrong with a time that begins no step."""
    at, ended = row["ds"], ""
    if step.months:
        last = (at + pd.Timedelta(days=1)).day == 1
        ended = "; these are last days: name freq='ME' or its like, or turn them with restamped()" if last else ""
        begins = "00:00 of the first day of a month" if step.months == 1 else "the first day of a step"
        return f"series {row['series_id']!r}: {at} does not begin a {step.name} step ({begins}){ended}"
    if not step.seconds:
        return f"series {row['series_id']!r}: {at} is not 00:00 of a weekday, as business_daily steps are"
    near = pd.Timestamp(step.floor(np.array([at.to_datetime64()]))[0] if step.anchor else first)
    return (
        f"series {row['series_id']!r}: {at} does not begin a step of granularity {step}, as {near} does;"
        " align the times, or say which steps they are (freq=, --granularity)"
    )


def _panel(part: pd.DataFrame, step: Granularity, zone: str, newest: pd.Timestamp) -> Panel:
    number = step.number(part["ds"].to_numpy())
    shown = local_times(np.array([newest.to_datetime64()]), zone)
    index = pd.DatetimeIndex(step.start(np.arange(number.min(), step.number(shown)[0] + 1)).astype("datetime64[ns]"))
    rows = pd.DataFrame(
        {"series_id": part["series_id"].to_numpy(), "at": number - number.min(), "y": part["y"].to_numpy()}
    )
    if zone != UTC:  # an hour that the clock shows twice is one step, by the first time: the second was not known then
        rows = rows.drop_duplicates(["series_id", "at"])
    wide = rows.pivot(index="series_id", columns="at", values="y").reindex(columns=range(len(index)))
    end = newest if zone != UTC else None
    return Panel(wide.index, index, wide.to_numpy(dtype=float), step, zone=zone, end=end)


def _with_covariates(
    rows: pd.DataFrame,
    frame: pd.DataFrame,
    names: Sequence[str],
    future: pd.DataFrame | None,
    coding: Coding,
    *,
    days: bool,
    needless: Sequence[str] = (),
) -> pd.DataFrame:
    """`series_id, ds` and the columns of the covariates, of both frames; the future has no need of some."""
    if not len(names):
        return rows[["series_id", "ds"]]
    parts = [frame]
    if future is not None:
        _refuse_missing(future, [name for name in names if name not in (*coding.static, *needless)])
        parts.append(future.reindex(columns=["series_id", "ds", *names]))
    read = days_or_times if days else times
    columns = ["series_id", "ds", *names]
    parts = [part[columns].assign(ds=read(part["ds"]).astype("datetime64[ns]")) for part in parts]
    for part in parts:
        _refuse_ambiguous(part, names)
    known = pd.concat([coding.coded(part) for part in parts])
    known = known.assign(**{name: _finite(known, name) for name in coding.names(names)})
    return known.drop_duplicates(["series_id", "ds"], keep="last")


def _refuse_missing(frame: pd.DataFrame, covariates: Sequence[str]) -> None:
    columns = ["series_id", "ds", *covariates]
    missing = set(columns) - set(frame.columns)
    if missing:
        raise BadInput(f"the frame has no column {', '.join(sorted(missing))}; expected {', '.join(columns)}")


def _refuse_ambiguous(known: pd.DataFrame, names: Sequence[str]) -> None:
    """BadInput where a frame has two values of a covariate for one step."""
    keys = ["series_id", "ds"]
    twice = known[known.duplicated(keys, keep=False)].drop_duplicates([*keys, *names])
    twice = twice[twice.duplicated(keys)]
    if len(twice):
        row = twice.iloc[0]
        raise BadInput(
            f"series {row['series_id']!r} has two rows for {row['ds']} that differ in {' or '.join(names)}; keep one"
        )


def _finite(frame: pd.DataFrame, name: str) -> "pd.Series[float]":
    """A column as floats; BadInput with series and time where it is no number or infinite."""
    try:
        if pd.api.types.is_complex_dtype(frame[name].dtype):
            raise TypeError(f"the type is {frame[name].dtype}")
        values = frame[name].astype(float)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} holds something that is no number: {error}") from error
    refuse_infinite(values.to_numpy(), frame, name, of="series_id", at="ds")
    return values


def _extra(panel: Panel, known: pd.DataFrame, names: Sequence[str]) -> dict[str, Floats]:
    """Each covariate on the panel's steps and those that are known ahead; NaN where no frame has it.

    A step that the clock skips has no value: it takes that of the step before.
    """
    shown = known.assign(ds=local_times(known["ds"].to_numpy(), panel.zone))
    number = panel.granularity.number(shown["ds"].to_numpy())
    first = int(panel.granularity.number(panel.index[:1].to_numpy())[0])
    steps = range(max(int(number.max()) - first + 1, len(panel.index)))
    keyed = shown.assign(at=number - first).groupby(["series_id", "at"])[list(names)].mean()
    extra = {
        name: keyed[name].unstack("at").reindex(index=panel.ids, columns=steps).to_numpy(dtype=float) for name in names
    }
    if panel.zone != UTC:
        ahead = panel.ahead_of(max(len(steps) - len(panel.index), 1))[1] + len(panel.index)
        skipped = np.setdiff1d(steps, np.r_[panel.by_the_clock()[1], ahead])
        for values in extra.values():
            for at in skipped[skipped > 0]:
                values[:, at] = values[:, at - 1]
    return extra
