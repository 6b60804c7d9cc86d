"""`mlops db maintain` and `mlops db retention`: what is due every night, and what may leave the database."""

import sys
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.context import database, settings
from mlops.cli.options import Json
from mlops.cli.output import console, emit, logs, table
from mlops.errors import Misused, UnknownName

if TYPE_CHECKING:
    from mlops.db.upkeep import Act, Retention, Upkeep

__all__ = ["maintain", "retention"]

TOLD = 3
"""So many months of one table are told one by one; more are one line."""
LONGEST_MONTHS = 12_000


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
    waiting = [] if dry_run else [one for one in upkeep.retention(database()) if one.waits]
    if waiting and (yes or (asks and _asked(waiting))):
        upkeep.agree(database(), [one.parent for one in waiting])
    scored = 0 if dry_run else rescore(database())
    profile = upkeep.Step("profile", "seasons", lambda: _series(store_due(database())))
    done = upkeep.maintain(
        database(),
        settings().archive,
        dry_run=dry_run,
        also=[profile],
        progress=lambda step: logs.print(f"[dim]{step}[/]", soft_wrap=True),
    )
    document = {"dry_run": dry_run, "failed": done.failed, "scored": scored}
    found = {"alone": done.alone, "acts": done.acts, "border": done.border, "waiting": done.waiting}
    emit(document | found, as_json=as_json, text=lambda: _tell(done, scored, dry_run=dry_run))
    if done.failed or (done.waiting and not (asks or dry_run)):
        raise typer.Exit(1)


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
    known = {one.parent.removeprefix("analytics."): one.parent for one in upkeep.retention(database())}
    if name and name not in known and name not in known.values():
        raise UnknownName("table with a retention", name, known, stored=True)
    chosen = [parent for short, parent in known.items() if name in ("", short, parent)]
    with database().transaction() as transaction:
        for parent in chosen:
            if withdraw:
                transaction.value("withdraw_retention", parent=parent)
            elif for_ever or keep_months is not None:
                transaction.run("set_retention", parent=parent, months=keep_months)
    found = [one for one in upkeep.retention(database()) if one.parent in chosen]
    emit(found, as_json=as_json, text=lambda: _tell_retention(found))


def _somebody_is_there() -> bool:
    """Whether a question is seen and can be answered."""
    return sys.stdin.isatty() and logs.is_terminal


def _series(count: int) -> str:
    return f"{count:,} series" if count else ""


def _asked(waiting: "list[Retention]") -> bool:
    """Whether the person at the terminal lets these months go."""
    for one in waiting:
        if one.archive:
            goes, after = f"would leave the database for files in {settings().archive}", _readable(one)
        else:
            goes, after = "would be deleted, because the policy asks for no archive", "Nothing of them would be left."
        logs.print(f"[bold]{_due(one)}[/] {goes}. {after}", highlight=False)
    names = [_short(one) for one in waiting]
    logs.print(
        "\nIf you agree, that goes on record, and later months follow as they grow old (`mlops db retention --withdraw`"
        f" takes it back). If not, they stay: `mlops db retention {names[0]} --for-ever` keeps them for good,"
        " --keep-months N longer.",
        highlight=False,
    )
    return typer.confirm("Let them go?", err=True)


def _readable(one: "Retention") -> str:
    """Who sees rows of archived months."""
    if one.parent.endswith(".time_series_metrics"):
        return (
            "Training, backtests, exports, trace and `mlops series list` go on reading them there, daily and monthly"
            " sums stay; SQL on single observations no longer sees them. Then the files belong in your backups."
        )
    return "`mlops db restore-archive FILE` brings a month back. Then the files belong in your backups."


def _tell(done: "Upkeep", scored: int, *, dry_run: bool) -> None:
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
    for one in done.waiting:
        print(_waiting(one))  # noqa: T201


def _waiting(one: "Retention") -> str:
    """Months that stay until somebody agrees, and what would do."""
    are, them = ("are", "them") if one.due > 1 else ("is", "it")
    act = "archives and drops" if one.archive else "deletes"
    return (
        f"{_due(one)} {are} older than the {one.keep_months:,} that are kept, and stay{'' if one.due > 1 else 's'}:"
        f" {one.why}. `mlops db maintain --yes` {act} {them}; to keep {them} for good: mlops db retention {_short(one)}"
        " --for-ever"
    )


def _lines(acts: "tuple[Act, ...]") -> list[str]:
    """One line per act; what was done to many months of one table is one line."""
    months: dict[Any, list[Act]] = defaultdict(list)
    for act in acts:
        if act.month is not None and act.problem is None:
            months[act.act, act.table].append(act)
    told: dict[str, None] = {}
    for act in acts:
        several = months[act.act, act.table] if act.month is not None and act.problem is None else []
        told[_together(several) if len(several) > TOLD else str(act)] = None
    return list(told)


def _together(acts: "list[Act]") -> str:
    starts = [act.month for act in acts if act.month is not None]
    span = f"{min(starts):%Y-%m} to {max(starts):%Y-%m}"
    rows = [act.rows for act in acts if act.rows is not None]
    counted = f", {sum(rows):,} rows" if acts[0].act == "archive" and len(rows) == len(acts) else ""
    return f"{acts[0].act} {len(acts):,} months of {acts[0].table}, {span}{counted}"


def _due(one: "Retention") -> str:
    """The months that are due, in words."""
    assert one.due_from is not None
    assert one.due_until is not None
    first, last = f"{one.due_from:%Y-%m}", f"{one.due_until - timedelta(days=1):%Y-%m}"
    span = first if first == last else f"{first} to {last}"
    rows = "" if one.due_rows is None else f", about {one.due_rows:,} rows"
    size = f"{one.due_bytes / 2**20:,.0f} MB"
    return f"{one.due:,} month{'' if one.due == 1 else 's'} of {_short(one)} ({span}{rows}, {size})"


def _short(one: "Retention") -> str:
    return one.parent.removeprefix("analytics.")


def _tell_retention(found: "list[Retention]") -> None:
    shown = table("table", "months kept", "from", "then", "due", "agreed")
    for one in found:
        kept = "all" if one.keep_months is None else f"{one.keep_months:,}"
        goes = "" if one.keep_months is None else "archived" if one.archive else "deleted"
        since = f"since {one.agreed_at:%Y-%m-%d} by {one.agreed_by}" if one.agreed else one.why or ""
        start = "" if one.kept_from is None else f"{one.kept_from:%Y-%m}"
        shown.add_row(_short(one), kept, start, goes, f"{one.due:,} months" if one.due else "", since)
    console.print(shown)
