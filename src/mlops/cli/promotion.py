"""`mlops registry promote`: who is champion."""

from typing import Annotated

import typer

from mlops.cli.context import database, store
from mlops.cli.output import console, emit

__all__ = ["promote"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Uri = Annotated[str, typer.Argument(help="models:/NAME@ALIAS or models:/NAME/VERSION")]


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
