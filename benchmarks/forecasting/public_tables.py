"""Every kind on the tables of public competitions: mean absolute error on the end of each table's training part.

    python -m benchmarks.forecasting.public_tables FOLDER [--kinds naive,auto] [--tables tourism_yearly] [--test]

The tables are JSON lines `id, start, horizon, train, test`. Their published errors are those of the test part: it is
scored with --test, once, when nothing is chosen any more. All series are brought to one end, so that they can be
forecast as one panel; what their stamps say of the season is lost with it.
"""

import argparse
import gzip
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mlops.domain.granularity import GRANULARITIES
from mlops.errors import HistoryTooShort
from mlops.forecasting import KINDS, forecaster
from mlops.panels.timestamps import granularity_of

END = np.datetime64("2020-12-01", "us")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--kinds", default=",".join(KINDS))
    options.add_argument("--tables", default="")
    options.add_argument("--test", action="store_true", help="score the test part")
    chosen = options.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for path in sorted(chosen.folder.glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        if chosen.tables and name not in chosen.tables.split(","):
            continue
        with gzip.open(path, "rt") as file:
            series = [json.loads(line) for line in file]
        for kind in chosen.kinds.split(","):
            print(run(name, series, kind, of_test=chosen.test), flush=True)


def run(name: str, series: list[dict[str, object]], kind: str, *, of_test: bool) -> str:
    """One line: errors of a kind on a table."""
    step, horizon = granularity_of(name.rpartition("_")[2]).name, int(series[0]["horizon"])  # type: ignore[call-overload]
    frame, left = framed(series, step, horizon, of_test=of_test)
    begun = time.process_time()
    try:
        found = forecaster(kind)(freq=step, horizon=horizon).fit(frame).predict(horizon)
    except HistoryTooShort as error:
        return f"{name} {kind}: {error}"
    seconds = time.process_time() - begun
    wide = found.pivot(index="series_id", columns="ds", values="y_hat").to_numpy()
    low, high = (found.pivot(index="series_id", columns="ds", values=f"{side}_80").to_numpy() for side in ("lo", "hi"))
    truth = np.array([left[one] for one in sorted(left)])
    inside = ((low <= truth) & (truth <= high)).mean()
    error = np.abs(wide - truth).mean(axis=1)
    return (
        f"{name} {kind}: {len(left)} series, MAE {error.mean():,.2f}, median MAE {np.median(error):,.2f},"
        f" inside 80 %: {inside:.1%}, finite {np.isfinite(wide).all()}, CPU {seconds:.1f} s"
    )


def framed(
    series: list[dict[str, object]], step: str, horizon: int, *, of_test: bool
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The history of every series, and what is to be forecast."""
    granularity, frames, left = GRANULARITIES[step], [], {}
    last = int(granularity.number(np.array([END]))[0])
    for one in series:
        y = np.array(one["train"], dtype=float)
        cut = len(y) if of_test else len(y) - horizon
        left[str(one["id"])] = np.array(one["test"], dtype=float) if of_test else y[cut:]
        ds = granularity.start(last - np.arange(cut)[::-1])
        frames.append(pd.DataFrame({"series_id": str(one["id"]), "ds": ds, "y": y[:cut]}))
    return pd.concat(frames), left


if __name__ == "__main__":
    main()
