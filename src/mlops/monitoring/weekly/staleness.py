"""What has stopped coming: observations of a series by its own rhythm, and forecasts by the calendar of the model.

The first is a fault of the data. The second is one of the service: nothing was run, and the data may well be whole.
"""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mlops.db import Database
from mlops.domain.findings import Finding
from mlops.domain.granularity import GRANULARITIES, Granularity

__all__ = ["staleness"]

GRACE = 2.0
"""Steps that forecasts may lie behind: the newest one has ended, the next is being issued."""


def staleness(
    database: Database, version: Mapping[str, Any], last: Mapping[str, Any], as_of: datetime
) -> tuple[Finding, ...]:
    """The findings about series that are stale and about forecasts that are not issued, as known at `as_of`.

    `last` is the row of query `forecast_span`. A feed of which every series is silent is one finding, not one for each.
    A series without any observation for so long that it has ended is no fault any more.
    """
    lineage = version["lineage"]
    granularity = GRANULARITIES[lineage["selection"]["granularity"]]
    with database.transaction() as transaction:
        rows = transaction.rows(
            "silent_series",
            series_ids=list(lineage["series"]),
            as_of=as_of,
            start=as_of - timedelta(days=granularity.ended_days),
        )
    return (*_feeds(rows, len(lineage["series"])), _issued(version, last, granularity, as_of))


def _feeds(rows: Sequence[Mapping[str, Any]], series: int) -> tuple[Finding, ...]:
    if rows and len(rows) == series:
        newest = min(rows, key=lambda row: row["silent"])
        detail = (
            f"no series has sent anything for {_days(newest['silent'])}; the newest observation is of {_day(newest)}"
        )
        return (Finding("data", "feed", _ratio(newest), 1.0, True, detail),)
    quiet = Finding(
        "data", "feed", len(rows) / max(series, 1), 1.0, False, f"{len(rows)} of {series} series are silent"
    )
    return (quiet, *map(_feed, rows))


def _feed(row: Mapping[str, Any]) -> Finding:
    detail = (
        f"{row['name']} has sent nothing for {_days(row['silent'])}, since {_day(row)};"
        f" it used to come every {_days(row['gap'])}, {_days(row['delay'])} late at most"
    )
    return Finding("data", str(row["series_id"]), _ratio(row), 1.0, True, detail, place=row["name"])


def _issued(version: Mapping[str, Any], last: Mapping[str, Any], granularity: Granularity, as_of: datetime) -> Finding:
    until = last["forecast_until"]
    since = until if until is not None else version["alias_since"]
    behind = (as_of - since) / granularity.longest_step
    uri = f"models:/{version['name']}@{version['alias']}"
    run = f"run mlops predict {shlex.quote(uri)}"
    if until is None:
        detail = f"no forecasts yet, although it is served since {since:%Y-%m-%d}: {run}"
    else:
        detail = (
            f"no forecasts since {until:%Y-%m-%d %H:%M}; the newest was issued on"
            f" {last['issued_at']:%Y-%m-%d %H:%M} UTC: {run}"
        )
    if behind <= GRACE:
        detail = detail.partition(";")[0].replace("no forecasts since", "forecasts reach to")
    return Finding("serving", "forecasts", max(behind, 0.0), GRACE, behind > GRACE, detail)


def _ratio(row: Mapping[str, Any]) -> float:
    return float(row["silent"] / (3 * row["gap"] + row["delay"]))


def _day(row: Mapping[str, Any]) -> str:
    return f"{row['last_at']:%Y-%m-%d}"


def _days(days: float) -> str:
    if days < 1:
        return f"{days * 24:.0f} hours"
    return f"{days:.0f} day{'' if round(days) == 1 else 's'}"
