"""`mlops db …` and `mlops health`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, settings
from mlops.cli.options import Json
from mlops.cli.output import console, emit, table
from mlops.cli.typed import file as check_file
from mlops.cli.upkeep import maintain, retention
from mlops.errors import Refused

if TYPE_CHECKING:
    from mlops.db.health import Check
    from mlops.db.tune import Advice

__all__ = ["app", "health"]

app = typer.Typer(
    help="The database: an embedded PostgreSQL, or the server of MLOPS_DATABASE_URL.", no_args_is_help=True
)
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
def schema(as_json: Json = False) -> None:
    """Print the whole schema as one file that psql takes: `mlops db schema | psql DATABASE`."""
    from mlops.db import migrate

    text = migrate.schema()
    emit({"schema": migrate.head(), "sql": text}, as_json=as_json, text=lambda: print(text, end=""))  # noqa: T201  SQL


NO_READER = (
    "the role mlops_reader is not there, as this user may not make roles; all else is done. To have it, let an"
    " administrator run `create role mlops_reader nologin`, then as this user `select analytics.grant_reader()`"
)


@app.command()
def upgrade(as_json: Json = False) -> None:
    """Bring the schema to this program's version."""
    there = database(checked=False)
    reached = there.upgrade()
    with there.transaction() as transaction:
        reader = bool(transaction.value("reader_role_exists"))

    def show() -> None:
        console.print(f"the schema is at version {reached}")
        if not reader:
            console.print(NO_READER)

    emit({"schema": reached, "reader": reader}, as_json=as_json, text=show)


app.command()(maintain)
app.command()(retention)


@app.command("restore-archive")
def restore_archive(
    file: Annotated[Path, typer.Argument(callback=check_file, help="An archive that `mlops db maintain` wrote.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Retention leaves the month alone for so long.")] = 30,
    as_json: Json = False,
) -> None:
    """Bring an archived month back, exactly, with what belongs to it; a month that is there gets what it lacks."""
    from mlops.db.archive import restore

    done = restore(database(), file, days=days)

    def text() -> None:
        for one in (done, *done.family):
            there = f", {one.there:,} were there" if one.there else ""
            print(f"{one.partition}: {one.restored:,} rows restored{there}; kept until {one.until:%Y-%m-%d}")  # noqa: T201

    emit(done, as_json=as_json, text=text)


@app.command()
def tune(
    apply: Annotated[bool, typer.Option("--apply", help="Write the settings by ALTER SYSTEM.")] = False,
    memory: Annotated[str | None, typer.Option("--memory", help="The server's memory, as 16GB.")] = None,
    cores: Annotated[int | None, typer.Option("--cores", min=1, help="The server's processor cores.")] = None,
    as_json: Json = False,
) -> None:
    """Show (or apply) server settings that fit the machine and this kind of data, each with its reason."""
    from mlops.db import tune as tuning

    if memory is not None:
        tuning.size_of(memory)
    machine = tuning.machine(database(checked=False), memory, cores)
    advice = tuning.apply(database(), machine) if apply else tuning.settings_advice(database(checked=False), machine)

    def text() -> None:
        print(*map(_line, advice), sep="\n")  # noqa: T201  one line per setting, however narrow the terminal
        if apply:
            restart = [one.name for one in advice if one.restart and not one.fits]
            console.print(f"written; restart the server for {', '.join(restart)}" if restart else "written")

    emit({"machine": machine, "applied": apply, "settings": advice}, as_json=as_json, text=text)


def health(as_json: Json = False) -> None:
    """Check the system: one line per check, the worst first, with what to do; exit 1 when something is bad."""
    from mlops.db.health import checks

    rows = checks(database(), settings())
    emit(rows, as_json=as_json, text=lambda: _tell_health(rows))
    if any(row.status == "bad" for row in rows):
        raise typer.Exit(1)


def _line(one: "Advice") -> str:
    change = one.recommended if one.fits else f"{one.current} -> {one.recommended}"
    return f"{one.name:38} {change:24} {one.reason}" + (" (needs a restart)" if one.restart and not one.fits else "")


def _tell_health(rows: list["Check"]) -> None:
    """One line a check, what is not fine first and with what to do."""
    shown = table("", "")
    shown.show_header = False
    for status, colour in COLOURS.items():
        for row in (row for row in rows if row.status == status):
            name, figure, advice = (escape(part) for part in (row.check_name, row.figure, row.advice))
            fine = status == "ok"
            told = f"{name}  [dim]{figure}[/]" if fine else f"[bold]{name}[/]  {figure}\n  → {advice}"
            shown.add_row(f"[{colour}]{status}[/]", told)
    console.print(shown, highlight=False)
    counts = Counter(row.status for row in rows)
    console.print("\n" + ", ".join(f"[{colour}]{counts[status]} {status}[/]" for status, colour in COLOURS.items()))


def _only_embedded(act: str) -> None:
    if settings().database_url is not None:
        raise Refused(f"MLOPS_DATABASE_URL points at a server of its own; only the embedded one is {act} here")
