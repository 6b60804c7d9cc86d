"""`mlops registry promote|rollback|history`: who is champion, by whose decision and why."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli import typed
from mlops.cli.context import database, store
from mlops.cli.options import By, Json, ModelName, Uri
from mlops.cli.output import console, emit, progress, table
from mlops.errors import UnknownName

if TYPE_CHECKING:
    from mlops.training.promote import Promotion

__all__ = ["history", "promote", "rollback"]

MARKS = {True: "[green]holds[/]", False: "[red]forced[/]", None: "[dim]n/a[/]"}
Reason = Annotated[
    str, typer.Option(callback=typed.reason, help="Why; it is kept with the decision and on the version.")
]


def promote(
    uri: Uri,
    reason: Reason = "promoted by hand",
    by: By = None,
    force: Annotated[bool, typer.Option(help="Promote although a gate fails; that is recorded, too.")] = False,
    as_json: Json = False,
) -> None:
    """Make a version the champion of its name, if it passes every gate.

    Gates: better than the champion by the margin of monitoring/policy.toml on the same folds, not worse than the
    seasonal naive, better than forecasting zero or the mean, lineage complete, signature compatible, loads with
    pickle forbidden. Those that can't apply to a model of another library are recorded as such.
    """
    from mlops.policy import read_policy
    from mlops.training.promote import promote as run

    margin = read_policy().promotion.margin
    with progress() as bar:
        task = bar.add_task("asking the gates", total=None, note="")
        done = run(
            database(),
            store(),
            uri,
            reason,
            margin=margin,
            by=by,
            force=force,
            say=lambda note: bar.update(task, note=note),
        )
    emit(done, as_json=as_json, text=lambda: _print(done))


def rollback(
    name: ModelName,
    reason: Reason = "rolled back by hand",
    by: By = None,
    force: Annotated[bool, typer.Option(help="Roll back although the version does not load.")] = False,
    as_json: Json = False,
) -> None:
    """Make the champion before this one champion again."""
    from mlops.training.promote import rollback as run

    done = run(database(), store(), name, reason, by=by, force=force)
    emit(done, as_json=as_json, text=lambda: _print(done))


def history(name: ModelName, as_json: Json = False) -> None:
    """Show what the aliases of a model meant and when, and who decided it."""
    with database().transaction() as transaction:
        rows = transaction.rows("promotion_history", name=name)
        if not rows:
            raise UnknownName(
                "model with an alias", name, {row["name"] for row in transaction.rows("list_versions")}, stored=True
            )

    def text() -> None:
        shown = table("alias", "version", "from", "to", "by", "why")
        for row in rows:
            by = escape(row["decided_by"] or "")
            shown.add_row(escape(f"@{row['alias']}"), str(row["version"]), *_times(row), by, _why(row))
        console.print(shown)

    emit(rows, as_json=as_json, text=text)


def _print(done: "Promotion") -> None:
    before = f", before it version {done.before}" if done.before is not None else ""
    uri = escape(f"models:/{done.version.name}@champion")
    console.print(f"{uri} is version {done.version.version}{before}", highlight=False)
    shown = table("", "gate", "found")
    for gate in done.gates:
        shown.add_row(MARKS[gate.passed], gate.gate, escape(gate.found))
    console.print(shown)
    console.print(escape(f"decided by {done.decided_by}: {done.reason}"), highlight=False)


def _times(row: dict[str, Any]) -> tuple[str, str]:
    until = f"{row['valid_to']:%Y-%m-%d %H:%M}" if row["valid_to"] else "now"
    return f"{row['valid_from']:%Y-%m-%d %H:%M}", until


def _why(row: dict[str, Any]) -> str:
    if row["promotion_id"] is None:
        return "[yellow]moved without a recorded decision[/]" if row["alias"] == "champion" else ""
    action = "rollback: " if row["action"] == "rollback" else ""
    return f"{action}{escape(row['reason'])}{' [yellow](forced)[/]' if row['forced'] else ''}"
