"""Several models from the same cutoffs: who errs less, and whether that is more than chance."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from mlops.domain.forecasts import LEVELS, levels_of
from mlops.errors import BadInput, UnknownName
from mlops.evaluation import paired
from mlops.evaluation.accuracy import scores
from mlops.evaluation.backtest import with_outcomes
from mlops.evaluation.validation import WINDOWS, check_model, from_cutoffs, windows, with_scales
from mlops.forecasting import forecaster
from mlops.forecasting.base import Forecaster
from mlops.panels.arguments import either, in_per_cent
from mlops.panels.inputs import Form, Table, taken
from mlops.tables import days_or_times

if TYPE_CHECKING:
    from mlops.forecasting.plots import Picture

__all__ = ["Comparison", "compare"]

KEYS = ["series_id", "ds", "cutoff"]
BESIDE = (*KEYS, "y", "step", "scale", "scale_rms", "closed", "index")
"""Columns of a frame with a column per model that are no model."""
BOUND = re.compile(r"(.+)-(lo|hi)-(\d+)")
Given: TypeAlias = "str | Forecaster | Table"


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Models beside each other, on the forecasts that all of them made and whose outcome is known.

    `scores` has a row per model, the smallest WAPE first: the columns of `mlops.scores`.

    `pairs` has a row for each model but the one that the others are held `against` (the first, unless `against` chose
    another): `model, against, difference, low, high, verdict`. The difference is that of their WAPE, below zero where
    the model errs less; it lies between `low` and `high` with the `confidence`, as a bootstrap over the cutoffs says.
    The verdict is "errs less", "errs more", "may be chance", or "too few cutoffs" where there are not two whose
    forecasts don't overlap. Each stands for itself: of twenty pairs of equal models one is told apart at 95 %.

    `forecasts` has the rows themselves: `model, series_id, ds, cutoff, step, y, y_hat` and bounds. `note` says how many
    they are, and what was left out.
    """

    scores: pd.DataFrame
    pairs: pd.DataFrame
    forecasts: pd.DataFrame
    confidence: float
    note: str

    def against(self, model: str) -> "Comparison":
        """The same, with the others held against another model.

        Parameters
        ----------
        model
            The name of one of the models.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops import compare
        >>> days = pd.date_range("2024-01-01", periods=84)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 12})
        >>> compare(["naive", "average"], frame, h=7).against("average").pairs["model"].tolist()
        ['naive']
        """
        return _compared(self.forecasts, model, self.confidence, self.note)

    def plot(self) -> "Picture":
        """The differences with their intervals, as a Matplotlib figure.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops import compare
        >>> days = pd.date_range("2024-01-01", periods=84)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 12})
        >>> compare(["naive", "average"], frame, h=7).plot().get_suptitle()
        'Below zero: the first of the two errs less'
        """
        from mlops.evaluation.plots import plot

        return plot(self)

    def __repr__(self) -> str:
        both = (one.to_string(index=False, float_format=_short) for one in (self.scores, self.pairs))
        return "\n\n".join((*both, self.note))

    def _repr_html_(self) -> str:
        both = (one.to_html(index=False, float_format=_short) for one in (self.scores, self.pairs))
        return "".join((*both, f"<p>{escape(self.note)}</p>"))


