"""Limits from short backtests: quiet alarms, and how soon a break is flagged: `python benchmarks/monitoring/limits.py`.

A model of 12 series whose errors share a part by day; 20 weeks of backtest, 26 of use, the whole weekly check. Three
worlds: errors that are Gaussian; a Christmas in the backtest (eight days with four times the errors, two of them public
holidays); and storms (three days with three times the errors, four times a year, in backtest and use). Quiet lives:
episodes of alarms per model-year, as a person would count them, with the 95 % interval of Poisson counts, by finding.
Then from the fifth week on errors that are three times as large from a Tuesday on: the share of lives in which the
first Monday after it finds something.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.unit.test_slices import BACKTEST, LIVE, MONDAY, judged, quiet

from mlops import parallel
from mlops.monitoring.weekly.monitor import weekly
from mlops.policy import read_policy
from mlops.project import policy_file

WORLDS = ("gaussian", "christmas", "storms")
CALM_WEEKS = 2
BREAK_WEEK, TIMES = 4, 3.0
CHRISTMAS, HOLIDAYS = pd.date_range("2023-04-24", periods=8), (1, 2)  # in the 17th of the backtest's weeks
STORM_DAYS, STORMS_PER_YEAR = 3, 4.0


def louder(frame: pd.DataFrame, times: "pd.Series[float]") -> pd.DataFrame:
    """Rows whose errors are so many times as large."""
    return judged(frame.assign(y=frame["y_hat"] + (frame["y"] - frame["y_hat"]) * times))


def life(world: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Backtest and weeks of use."""
    random = np.random.default_rng([seed, 7])
    parts = quiet(seed, BACKTEST), quiet(seed, LIVE, MONDAY + pd.Timedelta(weeks=BACKTEST))
    if world == "christmas":
        festive = parts[0]["ds"].isin(CHRISTMAS)
        named = parts[0]["ds"].isin(CHRISTMAS[list(HOLIDAYS)])
        return louder(parts[0].assign(holiday=named), 1 + 3 * festive), parts[1]
    if world == "storms":
        return louder(parts[0], storms(parts[0], random)), louder(parts[1], storms(parts[1], random))
    return parts


def storms(frame: pd.DataFrame, random: np.random.Generator) -> "pd.Series[float]":
    days = np.sort(frame["ds"].unique())
    begins = np.flatnonzero(random.random(len(days)) < STORMS_PER_YEAR / 365)
    struck = {days[place] for begin in begins for place in range(begin, min(begin + STORM_DAYS, len(days)))}
    return 1 + 2.0 * frame["ds"].isin(struck)


def found(item: tuple[str, int, bool]) -> tuple[str, list[set[str]]]:
    """The names of what drifted, week by week."""
    world, seed, broken = item
    backtest, live = life(world, seed)
    if broken:
        since = live["ds"].min() + pd.Timedelta(days=7 * BREAK_WEEK + 1)
        live = louder(live, 1 + (TIMES - 1) * (live["ds"] >= since))
        live = live[live["ds"] < live["ds"].min() + pd.Timedelta(weeks=BREAK_WEEK + 1)]
    as_of = live["ds"].max().to_pydatetime().replace(tzinfo=UTC) + pd.Timedelta(days=1)
    policy = read_policy(policy_file())
    return world, [
        {one.name for one in week.details if one.drifted} for week, _ in weekly(backtest, live, policy, as_of)
    ]


def episodes(weeks: list[set[str]]) -> Iterator[set[str]]:
    """What drifted in each run of alarmed weeks with at most two calm ones between them."""
    calm, running = CALM_WEEKS + 1, set[str]()
    for week in [*weeks, *[set[str]()] * (CALM_WEEKS + 1)]:
        running |= week
        calm = 0 if week else calm + 1
        if running and calm > CALM_WEEKS:
            yield running
            running = set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=60, help="quiet lives of half a year, in each world")
    parser.add_argument("--first-seed", type=int, default=2_000)
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.lives)
    years = arguments.lives * LIVE / 52
    for world in WORLDS:
        lives = parallel.run(found, [(world, seed, False) for seed in seeds])
        alarms = [one for _, weeks in lives for one in episodes(weeks)]
        low, high = stats.chi2.ppf([0.025, 0.975], [2 * len(alarms), 2 * len(alarms) + 2]) / 2 / years
        named = Counter(name for one in alarms for name in one)
        broken = parallel.run(found, [(world, seed, True) for seed in seeds])
        caught = np.mean([bool(weeks[-1]) for _, weeks in broken])
        print(
            f"{world:10} {len(alarms) / years:.2f} episodes a year ({low if alarms else 0:.2f} to {high:.2f}),"
            f" break flagged on the first Monday in {caught:.0%}; {dict(named.most_common(6))}",
            flush=True,
        )


if __name__ == "__main__":
    main()
