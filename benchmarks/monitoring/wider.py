"""What the advised factor is worth when errors double for good: coverage of 80 % intervals as issued, and widened.

    python -m benchmarks.monitoring.wider --data ../shared/data

Auckland's counts since June 2022, from July 2024 on times noise that about doubles the WAPE: half of it common to all
sites. The champion is trained in April 2024. Every Monday the factor is that of the outcomes so far. `refitted` is the
same recipe, trained twelve weeks after the noise began: its calibration backtest has seen nothing else.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.monitoring.champions import WEEK, Recipe, Shelf, Version, live
from benchmarks.monitoring.feeds import Feed, feed

from mlops.domain.forecasts import coverage, wape
from mlops.monitoring.detect.intervals import interval_inflation

BORN, NOISY, REFITTED = (pd.Timestamp(day) for day in ("2024-04-01", "2024-07-01", "2024-09-23"))
WEEKS = 36
OWN, COMMON = 0.18, 0.12
SPELLS = {"before": (-13, 0), "weeks 1 and 2": (0, 2), "3 to 8": (2, 8), "9 to 12": (8, 12), "13 to 23": (12, 23)}


def noisy(quiet: Feed, seed: int) -> Feed:
    """The feed with noise from NOISY on."""
    rng, frame = np.random.default_rng(seed), quiet.frame[quiet.frame["ds"] >= "2022-06-01"]
    later, days = frame["ds"] >= NOISY, np.sort(frame["ds"].unique())
    common = frame["ds"].map(pd.Series(rng.normal(0, COMMON, len(days)), days))
    noise = np.exp(common + rng.normal(0, OWN, len(frame)))
    return replace(quiet, name=f"noisy {seed}", frame=frame.assign(y=frame["y"].where(~later, frame["y"] * noise)))


def weeks(shelf: Shelf, kind: str) -> Iterator[dict[str, float]]:
    """WAPE, the factor and both coverages of every week."""
    version = Version(kind, BORN)
    rows = live(shelf, [(version, BORN + week * WEEK) for week in range(WEEKS)]).assign(outcome=lambda x: x["y"])
    later = [(Version(kind, REFITTED), day) for day in pd.date_range(REFITTED, BORN + (WEEKS - 1) * WEEK, freq=WEEK)]
    again = live(shelf, later)
    for week in range(2, WEEKS):
        begin = BORN + week * WEEK
        now = rows[(rows["ds"] >= begin) & (rows["ds"] < begin + WEEK)].dropna(subset=["y"])
        factor = interval_inflation(rows[rows["ds"] < begin]) or 1.0
        new = again[(again["ds"] >= begin) & (again["ds"] < begin + WEEK)].dropna(subset=["y"])
        low = now["y_hat"] - factor * (now["y_hat"] - now["lo_80"])
        high = now["y_hat"] + factor * (now["hi_80"] - now["y_hat"])
        yield {
            "since": (begin - NOISY) // WEEK,
            "wape": wape(now["y"], now["y_hat"]),
            "factor": factor,
            "as issued": coverage(now["y"], now["lo_80"], now["hi_80"]),
            "widened": coverage(now["y"], low, high),
            "refitted": coverage(new["y"], new["lo_80"], new["hi_80"]) if len(new) else np.nan,
        }


def main() -> None:
    """Print the means of each spell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--kind", default="smoothing")
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    quiet, found = feed("auckland", chosen.data), []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(chosen.seeds):
            found += weeks(Shelf(noisy(quiet, seed), Recipe(chosen.kind), Path(folder)), chosen.kind)
    table = pd.DataFrame(found)
    for name, (first, last) in SPELLS.items():
        spell = table[(table["since"] >= first) & (table["since"] < last)].mean().drop("since")
        print(f"{name:14}", "  ".join(f"{what} {value:.2f}" for what, value in spell.items()))


if __name__ == "__main__":
    main()
