"""Pictures of comparisons, and the one function that draws whatever a notebook has."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mlops.evaluation.comparison import Comparison
from mlops.forecasting.plots import BLUE, INK, SOFT, Picture, drawn, plot_table
from mlops.panels.inputs import Table

__all__ = ["plot"]


def plot(
    shown: Table | Comparison,
    *,
    history: Table | None = None,
    series: object = None,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
) -> Picture:
    """A picture of a table: forecasts, their components, members' weights, a cross-validation or a comparison.

    What it is is told from its columns. The figure is Matplotlib's: change it, or save it by `savefig`.

    Parameters
    ----------
    shown
        What `predict`, `explain` (of which the largest parts are drawn), `decompose`, `weights`, `what_if`,
        `cross_validation` or `compare` returned.
    history
        Observations `series_id, ds, y` to draw before a forecast.
    series
        The id of a series or several (None: the first six).
    id_col, time_col, target_col
        What the columns are called, as in `fit`.

    Examples
    --------
    >>> import pandas as pd
    >>> from mlops import cross_validation, plot
    >>> days = pd.date_range("2024-01-01", periods=84)
    >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 12})
    >>> figure = plot(cross_validation(frame, h=7, n_windows=2, model="naive"))
    >>> figure.get_suptitle()
    'Forecasts from 2 cutoffs and what came, WAPE 0.0 %'
    """
    if isinstance(shown, Comparison):
        return drawn(len(shown.pairs) * 0.5 + 1.4, lambda figure: _comparison(figure, shown))
    return plot_table(shown, history=history, series=series, id_col=id_col, time_col=time_col, target_col=target_col)


def _comparison(figure: Figure, shown: Comparison) -> None:
    """A stroke for each model that is held against another: where it reaches zero, chance may be all."""
    axes, pairs = figure.subplots(), shown.pairs
    for place, (value, low, high) in enumerate(pairs[["difference", "low", "high"]].to_numpy(float)):
        if np.isfinite(high - low):
            axes.plot([low, high], [place, place], color=BLUE, linewidth=1.6)
        axes.plot([value], [place], "o", color=BLUE, markersize=6)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(pairs)), [f"{row.model} − {row.against}" for row in pairs.itertuples()])
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}"))
    axes.set_xlabel(f"difference of WAPE in points, with its {100 * shown.confidence:g} % interval", color=SOFT)
    figure.suptitle("Below zero: the first of the two errs less", x=0.012, ha="left", fontweight="bold")
