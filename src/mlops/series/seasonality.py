"""Which seasons series have, how strong they are and when they peak; many series at once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby

import numpy as np

from mlops.arrays import Bools, Floats, Ints
from mlops.db import Database
from mlops.db.archive.read import read_archived
from mlops.db.binary import elements
from mlops.domain.canonical import JsonObject
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.domain.metric_types import Season
from mlops.series.filters import check_filters
from mlops.times import UTC, local_times

__all__ = [
    "VERSION",
    "Histories",
    "Profile",
    "SeasonFound",
    "candidates",
    "seasonal_profile",
    "store_due",
    "store_profiles",
]

VERSION = 2
"""Raised when the method changes, so that every profile is written anew."""
VALUES_AT_ONCE = 220_000
"""Values of a year that are profiled at once, of at most MOST_AT_ONCE series."""
MOST_AT_ONCE = 1000
DAYS: dict[Season, float] = {"day": 1, "week": 7, "month": 30.4375, "year": 365.25}
FEWEST_CYCLES = {"day": 7.0, "week": 5.0, "month": 6.0, "year": 1.95}
"""Seasons that a history must hold before one is looked for."""
DUE_DAYS = 28
"""Chosen, not measured: after so many newer days a profile is made anew by maintenance."""
LEAST_STRENGTH, LEAST_AGREEMENT = 0.1, 0.7
STEADY, EVEN = 1.32, 0.49
"""Syntetos and Boylan (2005): mean gap between demands, and squared variation of their sizes."""


@dataclass(frozen=True, slots=True)
class Histories:
    """Histories side by side: `values` (series, steps) from the step `start` on, NaN where nothing was observed.

    Steps are counted as they pass; `clock` is the time zone whose hours and weekdays they follow.
    """

    values: Floats
    start: int
    granularity: Granularity
    clock: str = UTC


@dataclass(frozen=True, slots=True)
class SeasonFound:
    """One season that was looked for: the share of variance it explains, whether it is believed, and its shape.

    `index` is the mean of each phase over the mean of all: hour 0 to 23, Monday to Sunday, day 1 to 31, January to
    December (hours of the local week for hourly series); None where a phase was never observed. `peak` is the place of
    the largest.
    """

    found: bool
    strength: float
    index: tuple[float | None, ...]
    peak: int


@dataclass(frozen=True, slots=True)
class _Series:
    """A series that is to be profiled, with the seasons that it may have."""

    series_id: int
    granularity: str
    time_zone: str
    anchor: int | None
    seasons: list[Season]


@dataclass(frozen=True, slots=True)
class _Observed:
    """The trusted history of a series, an array per column as `array_send` writes it; the newest known at `as_of`."""

    series_id: int
    as_of: datetime
    observed_at: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Profile:
    """What one series looks like; gaps are in periods, `trend_per_year` is in the unit of the metric type."""

    observations: int
    missing: int
    longest_gap: int
    mean: float
    zero_share: float
    pattern: str
    trend_per_year: float
    seasons: dict[Season, SeasonFound]


def candidates(granularity: Granularity) -> dict[Season, float]:
    """The seasons that a granularity can show, with their lengths in steps; days of the month of whole days alone."""
    days = granularity.days
    shown: dict[Season, bool] = {
        "day": not granularity.dated,
        "week": days < 7,
        "month": granularity.dated and days < 7,
        "year": granularity.per_year >= 4,
    }
    lengths = {season: DAYS[season] / days for season, there in shown.items() if there}
    return {season: round(length) if season in ("day", "week") else length for season, length in lengths.items()}


def seasonal_profile(panel: Histories, seasons: Sequence[Season] = ("day", "week", "month", "year")) -> list[Profile]:
    """The profile of each series of a panel; every series must have an observation.

    A season is believed when its phases explain a tenth of the variance (of what moves faster than the season), when a
    value resembles the one a season later (autocorrelation above twice its error) and when odd and even cycles agree.
    Shorter seasons come first and are taken out before longer ones are looked for.
    """
    there = ~np.isnan(panel.values)
    rest, slopes = _detrended(panel.values, there)
    found: dict[Season, list[SeasonFound | None]] = {}
    for season, length in candidates(panel.granularity).items():
        if season in seasons:
            rest, found[season] = _season(panel, rest, there, season, length)
    return [
        _described(panel, place, slopes[place], {name: some for name, all_ in found.items() if (some := all_[place])})
        for place in range(len(panel.values))
    ]


def store_profiles(database: Database, *, metric_type: str | None = None) -> dict[str, int]:
    """Write `analytics.series.seasonality` where it has changed; how many `series` were profiled and `written`.

    Observations of quality 0 count as missing. A profile says what it rests on: observations `from` and `to`, of which
    the newest was recorded at `as_of`. UnknownName for a metric type that nobody declared.
    """
    with database.transaction() as transaction:
        check_filters(transaction, metric_type=metric_type)
        chosen = transaction.rows("profile_series", of=_Series, metric_type=metric_type)
    return _store(database, chosen)


def store_due(database: Database) -> int:
    """Write the profiles that are due: of series without one of this version, or with four weeks of newer observations.

    How many series were profiled. A season that was measured over months does not change in days.
    """
    with database.transaction() as transaction:
        chosen = transaction.rows("profile_due", of=_Series, version=VERSION, days=DUE_DAYS)
    return _store(database, chosen)["series"]


def _store(database: Database, chosen: list[_Series]) -> dict[str, int]:
    """Profile series, those of one kind together."""
    done = written = 0
    for (name, clock, anchor, seasons), rows in groupby(chosen, key=_kind):
        kind = replace(GRANULARITIES[name], anchor=anchor)
        every = [series.series_id for series in rows]
        size = max(1, min(MOST_AT_ONCE, int(VALUES_AT_ONCE / kind.per_year)))
        for begin in range(0, len(every), size):
            ids = every[begin : begin + size]
            with database.transaction() as transaction:
                read_archived(transaction, ids)
                histories = transaction.rows("profile_values", of=_Observed, series_ids=ids)
                documents = _documents(histories, kind, clock, seasons)
                if documents:
                    stored = {"series_ids": list(documents), "documents": list(documents.values())}
                    written += transaction.run("profile_store", **stored)
            done += len(documents)
    return {"series": done, "written": written}


def _kind(series: _Series) -> tuple[str, str, int, tuple[Season, ...]]:
    """What is the same of series that are profiled together: step, clock, anchor and possible seasons."""
    step = GRANULARITIES[series.granularity]
    return step.name, UTC if step.dated else series.time_zone, series.anchor or 0, tuple(series.seasons)


def _detrended(values: Floats, there: Bools) -> tuple[Floats, Floats]:
    """Values less their straight line (0 where there is none), and the slope per period, (series)."""
    time = np.arange(values.shape[1], dtype=np.float64)
    count = there.sum(axis=1)
    filled = np.where(there, values, 0.0)
    middle, mean = there @ time / count, filled.sum(axis=1) / count
    spread = there @ time**2 - count * middle**2
    slopes = (filled @ time - count * middle * mean) / np.where(spread > 0, spread, np.inf)
    line = mean[:, None] + slopes[:, None] * (time - middle[:, None])
    return np.where(there, values - line, 0.0), slopes


def _season(
    panel: Histories, rest: Floats, there: Bools, season: Season, length: float
) -> tuple[Floats, list[SeasonFound | None]]:
    """What is left of `rest` without the season where it is believed, and what was found of each series."""
    phase = _phases(panel, season)
    fast = rest if season == "year" else _without_level(rest, there, round(length))
    shape, counts = _means(fast, there, phase)
    strength = _strength(fast, there, shape[:, phase], (counts > 0).sum(axis=1))
    alike = _autocorrelation(fast, there, round(length))
    odd = (np.arange(len(phase)) // length).astype(int) % 2 == 1
    agree = _agreement(fast, there, phase, odd)
    enough = _spans(there) >= FEWEST_CYCLES[season] * length
    believed = enough & (strength >= LEAST_STRENGTH) & alike & (agree >= LEAST_AGREEMENT)
    rest = np.where(there & believed[:, None], rest - shape[:, phase], rest)
    level, _ = _means(np.where(there, panel.values, 0.0), there, phase)
    whole = np.nanmean(panel.values, axis=1)
    return rest, [
        _shape(believed[place], strength[place], level[place], counts[place], whole[place]) if enough[place] else None
        for place in range(len(rest))
    ]


def _shape(believed: bool, strength: float, level: Floats, counts: Floats, whole: float) -> SeasonFound:
    scale = whole if whole else 1.0
    index = tuple(round(float(mean / scale), 4) if many else None for mean, many in zip(level, counts, strict=True))
    peak = int(np.argmax(np.where(counts > 0, level, -np.inf)))
    return SeasonFound(bool(believed), round(float(strength), 4), index, peak)


def _phases(panel: Histories, season: Season) -> Ints:
    """The phase of each step, (steps): its place in the local day, in the week from Monday, in the month; the month."""
    step = panel.granularity
    local = local_times(step.start(panel.start + np.arange(panel.values.shape[1])), panel.clock)
    months, days = local.astype("datetime64[M]"), local.astype("datetime64[D]")
    phase: Ints
    if season == "year":
        phase = months.astype(np.int64) % 12
    elif season == "month":
        phase = (days - months.astype("datetime64[D]")).astype(np.int64)
    else:
        weekday = (days.astype(np.int64) + 3) % 7
        within = np.zeros_like(weekday) if step.dated else (local - days).astype("timedelta64[s]").astype(np.int64)
        phase = within // (step.seconds or 1)
        if season == "week":
            phase = phase + weekday * (1 if step.dated else 86_400 // step.seconds)
    return phase


def _without_level(rest: Floats, there: Bools, length: int) -> Floats:
    """Values less the mean of the season around them, 0 where there is none; one that is alone there is that mean."""
    sums, counts = _around(rest, length), _around(there.astype(np.float64), length)
    return np.where(there & (counts > 1), rest - sums / np.maximum(counts, 1), 0.0)


def _around(values: Floats, length: int) -> Floats:
    """The sum over about `length` periods around each one."""
    before, after = length // 2, length - length // 2
    total = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
    place = np.arange(values.shape[1])
    high, low = np.minimum(place + after, values.shape[1]), np.maximum(place - before, 0)
    sums: Floats = total[:, high] - total[:, low]
    return sums


def _means(values: Floats, there: Bools, phase: Ints) -> tuple[Floats, Floats]:
    """The mean of each phase and how many there are, (series, phases) each; `values` are 0 where nothing is there."""
    many = int(phase.max()) + 1
    place = (np.arange(len(values))[:, None] * many + phase).ravel()
    sums, counts = (
        np.bincount(place, some.ravel(), len(values) * many).reshape(len(values), many).astype(np.float64)
        for some in (values, there)
    )
    return sums / np.maximum(counts, 1), counts


def _strength(values: Floats, there: Bools, fitted: Floats, phases: Ints) -> Floats:
    """The share of variance that phase means explain, less what they would of noise (adjusted R²), (series).

    The strength of Wang, Smith and Hyndman (2006), max(0, 1 - Var(remainder) / Var(season + remainder)), with each
    variance by its degrees of freedom: over few cycles the plain one of white noise is far above 0.
    """
    count = there.sum(axis=1)
    left = (np.where(there, values - fitted, 0.0) ** 2).sum(axis=1) / np.maximum(count - phases, 1)
    whole = (values**2).sum(axis=1) / np.maximum(count - 1, 1)
    strength: Floats = np.clip(1 - left / np.where(whole > 0, whole, np.inf), 0, 1) * (whole > 0)
    return strength


def _autocorrelation(values: Floats, there: Bools, lag: int) -> Bools:
    """Whether the correlation with the value a season before is above twice its error under noise."""
    if lag >= values.shape[1]:
        return np.zeros(len(values), dtype=bool)
    pairs = np.maximum((there[:, lag:] & there[:, :-lag]).sum(axis=1), 1)
    variance = (values**2).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    together = (values[:, lag:] * values[:, :-lag]).sum(axis=1) / pairs
    alike: Bools = together > 2 / np.sqrt(pairs) * variance
    return alike


def _agreement(values: Floats, there: Bools, phase: Ints, odd: Bools) -> Floats:
    """The correlation of the phase means of odd and of even cycles, (series)."""
    (one, many), (other, more) = (_means(values * half, there & half, phase) for half in (odd, ~odd))
    both = (many > 0) & (more > 0)
    one, other = (np.where(both, half, 0.0) for half in (one, other))
    size = np.maximum(both.sum(axis=1), 1)[:, None]
    one, other = (np.where(both, half - half.sum(axis=1, keepdims=True) / size, 0.0) for half in (one, other))
    norm = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    agreement: Floats = (one * other).sum(axis=1) / np.where(norm > 0, norm, np.inf)
    return agreement


def _spans(there: Bools) -> Ints:
    """Periods from the first to the last observation, (series)."""
    spans: Ints = there.shape[1] - np.argmax(there[:, ::-1], axis=1) - np.argmax(there, axis=1)
    return spans


def _described(panel: Histories, place: int, slope: float, seasons: dict[Season, SeasonFound]) -> Profile:
    seen = np.flatnonzero(~np.isnan(panel.values[place]))
    values = panel.values[place, seen]
    gaps = np.diff(seen)
    return Profile(
        observations=len(seen),
        missing=int(seen[-1] - seen[0] + 1 - len(seen)),
        longest_gap=int(gaps.max() - 1) if len(gaps) else 0,
        mean=_rounded(values.mean()),
        zero_share=_rounded((values == 0).mean()),
        pattern=_pattern(values),
        trend_per_year=_rounded(slope * panel.granularity.per_year),
        seasons=seasons,
    )


def _pattern(values: Floats) -> str:
    """Smooth, erratic, intermittent or lumpy, by how often and how evenly something is there."""
    some = values[values != 0]
    if not len(some):
        return "zero"
    seldom, uneven = len(values) / len(some) >= STEADY, some.var() >= EVEN * some.mean() ** 2
    return {(False, False): "smooth", (False, True): "erratic", (True, False): "intermittent", (True, True): "lumpy"}[
        bool(seldom), bool(uneven)
    ]


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")


def _documents(
    histories: list[_Observed], granularity: Granularity, clock: str, seasons: Sequence[Season]
) -> dict[int, JsonObject]:
    """series_id -> what is stored of it, as JSON holds it."""
    if not histories:
        return {}
    at = [elements(history.observed_at, "datetime64[us]").astype("datetime64[s]") for history in histories]
    if not granularity.dated:  # the full hour of half-hour zones
        granularity = granularity.anchored(at[0][0])
    places = [granularity.number(stamps) for stamps in at]
    start = min(int(place[0]) for place in places)
    values = np.full((len(at), max(int(place[-1]) for place in places) - start + 1), np.nan)
    for row, (place, history) in enumerate(zip(places, histories, strict=True)):
        values[row, place - start] = elements(history.value, "float64")
    profiles = seasonal_profile(Histories(values, start, granularity, clock), seasons)
    return {
        history.series_id: {
            "version": VERSION,
            "as_of": history.as_of.isoformat(),
            "from": f"{stamps[0]}Z",
            "to": f"{stamps[-1]}Z",
            **asdict(profile),
        }
        for history, stamps, profile in zip(histories, at, profiles, strict=True)
    }
