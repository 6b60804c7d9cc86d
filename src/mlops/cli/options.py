"""Options and arguments that several commands share, each said once; those that belong together are one noun.

What was typed is checked as it is read, by the callbacks (`mlops.cli.typed`).
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from mlops.cli import typed
from mlops.cli.context import AS_OF, check_time, moment
from mlops.domain.totals import TOTALS
from mlops.errors import UnknownName
from mlops.errors import typed as refused_as_typed

if TYPE_CHECKING:
    from mlops.training.spec import TrainingSpec

__all__ = [
    "LARGEST_ID",
    "NO_TOTALS",
    "AsOf",
    "AsOfOrNone",
    "By",
    "Country",
    "Data",
    "DefinitionFile",
    "FrameFile",
    "Id",
    "Json",
    "Level",
    "MetricType",
    "ModelFile",
    "ModelName",
    "Output",
    "OwnHorizon",
    "Segment",
    "Totals",
    "Uri",
    "asked_totals",
    "with_nouns",
]

USUAL = "192 of 15min, 96 of 30min, 168 hours, 28 days, 20 business days, 13 weeks, 12 months, 4 quarters, 3 years"
"""The usual horizons of `domain.granularity`, in words; importing that would cost every command numpy."""
NO_TOTALS = "none"
TABLES = (".csv", ".csv.gz", ".parquet")
LARGEST_ID = 2**63 - 1
"""Of a number that the database gives out: bigint."""


def with_nouns(command: Callable[..., None]) -> Callable[..., None]:
    """A command for Typer: each parameter that is a dataclass becomes the options that are its fields.

    The noun is made again before the command is called, so that it says once what its options are and what they mean.
    """
    own = inspect.signature(command, eval_str=True).parameters
    nouns: dict[str, Any] = {
        name: parameter.annotation for name, parameter in own.items() if is_dataclass(parameter.annotation)
    }
    options: dict[str, inspect.Parameter] = {}
    for name, parameter in own.items():
        shown = _options_of(nouns[name]) if name in nouns else [parameter]
        options |= {option.name: option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in shown}

    @wraps(command)
    def run(**values: Any) -> None:
        made = {
            name: noun(**{option.name: values.pop(option.name) for option in fields(noun)})
            for name, noun in nouns.items()
        }
        command(**made, **values)

    run.__signature__ = inspect.Signature(list(options.values()))  # type: ignore[attr-defined]
    run.__annotations__ = {name: option.annotation for name, option in options.items()}
    return run


def _options_of(noun: Any) -> list[inspect.Parameter]:
    """The fields of a noun as parameters of a command."""
    hints, options = get_type_hints(noun, include_extras=True), []
    for option in fields(noun):
        default = option.default if option.default_factory is MISSING else option.default_factory()
        options.append(
            inspect.Parameter(
                option.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if default is MISSING else default,
                annotation=hints[option.name],
            )
        )
    return options


def asked_totals(given: str) -> list[str] | None:
    """The totals of --totals: None where it is left out, no total of `none`."""
    return None if not given else [] if given == NO_TOTALS else [total.strip() for total in given.split(",")]


def _check_pairs(option: str) -> Callable[[list[str]], list[str]]:
    def checked(texts: list[str]) -> list[str]:
        typed.pairs(texts, option)
        return texts

    return checked


def _check_totals(given: str) -> str:
    for total in asked_totals(given) or []:
        if total not in TOTALS:
            raise UnknownName("total", total, (*TOTALS, NO_TOTALS))
    return given


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[str, typer.Option("--as-of", callback=typed.checked(check_time, "--as-of"), help=AS_OF)]
AsOfOrNone = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        callback=typed.checked(check_time, "--as-of"),
        help="What was known then, instead of now; a date means 00:00 UTC.",
    ),
]
Country = Annotated[
    str,
    typer.Option(
        "--country",
        callback=typed.given(typed.country),
        help="ISO code for public holidays, also of a part: US-CA; as in params.toml when left out.",
        show_default=False,
    ),
]
Totals = Annotated[
    str,
    typer.Option(
        "--totals",
        callback=_check_totals,
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
        callback=typed.given(typed.metric_type),
        help="What to forecast; the only one with data when left out.",
        show_default=False,
    ),
]
OwnHorizon = Annotated[
    int | None,
    typer.Option("--horizon", help="Steps ahead; the model's own horizon when left out.", min=1, show_default=False),
]
ModelFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        callback=typed.reads("--file"),
        help="Of a model that was trained on a file: the newest series_id, ds, y and covariates.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        callback=typed.writes("--output", endings=TABLES),
        help="Also write all rows: a .csv, .csv.gz or .parquet file.",
        show_default=False,
    ),
]
FrameFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        callback=typed.given(typed.to_write, endings=TABLES),
        help="Where to; the ending says what: .csv, .csv.gz or .parquet.",
    ),
]
Level = Annotated[
    str,
    typer.Option(
        "--level",
        callback=typed.given(typed.level),
        help="Only series of this level: customer, driver, vehicle, route, site or company; all when left out.",
        show_default=False,
    ),
]
Uri = Annotated[str, typer.Argument(callback=typed.model_uri, help="models:/NAME@ALIAS or models:/NAME/VERSION")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", callback=typed.model_name, help="A registered model.")]
Id = Annotated[
    int,
    typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="A recommendation, as in `mlops recommendations list`."),
]
By = Annotated[
    str | None,
    typer.Option(
        callback=typed.kept("--by", "name of who decides"), help="Who decides; the user of this process when left out."
    ),
]
DefinitionFile = Annotated[
    Path | None,
    typer.Option(
        callback=typed.reads("--file"),
        help="The definition file; training/features.py when left out.",
    ),
]


@dataclass(frozen=True)
class Data:
    """What a kind is fitted on, of a file or of the database, and how far ahead it forecasts: what `train`, `backtest`
    and `tune` have in common.
    """

    horizon: Annotated[
        int | None,
        typer.Option(help=f"Steps ahead; when left out {USUAL}.", min=1, show_default=False),
    ] = None
    file: Annotated[
        str,
        typer.Option(
            callback=typed.reads("--file"),
            help="CSV or Parquet with series_id, ds, y in place of the database.",
            show_default=False,
        ),
    ] = ""
    country: Country = ""
    events: Annotated[
        str,
        typer.Option(
            callback=typed.reads("--events"),
            help=f"CSV of your own days: {typed.EVENT_COLUMNS}.",
            show_default=False,
        ),
    ] = ""
    covariates: Annotated[
        list[str], typer.Option("--covariate", help="A column of the file that is known ahead.", show_default=False)
    ] = field(default_factory=list)
    metric_type: MetricType = ""
    granularity: Annotated[
        str,
        typer.Option(
            "--granularity",
            "--freq",
            callback=typed.given(typed.granularity),
            help="daily, weekly … or pandas' alias; of a file inferred when left out, of the database daily.",
            show_default=False,
        ),
    ] = ""
    level: Level = ""
    labels: Annotated[
        list[str],
        typer.Option(
            "--label",
            callback=_check_pairs("--label"),
            help="Only series with this label, as key=value.",
            show_default=False,
        ),
    ] = field(default_factory=list)
    as_of: AsOf = "now"
    changes: Annotated[
        list[str],
        typer.Option(
            "--set",
            callback=_check_pairs("--set"),
            help="Change a parameter of the kind or of params.toml, as key=value.",
            show_default=False,
        ),
    ] = field(default_factory=list)

    def spec(self, kind: str, **more: str) -> "TrainingSpec":
        """The checked spec of a kind or experiment, with what these options (and `more`, by their keys) change in it.

        A database is asked for `--as-of last` only, when all else is known to be right: of the metric type and
        granularity that are trained, whoever named them.
        """
        from mlops.training.spec import TrainingSpec

        options = self._said() | {name: value for name, value in more.items() if value}
        with refused_as_typed("--set" if self.changes else ""):
            spec = TrainingSpec.of(
                kind,
                {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in options.items()}
                | typed.pairs(self.changes, "--set"),
                labels=typed.pairs(self.labels, "--label"),
                file=Path(self.file) if self.file else None,
            ).check()
        known = moment(self.as_of, metric_type=spec.metric_type, granularity=spec.granularity, file=spec.file)
        return replace(spec, as_of=known)

    def words(self) -> tuple[str, ...]:
        """These options as they are typed, word by word, those that say something."""
        given = {"as_of": self.as_of if self.as_of != "now" else "", "set": self.changes, "label": self.labels}
        given |= {"file": self.file} | self._said()
        words: list[str] = []
        for name, value in given.items():
            option = "--covariate" if name == "covariates" else f"--{name.replace('_', '-')}"
            for text in value if isinstance(value, list) else [value]:
                words += [option, str(text)] if text else []
        return tuple(words)

    def _said(self) -> dict[str, Any]:
        """What was said of the keys of a params.toml."""
        keys = ("metric_type", "granularity", "level", "country", "horizon", "events", "covariates")
        return {key: getattr(self, key) for key in keys if getattr(self, key)}
