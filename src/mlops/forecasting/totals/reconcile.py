"""Forecasts of series and of their totals that agree: a route, a site and the whole are the sums of their parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.errors import BadInput, UnknownName
from mlops.forecasting.base import Forecaster
from mlops.forecasting.out_of_sample import OutOfSample
from mlops.panels.arguments import choice
from mlops.panels.effects import usual_values
from mlops.panels.from_frame import Panels
from mlops.panels.inputs import Form, Table, taken
from mlops.panels.panel import Panel
from mlops.tables import as_pandas

__all__ = ["ALL", "METHODS", "error_variance", "group_totals", "reconcile"]

ALL = "all"
"""The id of the total of all series."""
AGGREGATES: Mapping[str, Callable[..., Floats]] = {
    "sum": np.nansum,
    "mean": np.nanmean,
    "min": np.nanmin,
    "max": np.nanmax,
}
"""What a covariate may be in a total."""
METHODS = ("bottom_up", "top_down", "wls_struct", "wls_var")
LEAST = 0.5
"""Of a total: the share that must be observed for its gaps to be filled. Chosen, not measured."""


def group_totals(
    frame: Table, groups: Table, *, freq: str | None = None, agg: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """A frame and the totals of each group and of all series, in units of the series.

    A series' gap counts in a total by the mean of the same place in the cycles around it; a total is missing where less
    than half of it was observed.

    Parameters
    ----------
    frame
        `series_id, ds, y`, a row per series and step; `ds` is naive UTC.
    groups
        `series_id` and columns that each put every series into a group (route, site, city; nested or not).
    freq
        The name of a granularity or pandas' offset alias (None: inferred).
    agg
        Covariates that are kept, also for steps ahead, each with what it is in a total of its series: their "sum",
        "mean", "min" or "max", of those whose value is known.

    Returns
    -------
    pandas.DataFrame
        In the kind and with the names of `frame`. Ids are text: those of the series, `column=group` for totals, and
        `all`.

    Raises
    ------
    BadInput
        For a series without a group, or an id that a total would have, too.
    """
    for name, how in (agg or {}).items():
        choice(f"agg of {name!r}", how, AGGREGATES)
    frame, form = taken(frame)
    groups = _grouped(groups, form)
    panel = Panels.of(frame, freq, tuple(agg or ())).one
    if panel.coding.levels:
        raise BadInput(f"agg of {min(panel.coding.levels)!r}: it is text, of which a total has none; leave it out")
    panel = replace(panel, ids=panel.ids.astype(str))
    sums = Sums.of(panel.ids, groups)
    usual = usual_values(panel)
    seen = ~np.isnan(panel.y)
    begun, over = np.maximum.accumulate(seen, axis=1), ~np.maximum.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
    alive = seen | (begun & ~over & ~np.isnan(usual))
    filled = np.where(np.isnan(panel.y), np.where(alive, usual, 0.0), panel.y)
    whole, observed = sums.of_series @ filled, sums.of_series @ np.where(np.isnan(panel.y), 0.0, np.abs(panel.y))
    y = np.where(observed >= LEAST * (sums.of_series @ np.abs(filled)), whole, np.nan)
    y[(sums.of_series @ ~np.isnan(panel.y)) == 0] = np.nan
    ids = pd.Index([*panel.ids, *sums.names], name="series_id")
    extra = {
        name: np.vstack([values, _of_totals(values, sums, (agg or {})[name])]) for name, values in panel.extra.items()
    }
    whole_panel = replace(panel, ids=ids, y=np.vstack([panel.y, y]), extra=extra)
    result: pd.DataFrame = replace(form, ids=None).back(_with_ahead(whole_panel) if agg else whole_panel.frame())
    return result


def reconcile(
    forecasts: Table,
    groups: Table,
    method: str = "bottom_up",
    *,
    variance: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The forecasts with `y_hat` changed so that every total is the sum of its series.

    Intervals move along with their forecast and keep their widths: bounds don't add up, for the errors of series partly
    cancel in a total, so each level keeps those that it was given. Where all forecasts are non-negative, none becomes
    negative: such a series is set to zero before the totals are summed, and its bounds don't fall below it.

    Parameters
    ----------
    forecasts
        What a forecaster gives that was fitted on `totals(frame, groups)`: a row per series or total, cutoff and `ds`.
    groups
        As in `totals`.
    method
        "bottom_up" sums the series; "top_down" keeps the total of all and the shares of the series; the others move
        each forecast by as little as possible, in proportion to its variance (MinT with a diagonal matrix:
        Wickramasuriya, Athanasopoulos and Hyndman, 2019), which is the number of its series ("wls_struct") or that of
        its errors ("wls_var").
    variance
        By id the variance of the errors, in squared units, as `error_variance` finds it; of "wls_var" alone.

    Returns
    -------
    pandas.DataFrame
        The rows and columns of `forecasts`, in its kind.

    Raises
    ------
    BadInput
        When a series or total has no forecast, or variances are missing.
    UnknownName
        For a method that is none.
    """
    if method not in METHODS:
        raise UnknownName("reconciliation method", method, METHODS)
    given = forecasts
    forecasts, form = taken(given, target=False)
    groups = _grouped(groups, form)
    ids = pd.Index(forecasts["series_id"].astype(str).unique())
    sums = Sums.of(pd.Index(groups["series_id"].astype(str)), groups)
    nodes = pd.Index([*sums.ids, *sums.names])
    lacking, more = nodes.difference(ids), ids.difference(nodes)
    if len(lacking) or len(more):
        raise BadInput(
            f"forecasts and groups don't fit: {len(lacking)} series or totals have no forecast"
            f"{f' ({lacking[0]!r})' if len(lacking) else ''}, {len(more)} forecasts belong to none"
            f"{f' ({more[0]!r})' if len(more) else ''}; forecast what totals(frame, groups) gives"
        )
    wide = forecasts.assign(series_id=forecasts["series_id"].astype(str)).pivot(
        index="series_id", columns=["cutoff", "ds"], values="y_hat"
    )
    base = wide.loc[nodes].to_numpy(dtype=float)
    if np.isnan(base).any():
        gap = nodes[np.isnan(base).any(axis=1)][0]
        raise BadInput(f"{gap!r} has no forecast for some cutoff and ds; every series and total needs one for each")
    series = _reconciled(base, sums, method, variance)
    if (base >= 0).all():
        series = np.maximum(series, 0.0)
    agreed = pd.DataFrame(np.vstack([series, sums.of_series @ series]), index=nodes, columns=wide.columns)
    moved = _moved(forecasts, agreed)
    if isinstance(given, pd.DataFrame) and given.index.names == [None]:
        moved.index = given.index
    result: pd.DataFrame = replace(form, ids=None).back(moved)
    return result


