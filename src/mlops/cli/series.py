"""`mlops series …`: observations in and out, and what there is."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.context import database
from mlops.cli.output import console, emit, progress, table

if TYPE_CHECKING:
    from mlops.series.ingest import IngestReport

__all__ = ["app"]

app = typer.Typer(help="Observations: bring them in, look at them, take them out.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
MetricTypeOption = Annotated[str | None, typer.Option("--metric-type", help="Only series of this metric type.")]


class OnError(StrEnum):
    """What a row that can't be taken refuses."""

    refuse = "refuse"
    quarantine = "quarantine"


class KnownAt(StrEnum):
    """When a new observation became known."""

    now = "now"
    observed = "observed"


@app.command()
def ingest(
    file: Annotated[Path, typer.Argument(help="The file; `auckland` with --adapter auckland means the demo's data.")],
    adapter: Annotated[str, typer.Option(help="The file's format: long, austin or auckland.")] = "long",
    on_error: Annotated[OnError, typer.Option(help="A bad row refuses the file, or only itself.")] = OnError.refuse,
    timezone: Annotated[str | None, typer.Option(help="Zone of times that name none, like Pacific/Auckland.")] = None,
    known_at: Annotated[
        KnownAt, typer.Option(help="Known now, or (for a history to be replayed) when its own period ended.")
    ] = KnownAt.now,
    by: Annotated[str | None, typer.Option(help="Grouping of the adapter austin: stream or route.")] = None,
    as_json: Json = False,
) -> None:
    """Store the observations of a file, each once; exit 1 when a row was refused."""
    from mlops.series import ingest as room

    with progress() as bar:
        task = bar.add_task(f"reading {file}", total=None, note="")
        report = room.ingest(
            database(),
            file,
            adapter=adapter,
            on_error=on_error.value,
            timezone=timezone,
            known_at=known_at.value,
            by=by,
            progress=lambda rows: bar.update(task, note=f"{rows:,} rows"),
        )
    emit(report, as_json=as_json, text=lambda: _tell(report))
    if report.refused:
        raise typer.Exit(1)


@app.command("list")
def list_series(metric_type: MetricTypeOption = None, as_json: Json = False) -> None:
    """List the series with how much there is of each."""
    from mlops.series import read

    found = read.list_series(database(), metric_type)

    def text() -> None:
        shown = table("id", "metric type", "granularity", "where", "observations", "first", "last", "quality")
        for row in found.to_dict("records"):
            quality = "" if row["quality"] is None else f"{row['quality']:.2f}"
            shown.add_row(
                str(row["series_id"]), row["metric_type"], row["granularity"], _where(row), f"{row['observations']:,}",
                _day(row["first"]), _day(row["last"]), quality,
            )  # fmt: skip
        console.print(shown if len(found) else "there is no series yet; bring data in with `mlops series ingest FILE`")

    emit(found, as_json=as_json, text=text)


@app.command()
def show(
    series_id: Annotated[int, typer.Argument(help="An id of `mlops series list`.")], as_json: Json = False
) -> None:
    """Show one series and its newest observations."""
    from mlops.series import read

    found = read.show_series(database(), series_id)

    def text() -> None:
        console.print(f"[bold]{found['metric_type']}[/] ({found['unit']}), {found['granularity']}, {_where(found)}")
        span = f", {found['first']:%Y-%m-%d} to {found['last']:%Y-%m-%d}" if found["observations"] else ""
        console.print(f"{found['observations']:,} observations{span}, {found['corrections']:,} corrections")
        latest = table("observed at", "value", "quality", "recorded at")
        for row in found["latest"]:
            quality = "" if row["quality_score"] is None else f"{row['quality_score']:g}"
            latest.add_row(
                f"{row['observed_at']:%Y-%m-%d %H:%M}",
                f"{row['value']:g}",
                quality,
                f"{row['recorded_at']:%Y-%m-%d %H:%M}",
            )
        console.print(latest)

    emit(found, as_json=as_json, text=text)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to; the ending says what: .csv, .csv.gz or .parquet.")],
    metric_type: MetricTypeOption = None,
    series: Annotated[list[int] | None, typer.Option("--series", help="Only this series; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Write observations in the long format, which `ingest` takes."""
    from mlops.series import export as room

    rows = room.export(database(), file, metric_type=metric_type, series_ids=series or None)
    emit({"file": file, "rows": rows}, as_json=as_json, text=lambda: console.print(f"{rows:,} rows written to {file}"))


def _tell(report: "IngestReport") -> None:
    counts = f"{report.inserted:,} new, {report.corrected:,} corrected, {report.unchanged:,} were there, {report.refused:,} refused"
    console.print(
        f"{report.source}: [bold]{report.status}[/]; {report.read:,} rows read: {counts} ({report.seconds:.1f} s)"
    )
    for note in report.notes:
        console.print(f"  note: {note}", markup=False)
    for row in report.reasons:
        console.print(f"  {row}", markup=False, highlight=False)
    if report.refused > len(report.reasons):
        console.print("  all of them are in analytics.refused_rows")


def _where(row: dict[str, Any]) -> str:
    """The place of a series in one phrase."""
    places = [
        f"{name} {row[f'{name}_id']}"
        for name in ("customer", "route", "vehicle", "driver", "site")
        if row[f"{name}_id"]
    ]
    labels = [f"{name}={value}" for name, value in row["labels"].items()]
    return ", ".join(places + labels) or "everywhere"


def _day(stamp: Any) -> str:
    return "" if stamp is None or stamp != stamp else f"{stamp:%Y-%m-%d}"
