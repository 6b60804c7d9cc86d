"""A monitor's backtest as one self-contained page, with its figures drawn as those of the weekly review."""

import json
import math
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mlops.files import write_whole
from mlops.monitoring.replay.backtest import ACTIONS, Backtest
from mlops.monitoring.replay.tradeoff import WATCHED_WEEKS
from mlops.monitoring.review.plots import ALARM, BAND_95, BLUE, GREY, PROMISE, SOFT, _dates, _legend, _one, _svg, _times

__all__ = ["write_backtest_page"]

HEADROOM = 1.15  # above the highest point


def write_backtest_page(found: Backtest, path: Path) -> None:
    """Write the page to `path`, and the same facts as JSON beside it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mlops.monitoring.replay"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("backtest.html.j2")
    page = template.render(
        found=found,
        case=found.case,
        now=found.now,
        replay_plot=_replay_plot(found),
        costs_plot=_costs_plot(found) if found.priced else "",
        actions=ACTIONS,
        infinite=math.inf,
        watched=WATCHED_WEEKS,
    )
    write_whole(path, page)
    document = json.dumps(found.document(), indent=2, ensure_ascii=False, default=_plain)
    write_whole(path.with_suffix(".json"), document + "\n")


def _plain(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")


def _replay_plot(found: Backtest) -> str:
    """The mean absolute error by week, what it usually is, and the weeks in alarm at the policy's budget."""
    alarmed = sum(week.alarmed for week in found.now.weeks)
    return _svg(
        f"Mean absolute error of {found.case.title} by week, {alarmed} of {found.case.weeks} weeks in alarm",
        lambda figure: _draw_replay(figure, found),
    )


def _costs_plot(found: Backtest) -> str:
    """What alarms and waiting cost a year, by budget."""
    return _svg(
        f"Cost per year by budget of alarms, lowest at {found.tradeoff.best.budget:g}; numbers below",
        lambda figure: _draw_costs(figure, found),
    )


def _draw_replay(figure: Any, found: Backtest) -> None:
    axes, weeks = _one(figure), found.now.weeks
    at, loss = _times(week.end for week in weeks), np.array(found.losses)
    axes.plot(at, loss, color=BLUE, linewidth=1.6, label="error")
    axes.axhline(found.usual_loss, **PROMISE, label="usual")
    _mark_alarms(axes, at, loss, np.array([week.needs_person for week in weeks]), ALARM, "alarm for a person")
    quiet = np.array([week.alarmed and not week.needs_person for week in weeks])
    _mark_alarms(axes, at, loss, quiet, GREY, "alarm")
    axes.set_ylim(0, HEADROOM * float(np.nanmax([*loss, found.usual_loss])))
    _legend(axes)
    _dates(axes, 6)


def _mark_alarms(axes: Any, at: Any, loss: Any, where: Any, colour: str, label: str) -> None:
    """A triangle on the axis and a dot on the line for every week that is meant."""
    if where.any():
        (line,) = axes.plot(at[where], np.zeros(where.sum()), "^", color=colour, markersize=7, label=label)
        line.set(clip_on=False, zorder=5)
        axes.plot(at[where], loss[where], "o", color=colour, markersize=4)


def _draw_costs(figure: Any, found: Backtest) -> None:
    axes, budgets = _one(figure), found.tradeoff.budgets
    at, totals = np.arange(len(budgets)), [budget.total for budget in budgets]
    axes.fill_between(
        at, [total.low for total in totals], [total.high for total in totals], color=BAND_95, linewidth=0, label="95 %"
    )
    axes.plot(at, [total.alarms for total in totals], "-s", color=GREY, linewidth=1, markersize=3.4, label="alarms")
    axes.plot(at, [total.waiting for total in totals], "-^", color=ALARM, linewidth=1, markersize=3.8, label="waiting")
    axes.plot(at, [total.value for total in totals], "-o", color=BLUE, linewidth=1.8, markersize=4, label="both")
    axes.set_ylim(bottom=min(0, *(total.low for total in totals)))
    axes.set_xticks(at, [f"{budget.budget:g}" for budget in budgets])
    axes.set_xlabel("budget, alarms a year", color=SOFT)
    figure.subplots_adjust(bottom=0.18)
    _legend(axes)
