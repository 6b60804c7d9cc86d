"""`mlops db …` and `mlops health`."""

from collections import Counter
from typing import Annotated, Any

import typer
from rich.markup import escape

from mlops.cli.context import database, settings
from mlops.cli.output import console, emit, table
from mlops.errors import Refused

__all__ = ["app", "health"]

app = typer.Typer(
    help="The database: an embedded PostgreSQL, or the server of MLOPS_DATABASE_URL.", no_args_is_help=True
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
COLOURS = {"bad": "red", "watch": "yellow", "ok": "green"}


@app.command()
def start(as_json: Json = False) -> None:
    """Start the embedded server; it keeps running until `mlops db stop`."""
    _only_embedded("started")
    database()
    status(as_json)


@app.command()
def stop(as_json: Json = False) -> None:
    """Stop the embedded server; nothing is lost."""
    from mlops.db.embedded import server_for

    _only_embedded("stopped")
    was_running = server_for(settings().root).stop()
    emit(
        {"was_running": was_running},
        as_json=as_json,
        text=lambda: console.print("stopped" if was_running else "it was not running"),
    )


@app.command()
def status(as_json: Json = False) -> None:
    """Show whether the server runs, where its data lies and the schema's version."""
    from mlops.db import Database, migrate
    from mlops.db.embedded import server_for

    address, document = settings().database_url, {}
    if address is None:
        found = server_for(settings().root).status()
        document = {"server": "embedded", "running": found.running, "data": str(found.data), "postgres": found.version}
    else:
        document = {"server": "MLOPS_DATABASE_URL", "running": True}
    if document["running"]:
        there = database(checked=False) if address is None else Database(address)
        document |= {"schema": there.version() or "none", "schema_needed": migrate.head()}

    def text() -> None:
        for name, value in document.items():
            console.print(f"[bold]{name:14}[/] {value}", highlight=False)

    emit(document, as_json=as_json, text=text)


@app.command()
def url(as_json: Json = False) -> None:
    """Print the address that psql and SQLAlchemy take."""
    address = database(checked=False).url
    emit({"url": address}, as_json=as_json, text=lambda: print(address))  # noqa: T201  nothing may wrap it


@app.command()
def upgrade(as_json: Json = False) -> None:
    """Bring the schema to this program's version."""
    reached = database(checked=False).upgrade()
    emit({"schema": reached}, as_json=as_json, text=lambda: console.print(f"the schema is at version {reached}"))


def health(as_json: Json = False) -> None:
    """Check the system: one line per check, the worst first, with what to do; exit 1 when something is bad."""
    with database().transaction() as transaction:
        rows = transaction.rows("check_system_health")
    emit(rows, as_json=as_json, text=lambda: _tell_health(rows))
    if any(row["status"] == "bad" for row in rows):
        raise typer.Exit(1)


def _tell_health(rows: list[dict[str, Any]]) -> None:
    shown = table("", "")
    shown.show_header = False
    for row in sorted(rows, key=lambda row: list(COLOURS).index(row["status"])):
        name, figure, advice = (escape(row[part]) for part in ("check_name", "figure", "advice"))
        advised = f"\n  → {advice}" if advice else ""
        shown.add_row(f"[{COLOURS[row['status']]}]{row['status']}[/]", f"[bold]{name}[/]  {figure}{advised}")
    console.print(shown, highlight=False)
    counts = Counter(row["status"] for row in rows)
    console.print("\n" + ", ".join(f"[{colour}]{counts[status]} {status}[/]" for status, colour in COLOURS.items()))


def _only_embedded(act: str) -> None:
    if settings().database_url is not None:
        raise Refused(f"MLOPS_DATABASE_URL points at a server of its own; only the embedded one is {act} here")
