"""Times: aware or naive UTC, and UTC as the local clock of a series shows it. Pure."""

import re
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from mlops.arrays import Times

__all__ = ["NOT_A_ZONE", "UTC", "aware_utc", "instants", "local_times", "longest_shift", "naive_utc", "zone_named"]


UTC = "UTC"
SAME_AS_UTC = ("Etc/UTC", "Etc/GMT", "GMT", "Zulu")
SHAPE = re.compile(r"UTC|Etc/[A-Z][A-Za-z]+|Etc/GMT[+-][0-9]{1,2}|[A-Z][A-Za-z]+(/[A-Z][A-Za-z_-]+)+")
"""Names of places, as `analytics.is_time_zone` takes them: to the server CET is an abbreviation without summer time."""
NOT_A_ZONE = "is not a time zone; write it like Pacific/Auckland or UTC"


def aware_utc(time: pd.Timestamp | np.datetime64) -> datetime:
    """A naive UTC time, as frames carry it, as an aware one."""
    return pd.Timestamp(time).tz_localize(UTC).to_pydatetime()


def naive_utc(time: datetime) -> pd.Timestamp:
    """An aware time as naive UTC, as frames carry it."""
    return pd.Timestamp(time).tz_convert(UTC).tz_localize(None)


def zone_named(name: str) -> str | None:
    """The IANA name of a time zone, or None for another text; what is always UTC is called UTC."""
    if name in SAME_AS_UTC:
        return UTC
    try:
        return ZoneInfo(name).key if SHAPE.fullmatch(name) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def local_times(at: Times, zone: str) -> Times:
    """UTC times as the clock of a zone shows them: an hour that it repeats comes twice, one that it skips never."""
    if zone == UTC or not len(at):
        return at
    local = pd.DatetimeIndex(at).tz_localize(UTC).tz_convert(zone).tz_localize(None)
    return local.to_numpy().astype(at.dtype)


def instants(shown: Times, zone: str, *, second: bool = False) -> Times:
    """The UTC times at which the clock of a zone shows these, the second time where it shows them twice.

    What it skips counts as what it shows after.
    """
    if zone == UTC:
        return shown
    index = pd.DatetimeIndex(shown)
    local = index.tz_localize(zone, ambiguous=np.full(len(index), not second), nonexistent="shift_forward")
    return local.tz_convert(UTC).tz_localize(None).to_numpy().astype(shown.dtype)


@lru_cache(maxsize=1024)
def longest_shift(zone: str) -> pd.Timedelta:
    """How far the clock of a zone was or will be put forward at once since 1970: a day where it skipped a date."""
    months = np.arange("1970-01", "2038-01", dtype="datetime64[M]").astype("datetime64[ns]")
    ahead = local_times(months, zone) - months
    return pd.Timedelta(max(np.diff(ahead).max(), np.timedelta64(0)))
