"""`mlops registry lineage`: what a version was made from."""

from typing import Annotated, Any

import typer

from mlops.cli.context import database, store
from mlops.cli.output import console, emit, table
from mlops.errors import ModelNotFound

__all__ = ["lineage"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Uri = Annotated[str, typer.Argument(help="models:/NAME@ALIAS or models:/NAME/VERSION")]


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