def compare(
    models: Mapping[str, Given] | Sequence[Given],
    frame: Table | None = None,
    h: int | None = None,
    n_windows: int | None = None,
    step: int | None = None,
    *,
    levels: Sequence[int] | int = LEVELS,
    refit_every: int = 1,
    confidence: float = 0.95,
    level: Sequence[int] | int | None = None,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
) -> Comparison:
    """Hold models against each other on the same forecasts: from the same cutoffs, of the same steps.

    Models are kinds, forecasters, and forecasts that were made elsewhere. Where there are such forecasts, the cutoffs
    and steps are theirs. The uncertainty is that of paired differences; see `Comparison`.

    Parameters
    ----------
    models
        A list, or a mapping from names to models: a kind (`"auto"`), a forecaster (its arguments are taken), or a frame
        of forecasts `series_id, ds, cutoff, y_hat` with or without bounds `lo_80, hi_80` and outcomes `y`. Frames of
        other libraries are understood: `unique_id`, `yhat`, and a column per model (`AutoETS`, `AutoETS-lo-80`).
    frame
        The observations `series_id, ds, y`, from which models are fitted and outcomes are taken. May be left out where
        all models are forecasts with outcomes.
    h, n_windows, step
        Steps ahead, number of cutoffs (None: 4) and steps between them (None: `h`), as in `cross_validation`.
    levels
        Of the intervals, in per cent; `level` is the same.
    refit_every
        A new fit for each so many cutoffs.
    confidence
        Of the intervals of the differences, between 0 and 1.
    level
        See `levels`.
    id_col, time_col, target_col
        What the columns are called, as in `fit`. The tables of a comparison have `series_id, ds, y`.

    Raises
    ------
    BadInput
        When there is nothing that all models forecast, or it is not said what is to be done.

    Examples
    --------
    >>> import pandas as pd
    >>> from mlops import compare, cross_validation
    >>> days = pd.date_range("2024-01-01", periods=84)
    >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 12})
    >>> elsewhere = cross_validation(frame, h=7, model="average").assign(y_hat=lambda one: one["y_hat"] + 1)
    >>> compare({"naive": "naive", "theirs": elsewhere}, frame).pairs[["model", "against", "verdict"]].values.tolist()
    [['theirs', 'naive', 'errs more']]
    """
    if not 0 < confidence < 1:
        raise BadInput(f"confidence = {confidence!r} is refused; expected a number between 0 and 1, such as 0.95")
    levels = in_per_cent(either("levels", None if levels is LEVELS else levels, "level", level, LEVELS))
    form = Form()
    if frame is not None:
        frame, form = taken(frame, id_col=id_col, time_col=time_col, target_col=target_col)
    named = _named(models, form)
    elsewhere = {name: one for name, one in named.items() if isinstance(one, pd.DataFrame)}
    ours = {name: one for name, one in named.items() if not isinstance(one, pd.DataFrame)}
    if elsewhere:
        if (h, n_windows, step) != (None, None, None):
            raise BadInput("h, n_windows and step are those of the forecasts that were passed; leave them out")
        cutoffs, h = _common(elsewhere)
        made = {name: _with_outcomes(name, one, frame, cutoffs) for name, one in elsewhere.items()}
    if frame is None:
        if ours:
            raise BadInput(f"there is no frame to fit {next(iter(ours))!r} on; pass frame= with series_id, ds, y")
        return _paired(made, confidence)
    if h is None:
        raise BadInput("it is not said how far ahead to forecast; pass h=")
    if not elsewhere:
        cutoffs, made = windows(frame, h, n_windows or WINDOWS, step, model=next(iter(ours.values()))), {}
    for name, one in ours.items():
        made[name] = from_cutoffs(frame, cutoffs, h, model=one, levels=levels, refit_every=refit_every)
    return _paired({name: made[name] for name in named}, confidence)


def _named(models: Mapping[str, Given] | Sequence[Given], form: Form) -> dict[str, str | Forecaster | pd.DataFrame]:
    """The models by name, frames as ours; their columns may be called as those of the observations."""
    if isinstance(models, str | Forecaster | pd.DataFrame):
        models = [models]
    given = list(models.items()) if isinstance(models, Mapping) else [("", one) for one in models]
    named: dict[str, str | Forecaster | pd.DataFrame] = {}
    for name, one in given:
        several: dict[str, str | Forecaster | pd.DataFrame]
        if isinstance(one, type):
            check_model(one)
        if isinstance(one, Forecaster):
            several = {name or one.kind: one}
        elif isinstance(one, str):
            forecaster(one)  # or it is refused with the kinds that there are
            several = {name or one: one}
        else:
            several = {**_foreign(name, one, form)}
        twice = set(several) & set(named)
        if twice:
            raise BadInput(f"two models are called {min(twice)!r}; pass a mapping from names to models")
        named |= several
    if len(named) < 2:
        raise BadInput(f"{len(named)} model{'s are' if not named else ' is'} no comparison; pass two or more")
    return named


