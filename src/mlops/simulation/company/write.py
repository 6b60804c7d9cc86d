"""A simulated company as files: deliveries that `mlops series ingest` takes, events, and the truth."""

import json
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from mlops.errors import BadInput
from mlops.simulation.company.books import Books

__all__ = ["Format", "write_books"]

Format = Literal["csv", "parquet"]


def write_books(books: Books, folder: Path, form: Format = "csv") -> dict[str, Path]:
    """The files by what they hold; files of the same names are replaced. Raises BadInput if they can't be written.

    observations, late and corrections are in the long input format, to be ingested in this order; arrivals says when
    each late or corrected value became known (UTC) and what stood there before.
    """
    frames = {
        "observations": books.arrivals.observations,
        "late": books.arrivals.late,
        "corrections": books.arrivals.corrections,
        "arrivals": books.arrivals.log,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {name: _write(frame, folder / f"{name}.{form}") for name, frame in frames.items()}
        files["events"] = _events(books, folder / "events.csv")
        files["truth"] = folder / "truth.json"
        files["truth"].write_text(json.dumps(books.truth, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"can't be written: {error.strerror or error}", where=str(folder)) from error
    return files


def _write(frame: pd.DataFrame, path: Path) -> Path:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.cast(pa.schema([(field.name, _kind(field.type)) for field in table.schema]))
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        arrow_csv.write_csv(table, path)
    return path


def _kind(found: pa.DataType) -> pa.DataType:
    """Text as text, times to the second (Parquet keeps milliseconds at least)."""
    if pa.types.is_timestamp(found):
        return pa.timestamp("s", tz="UTC")
    return found if pa.types.is_floating(found) else pa.string()


def _events(books: Books, path: Path) -> Path:
    columns = ("event", "first", "last", "announced")
    rows = [(event.name, event.first, event.last, event.announced) for event in books.events]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path
