"""Options and arguments that several commands take, each said once; what was typed is checked as it is read."""

from pathlib import Path
from typing import Annotated

import typer

from mlops.cli import typed
from mlops.cli.context import AS_OF, check_time

__all__ = ["LARGEST_ID", "AsOf", "AsOfOrNone", "By", "DefinitionFile", "Id", "Json", "ModelName", "Uri"]

LARGEST_ID = 2**63 - 1
"""Of a number that the database gives out."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[str, typer.Option("--as-of", callback=check_time, help=AS_OF)]
AsOfOrNone = Annotated[
    str | None,
    typer.Option("--as-of", callback=check_time, help="What was known then, instead of now; a date means 00:00 UTC."),
]
Uri = Annotated[str, typer.Argument(callback=typed.model_uri, help="models:/NAME@ALIAS or models:/NAME/VERSION")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", callback=typed.model_name, help="A registered model.")]
Id = Annotated[
    int,
    typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="A recommendation, as in `mlops recommendations list`."),
]
By = Annotated[str | None, typer.Option(callback=typed.by, help="Who decides; the user of this process when left out.")]
DefinitionFile = Annotated[
    Path | None,
    typer.Option(callback=typed.definition_file, help="The definition file; training/features.py when left out."),
]
