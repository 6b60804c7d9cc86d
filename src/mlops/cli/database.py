"""`mlops db …` and `mlops health`."""

from typing import Annotated

import typer

from mlops.cli.context import database, settings
from mlops.cli.output import console, emit, table
from mlops.errors import Refused

__all__ = ["app", "health"]

app = typer.Typer(
    help="The database: an embedded PostgreSQL, or the server of MLOPS_DATABASE_URL.", no_args_is_help=True
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


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
    """Check the system: one line per check, with what to do."""
    with database().transaction() as transaction:
        rows = transaction.rows("check_system_health")
    colours = {"ok": "green", "watch": "yellow", "bad": "red"}

    def text() -> None:
        shown = table("check", "status", "figure", "what to do")
        for row in rows:
            colour = colours[row["status"]]
            shown.add_row(row["check_name"], f"[{colour}]{row['status']}[/]", row["figure"], row["advice"])
        console.print(shown)

    emit(rows, as_json=as_json, text=text)
    if any(row["status"] == "bad" for row in rows):
        raise typer.Exit(1)


def _only_embedded(act: str) -> None:
    if settings().database_url is not None:
        raise Refused(f"MLOPS_DATABASE_URL points at a server of its own; only the embedded one is {act} here")
