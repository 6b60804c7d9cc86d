"""One stored forecast as a picture: the history that it came from, its intervals, and what was observed since."""

from io import BytesIO
from typing import Literal

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mlops.forecasting.plots import INK, SOFT, STYLE
from mlops.serving.forecasts import StoredForecast

__all__ = ["picture"]

BLUE, BAND_80, BAND_95 = "#1d5f91", "#a5c6df", "#dae8f2"
FILE = STYLE | {"figure.dpi": 140, "date.converter": "concise", "svg.hashsalt": "mlops"}


def picture(stored: StoredForecast, kind: Literal["png", "svg"]) -> bytes:
    """The picture as PNG or SVG; the same forecast is the same bytes."""
    with mpl.rc_context(FILE):
        figure = Figure(figsize=(10, 4.6), layout="constrained")
        _draw(figure, stored)
        content = BytesIO()
        figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def _draw(figure: Figure, stored: StoredForecast) -> None:
    axes, rows = figure.subplots(), stored.forecast
    ds = stored.observed["ds"] if len(stored.observed) else rows["ds"]
    steps = stored.granularity.steps(ds.min().to_datetime64(), ds.max().to_datetime64())
    observed = pd.DataFrame({"ds": pd.DatetimeIndex(steps)}).merge(
        stored.observed, on="ds", how="left"
    )  # a step without a value breaks the line
    axes.fill_between(rows["ds"], rows["lo_95"], rows["hi_95"], color=BAND_95, linewidth=0, label="95 % interval")
    axes.fill_between(rows["ds"], rows["lo_80"], rows["hi_80"], color=BAND_80, linewidth=0, label="80 % interval")
    for table, column, color, width, label in (
        (rows, "y_hat", BLUE, 2, "forecast"),
        (observed, "y", INK, 1.1, "observed"),
    ):
        axes.plot(table["ds"], table[column], color=color, linewidth=width, label=label, marker="o", markersize=2.6)
    cut, dashed = axes.get_xaxis_transform(), (0, (4, 3))
    axes.plot(pd.DatetimeIndex([stored.cutoff] * 2), [0, 1], color=SOFT, linewidth=1, linestyle=dashed, transform=cut)
    axes.annotate(
        "cutoff", (stored.cutoff, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
        va="top", color=SOFT, fontsize=9,
    )  # fmt: skip
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    if min(rows["lo_95"].min(), stored.observed["y"].min()) >= 0:
        axes.set_ylim(0, None)
    axes.margins(x=0.01)
    axes.set_ylabel(stored.unit, color=SOFT)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0.2)
    title = f"{stored.series}: forecast from {stored.cutoff:%Y-%m-%d} by {stored.model}"
    figure.suptitle(title, x=0.012, ha="left", fontweight="bold", fontsize=11)
