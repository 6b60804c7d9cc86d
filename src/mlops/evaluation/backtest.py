"""How models would have done: forecasts from past origins, each seeing only what was known there.

A frame is cut at each origin, so nothing after it can be seen. Where values are corrected later, `AsKnown` gives each
origin the values that stood then.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd

from mlops import parallel
from mlops.arrays import Floats
from mlops.domain.canonical import Parameters
from mlops.domain.forecasts import LEVELS, bias, coverage, interval_pinball, wape
from mlops.domain.granularity import labels_ends
from mlops.errors import HistoryTooShort
from mlops.evaluation.accuracy import scales
from mlops.forecasting import forecaster
from mlops.panels.calendar import Calendar, about
from mlops.panels.from_frame import Panels
from mlops.panels.inputs import Table, taken
from mlops.panels.timestamps import restamped
from mlops.tables import days_or_times, times

__all__ = [
    "AsKnown",
    "Candidate",
    "FinishedFit",
    "Newest",
    "Past",
    "accuracy_of",
    "backtest",
    "fit_and_forecast",
    "freshest",
    "mean_before",
    "origins",
    "with_outcomes",
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind with the arguments of its constructor, by the name that a comparison gives it."""

    name: str
    kind: str
    params: Parameters = field(default_factory=dict)


class Past(Protocol):
    """What was known at a cutoff."""

    def at(self, cutoff: pd.Timestamp) -> Panels:
        """The panels that end with the newest step known at a cutoff."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The past with the values that it has today."""

    panels: Panels

    def at(self, cutoff: pd.Timestamp) -> Panels:
        """The steps up to the cutoff."""
        return self.panels.until(cutoff)


@dataclass(frozen=True, slots=True)
class AsKnown:
    """Panels for each cutoff, with the values that stood then."""

    panels: Mapping[pd.Timestamp, Panels]

    def at(self, cutoff: pd.Timestamp) -> Panels:
        """The panels of this cutoff."""
        return self.panels[cutoff]


@dataclass(frozen=True, slots=True)
class FinishedFit:
    """One fit of a candidate and its forecasts from the cutoffs that it served, without outcomes."""

    candidate: str
    cutoffs: tuple[pd.Timestamp, ...]
    forecasts: pd.DataFrame
    seconds: float


def backtest(
    kind: str,
    params: Parameters,
    frame: Table,
    cutoffs: Sequence[pd.Timestamp],
    horizon: int,
    *,
    refit_every: int = 1,
    levels: Sequence[int] = LEVELS,
    progress: Callable[[int], None] | None = None,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
) -> pd.DataFrame:
    """Forecasts with their outcomes: `series_id, ds, cutoff, y_hat, lo_…, hi_…, scale, step, y`.

    Fits on the rows up to a cutoff, forecasts from it and, with newer history only, from the next `refit_every` - 1.
    `scale` is the mean absolute error of the seasonal naive up to the cutoff, by which MASE divides. `progress` is told
    how many cutoffs are done. The frame, its columns and those of the result are as `Forecaster.fit` says.
    """
    frame, form = taken(frame, id_col=id_col, time_col=time_col, target_col=target_col)
    if labels_ends(params.get("freq") or ""):
        frame = restamped(frame, params["freq"])
    sources = forecaster(kind)(**params).sources
    panels = Panels.of(frame, params.get("freq"), params.get("covariates") or (), sources=sources)
    past, read = Newest(panels), days_or_times if panels.granularity.dated else times
    frame = frame.assign(ds=read(frame["ds"]).astype("datetime64[ns]"))
    parts, done = [], 0
    for one in fit_and_forecast(
        [Candidate(kind, kind, params)], past, cutoffs, horizon, refit_every=refit_every, levels=levels, where="serial"
    ):
        parts.append(one.forecasts)
        done += len(one.cutoffs)
        if progress is not None:
            progress(done)
    found: pd.DataFrame = form.back(with_outcomes(pd.concat(parts, ignore_index=True), frame))
    return found


def fit_and_forecast(
    candidates: Sequence[Candidate],
    past: Past,
    cutoffs: Sequence[pd.Timestamp],
    horizon: int,
    *,
    refit_every: int = 1,
    levels: Sequence[int] = LEVELS,
    where: str | None = None,
) -> Iterator[FinishedFit]:
    """Every candidate from the same cutoffs, over the workers of `where`; each fit is given when it is done.

    The order in which fits finish is that of the workers, their numbers are the same everywhere.
    """
    ordered = sorted(cutoffs)
    blocks = [tuple(ordered[start : start + refit_every]) for start in range(0, len(ordered), refit_every)]
    work = [_Job(candidate, block, horizon, tuple(levels)) for candidate in candidates for block in blocks]
    for _, done in parallel.jobs(_do, work, where, shared=past):
        yield done


