"""How models would have done: forecasts from past origins, each seeing only what was known there.

A frame is cut at each origin, so nothing after it can be seen. Where values are corrected later, `AsKnown` gives each
origin the values that stood then.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mlops import parallel
from mlops.domain.forecasts import LEVELS, bias, coverage, pinball, wape
from mlops.errors import HistoryTooShort
from mlops.forecasting import forecaster
from mlops.forecasting.calendar import Calendar
from mlops.forecasting.panel import Floats, Panel

__all__ = [
    "AsKnown",
    "Candidate",
    "Done",
    "Newest",
    "Past",
    "backtest",
    "compare",
    "origins",
    "scores",
    "with_outcomes",
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind with the arguments of its constructor, by the name that a comparison gives it."""

    name: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)


class Past(Protocol):
    """What was known at a cutoff."""

    def at(self, cutoff: pd.Timestamp) -> Panel:
        """The panel that ends with the newest step known at a cutoff."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The past with the values that it has today."""

    panel: Panel

    def at(self, cutoff: pd.Timestamp) -> Panel:
        """The steps up to the cutoff."""
        return self.panel.until(int(self.panel.index.searchsorted(cutoff, side="right")))


@dataclass(frozen=True, slots=True)
class AsKnown:
    """A panel for each cutoff, with the values that stood then."""

    panels: Mapping[pd.Timestamp, Panel]

    def at(self, cutoff: pd.Timestamp) -> Panel:
        """The panel of this cutoff."""
        return self.panels[cutoff]


@dataclass(frozen=True, slots=True)
class Done:
    """One fit of a candidate and its forecasts from the cutoffs that it served, without outcomes."""

    candidate: str
    cutoffs: tuple[pd.Timestamp, ...]
    forecasts: pd.DataFrame
    seconds: float


