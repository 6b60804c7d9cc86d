"""Every granularity that a series may have, as one table: what a step is, how it repeats, how much history it needs.

Whatever depends on how long a step is reads it from here. A step is named by the time at which it begins.
"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from mlops.arrays import Ints, Times

__all__ = ["GRANULARITIES", "Granularity", "granularity_table", "labels_ends", "named"]

Time = np.datetime64

HOUR, DAY, WEEK = 3_600, 86_400, 604_800
MONDAY = np.datetime64("1970-01-05", "us")
EPOCH = np.datetime64("1970-01-01", "us")
SECOND = np.timedelta64(1_000_000, "us")
DAYS_OF_YEAR = 365.25
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class Granularity:
    """A step of time. Steps are numbered, so that arithmetic with them is that of whole numbers.

    A step has `seconds`, or `months`, or is a weekday (neither). `anchor` shifts its beginning from the usual one (the
    full hour, 00:00, Monday, January): by seconds for steps of seconds, by months for steps of months.
    """

    name: str
    alias: str
    """pandas' offset alias, without an anchor."""
    words: tuple[str, str]
    """A step, and a block of steps, for people."""
    begins: str
    """Which time a value carries: the beginning of its step, in words."""
    seconds: int = 0
    months: int = 0
    cycles: tuple[int, ...] = ()
    """Steps after which values resemble each other within a year, the shortest first: day and week of hours."""
    block: int = 1
    """Steps over which a level is taken and totals are judged; the first cycle where there is one."""
    year: int = 1
    """Steps of a year that is a whole number of cycles: 364 days, so that weekdays meet."""
    horizon: int = 1
    """Steps that are forecast when nobody says how many."""
    issue: int = 1
    """Steps from one forecast to the next, as forecasts are issued."""
    every: int = 1
    """Steps between the origins of the backtest from which intervals are calibrated."""
    span: int = 1
    """The newest steps over which these origins lie."""
    compared: int = 3
    """How many cycles back a value is compared with, to find anomalies (3, 4, 6 or 7)."""
    window: int = 12
    """Steps over which completeness is counted."""
    recent_days: int = 28
    """Days that hold enough steps to judge what happens now."""
    profile_days: int = 364
    """Days over which features are profiled."""
    ended_days: int = 120
    """Days without any observation after which a series has ended."""
    plotted: int = 52
    """Steps of forecasts and outcomes that a plot shows."""
    anchor: int = 0

    def __str__(self) -> str:
        """The name, or pandas' alias with its anchor; `named` reads it."""
        return self.name if not self.anchor else self.offset

    @property
    def offset(self) -> str:
        """pandas' offset alias with its anchor; one that pandas can't say ends in @ and the anchor."""
        if self.name == "weekly" and self.anchor % DAY == 0:
            return f"W-{WEEKDAYS[self.anchor // DAY]}"
        if self.name in ("quarterly", "yearly"):
            return f"{self.alias}-{MONTHS[self.anchor]}" if self.anchor else self.alias
        return self.alias if not self.anchor else f"{self.alias}@{self.anchor}"

    @property
    def dated(self) -> bool:
        """Whether a step is a day or longer: its values carry 00:00 UTC of the local date on which it begins."""
        return not self.seconds or self.seconds >= DAY

    @property
    def counted(self) -> bool:
        """Whether a step holds several dates, so that named days are counted in it."""
        return bool(self.months) or self.seconds > DAY

    @property
    def cycle(self) -> int:
        """The shortest cycle, or one step where nothing repeats within a year."""
        return self.cycles[0] if self.cycles else 1

    @property
    def season(self) -> int:
        """Steps after which a pattern comes again: the shortest cycle, or a year where nothing repeats within one."""
        return self.cycles[0] if self.cycles else self.year

    @property
    def longest(self) -> int:
        """The longest cycle within a year, or one step."""
        return self.cycles[-1] if self.cycles else 1

    @property
    def days(self) -> float:
        """The mean length of a step in days."""
        if self.seconds:
            return self.seconds / DAY
        return self.months * DAYS_OF_YEAR / 12 if self.months else 1.4

    @property
    def per_year(self) -> float:
        """How many steps a year has."""
        return DAYS_OF_YEAR / self.days

    @property
    def longest_step(self) -> timedelta:
        """What no step is longer than."""
        return timedelta(days=31 * self.months) if self.months else timedelta(seconds=self.seconds or 3 * DAY)

    @property
    def interval(self) -> str:
        """A step as PostgreSQL's interval; of weekdays, a day."""
        return f"{self.months} months" if self.months else f"{self.seconds or DAY} seconds"

    @property
    def block_interval(self) -> str:
        """A block as PostgreSQL's interval: how far the seasonal naive looks back at least; of weekdays, a week."""
        if not self.seconds and not self.months:
            return "7 days"
        return f"{self.months * self.block} months" if self.months else f"{self.seconds * self.block} seconds"

    @property
    def anchors(self) -> int:
        """How many anchors there are: weekdays, months of a quarter or a year, seconds of a step within a day, or 1."""
        if not self.dated:
            return self.seconds
        return self.months or max(self.seconds // DAY, 1)

    @property
    def per_week(self) -> float:
        """How many periods a week has that are steps, or days of shorter steps."""
        return 7 / max(self.days, 1.0)

    @property
    def compared_least(self) -> int:
        """Such periods on which two models are compared at least: two weeks of them, and eight."""
        return max(round(2 * self.per_week), 8)

    @property
    def least(self) -> int:
        """Observations without which a fitted model forecasts nothing of a series: 28, or fewer three blocks."""
        return min(self.need, 28)

    @property
    def need(self) -> int:
        """Observations without which no model is fitted: three blocks.

        With fewer a forecast is the series' mean (`forecasting.panel.Panel.short`).
        """
        return 3 * self.block

    def number(self, at: Times) -> Ints:
        """The number of the step in which each time lies (of a weekend: of the Friday before), any shape."""
        if self.months:
            return np.floor_divide(at.astype("datetime64[M]").astype(np.int64) - self.anchor, self.months)
        if not self.seconds:
            days = at.astype("datetime64[D]")
            friday = np.busday_offset(days, 0, roll="backward")
            numbers: Ints = np.busday_count(EPOCH.astype("datetime64[D]"), friday).astype(np.int64)
            return numbers
        since = (at.astype("datetime64[us]") - self._origin).astype(np.int64) // 1_000_000
        return np.floor_divide(since, self.seconds)

    def start(self, number: Ints) -> Times:
        """When each step begins, in microseconds."""
        if self.months:
            months = np.asarray(number, dtype=np.int64) * self.months + self.anchor
            return np.asarray(months.astype("datetime64[M]").astype("datetime64[us]"))
        if not self.seconds:
            days = np.busday_offset(EPOCH.astype("datetime64[D]"), number, roll="forward")
            return np.asarray(days.astype("datetime64[us]"))
        return np.asarray(self._origin + np.asarray(number, dtype=np.int64) * self.seconds * SECOND)

    def floor(self, at: Times) -> Times:
        """The beginning of the step in which each time lies."""
        return self.start(self.number(at))

    def steps(self, first: Time, last: Time) -> Times:
        """The beginnings of all steps from that of `first` to that of `last`."""
        begin, end = (int(self.number(np.asarray(time))) for time in (first, last))
        return self.start(np.arange(begin, end + 1))

    def after(self, last: Time, count: int) -> Times:
        """The beginnings of the `count` steps after the one of `last`."""
        return self.start(int(self.number(np.asarray(last))) + np.arange(1, count + 1))

    def over(self, at: Times) -> Times:
        """When the steps that begin at these times are over."""
        if self.months:
            return np.asarray((at.astype("datetime64[M]") + self.months).astype("datetime64[us]"))
        return np.asarray(at.astype("datetime64[us]") + (self.seconds or DAY) * SECOND)

    def moved(self, at: Times, steps: Ints | int) -> Times:
        """Each time so many steps later (before, if negative), as far from the beginning of its step as it was."""
        at = at.astype("datetime64[us]")
        if self.months:
            month = at.astype("datetime64[M]")
            return np.asarray((month + np.asarray(steps) * self.months).astype("datetime64[us]") + (at - month))
        if not self.seconds:
            number = self.number(at)
            return np.asarray(self.start(number + steps) + (at - self.start(number)))
        return np.asarray(at + np.asarray(steps, dtype=np.int64) * self.seconds * SECOND)

    def anchor_of(self, at: Times) -> Ints:
        """The anchor of steps that begin when each time does; weeks begin with a day, and days at 00:00."""
        if self.anchors == 1:
            return np.zeros(len(at), dtype=np.int64)
        if self.months:
            return np.asarray(at.astype("datetime64[M]").astype(np.int64) % self.months)
        unit = DAY if self.dated else 1
        since = (at.astype("datetime64[us]") - self._plain).astype(np.int64) // 1_000_000
        return np.asarray(since % self.seconds // unit * unit)

    def begun(self, ends: Times) -> Times:
        """The beginnings of steps that are named by their end, NaT where no step ends.

        Steps longer than a day are named by their last date, as pandas' `resample("W")` and `resample("ME")` do; days
        and shorter ones by the time at which they are over.
        """
        at = ends.astype("datetime64[us]")
        if self.counted:
            after = at.astype("datetime64[D]") + 1
            if not self.months:
                return np.asarray(at - (self.seconds - DAY) * SECOND)
            month = after.astype("datetime64[M]")
            whole = (month.astype("datetime64[D]") == after) & (at == at.astype("datetime64[D]"))
            before = (month - self.months).astype("datetime64[us]")
            return np.where(whole, before, np.datetime64("NaT", "us"))
        return np.asarray(at - self.seconds * SECOND) if self.seconds else self.start(self.number(at) - 1)

    def anchored(self, at: Time) -> "Granularity":
        """This granularity with the anchor of a time: steps that begin when that does."""
        if self.seconds:
            shift = int((at.astype("datetime64[us]") - self._plain).astype(np.int64) // 1_000_000 % self.seconds)
        else:
            shift = int(at.astype("datetime64[M]").astype(np.int64) % self.months) if self.months else 0
        return replace(self, anchor=shift)

    def per_step(self, starts: Times, days: Times) -> npt.NDArray[np.float64]:
        """How many of `days` (dates, each once) lie in each of the steps that begin at `starts`, in any order.

        Of steps within a day it is 1 in every step of the date.
        """
        if not self.counted:
            return np.isin(starts.astype("datetime64[D]"), days.astype("datetime64[D]")).astype(float)
        if not len(days):
            return np.zeros(len(starts))
        numbers, many = np.unique(self.number(days), return_counts=True)
        wanted = self.number(starts)
        place = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
        return np.where(numbers[place] == wanted, many[place], 0).astype(float)

    @property
    def _plain(self) -> np.datetime64:
        """The beginning of step 0 without an anchor; weeks begin on a Monday."""
        return MONDAY if self.seconds == WEEK else EPOCH

    @property
    def _origin(self) -> np.datetime64:
        return self._plain + self.anchor * SECOND


GRANULARITIES: dict[str, Granularity] = {
    granularity.name: granularity
    for granularity in (
        Granularity(
            "15min", "15min", ("quarter hour", "day"), "a full quarter of an hour by the clock of its time zone",
            seconds=900, cycles=(96, 672), block=96, year=34_944,
            horizon=192, issue=672, every=96, span=2_016, window=672, profile_days=28, plotted=288,
        ),
        Granularity(
            "30min", "30min", ("half hour", "day"), "a full or half hour by the clock of its time zone",
            seconds=1_800, cycles=(48, 336), block=48, year=17_472,
            horizon=96, issue=336, every=48, span=1_008, window=336, profile_days=56, plotted=240,
        ),
        Granularity(
            "hourly", "h", ("hour", "day"), "a full hour by the clock of its time zone",
            seconds=HOUR, cycles=(24, 168), block=24, year=8_736,
            horizon=168, issue=168, every=24, span=504, window=168, profile_days=56, plotted=240,
        ),
        Granularity(
            "daily", "D", ("day", "week"), "00:00 UTC of its local date",
            seconds=DAY, cycles=(7,), block=7, year=364,
            horizon=28, issue=7, every=7, span=84, compared=6, window=28, plotted=70,
        ),
        Granularity(
            "business_daily", "B", ("day", "week"), "00:00 UTC of its local date, Monday to Friday",
            cycles=(5,), block=5, year=260,
            horizon=20, issue=5, every=5, span=60, compared=6, window=20, plotted=50,
        ),
        Granularity(
            "weekly", "W", ("week", "4 weeks"),
            "00:00 UTC of the local date on which its week begins, always the same weekday",
            seconds=WEEK, block=4, year=52,
            horizon=13, issue=4, every=2, span=26, compared=6,
            recent_days=56, profile_days=1_092, ended_days=400,
        ),
        Granularity(
            "monthly", "MS", ("month", "year"), "00:00 UTC of the first day of its month",
            months=1, cycles=(12,), block=12, year=12,
            horizon=12, issue=3, span=18, recent_days=240, profile_days=1_826, ended_days=1_900, plotted=36,
        ),
        Granularity(
            "quarterly", "QS", ("quarter", "year"), "00:00 UTC of the first day of its quarter",
            months=3, cycles=(4,), block=4, year=4,
            horizon=4, span=8, window=8, recent_days=720, profile_days=3_652, ended_days=1_900, plotted=24,
        ),
        Granularity(
            "yearly", "YS", ("year", "2 years"), "00:00 UTC of the first day of its year",
            months=12, block=2,
            horizon=3, span=6, window=6, recent_days=2_920, profile_days=7_305, ended_days=5_478,
            plotted=16,
        ),
    )
}  # fmt: skip
"""By name, from the shortest step to the longest."""

ALIASES = {
    **{granularity.alias.lower(): name for name, granularity in GRANULARITIES.items()},
    **{"15t": "15min", "30t": "30min", "60min": "hourly", "1h": "hourly", "1d": "daily", "24h": "daily"},
    **{"7d": "weekly", "m": "monthly", "me": "monthly", "q": "quarterly", "qe": "quarterly", "a": "yearly"},
    **{"as": "yearly", "y": "yearly", "ye": "yearly", "bd": "business_daily"},
    **{"business": "business_daily", "business-daily": "business_daily", "annual": "yearly"},
}
ENDS = re.compile(r"(?:M|ME|Q|QE|Y|YE|A)(?:-[A-Z]{3})?", re.IGNORECASE)
SHAPE = re.compile(r"(?P<base>[0-9A-Za-z_-]+?)(?:-(?P<of>[A-Za-z]{3}))?(?:@(?P<anchor>\d+))?")


def named(text: str) -> Granularity | None:
    """The granularity of a name or of pandas' alias, `W-SUN` and `QS-FEB` with their anchor; None for another text.

    Aliases that label the end (`ME`, `QE`, `YE`) are those of the same steps; `labels_ends` recognises them.
    """
    match = SHAPE.fullmatch(text.strip())
    if match is None:
        return None
    base = match["base"].lower()
    usual = GRANULARITIES.get(ALIASES.get(base, base))
    if usual is None or not (match["anchor"] or match["of"]):
        return usual
    anchor = int(match["anchor"]) if match["anchor"] else _anchor(usual, text, match["of"].upper())
    return None if anchor is None else replace(usual, anchor=anchor)


def labels_ends(text: str) -> bool:
    """Whether an alias of pandas names the step by its last day."""
    return ENDS.fullmatch(text.strip()) is not None


def granularity_table() -> str:
    """The granularities in words, for a message."""
    aliases = {name: granularity.alias for name, granularity in GRANULARITIES.items()}
    aliases["weekly"] = "{0}-MON … {0}-SUN".format(aliases["weekly"])
    return "expected one of " + ", ".join(f"{name} ({alias})" for name, alias in aliases.items())


def _anchor(granularity: Granularity, text: str, of: str) -> int | None:
    """The anchor that pandas writes after a dash: the weekday, or the month in which a quarter or year begins.

    Of aliases that label the end it is the month in which they end.
    """
    names = WEEKDAYS if granularity.name == "weekly" else MONTHS if granularity.months > 1 else ()
    if of not in names:
        return None
    place = names.index(of)
    return place * DAY if names is WEEKDAYS else (place + labels_ends(text)) % granularity.months
