"""How often a live verdict is wrong in a year of weekly looks, and how soon it finds what is there.

`python benchmarks/serving/live.py [years]` (4,000 by default, about two minutes). Differences are by series and day, in
standard deviations of a day. The rule was chosen on the worlds of `DEVELOPED` with other seeds; the worlds of `UNSEEN`
were made afterwards, and nothing was changed by what they said.
"""

import sys
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from mlops.evaluation.sequence import confidence_sequence

Floats = npt.NDArray[np.float64]
World = Callable[[np.random.Generator, int], Floats]
WEEKS, WARM, AT_ONCE, SEED = 52, 28, 250, 20_261_130
DAYS = 7 * WEEKS


def remembered(random: np.random.Generator, shape: tuple[int, ...], memory: float) -> Floats:
    """Normal values of deviation 1 along the last axis, each going with the one before."""
    values = random.normal(size=(*shape[:-1], shape[-1] + WARM))
    for place in range(1, values.shape[-1]):
        values[..., place] = memory * values[..., place - 1] + np.sqrt(1 - memory**2) * values[..., place]
    return values[..., WARM:]


def together(random: np.random.Generator, shape: tuple[int, int, int], memory: float, between: float) -> Floats:
    """(years, series, days) of which any two series correlate by `between`."""
    years, _, days = shape
    common = remembered(random, (years, 1, days), memory)
    return np.sqrt(between) * common + np.sqrt(1 - between) * remembered(random, shape, memory)


def by_week(days: Floats) -> Floats:
    """Differences by day (years, days) by week and day."""
    return days.reshape(len(days), -1, 7)


def pooled(series: int, memory: float, between: float = 0.0) -> World:
    """Normal differences of many series."""
    return lambda random, years: by_week(together(random, (years, series, DAYS), memory, between).mean(axis=1))


def of_weeks(memory: float) -> World:
    """A series with one value a week."""
    return lambda random, years: remembered(random, (years, WEEKS), memory)[..., None]


def heavy(random: np.random.Generator, years: int) -> Floats:
    """Five series with t(3) differences."""
    return by_week(random.standard_t(3, (years, 5, DAYS)).mean(axis=1) / np.sqrt(3))


def skewed(series: int) -> World:
    """Few series, of which one model is usually a little better and rarely much worse: lognormal differences."""
    spread = np.sqrt((np.e - 1) * np.e)
    return lambda random, years: by_week(
        ((random.lognormal(0, 1, (years, series, DAYS)) - np.exp(0.5)) / spread).mean(axis=1)
    )


def weekdays(random: np.random.Generator, years: int) -> Floats:
    """Each model has its own weekdays: means of one deviation either way that cancel over the week."""
    return pooled(20, 0.3)(random, years) + np.array([1, 1, 0.5, -0.5, -1, -1, 0])


def louder(random: np.random.Generator, years: int) -> Floats:
    """From some week on all differences are three times as large."""
    since = random.integers(0, WEEKS, (years, 1, 1))
    return pooled(20, 0.3)(random, years) * np.where(np.arange(WEEKS)[:, None] >= since, 3, 1)


