"""`mlops monitor run` and `mlops review`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, settings, store
from mlops.cli.evidently import presets, workspace
from mlops.cli.monitor_backtest import backtest
from mlops.cli.options import AsOf, Json
from mlops.cli.output import ACTION_COLOURS, console, emit, logs, progress
from mlops.cli.typed import model as check_model
from mlops.cli.typed import to_write
from mlops.errors import Misused, NothingToDo

if TYPE_CHECKING:
    from mlops.monitoring.review import Model, Review
    from mlops.monitoring.weekly.job import CheckResult

__all__ = ["app", "review"]

app = typer.Typer(help="Drift: has the world moved away from the champions?", no_args_is_help=True)
app.command()(backtest)
app.command()(presets)


@app.command()
def run(
    as_of: AsOf = "now",
    html: Annotated[bool, typer.Option("--html", help="Write Evidently's page of every check, too.")] = False,
    as_json: Json = False,
) -> None:
    """Check every served version on its newest week: findings, and for champions what to do; exit 1 when one broke."""
    from mlops.monitoring.alerting.alerts import review_alerts
    from mlops.monitoring.weekly.job import drill_down
    from mlops.monitoring.weekly.job import run as check
    from mlops.policy import read_policy

    policy, time = read_policy(), moment(as_of)
    with progress() as bar:
        task = bar.add_task("checking", total=None, note="")
        checked = check(
            database(),
            store(),
            policy,
            time,
            done=lambda one: bar.update(task, note=f"{one.name} {one.version}", advance=1),
        )
    if not checked:
        raise NothingToDo(
            f"there is nothing to check: no version was champion by {time:%Y-%m-%d %H:%M} UTC; promote one with"
            " `mlops registry promote models:/NAME/VERSION`, forecast with `mlops predict models:/NAME@champion`,"
            " and when its days are past run `mlops outcomes match`"
        )
    alerts = review_alerts(database(), time, policy.alerts)
    pages = [drill_down(database(), one, settings().reports) for one in checked if html and one.state != "failed"]

    def text() -> None:
        for one in checked:
            _print_checked(one)
        for sentence in alerts.sentences():
            _say(escape(sentence))
        if alerts.opened:
            _say("what to do: mlops alerts list")
        for page in pages:
            _say(str(page))

    emit(checked, as_json=as_json, text=text)
    broken = [f"{one.name} version {one.version}: {one.problem}" for one in checked if one.state == "failed"]
    if broken:
        logs.print(
            f"mlops: {len(broken)} of {len(checked)} checks failed; {'; '.join(broken)}", markup=False, soft_wrap=True
        )
        raise typer.Exit(1)


def _page(path: Path | None) -> Path | None:
    return None if path is None else to_write(path, "--output", (".html", ".htm"), made=True)


def review(
    as_of: AsOf = "now",
    output: Annotated[
        Path | None,
        typer.Option(callback=_page, help="The page; reports/review-DATE.html below MLOPS_HOME when left out."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(callback=check_model, help="A page about this model alone, with its history and plots."),
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
        workspace(moment(as_of), serve=serve, port=port, as_json=as_json)
        return
    if serve:
        raise Misused("--serve shows Evidently's workspace; say --evidently, too")
    from mlops.monitoring.review import build, file_name, write
    from mlops.policy import read_policy

    found = build(database(), read_policy(), moment(as_of, model=model or ""), model=model)
    page = output or settings().reports / file_name(found.as_of)
    write(found, page)
    emit(asdict(found) | {"page": page}, as_json=as_json, text=lambda: _print_review(found, page))


def _print_checked(checked: "CheckResult") -> None:
    from mlops.domain.findings import CARRIED_OUT, todo

    findings, advice = checked.findings.details, checked.recommendation
    drifted = [finding for finding in findings if finding.drifted]
    says = _coloured(checked.asks, checked.asks) if advice is not None else checked.alias
    _say(
        f"[bold]{escape(checked.name)}[/] version {checked.version}: {says};"
        f" {len(drifted)} of {len(findings)} findings drifted"
    )
    told = advice.reasons if advice is not None else [finding.words for finding in drifted]
    held = checked.since if checked.since is not None and checked.since < checked.as_of else None
    if checked.asks == "watch" and held is not None:
        told = [f"as since {held:%Y-%m-%d}: {told[0]}"]  # what goes on is told once
    for line in dict.fromkeys([*told, *([checked.problem] if checked.problem else [])]):
        _say(f"  {escape(line)}")
    if checked.asks == "watch" and held is None:
        for remedy in dict.fromkeys(todo(finding.kind, finding.subject) for finding in drifted):
            _say(f"  → {escape(remedy)}")
    if checked.comparison is not None:
        _say(f"  in the champion's place it would have saved {escape(str(checked.comparison))}")
    if advice is not None and advice.onset is not None:
        _say(f"  errors are larger since about {advice.onset:%Y-%m-%d}")
    if checked.state == "unlabelled" and "expected_wape" in checked.values:
        _say(f"  {_expected(checked.values)}")
    if checked.asks in CARRIED_OUT:
        _say(f"  mlops retrain {checked.recommendation_id}")


def _expected(values: dict[str, float]) -> str:
    low, high = values["expected_wape_low"], values["expected_wape_high"]
    return (
        f"the WAPE of its freshest forecasts is expected to be {values['expected_wape']:.3f} ({low:.3f} to {high:.3f});"
        f" the backtest's had {values['promised_wape']:.3f}"
    )


def _print_review(found: "Review", page: Path) -> None:
    from mlops.monitoring.decide.costs import SET_COSTS

    urgent = [model for model in found.models if model.advice.needs_person]
    _say(f"[bold]{escape(found.headline)}[/]")
    calm = [model for model in found.models if not model.advice.needs_person and model.advice.action == "none"]
    for model in found.models:
        if model not in calm or len(found.models) == 1:
            _print_model(model)
    if len(found.models) > 1:
        _say(f"{len(urgent)} of {len(found.models)} models need somebody, {len(calm)} are in order")
    for one in found.alerts:
        if not one.kind.endswith("_recommended"):
            _say(f"{one.severity}: {escape(one.model or one.subject)}: {escape(one.message)}; {escape(one.todo)}")
    if not found.priced:
        _say(escape(SET_COSTS))
    if found.impact is not None:
        _say(
            f"forecast errors cost {found.impact.week:,.0f} {found.impact.currency} this week,"
            f" {found.impact.usual:,.0f} in a usual one"
        )
    _say(f"{found.budget.spent} of {found.budget.allowed:g} false alarms of the year are spent")
    _say(f"\n[bold]Since {found.since:%Y-%m-%d}[/]")
    for text in [change.text for change in found.changes] or ["nothing changed"]:
        _say(f"  {escape(text)}")
    _say(f"\n{escape(str(page))}")


def _print_model(model: "Model") -> None:
    from mlops.monitoring.review import ACTIONS

    advice, week = model.advice, model.last_7_days
    _say(f"[bold]{escape(model.name)}[/] version {model.version}: {_coloured(advice.shown, ACTIONS[advice.shown])}")
    of = "" if model.promised_of == "freshest" else " (of all its forecasts)"
    _say(
        f"  freshest forecasts of 7 days: WAPE {_percent(week.wape)}, seasonal naive {_percent(week.wape_naive)},"
        f" backtest {_percent(model.promised.wape)}{of};"
        f" {_percent(week.coverage_80)} inside 80 %"
    )
    for line in (*advice.reasons, *advice.commands):
        _say(f"  {escape(line)}")


def _say(line: str) -> None:
    """A line that is not broken, so that commands can be copied."""
    console.print(line, highlight=False, soft_wrap=True)


def _coloured(action: str, words: str) -> str:
    return f"[{ACTION_COLOURS[action]}]{words}[/]"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
