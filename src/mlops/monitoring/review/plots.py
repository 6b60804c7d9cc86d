"""The review's plots: quiet inline SVG in the page's font that says what it shows and refers to nothing outside."""

import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from io import StringIO
from math import ceil
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mlops.arrays import Floats

if TYPE_CHECKING:
    from mlops.domain.findings import Change
    from mlops.monitoring.review.document import Model
    from mlops.monitoring.review.history import Detail, ForecastStep, ReviewWeek

__all__ = ["accuracy", "coverage_plot", "largest", "sparkline_plot", "totals_plot"]

WIDTH, HEIGHT = 460, 240  # points; the page scales them
SPARK = 150, 34
NEWEST_WEEKS = 52
FIRST_MONDAY = 4  # days from 1970-01-01
INK, SOFT, RULE, PAPER = "#1f2933", "#5a6572", "#e2dfd8", "#fbfaf7"
BLUE, BAND_80, BAND_95 = "#1d5f91", "#a5c6df", "#dae8f2"
GREY, ALARM = "#7b838d", "#a33b1b"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "review",
    "text.parse_math": False,
    "text.color": INK,
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
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
    "xtick.major.size": 3,
    "ytick.labelcolor": SOFT,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.7,
    "legend.columnspacing": 1.3,
    "legend.borderaxespad": 0,
}
THEMED = {  # as the page names them, so that a dark page is drawn dark; alone a picture is as it was
    INK: "ink",
    SOFT: "soft",
    RULE: "rule",
    PAPER: "paper",
    BLUE: "blue",
    BAND_80: "band-80",
    BAND_95: "band-95",
    GREY: "grey",
    ALARM: "alarm",
    "#ffffff": "paper",
}
Style = dict[str, Any]
"""Keyword arguments of what matplotlib draws."""
PROMISE: Style = {"color": INK, "linewidth": 1.1, "linestyle": (0, (5, 2.5))}
CEILING = 1.0  # a WAPE of 100 %: what is worse is named, not drawn, or it would flatten every other week


def totals_plot(model: "Model") -> str:
    """All series together: the forecast as a line, the outcome as dots."""
    steps = _detail(model).totals
    if not steps:
        return ""

    def draw(figure: Figure) -> None:
        axes = _one(figure)
        _draw_steps(axes, steps)
        _legend(axes)

    span = f"{steps[0].ds:%Y-%m-%d} to {steps[-1].ds:%Y-%m-%d}"
    return _svg(f"Forecast and outcome of {model.name} over all its series, {span}; numbers below", draw)


def largest(model: "Model") -> str:
    """The largest series, each with its 80 and 95 % intervals."""
    if not _detail(model).largest:
        return ""
    names = ", ".join(place.place for place in _detail(model).largest)
    return _svg(
        f"Forecast, 80 and 95 % intervals and outcome of the largest series of {model.name}: {names}; numbers below",
        lambda figure: _draw_largest(figure, model),
    )


def accuracy(model: "Model") -> str:
    """WAPE by week beside the seasonal naive and the backtest; where drift began and a version was promoted."""
    weeks = _judged(model)
    if not weeks:
        return ""
    return _svg(
        f"WAPE of {model.name} by week, {_percent(weeks[-1].wape)} in the newest{_marks_in_words(model, weeks)};"
        " all weeks are in the table of weeks",
        lambda figure: _draw_accuracy(figure, model, weeks),
    )


def coverage_plot(model: "Model") -> str:
    """The share of outcomes inside the 80 % interval by week."""
    weeks = _judged(model)
    if not weeks:
        return ""
    return _svg(
        f"Share of outcomes of {model.name} inside the 80 % interval by week, {_percent(weeks[-1].coverage_80)}"
        " in the newest; all weeks are in the table of weeks",
        lambda figure: _draw_coverage(figure, weeks),
    )


def sparkline_plot(change: "Change") -> str:
    """The weekly means of what changed as a small line: what is usual dashed, since when dotted, the newest a dot."""
    weeks = [(place, value) for place, value in enumerate(change.weeks) if value is not None]
    values = [value for _, value in weeks] + [change.usual]
    low, high = min(values), max(values)
    across, up = SPARK[0] / max(len(change.weeks) - 1, 1), SPARK[1] / (high - low or 1.0)
    points = [(round(place * across, 1), round(SPARK[1] - (value - low) * up, 1)) for place, value in weeks]
    usual = round(SPARK[1] - (change.usual - low) * up, 1)
    label = escape(f"{change} (its weekly means, the newest {len(change.weeks)} weeks)")
    since = ""
    if change.since is not None and change.ended is not None:
        place = len(change.weeks) - 1 - (change.ended - change.since).days / 7
        if place >= 0:
            x = round(place * across, 1)
            since = f'<line class="spark-since" x1="{x}" x2="{x}" y1="0" y2="{SPARK[1]}"/>'
    line = " ".join(f"{x},{y}" for x, y in points)
    return (
        f'<svg viewBox="-3 -3 {SPARK[0] + 6} {SPARK[1] + 6}" role="img" aria-label="{label}"><title>{label}</title>'
        f'<line class="spark-usual" x1="0" x2="{SPARK[0]}" y1="{usual}" y2="{usual}"/>{since}'
        f'<polyline class="spark" points="{line}"/>'
        f'<circle class="spark-now" cx="{points[-1][0]}" cy="{points[-1][1]}" r="2.6"/></svg>'
    )


