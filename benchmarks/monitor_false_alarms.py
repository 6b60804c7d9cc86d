"""False-alarm episodes a year on quiet lives, and days until a true change is found.

Run by hand: python benchmarks/monitor_false_alarms.py --lives 20 --seed 5000. The monitor was tuned on seeds < 1000.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from mlops.domain.findings import Findings
from mlops.monitoring import MonitorSpec, fit_monitor

Rng = np.random.Generator
FIRST_DAY = pd.Timestamp("2022-01-01")
NEVER = 10**6


@dataclass(frozen=True)
class World:
    """How a simulated company behaves: seasons, days that resemble the day before, entities that differ."""

    numeric: int = 24
    categorical: int = 6
    entities: int = 10
    years: float = 2.0
    season: float = 1.0
    persistence: float = 0.6
    common: float = 0.5
    ratios: bool = False
    entity_spread: float = 1.0
    missing: float = 0.01
    absent: float = 0.03
    checks: int = 52

    @property
    def history_days(self) -> int:
        return round(self.years * 365)

    @property
    def spec(self) -> MonitorSpec:
        names = [f"num{k}" for k in range(self.numeric)], [f"cat{k}" for k in range(self.categorical)]
        return MonitorSpec("ds", "entity", *map(tuple, names), "y", "y_hat", "holiday")


@dataclass(frozen=True)
class Change:
    """From `day` on feature 0 is `shift` sigmas higher and its coefficient `coefficient` more."""

    day: int
    shift: float = 0.0
    coefficient: float = 0.0


QUIET = Change(NEVER)


def life(world: World, seed: int, change: Change = QUIET) -> pd.DataFrame:
    """Daily rows per entity: history and what comes after, with the predictions of a model that knew the first."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(FIRST_DAY, periods=world.history_days + 7 * world.checks)
    after = np.arange(len(days)) >= change.day
    holiday = rng.random(len(days)) < 0.025
    features, surprise = _features(world, days, holiday, rng)
    features[after, :, 0] += change.shift * surprise[..., 0].std()
    scaled = features / features.std((0, 1))
    believed = scaled @ rng.normal(0, 1, world.numeric) + 2 * _seasonal(days, rng, 1) + 3 * holiday[:, None]
    changed = change.coefficient * scaled[..., 0] * after[:, None]
    noise = 0.6 * _autocorrelated(len(days), 1, 0.4, rng) + rng.normal(0, 1, believed.shape)
    misfit = scaled @ (0.03 * rng.normal(0, 1, world.numeric)) + 0.15 * _seasonal(days, rng, 1)
    columns = _columns(world, days, features, rng)
    return _frame(world, days, holiday, columns | {"y": believed + changed + noise, "y_hat": believed + misfit}, rng)


