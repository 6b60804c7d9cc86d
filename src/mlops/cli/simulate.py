"""`mlops simulate`: a waste company whose truth is known, as files to be ingested."""

from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.options import Json
from mlops.cli.output import console, emit, table
from mlops.cli.typed import country as check_country
from mlops.cli.typed import folder as check_folder
from mlops.cli.typed import given
from mlops.errors import typed

if TYPE_CHECKING:
    from mlops.simulation.company import Books

__all__ = ["simulate"]


class Format(StrEnum):
    """The files' format."""

    csv = "csv"
    parquet = "parquet"


def simulate(
    folder: Annotated[
        Path, typer.Argument(callback=check_folder, help="Where to; files of the same names are replaced.")
    ],
    customers: Annotated[int, typer.Option(help="How many customers.", min=1)] = 100,
    routes: Annotated[int, typer.Option(help="How many routes; each has a vehicle and a driver.", min=1)] = 8,
    years: Annotated[float, typer.Option(help="How many years, from 2023 on.", min=0.25, max=50)] = 3.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.", min=0)] = 0,
    country: Annotated[
        str, typer.Option(callback=given(check_country), help="ISO code for public holidays; empty for none.")
    ] = "NZ",
    form: Annotated[Format, typer.Option("--format", help="csv or parquet.")] = Format.csv,
    as_json: Json = False,
) -> None:
    """Write the observations of a simulated waste company, and what really went on in it."""
    from mlops.simulation.company import Company, simulate_company, write_books

    began = perf_counter()
    with typed():
        company = Company(customers, routes, years, country or None)
    books = simulate_company(company, seed)
    files = write_books(books, folder, form.value)
    rows, seconds = books.truth["rows"], perf_counter() - began
    done = {"files": files, "rows": rows, "series": books.series, "seconds": seconds}
    emit(done, as_json=as_json, text=lambda: _print(books, files, seconds))


def _print(books: "Books", files: dict[str, Path], seconds: float) -> None:
    truth, rows = books.truth, books.truth["rows"]
    company = truth["company"]
    console.print(
        f"{company['customers']:,} customers on {company['routes']:,} routes, {company['first']} to {company['last']}:"
        f" {books.series:,} series, {rows['observations'] + rows['late']:,} observations ({seconds:.1f} s)\n",
        soft_wrap=True,
    )
    shown = table("file", "rows", "what", title=escape(str(next(iter(files.values())).parent)))
    left = sum(customer["last"] is not None for customer in truth["customers"])
    causes = f"{left} customers left, {len(truth['failures'])} vehicles broke, {len(truth['dead_sensors'])} dead sensor"
    words = {
        "observations": "known when their period ended",
        "late": "known 1 to 14 days later",
        "corrections": "replace values that were too low",
        "arrivals": "when each late or corrected value became known",
        "events": f"{len(truth['events'])} storms and strikes, for --events",
        "truth": causes + ", 1 level shift …",
    }
    for name, path in files.items():
        shown.add_row(path.name, f"{rows[name]:,}" if name in rows else "", words[name])
    console.print(shown)
    console.print("\n[bold]Try next[/]")
    for name in ("observations", "late", "corrections"):
        known = " --known-at observed" if name == "observations" else ""
        console.print(f"  mlops series ingest {files[name]}{known}", highlight=False, soft_wrap=True, markup=False)
