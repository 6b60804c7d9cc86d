"""`mlops series …`: observations in and out, and what there is."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, settings
from mlops.cli.options import LARGEST_ID, TABLES, AsOf, Json, Level, MetricType, with_nouns
from mlops.cli.output import console, emit, progress, table
from mlops.cli.series.edits import delete, redate
from mlops.cli.typed import EVENT_COLUMNS, given, metric_type, reads, time_zone, to_read, to_write
from mlops.cli.typed import country as check_country
from mlops.cli.typed import granularity as check_granularity
from mlops.errors import Misused

if TYPE_CHECKING:
    from mlops.series.ingest import IngestReport
    from mlops.series.read import ShownSeries

__all__ = ["app"]

app = typer.Typer(help="Observations: bring them in, look at them, take them out.", no_args_is_help=True)
app.command()(delete)
app.command()(redate)
metric = typer.Typer(help="Metric types: what can be measured.", no_args_is_help=True)
app.add_typer(metric, name="metric")
MetricTypeOption = Annotated[
    str | None, typer.Option("--metric-type", callback=metric_type, help="Only series of this metric type.")
]


KINDS = 10
"""Of the reasons for which rows were refused so many are printed, the most frequent first. Chosen, not measured."""


class OnError(StrEnum):
    """What a row that can't be taken refuses."""

    refuse = "refuse"
    quarantine = "quarantine"


class Stamp(StrEnum):
    """Which end of its step a time names."""

    begin = "begin"
    end = "end"


class KnownAt(StrEnum):
    """When a new observation became known."""

    auto = "auto"
    now = "now"
    observed = "observed"


@dataclass(frozen=True)
class Reading:
    """How a file is read: what its columns don't say."""

    adapter: Annotated[
        str, typer.Option(help="The file's format: long, austin or auckland; auto tells it from the columns.")
    ] = "auto"
    timezone: Annotated[
        str | None,
        typer.Option(
            callback=given(time_zone), help="Zone of the series, and of times without offset, like Pacific/Auckland."
        ),
    ] = None
    stamp: Annotated[
        Stamp, typer.Option(help="Times name the beginning of their step, or (as of pandas' resample) its end.")
    ] = Stamp.begin
    known_at: Annotated[
        KnownAt,
        typer.Option(
            help="When new rows became known: now, when their own period ended (observed), or (auto) the latter in the"
            " first file of a series and now in those after it."
        ),
    ] = KnownAt.auto
    metric_type: Annotated[
        str | None,
        typer.Option(
            callback=metric_type, help="What is measured; of a file that says so, only the rows of this metric type."
        ),
    ] = None
    granularity: Annotated[
        str,
        typer.Option(
            callback=given(check_granularity),
            help="daily, weekly … or pandas' alias, where no column says it; a file series_id, ds, y shows it.",
        ),
    ] = ""
    by: Annotated[str | None, typer.Option(help="Grouping of the adapter austin: stream or route.")] = None


