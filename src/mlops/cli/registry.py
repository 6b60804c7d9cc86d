"""`mlops registry uri|list|sync`: the registry and its mirror."""

from typing import Annotated

import typer
from rich.markup import escape

from mlops.cli import alerts, watch
from mlops.cli.context import database, settings, store
from mlops.cli.options import Json
from mlops.cli.output import console, emit, table
from mlops.errors import Misused

__all__ = ["app"]

app = typer.Typer(help="The model registry: versions, aliases, lineage.", no_args_is_help=True)


@app.command()
def uri(as_json: Json = False) -> None:
    """Print what a plain MLflow client needs as MLFLOW_TRACKING_URI."""
    from mlops.tracking.store import tracking_uri

    found = tracking_uri(settings(), database().url)
    emit({"uri": found}, as_json=as_json, text=lambda: print(found))  # noqa: T201  nothing may wrap it


@app.command("list")
def list_versions(as_json: Json = False) -> None:
    """List the versions in the mirror with their aliases."""
    with database().transaction() as transaction:
        rows = transaction.rows("list_versions")

    def text() -> None:
        shown = table("model", "version", "kind", "aliases", "as of", "WAPE", "naive", "lineage")
        for row in rows:
            metrics = row["metrics"]
            figures = [f"{metrics[name]:.3f}" if name in metrics else "" for name in ("wape", "wape_naive")]
            as_of = f"{row['as_of']:%Y-%m-%d}" if row["as_of"] else ""
            aliases = escape(" ".join(f"@{alias}" for alias in row["aliases"]))
            shown.add_row(
                escape(row["name"]),
                str(row["version"]),
                escape(row["kind"] or ""),
                aliases,
                as_of,
                *figures,
                "[red]changed[/]" if row["changed"] else row["lineage_state"],
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
        watch.check_listen(listen)
    from mlops.tracking.bridge import sync as bridge

    synced = bridge.sync(store(), database(), adopt=adopt) if adopt or not watching else None
    if synced is None or watching:
        watch.watch(every=every, listen=listen, triggers=not no_triggers, as_json=as_json)
        return
    reviewed = alerts.review()

    def text() -> None:
        console.print(f"the mirror shows {synced.models} models, {synced.versions} versions, {synced.aliases} aliases")
        changes = ", ".join(f"{rows} {what}" for what, rows in synced.changed.items())
        console.print(f"changed: {changes or 'nothing'} (read by {synced.how} in {synced.seconds:.2f} s)")
        if synced.waiting:
            console.print(f"{synced.waiting} versions still have to be read for their lineage; run it again")
        alerts.tell(reviewed)

    emit(synced, as_json=as_json, text=text)
