"""Accuracy of judged forecasts as tables: by anything, and by the level at which series and steps are added up."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.forecasts import LEVELS, levels_of
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput, NothingToDo, UnknownName
from mlops.panels.from_frame import Panels
from mlops.panels.inputs import Table
from mlops.tables import as_pandas

__all__ = ["CYCLES", "accuracy_table", "by_level", "scales", "scores"]

CYCLES = {one.alias: one.words for one in GRANULARITIES.values()}
"""A step and a cycle of steps in words, by frequency without its anchor."""


def scores(forecasts: Table, by: str | Sequence[str] | None = None, *, target_col: str | None = None) -> pd.DataFrame:
    """How good forecasts were: one row, or one for each group of the columns `by`.

    | column | what it is |
    |---|---|
    | `n` | forecasts with an outcome; others don't count |
    | `mae`, `rmse` | mean absolute and root mean squared error, in units of the series |
    | `wape`, `bias` | sum of absolute errors, and of errors (above 0: too high), over the sum of absolute outcomes |
    | `mase`, `rmsse` | mean of absolute errors over `scale`; root of the mean of squared errors over `scale_rms` |
    | `pinball_80` … | both bounds' quantile losses over the sum of absolute outcomes |
    | `coverage_80` … | share of outcomes inside the interval |
    | `width_80` … | mean width of the interval, in units of the series |

    Levels are those that the frame has, also none. `mase` and `rmsse` are NaN without the columns `scale` and
    `scale_rms`, which `cross_validation` gives, and of a series that never moves.

    Parameters
    ----------
    forecasts
        `y` and `y_hat`, perhaps `lo_80, hi_80` and other levels, and what it is grouped by: the frame of
        `cross_validation`, or anybody's.
    by
        A column or several: `"series_id"`, `"cutoff"`, `"step"` (steps ahead), or columns of your own (None: all in one
        row).
    target_col
        What the outcomes are called, where it is not `y`.

    Raises
    ------
    BadInput
        For an outcome without a forecast, or without a bound.

    Examples
    --------
    >>> import pandas as pd
    >>> from mlops import scores
    >>> judged = pd.DataFrame({"series_id": ["a", "a", "b"], "y": [10.0, 30, 20], "y_hat": [12.0, 28, 20]})
    >>> scores(judged)["wape"].round(3).item()
    0.067
    >>> scores(judged, by="series_id")[["series_id", "n", "mae"]].values.tolist()
    [['a', 2, 2.0], ['b', 1, 0.0]]
    """
    keys = [by] if isinstance(by, str) else list(by or ())
    forecasts = as_pandas(forecasts)
    if target_col is not None and target_col in forecasts:
        forecasts = forecasts.rename(columns={target_col: "y"})
    levels = levels_of(forecasts.columns)
    bounds = [f"{side}_{level}" for level in levels for side in ("lo", "hi")]
    for name in ("y", "y_hat"):
        if name not in forecasts:
            raise BadInput(f"the frame has no column {name}; its columns are {', '.join(map(str, forecasts.columns))}")
    for name in keys:
        if name not in forecasts:
            raise UnknownName("column", name, map(str, forecasts.columns))
    known = forecasts[forecasts["y"].notna()]
    if known.empty:
        raise NothingToDo("no forecast has an outcome; every y is missing")
    for name in ("y_hat", *bounds):
        if known[name].isna().any():
            raise BadInput(
                f"{int(known[name].isna().sum()):,} of {len(known):,} outcomes have no {name}; leave them out"
            )
    error, terms = known["y_hat"] - known["y"], _terms(known, levels)
    if "scale_rms" in known:
        terms["scaled_rms"] = (error / known["scale_rms"].where(known["scale_rms"] > 0)) ** 2
    for level in levels:
        terms[f"width_{level}"] = known[f"hi_{level}"] - known[f"lo_{level}"]
    terms["squared"] = error**2
    grouped = terms.groupby([known[name] for name in keys] or [pd.Series(0, index=known.index)], observed=True)
    total, mean = grouped.sum(), grouped.mean()
    size = total["size"].where(total["size"] > 0)
    measures = pd.DataFrame({"n": grouped.size(), "mae": mean["error"], "rmse": np.sqrt(mean["squared"])})
    measures["wape"], measures["bias"], measures["mase"] = total["error"] / size, total["signed"] / size, mean["scaled"]
    measures["rmsse"] = np.sqrt(mean["scaled_rms"]) if "scaled_rms" in mean else np.nan
    for level in levels:
        measures[f"pinball_{level}"] = total[f"pinball_{level}"] / size
        measures[f"coverage_{level}"], measures[f"width_{level}"] = mean[f"inside_{level}"], mean[f"width_{level}"]
    return measures.rename_axis(keys).reset_index() if keys else measures.reset_index(drop=True)


def scales(panels: Panels) -> pd.DataFrame:
    """By series, how far the seasonal naive was from what came: `scale` on average, `scale_rms` as root mean square.

    The difference is that to the same place in the cycle before (Hyndman and Koehler, 2006), over the whole history.
    """
    parts = []
    for panel in panels.parts:
        cycle = panel.granularity.block
        off = pd.DataFrame(np.abs(panel.y[:, cycle:] - panel.y[:, :-cycle]))
        both = {"scale": off.mean(axis=1), "scale_rms": np.sqrt((off**2).mean(axis=1))}
        parts.append(pd.DataFrame(both).set_axis(panel.ids, axis=0))
    return pd.concat(parts)


def accuracy_table(judged: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """One row per group: `n` outcomes, wape, accuracy (1 - wape), bias, mase, then pinball and coverage per level.

    `judged` has the columns of `evaluation.backtest.backtest`; rows without an outcome don't count. The formulas are
    those of `domain.forecasts`.
    """
    known = judged[judged["y"].notna()]
    keys = [known[name] for name in by] or [pd.Series(0, index=known.index)]
    terms = _terms(known, LEVELS).groupby(keys, sort=True, observed=True)
    total, mean = terms.sum(), terms.mean()
    size = total["size"].where(total["size"] > 0)
    accuracies = pd.DataFrame({"n": terms.size(), "wape": total["error"] / size, "bias": total["signed"] / size})
    accuracies.insert(2, "accuracy", 1 - accuracies["wape"])
    accuracies["mase"] = mean["scaled"]
    for level in LEVELS:
        accuracies[f"pinball_{level}"], accuracies[f"coverage_{level}"] = (
            total[f"pinball_{level}"] / size,
            mean[f"inside_{level}"],
        )
    return accuracies.rename_axis(list(by)).reset_index() if by else accuracies.reset_index(drop=True)


def by_level(judged: pd.DataFrame, segments: Sequence[str], *, cycle: int, words: tuple[str, str]) -> pd.DataFrame:
    """WAPE, accuracy and bias when series and steps are added up before they are compared.

    One row per `level` (each series, the total of each group of the columns `segments`, the total of all) and `over`
    (a step, a cycle of `cycle` steps, all steps); what is all steps, or more than there are, is not told twice.
    Errors of parts cancel in their total: a plan for all routes of a month is more accurate than one for each route and
    day.
    """
    known = judged[judged["y"].notna()]
    most = known["step"].max()
    steps: dict[str, pd.Series | int] = {words[0]: known["step"]}
    if cycle < most:
        steps[words[1]] = (known["step"] - 1) // cycle
    steps[words[1] if cycle == most else f"{most} {words[0]}s"] = 0
    groups: dict[str, pd.Series | int] = {
        "series": known["series_id"],
        **{name: known[name] for name in segments},
        "all": 0,
    }
    rows = []
    for level, group in groups.items():
        for over, span in steps.items():
            keys = known.assign(group=group, span=span)
            added = keys.groupby(["cutoff", "group", "span"], observed=True)[["y", "y_hat"]].sum()
            error, size = added["y_hat"] - added["y"], added["y"].abs().sum() or np.nan
            wape = error.abs().sum() / size
            rows.append((level, over, len(added), wape, 1 - wape, error.sum() / size))
    return pd.DataFrame(rows, columns=["level", "over", "n", "wape", "accuracy", "bias"])


def _terms(known: pd.DataFrame, levels: Sequence[int]) -> pd.DataFrame:
    """What the measures add up, per row."""
    y, error = known["y"], known["y_hat"] - known["y"]
    scale = known["scale"] if "scale" in known else pd.Series(np.nan, index=known.index)
    terms: dict[str, pd.Series | Floats] = {
        "size": y.abs(),
        "error": error.abs(),
        "signed": error,
        "scaled": error.abs() / scale.where(scale > 0),
    }
    for level in levels:
        tail, lo, hi = (1 - level / 100) / 2, known[f"lo_{level}"], known[f"hi_{level}"]
        below = np.maximum(tail * (y - lo), (tail - 1) * (y - lo))
        above = np.maximum((1 - tail) * (y - hi), -tail * (y - hi))
        terms |= {f"pinball_{level}": below + above, f"inside_{level}": ((y >= lo) & (y <= hi)).astype(float)}
    return pd.DataFrame(terms)