@app.command()
@with_nouns
def ingest(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file; `auckland` means the demo's data.")],
    reading: Reading,
    on_error: Annotated[OnError, typer.Option(help="A bad row refuses the file, or only itself.")] = OnError.refuse,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="One transaction; new months are loaded alone and attached whole.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Store the observations of a file (long format, or series_id, ds, y), each once; exit 1 when a row was refused."""
    from mlops.series import ingest as room
    from mlops.series.adapters import check_source, is_installed

    if not is_installed(file):
        to_read(file)
    check_source(file, reading.adapter, reading.by)
    with progress() as bar:
        task = bar.add_task(f"reading {file}", total=None, note="")
        begun = [("", 0.0)]

        def report_rows(step: str, rows: int, total: int | None) -> None:
            if begun[0][0] != step:
                begun[0] = (step, perf_counter())
                bar.reset(task, description=f"{step} {file}", total=total)
            speed = rows / max(perf_counter() - begun[0][1], 0.1)
            bar.update(task, completed=rows, note=f"{rows:,} rows, {speed:,.0f} rows/s")

        report = room.ingest(
            database(),
            file,
            adapter=reading.adapter,
            on_error=on_error.value,
            timezone=reading.timezone,
            stamp=reading.stamp.value,
            known_at=reading.known_at.value,
            by=reading.by,
            backfill=backfill,
            metric_type=reading.metric_type,
            granularity=reading.granularity or None,
            temporary=settings().root,
            progress=report_rows,
        )
    emit(report, as_json=as_json, text=lambda: _print_report(report))
    if report.refused:
        raise typer.Exit(1)


@app.command("list")
def list_series(metric_type: MetricTypeOption = None, level: Level = "", as_json: Json = False) -> None:
    """List the series with how much there is of each, archived months included."""
    from mlops.series import read

    frame = read.list_series(database(), metric_type, level or None)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")

    def text() -> None:
        shown = table("id", "series", "level", "measures", "observations", "first", "last", "quality")
        for row in rows:
            what = (escape(str(row["name"])), row["level"], f"{row['metric_type']} {row['granularity']}")
            there = "a total" if row["total"] else f"{row['observations']:,}"
            counts = (there, _day(row["first"]), _day(row["last"]), _figure(row["quality"], ".2f"))
            shown.add_row(str(row["series_id"]), *what, *counts)
        of = (f" of {metric_type}" if metric_type else "") + (f" of the level {level}" if level else "")
        console.print(shown if rows else f"there is no series{of} yet; bring data in with `mlops series ingest FILE`")

    emit(rows, as_json=as_json, text=text)


@app.command()
def show(
    series: Annotated[str, typer.Argument(help="A name or id, as in `mlops series list`.")], as_json: Json = False
) -> None:
    """Show one series and its newest observations."""
    from mlops.series import read

    known = read.show_series(database(), series)

    def text() -> None:
        name = f"[bold]{escape(known.name)}[/] (series {known.series_id})"
        what = f"{name}: {known.metric_type} ({known.unit}), {known.granularity}, {known.time_zone}"
        console.print(f"{what}, {_where(known)}, level {known.level}")
        span = f", {known.first:%Y-%m-%d} to {known.last:%Y-%m-%d}" if known.observations else ""
        console.print(f"{known.observations:,} observations{span}, {known.corrections:,} corrections")
        latest = table("observed at", "value", "quality", "recorded at")
        for row in known.latest:
            times = f"{row.observed_at:%Y-%m-%d %H:%M}", f"{row.recorded_at:%Y-%m-%d %H:%M}"
            latest.add_row(times[0], f"{row.value:g}", _figure(row.quality_score, "g"), times[1])
        console.print(latest)

    emit(known, as_json=as_json, text=text)


@app.command()
def export(
    file: Annotated[
        Path,
        typer.Argument(
            callback=given(to_write, endings=TABLES), help="Where to; the ending says what: .csv, .csv.gz or .parquet."
        ),
    ],
    metric_type: MetricTypeOption = None,
    series: Annotated[
        list[int] | None, typer.Option("--series", min=1, max=LARGEST_ID, help="Only this series; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write observations in the long format, which `ingest` takes."""
    from mlops.series import export as room

    rows = room.export_series(database(), file, metric_type=metric_type, series_ids=series or None)
    emit({"file": file, "rows": rows}, as_json=as_json, text=lambda: console.print(f"{rows:,} rows written to {file}"))


@metric.command("list")
def list_metrics(as_json: Json = False) -> None:
    """List the metric types: what they measure, how they add up, the values that are possible."""
    from mlops.series.metrics import list_metric_types

    types = list_metric_types(database())

    def text() -> None:
        shown = table("metric type", "unit", "adds up as", "from", "to", "without a value", "series")
        for row in types:
            bounds = (_figure(row.min_value, "g"), _figure(row.max_value, "g"))
            shown.add_row(row.name, row.unit, row.aggregate, *bounds, row.absence, f"{row.series:,}")
        console.print(shown)

    emit(types, as_json=as_json, text=text)


@metric.command("add")
def add_metric(
    name: Annotated[str, typer.Argument(help="What is measured, like cash_withdrawn: small letters, digits and _.")],
    unit: Annotated[str, typer.Option(help="The unit of its values, like kg, count or percent.")],
    aggregate: Annotated[str, typer.Option(help="How values add up over time: sum, mean, max or last.")] = "sum",
    min_value: Annotated[float | None, typer.Option(help="The smallest possible value; none when left out.")] = None,
    max_value: Annotated[float | None, typer.Option(help="The largest possible value; none when left out.")] = None,
    absence: Annotated[
        str, typer.Option(help="What a step without a value means: zero (of what is counted), or nothing.")
    ] = "nothing",
    as_json: Json = False,
) -> None:
    """Declare a metric type; the same again changes nothing."""
    from mlops.series.metrics import add_metric_type, check_metric_type

    check_metric_type(name, unit, aggregate, min_value, max_value, absence)
    added = add_metric_type(
        database(), name, unit=unit, aggregate=aggregate, min_value=min_value, max_value=max_value, absence=absence
    )
    text = f"{name} ({unit}) is declared" if added else f"{name} ({unit}) was declared so already; nothing was changed"
    emit({"name": name, "unit": unit, "added": added}, as_json=as_json, text=lambda: console.print(text, markup=False))


@app.command("profile")
def profile_series(metric_type: MetricTypeOption = None, as_json: Json = False) -> None:
    """Find the seasons, trend and gaps of each series and keep them with it, in `analytics.series.seasonality`."""
    from mlops.series import seasonality

    done = seasonality.store_profiles(database(), metric_type=metric_type)
    text = f"{done['series']:,} series profiled, {done['written']:,} profiles written, the others had not changed"
    emit(done, as_json=as_json, text=lambda: console.print(text))


@app.command()
def effects(
    events: Annotated[
        Path | None,
        typer.Option(
            callback=reads("--events"),
            help=f"CSV of your own days: {EVENT_COLUMNS}.",
            show_default=False,
        ),
    ] = None,
    country: Annotated[str, typer.Option(callback=given(check_country), help="ISO code for public holidays.")] = "",
    metric_type: MetricType = "",
    granularity: Annotated[
        str, typer.Option(callback=given(check_granularity), help="Of the series: hourly, daily, weekly …")
    ] = "daily",
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Measure by how much holidays and your own events change the values of their days."""
    from mlops.panels.calendar import read_events
    from mlops.training.effects import effects as run

    if events is None and not country:
        raise Misused("no day is named; pass --events FILE, --country CODE or both")
    own = read_events(events) if events is not None else ()
    measured = run(
        database(),
        own,
        country=country or None,
        metric_type=metric_type,
        granularity=granularity,
        as_of=moment(as_of, metric_type=metric_type, granularity=granularity),
    )

    def text() -> None:
        shown = table("event", "times", "days", "years", "effect", "95 % interval", "lowest", "highest")
        for row in measured.to_dict("records"):
            interval = (
                f"{row['lo_95']:+.1%} to {row['hi_95']:+.1%}" if row["occurrences"] > 1 else "happened once: none"
            )
            years = row["years"]
            span = f"{years[0]}" if len(years) == 1 else f"{years[0]}-{years[-1]}"
            times = (str(row["occurrences"]), str(row["days"]), span)
            ends = (f"{escape(str(row[f'{end}_series']))} {row[end]:+.0%}" for end in ("lowest", "highest"))
            shown.add_row(escape(row["event"]), *times, f"{row['effect']:+.1%}", interval, *ends)
        console.print(shown if len(measured) else "none of these days lies in the data")

    emit(measured, as_json=as_json, text=text)


def _print_report(report: "IngestReport") -> None:
    done = f"{report.inserted:,} new, {report.corrected:,} corrected, {report.unchanged:,} were there"
    speed = f"{report.seconds:.1f} s, {report.rows_per_second:,.0f} rows/s"
    console.print(f"{report.status}: {report.source} ({speed})", markup=False, soft_wrap=True)
    console.print(f"{report.read:,} rows read: {done}, {report.refused:,} refused")
    if report.attached:
        console.print(f"{report.attached} months were loaded alone and attached whole")
    for line in (*(f"note: {note}" for note in report.notes), *map(str, report.kinds[:KINDS])):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    if report.refused:
        more = f"{len(report.kinds) - KINDS} more reasons, and " if len(report.kinds) > KINDS else ""
        console.print(f"  {more}every refused row with its reason: analytics.refused_rows", highlight=False)


def _where(series: "ShownSeries") -> str:
    """The place of a series in one phrase."""
    places = ("customer", "route", "vehicle", "driver", "site")
    named = [f"{name} {place}" for name in places if (place := getattr(series, f"{name}_id"))]
    labels = [f"{name}={value}" for name, value in series.labels.items()]
    return escape(", ".join(named + labels) or "everywhere")


def _day(stamp: Any) -> str:
    return "" if stamp is None else f"{stamp:%Y-%m-%d}"


def _figure(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)
