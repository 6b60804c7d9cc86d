"""Accuracy of judged forecasts as tables: by anything, and by the level at which series and steps are added up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlops.domain.forecasts import LEVELS
from mlops.domain.granularity import GRANULARITIES

__all__ = ["CYCLES", "by_level", "table"]

CYCLES = {one.alias: one.words for one in GRANULARITIES.values()}
"""A step and a cycle of steps in words, by frequency without its anchor."""


def table(judged: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """One row per group: `n` outcomes, wape, accuracy (1 - wape), bias, mase, then pinball and coverage per level.

    `judged` has the columns of `forecasting.backtest.backtest`; rows without an outcome don't count. The formulas are
    those of `domain.forecasts`.
    """
    known = judged[judged["y"].notna()]
    keys = [known[name] for name in by] or [pd.Series(0, index=known.index)]
    terms = _terms(known).groupby(keys, sort=True, observed=True)
    total, mean = terms.sum(), terms.mean()
    size = total["size"].where(total["size"] > 0)
    found = pd.DataFrame({"n": terms.size(), "wape": total["error"] / size, "bias": total["signed"] / size})
    found.insert(2, "accuracy", 1 - found["wape"])
    found["mase"] = mean["scaled"]
    for level in LEVELS:
        found[f"pinball_{level}"], found[f"coverage_{level}"] = (
            total[f"pinball_{level}"] / size,
            mean[f"inside_{level}"],
        )
    return found.rename_axis(list(by)).reset_index() if by else found.reset_index(drop=True)


def by_level(judged: pd.DataFrame, segments: Sequence[str], *, cycle: int, words: tuple[str, str]) -> pd.DataFrame:
    """WAPE, accuracy and bias when series and steps are added up before they are compared.

    One row per `level` (each series, the total of each group of the columns `segments`, the total of all) and `over`
    (a step, a cycle of `cycle` steps, all steps); what is all steps, or more than there are, is not told twice.
    Errors of parts cancel in their total: a plan for all routes of a month is more accurate than one for each route and
    day.
    """
    known = judged[judged["y"].notna()]
    most = known["step"].max()
    steps: dict[str, Any] = {words[0]: known["step"]}
    if cycle < most:
        steps[words[1]] = (known["step"] - 1) // cycle
    steps[words[1] if cycle == most else f"{most} {words[0]}s"] = 0
    series: dict[str, Any] = {"series": known["series_id"], **{name: known[name] for name in segments}, "all": 0}
    rows = []
    for level, group in series.items():
        for over, span in steps.items():
            keys = known.assign(group=group, span=span)
            added = keys.groupby(["cutoff", "group", "span"], observed=True)[["y", "y_hat"]].sum()
            error, size = added["y_hat"] - added["y"], added["y"].abs().sum() or np.nan
            wape = error.abs().sum() / size
            rows.append((level, over, len(added), wape, 1 - wape, error.sum() / size))
    return pd.DataFrame(rows, columns=["level", "over", "n", "wape", "accuracy", "bias"])


def _terms(known: pd.DataFrame) -> pd.DataFrame:
    """What the measures add up, per row."""
    y, error = known["y"], known["y_hat"] - known["y"]
    scale = known["scale"] if "scale" in known else pd.Series(np.nan, index=known.index)
    terms: dict[str, Any] = {
        "size": y.abs(),
        "error": error.abs(),
        "signed": error,
        "scaled": error.abs() / scale.where(scale > 0),
    }
    for level in LEVELS:
        tail, lo, hi = (1 - level / 100) / 2, known[f"lo_{level}"], known[f"hi_{level}"]
        below = np.maximum(tail * (y - lo), (tail - 1) * (y - lo))
        above = np.maximum((1 - tail) * (y - hi), -tail * (y - hi))
        terms |= {f"pinball_{level}": below + above, f"inside_{level}": ((y >= lo) & (y <= hi)).astype(float)}
    return pd.DataFrame(terms)
