"""What deciding when to retrain is worth: the same past under four policies, on the same fits and forecasts.

    python -m benchmarks.monitoring.policy_replay --data ../shared/data --kinds lightgbm,lean

never: the first champion stays. monthly: retrained on each month's first Monday and promoted unseen. on every drift:
retrained and promoted whenever the concept or the performance drifted. ours: what the product recommends is done, under
monitoring/policy.toml. All see the same days, from the same fits. Auckland is where the rules were developed, Austin
where they are checked.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.monitoring.champions import Decide, Recipe, Shelf, State, Week, live, mondays, play
from benchmarks.monitoring.feeds import feed

from mlops.domain.findings import Recommendation
from mlops.evaluation import paired
from mlops.evaluation.paired import Estimate
from mlops.monitoring.decide.costs import money
from mlops.policy import Policy, read_policy

PERIODS = {"auckland": ("2020-01-01", "2022-12-31"), "austin": ("2012-01-01", "2016-12-31")}
CONFIDENCE = 0.95
Answer = tuple[str, Recommendation | None]


def never(_: State) -> Answer:
    """The first champion stays."""
    return "keep", None


def monthly(state: State) -> Answer:
    """On each month's first Monday."""
    return ("retrain" if state.monday.day <= 7 else "keep"), None


def on_drift(state: State) -> Answer:
    """Whenever the concept or the performance drifted."""
    newest = state.weeks[-1]
    return ("retrain" if newest.concept or newest.performance else "keep"), None


def ours(state: State) -> Answer:
    """What is recommended, without a person."""
    advice = state.advice()
    return (advice.action if advice.action in ("retrain", "rollback") else "keep"), advice


POLICIES: Mapping[str, Decide] = {"never": never, "monthly": monthly, "on every drift": on_drift, "ours": ours}


@dataclass(frozen=True)
class Outcome:
    """One policy's life: its weeks, and by week of the calendar the size, the error and what errors cost."""

    weeks: list[Week]
    weekly: pd.DataFrame

    @property
    def retrainings(self) -> int:
        return sum(week.retrained for week in self.weeks)

    @property
    def wape(self) -> float:
        return float(self.weekly["error"].sum() / self.weekly["size"].sum())


def outcome(shelf: Shelf, policy: Policy, days: pd.DatetimeIndex, decide: Decide) -> Outcome:
    """Play a policy and sum up what it served: the newest forecast of every day, of the first champion's series.

    Later champions know series that the first had not; a policy must not be judged by those that only it serves.
    """
    weeks = list(play(shelf, policy, days, decide))
    champions = [week.champion for week in weeks]  # of the week that ends on that Monday
    served = live(shelf, list(zip(champions, days[:-1], strict=True))).dropna(subset=["y"])
    served = served[served["series_id"].isin(shelf.model(weeks[0].champion).known)]
    unit = policy.costs.unit(shelf.feed.metric_type)
    table = pd.DataFrame(
        {
            "error": (served["y"] - served["y_hat"]).abs(),
            "size": served["y"].abs(),
            "money": money(served["y"], served["y_hat"], unit),
        }
    )
    return Outcome(weeks, table.groupby((served["ds"] - days[0]).dt.days // 7).sum())


def less(ours: Outcome, other: Outcome) -> Estimate:
    """WAPE of ours minus that of another, by a block bootstrap over blocks of seven weeks."""
    weekly = ours.weekly.join(other.weekly, rsuffix="_other", how="inner")
    difference = (weekly["error"] - weekly["error_other"]).to_numpy(float)
    return paired.ratio_of_sums(difference, weekly["size"].to_numpy(float), CONFIDENCE)


def rows(name: str, kind: str, policy: Policy, folder: Path, shelf_folder: Path) -> list[dict[str, object]]:
    """The figures of every policy on one feed with one kind of model."""
    days = mondays(*PERIODS[name])
    shelf = Shelf(feed(name, folder), Recipe(kind), shelf_folder)
    found = {label: outcome(shelf, policy, days, decide) for label, decide in POLICIES.items()}
    years = len(days) * 7 / 365.25
    table = []
    for label, one in found.items():
        spent = one.retrainings * (policy.costs.retraining + policy.costs.review)
        apart = less(found["ours"], one)
        table.append(
            {
                "feed": name,
                "kind": kind,
                "policy": label,
                "retrainings": one.retrainings,
                "WAPE": round(one.wape, 5),
                "ours less this": [round(x, 5) for x in (apart.value, apart.low, apart.high)],
                "errors a year": round(float(one.weekly["money"].sum()) / years),
                "retraining a year": round(spent / years),
            }
        )
        print(json.dumps(table[-1]), flush=True)
    return table


def main() -> None:
    """Print a line per feed, kind and policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--kinds", default="lightgbm,lean")
    parser.add_argument("--feeds", default="auckland,austin")
    parser.add_argument("--shelf", type=Path, default=Path("/tmp/mlops-shelf"), help="keeps fits and forecasts")
    chosen = parser.parse_args()
    policy = read_policy(Path("monitoring/policy.toml"))
    for name in chosen.feeds.split(","):
        for kind in chosen.kinds.split(","):
            rows(name, kind, policy, chosen.data, chosen.shelf)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
