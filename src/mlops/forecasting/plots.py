"""Pictures for a notebook: forecasts alone or beside their outcomes, components, importances and weights."""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from mlops.domain.forecasts import levels_of, wape
from mlops.errors import BadInput, UnknownName
from mlops.forecasting.kind import COMPONENTS
from mlops.panels.inputs import Table, taken

if TYPE_CHECKING:
    from mlops.forecasting.base import Forecaster

__all__ = ["BLUE", "INK", "SOFT", "Picture", "drawn", "plot_model", "plot_table"]

PICTURES = ("forecast", "components", "fitted", "importance", "weights")

INK, SOFT, RULE = "#1f2933", "#5a6572", "#e2dfd8"
BLUE, PAPER = "#1d5f91", "#ffffff"
COLOURS = (BLUE, "#b08a3c", "#7a5c93", "#4f8f8b", "#a06a5a", "#7b838d")
STYLE: dict[Any, Any] = {
    "text.color": INK,
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": RULE,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": RULE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "ytick.major.size": 0,
    "legend.frameon": False,
}
"""What every picture of a backtest or a forecast has in common."""
TITLED = STYLE | {"axes.titlelocation": "left", "axes.titlesize": 10.5, "legend.handlelength": 1.6}
"""The same with a title over each pane."""
NOTEBOOK = TITLED | {"figure.dpi": 110, "date.converter": "concise"}
MOST = 6
"""Series that are drawn when none are named; more are not legible."""
BEFORE = 3
"""Horizons of history that are shown before a forecast. Chosen, not measured."""
PARTS = 8
"""Panes of a picture of parts, the largest ones; more are not legible. Chosen, not measured."""
LISTED = 20
"""Bars in a picture; more are not legible."""
VISIBLE = 0.001
"""The smallest share that has a bar: a smaller one is no pixel wide."""
DASHED: Any = (0, (4, 3))


class Picture(Figure):
    """A Matplotlib figure that a notebook shows by itself."""

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def plot_table(
    shown: Table,
    *,
    history: Table | None = None,
    series: object = None,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
) -> Picture:
    """What `mlops.evaluation.plot` draws of a table, chosen by its columns.

    Columns beside `y_hat` that sum to it are its parts, as `explain` gives them.
    """
    shown, form = taken(shown, target=False, id_col=id_col, time_col=time_col, target_col=target_col)
    history = None if history is None else taken(history, form)[0]
    columns = set(map(str, shown.columns))
    known = "y_hat" in columns or "y" not in columns
    if not {"series_id", "ds", "cutoff"} < columns or shown.empty or not known:
        raise BadInput(
            f"a frame with {len(shown):,} rows and the columns {', '.join(sorted(columns))} can't be drawn; expected"
            " what predict, explain, decompose, weights, what_if, cross_validation or compare returned"
        )
    if "y_hat" not in columns:
        mean = shown.drop(columns=["ds", "cutoff"]).groupby("series_id", sort=False).mean()
        return drawn(1.2 + 0.3 * min(len(mean), LISTED), lambda figure: _weights(figure, mean))
    chosen = _chosen(shown, series)
    if "y" in columns:
        return drawn(_height(chosen), lambda figure: _backtest(figure, shown, chosen))
    parts = list(COMPONENTS) if set(COMPONENTS) <= columns else _parts(shown)
    if parts:
        return drawn(8, lambda figure: _components(figure, shown, chosen, parts))
    return drawn(_height(chosen), lambda figure: _forecast(figure, shown, history, chosen))


def plot_model(
    model: "Forecaster",
    what: str,
    horizon: int,
    levels: Sequence[int] | int,
    *,
    history: Table | None,
    future: Table | None,
    series: object,
) -> Picture:
    """What `Forecaster.plot` draws of a fitted model; UnknownName where `what` is none of PICTURES."""
    plain = model.plain()
    known, planned = (None if rows is None else model.read(rows, target=False) for rows in (history, future))
    if what == "importance":
        shares = plain._importance()
        shares = shares[shares["share"] >= VISIBLE]
        most = min(LISTED, int(shares.groupby("member").size().max()))
        return drawn(1.4 + 0.27 * most, lambda figure: _importance(figure, shares, most))
    if what == "weights":
        return plot_table(plain._member_weights(horizon, history=known, future=planned))
    if what == "components":
        return plot_table(plain.decompose(horizon, history=known, future=planned), series=series)
    if what == "fitted":
        return plot_table(plain.fitted_values(), series=series)
    if what != "forecast":
        raise UnknownName("picture", what, PICTURES)
    forecasts = plain.predict(horizon, levels, history=known, future=planned)
    return plot_table(forecasts, history=model.remembered if known is None else known, series=series)


