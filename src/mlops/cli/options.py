"""Options and arguments that several commands share, each said once; what was typed is checked as it is read."""

from pathlib import Path
from typing import Annotated

import typer

from mlops.cli import typed
from mlops.cli.context import AS_OF, check_time
from mlops.domain.totals import TOTALS
from mlops.errors import Misused, UnknownName, quoted

__all__ = [
    "LARGEST_ID",
    "NO_TOTALS",
    "AsOf",
    "AsOfOrNone",
    "By",
    "Country",
    "Covariate",
    "DefinitionFile",
    "Events",
    "FrameFile",
    "FromFile",
    "Granularity",
    "Horizon",
    "Id",
    "Json",
    "Label",
    "Level",
    "MetricType",
    "ModelFile",
    "ModelName",
    "Output",
    "OwnHorizon",
    "Segment",
    "Set",
    "Totals",
    "Uri",
    "asked_totals",
    "changes",
    "pairs",
]

USUAL = "192 of 15min, 96 of 30min, 168 hours, 28 days, 20 business days, 13 weeks, 12 months, 4 quarters, 3 years"
"""The usual horizons of `domain.granularity`, in words; importing that would cost every command numpy."""
NO_TOTALS = "none"
LARGEST_ID = 2**63 - 1
"""Of a number that the database gives out."""


def pairs(given: list[str], option: str) -> dict[str, str]:
    """`key=value` texts as a mapping; Misused for another text, and for a key that has two values."""
    found: dict[str, str] = {}
    example = "trees=200" if option == "--set" else "stream=paper"
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise Misused(f"{option} {quoted(text)} is not of the form key=value; expected one like {example}")
        if key in found and found[key] != value:
            raise Misused(
                f"{option} gives {quoted(key)} two values, {quoted(found[key])} and {quoted(value)}; keep one"
            )
        found[key] = value
    return found


def changes(given: list[str], **options: object) -> dict[str, str]:
    """What options change of params.toml, by key, and what --set does; an option that is left out changes nothing."""
    said = {
        name: ",".join(value) if isinstance(value, list) else str(value) for name, value in options.items() if value
    }
    return said | pairs(given, "--set")


def asked_totals(given: str) -> list[str] | None:
    """The totals of --totals: None where it is left out, no total of `none`."""
    return None if not given else [] if given == NO_TOTALS else [one.strip() for one in given.split(",")]


def _labels(given: list[str]) -> list[str]:
    pairs(given, "--label")
    return given


def _table(path: Path) -> Path:
    return typed.to_write(path, endings=typed.TABLES)


def _set(given: list[str]) -> list[str]:
    pairs(given, "--set")
    return given


def _totals(given: str) -> str:
    for one in asked_totals(given) or []:
        if one not in TOTALS:
            raise UnknownName("total", one, (*TOTALS, NO_TOTALS))
    return given


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[str, typer.Option("--as-of", callback=check_time, help=AS_OF)]
AsOfOrNone = Annotated[
    str | None,
    typer.Option("--as-of", callback=check_time, help="What was known then, instead of now; a date means 00:00 UTC."),
]
FromFile = Annotated[
    str,
    typer.Option(
        "--file",
        callback=typed.file_option,
        help="CSV or Parquet with series_id, ds, y in place of the database.",
        show_default=False,
    ),
]
Country = Annotated[
    str,
    typer.Option(
        "--country",
        callback=typed.country,
        help="ISO code for public holidays, also of a part: US-CA; as in params.toml when left out.",
        show_default=False,
    ),
]
Events = Annotated[
    str,
    typer.Option(
        "--events",
        callback=typed.events_option,
        help="CSV of your own days: event,first[,last[,announced]].",
        show_default=False,
    ),
]
Covariate = Annotated[
    list[str], typer.Option("--covariate", help="A column of the file that is known ahead.", show_default=False)
]
Totals = Annotated[
    str,
    typer.Option(
        "--totals",
        callback=_totals,
        help="Totals to forecast, too: some of route,site,vehicle,driver,company, and week for whole weeks;"
        " as the model or params.toml says when left out, none for none.",
        show_default=False,
    ),
]
Segment = Annotated[
    list[str],
    typer.Option("--segment", help="A column of the file by which series are added up.", show_default=False),
]
MetricType = Annotated[
    str,
    typer.Option(
        "--metric-type",
        callback=typed.metric_type_or_none,
        help="What to forecast; the only one with data when left out.",
        show_default=False,
    ),
]
Granularity = Annotated[
    str,
    typer.Option(
        "--granularity",
        "--freq",
        callback=typed.granularity,
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
        callback=typed.definition_file,
        help="Of a model that was trained on a file: the newest series_id, ds, y and covariates.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        callback=typed.table_to_write,
        help="Also write all rows: a .csv, .csv.gz or .parquet file.",
        show_default=False,
    ),
]
FrameFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        callback=_table,
        help="Where to; the ending says what: .csv, .csv.gz or .parquet.",
    ),
]
Label = Annotated[
    list[str],
    typer.Option("--label", callback=_labels, help="Only series with this label, as key=value.", show_default=False),
]
Level = Annotated[
    str,
    typer.Option(
        "--level",
        callback=typed.level,
        help="Only series of this level: customer, driver, vehicle, route, site or company; all when left out.",
        show_default=False,
    ),
]
Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        callback=_set,
        help="Change a parameter of the kind or of params.toml, as key=value.",
        show_default=False,
    ),
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