def gaps(random: np.random.Generator, years: int) -> Floats:
    """A fifth of the weeks is missing, and a tenth of the other days; half of all weeks have no Sundays."""
    days = pooled(20, 0.3)(random, years)
    days[random.uniform(size=days.shape) < 0.1] = np.nan
    days[..., 0] = np.where(np.isnan(days).all(axis=-1), 0.0, days[..., 0])
    days[:, ::2, 6] = np.nan
    days[..., 0] = np.where(np.isnan(days).all(axis=-1), 0.0, days[..., 0])
    kept = np.argsort(random.uniform(size=(years, WEEKS)), axis=1)[:, : WEEKS * 4 // 5]
    return np.take_along_axis(days, np.sort(kept, axis=1)[..., None], axis=1)


def joining(random: np.random.Generator, years: int) -> Floats:
    """Three series at first and fifty in the end; each joins in a week of its own."""
    values = together(random, (years, 50, DAYS), 0.3, 0.1)
    since = 7 * random.integers(0, WEEKS, (years, 50, 1))
    since[:, :3] = 0
    return by_week(np.nanmean(np.where(np.arange(DAYS) >= since, values, np.nan), axis=1))


def storms(random: np.random.Generator, years: int) -> Floats:
    """On one day in fifty all series are eight times as far apart, all to the same side."""
    storm = (random.uniform(size=(years, DAYS)) < 0.02) * random.normal(size=(years, DAYS)) * 8
    return by_week(together(random, (years, 30, DAYS), 0.3, 0.1).mean(axis=1) + storm)


def clusters(random: np.random.Generator, years: int) -> Floats:
    """Calm and wild times of weeks, log-normal volatility with a memory of .97 a day."""
    return by_week(random.normal(size=(years, DAYS)) * np.exp(0.8 * remembered(random, (years, DAYS), 0.97)))


def forecasts(random: np.random.Generator, years: int) -> Floats:
    """Two equally good forecasters of 20 series of unlike size: the gain in WAPE, errors that correlate by .7."""
    shape = (years, 20, DAYS)
    size = random.lognormal(0, 1, (years, 20, 1))
    season = 1 + 0.3 * np.sin(2 * np.pi * np.arange(DAYS) / 364)
    common = together(random, shape, 0.5, 0.3)
    errors = [np.sqrt(0.7) * common + np.sqrt(0.3) * together(random, shape, 0.5, 0.3) for _ in range(2)]
    saved = (size * season * 0.2 * (np.abs(errors[0]) - np.abs(errors[1]))).sum(axis=1)
    outcomes = (size * season * np.exp(0.2 * random.normal(size=shape))).sum(axis=1)
    return by_week(saved) / by_week(outcomes).mean(axis=-1, keepdims=True)


def yearly(random: np.random.Generator, years: int) -> Floats:
    """Better in winter and worse in summer, by a tenth of a deviation: what is said is true when it is said."""
    start = random.uniform(0, 2 * np.pi, (years, 1))
    return pooled(20, 0.3)(random, years) + by_week(0.1 * np.sin(start + 2 * np.pi * np.arange(DAYS) / 364))


def slow(random: np.random.Generator, years: int) -> Floats:
    """Half of a week's variance is a state that lasts for weeks (.8), under days that have no memory."""
    state = remembered(
        random,
        (
            years,
            WEEKS,
        ),
        0.8,
    )[..., None]
    return np.sqrt(0.5) * state + np.sqrt(3.5) * random.normal(size=(years, WEEKS, 7))


DEVELOPED: Mapping[str, World] = {
    **{f"50 series, memory {m:g}": pooled(50, m) for m in (0, 0.3, 0.5)},
    "50 series that correlate by .1, memory .3": pooled(50, 0.3, 0.1),
    "50 series that correlate by .3, memory .5": pooled(50, 0.5, 0.3),
    "weeks of one value, memory .5": of_weeks(0.5),
}
UNSEEN: Mapping[str, World] = {
    "5 series, heavy tails": heavy,
    "2 series, skewed": skewed(2),
    "1 series, skewed": skewed(1),
    "1 series, memory .5": pooled(1, 0.5),
    "differences with weekdays": weekdays,
    "a shift to three times the size": louder,
    "missing weeks and days": gaps,
    "series that join late": joining,
    "days of storm": storms,
    "calm and wild weeks": clusters,
    "WAPE of two forecasters": forecasts,
}
REPORTED: Mapping[str, World] = {
    "50 series, memory .7": pooled(50, 0.7),
    "50 series, memory .85 (weeks: .5)": pooled(50, 0.85),
    "50 series, memory .95": pooled(50, 0.95),
    "a state that lasts for weeks": slow,
    "seasons in the difference": yearly,
}


def years_of(world: World, years: int, seed: int) -> Iterator[Floats]:
    """The same years for the same seed, few at once: memory is what there is least of."""
    random = np.random.default_rng(seed)
    for _ in range(years // AT_ONCE):
        yield world(random, AT_ONCE)


def share_decided(
    world: World, years: int, seed: int, by: int, *, shift: float = 0.0, confidence: float = 0.95
) -> float:
    """The share of years that are decided by a week at the latest."""
    decided = 0
    for days in years_of(world, years, seed):
        sequence = confidence_sequence(days + shift, confidence)
        decided += int(((sequence.low > 0) | (sequence.high < 0))[..., :by].any(axis=-1).sum())
    return decided / (years // AT_ONCE * AT_ONCE)


def reversal(years: int, seed: int) -> tuple[float, float]:
    """Better by .2 for half a year and worse by .2 from then on: who is found in each half."""
    shift = np.where(np.arange(WEEKS) < WEEKS // 2, 0.2, -0.2)[:, None]
    first = last = 0
    for days in years_of(pooled(50, 0.3), years, seed):
        sequence = confidence_sequence(days + shift, 0.95)
        first, last = first + int((sequence.low[:, 25] > 0).sum()), last + int((sequence.high[:, -1] < 0).sum())
    return first / years, last / years


def main() -> None:
    """Print shares, in %."""
    years = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    print(f"{years:,} years of 52 weekly looks; confidence .95")
    for title, worlds in (("no difference: chosen on", DEVELOPED), ("unseen", UNSEEN), ("reported", REPORTED)):
        print(f"\nwrong within the year, {title}")
        for seed, (name, world) in enumerate(worlds.items(), SEED):
            print(f"  {name:45s} {100 * share_decided(world, years, seed, WEEKS):5.1f}", flush=True)
    print("\n.2 sd over 50 series: found within 6, 12, 26 weeks; within 6 as one of four challengers")
    for between in (0, 0.1, 0.3):
        for memory in (0, 0.3, 0.5, 0.7):
            world = pooled(50, memory, between)
            found = [share_decided(world, years, SEED, by, shift=0.2) for by in (6, 12, 26)]
            found.append(share_decided(world, years, SEED, 6, shift=0.2, confidence=0.9875))
            shown = "  ".join(f"{100 * share:5.1f}" for share in found)
            print(f"  memory {memory:.1f}, series correlate by {between:.1f}   {shown}", flush=True)
    better, worse = reversal(years, SEED)
    print(
        f"\nbetter by .2, then worse by .2: better after 26 weeks {100 * better:.1f}, worse after 52 {100 * worse:.1f}"
    )


if __name__ == "__main__":
    main()