def drawn(height: float, draw: Callable[[Figure], None]) -> Picture:
    """A figure in the common style."""
    with mpl.rc_context(NOTEBOOK):
        figure = Picture(figsize=(10, height), layout="constrained")
        draw(figure)
    return figure


def _parts(shown: pd.DataFrame) -> list[str]:
    """The largest of the columns that sum to `y_hat`, in their order; none where the other columns are no parts."""
    others = shown.drop(columns=["series_id", "ds", "cutoff", "y_hat"]).select_dtypes("number")
    total = shown["y_hat"].to_numpy(float)
    if others.columns.empty or not np.allclose(others.sum(axis=1), total, atol=1e-6 * np.abs(total).max()):
        return []
    largest = others.abs().mean().nlargest(PARTS).index
    return [name for name in others.columns if name in largest]


def _chosen(shown: pd.DataFrame, series: object) -> list[Any]:
    """The series to draw; UnknownName for one that has no row."""
    known = list(shown["series_id"].unique())
    if series is None:
        return known[:MOST]
    wanted = list(series) if isinstance(series, list | tuple | set | pd.Index | np.ndarray) else [series]
    for series_id in wanted:
        if series_id not in known:
            raise UnknownName("series", series_id, map(str, known))
    return wanted


def _height(chosen: Sequence[Any]) -> float:
    return 1.0 + 2.5 * -(-len(chosen) // (1 if len(chosen) == 1 else 2)) + (1.1 if len(chosen) == 1 else 0)


def _panes(figure: Figure, chosen: Sequence[Any]) -> list[Axes]:
    """A pane for each series, two beside each other."""
    across = 1 if len(chosen) == 1 else 2
    panes = figure.subplots(-(-len(chosen) // across), across, squeeze=False).ravel()
    for empty in panes[len(chosen) :]:
        empty.set_axis_off()
    return list(panes[: len(chosen)])


def _forecast(figure: Figure, shown: pd.DataFrame, history: pd.DataFrame | None, chosen: Sequence[Any]) -> None:
    every = shown["series_id"].nunique()
    for axes, series_id in zip(_panes(figure, chosen), chosen, strict=True):
        rows = shown[shown["series_id"] == series_id].sort_values("ds", kind="stable")
        if history is not None:
            before = history[(history["series_id"] == series_id) & history["y"].notna()].sort_values(
                "ds", kind="stable"
            )
            before = before[before["ds"] <= rows["cutoff"].iloc[0]].tail(max(BEFORE * len(rows), 2 * MOST))
            axes.plot(before["ds"], before["y"], color=INK, linewidth=1.1, label="observed")
        _bands(axes, rows)
        axes.plot(rows["ds"], rows["y_hat"], color=BLUE, linewidth=1.8, label="forecast")
        if "y_hat_what_if" in rows:
            what_if = rows["y_hat_what_if"]
            axes.plot(rows["ds"], what_if, color=COLOURS[1], linewidth=1.8, linestyle=DASHED, label="what if")
        _settle(axes, str(series_id))
    cutoff = pd.Timestamp(shown["cutoff"].max())
    words = f"{cutoff:%Y-%m-%d}" if cutoff == cutoff.normalize() else f"{cutoff:%Y-%m-%d %H:%M}"
    _title(figure, f"Forecast from {words}", len(chosen), every)


def _backtest(figure: Figure, shown: pd.DataFrame, chosen: Sequence[Any]) -> None:
    for axes, series_id in zip(_panes(figure, chosen), chosen, strict=True):
        mine = shown[shown["series_id"] == series_id].sort_values("ds", kind="stable")
        for cutoff, rows in mine.groupby("cutoff"):
            _bands(axes, rows)
            axes.plot(rows["ds"], rows["y_hat"], color=BLUE, linewidth=1.6, label="forecast")
            axes.axvline(cutoff, color=SOFT, linewidth=0.8, linestyle=DASHED)
        seen = mine.dropna(subset="y").drop_duplicates("ds")
        axes.plot(seen["ds"], seen["y"], "o", color=INK, markersize=2.2, label="outcome")
        error = wape(mine["y"], mine["y_hat"])
        _settle(axes, f"{series_id}, WAPE {error:.1%}".replace("%", " %"))
    count = shown["cutoff"].nunique()
    words = f"Forecasts from {count} cutoff{'s' if count > 1 else ''} and what came"
    if shown["y"].notna().any():
        words += f", WAPE {wape(shown['y'], shown['y_hat']):.1%}".replace("%", " %")
    _title(figure, words, len(chosen), shown["series_id"].nunique())


def _components(figure: Figure, shown: pd.DataFrame, chosen: Sequence[Any], parts: Sequence[str]) -> None:
    """A pane for each part that is not zero everywhere, a line for each series."""
    there = [name for name in parts if shown[name].abs().max() > 0] or [parts[0]]
    for axes, name in zip(figure.subplots(len(there), 1, sharex=True, squeeze=False).ravel(), there, strict=True):
        for series_id, colour in zip(chosen, COLOURS * (1 + len(chosen) // len(COLOURS)), strict=False):
            rows = shown[shown["series_id"] == series_id].sort_values("ds", kind="stable")
            axes.plot(rows["ds"], rows[name], color=colour, linewidth=1.6, label=str(series_id))
        axes.set_title(name)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.margins(x=0.01)
    _legend(figure)
    _title(figure, "What the forecast is made of", len(chosen), shown["series_id"].nunique())


def _importance(figure: Figure, shares: pd.DataFrame, most: int) -> None:
    members = list(dict.fromkeys(shares["member"]))
    for axes, member in zip(figure.subplots(1, len(members), squeeze=False).ravel(), members, strict=True):
        mine = shares[shares["member"] == member].sort_values("share", ascending=False, kind="stable").head(LISTED)
        axes.barh(range(len(mine)), mine["share"], color=BLUE, height=0.62)
        axes.set_yticks(range(len(mine)), mine["feature"].astype(str))
        axes.set_ylim(most - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.xaxis.set_major_formatter(PercentFormatter(1, 0, symbol=" %"))
        axes.set_title(f"{member}\n{mine['measured_by'].iloc[0]}")
    figure.suptitle("Importance, as a share of all", x=0.012, ha="left", fontweight="bold")


def _weights(figure: Figure, mean: pd.DataFrame) -> None:
    every, mean = len(mean), mean.head(LISTED)
    axes, left = figure.subplots(), np.zeros(len(mean))
    for member, colour in zip(mean.columns, COLOURS * (1 + len(mean.columns) // len(COLOURS)), strict=False):
        axes.barh(range(len(mean)), mean[member], left=left, color=colour, height=0.66, label=str(member))
        left = left + mean[member].to_numpy()
    axes.set_yticks(range(len(mean)), [str(series_id) for series_id in mean.index])
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, 0, symbol=" %"))
    _legend(figure)
    _title(figure, "Weights of the members", len(mean), every)


def _bands(axes: Axes, rows: pd.DataFrame) -> None:
    """The intervals, wider ones lighter."""
    levels = levels_of(rows.columns)
    blue, paper = np.array(to_rgb(BLUE)), np.array(to_rgb(PAPER))
    for level, share in zip(levels[::-1], np.linspace(0.16, 0.4, max(len(levels), 1)), strict=False):
        shade = tuple(paper + share * (blue - paper))
        low, high = rows[f"lo_{level}"], rows[f"hi_{level}"]
        axes.fill_between(rows["ds"], low, high, color=shade, linewidth=0, label=f"{level} %")


def _settle(axes: Axes, title: str) -> None:
    axes.set_title(title[:60])
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axes.margins(x=0.01)


def _legend(figure: Figure) -> None:
    """One legend for all panes, each label once."""
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles = {label: handle, **handles} if label not in handles else handles
    ordered = list(handles)[::-1]
    if len(ordered) > 1:
        figure.legend([handles[label] for label in ordered], ordered, loc="outside lower left", ncols=6)


def _title(figure: Figure, words: str, drawn_: int, every: int) -> None:
    more = f" ({drawn_} of {every} series)" if every > drawn_ else ""
    if not figure.legends:
        _legend(figure)
    figure.suptitle(words + more, x=0.012, ha="left", fontweight="bold", fontsize=11)
