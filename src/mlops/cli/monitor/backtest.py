"""`mlops monitor backtest`: the alarms that a monitor would have had, and which budget of alarms pays."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, store
from mlops.cli.options import AsOf, Json, with_nouns
from mlops.cli.output import ACTION_COLOURS, console, emit, logs, progress, say, table
from mlops.cli.typed import model_uri, to_read, to_write
from mlops.errors import Misused, quoted

if TYPE_CHECKING:
    from mlops.monitoring.detect.spec import MonitorSpec
    from mlops.monitoring.replay.backtest import Backtest
    from mlops.monitoring.replay.replay import Case, Episode, Progress
    from mlops.monitoring.replay.tradeoff import AtBudget
    from mlops.policy import Policy, UnitCost

__all__ = ["backtest"]

SHOWN = 3
"""Drifted names that are shown beside the first one. Chosen, not measured."""


@dataclass(frozen=True)
class History:
    """Which weeks of history are replayed."""

    weeks: Annotated[int, typer.Option(help="Newest weeks that are replayed.", min=9)] = 52
    fit_weeks: Annotated[int, typer.Option(help="Weeks before them that the monitor is fitted on.", min=13)] = 52
    refit_weeks: Annotated[int, typer.Option(help="Weeks after which the model's recipe is fitted anew.", min=1)] = 13
    as_of: AsOf = "now"


@dataclass(frozen=True)
class Trials:
    """What is tried on the replayed weeks: budgets of alarms, and changes that are put into them."""

    budgets: Annotated[str, typer.Option(help="Alarms a year to compare with the policy's.")] = "0.25,0.5,1,2,4"
    lives: Annotated[int, typer.Option(help="How often each kind of change is tried.", min=2)] = 10
    changes: Annotated[float, typer.Option(help="True changes a year that you expect.", min=0, max=366)] = 1.0
    seed: Annotated[int, typer.Option(help="Where the random days of changes begin.", min=0)] = 0

    def numbers(self) -> tuple[float, ...]:
        """The budgets."""
        from mlops.monitoring.replay.tradeoff import check_budgets

        try:
            budgets = tuple(float(text) for text in _names(self.budgets))
        except ValueError as error:
            raise Misused(
                f"--budgets {quoted(self.budgets)} is no list of numbers; expected alarms a year, as 0.5,1,2"
            ) from error
        check_budgets(budgets)
        return budgets


@dataclass(frozen=True)
class ForecastFile:
    """A file of forecasts with their outcomes, and which of its columns is what."""

    file: Annotated[str, typer.Option(help="CSV or Parquet with forecasts and outcomes, not a model.")] = ""
    time: Annotated[str, typer.Option(help="The column of times.")] = "ds"
    entity: Annotated[str, typer.Option(help="The column of places, routes …; none when left out.")] = ""
    target: Annotated[str, typer.Option(help="The column of outcomes.")] = "y"
    prediction: Annotated[str, typer.Option(help="The column of forecasts.")] = "y_hat"
    numeric: Annotated[str, typer.Option(help="Columns of numeric features, as a,b.")] = ""
    categorical: Annotated[str, typer.Option(help="Columns of categories, as a,b.")] = ""
    holiday: Annotated[str, typer.Option(help="The column that marks holidays.")] = ""

    @property
    def spec(self) -> "MonitorSpec":
        """The columns as a monitor has them."""
        from mlops.monitoring.detect.spec import MonitorSpec

        numeric, categorical = _names(self.numeric), _names(self.categorical)
        return MonitorSpec(
            self.time, self.entity, numeric, categorical, self.target, self.prediction, self.holiday or None
        )


@with_nouns
def backtest(
    history: History,
    trials: Trials,
    columns: ForecastFile,
    uri: Annotated[str, typer.Argument(metavar="[URI]", help="models:/NAME@ALIAS or models:/NAME/VERSION")] = "",
    html: Annotated[Path | None, typer.Option(help="Write a page with the figures.")] = None,
    as_json: Json = False,
) -> None:
    """Replay history before a monitor is switched on: its alarms, their cost, and which budget pays."""
    from mlops.monitoring.replay.backtest import backtest_monitor as run
    from mlops.policy import read_policy

    if bool(uri) == bool(columns.file):
        raise Misused(f"expected a model's URI or --file, one of them; found {'both' if uri else 'neither'}")
    budgets = trials.numbers()
    if columns.file:
        to_read(columns.file, "--file")
    else:
        model_uri(uri)
    if html is not None:
        to_write(html, "--html", made=True)
    policy = read_policy()
    with progress() as bar:
        task = bar.add_task("reading", total=None, note="")

        def reported(what: str) -> "Progress":
            def report(done: int, of: int) -> None:
                bar.update(task, description=what, completed=done, total=of)
                if not logs.is_terminal:  # a log has no bar
                    logs.print(f"{what}: {done} of {of}")

            return report

        case, unit = _case(uri, columns, history, policy, reported)
        replayed = run(
            case,
            policy,
            unit,
            budgets=budgets,
            per_change=trials.lives,
            changes_per_year=trials.changes,
            seed=trials.seed,
            progress=reported("replaying"),
        )
    if html is not None:
        from mlops.monitoring.replay.page import write_backtest_page

        write_backtest_page(replayed, html)
    emit(replayed.document() | {"page": html}, as_json=as_json, text=lambda: _print(replayed, html))


def _case(
    uri: str, columns: ForecastFile, history: History, policy: "Policy", reported: "Callable[[str], Progress]"
) -> "tuple[Case, UnitCost]":
    """What is replayed, of the file or of the model's history, and what an error of a unit costs there."""
    if columns.file:
        from mlops.monitoring.replay.file import of_file

        return of_file(Path(columns.file), columns.spec, history.weeks), policy.costs.default
    from mlops.monitoring.replay.model import Reach, of_model

    reach = Reach(history.weeks, history.fit_weeks, history.refit_weeks)
    as_of = moment(history.as_of, model=uri)
    case, selection = of_model(database(), store(), policy, uri, reach, as_of, reported("forecasting the past"))
    return case, policy.costs.unit(selection.metric_type)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _print(replayed: "Backtest", page: Path | None) -> None:
    say(f"[bold]{escape(replayed.case.title)}[/]: {escape(replayed.scope())}")
    for line in replayed.summary():
        say(escape(line))
    _print_episodes(replayed.now.episodes)
    _print_budgets(replayed)
    _print_delays(replayed)
    for line in replayed.advice():
        say(escape(line))
    if page is not None:
        say(f"\n{escape(str(page))}")


