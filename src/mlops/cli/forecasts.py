"""`mlops predict`, `explain`, `what-if` and `forecasts …`: what is forecast, why, what would be, and what is stored."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli import typed
from mlops.cli.context import check_time, database, moment, store
from mlops.cli.options import (
    AsOf,
    FrameFile,
    Json,
    ModelFile,
    Output,
    OwnHorizon,
    Totals,
    Uri,
    asked_totals,
    with_nouns,
)
from mlops.cli.output import Columns, console, emit, say, table
from mlops.errors import Misused, quoted

if TYPE_CHECKING:
    import pandas as pd

    from mlops.serving.forecasts import Choice
    from mlops.serving.predict import Issued

__all__ = ["app", "explain", "predict", "what_if"]

app = typer.Typer(help="Stored forecasts: list, export and plot them.", no_args_is_help=True)
FEW_SERIES, FEW_STEPS = 5, 3
"""Of a forecast so many series are shown, of each so many steps. Chosen, not measured."""
MOST_ISSUES = 30
"""Lines of `mlops forecasts list`. Chosen, not measured."""
SHOWN = 15
"""Parts of a forecast that are shown; the rest are summed. Chosen, not measured."""
LEVELS = (80, 95)
PICTURES = (".png", ".svg")
FORECASTS = ("y_hat", "y_hat_what_if", "difference")


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misused(f"--date: {quoted(text)} is not a day; expected one like 2020-03-23") from error


def _check_day(text: str) -> str:
    _day(text)
    return text


Model = Annotated[
    str,
    typer.Option(
        "--model",
        callback=typed.given(typed.model_or_uri, "--model"),
        help="models:/NAME, models:/NAME@ALIAS or models:/NAME/VERSION; all when left out.",
        show_default=False,
    ),
]
Cutoff = Annotated[
    str,
    typer.Option(
        "--cutoff",
        callback=typed.given(check_time, "--cutoff"),
        help="Only what was forecast from this day, or time.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Stored:
    """Which of the stored forecasts."""

    model: Model = ""
    series: Annotated[
        str, typer.Option("--series", help="A series by its name or id; all when left out.", show_default=False)
    ] = ""
    cutoff: Cutoff = ""
    since: Annotated[
        str,
        typer.Option(
            "--since",
            callback=typed.given(check_time, "--since"),
            help="For days since this one; the newest 13 weeks when left out.",
            show_default=False,
        ),
    ] = ""
    as_of: AsOf = "now"

    def choice(self) -> "Choice":
        """What they mean in the database; a day as cutoff means every cutoff on it."""
        from mlops.serving.forecasts import choose_forecasts

        known, since = moment(self.as_of), moment(self.since, "--since") if self.since else None
        cutoffs = None
        if self.cutoff:
            first = moment(self.cutoff, "--cutoff")
            cutoffs = (
                first,
                first + (timedelta(days=1) if len(self.cutoff) == len("2020-03-23") else timedelta(seconds=1)),
            )
        return choose_forecasts(
            database(), model=self.model or None, series=self.series or None, cutoff=cutoffs, since=since, as_of=known
        )


def predict(
    uri: Uri,
    horizon: OwnHorizon = None,
    totals: Totals = "",
    file: ModelFile = None,
    output: Output = None,
    decompose: Annotated[bool, typer.Option(help="Store what each forecast is made of, too.")] = True,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Forecast every series of a model, store the forecasts and show the first of them."""
    from mlops.serving.predict import predict as run
    from mlops.tables import write_frame

    issued = run(
        database(),
        store(),
        uri,
        horizon=horizon,
        as_of=moment(as_of, model=uri, file=file),
        decompose=decompose and file is None,
        totals=asked_totals(totals),
        file=file,
    )
    if output is not None:
        write_frame(output, issued.frame)
    emit(issued, as_json=as_json, text=lambda: _print_issued(issued, file, output))


