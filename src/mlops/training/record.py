"""What a model keeps of its training besides the lineage, in files of its own: enough to say what has changed since.

It holds which observations were learned from, and never their values: those stay in the database.
"""

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlops.domain.granularity import GRANULARITIES
from mlops.feature_store.digest import Fingerprint, fingerprint
from mlops.panels.calendar import Calendar

__all__ = ["Record", "public_holidays"]

DELTAS = dict.fromkeys(("series_id", "ds"), "DELTA_BINARY_PACKED")
"""A regular series takes a few bytes this way, however long it is."""


@dataclass(frozen=True)
class Record:
    """Which observations (`series_id, ds`) a training learned from, their `data`, and what it could depend on.

    `distributions` are all that were installed, by name; `holidays` those of the country, name by day, from the year of
    the first observation to that of the last forecast.
    """

    observations: pd.DataFrame
    data: Fingerprint
    distributions: dict[str, str]
    holidays: dict[str, str]

    @classmethod
    def of(cls, frame: pd.DataFrame, distributions: dict[str, str], known_days: dict[str, str]) -> "Record":
        """The record of a training on a frame `series_id, ds, y` and covariates."""
        return cls(frame.loc[frame["y"].notna(), ["series_id", "ds"]], fingerprint(frame), distributions, known_days)

    def files(self) -> dict[str, bytes]:
        """The files that `read` takes, by name."""
        packed, table = BytesIO(), pa.Table.from_pandas(self.observations, preserve_index=False)
        texts = [name for name in DELTAS if pa.types.is_string(table.schema.field(name).type)]  # series of a file
        encoded = {name: encoding for name, encoding in DELTAS.items() if name not in texts}
        pq.write_table(table, packed, use_dictionary=texts, column_encoding=encoded, compression="zstd")
        return {
            "observations.parquet": packed.getvalue(),
            "parts.parquet": bytes(self.data.parts.to_parquet(index=False)),
            "columns.json": json.dumps(self.data.columns, indent=1).encode(),
            "distributions.json": json.dumps(self.distributions, indent=1).encode(),
            "holidays.json": json.dumps(self.holidays, indent=1).encode(),
        }

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """The record in a folder."""
        columns, distributions, known_days = (
            json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            for name in ("columns", "distributions", "holidays")
        )
        parts = pd.read_parquet(folder / "parts.parquet")
        return cls(
            pd.read_parquet(folder / "observations.parquet"), Fingerprint(columns, parts), distributions, known_days
        )


def public_holidays(
    country: str | None, first: pd.Timestamp, last: pd.Timestamp, horizon: int, granularity: str
) -> dict[str, str]:
    """The public holidays of the years from `first` to `horizon` steps after `last`, name by day."""
    end = last + horizon * GRANULARITIES[granularity].longest_step
    days = Calendar.of(country).days(first.replace(month=1, day=1).date(), end.replace(month=12, day=31).date())
    return {f"{day:%Y-%m-%d}": "; ".join(names) for day, names in days.groupby("ds")["name"]}
