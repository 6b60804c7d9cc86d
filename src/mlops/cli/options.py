"""Options that several commands share, each said once."""

from pathlib import Path
from typing import Annotated

import typer

from mlops.errors import BadInput

__all__ = [
    "AsOf",
    "Country",
    "Covariate",
    "Events",
    "FromFile",
    "Granularity",
    "Horizon",
    "Json",
    "Label",
    "MetricType",
    "ModelFile",
    "Output",
    "OwnHorizon",
    "Segment",
    "Set",
    "changes",
    "pairs",
]

USUAL = "192 of 15min, 96 of 30min, 168 hours, 28 days, 20 business days, 13 weeks, 12 months, 4 quarters, 3 years"
"""The usual horizons of `domain.granularity`, in words; importing that would cost every command numpy."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[str, typer.Option("--as-of", help="Know only what was recorded by this date or time (UTC).")]
FromFile = Annotated[
    str,
    typer.Option("--file", help="CSV or Parquet with series_id, ds, y in place of the database.", show_default=False),
]
Country = Annotated[
    str,
    typer.Option(
        "--country",
        help="ISO code for public holidays, also of a part: US-CA; as in params.toml when left out.",
        show_default=False,
    ),
]
Events = Annotated[
    str,
    typer.Option("--events", help="CSV of your own days: event,first[,last[,announced]].", show_default=False),
]
Covariate = Annotated[
    list[str], typer.Option("--covariate", help="A column of the file that is known ahead.", show_default=False)
]
Segment = Annotated[
    list[str],
    typer.Option("--segment", help="A column of the file by which series are added up.", show_default=False),
]
MetricType = Annotated[
    str,
    typer.Option("--metric-type", help="What to forecast; the only one with data when left out.", show_default=False),
]
Granularity = Annotated[
    str,
    typer.Option(
        "--granularity",
        "--freq",
        help="daily, weekly … or pandas' alias; of a file inferred when left out, of the database daily.",
        show_default=False,
    ),
]
Horizon = Annotated[
    int | None,
    typer.Option("--horizon", help=f"Steps ahead; when left out {USUAL}.", min=1, show_default=False),
]
OwnHorizon = Annotated[
    int | None,
    typer.Option("--horizon", help="Steps ahead; the model's own horizon when left out.", min=1, show_default=False),
]
ModelFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="Of a model that was trained on a file: the newest series_id, ds, y and covariates.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", help="Also write all rows: a .csv, .csv.gz or .parquet file.", show_default=False),
]
Label = Annotated[
    list[str], typer.Option("--label", help="Only series with this label, as key=value.", show_default=False)
]
Set = Annotated[
    list[str],
    typer.Option("--set", help="Change a parameter of the kind or of params.toml, as key=value.", show_default=False),
]


def pairs(given: list[str], option: str) -> dict[str, str]:
    """`key=value` texts as a mapping."""
    found = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise BadInput(f"{option} {text!r} is not of the form key=value")
        found[key] = value
    return found


def changes(given: list[str], **options: object) -> dict[str, str]:
    """What options change of params.toml, by key, and what --set does; an option that is left out changes nothing."""
    said = {
        name: ",".join(value) if isinstance(value, list) else str(value) for name, value in options.items() if value
    }
    return said | pairs(given, "--set")