def _print_episodes(episodes: "tuple[Episode, ...]") -> None:
    from mlops.monitoring.replay.backtest import ACTIONS

    if not episodes:
        return
    shown = table("alarm", "until", "weeks", "what to do", "what it says", "also")
    for episode in episodes:
        also, more = episode.drifted[1 : SHOWN + 1], len(episode.drifted) - SHOWN - 1
        shown.add_row(
            f"{episode.begins:%Y-%m-%d}",
            f"{episode.ends:%Y-%m-%d}",
            str(episode.weeks),
            f"[{ACTION_COLOURS[episode.action]}]{ACTIONS[episode.action]}[/]",
            escape(episode.sentence),
            escape(", ".join(also) + (f" and {more} more" if more > 0 else "")),
        )
    console.print()
    console.print(shown)


def _print_budgets(replayed: "Backtest") -> None:
    currency = replayed.currency
    costs = (f"alarms, {currency}", f"waiting, {currency}", "both (95 %)", "best in") if replayed.priced else ()
    shown = table("budget", "alarms", "a year (95 %)", *costs)
    for tried in replayed.tradeoff.budgets:
        total = tried.total
        money = (
            f"{total.alarms:,.0f}",
            f"{total.waiting:,.0f}",
            f"{total.value:,.0f} ({total.low:,.0f} to {total.high:,.0f})",
            f"{tried.best_in:.0%}",
        )
        shown.add_row(
            _mark(replayed, tried),
            str(tried.rate.count),
            f"{tried.rate.per_year:.1f} ({tried.rate.low:.1f} to {tried.rate.high:.1f})",
            *money[: len(costs)],
        )
    console.print()
    console.print(shown)


def _mark(replayed: "Backtest", tried: "AtBudget") -> str:
    words = [f"{tried.budget:g}"]
    words += ["policy"] if tried.budget == replayed.budget else []
    words += ["lowest"] if replayed.priced and tried.budget == replayed.tradeoff.best.budget else []
    return " ".join(words)


def _print_delays(replayed: "Backtest") -> None:
    shown = table("found in 8 weeks, median days", *(f"{tried.budget:g}" for tried in replayed.tradeoff.budgets))
    for rows in zip(*(tried.found for tried in replayed.tradeoff.budgets), strict=True):
        cells = []
        for row in rows:
            days = "–" if math.isinf(row.median_days) else f"{row.median_days:.0f}"
            cells.append(f"{row.share:.0%}, {days}")
        shown.add_row(escape(replayed.words(rows[0].change)), *cells)
    console.print()
    console.print(shown)
    console.print()
