"""Real daily series, as the product's own adapters read them, each day known when it has ended.

Auckland is where rules were developed; Austin and NN5 only check them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mlops.series.adapters import auckland, austin
from mlops.series.quality import score, usable

__all__ = ["FEEDS", "Feed", "feed"]


@dataclass(frozen=True)
class Feed:
    """`frame` is `series_id, ds, y, quality_score`; each row was judged by the rows before it alone."""

    name: str
    frame: pd.DataFrame
    metric_type: str
    country: str | None
    granularity: str = "daily"

    def known(self, at: pd.Timestamp, need: int = 180) -> pd.DataFrame:
        """`series_id, ds, y` of what was usable at the beginning of the day `at`; a series needs so many days."""
        frame, _ = usable(self.frame[self.frame["ds"] < at], "daily", end=at, need=need)
        return frame[["series_id", "ds", "y"]]

    def of(self, series: "pd.Index[str]") -> "Feed":
        """These series alone."""
        kept = self.frame[self.frame["series_id"].isin(series)]
        return Feed(f"{self.name}/{series[0]}", kept, self.metric_type, self.country)


def feed(name: str, folder: Path) -> Feed:
    """One of FEEDS, from the folder of the shared data sets."""
    frame, metric_type, country = FEEDS[name](folder)
    frame = frame.sort_values(["series_id", "ds"], ignore_index=True)
    return Feed(name, frame.assign(quality_score=score(frame)), metric_type, country)


def _auckland(folder: Path) -> tuple[pd.DataFrame, str, str]:
    """Pedestrians a day at 21 sites since 2019."""
    (chunk,) = auckland.chunks(folder / "auckland_ped" / "hourly_counts.csv.gz")
    return _long(chunk.rows, chunk.rows["site_id"]), "customer_activity", "NZ"


def _austin(folder: Path) -> tuple[pd.DataFrame, str, str]:
    """Kilograms a day and load type since 2009, the first whole year of single-stream recycling."""
    (chunk,) = austin.chunks(folder / "austin_waste_2005_2016" / "austin_waste_2005_2016.csv.gz")
    rows = chunk.rows[chunk.rows["metric_type"] == "collection_weight"]
    rows = rows[rows["observed_at"] >= "2009"]
    return _long(rows, rows["labels"].str.extract('"load_type": "(.*)"')[0]), "collection_weight", "US"


def _nn5(folder: Path) -> tuple[pd.DataFrame, str, str]:
    """Money a day at 111 cash machines, 1996 to 1998."""
    wide = pd.read_csv(folder / "nn5_atm" / "nn5_daily.csv.gz", parse_dates=["date"]).rename(columns={"date": "ds"})
    frame = wide.melt("ds", var_name="series_id", value_name="y").dropna()
    return frame[["series_id", "ds", "y"]], "cash", "GB"


def _long(rows: pd.DataFrame, series: "pd.Series[str]") -> pd.DataFrame:
    ds = pd.to_datetime(rows["observed_at"]).dt.tz_localize(None).astype("datetime64[ns]")
    return pd.DataFrame({"series_id": series, "ds": ds, "y": rows["value"].astype(float)})


FEEDS: dict[str, Callable[[Path], tuple[pd.DataFrame, str, str]]] = {
    "auckland": _auckland,
    "austin": _austin,
    "nn5": _nn5,
}
