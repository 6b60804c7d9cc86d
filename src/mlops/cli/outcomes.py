"""`mlops outcomes …`: what really happened."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.cli.context import database, moment
from mlops.cli.options import AsOf, Json
from mlops.cli.output import console, emit
from mlops.cli.typed import reads
from mlops.errors import Refused

if TYPE_CHECKING:
    from mlops.serving.log.feedback import Recorded

__all__ = ["app"]

RecordsFile = Annotated[
    Path, typer.Argument(callback=reads("FILE"), help="CSV, Parquet, an Arrow file, or JSON: a list of objects.")
]

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


@app.command()
def record(file: RecordsFile, as_json: Json = False) -> None:
    """Record outcomes of answered requests or stored forecasts from a file."""
    from mlops.serving.log.feedback import read_outcomes, record_outcomes

    _report(record_outcomes(database(), read_outcomes(file)), "outcomes", file, as_json=as_json)


@app.command()
def feedback(file: RecordsFile, as_json: Json = False) -> None:
    """Record what people say of answered requests or stored forecasts from a file."""
    from mlops.serving.log.feedback import read_feedback, record_feedback

    _report(record_feedback(database(), read_feedback(file)), "pieces of feedback", file, as_json=as_json)


def _report(recorded: "Recorded", what: str, file: Path, *, as_json: bool) -> None:
    def text() -> None:
        console.print(f"{recorded.new:,} {what} are new, {recorded.known:,} were known")
        for refusal in recorded.refused:
            console.print(f"{file}, row {refusal.place + 1}: {refusal.reason}", markup=False)

    emit(recorded, as_json=as_json, text=text)
    if recorded.refused:
        raise Refused(f"{len(recorded.refused):,} of the {what} in {file} were not taken; the others are recorded")
