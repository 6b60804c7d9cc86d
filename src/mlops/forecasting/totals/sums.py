"""Forecasts of totals: the sums of series and of weeks, with intervals calibrated on the errors of these sums."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from mlops.arrays import Bools, Floats
from mlops.domain.forecasts import LEVELS
from mlops.domain.granularity import DAY, GRANULARITIES
from mlops.errors import BadInput
from mlops.forecasting.base import Forecaster
from mlops.forecasting.intervals import Intervals
from mlops.forecasting.kind import COMPONENTS
from mlops.forecasting.out_of_sample import OutOfSample
from mlops.panels.arguments import in_per_cent
from mlops.panels.effects import usual_values
from mlops.panels.panel import Panel
from mlops.panels.service_calendar import share_served
from mlops.parallel import one_thread

__all__ = ["Summed", "with_totals"]

LEAST = 0.8
"""Of a past total: the share, by forecast, that must be observed for its error to count. Chosen, not measured."""
INDEPENDENT = 30
"""Errors of sums are fewer, and resemble each other more than those of series (docs/decisions/0023)."""
DAYS = 7
"""Of a week."""


@dataclass(frozen=True)
class Summed:
    """Forecasts of series, of their `totals` and of whole `weeks`.

    `series` is what `Forecaster.predict` gives. `totals` has `total, ds, cutoff, horizon, parts, y_hat`, the bounds and
    perhaps components, a row per total and step on which one of its series is open. `weeks` has the same of every week
    (Monday to Sunday, named by its Monday) that lies wholly within the horizon, of each total and each series: `total`
    is the id of either, `horizon` counts these weeks, `parts` are the series that were summed.
    """

    series: pd.DataFrame
    totals: pd.DataFrame
    weeks: pd.DataFrame


@one_thread()
def with_totals(
    model: Forecaster,
    horizon: int,
    members: pd.DataFrame,
    *,
    weeks: bool = False,
    levels: Sequence[int] = LEVELS,
    history: pd.DataFrame | None = None,
    decompose: bool = False,
) -> Summed:
    """`model.predict`, and forecasts of the totals of its series.

    A total is the sum of its series' forecasts (bottom-up), so that totals of totals agree. A series of which a step
    without a value means zero counts by its forecast times the share of such steps on which it had one in the newest 26
    weeks: its forecast is how much there is when there is something. Closed steps count nothing.

    Bounds don't add up. They come from the errors that the same sums had at past origins (`Kind.out_of_sample`), by the
    rule of all intervals (`forecasting.intervals`); those of weeks from the errors of whole weeks, in which the errors
    of days add up or cancel as they did.

    Parameters
    ----------
    model
        A fitted forecaster of the series.
    horizon
        Steps ahead.
    members
        `series_id, total`: which series are summed; a series may be in several totals.
    weeks
        Whether there are sums of whole weeks, too; of daily series alone.
    levels
        Of the intervals, in per cent.
    history
        As in `Forecaster.predict`: `series_id, ds` (naive UTC), `y`, and the covariates.
    decompose
        Whether there is a column for each of COMPONENTS, too.

    Returns
    -------
    Summed
        Times are naive UTC, values in units of the series.

    Raises
    ------
    BadInput
        Where series of a total begin their steps at different times, or weeks are asked of other series than daily
        ones; and what `predict` raises.
    """
    levels = in_per_cent(levels)
    caught: list[tuple[Panel, dict[str, Floats], OutOfSample, pd.DatetimeIndex, npt.NDArray[np.int64]]] = []

    def made(group: Forecaster, panel: Panel, steps: int) -> dict[str, Floats]:
        numbers, out_of_sample = group.bounded(panel, steps, levels, decompose=decompose)
        caught.append((panel, numbers, out_of_sample, *panel.ahead_of(horizon)))
        return numbers

    series = model._each(horizon, history, None, made)
    pasts = [_Past.of(*asked[:3], members, zero=model.absence == "zero") for asked in caught]
    if sum(len(past.ids) > 0 for past in pasts) > 1:
        raise BadInput(
            "series that begin their steps at different times (weekdays of weeks, clocks of hours) have no total;"
            " forecast them apart"
        )
    if weeks and any(past.panel.granularity.name != "daily" for past in pasts):
        raise BadInput(f"weeks are summed of daily series; these are {caught[0][0].granularity.name}")
    kept = [(past, at, steps) for past, (_, _, _, at, steps) in zip(pasts, caught, strict=True)]
    totals = [past.totals(at, np.minimum(steps, past.horizon - 1), levels) for past, at, steps in kept]
    of_weeks = [past.weeks(levels) for past in pasts] if weeks else []
    empty = pd.DataFrame({"total": [], "ds": [], "cutoff": [], "horizon": [], "parts": [], "y_hat": []})
    return Summed(
        series,
        pd.concat(totals, ignore_index=True) if totals else empty,
        pd.concat(of_weeks, ignore_index=True) if of_weeks else empty,
    )


@dataclass(frozen=True)
class _Past:
    """The forecasts of the series, and what their sums would have been at past origins."""

    panel: Panel
    ids: pd.Index
    """Of the totals."""
    of_series: sparse.csr_array
    """Totals × series."""
    weight: Floats
    """Series × steps: what of a forecast counts in a sum, 0 on closed steps."""
    numbers: dict[str, Floats]
    out_of_sample: OutOfSample
    weights: Floats
    """What of each past forecast counts in a sum: origins × series × steps."""
    past: Floats
    """Series × steps of the panel: what was observed, gaps filled as they count in a sum."""
    outcomes: Floats
    """Of past forecasts (origins × series × steps): what happened, gaps filled; NaN where it is not known yet."""

    @classmethod
    def of(
        cls, panel: Panel, numbers: dict[str, Floats], out_of_sample: OutOfSample, members: pd.DataFrame, *, zero: bool
    ) -> "_Past":
        steps = numbers["y_hat"].shape[1]
        here = members[members["series_id"].isin(panel.ids)]
        ids = pd.Index(here["total"].unique())
        rows, columns = ids.get_indexer(pd.Index(here["total"])), panel.ids.get_indexer(pd.Index(here["series_id"]))
        of_series = sparse.csr_array((np.ones(len(here)), (rows, columns)), shape=(len(ids), len(panel.ids)))
        out_of_sample = out_of_sample.of(panel.ids)
        places = panel.index.get_indexer(out_of_sample.origins)
        chosen = np.flatnonzero(places >= 0)
        out_of_sample = replace(
            out_of_sample,
            origins=out_of_sample.origins[chosen],
            y_hat=out_of_sample.y_hat[chosen],
            y=out_of_sample.y[chosen],
            level=out_of_sample.level[chosen],
        )
        weights, outcomes = (np.zeros(out_of_sample.y.shape) for _ in range(2))
        for row, place in enumerate(places[chosen]):
            then = panel.until(int(place) + 1)
            weights[row] = _weight(then, out_of_sample.y.shape[2], zero=zero)
            begun = ~np.isnan(then.y).all(axis=1) & ~np.isnan(out_of_sample.y_hat[row]).any(axis=1)
            weights[row, ~begun] = 0.0
            over = np.arange(place + 1, place + 1 + out_of_sample.y.shape[2]) < len(panel.index)
            outcomes[row] = np.where(
                over, np.where(np.isnan(out_of_sample.y[row]), 0.0 if zero else np.nan, out_of_sample.y[row]), np.nan
            )
        past = np.where(np.isnan(panel.y), 0.0 if zero else usual_values(panel), panel.y)
        return cls(
            panel,
            ids,
            of_series,
            _weight(panel, steps, zero=zero),
            numbers,
            out_of_sample,
            weights,
            np.nan_to_num(past),
            outcomes,
        )

    @property
    def horizon(self) -> int:
        return int(self.weight.shape[1])

    def totals(self, at: pd.DatetimeIndex, steps: npt.NDArray[np.int64], levels: Sequence[int]) -> pd.DataFrame:
        """The forecasts of the totals."""
        if not len(self.ids):
            return pd.DataFrame()
        panel, out_of_sample = self._summed_past(self.of_series, self.ids)
        numbers = self._ahead(self.of_series)
        bounds = Intervals.of(
            out_of_sample, panel, never_negative=panel.never_negative, independent=INDEPENDENT
        ).bounds(panel, numbers["y_hat"], levels)
        open_ = (self.of_series @ (self.weight > 0).astype(float)) > 0
        return self._long(self.ids, self.of_series, {"y_hat": numbers["y_hat"], **bounds, **numbers}, at, steps, open_)

    def weeks(self, levels: Sequence[int]) -> pd.DataFrame:
        """The forecasts of whole weeks, of the totals and of the series; their errors are calibrated apart."""
        each = sparse.csr_array(sparse.eye_array(len(self.panel.ids)))
        tables = [
            self._weeks(of_series, ids, levels)
            for of_series, ids in ((self.of_series, self.ids), (each, self.panel.ids))
            if len(ids)
        ]
        return pd.concat(tables, ignore_index=True)

    def _weeks(self, of_series: sparse.csr_array, ids: pd.Index, levels: Sequence[int]) -> pd.DataFrame:
        panel, out_of_sample = self._summed_past(of_series, ids)
        first = -(panel.cutoff.dayofweek + 1) % DAYS
        count = (self.horizon - first) // DAYS
        steps = np.arange(max(count, 0)) * DAYS + first
        weekly, then = _by_week(panel, out_of_sample, first, max(count, 0))
        ahead = {name: _weekly(values, first, max(count, 0)) for name, values in self._ahead(of_series).items()}
        bounds = {}
        if count > 0:
            bounds = Intervals.of(then, weekly, never_negative=weekly.never_negative, independent=INDEPENDENT).bounds(
                weekly, ahead["y_hat"], levels
            )
        at = panel.future(self.horizon)[steps]
        open_ = _weekly((of_series @ (self.weight > 0).astype(float)), first, max(count, 0)) > 0
        return self._long(ids, of_series, {"y_hat": ahead["y_hat"], **bounds, **ahead}, at, np.arange(len(at)), open_)

    def _ahead(self, of_series: sparse.csr_array) -> dict[str, Floats]:
        """Sums of the forecasts and of their components."""
        names = [name for name in ("y_hat", *COMPONENTS) if name in self.numbers]
        return {
            name: np.asarray(of_series @ np.where(self.weight > 0, self.numbers[name] * self.weight, 0.0))
            for name in names
        }

    def _summed_past(self, of_series: sparse.csr_array, ids: pd.Index) -> tuple[Panel, OutOfSample]:
        """The observed totals, and their out-of-sample forecasts."""
        panel = self.panel
        seen = (of_series @ (~np.isnan(panel.y)).astype(float)) > 0
        y = np.where(seen, of_series @ self.past, np.nan)
        panel = Panel(ids, panel.index, y, panel.granularity, zone=panel.zone, end=panel.end)
        shape = (len(self.out_of_sample.origins), len(ids), self.out_of_sample.y.shape[2])
        y_hat, outcomes = (np.full(shape, np.nan, np.float32) for _ in range(2))
        level = np.full(shape[:2], np.nan, np.float32)
        for row, place in enumerate(panel.index.get_indexer(self.out_of_sample.origins)):
            expected = np.where(self.weights[row] > 0, self.weights[row] * self.out_of_sample.y_hat[row], 0.0)
            known = ~np.isnan(self.outcomes[row])
            happened = np.where(self.weights[row] > 0, np.where(known, self.outcomes[row], expected), 0.0)
            whole, part = of_series @ np.abs(expected), of_series @ np.where(known, np.abs(expected), 0.0)
            open_ = (of_series @ (self.weights[row] > 0).astype(float)) > 0
            y_hat[row] = np.where(open_, of_series @ expected, np.nan)
            outcomes[row] = np.where(open_ & (part >= LEAST * whole), of_series @ happened, np.nan)
            level[row] = panel.until(int(place) + 1).level()
        return panel, OutOfSample(ids, self.out_of_sample.origins, panel.granularity, y_hat, outcomes, level)

    def _long(
        self,
        ids: pd.Index,
        of_series: sparse.csr_array,
        numbers: dict[str, Floats],
        at: pd.DatetimeIndex,
        steps: npt.NDArray[np.int64],
        open_: Bools,
    ) -> pd.DataFrame:
        rows = pd.DataFrame(
            {
                "total": ids.repeat(len(at)),
                "ds": np.tile(at.to_numpy(), len(ids)),
                "cutoff": self.panel.newest,
                "horizon": np.tile(np.arange(1, len(at) + 1), len(ids)),
                "parts": np.repeat(np.diff(of_series.indptr), len(at)),
            }
            | {name: values[:, steps].ravel() for name, values in numbers.items()}
        )
        return rows[open_[:, steps].ravel()].reset_index(drop=True)


def _weight(panel: Panel, steps: int, *, zero: bool) -> Floats:
    """The weight of each forecast in a sum: the share of such steps that had a value, or 1 (0 on closed steps)."""
    share = share_served(panel, panel.future(steps))
    return share if zero else (share > 0).astype(float)


def _by_week(panel: Panel, out_of_sample: OutOfSample, first: int, count: int) -> tuple[Panel, OutOfSample]:
    """A daily panel and its past forecasts in weeks: past ones end at the cutoff, those ahead begin `first` days on."""
    begins = len(panel.index) % DAYS
    day = panel.index[begins] if len(panel.index) > begins else panel.index[0]
    granularity = replace(GRANULARITIES["weekly"], anchor=day.dayofweek * DAY)
    whole = _sums(panel.y[:, begins:])
    weekly = Panel(panel.ids, panel.index[begins::DAYS], whole, granularity)
    level = np.full(out_of_sample.level.shape, np.nan, np.float32)
    for row, place in enumerate(panel.index.get_indexer(out_of_sample.origins)):
        seen = _sums(panel.y[:, (place + 1) % DAYS : place + 1])
        if seen.shape[1]:
            level[row] = replace(weekly, index=weekly.index[: seen.shape[1]], y=seen).level()
    closed = np.isnan(out_of_sample.y_hat)
    y_hat = np.where(closed, 0.0, out_of_sample.y_hat)
    y = np.where(closed, 0.0, out_of_sample.y)
    return weekly, OutOfSample(
        out_of_sample.ids,
        out_of_sample.origins,
        granularity,
        _weekly(y_hat, first, count).astype(np.float32),
        _weekly(y, first, count).astype(np.float32),
        level,
    )


def _weekly(values: Floats, first: int, count: int) -> Floats:
    """Sums over `count` weeks from the step `first` on, along the last axis."""
    there = values[..., first : first + count * DAYS]
    return np.asarray(there.reshape(*values.shape[:-1], count, DAYS).sum(axis=-1))


def _sums(y: Floats) -> Floats:
    """Sums of whole weeks; NaN for a week without a value."""
    by_week = y.reshape(len(y), -1, DAYS)
    return np.where(np.isnan(by_week).all(axis=2), np.nan, np.nansum(by_week, axis=2))