def _foreign(name: str, given: Table, form: Form) -> dict[str, pd.DataFrame]:
    """The forecasts of each model of anybody's frame: `series_id, ds, cutoff, y_hat`, bounds, `y` if it is there."""
    rows = taken(given, form, target=False)[0]
    rows = rows.rename(columns={"yhat": "y_hat"}) if "y_hat" not in rows else rows
    missing = [key for key in KEYS if key not in rows]
    whose = f" of {name!r}" if name else ""
    if missing:
        raise BadInput(
            f"the forecasts{whose} have no column {', '.join(missing)}; expected series_id, ds, cutoff (the newest time"
            " that was known) and y_hat, or a column per model"
        )
    rows = rows.assign(**{key: days_or_times(rows[key]).astype("datetime64[ns]") for key in ("ds", "cutoff")})
    kept = [*KEYS, *(key for key in ("y",) if key in rows)]
    if "y_hat" in rows:
        if not name:
            raise BadInput("forecasts with the column y_hat have no name; pass a mapping from names to models")
        bounds = [f"{side}_{level}" for level in levels_of(rows.columns) for side in ("lo", "hi")]
        return {name: rows[[*kept, "y_hat", *bounds]]}
    columns = [column for column in rows.columns if column not in BESIDE and not BOUND.fullmatch(str(column))]
    columns = [column for column in columns if pd.api.types.is_numeric_dtype(rows[column])]
    if not columns:
        raise BadInput(f"the forecasts{whose} have no column y_hat, nor one per model")
    names = [column if not name else name if len(columns) == 1 else f"{name} {column}" for column in map(str, columns)]
    return {called: _of_column(rows, kept, str(column)) for called, column in zip(names, columns, strict=True)}


def _of_column(rows: pd.DataFrame, kept: list[str], column: str) -> pd.DataFrame:
    """The forecasts of one model of a frame with a column per model."""
    bounds = {str(one): BOUND.fullmatch(str(one)) for one in rows.columns}
    renamed = {one: f"{found[2]}_{found[3]}" for one, found in bounds.items() if found and found[1] == column}
    return rows[[*kept, column, *renamed]].rename(columns={column: "y_hat", **renamed})


def _common(elsewhere: Mapping[str, pd.DataFrame]) -> tuple[tuple[pd.Timestamp, ...], int]:
    """The cutoffs that all forecasts have, and the most steps from one of them."""
    common = set.intersection(*(set(rows["cutoff"]) for rows in elsewhere.values()))
    if not common:
        raise BadInput(f"the forecasts {' and '.join(map(repr, elsewhere))} have no cutoff in common")
    most = max(int(rows.groupby(["series_id", "cutoff"]).size().max()) for rows in elsewhere.values())
    return tuple(sorted(common)), most


def _with_outcomes(
    name: str, rows: pd.DataFrame, frame: pd.DataFrame | None, cutoffs: Sequence[pd.Timestamp]
) -> pd.DataFrame:
    """Forecasts of elsewhere with the outcomes and scales of the frame; without a frame with their own."""
    twice = rows.duplicated(KEYS)
    if twice.any():
        row = rows[twice].iloc[0]
        raise BadInput(
            f"{name!r} has two forecasts of series {row['series_id']!r} for {row['ds']} from {row['cutoff']}; keep one"
        )
    rows = rows[rows["cutoff"].isin(cutoffs)]
    if frame is None:
        if "y" not in rows:
            raise BadInput(f"the forecasts of {name!r} have no outcomes y; pass frame= with series_id, ds, y")
        step = rows.groupby(["series_id", "cutoff"])["ds"].rank(method="first").astype(int)
        return rows.assign(step=step)
    seen = frame.assign(ds=days_or_times(frame["ds"]).astype("datetime64[ns]"))
    return with_scales(with_outcomes(rows.drop(columns="y", errors="ignore"), seen), frame, cutoffs)