def _marks_in_words(model: "Model", weeks: Sequence["ReviewWeek"]) -> str:
    """What the marks say, in words."""
    began = [f"{week.week:%Y-%m-%d}" for week in weeks if week.onset]
    drift = f"; drift begins in the weeks from {', '.join(began)}" if began else ""
    onset = f"; errors are larger since about {model.advice.onset:%Y-%m-%d}" if model.advice.onset else ""
    return drift + onset


def _draw_largest(figure: Figure, model: "Model") -> None:
    figure.subplots_adjust(left=0.085, right=0.99, top=0.84, bottom=0.09, hspace=0.42, wspace=0.22)
    for axes, place in zip(figure.subplots(2, 2, sharex=True).flat, _detail(model).largest, strict=False):
        _draw_steps(axes, place.steps, ticks=3)
        axes.set_title(_short(place.place), loc="left", fontsize=10.5, color=INK, pad=4)
    for empty in figure.axes[len(_detail(model).largest) :]:
        empty.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.085, 1), ncols=4)


def _draw_accuracy(figure: Figure, model: "Model", weeks: Sequence["ReviewWeek"]) -> None:
    axes, at = _one(figure), _times(week.week for week in weeks)
    naive, ours = _numbers(week.wape_naive for week in weeks), _numbers(week.wape for week in weeks)
    axes.plot(at, naive, "-s", color=GREY, linewidth=0.9, markersize=3.2, markerfacecolor="white", label="naive")
    axes.plot(at, ours, "-o", color=BLUE, linewidth=1.8, markersize=3.6, label="model", gid="model")
    if model.promised.wape is not None:
        axes.axhline(model.promised.wape, **PROMISE, label="backtest")
    top = min(1.12 * float(np.nanmax([*naive, *ours, model.promised.wape or 0])), CEILING)
    axes.set_ylim(0, top)
    _name_peak(axes, at, ours)
    _mark_drift(axes, [week.week for week in weeks if week.onset])
    _mark_retrainings(axes, [week.week for week in weeks if week.verdict])
    _mark_onset(axes, model, weeks[0].week)
    for move in _detail(model).aliases:
        if move.alias == "champion" and move.moved_at >= weeks[0].week:
            _mark(axes, _day(move.moved_at), f"v{move.version}", "promotion")
    _legend(axes)
    _in_percent(axes)


def _name_peak(axes: Axes, at: Floats, values: Floats) -> None:
    """The figure of the highest point where it lies beyond the axis."""
    peak = int(np.nanargmax(values))
    if values[peak] > axes.get_ylim()[1]:
        _say(axes, at[peak], f"↑ {100 * values[peak]:.0f} %", -2, left=True)


def _mark_drift(axes: Axes, began: Sequence[datetime]) -> None:
    """A triangle on the axis for every week in which drift begins."""
    if began:
        (line,) = axes.plot(_times(began), np.zeros(len(began)), "^", color=ALARM, markersize=7, label="drift begins")
        line.set(clip_on=False, zorder=5, gid="drift-begins")


def _mark_retrainings(axes: Axes, weeks: Sequence[datetime]) -> None:
    """An open diamond on the axis for every week whose check led to a retraining, whatever came of it."""
    if weeks:
        style: Style = {"color": INK, "markersize": 6, "markerfacecolor": "white", "label": "retrained"}
        (line,) = axes.plot(_times(weeks), np.zeros(len(weeks)), "D", **style)
        line.set(clip_on=False, zorder=6, gid="retrained")


def _mark_onset(axes: Axes, model: "Model", first: datetime) -> None:
    """A dotted line where the errors began to be larger, as the newest check estimates it."""
    if model.advice.onset is not None and model.advice.onset >= first:
        _mark(axes, _day(model.advice.onset), "errors rise", "onset", color=ALARM, linestyle=":", linewidth=1.3)


def _mark(axes: Axes, place: float, name: str, gid: str, **style: Any) -> None:
    """A thin line from bottom to top with its name."""
    line: Style = {"color": INK, "linewidth": 0.7} | style
    axes.axvline(place, gid=gid, **line)
    _say(axes, place, name, -28 if gid == "onset" else -15, left=gid == "onset")


def _say(axes: Axes, place: float, words: str, below: int, *, left: bool = False) -> None:
    """Words beside a place, so many points below the upper end of the axes."""
    at: Style = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "va": "top"}
    offset, side = (-4, "right") if left else (4, "left")
    label = axes.annotate(words, (place, 1), (offset, below), ha=side, fontsize=9.5, **at)
    label.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1})


