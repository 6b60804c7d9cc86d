"""False alarms of slices, and how many shifts of one slice are named: `python benchmarks/monitoring/slices.py`.

A model of 12 series whose errors share a part by day; 20 weeks of backtest, 26 of use. Quiet models with 0, 2 and 15
slices: alarm episodes per model-year of the whole and of slices, with the 95 % interval of Poisson counts. Then a shift
of 1.3 sigma of the rows of one slice after four weeks: how often it is named within four weeks, and in how many days.
"""

import argparse
import sys
from datetime import UTC
from pathlib import Path

import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.unit.test_slices import LIVE, SLICES, judged, later, quiet

from mlops import parallel
from mlops.monitoring.weekly.monitor import weekly
from mlops.policy import read_policy
from mlops.project import policy_file

COUNTS = (0, 2, len(SLICES))


def alarms(count: int, seed: int, shift: float = 0.0) -> list[tuple[bool, set[str]]]:
    """By week: whether the whole model drifted, and which slices did."""
    live = later(seed)
    if shift:
        moved = live["series_id"].isin(SLICES[4].series) & (live["ds"] >= live["ds"].min() + pd.Timedelta(weeks=4))
        live = judged(live.assign(y=live["y"] + moved * shift))
    as_of = live["ds"].max().to_pydatetime().replace(tzinfo=UTC) + pd.Timedelta(days=1)
    policy = read_policy(policy_file())
    found = []
    for findings, _ in weekly(quiet(seed, 20), live, policy, as_of, SLICES[:count]):
        drifted = [one for one in findings.details if one.drifted]
        found.append((any(not one.slice for one in drifted), {one.slice for one in drifted if one.slice}))
    return found


def quiet_life(item: tuple[int, int]) -> tuple[int, int, int]:
    """Slices, and alarm episodes of the whole and of slices."""
    count, seed = item
    weeks = alarms(count, seed)
    return count, episodes([whole for whole, _ in weeks]), episodes([bool(slices) for _, slices in weeks])


def shifted_life(seed: int) -> int | None:
    """After how many days the slice that was shifted is named; None if it is not within four weeks."""
    named = [SLICES[4].name in slices for _, slices in alarms(len(SLICES), seed, 15.0)]
    return next((7 * (week - 3) for week in range(4, 8) if named[week]), None)


def episodes(weeks: list[bool]) -> int:
    return sum(now and not before for before, now in zip([False, *weeks], weeks, strict=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=100, help="quiet lives of half a year, for each count of slices")
    parser.add_argument("--first-seed", type=int, default=1_000)
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.lives)
    found = parallel.run(quiet_life, [(count, seed) for count in COUNTS for seed in seeds])
    years = arguments.lives * LIVE / 52
    for count in COUNTS:
        for what, column in (("whole", 1), ("slices", 2)):
            total = sum(one[column] for one in found if one[0] == count)
            low, high = stats.chi2.ppf([0.025, 0.975], [2 * total, 2 * total + 2]) / 2 / years
            rates = f"{total / years:.2f} episodes a year ({low if total else 0:.2f} to {high:.2f})"
            print(f"{count:2} slices, {what:6}: {rates}")
    days = parallel.run(shifted_life, list(seeds))
    known = sorted(one for one in days if one is not None)
    print(
        f"one slice shifted: named in {len(known) / len(days):.0%} within 28 days, median {known[len(known) // 2]} days"
    )


if __name__ == "__main__":
    main()
