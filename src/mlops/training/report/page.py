"""The backtest of a training as one HTML page, which MLflow shows among the run's artifacts: no script, no address.

Its pictures are SVG written by hand: a training should not wait for a plotting library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.forecasts import LEVELS
from mlops.evaluation.accuracy import accuracy_table

__all__ = ["BacktestPage"]

COLOURS = ("#1d5f91", "#7b838d", "#b08a3c", "#7a5c93")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 210, 50, 26, 10
TICKS = 4
MOST_ROWS = 20


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name, its colour and its points as SVG takes them."""

    name: str
    colour: str
    points: str


@dataclass(frozen=True)
class Chart:
    """Lines over an axis of labels; `grid` are places and labels of the vertical axis."""

    title: str
    lines: tuple[Line, ...]
    grid: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, str], ...]
    band: str = ""
    dots: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class BacktestPage:
    """What the page is made of: `forecasts` of the model and its baselines by their names, the model first.

    Their frames are those of `forecasting.backtest.backtest`; `by_series` is the model's accuracy with a column `name`,
    `importance` shares of its features, `excluded` a table `series_id, name, reason`.
    """

    title: str
    forecasts: Mapping[str, pd.DataFrame]
    by_series: pd.DataFrame
    importance: Mapping[str, float]
    excluded: pd.DataFrame
    words: tuple[str, str]
    """A step and a cycle of steps, such as day and week."""

    def html(self) -> bytes:
        """The page in UTF-8."""
        rows = self.by_series.sort_values("wape", ascending=False, kind="stable")
        page = _template().render(
            title=self.title,
            levels=LEVELS,
            overall=[
                (name, row) for name, frame in self.forecasts.items() for _, row in accuracy_table(frame).iterrows()
            ],
            charts=[
                self._lines("step", f"WAPE by {self.words[0]} ahead"),
                self._lines("cutoff", "WAPE by the origin of the forecasts"),
            ],
            examples=self._examples(rows),
            series=[row for _, row in rows.head(MOST_ROWS).iterrows()],
            series_count=len(rows),
            importance=sorted(self.importance.items(), key=lambda one: -one[1])[:MOST_ROWS],
            excluded=self.excluded.head(MOST_ROWS).to_dict("records"),
            excluded_count=len(self.excluded),
            size=(WIDTH, HEIGHT),
            left=LEFT,
            bottom=HEIGHT - BOTTOM,
        )
        return bytes(page.encode())

    @property
    def _model(self) -> pd.DataFrame:
        return next(iter(self.forecasts.values()))

    def _lines(self, by: str, title: str) -> Chart:
        """WAPE of every candidate by a column, on a scale from 0 that no outlier of a baseline stretches."""
        wapes = {name: _wapes(frame, by) for name, frame in self.forecasts.items()}
        along = sorted({one for each in wapes.values() for one in each.index})
        largest = max((float(each.max()) for each in wapes.values() if len(each)), default=0.0)
        top = min(max(1.1 * largest, 0.05), 2.0)  # what is worse than 200 % is cut off
        places = dict(zip(along, _across(len(along)), strict=True))
        lines = tuple(
            Line(
                name,
                colour,
                _points([places[one] for one in each.index], _up(each.to_numpy().astype(np.float64), 0, top)),
            )
            for (name, each), colour in zip(wapes.items(), COLOURS, strict=False)
        )
        shown = {0, len(along) // 2, len(along) - 1} if along else set()
        labels = tuple((places[along[place]], _label(along[place])) for place in sorted(shown))
        return Chart(title, lines, _grid(0, top, percent=True), labels)

    def _examples(self, rows: pd.DataFrame) -> list[Chart]:
        """The newest forecasts of the worst, the middle and the best series."""
        known, middle = rows.dropna(subset="wape"), max(0, len(rows) // 2 - 1)
        picked = pd.concat([known.iloc[:2], known.iloc[middle : middle + 2], known.iloc[-2:]])
        picked = picked.drop_duplicates("series_id")
        titles = picked["name"].astype(str) + picked["wape"].map(", WAPE {:.0%}".format)
        return [self._example(series, title) for series, title in zip(picked["series_id"], titles, strict=True)]

    def _example(self, series: Any, title: str) -> Chart:
        mine = self._model[self._model["series_id"] == series]
        mine = mine[mine["cutoff"] == mine["cutoff"].max()].sort_values("ds", kind="stable")
        columns = ["y", "y_hat", "lo_80", "hi_80"]
        low, top = float(np.nanmin(mine[columns])), float(np.nanmax(mine[columns]))
        low, top = min(low, 0.0) if low < 0.5 * top else low, max(top, low + 1e-9)
        across = _across(len(mine))
        y, y_hat, lo, hi = (_up(mine[name].to_numpy(float), low, top) for name in columns)
        band = _points([*across, *reversed(across)], np.concatenate([hi, lo[::-1]]))
        dots = tuple((x, float(place)) for x, place in zip(across, y, strict=True) if np.isfinite(place))
        labels = tuple((across[place], _label(mine["ds"].iloc[place])) for place in sorted({0, len(mine) - 1}))
        line = Line("forecast", COLOURS[0], _points(across, y_hat))
        return Chart(title, (line,), _grid(low, top), labels, band, dots)


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mlops.training"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("backtest.html.j2")


def _wapes(frame: pd.DataFrame, by: str) -> "pd.Series[float]":
    """WAPE by a column, where an outcome is known and one is not 0."""
    known = frame[frame["y"].notna()]
    terms = pd.DataFrame({"error": (known["y_hat"] - known["y"]).abs(), "size": known["y"].abs()})
    total = terms.groupby(known[by], sort=True).sum()
    wapes: pd.Series[float] = (total["error"] / total["size"])[total["size"] > 0]
    return wapes


def _across(count: int) -> list[float]:
    return [round(float(x), 1) for x in np.linspace(LEFT + 6, WIDTH - 12, count)] if count > 1 else [WIDTH / 2] * count


def _up(values: Floats, low: float, top: float) -> Floats:
    share = (np.clip(values, low, top) - low) / (top - low)
    return np.round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)


def _points(across: Sequence[float], up: Floats) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in zip(across, up, strict=True) if np.isfinite(y))


def _grid(low: float, top: float, *, percent: bool = False) -> tuple[tuple[float, str], ...]:
    values = np.linspace(low, top, TICKS)
    labels = [f"{value:.0%}" if percent else _short(float(value)) for value in values]
    return tuple((float(place), label) for place, label in zip(_up(values, low, top), labels, strict=True))


def _short(value: float) -> str:
    """A number in the five characters that an axis has room for."""
    for least, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / unit:.3g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _label(value: Any) -> str:
    return f"{value.day} {value:%b %Y}" if isinstance(value, pd.Timestamp) else str(value)
