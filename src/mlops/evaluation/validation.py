"""What a person asks of a model kind in a few lines: how good it would have been, and beside others."""

from collections.abc import Sequence

import pandas as pd

from mlops.domain.canonical import Parameters
from mlops.domain.forecasts import LEVELS
from mlops.domain.granularity import labels_ends
from mlops.errors import BadInput
from mlops.evaluation.accuracy import scales
from mlops.evaluation.backtest import backtest, origins
from mlops.forecasting.base import Forecaster
from mlops.panels.arguments import either, in_per_cent, whole_number
from mlops.panels.from_frame import Panels
from mlops.panels.inputs import Table, taken
from mlops.panels.timestamps import restamped

__all__ = ["WINDOWS", "check_model", "cross_validation", "from_cutoffs", "windows", "with_scales"]

WINDOWS = 4
"""Cutoffs when none are said. Chosen, not measured."""


def cross_validation(
    frame: Table,
    h: int,
    n_windows: int = WINDOWS,
    step: int | None = None,
    *,
    model: str | Forecaster = "auto",
    levels: Sequence[int] | int = LEVELS,
    refit_every: int = 1,
    level: Sequence[int] | int | None = None,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
) -> pd.DataFrame:
    """What a model would have forecast from past cutoffs, beside what came.

    A row per series, cutoff and step: `series_id, ds, cutoff, step, y, y_hat`, `lo_80, hi_80` and the like per level,
    `scale` and `scale_rms` (by which MASE and RMSSE divide; `scores` takes the frame). Steps without service have none;
    `y` is NaN where nothing was observed. Each cutoff sees only what was known at it: earlier rows, covariates until
    the end of its horizon, events that were announced.

    Parameters
    ----------
    frame
        `series_id, ds, y` and the covariates of the model, as in `fit`.
    h
        Steps ahead of each cutoff.
    n_windows
        Number of cutoffs; the last one lies `h` steps before the end of the frame.
    step
        Steps from one cutoff to the next (None: `h`, so that windows follow each other).
    model
        A kind, or a forecaster whose arguments are taken; fitted or not, it stays as it is.
    levels
        Of the intervals, in per cent; empty for none; `level` is the same.
    refit_every
        A new fit for each so many cutoffs; in between only the history is newer.
    level
        See `levels`.
    id_col, time_col, target_col
        What the columns are called, as in `fit`; the result has these names, and is of the kind of the frame.

    Raises
    ------
    BadInput
        When the history has no room for so many windows.

    Examples
    --------
    >>> import pandas as pd
    >>> from mlops import cross_validation
    >>> days = pd.date_range("2024-01-01", periods=84)
    >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 12})
    >>> tested = cross_validation(frame, h=7, n_windows=2, model="naive", levels=(80,))
    >>> list(tested.columns)
    ['series_id', 'ds', 'cutoff', 'step', 'y', 'y_hat', 'lo_80', 'hi_80', 'scale', 'scale_rms']
    >>> tested.groupby("cutoff").size().tolist()
    [7, 7]
    """
    levels = in_per_cent(either("levels", None if levels is LEVELS else levels, "level", level, LEVELS))
    check_model(model)
    known = None if isinstance(model, str) else model._form
    frame, form = taken(frame, known, id_col=id_col, time_col=time_col, target_col=target_col)
    cutoffs = windows(frame, h, n_windows, step, model=model)
    found: pd.DataFrame = form.back(
        from_cutoffs(frame, cutoffs, h, model=model, levels=levels, refit_every=refit_every)
    )
    return found


def windows(
    frame: pd.DataFrame, h: int, n_windows: int, step: int | None, *, model: str | Forecaster
) -> tuple[pd.Timestamp, ...]:
    """The cutoffs of a cross-validation; BadInput where there is no room for all of them."""
    step = h if step is None else step
    for name, given in (("h", h), ("n_windows", n_windows), ("step", step)):
        whole_number(name, given, least=1)
    panels = _panels(frame, _recipe(model)[1])
    cutoffs = origins(panels, n_windows, every=step, horizon=h)
    if len(cutoffs) < n_windows:
        raise BadInput(
            f"n_windows = {n_windows} cutoffs that are {step} steps apart, the last of them {h} steps before the end,"
            f" do not fit into {len(panels.steps):,} steps, of which the first third is for fitting; at most"
            f" {len(cutoffs)} do: ask for fewer, or for a smaller step"
        )
    return cutoffs


def from_cutoffs(
    frame: pd.DataFrame,
    cutoffs: Sequence[pd.Timestamp],
    h: int,
    *,
    model: str | Forecaster,
    levels: Sequence[int],
    refit_every: int,
) -> pd.DataFrame:
    """What `cross_validation` gives, from certain cutoffs."""
    whole_number("refit_every", refit_every, least=1)
    kind, params = _recipe(model)
    params = {**params, "horizon": max(h, params.get("horizon", h))}
    tested = backtest(kind, params, frame, cutoffs, h, refit_every=refit_every, levels=levels)
    return with_scales(tested, frame, cutoffs, params)


def with_scales(
    tested: pd.DataFrame, frame: pd.DataFrame, cutoffs: Sequence[pd.Timestamp], params: Parameters | None = None
) -> pd.DataFrame:
    """Forecasts with outcomes in the order of columns that people read, with `scale` and `scale_rms` of the frame."""
    panels = _panels(frame, params or {})
    known = pd.concat({one: scales(panels.until(one)) for one in cutoffs}, names=["cutoff", "series_id"])
    at = pd.MultiIndex.from_frame(tested[["cutoff", "series_id"]])
    tested = tested.assign(**{name: known[name].reindex(at).to_numpy() for name in known.columns})
    bounds = [name for name in tested.columns if name.startswith(("lo_", "hi_"))]
    return tested[["series_id", "ds", "cutoff", "step", "y", "y_hat", *bounds, "scale", "scale_rms"]]


def check_model(model: object) -> None:
    """BadInput for what is neither a kind nor a forecaster, such as the class of one."""
    if isinstance(model, type) and issubclass(model, Forecaster):
        raise BadInput(f"found the class of kind {model.kind!r}; make a forecaster of it: forecaster({model.kind!r})()")
    if not isinstance(model, str | Forecaster):
        raise BadInput(f"found {type(model).__name__}, which is no model; expected a kind or a forecaster")


def _recipe(model: str | Forecaster) -> tuple[str, Parameters]:
    """A kind and the arguments of its constructor."""
    return (model, {}) if isinstance(model, str) else (model.kind, model.params)


def _panels(frame: pd.DataFrame, params: Parameters) -> Panels:
    freq = params.get("freq") or ""
    frame = restamped(frame, freq) if labels_ends(freq) else frame
    return Panels.of(frame, freq or None, params.get("covariates") or ())