def _paired(made: Mapping[str, pd.DataFrame], confidence: float) -> Comparison:
    """What all have, and nothing else."""
    keys = None
    for rows in made.values():
        known = rows.loc[rows["y"].notna() & rows["y_hat"].notna(), KEYS]
        keys = known if keys is None else keys.merge(known, on=KEYS)
    if keys is None or keys.empty:
        raise BadInput(
            f"there is no series, time and cutoff that all of {', '.join(map(repr, made))} forecast and whose outcome"
            " is known; compare their columns series_id, ds and cutoff"
        )
    parts = [rows.merge(keys, on=KEYS).assign(model=name) for name, rows in made.items()]
    forecasts = pd.concat(parts, ignore_index=True)
    _refuse_other_outcomes(forecasts)
    forecasts = forecasts[["model", *(name for name in forecasts.columns if name != "model")]]
    note = (
        f"{len(keys):,} forecasts of {keys['series_id'].nunique():,} series from {keys['cutoff'].nunique():,}"
        " cutoffs, which all models made"
    )
    lost = {name: int(rows["y"].notna().sum()) - len(keys) for name, rows in made.items()}
    left_out = ", ".join(f"{count:,} of {name}" for name, count in lost.items() if count)
    return _compared(forecasts, next(iter(made)), confidence, note + (f"; left out: {left_out}" if left_out else ""))


def _refuse_other_outcomes(forecasts: pd.DataFrame) -> None:
    """BadInput where two models were judged by different outcomes of the same step; float32 may be one of them."""
    outcomes = forecasts.groupby(KEYS)["y"].agg(["min", "max"])
    apart = outcomes[~np.isclose(outcomes["min"], outcomes["max"], rtol=1e-6)]
    if len(apart):
        series, at, _ = apart.index[0]
        low, high = apart.iloc[0]
        raise BadInput(
            f"the forecasts have different outcomes y of series {series!r} at {at}: {low:.10g} and {high:.10g}"
            f" ({len(apart):,} such rows); pass frame=, whose outcomes count for all, or correct them"
        )


def _compared(forecasts: pd.DataFrame, against: str, confidence: float, note: str) -> Comparison:
    models = list(forecasts["model"].unique())
    if against not in models:
        raise UnknownName("model", against, models)
    # of each model without the bounds that only others have
    by_model = forecasts.groupby("model", sort=False)
    scored = [scores(rows.dropna(axis=1, how="all")).assign(model=name) for name, rows in by_model]
    table_ = pd.concat(scored, ignore_index=True).sort_values("wape", kind="stable", ignore_index=True)
    table_ = table_[["model", *(name for name in table_.columns if name != "model")]]
    sizes = forecasts.assign(error=(forecasts["y_hat"] - forecasts["y"]).abs(), size=forecasts["y"].abs())
    error = sizes.pivot_table(index="cutoff", columns="model", values="error", aggfunc="sum")
    size = sizes[sizes["model"] == against].groupby("cutoff")["size"].sum()
    # how many cutoffs in a row forecast some days in common, at most
    ends = forecasts.groupby("cutoff")["ds"].max()
    later = np.searchsorted(ends.index.to_numpy(), ends.to_numpy(), side="left")
    length = int((later - np.arange(len(ends))).max())
    pairs = [_pair(name, against, error, size, length, confidence) for name in models if name != against]
    return Comparison(table_, pd.DataFrame(pairs), forecasts, confidence, note)


def _pair(
    model: str, against: str, error: pd.DataFrame, size: "pd.Series[Any]", length: int, confidence: float
) -> dict[str, Any]:
    """Errors from one cutoff go together, so cutoffs are drawn, and those whose forecasts overlap as a block."""
    apart = np.asarray(error[model] - error[against], dtype=float)
    ratio = paired.ratio_of_sums(apart, np.asarray(size, dtype=float), confidence, length=length)
    verdict = "errs less" if ratio.high < 0 else "errs more" if ratio.low > 0 else "may be chance"
    verdict = "too few cutoffs" if np.isinf(ratio.high) else verdict
    return {
        "model": model,
        "against": against,
        "difference": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "verdict": verdict,
    }


def _short(value: float) -> str:
    return f"{value:.4g}"