def error_variance(fitted: Forecaster) -> dict[str, float]:
    """By series id as text, the mean squared error of the out-of-sample forecasts of a fitted model."""
    return {
        name: value
        for out_of_sample in fitted.out_of_sample_by_group
        for name, value in variances(out_of_sample).items()
    }


def variances(out_of_sample: OutOfSample) -> dict[str, float]:
    """By series id as text, mean squared errors over origins and steps, in squared units; NaN without outcomes."""
    squared = (out_of_sample.y.astype(float) - out_of_sample.y_hat) ** 2
    count = (~np.isnan(squared)).sum(axis=(0, 2))
    mean = np.where(count > 0, np.nansum(squared, axis=(0, 2)) / np.maximum(count, 1), np.nan)
    return dict(zip(out_of_sample.ids.astype(str), mean.tolist(), strict=True))


def _grouped(groups: Table, form: Form) -> pd.DataFrame:
    """The groups with the column `series_id`, which may have the name that it has in the frame of the series."""
    table = as_pandas(groups)
    name = next((column for column in ("series_id", form.series, "unique_id") if column in table.columns), None)
    if name is None:
        raise BadInput(f"groups have no column series_id; their columns are {', '.join(map(str, table.columns))}")
    return table.rename(columns={name: "series_id"})


def _of_totals(values: Floats, sums: "Sums", how: str) -> Floats:
    """A covariate (series × steps) of each total; NaN where none of its series has a value."""
    of_totals = np.full((len(sums.names), values.shape[1]), np.nan)
    for row, members in enumerate(sums.of_series > 0):
        known = values[members]
        seen = (~np.isnan(known)).any(axis=0)
        of_totals[row, seen] = AGGREGATES[how](known[:, seen], axis=0)
    return of_totals


