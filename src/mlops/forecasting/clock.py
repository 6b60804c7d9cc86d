"""The local clock: instants in UTC, and what a clock on the wall shows of them.

Times are naive `datetime64[ns]`: instants in UTC, or local times. A local hour that the clock skips never happens, one
that it repeats is two instants; which of the two is asked is said by `second`.
"""

from functools import lru_cache
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.errors import UnknownName

__all__ = ["UTC", "checked", "instants", "longest_shift", "wall"]

UTC = "UTC"
Times = npt.NDArray[np.datetime64]


@lru_cache(maxsize=64)
def checked(zone: str) -> str:
    """The name of a time zone (IANA); UnknownName for another text."""
    if zone not in available_timezones():
        raise UnknownName("time zone", zone, available_timezones())
    return zone


def wall(at: Times, zone: str) -> Times:
    """What a clock in `zone` shows at instants."""
    if zone == UTC:
        return at
    return pd.DatetimeIndex(at).tz_localize(UTC).tz_convert(checked(zone)).tz_localize(None).to_numpy()


def instants(shown: Times, zone: str, *, second: bool = False) -> Times:
    """The instants at which a clock in `zone` shows these times; what it skips counts as what it shows after."""
    if zone == UTC:
        return shown
    index = pd.DatetimeIndex(shown)
    earlier = np.full(len(index), not second)
    local = index.tz_localize(checked(zone), ambiguous=earlier, nonexistent="shift_forward")
    return local.tz_convert(UTC).tz_localize(None).to_numpy()


def longest_shift(zone: str) -> pd.Timedelta:
    """How far the clock of a zone may be put forward at once."""
    return pd.Timedelta(0) if zone == UTC else pd.Timedelta(hours=1)