def _features(world: World, days: pd.DatetimeIndex, holiday: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    shape = len(days), world.entities, world.numeric
    expected = world.season * _seasonal(days, rng, world.numeric) - 0.8 * rng.random(world.numeric) * holiday[:, None]
    phi = world.persistence * rng.random(world.numeric)
    together = np.column_stack([_autocorrelated(len(days), 1, p, rng) for p in phi])
    surprise = np.sqrt(world.common) * together[:, None] + np.sqrt(1 - world.common) * rng.normal(0, 1, shape)
    heavy = rng.random(world.numeric) < 0.25
    surprise[..., heavy] = np.expm1(0.5 * surprise[..., heavy]) / 0.6
    features = expected[:, None] + world.entity_spread * rng.normal(0, 1, shape[1:]) + surprise
    if world.ratios:
        trips = rng.poisson(12, shape) + 1
        features = rng.binomial(trips, 1 / (1 + np.exp(1.5 - 0.5 * features))) / trips
        surprise = features - features.mean(0)
    return features, surprise


def _seasonal(days: pd.DatetimeIndex, rng: Rng, columns: int) -> np.ndarray:
    angle = 2 * np.pi * days.dayofyear.to_numpy()[:, None] / 365.25
    first, second = (rng.uniform(0, 2 * np.pi, columns) for _ in range(2))
    size = rng.uniform(0, 1.5, columns)
    week = rng.normal(0, 0.5, (7, columns))
    return size * (np.cos(angle + first) + 0.3 * np.cos(2 * angle + second)) + week[days.dayofweek.to_numpy()]


def _autocorrelated(days: int, columns: int, phi: float, rng: Rng) -> np.ndarray:
    steps = rng.normal(0, 1, (days + 50, columns))
    for day in range(1, len(steps)):
        steps[day] = phi * steps[day - 1] + np.sqrt(1 - phi**2) * steps[day]
    return steps[50:]


def _columns(world: World, days: pd.DatetimeIndex, features: np.ndarray, rng: Rng) -> dict[str, np.ndarray]:
    columns = {name: features[..., k] for k, name in enumerate(world.spec.numeric)}
    for k, name in enumerate(world.spec.categorical):
        columns[name] = _categories(days, world.entities, 3 + k % 4, rng)
    return columns


def _frame(
    world: World, days: pd.DatetimeIndex, holiday: np.ndarray, columns: dict[str, np.ndarray], rng: Rng
) -> pd.DataFrame:
    frame = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    inputs = [*world.spec.numeric, *world.spec.categorical]
    frame[inputs] = frame[inputs].mask(rng.random((len(frame), len(inputs))) < world.missing)
    entity, day = np.tile(np.arange(world.entities), len(days)), days.repeat(world.entities)
    frame = frame.assign(ds=day, entity=entity, holiday=holiday.repeat(world.entities))
    return frame[rng.random(len(frame)) >= world.absent]


def _categories(days: pd.DatetimeIndex, entities: int, levels: int, rng: Rng) -> np.ndarray:
    scores = rng.normal(0, 0.7, levels) + 0.3 * _seasonal(days, rng, levels)
    chance = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    draws = rng.random((len(days), entities, 1))
    return (draws > chance.cumsum(1)[:, None, :]).sum(2).clip(max=levels - 1).ravel()


def weekly(world: World, frame: pd.DataFrame) -> Iterator[tuple[pd.Timestamp, Findings]]:
    """Fit on the history, then check week after week."""
    start = FIRST_DAY + pd.Timedelta(days=world.history_days)
    monitor = fit_monitor(frame[frame["ds"] < start], world.spec)
    for week in range(world.checks):
        left, right = start + pd.Timedelta(weeks=week), start + pd.Timedelta(weeks=week + 1)
        yield right, monitor.check(frame[(frame["ds"] >= left) & (frame["ds"] < right)])


def alarms(findings: Findings) -> frozenset[tuple[str, str]]:
    """What the findings complain of."""
    return frozenset((f.kind, f.subject) for f in findings.details if f.drifted)


def quiet_life(world: World, seed: int) -> tuple[int, int, Counter[str]]:
    """Episodes (an alarmed week after a calm one), alarmed weeks, and complaints by kind when they begin."""
    weeks = [alarms(findings) for _, findings in weekly(world, life(world, seed))]
    before = [frozenset(), *weeks]
    episodes = sum(bool(now) and not was for was, now in zip(before, weeks, strict=False))
    begun = Counter(kind for was, now in zip(before, weeks, strict=False) for kind, _ in now - was)
    return episodes, sum(map(bool, weeks)), begun


def delay(world: World, change: Change, wanted: Callable[[Findings], bool], seed: int) -> float:
    """Days from a change, on some weekday of the third week, to the check that finds it; NaN if 14 weeks don't."""
    day = world.history_days + 14 + seed % 7
    began = FIRST_DAY + pd.Timedelta(days=day)
    short = replace(world, checks=17)
    for end, findings in weekly(short, life(short, seed, replace(change, day=day))):
        if end > began and wanted(findings):
            return (end - began).days
    return np.nan


def feature_found(findings: Findings) -> bool:
    """Whether the feature that moved is named."""
    return "num0" in findings.features


def concept_found(findings: Findings) -> bool:
    """Whether the relation is said to have moved."""
    return findings.concept


WORLDS = {
    "two years, 10 rows a day": World(),
    "two years, strong persistence": World(persistence=0.9, common=0.8),
    "three years, 1 row a day": World(years=3, entities=1, numeric=12, categorical=2),
    "one year, 10 rows a day": World(years=1),
    "one year, ratios of counts, 18 rows a day": World(years=1, entities=18, ratios=True, numeric=10, categorical=2),
    "eight months, 10 rows a day": World(years=8 / 12),
    "eight months, ratios, 18 rows a day": World(years=8 / 12, entities=18, ratios=True, numeric=10, categorical=2),
}
CHANGES = {
    "one feature + 2 sigma": (Change(NEVER, shift=2.0), feature_found),
    "one coefficient + 0.7": (Change(NEVER, coefficient=0.7), concept_found),
    "one coefficient + 1.0": (Change(NEVER, coefficient=1.0), concept_found),
}


def report(world: World, seeds: range, pool: ProcessPoolExecutor) -> None:
    """Prints what quiet lives of this world cost and how fast changes are found."""
    episodes, weeks, begun = zip(*pool.map(partial(quiet_life, world), seeds), strict=True)
    print(f"  {np.mean(episodes):.2f} episodes, {np.mean(weeks):.2f} alarmed weeks a year; by life {list(episodes)}")
    print(f"  complaints by kind: {dict(sum(begun, Counter()))}")
    for name, (change, wanted) in CHANGES.items():
        days = np.array(list(pool.map(partial(delay, world, change, wanted), seeds)))
        found = days[~np.isnan(days)]
        mean, median = (found.mean(), np.median(found)) if len(found) else (np.nan, np.nan)
        print(f"  {name}: {len(found)} of {len(days)} found, after {mean:.1f} days (median {median:.0f})", flush=True)


def main() -> None:
    """Runs the worlds whose name contains --only, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.workers) as pool:
        for name, world in WORLDS.items():
            if arguments.only in name:
                print(name, flush=True)
                report(world, range(arguments.seed, arguments.seed + arguments.lives), pool)


if __name__ == "__main__":
    main()
