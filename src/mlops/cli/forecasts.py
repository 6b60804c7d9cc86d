"""`mlops forecasts …`: stored forecasts, as a table, as a file, as a picture."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli import typed
from mlops.cli.context import database, moment
from mlops.cli.options import AsOf, FrameFile, Json
from mlops.cli.output import Columns, console, emit, table
from mlops.cli.typed import model_or_uri

if TYPE_CHECKING:
    import pandas as pd

    from mlops.serving.forecasts import Choice

__all__ = ["app", "first_steps", "rest_of"]

app = typer.Typer(help="Stored forecasts: list, export and plot them.", no_args_is_help=True)


Model = Annotated[
    str,
    typer.Option(
        "--model",
        callback=model_or_uri,
        help="models:/NAME, models:/NAME@ALIAS or models:/NAME/VERSION; all when left out.",
        show_default=False,
    ),
]
SeriesName = Annotated[
    str, typer.Option("--series", help="A series by its name or id; all when left out.", show_default=False)
]


def _check_cutoff(text: str) -> str:
    _cutoffs(text)
    return text


def _check_since(text: str) -> str:
    if text:
        moment(text, "--since")
    return text


Cutoff = Annotated[
    str,
    typer.Option(
        "--cutoff",
        callback=_check_cutoff,
        help="Only what was forecast from this day, or time.",
        show_default=False,
    ),
]
Since = Annotated[
    str,
    typer.Option(
        "--since",
        callback=_check_since,
        help="For days since this one; the newest 13 weeks when left out.",
        show_default=False,
    ),
]
FEW_SERIES, FEW_STEPS = 5, 3
MOST_ISSUES = 30
LEVELS = (80, 95)
PICTURES = (".png", ".svg")


def _picture(path: Path) -> Path:
    return typed.to_write(path, endings=PICTURES)


@app.command("list")
def list_forecasts(
    model: Model = "",
    series: SeriesName = "",
    cutoff: Cutoff = "",
    since: Since = "",
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """List what was forecast, a line for each version and cutoff, with how good it was."""
    from mlops.serving.forecasts import issues, nothing

    choice = _choice(model, series, cutoff, since, as_of)
    found = issues(database(), choice)

    def text() -> None:
        if found.empty:
            raise nothing(choice)
        shown = table("model", "version", "cutoff", "issued", "series", "steps", "forecasts", "outcomes", "WAPE")
        for row in found.head(MOST_ISSUES).to_dict("records"):
            counts = (f"{row[name]:,}" for name in ("series", "steps", "forecasts", "outcomes"))
            wape = "" if row["wape"] != row["wape"] or row["wape"] is None else f"{row['wape']:.1%}"
            times = _stamp(row["cutoff"]), _stamp(row["issued_at"])
            shown.add_row(escape(row["model"]), str(row["version"]), *times, *counts, wape)
        console.print(shown)
        if len(found) > MOST_ISSUES:
            console.print(f"… and {len(found) - MOST_ISSUES:,} older lines: --json shows all")
        if not cutoff:
            console.print(f"for days since {choice.start:%Y-%m-%d}; --since DAY looks farther back")

    emit(found, as_json=as_json, text=text)


@app.command("export")
def export_forecasts(
    file: FrameFile,
    model: Model = "",
    series: SeriesName = "",
    cutoff: Cutoff = "",
    since: Since = "",
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Write stored forecasts with their intervals and outcomes to a file."""
    from mlops.export import write_frame
    from mlops.serving.forecasts import forecasts, nothing

    choice = _choice(model, series, cutoff, since, as_of)
    rows = forecasts(database(), choice)
    if rows.empty:
        raise nothing(choice)
    write_frame(file, rows)
    first, last = rows["ds"].min(), rows["ds"].max()
    text = f"{len(rows):,} forecasts for {first:%Y-%m-%d} to {last:%Y-%m-%d} written to {file}"
    more = "" if cutoff else f"; only days since {choice.start:%Y-%m-%d} were asked for, --since DAY looks farther back"
    document = {"file": file, "rows": len(rows), "first": first, "last": last}
    emit(document, as_json=as_json, text=lambda: console.print(text + more, highlight=False, soft_wrap=True))


@app.command("plot")
def plot_forecast(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", callback=_picture, help="Where to; the ending says what: .png or .svg."),
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

    found = seen(database(), _choice(model, series, cutoff, "", as_of))
    from mlops.serving.plots import picture

    write_whole(file, picture(found, "svg" if file.suffix.lower() == ".svg" else "png"))
    since = int((found.observed["ds"] > found.cutoff).sum())
    text = (
        f"{found.series}: {len(found.forecast)} steps from {found.cutoff:%Y-%m-%d} by {found.model}, {since} of them"
        f" observed since, are drawn in {file}"
    )
    document = {"file": file, "model": found.model, "series": found.series, "cutoff": found.cutoff}
    emit(document, as_json=as_json, text=lambda: console.print(text, highlight=False, soft_wrap=True))


def _choice(model: str, series: str, cutoff: str, since: str, as_of: str) -> "Choice":
    from mlops.serving.forecasts import choose

    known, start = moment(as_of), moment(since, "--since") if since else None
    cutoffs = _cutoffs(cutoff)
    return choose(database(), model=model or None, series=series or None, cutoff=cutoffs, since=start, as_of=known)


def _cutoffs(text: str) -> tuple[datetime, datetime] | None:
    """From and to (not included): a day means every cutoff on it."""
    if not text:
        return None
    first = moment(text, "--cutoff")
    return first, first + (timedelta(days=1) if len(text) == len("2020-03-23") else timedelta(seconds=1))


def _stamp(time: "pd.Timestamp") -> str:
    """A day, with the time where it is not midnight (UTC)."""
    return f"{time:%Y-%m-%d}" if time == time.normalize() else f"{time:%Y-%m-%d %H:%M}"


def first_steps(frame: "pd.DataFrame") -> Columns:
    """The first steps of the first series, with their intervals."""
    shown = table("series", "for", "forecast", *(f"{level} % interval" for level in LEVELS))
    few = _few(frame)
    hours = (few["ds"].dt.normalize() != few["ds"]).any()
    for _, rows in few.groupby("series_id", sort=False):
        places = _places(rows["y_hat"].abs().max())
        for number, row in enumerate(rows.to_dict("records")):
            bounds = (f"{row[f'lo_{level}']:,.{places}f} to {row[f'hi_{level}']:,.{places}f}" for level in LEVELS)
            name = "" if number else escape(str(row["name"]))
            shown.add_row(name, _moment(row["ds"], hours=hours), f"{row['y_hat']:,.{places}f}", *bounds)
    return shown


def rest_of(frame: "pd.DataFrame") -> str:
    """In words how much `first_steps` does not show; empty when it shows all."""
    few = _few(frame)
    if len(few) == len(frame):
        return ""
    series = frame["series_id"].nunique() - few["series_id"].nunique()
    others = f" of these and {series:,} more series" if series else ""
    return f"… and {len(frame) - len(few):,} more forecasts{others}"


def _few(frame: "pd.DataFrame") -> "pd.DataFrame":
    first = frame["series_id"].drop_duplicates().head(FEW_SERIES)
    return frame[frame["series_id"].isin(first)].groupby("series_id", sort=False).head(FEW_STEPS)


def _moment(time: "pd.Timestamp", *, hours: bool) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if hours else f"{time:%Y-%m-%d}"


def _places(value: float) -> int:
    """Decimal places with which numbers of this size are read."""
    return 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
