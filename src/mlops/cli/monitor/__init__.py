"""`mlops monitor …`: has the world moved away from the models that are served, and how well do they do?"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, settings, store
from mlops.cli.monitor.backtest import backtest
from mlops.cli.options import AsOf, Json, ModelName
from mlops.cli.output import ACTION_COLOURS, console, emit, logs, progress, say, table
from mlops.errors import NothingToDo

if TYPE_CHECKING:
    from mlops.monitoring.evidently.champion import PresetsPage
    from mlops.monitoring.health import Health, HealthPart
    from mlops.monitoring.weekly.job import CheckResult

__all__ = ["app"]

app = typer.Typer(help="Drift: has the world moved away from the champions?", no_args_is_help=True)
app.command()(backtest)
COLOURS = {"good": "green", "watch": "yellow", "bad": "red", "unknown": "magenta"}
WARNING = (
    "These presets know no calendar: on seasonal data they alarm in weeks in which nothing changed"
    " (docs/benchmarks.md). What mlops monitor run says is calibrated."
)


@app.command()
def run(
    as_of: AsOf = "now",
    html: Annotated[bool, typer.Option("--html", help="Write Evidently's page of every check, too.")] = False,
    as_json: Json = False,
) -> None:
    """Check every served version on its newest week: findings, and for champions what to do; exit 1 when one broke."""
    from mlops.monitoring.alerting.alerts import review_alerts
    from mlops.monitoring.weekly.job import drill_down
    from mlops.monitoring.weekly.job import run_checks as check_all
    from mlops.policy import read_policy

    policy, time = read_policy(), moment(as_of)
    with progress() as bar:
        task = bar.add_task("checking", total=None, note="")
        checks = check_all(
            database(),
            store(),
            policy,
            time,
            done=lambda check: bar.update(task, note=f"{check.name} {check.version}", advance=1),
        )
    if not checks:
        raise NothingToDo(
            f"there is nothing to check: no version was champion by {time:%Y-%m-%d %H:%M} UTC; promote one with"
            " `mlops registry promote models:/NAME/VERSION`, forecast with `mlops predict models:/NAME@champion`,"
            " and when its days are past run `mlops outcomes match`"
        )
    alerts = review_alerts(database(), time, policy.alerts)
    pages = [drill_down(database(), check, settings().reports) for check in checks if html and check.state != "failed"]

    def text() -> None:
        for check in checks:
            _print_checked(check)
        for sentence in alerts.sentences():
            say(escape(sentence))
        if alerts.opened:
            say("what to do: mlops alerts list")
        for page in pages:
            say(str(page))

    emit(checks, as_json=as_json, text=text)
    broken = [f"{check.name} version {check.version}: {check.problem}" for check in checks if check.state == "failed"]
    if broken:
        logs.print(
            f"mlops: {len(broken)} of {len(checks)} checks failed; {'; '.join(broken)}", markup=False, soft_wrap=True
        )
        raise typer.Exit(1)


@app.command()
def presets(name: ModelName, as_of: AsOf = "now", as_json: Json = False) -> None:
    """Run Evidently's classic presets on a champion's newest four weeks. They alarm on every season: see the docs."""
    from mlops.monitoring.evidently.champion import presets as run
    from mlops.policy import read_policy

    features = read_policy().drift.features
    with logs.status("Evidently's presets"):
        page = run(database(), store(), features, name, moment(as_of, model=name), settings().reports)
    emit(asdict(page) | {"warning": WARNING}, as_json=as_json, text=lambda: _print_page(page))


@app.command()
def health(as_of: AsOf = "now", as_json: Json = False) -> None:
    """Show the health of every champion and served challenger, 0 to 100, part by part; the worst first."""
    from mlops.monitoring.health import health as ask
    from mlops.policy import read_policy

    models = ask(database(), read_policy().health, moment(as_of))
    if not models:
        raise NothingToDo(
            "no model is served: promote a version with `mlops registry promote models:/NAME/VERSION`"
            " (`mlops registry sync` mirrors what other clients promoted)"
        )
    emit(models, as_json=as_json, text=lambda: _print_health(models))


def _print_checked(checked: "CheckResult") -> None:
    from mlops.domain.findings import CARRIED_OUT, todo

    findings, advice = checked.findings.details, checked.recommendation
    drifted = [finding for finding in findings if finding.drifted]
    asks = f"[{ACTION_COLOURS[checked.asks]}]{checked.asks}[/]" if advice is not None else checked.alias
    say(
        f"[bold]{escape(checked.name)}[/] version {checked.version}: {asks};"
        f" {len(drifted)} of {len(findings)} findings drifted"
    )
    reasons = advice.reasons if advice is not None else [finding.words for finding in drifted]
    held = checked.since if checked.since is not None and checked.since < checked.as_of else None
    if checked.asks == "watch" and held is not None:
        reasons = [f"as since {held:%Y-%m-%d}: {reasons[0]}"]  # what continues is shown once
    for line in dict.fromkeys([*reasons, *([checked.problem] if checked.problem else [])]):
        say(f"  {escape(line)}")
    if checked.asks == "watch" and held is None:
        for remedy in dict.fromkeys(todo(finding.kind, finding.subject) for finding in drifted):
            say(f"  → {escape(remedy)}")
    if checked.comparison is not None:
        say(f"  in the champion's place it would have saved {escape(str(checked.comparison))}")
    if advice is not None and advice.onset is not None:
        say(f"  errors are larger since about {advice.onset:%Y-%m-%d}")
    if checked.state == "unlabelled" and "expected_wape" in checked.values:
        low, high = checked.values["expected_wape_low"], checked.values["expected_wape_high"]
        say(
            f"  the WAPE of its freshest forecasts is expected to be {checked.values['expected_wape']:.3f}"
            f" ({low:.3f} to {high:.3f}); the backtest's had {checked.values['promised_wape']:.3f}"
        )
    if checked.asks in CARRIED_OUT:
        say(f"  mlops retrain {checked.recommendation_id}")


def _print_page(page: "PresetsPage") -> None:
    drifted = f"{len(page.drifted)} of {len(page.columns)} columns drifted against {page.reference}"
    console.print(f"[bold]{escape(page.name)}[/] version {page.version}: {drifted}", soft_wrap=True)
    for column in page.drifted:
        console.print(f"  {escape(column)}")
    for what, why in page.left_out.items():
        console.print(f"  left out: {escape(what)}, {escape(why)}", soft_wrap=True)
    console.print(f"[yellow]{WARNING}[/]", soft_wrap=True)
    for path in (page.html, page.snapshot):
        say(escape(str(path)))


def _print_health(models: list["Health"]) -> None:
    from mlops.policy import HEALTH_PARTS

    shown = table("model", "health", "", *HEALTH_PARTS)
    for model in models:
        colour = COLOURS[model.status]
        score = "–" if model.score is None else str(model.score)
        name = f"[bold]{escape(model.name)}[/] {model.version}@{model.alias}"
        shown.add_row(name, f"[{colour}]{score}[/]", f"[{colour}]{model.status}[/]", *map(_cell, model.parts))
    console.print(shown)
    console.print()
    for model in models:
        why = "nothing costs it anything"
        if model.weakest is not None:
            why = f"{model.weakest}: {escape(model.weakest_words or '')}"
        say(f"{escape(model.name)} {model.version}@{model.alias}: {why}")


def _cell(part: "HealthPart") -> str:
    if part.weight == 0:
        return "[dim]off[/]"
    if part.value is None:
        return "[magenta]?[/]"
    colour = "green" if part.value >= 0.8 else "yellow" if part.value >= 0.5 else "red"
    return f"[{colour}]{100 * part.value:.0f}[/]"
