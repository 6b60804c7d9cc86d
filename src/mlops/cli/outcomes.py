"""`mlops outcomes …`: what really happened."""

import typer

from mlops.cli.context import database, moment
from mlops.cli.options import AsOf, Json
from mlops.cli.output import console, emit

__all__ = ["app"]

app = typer.Typer(help="Outcomes: what really happened.", no_args_is_help=True)


@app.command()
def match(as_of: AsOf = "now", as_json: Json = False) -> None:
    """Write onto predictions what really happened."""
    from mlops.serving.outcomes import match as run

    matched = run(database(), moment(as_of))
    text = f"{matched.matched:,} predictions got their outcome, {matched.waiting:,} still wait"
    of_totals = f"; so did {matched.totals:,} of totals" if matched.totals else ""
    if matched.overdue:
        text += f", {matched.overdue:,} of them for more than four weeks: perhaps nothing will ever judge them"
    emit(matched, as_json=as_json, text=lambda: console.print(text + of_totals))
