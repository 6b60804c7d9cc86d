"""`mlops monitor run` and `mlops review`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, settings, store
from mlops.cli.output import console, emit
from mlops.errors import NothingToDo

if TYPE_CHECKING:
    from mlops.monitoring.job import Checked
    from mlops.monitoring.review import Model, Review

__all__ = ["app", "review"]

app = typer.Typer(help="Drift: has the world moved away from the champions?", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[str, typer.Option("--as-of", help="Know only what was recorded by this date or time (UTC).")]
COLOURS = {"rollback": "red", "retrain": "red", "investigate_data": "yellow", "watch": "blue", "none": "green"}


@app.command()
def run(
    as_of: AsOf = "now",
    html: Annotated[bool, typer.Option("--html", help="Write Evidently's page of every check, too.")] = False,
    as_json: Json = False,
) -> None:
    """Check every champion on its newest week: findings, and what to do about them."""
    from mlops.config import room
    from mlops.monitoring.job import drill_down
    from mlops.monitoring.job import run as check
    from mlops.monitoring.policy import read_policy

    checked = check(database(), store(), read_policy(room("monitoring") / "policy.toml"), moment(as_of))
    if not checked:
        raise NothingToDo(
            "there is nothing to check: no champion has a forecast whose outcome is known; promote a version with"
            " `mlops registry promote models:/NAME/VERSION`, forecast with `mlops predict models:/NAME@champion`,"
            " and when its days are past run `mlops outcomes match`"
        )

    pages = [drill_down(database(), one, settings().reports) for one in checked] if html else []

    def text() -> None:
        for one in checked:
            _print_checked(one)
        for page in pages:
            _say(str(page))

    emit(checked, as_json=as_json, text=text)


def review(
    as_of: AsOf = "now",
    output: Annotated[
        Path | None, typer.Option(help="The page; reports/review-DATE.html below MLOPS_HOME when left out.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A page about this model alone, with its history and plots.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the weekly review: what needs a person and why, what errors cost, and how good every champion is."""
    from mlops.config import room
    from mlops.monitoring.policy import read_policy
    from mlops.monitoring.review import build, file_name, write

    found = build(database(), read_policy(room("monitoring") / "policy.toml"), moment(as_of), model=model)
    page = output or settings().reports / file_name(found.as_of)
    write(found, page)
    emit(asdict(found) | {"page": page}, as_json=as_json, text=lambda: _print_review(found, page))


def _print_checked(checked: "Checked") -> None:
    findings, advice = checked.findings.details, checked.recommendation
    drifted = sum(finding.drifted for finding in findings)
    _say(
        f"[bold]{escape(checked.name)}[/] version {checked.version}: {_coloured(advice.action, advice.action)};"
        f" {drifted} of {len(findings)} findings drifted"
    )
    for reason in advice.reasons:
        _say(f"  {escape(reason)}")
    if advice.onset is not None:
        _say(f"  errors are larger since about {advice.onset:%Y-%m-%d}")
    if advice.action in ("retrain", "rollback"):
        _say(f"  mlops retrain {checked.recommendation_id}")


def _print_review(found: "Review", page: Path) -> None:
    for model in found.models:
        _print_model(model)
    _say(f"\n[bold]Since {found.since:%Y-%m-%d}[/]")
    for text in [change.text for change in found.changes] or ["nothing changed"]:
        _say(f"  {escape(text)}")
    _say(f"\n{escape(str(page))}")


def _print_model(model: "Model") -> None:
    from mlops.monitoring.review import ACTIONS

    advice, week = model.advice, model.last_7_days
    _say(
        f"[bold]{escape(model.name)}[/] version {model.version}: {_coloured(advice.action, ACTIONS[advice.action])};"
        f" WAPE {_percent(week.wape)}, naive {_percent(week.wape_naive)}, promised {_percent(model.promised.wape)};"
        f" {_percent(week.coverage_80)} inside 80 %"
    )
    for line in (*advice.reasons, *advice.commands):
        _say(f"  {escape(line)}")


def _say(line: str) -> None:
    """A line that is not broken, so that commands can be copied."""
    console.print(line, highlight=False, soft_wrap=True)


def _coloured(action: str, words: str) -> str:
    return f"[{COLOURS.get(action, 'yellow')}]{words}[/]"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
