"""`mlops explain`, `mlops what-if` and `mlops series effects`: why, and what would be."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, store
from mlops.cli.options import AsOf, Json, MetricType, ModelFile, OwnHorizon, Uri
from mlops.cli.output import console, emit, table
from mlops.cli.typed import country as check_country
from mlops.cli.typed import events_file
from mlops.cli.typed import granularity as check_granularity
from mlops.errors import Misused, quoted

__all__ = ["effects", "explain", "what_if"]

SHOWN = 15
"""Parts of a forecast; the rest are summed."""
FORECASTS = ("y_hat", "y_hat_what_if", "difference")
COLUMNS = "event,first[,last[,announced]]"


def _check_day(text: str) -> str:
    _day(text)
    return text


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

    found = run(
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
        what = found.series[0] if len(found.series) == 1 else f"{len(found.series)} series"
        days = f"{found.first:%Y-%m-%d}" + (f" to {found.last:%Y-%m-%d}" if found.last > found.first else "")
        console.print(f"[bold]{escape(what)}[/], {days}, from {found.cutoff:%Y-%m-%d} by {found.version.uri}")
        shown = table("part", "of", "contribution", "share")
        rows, places = found.contributions.to_dict("records"), _places(found.forecast)
        for row in rows[:SHOWN]:
            if row["contribution"]:
                figures = f"{row['contribution']:+,.{places}f}", f"{row['share']:+.1%}"
                shown.add_row(escape(row["part"]), row["component"], *figures)
        rest = [row for row in rows[SHOWN:] if row["contribution"]]
        if rest:
            sums = sum(row["contribution"] for row in rest), sum(row["share"] for row in rest)
            shown.add_row(f"{len(rest)} smaller parts", "", f"{sums[0]:+,.{places}f}", f"{sums[1]:+.1%}")
        shown.add_row("[bold]forecast[/]", "", f"[bold]{found.forecast:,.{places}f}[/]", "")
        console.print(shown)

    emit(found, as_json=as_json, text=text)


def what_if(
    uri: Uri,
    events: Annotated[
        Path, typer.Option(callback=events_file, help=f"CSV of all events of the days ahead: {COLUMNS}.")
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
    found = suppose(
        database(), store(), uri, given, horizon=horizon, as_of=moment(as_of, model=uri, file=file), file=file
    )

    def text() -> None:
        console.print(f"from {found.cutoff:%Y-%m-%d} by {found.version.uri}")
        shown = table("series", "forecast", "what if", "difference", "change")
        rows = found.totals[["name", *FORECASTS]].to_dict("records")
        places = _places(found.totals["y_hat"].max())
        for row in [*rows, {"name": "all", **found.totals[list(FORECASTS)].sum()}]:
            share = row["difference"] / row["y_hat"] if row["y_hat"] else float("nan")
            shown.add_row(
                escape(str(row["name"])), *(f"{row[name]:,.{places}f}" for name in FORECASTS), f"{share:+.1%}"
            )
        console.print(shown)
        for note in found.notes:
            console.print(f"  note: {note}", markup=False, highlight=False)

    emit(found, as_json=as_json, text=text)


def effects(
    events: Annotated[
        Path | None,
        typer.Option(callback=events_file, help=f"CSV of your own days: {COLUMNS}.", show_default=False),
    ] = None,
    country: Annotated[str, typer.Option(callback=check_country, help="ISO code for public holidays.")] = "",
    metric_type: MetricType = "",
    granularity: Annotated[
        str, typer.Option(callback=check_granularity, help="Of the series: hourly, daily, weekly …")
    ] = "daily",
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Measure by how much holidays and your own events change the values of their days."""
    from mlops.panels.calendar import read_events
    from mlops.training.effects import effects as run

    if events is None and not country:
        raise Misused("no day is named; pass --events FILE, --country CODE or both")
    given = read_events(events) if events is not None else ()
    found = run(
        database(),
        given,
        country=country or None,
        metric_type=metric_type,
        granularity=granularity,
        as_of=moment(as_of, metric_type=metric_type, granularity=granularity),
    )

    def text() -> None:
        shown = table("event", "times", "days", "years", "effect", "95 % interval", "lowest", "highest")
        for row in found.to_dict("records"):
            interval = (
                f"{row['lo_95']:+.1%} to {row['hi_95']:+.1%}" if row["occurrences"] > 1 else "happened once: none"
            )
            times = (str(row["occurrences"]), str(row["days"]), _years(row["years"]))
            ends = (f"{escape(str(row[f'{end}_series']))} {row[end]:+.0%}" for end in ("lowest", "highest"))
            shown.add_row(escape(row["event"]), *times, f"{row['effect']:+.1%}", interval, *ends)
        console.print(shown if len(found) else "none of these days lies in the data")

    emit(found, as_json=as_json, text=text)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misused(f"--date: {quoted(text)} is not a day; expected one like 2020-03-23") from error


def _places(largest: float) -> int:
    """Decimal places with which numbers of this size are read."""
    return 0 if abs(largest) >= 1000 else 2 if abs(largest) >= 10 else 4


def _years(years: list[int]) -> str:
    return f"{years[0]}" if len(years) == 1 else f"{years[0]}-{years[-1]}"
