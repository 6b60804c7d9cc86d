"""`mlops monitor health`: how well each served model does."""

from typing import TYPE_CHECKING

from rich.markup import escape

from mlops.cli.context import database, moment
from mlops.cli.options import AsOf, Json
from mlops.cli.output import console, emit, table
from mlops.errors import NothingToDo

if TYPE_CHECKING:
    from mlops.monitoring.health import Health, HealthPart

__all__ = ["health"]

COLOURS = {"good": "green", "watch": "yellow", "bad": "red", "unknown": "magenta"}


def health(
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Show the health of every champion and served challenger, 0 to 100, part by part; the worst first."""
    from mlops.monitoring.health import health as ask
    from mlops.policy import read_policy

    found = ask(database(), read_policy().health, moment(as_of))
    if not found:
        raise NothingToDo(
            "no model is served: promote a version with `mlops registry promote models:/NAME/VERSION`"
            " (`mlops registry sync` mirrors what other clients promoted)"
        )
    emit(found, as_json=as_json, text=lambda: _print(found))


def _print(found: list["Health"]) -> None:
    from mlops.policy import HEALTH_PARTS

    made = table("model", "health", "", *HEALTH_PARTS)
    for one in found:
        colour = COLOURS[one.status]
        score = "–" if one.score is None else str(one.score)
        name = f"[bold]{escape(one.name)}[/] {one.version}@{one.alias}"
        made.add_row(name, f"[{colour}]{score}[/]", f"[{colour}]{one.status}[/]", *map(_cell, one.parts))
    console.print(made)
    console.print()
    for one in found:
        _say(f"{escape(one.name)} {one.version}@{one.alias}: {_words(one)}")


def _cell(part: "HealthPart") -> str:
    if part.weight == 0:
        return "[dim]off[/]"
    if part.value is None:
        return "[magenta]?[/]"
    colour = "green" if part.value >= 0.8 else "yellow" if part.value >= 0.5 else "red"
    return f"[{colour}]{100 * part.value:.0f}[/]"


def _words(one: "Health") -> str:
    if one.weakest is None:
        return "nothing costs it anything"
    return f"{one.weakest}: {escape(one.weakest_words or '')}"


def _say(line: str) -> None:
    """A line that is not broken."""
    console.print(line, highlight=False, soft_wrap=True)
