"""`mlops db …` and `mlops health`: the database, what is due in it every night, and whether all is well."""

import sys
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli.context import database, settings
from mlops.cli.options import Json
from mlops.cli.output import console, emit, logs, table
from mlops.cli.typed import checked, to_read
from mlops.errors import Misused, Refused

if TYPE_CHECKING:
    from mlops.db.health import Check
    from mlops.db.tune import Advice
    from mlops.db.upkeep import Act, Retention, Upkeep

__all__ = ["app", "health"]

app = typer.Typer(
    help="The database: an embedded PostgreSQL, or the server of MLOPS_DATABASE_URL.", no_args_is_help=True
)
NO_READER = (
    "the role mlops_reader is not there, as this user may not make roles; all else is done. To have it, let an"
    " administrator run `create role mlops_reader nologin`, then as this user `select analytics.grant_reader()`"
)
SHOWN = 3
"""So many months of one table are shown one by one; more are one line. Chosen, not measured."""
LONGEST_MONTHS = 12_000
"""Of --keep-months: a thousand years."""
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

    address = settings().database_url
    document: dict[str, object]
    if address is None:
        server = server_for(settings().root).status()
        document = {
            "server": "embedded",
            "running": server.running,
            "data": str(server.data),
            "postgres": server.version,
        }
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
    from mlops.db.health import reader_exists

    there = database(checked=False)
    reached, reader = there.upgrade(), reader_exists(there)

    def show() -> None:
        console.print(f"the schema is at version {reached}")
        if not reader:
            console.print(NO_READER)

    emit({"schema": reached, "reader": reader}, as_json=as_json, text=show)


@app.command()
def schema(as_json: Json = False) -> None:
    """Print the whole schema as one file that psql takes: `mlops db schema | psql DATABASE`."""
    from mlops.db import migrate

    text = migrate.schema()
    emit({"schema": migrate.head(), "sql": text}, as_json=as_json, text=lambda: print(text, end=""))  # noqa: T201  SQL