def _draw_coverage(figure: Figure, weeks: Sequence["ReviewWeek"]) -> None:
    axes, at = _one(figure), _times(week.week for week in weeks)
    inside = _numbers(week.coverage_80 for week in weeks)
    (line,) = axes.plot(at, inside, "-o", color=BLUE, linewidth=1.8, markersize=3.6, label="inside the 80 % interval")
    line.set(clip_on=False, zorder=5)
    axes.axhline(0.8, **PROMISE, label="promised")
    axes.set_ylim(0, 1.05)
    _legend(axes)
    _in_percent(axes)


def _draw_steps(axes: Axes, steps: Sequence["ForecastStep"], *, ticks: int = 5) -> None:
    """A forecast line over its intervals, where it has them, and the outcome as dots."""
    at = _times(step.ds for step in steps)
    for level, colour in ((95, BAND_95), (80, BAND_80)):
        low, high = (_numbers(getattr(step, f"{side}_{level}") for step in steps) for side in ("lo", "hi"))
        if np.isfinite(low).any():
            axes.fill_between(at, low, high, color=colour, linewidth=0, label=f"{level} %")
    axes.plot(at, _numbers(step.y_hat for step in steps), color=BLUE, linewidth=1.4, label="forecast")
    size = 2.6 if ticks > 3 else 1.7
    axes.plot(at, _numbers(step.outcome for step in steps), "o", color=INK, markersize=size, label="outcome")
    axes.yaxis.set_major_locator(MaxNLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(_amount))
    _dates(axes, ticks)


def _one(figure: Figure) -> Axes:
    figure.subplots_adjust(left=0.085, right=0.985, top=0.87, bottom=0.1)
    return figure.subplots()


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.04), ncols=5, handlelength=1.4, columnspacing=0.9)


def _in_percent(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))
    _dates(axes, 6)


def _dates(axes: Axes, most: int) -> None:
    """At most so many dates below the axis: Mondays, or days when there are few weeks."""
    axes.margins(x=0.02)
    first, last = axes.get_xlim()
    step = ceil((last - first) / most) if last - first < 21 else 7 * ceil((last - first) / 7 / most)
    places = [day for day in range(ceil(first), int(last) + 1) if (day - FIRST_MONDAY) % step == 0]
    form = "%b %Y" if last - first > 400 else "%b"
    axes.set_xticks(places, [_date(datetime.fromtimestamp(day * 86400, UTC), form) for day in places])


def _date(time: datetime, form: str) -> str:
    return f"{time:{form}}" if "%Y" in form else f"{time.day} {time:{form}}"


def _svg(title: str, draw: Callable[[Figure], None]) -> str:
    """What `draw` draws, as SVG for the inside of a page: `title` is its own, its ids are its own."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a script that DejaVu lacks is no fault: the page's font draws the text
        figure, page = Figure(figsize=(WIDTH / 72, HEIGHT / 72)), StringIO()
        draw(figure)
        figure.savefig(page, format="svg", transparent=True)
    mark = "p" + hashlib.sha256(title.encode()).hexdigest()[:6]
    drawing = page.getvalue().partition("<svg ")[2].partition(">")[2]
    for pattern, instead in (
        (r"<metadata>.*?</metadata>\s*", ""),
        (r"<style type=.*?</style>\s*", ""),
        (r' id="(?:figure|axes|patch|matplotlib|line2d|text|xtick|ytick|legend|FillBetween|LineCollection)\w*"', ""),
        (r' id="', f' id="{mark}-'),
        (r'(?:xlink:)?href="#', f'href="#{mark}-'),
        (r"url\(#", f"url(#{mark}-"),
        (r"<!--.*?-->\s*", ""),
        (r"\n\s*", "\n"),
        (r"(\d\.\d\d)\d+(?=[^<>]*>)", r"\1"),
    ):
        drawing = re.sub(pattern, instead, drawing, flags=re.DOTALL)
    for colour, name in THEMED.items():
        drawing = drawing.replace(f": {colour}", f": var(--{name}, {colour})")
    label = escape(title)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>{drawing}'


def _detail(model: "Model") -> "Detail":
    assert model.detail is not None, "only a model whose history was read is drawn"
    return model.detail


def _judged(model: "Model") -> Sequence["ReviewWeek"]:
    """The newest weeks that have outcomes."""
    return [week for week in _detail(model).weeks if week.wape is not None][-NEWEST_WEEKS:]


def _times(times: Iterable[datetime]) -> Floats:
    return np.array([_day(time) for time in times])


def _day(time: datetime) -> float:
    return time.timestamp() / 86400


def _numbers(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values])


def _amount(value: float, _: object) -> str:
    """12k for 12,000, so that the axis stays narrow."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _short(name: str, most: int = 32) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
