"""`mlops registry …`: the registry and its mirror."""

from typing import Annotated, Any

import typer

from mlops.cli.context import database, settings, store
from mlops.cli.output import console, emit, table
from mlops.errors import ModelNotFound

__all__ = ["app"]

app = typer.Typer(help="The model registry: versions, aliases, lineage.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Uri = Annotated[str, typer.Argument(help="models:/NAME@ALIAS or models:/NAME/VERSION")]


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
            aliases = " ".join(f"@{alias}" for alias in row["aliases"])
            shown.add_row(
                row["name"], str(row["version"]), row["kind"] or "", aliases, as_of, *figures, row["lineage_state"]
            )
        console.print(shown if rows else "no version is in the mirror; train one, or run `mlops registry sync`")

    emit(rows, as_json=as_json, text=text)


@app.command()
def sync(as_json: Json = False) -> None:
    """Make the mirror in Postgres equal to MLflow's registry."""
    from mlops.tracking import bridge

    synced = bridge.sync(store(), database())
    text = f"the mirror shows {synced.models} models, {synced.versions} versions, {synced.aliases} aliases"
    emit(synced, as_json=as_json, text=lambda: console.print(text))


@app.command()
def promote(
    uri: Uri,
    reason: Annotated[str, typer.Option(help="Why; it is kept on the version.")] = "promoted by hand",
    as_json: Json = False,
) -> None:
    """Make a version the champion of its name."""
    from mlops.tracking import bridge
    from mlops.tracking import registry as models

    version = models.promote(store(), models.resolve(store(), uri), reason)
    bridge.sync(store(), database())
    emit(
        version,
        as_json=as_json,
        text=lambda: console.print(f"models:/{version.name}@champion is version {version.version}"),
    )


@app.command()
def lineage(uri: Uri, as_json: Json = False) -> None:
    """Show what a version was made from: features, training window, data digest."""
    from mlops.tracking import bridge
    from mlops.tracking import registry as models

    version = models.resolve(store(), uri)
    bridge.sync(store(), database())
    with database().transaction() as transaction:
        row = transaction.one("lineage", name=version.name, version=version.version)
        features = transaction.rows("lineage_features", name=version.name, version=version.version)
    if row is None:
        raise ModelNotFound(f"{uri} is not in the mirror; run `mlops registry sync`")
    document = row | {"features": features}
    emit(document, as_json=as_json, text=lambda: _print_lineage(document))


def _print_lineage(document: dict[str, Any]) -> None:
    facts = document["lineage"] or {}
    console.print(
        f"[bold]{document['name']} version {document['version']}[/] ({document['kind']}),"
        f" lineage {document['lineage_state']}"
    )
    if document["lineage_problem"]:
        console.print(f"[red]{document['lineage_problem']}[/]")
        return
    lines = {
        "run": document["run_id"],
        "known at": facts["as_of"],
        "trained on": f"{facts['trained_from'][:10]} to {facts['trained_to'][:10]}",
        "data": f"{facts['rows']:,} observations of {len(facts['series'])} series",
        "metric type": f"{facts['selection']['metric_type']}, {facts['selection']['granularity']}",
        "data digest": facts["content_sha256"],
        "code": f"mlops {facts['code_version']}",
    }
    for name, value in lines.items():
        console.print(f"  [bold]{name:12}[/] {value}", highlight=False, soft_wrap=True)
    shown = table("feature", "version", "importance", "transformation")
    for feature in document["features"]:
        share = f"{feature['importance']:.1%}" if feature["importance"] is not None else ""
        shown.add_row(feature["name"], str(feature["version"]), share, feature["transformation"])
    console.print(shown)
