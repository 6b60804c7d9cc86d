"""A backtest's pictures, as PNG for MLflow's page: quiet, each with its one statement."""

from collections.abc import Callable
from io import BytesIO
from math import ceil
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

from mlops.domain.forecasts import LEVELS
from mlops.forecasting.plots import INK, RULE, SOFT, TITLED
from mlops.training.backtest import BacktestReport

__all__ = ["pictures"]

BLUE, BAND_80, BAND_95 = "#1d5f91", "#a5c6df", "#dae8f2"
GREEN, ALARM = "#2f7d5b", "#a33b1b"
OTHERS = ("#7b838d", "#b08a3c", "#7a5c93", "#4f8f8b", "#a06a5a")
PAGE = TITLED | {"figure.dpi": 140}
PERCENT = PercentFormatter(1, 0, symbol=" %")
SEEN_BEFORE = 2  # horizons of history shown left of a forecast


def pictures(report: BacktestReport) -> dict[str, bytes]:
    """PNG by file name: WAPE by step, coverage by level, accuracy by level of adding up, and single forecasts."""
    return {
        "wape_by_step.png": _png((8, 4), lambda figure: _draw_steps(figure, report)),
        "coverage.png": _png(
            (8, 0.9 + 0.5 * len(report.candidates) * len(LEVELS)), lambda f: _draw_coverage(f, report)
        ),
        "accuracy_by_level.png": _png(
            (8, 1.1 + 0.42 * len(_asked(report, report.levels))), lambda figure: _draw_levels(figure, report)
        ),
        "forecasts.png": _png((12, 8.4), lambda figure: _draw_forecasts(figure, report)),
    }


def _draw_steps(figure: Figure, report: BacktestReport) -> None:
    axes = figure.subplots()
    for name, colour in _colours(report).items():
        part = report.by_step[report.by_step["candidate"] == name]
        width = 2.2 if name == report.asked else 1.2
        axes.plot(part["step"], part["wape"], color=colour, linewidth=width, label=name)
        axes.plot(part["step"].iloc[-1:], part["wape"].iloc[-1:], "o", color=colour, markersize=4)
    axes.axhline(1 - report.plan.goal, color=INK, linewidth=1, linestyle=(0, (5, 2.5)), label="goal")
    axes.set(ylim=(0, None), xlabel="steps ahead")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_formatter(PERCENT)
    axes.margins(x=0.02)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=6)
    figure.suptitle("WAPE by step ahead", x=0.012, ha="left", fontweight="bold")


def _draw_coverage(figure: Figure, report: BacktestReport) -> None:
    """A dot for each candidate and level, beside the promise."""
    axes, place, covered = figure.subplots(), 0, report.overall.set_index("candidate")
    names = []
    for level in LEVELS:
        for name, colour in _colours(report).items():
            inside = covered[f"coverage_{level}"].to_dict()[name]
            axes.plot([level / 100, inside], [place, place], color=RULE, linewidth=3, zorder=1)
            axes.plot([inside], [place], "o", color=colour, markersize=7, zorder=3)
            axes.plot([level / 100], [place], "|", color=INK, markersize=13, zorder=2)
            axes.annotate(
                f"{inside:.1%}", (inside, place), (0, 7), textcoords="offset points", ha="center", fontsize=8.5
            )
            names.append(f"{name}, {level} %")
            place += 1
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(place - 0.4, -0.8)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.xaxis.set_major_locator(MultipleLocator(0.05))
    axes.xaxis.set_major_formatter(PERCENT)
    figure.suptitle(
        "Outcomes inside the interval; the stroke is what it promises", x=0.012, ha="left", fontweight="bold"
    )


