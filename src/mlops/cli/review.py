"""`mlops review`: the weekly page for people, or Evidently's workspace of all checks."""

import shlex
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, settings
from mlops.cli.options import AsOf, Json
from mlops.cli.output import ACTION_COLOURS, console, emit, logs, say
from mlops.cli.typed import given, model_name, writes
from mlops.errors import Misused

if TYPE_CHECKING:
    from mlops.monitoring.review import Model, Review

__all__ = ["review"]

HOST = "127.0.0.1"


def review(
    as_of: AsOf = "now",
    output: Annotated[
        Path | None,
        typer.Option(
            callback=writes("--output", endings=(".html", ".htm"), made=True),
            help="The page; reports/review-DATE.html below MLOPS_HOME when left out.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            callback=given(model_name, "--model"),
            help="A page about this model alone, with its history and plots.",
        ),
    ] = None,
    evidently: Annotated[
        bool, typer.Option("--evidently", help="Build Evidently's workspace of all checks instead.")
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="With --evidently: show it in its UI until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(help="With --evidently: of the UI.", min=1, max=65535)] = 8000,
    as_json: Json = False,
) -> None:
    """Write the weekly review: what needs a person and why, what errors cost, and how good every champion is."""
    if evidently and (output is not None or model is not None):
        raise Misused("--evidently builds a workspace of all checks; leave --output and --model out")
    if evidently:
        _workspace(moment(as_of), serve=serve, port=port, as_json=as_json)
        return
    if serve:
        raise Misused("--serve shows Evidently's workspace; say --evidently, too")
    from mlops.monitoring.review import build_review, file_name, write_review
    from mlops.policy import read_policy

    made = build_review(database(), read_policy(), moment(as_of, model=model or ""), model=model)
    page = output or settings().reports / file_name(made.as_of)
    write_review(made, page)
    emit(asdict(made) | {"page": page}, as_json=as_json, text=lambda: _print_review(made, page))


def _workspace(as_of: datetime, *, serve: bool, port: int, as_json: bool) -> None:
    """Build the workspace, say how to look at it, and with `serve` show it until Ctrl-C."""
    from mlops.monitoring.evidently import workspace as evidently

    with logs.status("Evidently's workspace"):
        built = evidently.build_workspace(database(), settings().root / "evidently", as_of)
    command = f"DO_NOT_TRACK=1 evidently ui --workspace {shlex.quote(str(built.path))} --port {port}"

    def text() -> None:
        console.print(f"{built.path}: {built.projects} models, {built.runs} checks; {built.written} files written")
        if not serve:
            console.print(f"look at it with\n  {command}", highlight=False, soft_wrap=True, markup=False)

    emit(asdict(built) | {"command": command}, as_json=as_json, text=text)
    if serve:
        logs.print(f"http://{HOST}:{port} until Ctrl-C")
        evidently.serve(built.path, HOST, port)


def _print_review(made: "Review", page: Path) -> None:
    from mlops.monitoring.decide.costs import SET_COSTS

    urgent = [model for model in made.models if model.advice.needs_person]
    say(f"[bold]{escape(made.headline)}[/]")
    calm = [model for model in made.models if not model.advice.needs_person and model.advice.action == "none"]
    for model in made.models:
        if model not in calm or len(made.models) == 1:
            _print_model(model)
    if len(made.models) > 1:
        say(f"{len(urgent)} of {len(made.models)} models need somebody, {len(calm)} are in order")
    for alert in made.alerts:
        if not alert.kind.endswith("_recommended"):
            whose = escape(alert.model or alert.subject)
            say(f"{alert.severity}: {whose}: {escape(alert.message)}; {escape(alert.todo)}")
    if not made.priced:
        say(escape(SET_COSTS))
    if made.impact is not None:
        say(
            f"forecast errors cost {made.impact.week:,.0f} {made.impact.currency} this week,"
            f" {made.impact.usual:,.0f} in a usual one"
        )
    say(f"{made.budget.spent} of {made.budget.allowed:g} false alarms of the year are spent")
    say(f"\n[bold]Since {made.since:%Y-%m-%d}[/]")
    for text in [change.text for change in made.changes] or ["nothing changed"]:
        say(f"  {escape(text)}")
    say(f"\n{escape(str(page))}")


def _print_model(model: "Model") -> None:
    from mlops.monitoring.review import ACTIONS

    advice, week = model.advice, model.last_7_days
    action = f"[{ACTION_COLOURS[advice.shown]}]{ACTIONS[advice.shown]}[/]"
    say(f"[bold]{escape(model.name)}[/] version {model.version}: {action}")
    of = "" if model.promised_of == "freshest" else " (of all its forecasts)"
    say(
        f"  freshest forecasts of 7 days: WAPE {_percent(week.wape)}, seasonal naive {_percent(week.wape_naive)},"
        f" backtest {_percent(model.promised.wape)}{of};"
        f" {_percent(week.coverage_80)} inside 80 %"
    )
    for line in (*advice.reasons, *advice.commands):
        say(f"  {escape(line)}")


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
