"""`mlops registry …`: the registry and its mirror, who is champion, by whose decision and why."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.alerts import list_alerts, print_reviewed
from mlops.cli.context import database, settings, store
from mlops.cli.options import By, Json, ModelName, Uri
from mlops.cli.output import console, emit, progress, table
from mlops.cli.registry.compare import compare
from mlops.cli.registry.lineage import export, lineage, reproduce, trace
from mlops.cli.registry.watch import check_listen, hints, watch, webhook
from mlops.cli.typed import kept
from mlops.errors import Misused

if TYPE_CHECKING:
    from mlops.tracking.bridge.mirror import AliasPeriod
    from mlops.training.promote import Promotion

__all__ = ["app"]

app = typer.Typer(help="The model registry: versions, aliases, lineage.", no_args_is_help=True)
app.command()(lineage)
app.command()(trace)
app.command()(reproduce)
app.command("export-lineage")(export)
app.command("alerts")(list_alerts)
app.command()(webhook)
app.command()(compare)
app.add_typer(hints, name="hints")
MARKS = {True: "[green]holds[/]", False: "[red]forced[/]", None: "[dim]n/a[/]"}
Reason = Annotated[
    str, typer.Option(callback=kept("--reason", "reason"), help="Why; it is kept with the decision and on the version.")
]


@app.command()
def uri(as_json: Json = False) -> None:
    """Print what a plain MLflow client needs as MLFLOW_TRACKING_URI."""
    from mlops.tracking.store import tracking_uri

    address = tracking_uri(settings(), database().url)
    emit({"uri": address}, as_json=as_json, text=lambda: print(address))  # noqa: T201  nothing may wrap it


@app.command("list")
def list_versions(as_json: Json = False) -> None:
    """List the versions in the mirror with their aliases."""
    from mlops.tracking.bridge.mirror import mirrored_versions

    rows = mirrored_versions(database())

    def text() -> None:
        shown = table("model", "version", "kind", "aliases", "as of", "WAPE", "naive", "lineage")
        for row in rows:
            metrics = row.metrics
            figures = [f"{metrics[name]:.3f}" if name in metrics else "" for name in ("wape", "wape_naive")]
            as_of = f"{row.as_of:%Y-%m-%d}" if row.as_of else ""
            aliases = escape(" ".join(f"@{alias}" for alias in row.aliases))
            shown.add_row(
                escape(row.name),
                str(row.version),
                escape(row.kind or ""),
                aliases,
                as_of,
                *figures,
                "[red]changed[/]" if row.changed else row.lineage_state,
            )
        console.print(shown if rows else "no version is in the mirror; train one, or run `mlops registry sync`")

    emit(rows, as_json=as_json, text=text)


@app.command()
def sync(
    watching: Annotated[bool, typer.Option("--watch", help="Go on: sync again when something changes.")] = False,
    every: Annotated[float, typer.Option(help="With --watch: the most seconds between syncs.", min=1, max=86_400)] = 60,
    listen: Annotated[str | None, typer.Option(help="With --watch: HOST:PORT for MLflow's webhooks.")] = None,
    no_triggers: Annotated[
        bool, typer.Option("--no-triggers", help="With --watch: neither make nor hear any.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Follow this registry from now on, though the mirror followed another one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the mirror in Postgres equal to MLflow's registry; with --watch keep it so until Ctrl-C or SIGTERM."""
    if listen is not None:
        if not watching:
            raise Misused("--listen is for a watch that goes on; say --watch, too")
        check_listen(listen)
    from mlops.tracking.bridge import sync as bridge
    from mlops.tracking.bridge.sweep import review_after_sync

    synced = bridge.sync(store(), database(), adopt=adopt) if adopt or not watching else None
    if synced is None or watching:
        watch(every=every, listen=listen, triggers=not no_triggers, as_json=as_json)
        return
    reviewed = review_after_sync(store(), database())

    def text() -> None:
        console.print(f"the mirror shows {synced.models} models, {synced.versions} versions, {synced.aliases} aliases")
        changes = ", ".join(f"{rows} {what}" for what, rows in synced.changed.items())
        console.print(f"changed: {changes or 'nothing'} (read by {synced.how} in {synced.seconds:.2f} s)")
        if synced.waiting:
            console.print(f"{synced.waiting} versions still have to be read for their lineage; run it again")
        print_reviewed(reviewed)

    emit(synced, as_json=as_json, text=text)


@app.command()
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


@app.command()
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


@app.command()
def history(name: ModelName, as_json: Json = False) -> None:
    """Show what the aliases of a model meant and when, and who decided it."""
    from mlops.tracking.bridge.mirror import alias_history

    rows = alias_history(database(), name)

    def text() -> None:
        shown = table("alias", "version", "from", "to", "by", "why")
        for row in rows:
            by = escape(row.decided_by or "")
            since = f"{row.valid_from:%Y-%m-%d %H:%M}"
            until = f"{row.valid_to:%Y-%m-%d %H:%M}" if row.valid_to else "now"
            shown.add_row(escape(f"@{row.alias}"), str(row.version), since, until, by, _why(row))
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


def _why(row: "AliasPeriod") -> str:
    if row.promotion_id is None:
        return "[yellow]moved without a recorded decision[/]" if row.alias == "champion" else ""
    action = "rollback: " if row.action == "rollback" else ""
    return f"{action}{escape(row.reason or '')}{' [yellow](forced)[/]' if row.forced else ''}"