def _draw_levels(figure: Figure, report: BacktestReport) -> None:
    """A bar for each level at which series and steps are added up."""
    axes, levels = figure.subplots(), _asked(report, report.levels)
    met = levels["accuracy"] >= report.plan.goal
    best = levels["accuracy"].clip(lower=0)
    axes.barh(range(len(levels)), best, color=np.where(met, GREEN, BAND_80), height=0.62)
    for place, accuracy in enumerate(levels["accuracy"]):
        axes.annotate(
            f"{accuracy:.1%}",
            (max(accuracy, 0.08), place),
            (-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color="white" if accuracy >= report.plan.goal else INK,
        )
    axes.axvline(report.plan.goal, color=INK, linewidth=1.1, linestyle=(0, (5, 2.5)))
    axes.annotate(
        f"goal {report.plan.goal:.0%}", (report.plan.goal, -0.7), (0, 3), textcoords="offset points", ha="center"
    )
    axes.set_yticks(range(len(levels)), [_level(*names) for names in zip(levels["level"], levels["over"], strict=True)])
    axes.set(ylim=(len(levels) - 0.5, -0.7), xlim=(0, 1.08))
    axes.grid(visible=False)
    axes.xaxis.set_major_formatter(PERCENT)
    figure.suptitle(f"Accuracy (1 − WAPE) of {report.asked}", x=0.012, ha="left", fontweight="bold")


def _draw_forecasts(figure: Figure, report: BacktestReport) -> None:
    """Three of the worst, the middle and the best series, each from the newest origin."""
    rows = _asked(report, report.by_series).dropna(subset="wape").sort_values("wape", ascending=False, kind="stable")
    middle = max(0, len(rows) // 2 - 1)
    groups = {"worst": rows.iloc[:3], "middle": rows.iloc[middle : middle + 3], "best": rows.iloc[-3:]}
    panes = figure.subplots(3, 3, squeeze=False)
    for line, (word, group) in zip(panes, groups.items(), strict=True):
        for axes, row in zip(line, group.itertuples(), strict=False):
            _draw_forecast(axes, report, row.series_id)
            axes.set_title(f"{word}: {str(row.name)[:26]}, WAPE {row.wape:.0%}")
        for axes in line[len(group) :]:
            axes.set_axis_off()
    handles, labels = panes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=4)
    figure.suptitle(f"Forecasts of {report.asked} from its newest origin", x=0.012, ha="left", fontweight="bold")


def _draw_forecast(axes: Axes, report: BacktestReport, series: Any) -> None:
    mine = _asked(report, report.forecasts)
    mine = mine[mine["series_id"] == series]
    mine = mine[mine["cutoff"] == mine["cutoff"].max()].sort_values("ds", kind="stable")
    seen = report.dataset.outcomes
    seen = seen[seen["series_id"] == series].sort_values("ds", kind="stable")
    before = seen[seen["ds"] <= mine["cutoff"].iloc[0]].tail(SEEN_BEFORE * len(mine))
    for level, colour in ((95, BAND_95), (80, BAND_80)):
        low, high = mine[f"lo_{level}"], mine[f"hi_{level}"]
        axes.fill_between(mine["ds"], low, high, color=colour, linewidth=0, label=f"{level} %")
    axes.plot(before["ds"], before["y"], color=SOFT, linewidth=0.8)
    axes.plot(mine["ds"], mine["y_hat"], color=BLUE, linewidth=1.6, label="forecast")
    axes.plot(mine["ds"], mine["y"], "o", color=INK, markersize=2.4, label="outcome")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    ticks = pd.date_range(before["ds"].min(), mine["ds"].max(), periods=4)
    axes.set_xticks(ticks, [f"{tick.day} {tick:%b}" for tick in ticks])
    axes.margins(x=0.01)


def _asked(report: BacktestReport, found: pd.DataFrame) -> pd.DataFrame:
    return found[found["candidate"] == report.asked]


def _colours(report: BacktestReport) -> dict[str, str]:
    """The one that was asked about in blue, the others quieter."""
    others = [one.name for one in report.candidates[1:]]
    colours = OTHERS * ceil(max(len(others), 1) / len(OTHERS))
    return {report.asked: BLUE, **dict(zip(others, colours, strict=False))}


def _level(level: str, over: str) -> str:
    what = {"series": "each series", "all": "all series"}.get(level, f"each {level.removesuffix('_id')}")
    return f"{what}, {over}"


def _png(inches: tuple[float, float], draw: Callable[[Figure], None]) -> bytes:
    with mpl.rc_context(PAGE):
        figure, file = Figure(figsize=inches, layout="constrained"), BytesIO()
        draw(figure)
        figure.savefig(file, format="png")
    return file.getvalue()