@app.command()
def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what is due.")] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Agree, on record, that old months leave the database, without being asked."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make months ahead, refresh views, archive and drop old months, verify archives; safe to run at any time.

    The first drop of a table asks. Where nobody can be asked the months stay, and the exit code is 1.
    """
    from mlops.db import upkeep
    from mlops.series.rescore import rescore
    from mlops.series.seasonality import store_due

    if dry_run and yes:
        raise Misused("--dry-run only tells what is due, and --yes agrees to it; leave one of them out")
    asks = not (dry_run or yes or as_json) and _somebody_is_there()
    waiting = [] if dry_run else [table for table in upkeep.retention(database()) if table.waits]
    if waiting and (yes or (asks and _asked(waiting))):
        upkeep.agree(database(), [table.parent for table in waiting])
    scored = 0 if dry_run else rescore(database())
    profile = upkeep.Step("profile", "seasons", lambda: _profiled(store_due(database())))
    done = upkeep.maintain(
        database(),
        settings().archive,
        dry_run=dry_run,
        also=[profile],
        progress=lambda step: logs.print(f"[dim]{step}[/]", soft_wrap=True),
    )
    document = {
        "dry_run": dry_run,
        "failed": done.failed,
        "scored": scored,
        "alone": done.alone,
        "acts": done.acts,
        "border": done.border,
        "waiting": done.waiting,
    }
    emit(document, as_json=as_json, text=lambda: _print_upkeep(done, scored, dry_run=dry_run))
    if done.failed or (done.waiting and not (asks or dry_run)):
        raise typer.Exit(1)


@app.command()
def retention(
    name: Annotated[
        str, typer.Argument(metavar="TABLE", help="A table of the list; all of them when left out.", show_default=False)
    ] = "",
    keep_months: Annotated[
        int | None,
        typer.Option(
            "--keep-months",
            min=1,
            max=LONGEST_MONTHS,
            help="Keep so many months before the newest one from now on.",
            show_default=False,
        ),
    ] = None,
    for_ever: Annotated[bool, typer.Option("--for-ever", help="Keep every month from now on.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="The next drop asks again.")] = False,
    as_json: Json = False,
) -> None:
    """Show how long months are kept, what is due to leave the database, and who agreed to that; or change it."""
    from mlops.db import upkeep

    if sum((keep_months is not None, for_ever, withdraw)) > 1:
        raise Misused("--keep-months, --for-ever and --withdraw exclude each other; nothing was changed")
    if (for_ever or keep_months is not None) and not name:
        raise Misused("of which table? name it, as `mlops db retention` lists them; nothing was changed")
    if keep_months is not None or for_ever or withdraw:
        shown = upkeep.change_retention(database(), name, keep_months=keep_months, withdraw=withdraw)
    else:
        shown = upkeep.retention_of(database(), name)
    emit(shown, as_json=as_json, text=lambda: _print_retention(shown))


@app.command("restore-archive")
def restore_archive(
    file: Annotated[Path, typer.Argument(callback=checked(to_read), help="An archive that `mlops db maintain` wrote.")],
    days: Annotated[int, typer.Option("--days", min=1, help="Retention leaves the month alone for so long.")] = 30,
    as_json: Json = False,
) -> None:
    """Bring an archived month back, exactly, with what belongs to it; a month that is there gets what it lacks."""
    from mlops.db.archive import restore

    done = restore(database(), file, days=days)

    def text() -> None:
        for month in (done, *done.family):
            there = f", {month.there:,} were there" if month.there else ""
            print(f"{month.partition}: {month.restored:,} rows restored{there}; kept until {month.until:%Y-%m-%d}")  # noqa: T201

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
            restart = [setting.name for setting in advice if setting.restart and not setting.fits]
            console.print(f"written; restart the server for {', '.join(restart)}" if restart else "written")

    emit({"machine": machine, "applied": apply, "settings": advice}, as_json=as_json, text=text)


def health(as_json: Json = False) -> None:
    """Check the system: one line per check, the worst first, with what to do; exit 1 when something is bad."""
    from mlops.db.health import checks

    rows = checks(database(), settings())
    emit(rows, as_json=as_json, text=lambda: _print_health(rows))
    if any(row.status == "bad" for row in rows):
        raise typer.Exit(1)


def _line(advice: "Advice") -> str:
    change = advice.recommended if advice.fits else f"{advice.current} -> {advice.recommended}"
    restart = " (needs a restart)" if advice.restart and not advice.fits else ""
    return f"{advice.name:38} {change:24} {advice.reason}{restart}"


def _print_health(rows: list["Check"]) -> None:
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


def _somebody_is_there() -> bool:
    """Whether a question is seen and can be answered."""
    return sys.stdin.isatty() and logs.is_terminal


def _profiled(count: int) -> str:
    return f"{count:,} series" if count else ""


def _asked(waiting: "list[Retention]") -> bool:
    """Whether the person at the terminal lets these months go."""
    for old in waiting:
        if old.archive:
            goes, after = f"would leave the database for files in {settings().archive}", _readable(old)
        else:
            goes, after = "would be deleted, because the policy asks for no archive", "Nothing of them would be left."
        logs.print(f"[bold]{_due(old)}[/] {goes}. {after}", highlight=False)
    names = [_short(old) for old in waiting]
    logs.print(
        "\nIf you agree, that goes on record, and later months follow as they grow old (`mlops db retention --withdraw`"
        f" takes it back). If not, they stay: `mlops db retention {names[0]} --for-ever` keeps them for good,"
        " --keep-months N longer.",
        highlight=False,
    )
    return typer.confirm("Let them go?", err=True)


def _readable(old: "Retention") -> str:
    """Who sees rows of archived months."""
    if old.parent.endswith(".time_series_metrics"):
        return (
            "Training, backtests, exports, trace and `mlops series list` go on reading them there, daily and monthly"
            " sums stay; SQL on single observations no longer sees them. Then the files belong in your backups."
        )
    return "`mlops db restore-archive FILE` brings a month back. Then the files belong in your backups."


def _print_upkeep(done: "Upkeep", scored: int, *, dry_run: bool) -> None:
    if not done.alone:
        console.print("another maintenance is at work; nothing was done")
    elif not done.acts and not scored and not done.waiting:
        console.print("nothing to do")
    if scored:
        console.print(f"scored {scored:,} observations that came in by SQL")
    for line in _lines(done.acts):
        print(f"would {line}" if dry_run else line)  # noqa: T201  one line per thing, however narrow the terminal
    if done.border is not None:
        files = f"{done.border.files:,} archive file{'' if done.border.files == 1 else 's'}"
        print(f"history before {done.border.month:%Y-%m} is read from {files}")  # noqa: T201
    for old in done.waiting:
        print(_waiting(old))  # noqa: T201


def _waiting(old: "Retention") -> str:
    """Months that stay until somebody agrees, and what would do."""
    are, them = ("are", "them") if old.due > 1 else ("is", "it")
    act = "archives and drops" if old.archive else "deletes"
    return (
        f"{_due(old)} {are} older than the {old.keep_months:,} that are kept, and stay{'' if old.due > 1 else 's'}:"
        f" {old.why}. `mlops db maintain --yes` {act} {them}; to keep {them} for good: mlops db retention {_short(old)}"
        " --for-ever"
    )


def _lines(acts: "tuple[Act, ...]") -> list[str]:
    """One line per act; what was done to many months of one table is one line."""
    months: dict[Any, list[Act]] = defaultdict(list)
    for act in acts:
        if act.month is not None and act.problem is None:
            months[act.act, act.table].append(act)
    lines: dict[str, None] = {}
    for act in acts:
        several = months[act.act, act.table] if act.month is not None and act.problem is None else []
        lines[_together(several) if len(several) > SHOWN else str(act)] = None
    return list(lines)


def _together(acts: "list[Act]") -> str:
    starts = [act.month for act in acts if act.month is not None]
    span = f"{min(starts):%Y-%m} to {max(starts):%Y-%m}"
    rows = [act.rows for act in acts if act.rows is not None]
    counted = f", {sum(rows):,} rows" if acts[0].act == "archive" and len(rows) == len(acts) else ""
    return f"{acts[0].act} {len(acts):,} months of {acts[0].table}, {span}{counted}"


def _due(old: "Retention") -> str:
    """The months that are due, in words."""
    assert old.due_from is not None
    assert old.due_until is not None
    first, last = f"{old.due_from:%Y-%m}", f"{old.due_until - timedelta(days=1):%Y-%m}"
    span = first if first == last else f"{first} to {last}"
    rows = "" if old.due_rows is None else f", about {old.due_rows:,} rows"
    size = f"{old.due_bytes / 2**20:,.0f} MB"
    return f"{old.due:,} month{'' if old.due == 1 else 's'} of {_short(old)} ({span}{rows}, {size})"


def _short(old: "Retention") -> str:
    return old.parent.removeprefix("analytics.")


def _print_retention(tables: "list[Retention]") -> None:
    shown = table("table", "months kept", "from", "then", "due", "agreed")
    for old in tables:
        kept = "all" if old.keep_months is None else f"{old.keep_months:,}"
        goes = "" if old.keep_months is None else "archived" if old.archive else "deleted"
        since = f"since {old.agreed_at:%Y-%m-%d} by {old.agreed_by}" if old.agreed else old.why or ""
        start = "" if old.kept_from is None else f"{old.kept_from:%Y-%m}"
        shown.add_row(_short(old), kept, start, goes, f"{old.due:,} months" if old.due else "", since)
    console.print(shown)