def _with_ahead(panel: Panel) -> pd.DataFrame:
    """A panel as a long frame, with the steps ahead whose covariates are known; `y` is missing there."""
    steps = max(values.shape[1] for values in panel.extra.values())
    index = panel.index.append(panel.future(max(steps - len(panel.index), 1)))[:steps]
    columns = {"y": panel.y, **panel.extra}
    wide = {
        name: np.pad(values, ((0, 0), (0, steps - values.shape[1])), constant_values=np.nan)
        for name, values in columns.items()
    }
    keys = {"series_id": panel.ids.repeat(steps), "ds": np.tile(index.to_numpy(), len(panel.ids))}
    rows = pd.DataFrame(keys | {name: values.ravel() for name, values in wide.items()})
    return rows[rows[list(columns)].notna().any(axis=1)].reset_index(drop=True)


@dataclass(frozen=True)
class Sums:
    """Which series each total sums: `of_series` is totals × series, 1 where one belongs to it."""

    ids: pd.Index
    names: tuple[str, ...]
    of_series: Floats

    @classmethod
    def of(cls, ids: pd.Index, groups: pd.DataFrame) -> "Sums":
        """The totals of every group of every column, and of all."""
        columns = [column for column in groups.columns if column != "series_id"]
        by_series = groups.assign(series_id=groups["series_id"].astype(str)).drop_duplicates().set_index("series_id")
        lacking = ids.difference(by_series.index)
        if len(lacking) or not by_series.index.is_unique or by_series.loc[ids].isna().any(axis=None):
            raise BadInput(
                f"groups must have one row for each series and no missing group; {len(lacking)} of {len(ids)} series"
                f" have no row{f', such as {lacking[0]!r}' if len(lacking) else ''}"
            )
        by_series = by_series.loc[ids]
        rows = {
            f"{column}={group}": by_series[column] == group
            for column in columns
            for group in sorted(by_series[column].unique())
        }
        names = (*rows, ALL)
        taken = ids.intersection(pd.Index(names))
        if len(taken):
            raise BadInput(f"a series is called {taken[0]!r}, as a total would be; rename it")
        return cls(ids, names, np.vstack([*rows.values(), np.ones(len(ids))]).astype(float))


def _reconciled(base: Floats, sums: Sums, method: str, variance: Mapping[str, float] | None) -> Floats:
    """Forecasts of the series (series × columns)."""
    count = len(sums.ids)
    series, of_totals = base[:count], base[count:]
    if method == "bottom_up":
        return series
    if method == "top_down":
        together = series.sum(axis=0)
        return series * np.where(together != 0, of_totals[-1] / np.where(together != 0, together, 1.0), 1.0)
    weight = _weights(sums, method, variance)
    between = (sums.of_series * weight[:count]) @ sums.of_series.T + np.diag(weight[count:])
    apart = np.linalg.solve(between, of_totals - sums.of_series @ series)
    return np.asarray(series + weight[:count, None] * (sums.of_series.T @ apart))


def _weights(sums: Sums, method: str, variance: Mapping[str, float] | None) -> Floats:
    """Variances of the series and then of the totals, never zero."""
    if method == "wls_struct":
        return np.concatenate([np.ones(len(sums.ids)), sums.of_series.sum(axis=1)])
    nodes = [*sums.ids, *sums.names]
    lacking = [node for node in nodes if node not in (variance or {})]
    if variance is None or lacking:
        raise BadInput(
            f"wls_var needs the variance of every series and total; {lacking[0]!r} has none (error_variance)"
        )
    variances = np.array([variance[node] for node in nodes], dtype=float)
    usual = np.nanmedian(variances[: len(sums.ids)])
    sizes = np.concatenate([np.ones(len(sums.ids)), sums.of_series.sum(axis=1)])
    variances = np.where(np.isnan(variances), usual * sizes, variances)  # no error is known: as the others of its level
    return np.asarray(np.maximum(variances, 1e-9 * max(float(variances.max()), 1e-300)))


def _moved(forecasts: pd.DataFrame, agreed: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with the agreed `y_hat`; their bounds are as far from it as they were."""
    keys = pd.MultiIndex.from_frame(forecasts[["cutoff", "ds"]])
    rows = agreed.index.get_indexer(pd.Index(forecasts["series_id"].astype(str)))
    y_hat = agreed.to_numpy()[rows, agreed.columns.get_indexer(keys)]
    result, move = forecasts.assign(y_hat=y_hat), y_hat - forecasts["y_hat"]
    bounds = [name for name in forecasts.columns if name.startswith(("lo_", "hi_"))]
    least = 0.0 if (forecasts[["y_hat", *bounds]] >= 0).all(axis=None) else -np.inf
    return result.assign(**{bound: np.maximum(forecasts[bound] + move, least) for bound in bounds})
