"""Waste collection of the City of Austin: single loads, or loads per day, to daily kilograms and numbers of loads."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from mlops import tables
from mlops.errors import BadInput, UnknownName
from mlops.series.adapters import Chunk

__all__ = ["chunks"]

KG_PER_POUND = 0.45359237
STREAM = ["date", "load_type"]
ROUTE = ["date", "load_type", "route_type", "route_id"]
GROUPINGS = {"stream": STREAM, "route": ROUTE}

PER_LOAD = {
    "load_id": "load_id",
    "report_date": "date",
    "load_type": "load_type",
    "route_type": "route_type",
    "route_number": "route_id",
    "load_weight": "pounds",
}
PER_DAY = {
    "date": "date",
    "Load.Type": "load_type",
    "Route.Type": "route_type",
    "Route.Number": "route_id",
    "nb_loads": "loads",
    "daily_weight": "pounds",
}

SIGNS = (frozenset(PER_LOAD), frozenset(PER_DAY))


def chunks(path: Path, *, by: str | None = None) -> Iterator[Chunk]:
    """Two rows per group: `collection_weight` (kg) and `collection_count` (loads); `line` is the group's first line.

    `by="stream"`, the default, gives one daily series per load type over the whole city; `by="route"` one per route,
    which is served about once a week. Drop-off sites and the flag `outlier` are summed over. A load without a weight
    counts as a load and adds none; a load id that stands twice counts once.
    """
    grouping = by or "stream"
    if grouping not in GROUPINGS:
        raise UnknownName("grouping", grouping, GROUPINGS)
    loads = _read(path)
    yield Chunk(_long(_summed(loads, GROUPINGS[grouping]), GROUPINGS[grouping]))


def _read(path: Path) -> pd.DataFrame:
    """Either layout as date, load_type, route_type, route_id, loads, pounds, line."""
    table = tables.read_table(path, "the columns of loads or of days")
    table["line"] = table.index + 2
    if set(PER_LOAD) <= set(table.columns):
        table = table.drop_duplicates("load_id", keep="first").rename(columns=PER_LOAD).assign(loads="1")
    elif set(PER_DAY) <= set(table.columns):
        table = table.rename(columns=PER_DAY)
    else:
        loads = ", ".join(name for name in PER_LOAD if name not in table.columns)
        days = ", ".join(name for name in PER_DAY if name not in table.columns)
        raise BadInput(f"is neither a table of loads (without {loads}) nor of days (without {days})", where=str(path))
    return table.assign(**{name: tables.numbers(table[name], str(path)) for name in ("loads", "pounds")})


def _summed(loads: pd.DataFrame, grouping: list[str]) -> pd.DataFrame:
    """One row per group; `pounds` is missing where no load of the group was weighed."""
    groups = loads.groupby(grouping, sort=False, dropna=False)
    sums = groups[["loads", "pounds"]].sum(min_count=1)
    return sums.assign(line=groups["line"].min()).reset_index()


def _long(sums: pd.DataFrame, grouping: list[str]) -> pd.DataFrame:
    place = pd.DataFrame(
        {
            "observed_at": sums["date"].str[:10] + "T00:00:00Z",
            "granularity": "daily",
            "route_id": sums["route_id"] if "route_id" in grouping else None,
            "labels": _labels(sums[[name for name in grouping if name.endswith("_type")]]),
            "line": sums["line"],
        }
    )
    weight = place.assign(metric_type="collection_weight", value=sums["pounds"] * KG_PER_POUND)
    count = place.assign(metric_type="collection_count", value=sums["loads"])
    return pd.concat([weight.dropna(subset="value"), count], ignore_index=True)


def _labels(names: pd.DataFrame) -> "pd.Series[str]":
    """The label columns as JSON objects, made once per distinct row."""
    distinct = names.drop_duplicates()
    rows = distinct.to_dict("records")
    texts = [json.dumps({name: text for name, text in row.items() if pd.notna(text)}) for row in rows]
    return names.merge(distinct.assign(labels=texts), on=list(names.columns), how="left")["labels"]
