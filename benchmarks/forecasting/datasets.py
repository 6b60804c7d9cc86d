"""The data sets of the forecasting benchmark and the cutoffs that every forecaster is measured at.

The files stand in the folder `MLOPS_SHARED_DATA`, else in ../shared/data beside the repository. Rules that choose
series look only at what came before the first dev cutoff. Nothing may be tuned on report folds.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["NAMES", "Dataset", "calendar", "earlier", "folds", "future", "load"]

NAMES = ("nn5", "auckland", "austin_streams", "austin_routes", "nyc_monthly")
SPACING = {"D": 28, "B": 20, "W": 4, "MS": 2}
"""Steps from one cutoff to the next: 28 days, four weeks, two months."""
REPORT_FOLDS = {"D": 7, "B": 7, "W": 7, "MS": 6}
DEV_FOLDS = 5


@dataclass(frozen=True)
class Dataset:
    """`frame` is `series_id, ds, y` without missing y: a gap in the calendar is a value that nobody observed.

    `season` is the cycle in steps; `groups` has series_id and columns that name the total a series belongs to.
    """

    name: str
    frame: pd.DataFrame
    freq: str
    country: str | None
    horizons: tuple[int, int]
    season: int
    groups: pd.DataFrame | None = None


def load(name: str) -> Dataset:
    """One of `NAMES`."""
    if name not in LOADERS:
        raise ValueError(f"{name!r} is not a data set; expected one of {', '.join(NAMES)}")
    return LOADERS[name](_folder())


def folds(dataset: Dataset, which: str) -> list[pd.Timestamp]:
    """Cutoffs in time order; which = "report" or "dev".

    The last report cutoff is the longest horizon before the end. A dev fold's outcomes all lie on or before the first
    report cutoff. nyc_monthly has no dev folds: it shows what happens where nobody developed.
    """
    if which not in ("report", "dev"):
        raise ValueError(f"{which!r} is not a set of folds; expected report or dev")
    if which == "dev":
        return [] if dataset.name == "nyc_monthly" else earlier(dataset)
    kind = dataset.freq.split("-")[0]
    return _back(dataset, dataset.horizons[-1], REPORT_FOLDS[kind])


def earlier(dataset: Dataset) -> list[pd.Timestamp]:
    """Cutoffs to choose settings on: the dev folds, for nyc_monthly those that would be."""
    first = folds(dataset, "report")[0]
    after = len(calendar(dataset)) - 1 - calendar(dataset).get_loc(first)
    return _back(dataset, after + dataset.horizons[-1], DEV_FOLDS)


def calendar(dataset: Dataset) -> pd.DatetimeIndex:
    """Every step from the first to the last observation."""
    return pd.date_range(dataset.frame["ds"].min(), dataset.frame["ds"].max(), freq=dataset.freq)


def future(dataset: Dataset, cutoff: pd.Timestamp) -> pd.DatetimeIndex:
    """The steps of the longest horizon after a cutoff."""
    return pd.date_range(cutoff, periods=dataset.horizons[-1] + 1, freq=dataset.freq)[1:]


def _back(dataset: Dataset, steps: int, count: int) -> list[pd.Timestamp]:
    """`count` cutoffs, the last one so many steps before the end."""
    index, spacing = calendar(dataset), SPACING[dataset.freq.split("-")[0]]
    return [index[len(index) - 1 - steps - spacing * back] for back in range(count)][::-1]


def _folder() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get("MLOPS_SHARED_DATA", beside))


def _nn5(folder: Path) -> Dataset:
    """111 cash machines, daily. A zero is an outage (SOURCE.txt), so it is missing like a gap."""
    wide = pd.read_csv(folder / "nn5_atm" / "nn5_daily.csv.gz", parse_dates=["date"], index_col="date")
    return Dataset("nn5", _long(wide.where(wide > 0)), "D", "GB", (14, 28), 7)


def _auckland(folder: Path) -> Dataset:
    """Pedestrians a day at 18 of 21 sites.

    Of an hour that stands twice the first counts; a day with fewer than 12 hours, or with a total of 0, is an outage.
    A site is kept when it was observed on 90 % of the days before the first dev cutoff: this drops 107 Quay Street
    (dead until 2022, 46 %) and both of 188 Quay Street (since 2022, 40 %); the next lowest has 98 %.
    """
    hourly = pd.read_csv(folder / "auckland_ped" / "hourly_counts.csv.gz").drop_duplicates(["date", "hour"])
    daily = hourly.drop(columns=["hour", "year"]).groupby("date").sum(min_count=12)
    daily.index = pd.DatetimeIndex(daily.index)
    daily = daily.where(daily > 0)
    everything = Dataset("auckland", _long(daily), "D", "NZ", (14, 28), 7)
    seen = daily[daily.index <= folds(everything, "dev")[0]].notna().mean()
    daily = daily[seen.index[seen >= 0.9]]
    street = [name.lstrip("0123456789 ").removesuffix(" EW").removesuffix(" NS") for name in daily.columns]
    groups = pd.DataFrame({"series_id": daily.columns, "street": street})
    return Dataset("auckland", _long(daily), "D", "NZ", (14, 28), 7, groups)


STREAMS = ("GARBAGE COLLECTIONS", "RECYCLING - SINGLE STREAM", "YARD TRIMMING")
"""The three heaviest load types: 92 % of the pounds since 2012."""


def _austin_streams(folder: Path) -> Dataset:
    """Pounds per load type and weekday since 2009, the first whole year of single-stream recycling.

    Saturdays (1 to 3 % of the pounds, after holidays) are left out; a holiday without collection is missing.
    """
    loads = _austin(folder)
    loads = loads[loads["load_type"].isin(STREAMS) & (loads["date"] >= "2009") & (loads["date"].dt.dayofweek < 5)]
    wide = loads.pivot_table(index="date", columns="load_type", values="pounds", aggfunc="sum")
    return Dataset("austin_streams", _long(wide.where(wide > 0)), "B", "US", (14, 28), 5)


def _austin_routes(folder: Path) -> Dataset:
    """Pounds per route and week (Monday to Sunday, named by its Monday); a week without a load is missing.

    Kept are routes of the three streams with loads in 90 % of the 104 weeks up to the first dev cutoff and in 4 of
    its newest 8.
    """
    loads = _austin(folder)
    loads = loads[loads["load_type"].isin(STREAMS)]
    week = loads["date"] - pd.to_timedelta(loads["date"].dt.dayofweek, unit="D")
    series_id = loads["load_type"].str.split().str[0].str.lower() + "|" + loads["route_type"] + "|" + loads["route"]
    loads = loads.assign(week=week, series_id=series_id)
    wide = loads.pivot_table(index="week", columns="series_id", values="pounds", aggfunc="sum")
    wide = wide.where(wide > 0)
    everything = Dataset("austin_routes", _long(wide), "W-MON", "US", (4, 8), 52)
    past = wide[wide.index <= folds(everything, "dev")[0]]
    kept = (past.tail(104).notna().mean() >= 0.9) & (past.tail(8).notna().sum() >= 4)
    wide = wide[kept.index[kept]]
    groups = pd.DataFrame({"series_id": wide.columns, "load_type": wide.columns.str.split("|").str[0]})
    return Dataset("austin_routes", _long(wide), "W-MON", "US", (4, 8), 52, groups)


def _austin(folder: Path) -> pd.DataFrame:
    """date, load_type, route_type, route, pounds; `outlier` and the drop-off site are summed over by what follows."""
    path = folder / "austin_waste_2005_2016" / "austin_waste_2005_2016.csv.gz"
    names = {
        "date": "date",
        "Load.Type": "load_type",
        "Route.Type": "route_type",
        "Route.Number": "route",
        "daily_weight": "pounds",
    }
    loads = pd.read_csv(path, usecols=list(names), dtype={"Route.Number": str}, parse_dates=["date"])
    return loads.rename(columns=names).dropna(subset=["route"])


def _nyc_monthly(folder: Path) -> Dataset:
    """Tons of refuse per community district and month, from 2000, when all 59 are complete.

    July 2023 is left out: it is a quarter of any other month, so it was published before its end.
    """
    path = folder / "nyc_dsny_monthly" / "DSNY_Monthly_Tonnage_Data.csv.gz"
    table = pd.read_csv(path, dtype={"COMMUNITYDISTRICT": str})
    table = table[table["COMMUNITYDISTRICT"] != "7A"]
    ds = pd.to_datetime(table["MONTH"], format="%Y / %m")
    table = table.assign(ds=ds, series_id=table["BOROUGH"] + " " + table["COMMUNITYDISTRICT"])
    table = table[(ds >= "2000-01-01") & (ds < "2023-07-01")]
    wide = table.pivot_table(index="ds", columns="series_id", values="REFUSETONSCOLLECTED", aggfunc="sum")
    groups = pd.DataFrame({"series_id": wide.columns, "borough": wide.columns.str[:-3]})
    return Dataset("nyc_monthly", _long(wide.where(wide > 0)), "MS", "US", (3, 6), 12, groups)


def _long(wide: pd.DataFrame) -> pd.DataFrame:
    """series_id, ds, y of a frame with one row per time and one column per series; missing values are left out."""
    step, series = np.nonzero(wide.notna().to_numpy())
    frame = pd.DataFrame(
        {
            "series_id": wide.columns.astype(str).to_numpy(dtype=object)[series],
            "ds": wide.index.to_numpy().astype("datetime64[ns]")[step],
            "y": wide.to_numpy(dtype=float)[step, series],
        }
    )
    return frame.sort_values(["series_id", "ds"], ignore_index=True)


LOADERS: dict[str, Callable[[Path], Dataset]] = {
    "nn5": _nn5,
    "auckland": _auckland,
    "austin_streams": _austin_streams,
    "austin_routes": _austin_routes,
    "nyc_monthly": _nyc_monthly,
}
