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
        columns = ("event", "first", "last", "announced")
        events = [(event.name, event.first, event.last, event.announced) for event in books.events]
        files |= {"events": folder / "events.csv", "truth": folder / "truth.json"}
        pd.DataFrame(events, columns=columns).to_csv(files["events"], index=False)
        files["truth"].write_text(json.dumps(books.truth, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"can't be written: {error.strerror or error}", where=str(folder)) from error
    return files


def _write(frame: pd.DataFrame, path: Path) -> Path:
    """Text as text, times to the second (Parquet keeps milliseconds at least)."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    schema = []
    for field in table.schema:
        kind = field.type if pa.types.is_floating(field.type) else pa.string()
        schema.append((field.name, pa.timestamp("s", tz="UTC") if pa.types.is_timestamp(field.type) else kind))
    table = table.cast(pa.schema(schema))
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        arrow_csv.write_csv(table, path)
    return path