def with_outcomes(forecasts: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Forecasts joined with what happened (`y`, NaN where nothing is known) and the number of the `step`."""
    joined = forecasts.merge(frame[["series_id", "ds", "y"]], on=["series_id", "ds"], how="left")
    if "step" not in joined:
        joined["step"] = joined.groupby(["series_id", "cutoff"])["ds"].rank(method="first").astype(int)
    return joined[[*(name for name in joined.columns if name not in ("step", "y")), "step", "y"]]


def origins(series: Panels | Table, count: int, *, every: int, horizon: int) -> tuple[pd.Timestamp, ...]:
    """The newest `count` cutoffs, `every` steps apart, the last one `horizon` steps before the end of the series.

    Fewer where the first third of the history would be touched; HistoryTooShort where none is left.
    """
    panels = series if isinstance(series, Panels) else Panels.of(taken(series)[0])
    index = panels.steps
    last = len(index) - 1 - horizon
    found = [index[last - every * back] for back in range(count) if last - every * back >= len(index) // 3]
    if not found:
        raise HistoryTooShort(panels.ids[0], len(index), 2 * horizon)
    return tuple(found[::-1])


def accuracy_of(forecasts: pd.DataFrame) -> dict[str, float]:
    """Accuracy of forecasts with outcomes: wape, bias, accuracy (1 - wape), pinball and coverage per level, mase."""
    y, y_hat = forecasts["y"], forecasts["y_hat"]
    measures = {"wape": wape(y, y_hat), "bias": bias(y, y_hat), "accuracy": 1 - wape(y, y_hat)}
    for level in LEVELS:
        lo, hi = forecasts[f"lo_{level}"], forecasts[f"hi_{level}"]
        measures[f"pinball_{level}"] = interval_pinball(y, lo, hi, level)
        measures[f"coverage_{level}"] = coverage(y, lo, hi)
    if "scale" in forecasts:
        measures["mase"] = float(((y - y_hat).abs() / forecasts["scale"].where(forecasts["scale"] > 0)).mean())
    return measures


def mean_before(frame: pd.DataFrame, forecasts: pd.DataFrame) -> Floats:
    """For each row of `series_id, cutoff`: the mean of its series' `y` in `series_id, ds, y` up to the cutoff.

    NaN where the series has no value by then. Times of both are naive UTC.
    """
    known = frame.dropna(subset=["y"]).sort_values("ds", kind="stable")
    mean = known.groupby("series_id")["y"].expanding().mean().droplevel(0)
    known = pd.DataFrame({"series_id": known["series_id"], "ds": known["ds"], "mean": mean})
    known = known.sort_values("ds", kind="stable")
    asked = forecasts[["series_id", "cutoff"]].reset_index(drop=True)
    asked = asked.assign(cutoff=asked["cutoff"].astype(known["ds"].dtype)).sort_values("cutoff", kind="stable")
    means = pd.merge_asof(asked.reset_index(), known, left_on="cutoff", right_on="ds", by="series_id")
    return np.asarray(means.set_index("index")["mean"].reindex(range(len(asked))), dtype=float)


def freshest(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The forecast of every series and time from the newest cutoff: what was planned with in the end."""
    ordered = forecasts.sort_values("cutoff", kind="stable")
    return ordered.drop_duplicates(["series_id", "ds"], keep="last")


@dataclass(frozen=True, slots=True)
class _Job:
    candidate: Candidate
    cutoffs: tuple[pd.Timestamp, ...]
    horizon: int
    levels: tuple[int, ...]


def _do(past: Past, job: _Job) -> FinishedFit:
    """Fit at the first cutoff, forecast from all."""
    begun, first = time.process_time(), past.at(job.cutoffs[0])
    seen = _seen(first, job.horizon)
    params = dict(job.candidate.params) | {"freq": first.granularity.name}
    if params.get("events") is not None:  # without those that nobody had announced by the cutoff
        params["events"] = Calendar.of(None, params["events"]).announced_by(job.cutoffs[0]).events
    fitted = forecaster(job.candidate.kind)(**about(params, seen)).fit(seen)
    parts = []
    for cutoff in job.cutoffs:
        panels = past.at(cutoff)
        if not fitted.knows_new_series:
            panels = panels.take(fitted.known)
        forecasts = fitted.predict(job.horizon, job.levels, history=_seen(panels, job.horizon))
        scale = scales(panels)["scale"]
        forecasts = forecasts.assign(
            scale=forecasts["series_id"].map(scale), step=forecasts.groupby("series_id").cumcount() + 1
        )
        parts.append(forecasts[~forecasts["closed"]].drop(columns="closed"))  # nothing will come to judge them by
    return FinishedFit(
        job.candidate.name, job.cutoffs, pd.concat(parts, ignore_index=True), time.process_time() - begun
    )


def _seen(panels: Panels, horizon: int) -> pd.DataFrame:
    """The panels as a frame; with covariates also the steps that are forecast, and no later ones, without their `y`."""
    return pd.concat([panel.with_ahead(horizon) for panel in panels.parts], ignore_index=True)
