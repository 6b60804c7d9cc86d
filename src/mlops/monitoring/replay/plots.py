"""The figures of a monitor's backtest, drawn as those of the weekly review."""

from typing import Any

import numpy as np

from mlops.monitoring.replay.backtest import Backtest
from mlops.monitoring.review.plots import ALARM, BAND_95, BLUE, GREY, PROMISE, SOFT, _dates, _legend, _one, _svg, _times

__all__ = ["costs", "replay"]

ROOM = 1.15  # above the highest point


def replay(found: Backtest) -> str:
    """The mean absolute error by week, what it usually is, and the weeks in alarm at the policy's budget."""
    alarmed = sum(week.alarmed for week in found.now.weeks)
    return _svg(
        f"Mean absolute error of {found.case.title} by week, {alarmed} of {found.case.weeks} weeks in alarm",
        lambda figure: _draw_replay(figure, found),
    )


def costs(found: Backtest) -> str:
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
    axes.set_ylim(0, ROOM * float(np.nanmax([*loss, found.usual_loss])))
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
    at, totals = np.arange(len(budgets)), [one.total for one in budgets]
    axes.fill_between(
        at, [one.low for one in totals], [one.high for one in totals], color=BAND_95, linewidth=0, label="95 %"
    )
    axes.plot(at, [one.alarms for one in totals], "-s", color=GREY, linewidth=1, markersize=3.4, label="alarms")
    axes.plot(at, [one.waiting for one in totals], "-^", color=ALARM, linewidth=1, markersize=3.8, label="waiting")
    axes.plot(at, [one.value for one in totals], "-o", color=BLUE, linewidth=1.8, markersize=4, label="both")
    axes.set_ylim(bottom=min(0, *(one.low for one in totals)))
    axes.set_xticks(at, [f"{one.budget:g}" for one in budgets])
    axes.set_xlabel("budget, alarms a year", color=SOFT)
    figure.subplots_adjust(bottom=0.18)
    _legend(axes)
