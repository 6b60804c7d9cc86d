"""`mlops features …`: the feature store."""

from typing import Annotated

import typer

from mlops.cli.context import database
from mlops.cli.output import console, emit, table
from mlops.errors import UnknownName

__all__ = ["app"]

app = typer.Typer(help="The feature store.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list")
def list_features(as_json: Json = False) -> None:
    """List the features with their newest version and the models that use them."""
    with database().transaction() as transaction:
        rows = transaction.rows("list_features")

    def text() -> None:
        shown = table("feature", "version", "source", "used by", "transformation")
        for row in rows:
            shown.add_row(
                row["name"],
                str(row["version"]),
                ", ".join(row["source_metric_types"]),
                ", ".join(row["used_by"]),
                row["transformation"],
            )
        console.print(shown if rows else "no feature is recorded yet; training records the features that it uses")

    emit(rows, as_json=as_json, text=text)


@app.command("show")
def show_feature(name: Annotated[str, typer.Argument(help="A feature's name.")], as_json: Json = False) -> None:
    """Show every version of a feature's definition."""
    with database().transaction() as transaction:
        rows = transaction.rows("feature_versions", name=name)
        if not rows:
            raise UnknownName("feature", name, [row["name"] for row in transaction.rows("list_features")])

    def text() -> None:
        for row in rows:
            console.print(
                f"[bold]{row['name']} version {row['version']}[/], recorded {row['created_at']:%Y-%m-%d %H:%M} UTC"
            )
            for key, value in row["definition"].items():
                console.print(f"  {key:20} {value}", highlight=False)

    emit(rows, as_json=as_json, text=text)
