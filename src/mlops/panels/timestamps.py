"""The times of a frame: the granularity that they show, and which end of a step they label."""

from functools import lru_cache
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from mlops.arrays import Bools, Times
from mlops.domain.granularity import GRANULARITIES, Granularity, granularity_table, named
from mlops.errors import BadInput, Misused, nearest, quoted
from mlops.tables import days_or_times, times
from mlops.times import NOT_A_ZONE, zone_named

__all__ = ["Bools", "Times", "fits", "granularity_of", "infer", "no_granularity", "restamped", "zone_meant", "zone_of"]

SPARSEST = 0.15
"""The least share of its steps that the densest series must have: with less the steps can't be known."""
ENOUGH, DENSE = 8, 0.7
"""Observations of a series, and their share of its steps, from which its granularity is taken. Chosen."""
COARSEST_FIRST = tuple(reversed(GRANULARITIES))
WORDS = {
    **{"day": "daily", "hour": "hourly", "week": "weekly", "month": "monthly", "quarter": "quarterly"},
    **{"year": "yearly", "annually": "yearly", "weekdays": "business_daily", "15 minutes": "15min"},
    **{"quarter hour": "15min", "half hour": "30min", "30 minutes": "30min"},
}
"""Further words for granularities, by which a mistyped one is recognised."""
MONDAY = np.datetime64("1970-01-05", "ns")
"""From which steps are counted whose anchor is not known yet."""


def granularity_of(text: str) -> Granularity:
    """The granularity of a name or of pandas' alias; Misused with the nearest and the table for another text."""
    granularity = named(text)
    if granularity is None:
        raise Misused(no_granularity(text))
    return granularity


def no_granularity(text: str) -> str:
    """The message about a text that names no granularity."""
    close = nearest(text, GRANULARITIES, WORDS)
    return f"there is no granularity {quoted(text)}; {f'did you mean {close}? ' if close else ''}{granularity_table()}"


def zone_of(text: str) -> str:
    """The IANA name of a time zone; Misused with the nearest for another text."""
    zone = zone_named(text)
    if zone is None:
        raise Misused(f"{quoted(text)} {NOT_A_ZONE}{zone_meant(text)}")
    return zone


@lru_cache(maxsize=64)
def zone_meant(text: str) -> str:
    """The nearest time zone to a text, as the end of a message."""
    close = nearest(text, [name for name in sorted(available_timezones()) if zone_named(name) == name])
    return f"; did you mean {close}?" if close else ""


def restamped(frame: pd.DataFrame, freq: str, *, stamp: str = "end") -> pd.DataFrame:
    """A frame whose `ds` label the end of each step, as `resample("W")` and `resample("ME")` do, by the beginnings.

    Steps longer than a day are labelled by their last date, days and shorter ones by the time at which they are over.

    Parameters
    ----------
    frame
        With a column `ds` of dates or times (naive UTC, or aware).
    freq
        The name of a granularity or pandas' offset alias.
    stamp
        What `ds` labels: "end", or "begin", which changes nothing.

    Returns
    -------
    pandas.DataFrame
        The frame with `ds` as the beginnings of steps (naive UTC).

    Raises
    ------
    BadInput
        For a time at which no step ends.
    """
    step = granularity_of(freq)
    if stamp not in ("begin", "end"):
        raise BadInput(f"stamp = {stamp!r} is unknown; expected begin or end")
    if stamp == "begin":
        return frame
    ends = (days_or_times if step.dated else times)(frame["ds"]).astype("datetime64[ns]")
    begins = step.begun(ends.to_numpy())
    if np.isnat(begins).any():
        first = ends.iloc[int(np.flatnonzero(np.isnat(begins))[0])]
        raise BadInput(f"no {step.name} step ends on {first}; expected last dates of steps")
    return frame.assign(ds=begins.astype("datetime64[ns]"))


