"""What has stopped coming: observations of a series by its own rhythm, and forecasts by the calendar of the model.

The first is a fault of the data. The second is one of the service: nothing was run, and the data may well be whole.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops.db import Database
from mlops.domain.findings import Finding
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.monitoring.weekly.history import ForecastSpan, ServedVersion

__all__ = ["staleness"]

GRACE = 2.0
"""Steps that forecasts may lie behind: the newest one has ended, the next is being issued."""


@dataclass(frozen=True, slots=True)
class _SilentSeries:
    """A series that has sent nothing since `last_at`, for `silent` days; its usual gap and delay are days, too."""

    series_id: int
    name: str
    last_at: datetime
    silent: float
    gap: float
    delay: float

    @property
    def day(self) -> str:
        """Of the newest observation."""
        return f"{self.last_at:%Y-%m-%d}"

    @property
    def ratio(self) -> float:
        """How many times the limit it is silent."""
        return self.silent / (3 * self.gap + self.delay)


def staleness(database: Database, version: ServedVersion, span: ForecastSpan, as_of: datetime) -> tuple[Finding, ...]:
    """The findings about series that are stale and about forecasts that are not issued, as known at `as_of`.

    A feed of which every series is silent is one finding, not one for each.
    A series without any observation for so long that it has ended is no fault any more.
    """
    lineage = version.lineage
    granularity = GRANULARITIES[lineage["selection"]["granularity"]]
    with database.transaction() as transaction:
        rows = transaction.rows(
            "silent_series",
            of=_SilentSeries,
            series_ids=list(lineage["series"]),
            as_of=as_of,
            start=as_of - timedelta(days=granularity.ended_days),
        )
    return (*_feeds(rows, len(lineage["series"])), _issued(version, span, granularity, as_of))


def _feeds(rows: Sequence[_SilentSeries], series: int) -> tuple[Finding, ...]:
    if rows and len(rows) == series:
        newest = min(rows, key=lambda row: row.silent)
        detail = f"no series has sent anything for {_days(newest.silent)}; the newest observation is of {newest.day}"
        return (Finding("data", "feed", newest.ratio, 1.0, True, detail),)
    quiet = Finding(
        "data", "feed", len(rows) / max(series, 1), 1.0, False, f"{len(rows)} of {series} series are silent"
    )
    return (quiet, *map(_feed, rows))


def _feed(row: _SilentSeries) -> Finding:
    detail = (
        f"{row.name} has sent nothing for {_days(row.silent)}, since {row.day};"
        f" it used to come every {_days(row.gap)}, {_days(row.delay)} late at most"
    )
    return Finding("data", str(row.series_id), row.ratio, 1.0, True, detail, place=row.name)


def _issued(version: ServedVersion, span: ForecastSpan, granularity: Granularity, as_of: datetime) -> Finding:
    until = span.forecast_until
    since = until if until is not None else version.alias_since
    behind = (as_of - since) / granularity.longest_step
    uri = f"models:/{version.name}@{version.alias}"
    run = f"run mlops predict {shlex.quote(uri)}"
    if until is None:
        detail = f"no forecasts yet, although it is served since {since:%Y-%m-%d}: {run}"
    else:
        detail = (
            f"no forecasts since {until:%Y-%m-%d %H:%M}; the newest was issued on"
            f" {span.issued_at:%Y-%m-%d %H:%M} UTC: {run}"
        )
    if behind <= GRACE:
        detail = detail.partition(";")[0].replace("no forecasts since", "forecasts reach to")
    return Finding("serving", "forecasts", max(behind, 0.0), GRACE, behind > GRACE, detail)


def _days(days: float) -> str:
    if days < 1:
        return f"{days * 24:.0f} hours"
    return f"{days:.0f} day{'' if round(days) == 1 else 's'}"