def explain(
    uri: Uri,
    series: Annotated[str, typer.Option(help="A series by its name or id; all together when left out.")] = "",
    day: Annotated[
        str, typer.Option("--date", callback=_check_day, help="A day that is forecast; all days when left out.")
    ] = "",
    horizon: OwnHorizon = None,
    file: ModelFile = None,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Show what a forecast is made of, the largest part first."""
    from mlops.serving.explain import explain as run

    explained = run(
        database(),
        store(),
        uri,
        series=series or None,
        day=_day(day),
        horizon=horizon,
        as_of=moment(as_of, model=uri, file=file),
        file=file,
    )

    def text() -> None:
        what = explained.series[0] if len(explained.series) == 1 else f"{len(explained.series)} series"
        days = f"{explained.first:%Y-%m-%d}" + (
            f" to {explained.last:%Y-%m-%d}" if explained.last > explained.first else ""
        )
        console.print(f"[bold]{escape(what)}[/], {days}, from {explained.cutoff:%Y-%m-%d} by {explained.version.uri}")
        shown = table("part", "of", "contribution", "share")
        rows, places = explained.contributions.to_dict("records"), _fine_places(explained.forecast)
        for row in rows[:SHOWN]:
            if row["contribution"]:
                figures = f"{row['contribution']:+,.{places}f}", f"{row['share']:+.1%}"
                shown.add_row(escape(row["part"]), row["component"], *figures)
        rest = [row for row in rows[SHOWN:] if row["contribution"]]
        if rest:
            sums = sum(row["contribution"] for row in rest), sum(row["share"] for row in rest)
            shown.add_row(f"{len(rest)} smaller parts", "", f"{sums[0]:+,.{places}f}", f"{sums[1]:+.1%}")
        shown.add_row("[bold]forecast[/]", "", f"[bold]{explained.forecast:,.{places}f}[/]", "")
        console.print(shown)

    emit(explained, as_json=as_json, text=text)


def what_if(
    uri: Uri,
    events: Annotated[
        Path,
        typer.Option(
            callback=typed.reads("--events"),
            help=f"CSV of all events of the days ahead: {typed.EVENT_COLUMNS}.",
        ),
    ],
    horizon: OwnHorizon = None,
    file: ModelFile = None,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Forecast under other events by the same model; nothing is stored."""
    from mlops.panels.calendar import read_events
    from mlops.serving.explain import suppose

    given = read_events(events)
    supposed = suppose(
        database(), store(), uri, given, horizon=horizon, as_of=moment(as_of, model=uri, file=file), file=file
    )

    def text() -> None:
        console.print(f"from {supposed.cutoff:%Y-%m-%d} by {supposed.version.uri}")
        shown = table("series", "forecast", "what if", "difference", "change")
        rows = supposed.totals[["name", *FORECASTS]].to_dict("records")
        places = _fine_places(supposed.totals["y_hat"].max())
        for row in [*rows, {"name": "all", **supposed.totals[list(FORECASTS)].sum()}]:
            share = row["difference"] / row["y_hat"] if row["y_hat"] else float("nan")
            shown.add_row(
                escape(str(row["name"])), *(f"{row[name]:,.{places}f}" for name in FORECASTS), f"{share:+.1%}"
            )
        console.print(shown)
        for note in supposed.notes:
            console.print(f"  note: {note}", markup=False, highlight=False)

    emit(supposed, as_json=as_json, text=text)


@app.command("list")
@with_nouns
def list_forecasts(stored: Stored, as_json: Json = False) -> None:
    """List what was forecast, a line for each version and cutoff, with how good it was."""
    from mlops.serving.forecasts import issues, no_forecasts

    choice = stored.choice()
    rows = issues(database(), choice)

    def text() -> None:
        if rows.empty:
            raise no_forecasts(choice)
        shown = table("model", "version", "cutoff", "issued", "series", "steps", "forecasts", "outcomes", "WAPE")
        for row in rows.head(MOST_ISSUES).to_dict("records"):
            counts = (f"{row[name]:,}" for name in ("series", "steps", "forecasts", "outcomes"))
            wape = "" if row["wape"] != row["wape"] or row["wape"] is None else f"{row['wape']:.1%}"
            times = _day_or_time(row["cutoff"]), _day_or_time(row["issued_at"])
            shown.add_row(escape(row["model"]), str(row["version"]), *times, *counts, wape)
        console.print(shown)
        if len(rows) > MOST_ISSUES:
            console.print(f"… and {len(rows) - MOST_ISSUES:,} older lines: --json shows all")
        if not stored.cutoff:
            console.print(f"for days since {choice.start:%Y-%m-%d}; --since DAY looks farther back")

    emit(rows, as_json=as_json, text=text)


@app.command("export")
@with_nouns
def export_forecasts(file: FrameFile, stored: Stored, as_json: Json = False) -> None:
    """Write stored forecasts with their intervals and outcomes to a file."""
    from mlops.serving.forecasts import forecasts, no_forecasts
    from mlops.tables import write_frame

    choice = stored.choice()
    rows = forecasts(database(), choice)
    if rows.empty:
        raise no_forecasts(choice)
    write_frame(file, rows)
    first, last = rows["ds"].min(), rows["ds"].max()
    text = f"{len(rows):,} forecasts for {first:%Y-%m-%d} to {last:%Y-%m-%d} written to {file}"
    since = f"; only days since {choice.start:%Y-%m-%d} were asked for, --since DAY looks farther back"
    more = "" if stored.cutoff else since
    document = {"file": file, "rows": len(rows), "first": first, "last": last}
    emit(document, as_json=as_json, text=lambda: say(text + more))


@app.command("plot")
def plot_forecast(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            callback=typed.given(typed.to_write, endings=PICTURES),
            help="Where to; the ending says what: .png or .svg.",
        ),
    ],
    series: Annotated[str, typer.Option("--series", help="The series, by its name or id.")],
    model: Model = "",
    cutoff: Cutoff = "",
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Draw the newest forecast of a series: its history, the forecast, the intervals and what happened."""
    from mlops.files import write_whole
    from mlops.serving.forecasts import seen

    drawn = seen(database(), Stored(model, series, cutoff, as_of=as_of).choice())
    from mlops.serving.plots import picture

    write_whole(file, picture(drawn, "svg" if file.suffix.lower() == ".svg" else "png"))
    since = int((drawn.observed["ds"] > drawn.cutoff).sum())
    text = (
        f"{drawn.series}: {len(drawn.forecast)} steps from {drawn.cutoff:%Y-%m-%d} by {drawn.model}, {since} of them"
        f" observed since, are drawn in {file}"
    )
    document = {"file": file, "model": drawn.model, "series": drawn.series, "cutoff": drawn.cutoff}
    emit(document, as_json=as_json, text=lambda: say(text))


def _print_issued(issued: "Issued", file: Path | None, output: Path | None) -> None:
    shown = issued.frame
    kept = f"{issued.stored:,} are new" if file is None else "none is stored: the series are in no database"
    console.print(
        f"{len(shown):,} forecasts of {shown['series_id'].nunique()} series from {issued.cutoff:%Y-%m-%d}"
        f" by {issued.version.uri}; {kept}"
    )
    if len(issued.totals):
        of, totals = len(issued.totals), issued.totals["series_id"].nunique()
        console.print(f"  and {of:,} of {totals} totals, stored with them: mlops forecasts plot --series NAME")
    if issued.closed:
        console.print(f"  {issued.closed:,} steps are left out: days or months on which a series is never served")
    for series, reason in issued.refused.items():
        console.print(f"  not served: series {series}: {reason}")
    console.print()
    first = shown["series_id"].drop_duplicates().head(FEW_SERIES)
    few = shown[shown["series_id"].isin(first)].groupby("series_id", sort=False).head(FEW_STEPS)
    console.print(_steps(few))
    if output is not None:
        say(f"\nall {len(shown):,} rows are in {output}")
    elif len(few) < len(shown):
        series = shown["series_id"].nunique() - few["series_id"].nunique()
        others = f" of these and {series:,} more series" if series else ""
        more = "" if file is not None else f", mlops forecasts export FILE --model {issued.version.uri}"
        say(f"\n… and {len(shown) - len(few):,} more forecasts{others}; to see them: --output FILE.csv{more}")


def _steps(few: "pd.DataFrame") -> Columns:
    """A line for each step of some series, with its intervals."""
    shown = table("series", "for", "forecast", *(f"{level} % interval" for level in LEVELS))
    hours = (few["ds"].dt.normalize() != few["ds"]).any()
    for _, rows in few.groupby("series_id", sort=False):
        largest = rows["y_hat"].abs().max()
        places = 0 if largest >= 1000 else 1 if largest >= 100 else 2
        for number, row in enumerate(rows.to_dict("records")):
            bounds = (f"{row[f'lo_{level}']:,.{places}f} to {row[f'hi_{level}']:,.{places}f}" for level in LEVELS)
            name = "" if number else escape(str(row["name"]))
            day = f"{row['ds']:%Y-%m-%d %H:%M}" if hours else f"{row['ds']:%Y-%m-%d}"
            shown.add_row(name, day, f"{row['y_hat']:,.{places}f}", *bounds)
    return shown


def _day_or_time(time: "pd.Timestamp") -> str:
    """A day, with the time where it is not midnight (UTC)."""
    return f"{time:%Y-%m-%d}" if time == time.normalize() else f"{time:%Y-%m-%d %H:%M}"


def _fine_places(value: float) -> int:
    """Decimal places with which parts and differences of forecasts of this size are read."""
    return 0 if abs(value) >= 1000 else 2 if abs(value) >= 10 else 4