def backtest(
    kind: str,
    params: Mapping[str, Any],
    frame: pd.DataFrame,
    cutoffs: Sequence[pd.Timestamp],
    horizon: int,
    *,
    refit_every: int = 1,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Forecasts with their outcomes: `series_id, ds, cutoff, y_hat, lo_…, hi_…, scale, step, y`.

    Fits on the rows up to a cutoff, forecasts from it and, with newer history only, from the next `refit_every` - 1.
    `scale` is the mean absolute error of the seasonal naive up to the cutoff, by which MASE divides. `progress` is told
    how many cutoffs are done.
    """
    past = Newest(Panel.of(frame, params.get("freq"), params.get("covariates") or ()))
    parts, done = [], 0
    for one in compare(
        [Candidate(kind, kind, params)], past, cutoffs, horizon, refit_every=refit_every, where="serial"
    ):
        parts.append(one.forecasts)
        done += len(one.cutoffs)
        if progress is not None:
            progress(done)
    return with_outcomes(pd.concat(parts, ignore_index=True), frame)


def compare(
    candidates: Sequence[Candidate],
    past: Past,
    cutoffs: Sequence[pd.Timestamp],
    horizon: int,
    *,
    refit_every: int = 1,
    where: str | None = None,
) -> Iterator[Done]:
    """Every candidate from the same cutoffs, over the workers of `where`; each fit is given when it is done.

    The order in which fits finish is that of the workers, their numbers are the same everywhere.
    """
    ordered = sorted(cutoffs)
    blocks = [tuple(ordered[start : start + refit_every]) for start in range(0, len(ordered), refit_every)]
    work = [_Job(candidate, block, horizon) for candidate in candidates for block in blocks]
    for _, done in parallel.jobs(_do, work, where, shared=past):
        yield done


def with_outcomes(forecasts: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Forecasts joined with what happened (`y`, NaN where nothing is known) and the number of the `step`."""
    joined = forecasts.merge(frame[["series_id", "ds", "y"]], on=["series_id", "ds"], how="left")
    joined["step"] = joined.groupby(["series_id", "cutoff"])["ds"].rank(method="first").astype(int)
    return joined


def origins(
    frame: pd.DataFrame, count: int, *, every: int, horizon: int, freq: str | None = None
) -> list[pd.Timestamp]:
    """The newest `count` cutoffs, `every` steps apart, the last one `horizon` steps before the end of the frame.

    Fewer where the first third of the history would be touched; HistoryTooShort where none is left.
    """
    index = Panel.of(frame, freq).index
    last = len(index) - 1 - horizon
    found = [index[last - every * back] for back in range(count) if last - every * back >= len(index) // 3]
    if not found:
        raise HistoryTooShort(frame["series_id"].iloc[0], len(index), 2 * horizon)
    return found[::-1]


def scores(forecasts: pd.DataFrame) -> dict[str, float]:
    """Accuracy of forecasts with outcomes: wape, bias, accuracy (1 - wape), pinball and coverage per level, mase."""
    y, y_hat = forecasts["y"], forecasts["y_hat"]
    found = {"wape": wape(y, y_hat), "bias": bias(y, y_hat), "accuracy": 1 - wape(y, y_hat)}
    for level in LEVELS:
        lo, hi = forecasts[f"lo_{level}"], forecasts[f"hi_{level}"]
        found[f"pinball_{level}"] = pinball(y, lo, hi, level)
        found[f"coverage_{level}"] = coverage(y, lo, hi)
    if "scale" in forecasts:
        found["mase"] = float(((y - y_hat).abs() / forecasts["scale"].where(forecasts["scale"] > 0)).mean())
    return found


@dataclass(frozen=True, slots=True)
class _Job:
    candidate: Candidate
    cutoffs: tuple[pd.Timestamp, ...]
    horizon: int


def _do(past: Past, job: _Job) -> Done:
    """Fit at the first cutoff, forecast from all."""
    begun, first = time.process_time(), past.at(job.cutoffs[0])
    params = _known(job.candidate.params, first)
    fitted = forecaster(job.candidate.kind)(**params).fit(_seen(first, job.horizon))
    parts = []
    for cutoff in job.cutoffs:
        panel = past.at(cutoff)
        if not fitted.knows_new_series:
            panel = panel.take(panel.ids.isin(fitted.known))
        forecasts = fitted.predict(job.horizon, LEVELS, history=_seen(panel, job.horizon))
        scale = pd.Series(_naive_error(panel), index=panel.ids)
        parts.append(forecasts.assign(scale=forecasts["series_id"].map(scale)))
    return Done(job.candidate.name, job.cutoffs, pd.concat(parts, ignore_index=True), time.process_time() - begun)


def _known(params: Mapping[str, Any], panel: Panel) -> dict[str, Any]:
    """The arguments without the events that nobody had announced by the cutoff."""
    found = dict(params) | {"freq": panel.freq}
    if params.get("events"):
        found["events"] = Calendar.of(None, params["events"]).announced_by(panel.cutoff).events
    return found


def _seen(panel: Panel, horizon: int) -> pd.DataFrame:
    """The panel as a frame; with covariates also the steps that are forecast, and no later ones, without their `y`."""
    if not panel.extra:
        return panel.frame()
    index = panel.index.append(panel.future(horizon))
    columns = {"series_id": panel.ids.repeat(len(index)), "ds": np.tile(index.to_numpy(), len(panel.ids))}
    for name, values in {"y": panel.y, **panel.extra}.items():
        known = values[:, : len(index)]
        columns[name] = np.pad(known, ((0, 0), (0, len(index) - known.shape[1])), constant_values=np.nan).ravel()
    return pd.DataFrame(columns)


def _naive_error(panel: Panel) -> Floats:
    """Mean absolute difference to the same place in the cycle before, by series (Hyndman and Koehler, 2006)."""
    cycle = panel.season.cycle
    return np.asarray(pd.DataFrame(np.abs(panel.y[:, cycle:] - panel.y[:, :-cycle])).mean(axis=1))
