"""The rows that could not be taken, each with its reason, on disk until they are stored: a file may hold millions."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from mlops.domain.series import RefusedKind
from mlops.files import placed
from mlops.series.adapters import REFUSED_COLUMNS

__all__ = ["Refusals"]

SCHEMA = pa.schema([(name, pa.int64() if name == "line" else pa.string()) for name in REFUSED_COLUMNS])
SHOWN = 20
NUMBERED = re.compile(r"(?<![\w#])(?:-?\d[\d.:-]*(?: \(-?[\d.e+-]+\))?(?:, )?)+")
"""Numbers and lists of them, which tell apart reasons of the same kind."""
MOST_KINDS = 100
OTHER = "and other reasons; all of them are in analytics.refused_rows"


class Refusals:
    """How many `rows` were refused, the `first` reasons, and all of them in chunks."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        with placed(self._folder):
            self._file = tempfile.TemporaryFile(prefix="mlops-refused-", dir=folder)  # noqa: SIM115  closed by __exit__
        self._writer = pa.ipc.new_stream(self._file, SCHEMA)
        self.rows = 0
        self._kinds: dict[tuple[str | None, str], RefusedKind] = {}
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
        # Postgres holds no NUL character, neither in text nor in JSON
        texts = {
            name: reasons[name].str.replace("\0", "�").str.replace("\\u0000", "�")
            for name in ("found", "reason", "raw")
        }
        storable = reasons[list(REFUSED_COLUMNS)].assign(**texts)
        with placed(self._folder):
            self._writer.write_table(pa.Table.from_pandas(storable, SCHEMA, preserve_index=False))
        self._count(storable)
        known = storable if self.first.empty else pd.concat([self.first, storable])
        self.first = known.sort_values(["line", "column_name"], kind="stable")[:SHOWN]

    @property
    def kinds(self) -> tuple[RefusedKind, ...]:
        """The refused rows by column and reason, the most frequent first; a row with two reasons counts in both."""
        return tuple(sorted(self._kinds.values(), key=lambda kind: (-kind.rows, kind.first_line)))

    def _count(self, reasons: pd.DataFrame) -> None:
        codes, distinct = pd.factorize(reasons["reason"])
        alike = pd.Series([NUMBERED.sub("#", reason) for reason in distinct], dtype=object).take(codes).to_numpy()
        columns = reasons["column_name"].astype(object).where(reasons["column_name"].notna(), None)
        for (column, kind), rows in reasons.groupby([columns, alike], dropna=False, sort=False):
            first = rows.iloc[int(rows["line"].argmin())]
            key = (column if isinstance(column, str) else None, str(kind))
            if key not in self._kinds and len(self._kinds) == MOST_KINDS:
                key = (None, OTHER)
            here = RefusedKind(
                len(rows),
                key[0],
                OTHER if key[1] == OTHER else str(first["reason"]),
                int(rows["line"].min()),
                int(rows["line"].max()),
                None if pd.isna(first["found"]) else str(first["found"]),
            )
            before = self._kinds.get(key)
            if before is not None:
                earliest = min(before, here, key=lambda each: each.first_line)
                here = replace(earliest, rows=before.rows + here.rows, last_line=max(before.last_line, here.last_line))
            self._kinds[key] = here

    def chunks(self) -> Iterator[pd.DataFrame]:
        """All reasons, in the order in which they came; nothing can be added any more."""
        with placed(self._folder):
            self._writer.close()
            self._file.seek(0)
        for batch in pa.ipc.open_stream(self._file):
            yield batch.to_pandas()
