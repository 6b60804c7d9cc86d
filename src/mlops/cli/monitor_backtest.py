"""`mlops monitor backtest`: the alarms that a monitor would have had, and which budget of alarms pays."""

import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, store
from mlops.cli.options import AsOf, Json
from mlops.cli.output import ACTION_COLOURS, console, emit, logs, progress, table
from mlops.cli.typed import model_uri, to_read, to_write
from mlops.errors import Misused, quoted

if TYPE_CHECKING:
    from mlops.monitoring.detect.spec import MonitorSpec
    from mlops.monitoring.replay.backtest import Backtest
    from mlops.monitoring.replay.model import Reach
    from mlops.monitoring.replay.replay import Case, Episode, Progress
    from mlops.monitoring.replay.tradeoff import AtBudget, Detection
    from mlops.policy import Policy, UnitCost

__all__ = ["backtest"]

FromFile = Annotated[str, typer.Option("--file", help="CSV or Parquet with forecasts and outcomes, not a model.")]
SHOWN = 3


def backtest(
    uri: Annotated[str, typer.Argument(metavar="[URI]", help="models:/NAME@ALIAS or models:/NAME/VERSION")] = "",
    weeks: Annotated[int, typer.Option(help="Newest weeks that are replayed.", min=9)] = 52,
    fit_weeks: Annotated[int, typer.Option(help="Weeks before them that the monitor is fitted on.", min=13)] = 52,
    refit_weeks: Annotated[int, typer.Option(help="Weeks after which the model's recipe is fitted anew.", min=1)] = 13,
    as_of: AsOf = "now",
    budgets: Annotated[str, typer.Option(help="Alarms a year to compare with the policy's.")] = "0.25,0.5,1,2,4",
    lives: Annotated[int, typer.Option(help="How often each kind of change is tried.", min=2)] = 10,
    changes: Annotated[float, typer.Option(help="True changes a year that you expect.", min=0, max=366)] = 1.0,
    seed: Annotated[int, typer.Option(help="Where the random days of changes begin.", min=0)] = 0,
    file: FromFile = "",
    time: Annotated[str, typer.Option(help="The column of times.")] = "ds",
    entity: Annotated[str, typer.Option(help="The column of places, routes …; none when left out.")] = "",
    target: Annotated[str, typer.Option(help="The column of outcomes.")] = "y",
    prediction: Annotated[str, typer.Option(help="The column of forecasts.")] = "y_hat",
    numeric: Annotated[str, typer.Option(help="Columns of numeric features, as a,b.")] = "",
    categorical: Annotated[str, typer.Option(help="Columns of categories, as a,b.")] = "",
    holiday: Annotated[str, typer.Option(help="The column that marks holidays.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write a page with the figures.")] = None,
    as_json: Json = False,
) -> None:
    """Replay history before a monitor is switched on: its alarms, their cost, and which budget pays."""
    from mlops.monitoring.detect.spec import MonitorSpec
    from mlops.monitoring.replay.backtest import backtest as run
    from mlops.monitoring.replay.model import Reach
    from mlops.policy import read_policy

    if bool(uri) == bool(file):
        raise Misused(f"expected a model's URI or --file, one of them; found {'both' if uri else 'neither'}")
    asked = _budgets(budgets)
    _check_places(uri, file, html)
    policy = read_policy()
    with progress() as bar:
        task = bar.add_task("reading", total=None, note="")

        def told(what: str) -> "Progress":
            def say(done: int, of: int) -> None:
                bar.update(task, description=what, completed=done, total=of)
                if not logs.is_terminal:  # a log has no bar
                    logs.print(f"{what}: {done} of {of}")

            return say

        if file:
            spec = MonitorSpec(time, entity, _names(numeric), _names(categorical), target, prediction, holiday or None)
            case, unit = _of_file(Path(file), spec, weeks, policy)
        else:
            case, unit = _of_model(
                uri,
                Reach(weeks, fit_weeks, refit_weeks),
                policy,
                moment(as_of, model=uri),
                told("forecasting the past"),
            )
        found = run(
            case,
            policy,
            unit,
            budgets=asked,
            per_change=lives,
            changes_per_year=changes,
            seed=seed,
            told=told("replaying"),
        )
    if html is not None:
        from mlops.monitoring.replay.page import write

        write(found, html)
    emit(found.document() | {"page": html}, as_json=as_json, text=lambda: _print(found, html))


