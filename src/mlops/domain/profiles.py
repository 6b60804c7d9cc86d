"""What the values of a feature were like in a window, and what of it is not good enough."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

__all__ = ["Bounds", "Distribution", "FeatureProfile", "Limits", "Pattern", "Quality", "Window", "below"]

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Window:
    """The time from `start` until before `end`; both are aware."""

    start: datetime
    end: datetime

    @classmethod
    def before(cls, as_of: datetime, days: int) -> "Window":
        """The last `days` whole days (UTC) that have ended by `as_of`."""
        end = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(end - timedelta(days=days), end)


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares from 0 to 1, None where there is nothing to measure, and what they rest on.

    `completeness`: of the expected keys (every series × every step of the window), how many have a value. Days on
    weekdays on which no series ever has a row are not expected.
    `accuracy`: of the values, how many are finite and within `bounds`.
    `consistency`: of the values, how many are at once `unique` (their key has no other value), `typed` (of the declared
    dtype), `steady` (of a series whose median lies within Tukey's outer fences of its own history) and `repeated` (the
    same as in an earlier build). Each of the four is a share, too, or None where it can't be asked.
    `freshness`: of the series, how many have a value that is not stale at `as_of`: its period ended no longer ago than
    the `late_after` of what it is computed from, and no longer than one step.
    """

    completeness: float | None
    accuracy: float | None
    consistency: float | None
    freshness: float | None
    bounds: Bounds
    unique: float | None
    typed: float | None
    steady: float | None
    repeated: float | None
    newest: datetime | None
    """The newest time with a value."""
    age_steps: float | None
    """Steps from the end of the newest period until `as_of`."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The `count` values of a window that are of the declared dtype; statistics are of the finite ones.

    `missing` counts the expected keys without any. `counts` is the histogram: below the first edge, between each two,
    above the last; it sums to `count`. `top` are the most common categories of what is not a number.
    """

    count: int
    missing: int
    infinite: int
    distinct: int
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    quantiles: Mapping[str, float]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    top: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Pattern:
    """How the finite values move with time, over history and window; None where there is nothing to measure.

    Means by hour (of hourly features), weekday (Monday first) and month (January first). `trend` is the change per step
    within a series. `autocorrelation` is that of values `season` steps apart.
    """

    since: datetime | None
    by_hour: tuple[float | None, ...]
    by_weekday: tuple[float | None, ...]
    by_month: tuple[float | None, ...]
    trend: float | None
    season: int
    autocorrelation: float | None


@dataclass(frozen=True, slots=True)
class FeatureProfile:
    """One feature in one window, as it was known at `as_of`."""

    name: str
    window: Window
    as_of: datetime
    series: int
    expected: int
    quality: Quality
    distribution: Distribution
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Limits:
    """The least share of each quality that is good enough."""

    completeness: float = 0.95
    accuracy: float = 0.99
    consistency: float = 0.95
    freshness: float = 0.95


def below(profile: FeatureProfile, limits: Limits) -> Iterator[str]:
    """What is not good enough, one sentence per quality."""
    quality, values = profile.quality, profile.distribution
    newest = f"the newest value is of {quality.newest:%Y-%m-%d %H:%M} UTC" if quality.newest else "there is no value"
    why = {
        "completeness": f"{values.missing:,} of {profile.expected:,} values are missing",
        "accuracy": f"expected finite values{_between(quality.bounds)}; found {_span(values)}",
        "consistency": _inconsistent(quality),
        "freshness": f"{newest}, and it is {profile.as_of:%Y-%m-%d %H:%M} UTC",
    }
    for name, least in ((field.name, getattr(limits, field.name)) for field in fields(limits)):
        measured = getattr(quality, name)
        if measured is not None and measured < least:
            yield f"{name} {measured:.1%} is below {least:.0%}: {why[name]}"


def _inconsistent(quality: Quality) -> str:
    """Which of the four checks fail, and how many values pass them."""
    words = {
        "unique": "the only value of their key",
        "typed": "of the declared dtype",
        "steady": "of a series whose middle is where its history was",
        "repeated": "the same as in the build before",
    }
    shares = {text: getattr(quality, name) for name, text in words.items()}
    return "; ".join(
        f"{passed:.1%} of the values are {text}" for text, passed in shares.items() if passed not in (None, 1)
    )


def _between(bounds: Bounds) -> str:
    low, high = bounds
    if low is None and high is None:
        return ""
    return f" {f'from {low:g} ' if low is not None else ''}{f'up to {high:g}' if high is not None else ''}".rstrip()


def _span(values: Distribution) -> str:
    infinite = f", {values.infinite:,} infinite" if values.infinite else ""
    return (f"{values.min:g} to {values.max:g}" if values.min is not None else "none") + infinite
