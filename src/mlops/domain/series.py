"""The nouns of what comes in: the long format, a refused row, and what became of a file."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = [
    "IDENTITY",
    "LEVELS",
    "LONG_COLUMNS",
    "NUMBERS",
    "PLACE",
    "REQUIRED",
    "SEPARATOR",
    "IngestReport",
    "RefusedKind",
    "RefusedRow",
]

REQUIRED = ("metric_type", "observed_at", "value")
PLACE = ("customer_id", "route_id", "vehicle_id", "driver_id", "site_id")
"""Where or at whom something is measured; any of them may be absent."""
LEVELS = ("customer", "driver", "vehicle", "route", "site", "company")
"""Whose figures a series has, by the finest of its places (`analytics.series.level`), from the finest on."""
SEPARATOR = " · "
"""Between the places and labels of a series in its name, as in `analytics.series_name`."""
IDENTITY = ("tenant_id", "metric_type", "granularity", *PLACE, "labels")
"""What distinguishes series."""
NUMBERS = ("value", "value_lower", "value_upper", "quality_score")
LONG_COLUMNS = (*REQUIRED, *PLACE, "tenant_id", "granularity", "time_zone", *NUMBERS[1:], "labels")
"""The long format: one row is one observation. A value carries the beginning of its step; one of a day or longer 00:00
UTC of the local date on which that begins. The time zone does not distinguish series."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that could not be taken: where it stands, what was found, and what would do."""

    source: str
    line: int
    column: str | None
    found: str | None
    reason: str

    def __str__(self) -> str:
        column = "" if self.column is None else f", column {self.column}"
        value = "" if self.found is None else f"found {self.found!r}; "
        return f"{self.source}, line {self.line}{column}: {value}{self.reason}"


@dataclass(frozen=True, slots=True)
class RefusedKind:
    """Rows that could not be taken for the same reason: how many, which lines they span, and the first as example."""

    rows: int
    column: str | None
    reason: str
    first_line: int
    last_line: int
    example: str | None

    def __str__(self) -> str:
        where = f"line {self.first_line:,}" if self.rows == 1 else f"lines {self.first_line:,} to {self.last_line:,}"
        column = "" if self.column is None else f", column {self.column}"
        value = "" if self.example is None else f"found {self.example!r}"
        at = "" if self.rows == 1 or not value else f" in line {self.first_line:,}"
        row = "row" if self.rows == 1 else "rows"
        return f"{self.rows:,} {row}, {where}{column}: {value}{at}{'; ' if value else ''}{self.reason}"


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a file held and what became of it; `read` is the sum of the four counts after it."""

    batch_id: int
    source: str
    read: int
    inserted: int
    corrected: int
    unchanged: int
    refused: int
    status: Literal["stored", "partly stored", "refused"]
    reasons: tuple[RefusedRow, ...]
    """The first refused rows, at most 20; all of them are in `analytics.refused_rows`."""
    notes: tuple[str, ...]
    kinds: tuple[RefusedKind, ...]
    """The refused rows by reason, the most frequent first; a row with two reasons counts in both."""
    attached: int
    """Months that were loaded alone and attached whole."""
    seconds: float
    backdated: int = 0
    """New rows that count as known since their period ended, the last of them at `backdated_until`."""
    backdated_until: datetime | None = None
    late: int = 0
    """New rows that became known now, although their period ended long ago."""

    @property
    def rows_per_second(self) -> float:
        """Rows read and dealt with per second, the reading and checking included."""
        return self.read / self.seconds if self.seconds else 0.0