def infer(frame: pd.DataFrame) -> Granularity:
    """The granularity that every series of a frame `series_id, ds` shows, without its anchor.

    That of a series is the longest whose steps begin at all its times. A series with few observations, or gaps in most
    steps, does not decide; it only has to fit. BadInput where series differ, or nothing fits.
    """
    shown = _shown(frame)
    deciding = shown[(shown["count"] >= ENOUGH) & (shown["share"] >= DENSE)]
    deciding = deciding if len(deciding) else shown[(shown["count"] >= 2) & (shown["share"] >= DENSE)]
    if len(deciding):
        names = [name for name in COARSEST_FIRST if (deciding["name"] == name).any()]
        if "daily" in names:  # some series never had a weekend
            names = [name for name in names if name != "business_daily"]
        if len(names) > 1:
            first, second = (f"{deciding.index[deciding['name'] == name][0]!r} {name}" for name in names[:2])
            raise BadInput(
                f"series have different steps: {first}, {second}; work on them apart, or say which steps all of them"
                " have (freq=, --granularity): what is missing is a gap then"
            )
        return GRANULARITIES[names[0]]
    several = shown[shown["count"] >= 2]
    if several.empty:
        raise BadInput(
            "the steps of single times can't be inferred; say what they are (freq=, --granularity):"
            f" {granularity_table()}"
        )
    if several["name"].isna().any():
        first = several.index[several["name"].isna()][0]
        raise BadInput(f"the times of series {first!r} don't begin steps of any granularity; {granularity_table()}")
    names = [name for name in COARSEST_FIRST if (several["name"] == name).any()]
    finest = GRANULARITIES[names[-1]]
    _refuse_ends(frame)
    if several["share"].max() < SPARSEST:
        first = several.index[int(several["share"].argmax())]
        raise BadInput(
            f"the times of series {first!r} begin steps of {finest.name}, but hardly any: {several['share'].max():.0%};"
            f" say which steps they are (freq={finest.name!r} if the others are gaps): {granularity_table()}"
        )
    if (several["apart"] > 1).all():
        first = several.index[0]
        raise BadInput(
            f"the times of series {first!r} are {several['apart'].iloc[0]} {finest.name} steps apart, which is no"
            f" granularity; {granularity_table()}; with freq={finest.name!r} the steps between are gaps"
        )
    return finest


def _refuse_ends(frame: pd.DataFrame) -> None:
    """BadInput where every time is the last day of a month: then it labels the end of a step."""
    days = frame["ds"].drop_duplicates()
    if len(days) > 2 and days.dt.is_month_end.all() and (days == days.dt.normalize()).all():
        raise BadInput(
            f"the times, such as {days.iloc[0]:%Y-%m-%d}, are last days of months, and here a time names the beginning"
            " of its step; say freq='ME', 'QE' or 'YE' (--granularity ME), or turn them with restamped()"
        )


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """By series: `count` of times, `name` of their granularity, `share` of its steps, by how many they are `apart`."""
    stamps = frame[["series_id", "ds"]].drop_duplicates().sort_values(["series_id", "ds"], kind="stable")
    at, ids = stamps["ds"].to_numpy(), stamps["series_id"].to_numpy()
    begins = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    count = np.diff(np.r_[begins, len(ids)])
    first = np.repeat(at[begins], count)
    shown = pd.DataFrame({"name": None, "share": 0.0, "apart": 1}, index=pd.Index(ids[begins], name="series_id"))
    shown["name"] = shown["name"].astype(object)
    open_ = np.ones(len(begins), bool)
    for name in COARSEST_FIRST:
        all_fit = np.logical_and.reduceat(fits(at, first, GRANULARITIES[name]), begins)
        number = GRANULARITIES[name].number(at if not GRANULARITIES[name].seconds else MONDAY + (at - first))
        steps = np.maximum.reduceat(number, begins) - np.minimum.reduceat(number, begins) + 1
        share = count / steps
        if name == "business_daily":
            all_fit &= (count > 10) & (share >= DENSE)
        new = all_fit & open_
        apart = np.r_[1, np.diff(number)]
        apart[begins] = 0
        shown.loc[new, "name"], shown.loc[new, "share"] = name, share[new]
        shown.loc[new, "apart"] = np.gcd.reduceat(apart, begins)[new]
        open_ &= ~all_fit
    return shown.assign(count=count)


def fits(at: Times, first: Times, step: Granularity) -> Bools:
    """Whether each time begins a step, as the first time of its series does."""
    if step.seconds:
        return np.asarray((at - first) % np.timedelta64(step.seconds, "s") == np.timedelta64(0))
    if not step.months:
        return np.asarray(step.floor(at) == at)
    months, of_first = (times.astype("datetime64[M]") for times in (at, first))
    apart = (months - of_first).astype(np.int64)
    return np.asarray((months == at) & (apart % step.months == 0))
