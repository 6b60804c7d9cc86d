"""`mlops alerts list`: what somebody should look at, as `mlops monitor run` and `mlops review` say it, too."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, store
from mlops.cli.options import AsOf, Json
from mlops.cli.output import console, emit

if TYPE_CHECKING:
    from mlops.tracking.alerts import Reviewed

__all__ = ["alerts", "review", "tell"]

LOOK_SECONDS = 20
TOLD = 10  # of what a review changed; the rest is counted
COLOURS = {"critical": "red", "warning": "yellow"}


def alerts(
    everything: Annotated[bool, typer.Option("--all", help="Show those that are resolved, too.")] = False,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """List what somebody should look at, the critical first, each with what to do; it writes nothing."""
    from mlops.policy import read_policy

    document = read_policy().alerts.document
    with database().transaction() as transaction:
        rows = transaction.rows("list_alerts", everything=everything, as_of=moment(as_of), document=document)

    def text() -> None:
        for row in rows:
            _print(row)
        if not rows:
            console.print("no alert is open" if not everything else "there never was an alert")

    emit(rows, as_json=as_json, text=text)


def review() -> "Reviewed":
    """Bring the alerts up to date after a sync."""
    from mlops.tracking import alerts as found
    from mlops.tracking.artifacts.files import look_within

    return found.review(database(), look_within(store(), database(), LOOK_SECONDS))


def tell(reviewed: "Reviewed") -> None:
    """What a review changed, and where to read on."""
    sentences = list(reviewed.sentences())
    for sentence in sentences[:TOLD]:
        _say(escape(sentence))
    if len(sentences) > TOLD:
        _say(f"… and {len(sentences) - TOLD:,} more")
    if reviewed.opened:
        _say("what to do: mlops registry alerts")


def _print(row: dict[str, Any]) -> None:
    opened, resolved = f"{row['since']:%Y-%m-%d %H:%M}", row["resolved_at"]
    colour = "dim" if resolved else COLOURS[row["severity"]]
    when = f"{opened} to {resolved:%Y-%m-%d %H:%M}" if resolved else f"since {opened}"
    _say(f"[{colour}]{row['severity']}[/]  [bold]{escape(row['subject'])}[/]  {row['kind']}, {when}")
    _say(f"    {escape(row['message'])}")
    if not resolved:
        _say(f"    → {escape(row['todo'])}")


def _say(line: str) -> None:
    """A line that is not broken, so that commands can be copied."""
    console.print(line, highlight=False, soft_wrap=True)
