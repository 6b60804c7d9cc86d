"""The rows that could not be taken, each with its reason, on disk until they are stored: a file may hold millions."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from mlops.files import placed
from mlops.series.adapters import REFUSED_COLUMNS

__all__ = ["Refusals"]

SCHEMA = pa.schema([(name, pa.int64() if name == "line" else pa.string()) for name in REFUSED_COLUMNS])
SHOWN = 20


class Refusals:
    """How many `rows` were refused, the `first` reasons, and all of them in chunks."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        with placed(self._folder):
            self._file = tempfile.TemporaryFile(prefix="mlops-refused-", dir=folder)  # noqa: SIM115  closed by __exit__
        self._writer = pa.ipc.new_stream(self._file, SCHEMA)
        self.rows = 0
        self.first = pd.DataFrame(columns=list(REFUSED_COLUMNS))
        """The first reasons by line and column, at most SHOWN."""

    def __exit__(self, *_: object) -> None:
        with placed(self._folder):
            self._writer.close()
            self._file.close()

    def add(self, reasons: pd.DataFrame, rows: int) -> None:
        """Keep the reasons (at least one per row) why this many rows were refused."""
        if not rows:
            return
        self.rows += rows
        storable = _storable(reasons[list(REFUSED_COLUMNS)])
        with placed(self._folder):
            self._writer.write_table(pa.Table.from_pandas(storable, SCHEMA, preserve_index=False))
        known = storable if self.first.empty else pd.concat([self.first, storable])
        self.first = known.sort_values(["line", "column_name"], kind="stable")[:SHOWN]

    def chunks(self) -> Iterator[pd.DataFrame]:
        """All reasons, in the order in which they came; nothing can be added any more."""
        with placed(self._folder):
            self._writer.close()
            self._file.seek(0)
        for batch in pa.ipc.open_stream(self._file):
            yield batch.to_pandas()


def _storable(refused: pd.DataFrame) -> pd.DataFrame:
    """Postgres holds no NUL character, neither in text nor in JSON."""
    texts = {
        name: refused[name].str.replace("\0", "�").str.replace("\\u0000", "�") for name in ("found", "reason", "raw")
    }
    return refused.assign(**texts)