def _check_places(uri: str, file: str, html: Path | None) -> None:
    """What is read is there, and the page can be written, before hours of replaying."""
    if file:
        to_read(Path(file), "--file")
    else:
        model_uri(uri)
    if html is not None:
        to_write(html, "--html", made=True)


def _of_file(path: Path, spec: "MonitorSpec", weeks: int, policy: "Policy") -> "tuple[Case, UnitCost]":
    from mlops.monitoring.replay.file import of_file

    return of_file(path, spec, weeks), policy.costs.default


def _of_model(uri: str, reach: "Reach", policy: "Policy", as_of: datetime, told: "Progress") -> "tuple[Case, UnitCost]":
    from mlops.monitoring.replay.model import of_model

    case, selection = of_model(database(), store(), policy, uri, reach, as_of, told)
    return case, policy.costs.unit(selection.metric_type)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _budgets(text: str) -> tuple[float, ...]:
    from mlops.monitoring.replay.tradeoff import check_budgets

    try:
        found = tuple(float(one) for one in _names(text))
    except ValueError as error:
        raise Misused(f"--budgets {quoted(text)} is no list of numbers; expected alarms a year, as 0.5,1,2") from error
    check_budgets(found)
    return found


def _print(found: "Backtest", page: Path | None) -> None:
    _print_replay(found)
    _print_episodes(found.now.episodes)
    _print_budgets(found)
    _print_delays(found)
    for line in found.advice():
        _say(escape(line))
    if page is not None:
        _say(f"\n{escape(str(page))}")


def _print_replay(found: "Backtest") -> None:
    _say(f"[bold]{escape(found.case.title)}[/]: {escape(found.said())}")
    for line in found.summary():
        _say(escape(line))


def _print_episodes(episodes: "tuple[Episode, ...]") -> None:
    from mlops.monitoring.replay.backtest import ACTIONS

    if not episodes:
        return
    shown = table("alarm", "until", "weeks", "what to do", "what it says", "also")
    for one in episodes:
        shown.add_row(
            f"{one.begins:%Y-%m-%d}",
            f"{one.ends:%Y-%m-%d}",
            str(one.weeks),
            f"[{ACTION_COLOURS[one.action]}]{ACTIONS[one.action]}[/]",
            escape(one.sentence),
            escape(_also(one.drifted)),
        )
    console.print()
    console.print(shown)


def _also(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN - 1} more" if len(names) > SHOWN + 1 else ""
    return ", ".join(names[1 : SHOWN + 1]) + more


def _print_budgets(found: "Backtest") -> None:
    currency = found.currency
    costs = (f"alarms, {currency}", f"waiting, {currency}", "both (95 %)", "best in") if found.priced else ()
    shown = table("budget", "alarms", "a year (95 %)", *costs)
    for one in found.tradeoff.budgets:
        total = one.total
        money = (
            f"{total.alarms:,.0f}",
            f"{total.waiting:,.0f}",
            f"{total.value:,.0f} ({total.low:,.0f} to {total.high:,.0f})",
            f"{one.best_in:.0%}",
        )
        shown.add_row(
            _mark(found, one),
            str(one.rate.count),
            f"{one.rate.per_year:.1f} ({one.rate.low:.1f} to {one.rate.high:.1f})",
            *money[: len(costs)],
        )
    console.print()
    console.print(shown)


def _mark(found: "Backtest", one: "AtBudget") -> str:
    words = [f"{one.budget:g}"]
    words += ["policy"] if one.budget == found.budget else []
    words += ["lowest"] if found.priced and one.budget == found.tradeoff.best.budget else []
    return " ".join(words)


def _print_delays(found: "Backtest") -> None:
    shown = table("found in 8 weeks, median days", *(f"{one.budget:g}" for one in found.tradeoff.budgets))
    for rows in zip(*(one.found for one in found.tradeoff.budgets), strict=True):
        shown.add_row(escape(found.words(rows[0].change)), *map(_delay, rows))
    console.print()
    console.print(shown)
    console.print()


def _delay(one: "Detection") -> str:
    return f"{one.share:.0%}, {'–' if math.isinf(one.median_days) else f'{one.median_days:.0f}'}"


def _say(line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)
