"""False-alarm episodes a year on quiet lives, and days until a true change is found: python benchmarks/monitor_false_alarms.py."""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mlops.domain.findings import Findings
from mlops.monitoring import MonitorSpec, fit_monitor

Rng = np.random.Generator


@dataclass(frozen=True)
class World:
    """How a simulated company behaves: seasons of every feature, days that resemble the day before, entities that differ."""

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


def life(world: World, seed: int, change: Change | None = None) -> pd.DataFrame:
    """Daily rows per entity: history and the year after it, with the predictions of a model that knew the first."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2022-01-01", periods=world.history_days + 7 * world.checks)
    holiday = rng.random(len(days)) < 0.025
    features, surprise = _features(world, days, holiday, rng)
    after = np.arange(len(days)) >= (change.day if change else len(days))
    if change:
        features[after, :, 0] += change.shift * surprise[..., 0].std()
    weights = rng.normal(0, 1, world.numeric) / features.std((0, 1))
    truth = (
        features @ weights
        + (change.coefficient / features[..., 0].std() if change else 0) * features[..., 0] * after[:, None]
    )
    truth = truth + 2 * _seasonal(days, rng, 1)[:, 0, None] + 3 * holiday[:, None]
    noise = 0.6 * _autocorrelated(len(days), 1, 0.4, rng) + rng.normal(0, 1, features.shape[:2])
    model_error = features @ (0.03 * rng.normal(0, 1, world.numeric) / features.std((0, 1)))
    model_error = model_error + 0.15 * _seasonal(days, rng, 1)
    predicted = (
        truth
        if not change
        else truth - (change.coefficient / features[..., 0].std()) * features[..., 0] * after[:, None]
    )
    return _frame(world, days, holiday, features, truth + noise, predicted + model_error, rng)


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


def _frame(
    world: World,
    days: pd.DatetimeIndex,
    holiday: np.ndarray,
    features: np.ndarray,
    y: np.ndarray,
    y_hat: np.ndarray,
    rng: Rng,
) -> pd.DataFrame:
    count = world.entities
    columns = {name: features[..., k].ravel() for k, name in enumerate(world.spec.numeric)}
    for k, name in enumerate(world.spec.categorical):
        columns[name] = _categories(days, count, 3 + k % 4, rng)
    frame = pd.DataFrame(columns)
    frame = frame.mask(rng.random(frame.shape) < world.missing)
    times = {"ds": days.repeat(count), "entity": np.tile(np.arange(count), len(days)), "holiday": holiday.repeat(count)}
    return frame.assign(**times, y=y.ravel(), y_hat=y_hat.ravel())[rng.random(len(frame)) >= world.absent]


def _categories(days: pd.DatetimeIndex, entities: int, levels: int, rng: Rng) -> np.ndarray:
    scores = rng.normal(0, 0.7, levels) + 0.3 * _seasonal(days, rng, levels)
    chance = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    draws = rng.random((len(days), entities, 1))
    return (draws > chance.cumsum(1)[:, None, :]).sum(2).clip(max=levels - 1).ravel()


def weekly(world: World, frame: pd.DataFrame) -> Iterator[tuple[pd.Timestamp, Findings]]:
    """Fit on the history, then check week after week."""
    start = frame["ds"].min() + pd.Timedelta(days=world.history_days)
    monitor = fit_monitor(frame[frame["ds"] < start], world.spec)
    for week in range(world.checks):
        left, right = start + pd.Timedelta(weeks=week), start + pd.Timedelta(weeks=week + 1)
        yield right, monitor.check(frame[(frame["ds"] >= left) & (frame["ds"] < right)])


def alarms(findings: Findings) -> frozenset[tuple[str, str]]:
    """What the findings complain of."""
    return frozenset((f.kind, f.subject) for f in findings.details if f.drifted)


def quiet(world: World, lives: int, seed: int) -> None:
    """Prints false-alarm episodes per life: a week with an alarm after one without, and new complaints one by one."""
    episodes, complaints, weeks, kinds = [], [], [], {}
    for k in range(lives):
        calm, count, before, alarmed = True, 0, frozenset(), 0
        new = 0
        for _, findings in weekly(world, life(world, seed + k)):
            now = alarms(findings)
            count, calm = count + bool(now and calm), not now
            alarmed += bool(now)
            for one in now - before:
                new += 1
                kinds[one[0]] = kinds.get(one[0], 0) + 1
            before = now
        episodes.append(count), complaints.append(new), weeks.append(alarmed)
    years = lives * world.checks / 52
    print(
        f"  episodes a year {sum(episodes) / years:.2f}, new complaints {sum(complaints) / years:.2f}, alarmed weeks {sum(weeks) / years:.2f}; by life {episodes}; {kinds}",
        flush=True,
    )


def delays(
    world: World, lives: int, seed: int, make: Callable[[int], Change], wanted: Callable[[Findings], bool]
) -> None:
    """Prints after how many days a change that begins on a random day is found."""
    found = []
    short = replace(world, checks=16)
    for k in range(lives):
        day = short.history_days + 14 + (seed + k) % 7
        started = pd.Timestamp("2022-01-01") + pd.Timedelta(days=day)
        frame = life(short, seed + k, make(day))
        found.append(
            next(
                ((end - started).days for end, findings in weekly(short, frame) if end > started and wanted(findings)),
                99,
            )
        )
    print(
        f"  days: mean {np.mean(found):.1f}, median {np.median(found):.0f}, worst {max(found)}; never {sum(d == 99 for d in found)} of {lives}",
        flush=True,
    )


WORLDS = {
    "two years, 10 rows a day": World(),
    "two years, strong persistence": World(persistence=0.9, common=0.8),
    "three years, 1 row a day": World(years=3, entities=1, numeric=12, categorical=2),
    "one year, ratios of 18": World(years=1, entities=18, ratios=True, numeric=10, categorical=2),
    "eight months, ratios of 18": World(years=8 / 12, entities=18, ratios=True, numeric=10, categorical=2),
    "eight months, 24 features": World(years=8 / 12),
    "one year, 24 features": World(years=1),
}


def main() -> None:
    """Runs the worlds named on the command line, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    for name, world in WORLDS.items():
        if arguments.only not in name:
            continue
        print(name, flush=True)
        began = time.process_time()
        quiet(world, arguments.lives, arguments.seed)
        print("  level +2 sigma of one feature:", end="")
        delays(
            world, arguments.lives, arguments.seed, lambda day: Change(day, shift=2.0), lambda f: "num0" in f.features
        )
        print("  coefficient + .7:", end="")
        delays(world, arguments.lives, arguments.seed, lambda day: Change(day, coefficient=0.7), lambda f: f.concept)
        print(f"  {time.process_time() - began:.0f} CPU s")


if __name__ == "__main__":
    main()
